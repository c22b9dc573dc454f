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

    /// The Region whose lease is to be renewed: where the plan is active, `home` before the first failover; but the
    /// one the newest failover has handed the lease to, as long as that has not succeeded.
    #[must_use]
    pub fn writer_region<'a>(&'a self, home: &'a Region) -> &'a Region {
        match &self.writer {
            Some(grant) if self.was_handed_over(grant) => &grant.region,
            Some(_) | None => self.active_region.as_ref().unwrap_or(home),
        }
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
        // The holder may have read the earlier moment already: a clock that is behind must not shorten it.
        let until = match &self.writer {
            Some(grant) if grant.region == *region => until.max(grant.until),
            Some(_) | None => until,
        };
        Self { writer: Some(WriterGrant { region: region.clone(), until, generation, length }), ..self.clone() }
    }
}
