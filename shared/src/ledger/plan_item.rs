//! One plan's item in the ledger: which failover is under way, whether one may start, and what people said to it.
//! Pure: no clock, no AWS. The writer lease, in the same item, has its rules in [`super::writer`].
//!
//! # The cooldown
//! It keeps automatic runs from flapping, and it is kept per direction. Closing a run from A to B sets a moment for
//! A to B and for B to A:
//! - B to A, because going straight back is what flapping is.
//! - A to B, because A may have been made active again within the cooldown by a person, and a Region that was lost a
//!   short while ago and is lost again needs somebody to look at it.
//! - Nothing for any other direction: when B is lost next, going on to C undoes nothing and repeats nothing.
//!
//! A later run never shortens a cooldown. An acknowledgement, a person's word that the incident is understood, ends all
//! of them. None of them ever holds a person.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::writer::WriterGrant;
use crate::contract::{FailoverId, Generation, Initiator, Outcome, PlanName, Region, Timestamp};
use crate::error::Error;

/// How many of people's statements an item keeps. Older ones are in the log of `health-probe`.
pub const MOST_STATEMENTS: usize = 20;

/// Where a plan's newest failover stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Under way, until `active_until` at most.
    Active,
    /// Ended well.
    Succeeded,
    /// Ended badly; the same failover may go on.
    Failed,
}

impl Phase {
    /// The text in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Reads the text in the ledger.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Succeeded, Self::Failed].into_iter().find(|phase| phase.as_str() == text)
    }
}

/// A way from one Region to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Direction {
    /// The Region that is left.
    pub source: Region,
    /// The Region that becomes active.
    pub target: Region,
}

impl Direction {
    /// From one Region to another.
    #[must_use]
    pub const fn new(source: Region, target: Region) -> Self {
        Self { source, target }
    }

    /// The way back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self { source: self.target.clone(), target: self.source.clone() }
    }

    /// Reads the text in the ledger, `source>target`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (source, target) = text.split_once('>')?;
        Some(Self { source: Region::parse(source).ok()?, target: Region::parse(target).ok()? })
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{}", self.source, self.target)
    }
}

/// A plan's newest failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestFailover {
    /// Its id.
    pub id: FailoverId,
    /// Where it stands.
    pub phase: Phase,
    /// Until when it counts as under way, while active.
    pub active_until: Timestamp,
    /// Where it goes; none for one that was admitted before the ledger kept directions.
    pub direction: Option<Direction>,
}

/// The kill switch: while it is set, alarms start nothing, and automatic runs stop before their next change (X5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KillSwitch {
    /// Not set.
    #[default]
    Clear,
    /// Set by a person.
    Set,
    /// The attribute holds something that is neither: counts as set, until a person sets or clears it properly.
    Unreadable,
}

impl KillSwitch {
    /// Whether it holds automatic runs.
    #[must_use]
    pub const fn holds(self) -> bool {
        match self {
            Self::Clear => false,
            Self::Set | Self::Unreadable => true,
        }
    }
}

/// What a person said to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The incident is understood: the cooldowns end.
    Acknowledged,
    /// The kill switch is set.
    KillSwitchSet,
    /// The kill switch is cleared.
    KillSwitchCleared,
}

impl Said {
    /// The text in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::KillSwitchSet => "kill_switch_set",
            Self::KillSwitchCleared => "kill_switch_cleared",
        }
    }

    /// Reads the text in the ledger.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Acknowledged, Self::KillSwitchSet, Self::KillSwitchCleared]
            .into_iter()
            .find(|said| said.as_str() == text)
    }
}

/// Who said what, why and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What.
    pub said: Said,
    /// Who, as they named themselves.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A plan's item. A plan that never failed over has none; [`PlanItem::default`] stands for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanItem {
    /// Grows by one with each failover.
    pub generation: Generation,
    /// The newest failover, none before the first.
    pub newest: Option<NewestFailover>,
    /// Where the last successful failover went; none before the first: then the plan's home Region.
    pub active_region: Option<Region>,
    /// For each direction, until when alarms start nothing in it.
    pub cooldowns: BTreeMap<Direction, Timestamp>,
    /// Set by a person: alarms start nothing, and automatic runs stop before their next change.
    pub kill_switch: KillSwitch,
    /// What people said, the oldest first; at most [`MOST_STATEMENTS`].
    pub statements: Vec<Statement>,
    /// The writer lease as it was last granted; none when there never was one (X1).
    pub writer: Option<WriterGrant>,
}

