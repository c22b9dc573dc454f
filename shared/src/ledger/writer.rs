//! The writer lease: at most one Region's applications write, whatever they can reach (X1). Pure: no clock, no AWS.
//!
//! A grant says: this Region may write until this moment. It stands in the plan's item, so that one compare-and-set
//! decides between a renewal and a failover's admission: whichever is written second sees the first.
//!
//! # Clocks
//! Every clock here is assumed to be within [`CLOCK_BOUND`] of true time. The holder stops that much before the moment
//! by its own clock (see [`crate::writer_lease`]), and nobody else is granted the lease before that much after it by
//! the granting function's clock. So at each true moment at most one Region may write. What makes the moment a promise:
//! a grant is only ever extended, never shortened or taken back.

use std::time::Duration;

use super::plan_item::{Phase, PlanItem};
use crate::contract::{Generation, PlanName, Region, Timestamp};
use crate::env::millis;
use crate::error::Error;

/// How far each clock may be from true time: those of the functions, and those of the applications that write.
/// What stands behind the figure is said in [`crate::writer_lease`].
pub const CLOCK_BOUND: Duration = Duration::from_secs(1);

/// The writer lease as it was last granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterGrant {
    /// The Region that may write.
    pub region: Region,
    /// Until when, by the clock of the function that granted it.
    pub until: Timestamp,
    /// The failover that handed it over; zero when none did, since the Region has held it from the beginning.
    pub generation: Generation,
    /// For how long it was granted last.
    pub length: Duration,
}

impl WriterGrant {
    /// From when on nobody holds it any more, by the clock of a function that would grant it anew.
    #[must_use]
    pub fn free_at(&self) -> Timestamp {
        self.until.plus_millis(millis(CLOCK_BOUND))
    }

    /// Until when its holder may begin a write, by the holder's own clock.
    #[must_use]
    pub fn writable_until(&self) -> Timestamp {
        self.until.minus_millis(millis(CLOCK_BOUND))
    }
}

/// What became of a hand-over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandOver<T> {
    /// The target holds the lease now.
    Granted(T),
    /// Another Region may still write: ask again at this moment.
    WaitUntil(Timestamp),
}

impl PlanItem {
    /// From when on no Region holds the writer lease any more, the clock bound included; none if it was never granted.
    #[must_use]
    pub fn writer_free_at(&self) -> Option<Timestamp> {
        self.writer.as_ref().map(WriterGrant::free_at)
    }

    /// The Region whose lease is to be renewed: where the plan is active. Before the first failover that is the one that
    /// holds the lease already, else `home`; and after a failover has handed the lease over, as long as it has not
    /// succeeded, its target.
    #[must_use]
    pub fn writer_region<'a>(&'a self, home: &'a Region) -> &'a Region {
        let holder = self.writer.as_ref().map(|grant| &grant.region);
        let handed_over = self.writer.as_ref().is_some_and(|grant| self.was_handed_over(grant));
        let by_ledger = if handed_over { holder } else { self.active_region.as_ref().or(holder) };
        by_ledger.unwrap_or(home)
    }

    /// Renews the writer lease of a Region, or grants it for the first time.
    ///
    /// A renewal never decides where to write. It moves the lease to another Region only where the ledger says already
    /// that the plan is active there; otherwise that is for [`PlanItem::hand_over`].
    ///
    /// # Errors
    /// [`Error::Refused`] while a failover is under way that has not handed the lease over yet, while another Region
    /// may still write, and for a Region that the plan is not active in.
    pub fn renew_writer(&self, region: &Region, length: Duration, now: Timestamp) -> Result<Self, Error> {
        let handed_over = self.writer.as_ref().is_some_and(|grant| self.was_handed_over(grant));
        if let Some(newest) = self.newest.as_ref().filter(|newest| newest.phase == Phase::Active && !handed_over) {
            return Err(Error::Refused {
                reason: format!("failover {} is under way, which keeps the writer lease from being renewed", newest.id),
                cure: "wait for it to end; if its time is over and its execution is gone, resume it or acknowledge it"
                    .to_owned(),
            });
        }
        let owner = self.writer_region(region);
        if owner != region {
            return Err(Error::Refused {
                reason: format!("the writer lease is for {owner}, not for {region}"),
                cure: format!("to write in {region}, make it active by a failover"),
            });
        }
        match &self.writer {
            Some(grant) if grant.region == *region => Ok(self.granting(region, grant.generation, length, now)),
            Some(grant) if now < grant.free_at() => Err(Error::Refused {
                reason: format!("applications in {} may write until {}", grant.region, grant.until),
                cure: format!("try again at {}", grant.free_at()),
            }),
            Some(_) | None => Ok(self.granting(region, 0, length, now)),
        }
    }

