//! One plan's item in the ledger: which failover is under way, and whether one may start. Pure: no clock, no AWS.

use serde::{Deserialize, Serialize};

use crate::contract::{FailoverId, Generation, Initiator, Outcome, PlanName, Region, Timestamp};
use crate::error::Error;

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

/// A plan's newest failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestFailover {
    /// Its id.
    pub id: FailoverId,
    /// Where it stands.
    pub phase: Phase,
    /// Until when it counts as under way, while active.
    pub active_until: Timestamp,
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
    /// Until when alarms start nothing.
    pub cooldown_until: Timestamp,
    /// Set by a person: alarms start nothing, and automatic runs stop before their next change.
    pub kill_switch: bool,
}

/// A wish to start a failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The failover.
    pub failover_id: FailoverId,
    /// Who wants it.
    pub initiator: Initiator,
    /// Until when it counts as under way.
    pub active_until: Timestamp,
}

impl PlanItem {
    /// Admits a failover: the item with its generation. Asking twice for the same failover gives the same generation.
    ///
    /// # Errors
    /// [`Error::Refused`] while another failover is under way; for alarms also with the kill switch set or within the
    /// cooldown.
    pub fn admit(&self, plan: &PlanName, wish: &Admission, now: Timestamp) -> Result<Self, Error> {
        self.check_kill_switch(plan, wish.initiator)?;
        let again = self.newest.as_ref().is_some_and(|newest| newest.id == wish.failover_id);
        if !again {
            self.check_alone(now)?;
            self.check_cooldown(plan, wish.initiator, now)?;
        }
        let generation = if again { self.generation } else { self.generation.saturating_add(1) };
        let newest =
            NewestFailover { id: wish.failover_id.clone(), phase: Phase::Active, active_until: wish.active_until };
        Ok(Self { generation, newest: Some(newest), ..self.clone() })
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
            Some(generation) if generation < self.generation => {
                Err(Error::Superseded { plan: plan.to_string(), generation, current: self.generation })
            }
            Some(generation) if generation > self.generation => Err(Error::Refused {
                reason: format!(
                    "generation {generation} of plan {plan} is not in the ledger, which is at {}",
                    self.generation
                ),
                cure: "start the failover through the state machine, whose decision claims a generation".to_owned(),
            }),
            Some(_) => Ok(()),
        }
    }

    /// Closes a failover. `arrived_in` is the Region it made active, when it succeeded.
    ///
    /// # Errors
    /// [`Error::Superseded`] when the generation is not the newest.
    pub fn close(
        &self,
        plan: &PlanName,
        generation: Generation,
        outcome: Outcome,
        arrived_in: &Region,
        cooldown_until: Timestamp,
    ) -> Result<Self, Error> {
        if generation != self.generation {
            return Err(Error::Superseded { plan: plan.to_string(), generation, current: self.generation });
        }
        let (phase, active_region) = match outcome {
            Outcome::Succeeded => (Phase::Succeeded, Some(arrived_in.clone())),
            Outcome::Failed => (Phase::Failed, self.active_region.clone()),
        };
        let newest = self.newest.clone().map(|newest| NewestFailover { phase, ..newest });
        Ok(Self { newest, active_region, cooldown_until, ..self.clone() })
    }

    fn check_kill_switch(&self, plan: &PlanName, initiator: Initiator) -> Result<(), Error> {
        match initiator {
            Initiator::Alarm if self.kill_switch => Err(Error::Refused {
                reason: format!("the kill switch of plan {plan} is set"),
                cure: "remove the kill switch, or start the failover by hand".to_owned(),
            }),
            Initiator::Alarm | Initiator::Person => Ok(()),
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

    fn check_cooldown(&self, plan: &PlanName, initiator: Initiator, now: Timestamp) -> Result<(), Error> {
        match initiator {
            Initiator::Alarm if self.cooldown_until > now => Err(Error::Refused {
                reason: format!(
                    "plan {plan} failed over a short while ago; alarms start nothing until {}",
                    self.cooldown_until
                ),
                cure: "if a failover is needed now, start it by hand: the cooldown does not hold for people".to_owned(),
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

    fn plan() -> PlanName {
        PlanName::parse("trading").expect("valid")
    }

    fn region() -> Region {
        Region::parse("eu-west-1").expect("valid")
    }

    fn wish(id: &str, initiator: Initiator) -> Admission {
        Admission {
            failover_id: FailoverId::parse(id).expect("valid"),
            initiator,
            active_until: NOW.plus_millis(60_000),
        }
    }

    fn running(id: &str) -> PlanItem {
        PlanItem::default().admit(&plan(), &wish(id, Initiator::Person), NOW).expect("nothing in the way")
    }

    fn ended(id: &str, outcome: Outcome) -> PlanItem {
        running(id).close(&plan(), 1, outcome, &region(), NOW.plus_millis(10_000)).expect("newest")
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
    fn the_cooldown_holds_for_alarms_and_not_for_people() {
        for outcome in [Outcome::Succeeded, Outcome::Failed] {
            let item = ended("one", outcome);
            assert!(item.admit(&plan(), &wish("two", Initiator::Alarm), NOW).is_err());
            assert!(item.admit(&plan(), &wish("two", Initiator::Person), NOW).is_ok());
            let after = NOW.plus_millis(10_000);
            assert!(item.admit(&plan(), &wish("two", Initiator::Alarm), after).is_ok());
        }
    }

    #[test]
    fn the_kill_switch_stops_alarms_before_and_during_a_run_and_never_a_person() {
        let item = PlanItem { kill_switch: true, ..running("one") };
        assert!(item.admit(&plan(), &wish("one", Initiator::Alarm), NOW).is_err());
        assert!(item.permit(&plan(), Some(1), Initiator::Alarm, NOW).is_err());
        assert!(item.admit(&plan(), &wish("one", Initiator::Person), NOW).is_ok());
        assert!(item.permit(&plan(), Some(1), Initiator::Person, NOW).is_ok());
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
        assert_eq!(ended("one", Outcome::Succeeded).active_region, Some(region()));
        assert_eq!(ended("one", Outcome::Failed).active_region, None);
    }

    #[test]
    fn a_superseded_failover_cannot_close_its_successors_generation() {
        let item = PlanItem { generation: 2, ..running("two") };
        let refused = item.close(&plan(), 1, Outcome::Succeeded, &region(), NOW).expect_err("superseded");
        assert_eq!(refused.code(), ErrorCode::Superseded);
    }
}