/// A wish to start a failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The failover.
    pub failover_id: FailoverId,
    /// Who wants it.
    pub initiator: Initiator,
    /// The Region that would be left.
    pub source: Region,
    /// The Region that would become active.
    pub target: Region,
    /// Until when it counts as under way.
    pub active_until: Timestamp,
}

impl Admission {
    /// Where it would go.
    #[must_use]
    pub fn direction(&self) -> Direction {
        Direction::new(self.source.clone(), self.target.clone())
    }
}

impl PlanItem {
    /// Admits a failover: the item with its generation. It freezes the writer lease by the same write.
    ///
    /// Asking again for the newest failover gives the same generation and makes it active again, also after it ended:
    /// that is how a resumed execution goes on. Nothing that came after it can be undone by that, since the newest
    /// failover is the only one that is admitted again.
    ///
    /// # Errors
    /// [`Error::Refused`] while another failover is under way, and for the newest one's id in another direction; for
    /// alarms also with the kill switch set or within the direction's cooldown.
    pub fn admit(&self, plan: &PlanName, wish: &Admission, now: Timestamp) -> Result<Self, Error> {
        self.check_kill_switch(plan, wish.initiator)?;
        let again = self.newest.as_ref().is_some_and(|newest| newest.id == wish.failover_id);
        if again {
            self.check_same_direction(wish)?;
        } else {
            self.check_alone(now)?;
            self.check_cooldown(plan, wish, now)?;
        }
        let generation = if again { self.generation } else { self.generation.saturating_add(1) };
        let newest = NewestFailover {
            id: wish.failover_id.clone(),
            phase: Phase::Active,
            active_until: wish.active_until,
            direction: Some(wish.direction()),
        };
        Ok(Self { generation, newest: Some(newest), ..self.clone() })
    }

    /// Where the newest failover goes, if it is this one: what a resumed execution has to ask for again.
    #[must_use]
    pub fn direction_of(&self, failover: &FailoverId) -> Option<&Direction> {
        self.newest.as_ref().filter(|newest| newest.id == *failover).and_then(|newest| newest.direction.as_ref())
    }

    /// Whether a step may act now. Read before every change.
    ///
    /// # Errors
    /// [`Error::Superseded`] for an older generation, [`Error::Refused`] for one the ledger does not know, with the kill
    /// switch set on an automatic run, and for a step by hand while a failover is under way.
    pub fn permit(
        &self,
        plan: &PlanName,
        generation: Option<Generation>,
        initiator: Initiator,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.check_kill_switch(plan, initiator)?;
        match generation {
            None => self.check_alone(now),
            Some(generation) => self.check_newest(plan, generation),
        }
    }

    /// Closes a failover. Its target becomes the active Region if it succeeded; both its direction and the way back
    /// cool down until `cooldown_until` at least, however it ended.
    ///
    /// # Errors
    /// [`Error::Superseded`] or [`Error::Refused`] when the generation is not the newest.
    pub fn close(
        &self,
        plan: &PlanName,
        generation: Generation,
        outcome: Outcome,
        direction: &Direction,
        cooldown_until: Timestamp,
    ) -> Result<Self, Error> {
        self.check_newest(plan, generation)?;
        let (phase, active_region) = match outcome {
            Outcome::Succeeded => (Phase::Succeeded, Some(direction.target.clone())),
            Outcome::Failed => (Phase::Failed, self.active_region.clone()),
        };
        let mut cooldowns = self.cooldowns.clone();
        for way in [direction.clone(), direction.reversed()] {
            let until = cooldowns.entry(way).or_default();
            *until = cooldown_until.max(*until);
        }
        Ok(Self { newest: self.newest_in(phase), active_region, cooldowns, ..self.clone() })
    }