    /// Grants the writer lease to the target of the newest failover, once nobody else may write.
    ///
    /// # Errors
    /// [`Error::Superseded`] for an older generation; [`Error::Refused`] for an unknown one, for a failover that is not
    /// under way, and for a Region that it does not go to.
    pub fn hand_over(
        &self,
        plan: &PlanName,
        generation: Generation,
        target: &Region,
        length: Duration,
        now: Timestamp,
    ) -> Result<HandOver<Self>, Error> {
        self.check_newest(plan, generation)?;
        let Some(newest) = self.newest.as_ref().filter(|newest| newest.phase == Phase::Active) else {
            return Err(Error::Refused {
                reason: format!(
                    "no failover of plan {plan} is under way that the writer lease could be handed over by"
                ),
                cure: "start the failover through the state machine, or resume it".to_owned(),
            });
        };
        if let Some(direction) = newest.direction.as_ref().filter(|direction| direction.target != *target) {
            return Err(Error::Refused {
                reason: format!("failover {} goes to {}, not to {target}", newest.id, direction.target),
                cure: "hand the writer lease over to the failover's own target".to_owned(),
            });
        }
        match &self.writer {
            Some(grant) if grant.region != *target && now < grant.free_at() => Ok(HandOver::WaitUntil(grant.free_at())),
            Some(_) | None => Ok(HandOver::Granted(self.granting(target, generation, length, now))),
        }
    }

    /// Whether the newest failover has handed the lease over and has not succeeded yet. Afterwards the active Region
    /// says the same.
    fn was_handed_over(&self, grant: &WriterGrant) -> bool {
        let unfinished = self.newest.as_ref().is_some_and(|newest| newest.phase != Phase::Succeeded);
        unfinished && grant.generation > 0 && grant.generation == self.generation
    }

