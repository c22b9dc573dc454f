//! Clock, sleep, randomness and deadline. The only module that knows them, so that tests can inject their own.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource, TimeSource};

use crate::contract::Timestamp;

/// Kept back of Lambda's own timeout, so that an answer still gets out.
pub const RESPONSE_RESERVE: Duration = Duration::from_secs(2);

/// Where random bits come from.
pub trait Random: Send + Sync + std::fmt::Debug {
    /// The next 64 bits.
    fn next(&self) -> u64;
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug)]
struct SystemRandom;

impl Random for SystemRandom {
    fn next(&self) -> u64 {
        // Without randomness two owners could share a token; dying is the safe answer.
        #[expect(clippy::expect_used, reason = "a Linux kernel without getrandom cannot run the function at all")]
        getrandom::u64().expect("the operating system gives random bits")
    }
}

/// Time and randomness, injected.
#[derive(Clone, Debug)]
pub struct Env {
    clock: SharedTimeSource,
    sleep: SharedAsyncSleep,
    random: Arc<dyn Random>,
}

impl Env {
    /// The real ones.
    #[must_use]
    pub fn system() -> Self {
        Self::new(SystemTimeSource::new(), TokioSleep::new(), SystemRandom)
    }

    /// Others, for tests and simulation.
    #[must_use]
    pub fn new(
        clock: impl TimeSource + 'static,
        sleep: impl AsyncSleep + 'static,
        random: impl Random + 'static,
    ) -> Self {
        Self { clock: SharedTimeSource::new(clock), sleep: SharedAsyncSleep::new(sleep), random: Arc::new(random) }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let since_epoch = self.clock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep.sleep(duration).await;
    }

    /// The next 64 random bits.
    #[must_use]
    pub fn random(&self) -> u64 {
        self.random.next()
    }

    /// An owner's token: 128 random bits in hexadecimal, so that no two invocations share one.
    #[must_use]
    pub fn owner_token(&self) -> String {
        format!("{:016x}{:016x}", self.random(), self.random())
    }

    /// The clock, for SDK clients.
    #[must_use]
    pub fn clock(&self) -> SharedTimeSource {
        self.clock.clone()
    }

    /// The sleep, for SDK clients.
    #[must_use]
    pub fn sleep_impl(&self) -> SharedAsyncSleep {
        self.sleep.clone()
    }
}

/// The moment an invocation has to be through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Timestamp);

impl Deadline {
    /// The step budget from now, cut short by Lambda's deadline less [`RESPONSE_RESERVE`].
    ///
    /// `lambda_deadline_ms` is the runtime's, in milliseconds since the epoch. One that has passed already is not
    /// Lambda's (a local runtime hands out a constant); then the budget alone counts.
    #[must_use]
    pub fn new(now: Timestamp, budget: Duration, lambda_deadline_ms: u64) -> Self {
        let by_budget = now.plus_millis(millis(budget));
        let lambda_deadline = Timestamp::from_millis(i64::try_from(lambda_deadline_ms).unwrap_or(i64::MAX));
        if lambda_deadline <= now {
            return Self(by_budget);
        }
        let reserved = lambda_deadline.as_millis() - i64::try_from(RESPONSE_RESERVE.as_millis()).unwrap_or(0);
        Self(by_budget.min(Timestamp::from_millis(reserved.max(now.as_millis()))))
    }

    /// No later than `budget` from now.
    #[must_use]
    pub fn capped(self, now: Timestamp, budget: Duration) -> Self {
        Self(self.0.min(now.plus_millis(millis(budget))))
    }

    /// What is left of it.
    #[must_use]
    pub fn left(self, now: Timestamp) -> Duration {
        Duration::from_millis(self.0.millis_since(now))
    }

    /// The moment itself.
    #[must_use]
    pub fn moment(self) -> Timestamp {
        self.0
    }
}

/// A duration in whole milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn the_budget_bounds_a_long_lambda_timeout() {
        let deadline = Deadline::new(NOW, Duration::from_secs(20), 1_300_000);
        assert_eq!(deadline.left(NOW), Duration::from_secs(20));
    }

    #[test]
    fn a_short_lambda_timeout_bounds_the_budget_and_keeps_time_to_answer() {
        let deadline = Deadline::new(NOW, Duration::from_secs(20), 1_010_000);
        assert_eq!(deadline.left(NOW), Duration::from_secs(8));
    }

    #[test]
    fn a_deadline_that_has_passed_already_is_not_lambdas() {
        let deadline = Deadline::new(NOW, Duration::from_secs(20), 600_000);
        assert_eq!(deadline.left(NOW), Duration::from_secs(20));
    }

    #[test]
    fn nothing_is_left_after_the_moment() {
        let deadline = Deadline::new(NOW, Duration::from_secs(1), 0);
        assert_eq!(deadline.left(NOW.plus_millis(5_000)), Duration::ZERO);
    }
}