    /// Closes a failover that was admitted and has changed nothing: there is nothing to cool down from.
    ///
    /// # Errors
    /// [`Error::Superseded`] or [`Error::Refused`] when the generation is not the newest.
    pub fn abandon(&self, plan: &PlanName, generation: Generation) -> Result<Self, Error> {
        self.check_newest(plan, generation)?;
        Ok(Self { newest: self.newest_in(Phase::Failed), ..self.clone() })
    }

    /// A person's word that the incident is understood: ends all cooldowns, and a failover that has overstayed its
    /// time, so that it no longer keeps the writer lease frozen. A failover that is under way is left alone.
    #[must_use]
    pub fn acknowledge(&self, by: &str, reason: &str, now: Timestamp) -> Self {
        let overstayed =
            self.newest.as_ref().is_some_and(|newest| newest.phase == Phase::Active && newest.active_until <= now);
        Self {
            newest: if overstayed { self.newest_in(Phase::Failed) } else { self.newest.clone() },
            cooldowns: BTreeMap::new(),
            ..self.said(Said::Acknowledged, by, reason, now)
        }
    }

    /// Sets or clears the kill switch, by a person's word.
    #[must_use]
    pub fn set_kill_switch(&self, set: bool, by: &str, reason: &str, now: Timestamp) -> Self {
        let (kill_switch, said) =
            if set { (KillSwitch::Set, Said::KillSwitchSet) } else { (KillSwitch::Clear, Said::KillSwitchCleared) };
        Self { kill_switch, ..self.said(said, by, reason, now) }
    }

    fn said(&self, said: Said, by: &str, reason: &str, at: Timestamp) -> Self {
        let mut statements = self.statements.clone();
        statements.push(Statement { said, by: by.to_owned(), reason: reason.to_owned(), at });
        let surplus = statements.len().saturating_sub(MOST_STATEMENTS);
        statements.drain(..surplus);
        Self { statements, ..self.clone() }
    }

    fn newest_in(&self, phase: Phase) -> Option<NewestFailover> {
        self.newest.clone().map(|newest| NewestFailover { phase, ..newest })
    }

    /// Whether the generation is the newest failover's.
    pub(super) fn check_newest(&self, plan: &PlanName, generation: Generation) -> Result<(), Error> {
        if generation < self.generation {
            return Err(Error::Superseded { plan: plan.to_string(), generation, current: self.generation });
        }
        if generation > self.generation {
            return Err(Error::Refused {
                reason: format!(
                    "generation {generation} of plan {plan} is not in the ledger, which is at {}",
                    self.generation
                ),
                cure: "start the failover through the state machine, whose decision claims a generation".to_owned(),
            });
        }
        Ok(())
    }

    fn check_kill_switch(&self, plan: &PlanName, initiator: Initiator) -> Result<(), Error> {
        match initiator {
            Initiator::Alarm if self.kill_switch.holds() => Err(Error::Refused {
                reason: format!("the kill switch of plan {plan} {}", self.kill_switch_in_words()),
                cure: "clear the kill switch, or start the failover by hand".to_owned(),
            }),
            Initiator::Alarm | Initiator::Person => Ok(()),
        }
    }

    fn kill_switch_in_words(&self) -> String {
        let newest = self.statements.iter().rfind(|statement| statement.said != Said::Acknowledged);
        match (self.kill_switch, newest) {
            (KillSwitch::Unreadable, _) => "holds what is neither true nor false, which counts as set".to_owned(),
            (KillSwitch::Set, Some(Statement { said: Said::KillSwitchSet, by, reason, at })) => {
                format!("is set, since {at} by {by}: {reason}")
            }
            // Set in the table itself, without a statement.
            (KillSwitch::Set | KillSwitch::Clear, _) => "is set".to_owned(),
        }
    }