    fn granting(&self, region: &Region, generation: Generation, length: Duration, now: Timestamp) -> Self {
        let until = now.plus_millis(millis(length));
        // The holder may have read the earlier moment already: a clock that is behind must not shorten it. Another
        // Region's lease has run out when this one is granted.
        let until = self.writer.as_ref().map_or(until, |grant| until.max(grant.until));
        Self { writer: Some(WriterGrant { region: region.clone(), until, generation, length }), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plan_item::{Admission, Direction};
    use super::*;
    use crate::contract::{FailoverId, Initiator, Outcome};
    use crate::error::ErrorCode;

    const NOW: Timestamp = Timestamp::from_millis(10_000_000);
    const LENGTH: Duration = Duration::from_secs(150);
    const BOUND_MS: u64 = 1_000;

    fn plan() -> PlanName {
        PlanName::parse("trading").expect("valid")
    }

    fn home() -> Region {
        Region::parse("eu-central-1").expect("valid")
    }

    fn standby() -> Region {
        Region::parse("eu-west-1").expect("valid")
    }

    fn after(now: Timestamp, seconds: u64) -> Timestamp {
        now.plus_millis(seconds * 1_000)
    }

    fn wish(id: &str, target: &Region) -> Admission {
        let source = if *target == home() { standby() } else { home() };
        Admission {
            failover_id: FailoverId::parse(id).expect("valid"),
            initiator: Initiator::Person,
            source,
            target: target.clone(),
            active_until: after(NOW, 100_000),
        }
    }

    fn held_by_home() -> PlanItem {
        PlanItem::default().renew_writer(&home(), LENGTH, NOW).expect("nothing in the way")
    }

    fn failing_over() -> PlanItem {
        held_by_home().admit(&plan(), &wish("one", &standby()), NOW).expect("nothing in the way")
    }

    fn hand_over(item: &PlanItem, now: Timestamp) -> HandOver<PlanItem> {
        item.hand_over(&plan(), item.generation, &standby(), LENGTH, now).expect("the newest failover's own target")
    }

    fn handed_over() -> PlanItem {
        match hand_over(&failing_over(), after(NOW, 151)) {
            HandOver::Granted(item) => item,
            HandOver::WaitUntil(moment) => panic!("the lease has run out, but is waited for until {moment}"),
        }
    }

    fn closed(item: &PlanItem, outcome: Outcome) -> PlanItem {
        let direction = Direction::new(home(), standby());
        item.close(&plan(), item.generation, outcome, &direction, NOW).expect("newest")
    }

    fn renewal(item: &PlanItem, region: &Region, now: Timestamp) -> Result<Timestamp, ErrorCode> {
        let renewed = item.renew_writer(region, LENGTH, now).map_err(|error| error.code())?;
        let grant = renewed.writer.expect("granted");
        assert_eq!((&grant.region, grant.length), (region, LENGTH));
        Ok(grant.until)
    }

    #[test]
    fn a_renewal_extends_the_active_regions_lease_and_gives_it_to_nobody_else() {
        assert_eq!(renewal(&held_by_home(), &home(), after(NOW, 60)), Ok(after(NOW, 210)));
        for now in [after(NOW, 60), after(NOW, 10_000)] {
            assert_eq!(renewal(&held_by_home(), &standby(), now), Err(ErrorCode::Refused));
            assert_eq!(held_by_home().writer_region(&standby()), &home(), "whatever is called home");
        }
    }

    #[test]
    fn a_clock_that_is_behind_never_shortens_a_lease() {
        assert_eq!(renewal(&held_by_home(), &home(), NOW.minus_millis(900)), Ok(after(NOW, 150)));
    }

    #[test]
    fn an_admission_freezes_the_lease_until_it_is_handed_over() {
        for now in [NOW, after(NOW, 151), after(NOW, 200_000)] {
            assert_eq!(renewal(&failing_over(), &home(), now), Err(ErrorCode::Refused));
            assert_eq!(renewal(&failing_over(), &standby(), now), Err(ErrorCode::Refused));
        }
        assert_eq!(renewal(&handed_over(), &standby(), after(NOW, 160)), Ok(after(NOW, 310)));
        assert_eq!(renewal(&handed_over(), &home(), after(NOW, 160)), Err(ErrorCode::Refused));
    }

    #[test]
    fn a_plan_without_a_lease_grants_none_during_a_failover() {
        let item = PlanItem::default().admit(&plan(), &wish("one", &standby()), NOW).expect("nothing in the way");
        assert_eq!(item.writer_free_at(), None);
        assert_eq!(renewal(&item, &home(), NOW), Err(ErrorCode::Refused));
        assert!(matches!(hand_over(&item, NOW), HandOver::Granted(_)));
    }

    #[test]
    fn a_hand_over_waits_until_the_old_lease_has_run_out_by_any_clock() {
        let item = failing_over();
        let free = after(NOW, 150).plus_millis(BOUND_MS);
        assert_eq!(item.writer_free_at(), Some(free));
        assert_eq!(hand_over(&item, free.minus_millis(1)), HandOver::WaitUntil(free));
        let HandOver::Granted(next) = hand_over(&item, free) else { panic!("it has run out") };
        let grant = next.writer.clone().expect("granted");
        assert_eq!((grant.region, grant.until, grant.generation), (standby(), after(free, 150), 1));
        let HandOver::Granted(again) = hand_over(&next, after(free, 10)) else { panic!("it holds it already") };
        assert_eq!(again.writer.map(|grant| grant.until), Some(after(free, 160)));
    }

    #[test]
    fn only_the_newest_failover_hands_over_while_it_is_under_way_and_only_to_its_own_target() {
        let code = |item: &PlanItem, generation, target: &Region| {
            let free = after(NOW, 1_000);
            item.hand_over(&plan(), generation, target, LENGTH, free).map(drop).map_err(|error| error.code())
        };
        let second = closed(&failing_over(), Outcome::Failed).admit(&plan(), &wish("two", &standby()), NOW);
        let second = second.expect("the first ended");
        assert_eq!(code(&second, 1, &standby()), Err(ErrorCode::Superseded));
        assert_eq!(code(&second, 2, &standby()), Ok(()));
        assert_eq!(code(&second, 3, &standby()), Err(ErrorCode::Refused));
        assert_eq!(code(&second, 2, &home()), Err(ErrorCode::Refused));
        assert_eq!(code(&closed(&second, Outcome::Failed), 2, &standby()), Err(ErrorCode::Refused));
        assert_eq!(code(&PlanItem::default(), 0, &home()), Err(ErrorCode::Refused));
    }

    #[test]
    fn a_failover_that_fails_before_the_hand_over_leaves_the_lease_where_it_was() {
        let item = closed(&failing_over(), Outcome::Failed);
        assert_eq!(item.writer_region(&home()), &home());
        assert_eq!(renewal(&item, &home(), after(NOW, 20)), Ok(after(NOW, 170)));
        // Resumed, it freezes the lease again, however often that was renewed in between.
        let renewed = item.renew_writer(&home(), LENGTH, after(NOW, 20)).expect("renewed");
        let resumed = renewed.admit(&plan(), &wish("one", &standby()), after(NOW, 30)).expect("the newest");
        assert_eq!(renewal(&resumed, &home(), after(NOW, 40)), Err(ErrorCode::Refused));
    }

    #[test]
    fn a_failover_that_fails_after_the_hand_over_keeps_the_old_region_from_writing() {
        let item = closed(&handed_over(), Outcome::Failed);
        let late = after(NOW, 10_000);
        assert_eq!(item.writer_region(&home()), &standby());
        assert_eq!(renewal(&item, &home(), late), Err(ErrorCode::Refused));
        assert_eq!(renewal(&item.acknowledge("ada", "seen", late), &home(), late), Err(ErrorCode::Refused));
        assert_eq!(renewal(&item, &standby(), late), Ok(after(late, 150)));
    }

    #[test]
    fn after_success_the_new_region_renews_also_when_the_lease_was_not_handed_over() {
        let item = closed(&handed_over(), Outcome::Succeeded);
        assert_eq!(item.writer_region(&home()), &standby());
        assert_eq!(renewal(&item, &standby(), after(NOW, 200)), Ok(after(NOW, 350)));
        let item = closed(&failing_over(), Outcome::Succeeded);
        assert_eq!(renewal(&item, &standby(), after(NOW, 149)), Err(ErrorCode::Refused), "home may still write");
        assert_eq!(renewal(&item, &standby(), after(NOW, 151)), Ok(after(NOW, 301)));
    }

    #[test]
    fn an_overstayed_failover_keeps_the_lease_frozen_until_a_person_acknowledges() {
        let over = after(NOW, 100_000);
        assert_eq!(renewal(&failing_over(), &home(), over), Err(ErrorCode::Refused));
        let acknowledged = failing_over().acknowledge("ada", "the execution was stopped", over);
        assert_eq!(renewal(&acknowledged, &home(), over), Ok(after(over, 150)));
    }

    #[derive(Clone, Debug)]
    enum Happens {
        Renewal { standby: bool },
        HandOver { generation_behind: u64, standby: bool },
        Admission { id: u8, standby: bool },
        Closing { succeeded: bool },
        Acknowledgement,
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            4 => any::<bool>().prop_map(|standby| Happens::Renewal { standby }),
            4 => (0..2_u64, any::<bool>())
                .prop_map(|(generation_behind, standby)| Happens::HandOver { generation_behind, standby }),
            3 => (0..4_u8, any::<bool>()).prop_map(|(id, standby)| Happens::Admission { id, standby }),
            2 => any::<bool>().prop_map(|succeeded| Happens::Closing { succeeded }),
            1 => Just(Happens::Acknowledgement),
        ]
    }

    /// What becomes of the item, by the clock of the function that writes it; nothing where a rule refuses.
    fn next(item: &PlanItem, happens: &Happens, length: Duration, now: Timestamp) -> Option<PlanItem> {
        let region = |is_standby: &bool| if *is_standby { standby() } else { home() };
        match happens {
            Happens::Renewal { standby } => item.renew_writer(&region(standby), length, now).ok(),
            Happens::HandOver { generation_behind, standby } => {
                let generation = item.generation.saturating_sub(*generation_behind);
                match item.hand_over(&plan(), generation, &region(standby), length, now).ok()? {
                    HandOver::Granted(next) => Some(next),
                    HandOver::WaitUntil(_) => None,
                }
            }
            Happens::Admission { id, standby } => {
                let wish = Admission { active_until: after(now, 60), ..wish(&format!("f{id}"), &region(standby)) };
                item.admit(&plan(), &wish, now).ok()
            }
            Happens::Closing { succeeded } => {
                let direction = item.newest.as_ref()?.direction.clone()?;
                let outcome = if *succeeded { Outcome::Succeeded } else { Outcome::Failed };
                item.close(&plan(), item.generation, outcome, &direction, now).ok()
            }
            Happens::Acknowledgement => Some(item.acknowledge("ada", "seen", now)),
        }
    }

    /// How time passes: by so much, or to about the moment at which the lease runs out.
    #[derive(Clone, Debug)]
    enum Passes {
        Ms(u64),
        ToTheEnd { off_by_ms: i64 },
    }

    fn passes() -> impl Strategy<Value = Passes> {
        prop_oneof![
            (0..8_000_u64).prop_map(Passes::Ms),
            (-2_500..=2_500_i64).prop_map(|off_by_ms| Passes::ToTheEnd { off_by_ms }),
        ]
    }

    impl Passes {
        fn from(&self, truth: Timestamp, item: &PlanItem) -> Timestamp {
            truth.max(match (self, &item.writer) {
                (Self::Ms(ms), _) => truth.plus_millis(*ms),
                (Self::ToTheEnd { off_by_ms }, Some(grant)) => {
                    Timestamp::from_millis(grant.until.as_millis() + off_by_ms)
                }
                (Self::ToTheEnd { .. }, None) => truth,
            })
        }
    }

    fn clock_error_ms() -> impl Strategy<Value = i64> {
        prop_oneof![Just(-1_000), Just(1_000), -1_000..=1_000_i64]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn at_no_moment_do_two_regions_hold_the_lease_whatever_the_clocks_say_within_the_bound(
            steps in prop::collection::vec((happens(), passes(), clock_error_ms(), 1..20_u64), 1..60)
        ) {
            let mut truth = NOW;
            let mut item = PlanItem::default();
            // What each Region's applications have read: at the worst every grant at once, and then nothing any more.
            let mut read: [Option<WriterGrant>; 2] = [None, None];
            for (happens, passes, clock_error_ms, seconds) in steps {
                truth = passes.from(truth, &item);
                let clock = Timestamp::from_millis(truth.as_millis() + clock_error_ms);
                if let Some(next) = next(&item, &happens, Duration::from_secs(seconds), clock) {
                    item = next;
                }
                if let Some(grant) = &item.writer {
                    let known = &mut read[usize::from(grant.region == standby())];
                    if known.as_ref().is_none_or(|known| known.until < grant.until) {
                        *known = Some(grant.clone());
                    }
                }
                // The holder's clock that lets it write longest is the one that is behind by the whole bound.
                let slowest = truth.minus_millis(BOUND_MS);
                let may_write = |grant: &Option<WriterGrant>| {
                    grant.as_ref().is_some_and(|grant| slowest < grant.writable_until())
                };
                prop_assert!(!(may_write(&read[0]) && may_write(&read[1])), "two Regions write at {truth}: {read:?}");
            }
        }

        #[test]
        fn a_grant_that_was_read_is_never_shortened_and_changes_hands_only_when_it_is_free(
            steps in prop::collection::vec((happens(), passes(), clock_error_ms(), 1..20_u64), 1..60)
        ) {
            let mut truth = NOW;
            let mut item = PlanItem::default();
            for (happens, passes, clock_error_ms, seconds) in steps {
                truth = passes.from(truth, &item);
                let clock = Timestamp::from_millis(truth.as_millis() + clock_error_ms);
                let Some(next) = next(&item, &happens, Duration::from_secs(seconds), clock) else { continue };
                if let (Some(old), Some(new)) = (&item.writer, &next.writer) {
                    if old.region == new.region {
                        prop_assert!(new.until >= old.until, "{old:?} was shortened to {new:?}");
                    } else {
                        prop_assert!(clock >= old.free_at(), "{old:?} was not free at {clock}");
                    }
                }
                prop_assert!(item.writer.is_none() || next.writer.is_some(), "a grant is never taken back");
                item = next;
            }
        }
    }
}