    fn check_alone(&self, now: Timestamp) -> Result<(), Error> {
        match &self.newest {
            Some(newest) if newest.phase == Phase::Active && newest.active_until > now => Err(Error::Refused {
                reason: format!("failover {} is under way, until {} at most", newest.id, newest.active_until),
                cure: "wait for it to end, or stop its execution and go on with the same failover id".to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn check_same_direction(&self, wish: &Admission) -> Result<(), Error> {
        match self.direction_of(&wish.failover_id) {
            Some(direction) if *direction != wish.direction() => Err(Error::Refused {
                reason: format!(
                    "failover {} goes from {} to {}, and now it is asked to go from {} to {}",
                    wish.failover_id, direction.source, direction.target, wish.source, wish.target
                ),
                cure: "start a failover with an id of its own".to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn check_cooldown(&self, plan: &PlanName, wish: &Admission, now: Timestamp) -> Result<(), Error> {
        let until = self.cooldowns.get(&wish.direction()).copied().unwrap_or_default();
        match wish.initiator {
            Initiator::Alarm if until > now => Err(Error::Refused {
                reason: format!(
                    "plan {plan} moved between {} and {} a short while ago; until {until} the cooldown keeps alarms from \
                     moving it from {} to {}",
                    wish.source, wish.target, wish.source, wish.target
                ),
                cure: "acknowledge the incident to end the cooldown, or start the failover by hand: the cooldown does \
                       not hold for people"
                    .to_owned(),
            }),
            Initiator::Alarm | Initiator::Person => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const LATER: Timestamp = Timestamp::from_millis(1_010_000);

    fn plan() -> PlanName {
        PlanName::parse("trading").expect("valid")
    }

    fn region(code: &str) -> Region {
        Region::parse(code).expect("valid")
    }

    fn way(source: &str, target: &str) -> Direction {
        Direction::new(region(source), region(target))
    }

    fn there() -> Direction {
        way("eu-central-1", "eu-west-1")
    }

    fn wish_to(id: &str, initiator: Initiator, direction: Direction) -> Admission {
        Admission {
            failover_id: FailoverId::parse(id).expect("valid"),
            initiator,
            source: direction.source,
            target: direction.target,
            active_until: NOW.plus_millis(60_000),
        }
    }

    fn wish(id: &str, initiator: Initiator) -> Admission {
        wish_to(id, initiator, there())
    }

    fn running(id: &str) -> PlanItem {
        PlanItem::default().admit(&plan(), &wish(id, Initiator::Person), NOW).expect("nothing in the way")
    }

    fn ended(id: &str, outcome: Outcome) -> PlanItem {
        running(id).close(&plan(), 1, outcome, &there(), LATER).expect("newest")
    }

    #[test]
    fn each_failover_gets_a_generation_of_its_own_and_asking_again_gives_the_same() {
        let first = running("one");
        assert_eq!(first.generation, 1);
        let again = first.admit(&plan(), &wish("one", Initiator::Alarm), NOW).expect("same failover");
        assert_eq!(again.generation, 1);
        let second = ended("one", Outcome::Succeeded).admit(&plan(), &wish("two", Initiator::Person), NOW);
        assert_eq!(second.expect("the first ended").generation, 2);
    }

    #[test]
    fn a_failover_that_ended_goes_on_in_its_generation_and_is_under_way_again() {
        for outcome in [Outcome::Succeeded, Outcome::Failed] {
            for initiator in [Initiator::Alarm, Initiator::Person] {
                let resumed = ended("one", outcome).admit(&plan(), &wish("one", initiator), NOW).expect("the newest");
                let newest = resumed.newest.clone().expect("one");
                assert_eq!((resumed.generation, newest.phase), (1, Phase::Active));
                assert!(resumed.admit(&plan(), &wish("two", Initiator::Person), NOW).is_err());
            }
        }
    }

    #[test]
    fn a_failovers_id_stands_for_one_direction() {
        let item = ended("one", Outcome::Failed);
        assert_eq!(item.direction_of(&FailoverId::parse("one").expect("valid")), Some(&there()));
        assert_eq!(item.direction_of(&FailoverId::parse("two").expect("valid")), None);
        let elsewhere = wish_to("one", Initiator::Person, way("eu-central-1", "us-east-1"));
        let refused = item.admit(&plan(), &elsewhere, NOW).expect_err("another direction");
        assert_eq!(refused.code(), ErrorCode::Refused);
        let mut older = item;
        older.newest = older.newest.map(|newest| NewestFailover { direction: None, ..newest });
        assert_eq!(older.admit(&plan(), &elsewhere, NOW).expect("not known to differ").generation, 1);
    }

    #[test]
    fn two_failovers_are_never_under_way_at_once() {
        for initiator in [Initiator::Alarm, Initiator::Person] {
            let refused = running("one").admit(&plan(), &wish("two", initiator), NOW).expect_err("one is under way");
            assert_eq!(refused.code(), ErrorCode::Refused);
            assert!(refused.to_string().contains("one"), "{refused}");
        }
    }

    #[test]
    fn a_failover_that_overstayed_its_time_blocks_nobody() {
        let later = NOW.plus_millis(60_000);
        let next = running("one").admit(&plan(), &wish("two", Initiator::Person), later).expect("overstayed");
        assert_eq!(next.generation, 2);
    }

    #[test]
    fn the_cooldown_holds_alarms_both_ways_and_never_a_person() {
        for outcome in [Outcome::Succeeded, Outcome::Failed] {
            let item = ended("one", outcome);
            for direction in [there(), there().reversed()] {
                let admit = |initiator, now| item.admit(&plan(), &wish_to("two", initiator, direction.clone()), now);
                let refused = admit(Initiator::Alarm, LATER.minus_millis(1)).expect_err("within the cooldown");
                assert!(refused.to_string().contains("cooldown"), "{refused}");
                assert!(admit(Initiator::Person, NOW).is_ok());
                assert!(admit(Initiator::Alarm, LATER).is_ok());
            }
        }
    }

    #[test]
    fn the_cooldown_of_one_direction_leaves_the_others_alone() {
        let item = ended("one", Outcome::Succeeded);
        for direction in [way("eu-west-1", "us-east-1"), way("us-east-1", "eu-central-1")] {
            assert!(item.admit(&plan(), &wish_to("two", Initiator::Alarm, direction), NOW).is_ok());
        }
    }

    #[test]
    fn each_direction_has_its_own_moment_and_a_later_run_never_shortens_it() {
        let onward = way("eu-west-1", "us-east-1");
        let item = ended("one", Outcome::Succeeded)
            .admit(&plan(), &wish_to("two", Initiator::Person, onward.clone()), NOW)
            .and_then(|item| item.close(&plan(), 2, Outcome::Succeeded, &onward, LATER.plus_millis(5)))
            .and_then(|item| item.admit(&plan(), &wish_to("three", Initiator::Person, there().reversed()), NOW))
            .and_then(|item| item.close(&plan(), 3, Outcome::Failed, &there().reversed(), NOW))
            .expect("people's runs, one after the other");
        let expected = [
            (there(), LATER),
            (there().reversed(), LATER),
            (onward.clone(), LATER.plus_millis(5)),
            (onward.reversed(), LATER.plus_millis(5)),
        ];
        assert_eq!(item.cooldowns, BTreeMap::from(expected));
    }

    #[test]
    fn an_acknowledgement_ends_every_cooldown_and_says_who_why_and_when() {
        let item = ended("one", Outcome::Succeeded).acknowledge("ada", "the Region is back", NOW);
        for direction in [there(), there().reversed()] {
            assert!(item.admit(&plan(), &wish_to("two", Initiator::Alarm, direction), NOW).is_ok());
        }
        let statement = Statement {
            said: Said::Acknowledged,
            by: "ada".to_owned(),
            reason: "the Region is back".to_owned(),
            at: NOW,
        };
        assert_eq!(item.statements, [statement]);
    }

    #[test]
    fn an_acknowledgement_ends_a_failover_that_overstayed_and_none_that_is_under_way() {
        let phase = |item: PlanItem| item.newest.map(|newest| newest.phase);
        let over = NOW.plus_millis(60_000);
        assert_eq!(phase(running("one").acknowledge("ada", "gone", over)), Some(Phase::Failed));
        assert_eq!(phase(running("one").acknowledge("ada", "gone", over.minus_millis(1))), Some(Phase::Active));
        assert_eq!(phase(ended("one", Outcome::Succeeded).acknowledge("ada", "", over)), Some(Phase::Succeeded));
        assert_eq!(phase(PlanItem::default().acknowledge("ada", "", over)), None);
    }

    #[test]
    fn the_kill_switch_stops_alarms_before_and_during_a_run_and_never_a_person() {
        for kill_switch in [KillSwitch::Set, KillSwitch::Unreadable] {
            let item = PlanItem { kill_switch, ..running("one") };
            assert!(item.admit(&plan(), &wish("one", Initiator::Alarm), NOW).is_err());
            assert!(item.permit(&plan(), Some(1), Initiator::Alarm, NOW).is_err());
            assert!(item.admit(&plan(), &wish("one", Initiator::Person), NOW).is_ok());
            assert!(item.permit(&plan(), Some(1), Initiator::Person, NOW).is_ok());
        }
    }

    #[test]
    fn a_kill_switch_says_who_set_it_and_why_and_clears_again() {
        for before in [KillSwitch::Clear, KillSwitch::Unreadable] {
            let item = PlanItem { kill_switch: before, ..running("one") };
            let set = item.set_kill_switch(true, "ada", "maintenance", NOW).acknowledge("bob", "seen", NOW);
            let refused = set.permit(&plan(), Some(1), Initiator::Alarm, NOW).expect_err("set").to_string();
            assert!(refused.contains("ada") && refused.contains("maintenance"), "{refused}");
            let cleared = set.set_kill_switch(false, "ada", "done", LATER);
            assert!(cleared.permit(&plan(), Some(1), Initiator::Alarm, NOW).is_ok());
            let said: Vec<Said> = cleared.statements.iter().map(|statement| statement.said).collect();
            assert_eq!(said, [Said::KillSwitchSet, Said::Acknowledged, Said::KillSwitchCleared]);
        }
    }

    #[test]
    fn the_newest_statements_are_kept_and_no_more() {
        let mut item = PlanItem::default();
        for number in 0..=MOST_STATEMENTS {
            item = item.acknowledge("ada", &number.to_string(), NOW);
        }
        assert_eq!(item.statements.len(), MOST_STATEMENTS);
        assert_eq!(item.statements[0].reason, "1");
    }

    #[test]
    fn a_step_of_an_older_generation_is_superseded_and_of_a_newer_one_refused() {
        let item = PlanItem { generation: 5, ..running("one") };
        let code =
            |generation| item.permit(&plan(), Some(generation), Initiator::Person, NOW).map_err(|error| error.code());
        assert_eq!(code(4), Err(ErrorCode::Superseded));
        assert_eq!(code(5), Ok(()));
        assert_eq!(code(6), Err(ErrorCode::Refused));
    }

    #[test]
    fn a_step_by_hand_is_refused_while_a_failover_is_under_way() {
        assert!(running("one").permit(&plan(), None, Initiator::Person, NOW).is_err());
        assert!(ended("one", Outcome::Succeeded).permit(&plan(), None, Initiator::Person, NOW).is_ok());
        assert!(PlanItem::default().permit(&plan(), None, Initiator::Person, NOW).is_ok());
    }

    #[test]
    fn only_success_moves_the_active_region() {
        assert_eq!(ended("one", Outcome::Succeeded).active_region, Some(region("eu-west-1")));
        assert_eq!(ended("one", Outcome::Failed).active_region, None);
    }

    #[test]
    fn a_failover_that_changed_nothing_ends_without_a_cooldown() {
        let item = running("one").abandon(&plan(), 1).expect("newest");
        assert_eq!(item.newest.clone().map(|newest| newest.phase), Some(Phase::Failed));
        assert_eq!((item.cooldowns.len(), item.active_region.clone()), (0, None));
        assert!(item.admit(&plan(), &wish("two", Initiator::Alarm), NOW).is_ok());
    }

    #[test]
    fn a_superseded_failover_cannot_close_its_successors_generation() {
        let item = PlanItem { generation: 2, ..running("two") };
        for (generation, code) in [(1, ErrorCode::Superseded), (3, ErrorCode::Refused)] {
            let closed = item.close(&plan(), generation, Outcome::Succeeded, &there(), NOW);
            assert_eq!(closed.expect_err("not the newest").code(), code);
            assert_eq!(item.abandon(&plan(), generation).expect_err("not the newest").code(), code);
        }
    }

    #[test]
    fn a_direction_reads_back_and_a_broken_one_does_not_read() {
        assert_eq!(Direction::parse(&there().to_string()), Some(there()));
        for broken in ["", "eu-west-1", "eu-west-1>", "eu-west-1>Ireland", "a>b"] {
            assert_eq!(Direction::parse(broken), None, "{broken}");
        }
    }
}
