//! Exponential retry with jitter (F4): 1, 2, 4, 8 s, capped, within the invocation's deadline, and only for what is
//! safe to repeat.
//!
//! Reads are retried by the SDK. This is for changes, whose SDK clients retry nothing: they are repeated only when AWS
//! certainly did not apply them, or when repeating them does no harm.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable, Sleeper};

use crate::aws_call::{CallError, Meaning, Sent};
use crate::env::{Deadline, Env};

/// The first wait; the n-th is 2^n times as long, plus up to as much again as jitter.
pub const FIRST_DELAY: Duration = Duration::from_secs(1);
/// No wait is longer, before jitter.
pub const LONGEST_DELAY: Duration = Duration::from_secs(8);
/// How often a change is tried again after the first attempt.
pub const MOST_RETRIES: usize = 4;

/// Makes a change, again and again while AWS certainly did not apply it and there is time.
///
/// # Errors
/// The last attempt's error; that of [`in_time`] when the time was up before the first one.
pub async fn change<T, F, Fut>(env: &Env, deadline: Deadline, attempt: F) -> Result<T, CallError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CallError>>,
{
    retried(env, deadline, is_safe_to_repeat, attempt).await
}

/// Makes a change that takes effect once however often it is sent, since it stands under a condition that its own effect
/// breaks: again and again while AWS is silent or throttles and there is time.
///
/// # Errors
/// The last attempt's error, as [`Sent::PossiblyApplied`] if any attempt may have been applied; that of [`in_time`] when
/// the time was up before the first one.
pub async fn change_under_condition<T, F, Fut>(env: &Env, deadline: Deadline, mut attempt: F) -> Result<T, CallError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CallError>>,
{
    let possibly_applied = Cell::new(false);
    let noted = || {
        let attempt = attempt();
        async {
            let outcome = attempt.await;
            if matches!(&outcome, Err(error) if error.sent == Sent::PossiblyApplied) {
                possibly_applied.set(true);
            }
            outcome
        }
    };
    let outcome = retried(env, deadline, CallError::is_silence, noted).await;
    outcome.map_err(
        |error| {
            if possibly_applied.get() { CallError { sent: Sent::PossiblyApplied, ..error } } else { error }
        },
    )
}

async fn retried<T, F, Fut>(
    env: &Env,
    deadline: Deadline,
    when: impl Fn(&CallError) -> bool,
    mut attempt: F,
) -> Result<T, CallError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CallError>>,
{
    let attempt_in_time = || {
        let sent = in_time(env, deadline).map(|()| attempt());
        async { sent?.await }
    };
    attempt_in_time
        .retry(schedule(env.random(), deadline.left(env.now())))
        .sleep(EnvSleeper(env.clone()))
        .when(when)
        // The schedule knows of the waits; the attempts take time of their own.
        .adjust(|_, wait| wait.filter(|wait| *wait <= deadline.left(env.now())))
        .notify(|error, delay| tracing::warn!(%error, delay_ms = delay.as_millis(), "trying again"))
        .await
}

/// Whether there is still time to send a change, to be asked right before each one: the operation's lease covers what is
/// sent by the deadline, and nothing later. An invocation that stood still in between may have been overtaken.
///
/// # Errors
/// [`CallError::too_late`] after the deadline.
pub fn in_time(env: &Env, deadline: Deadline) -> Result<(), CallError> {
    if env.now() > deadline.moment() { Err(CallError::too_late()) } else { Ok(()) }
}

/// Whether a failed change can be sent again: it was not applied, and the same request can succeed later.
#[must_use]
pub fn is_safe_to_repeat(error: &CallError) -> bool {
    match error.sent {
        Sent::PossiblyApplied => false,
        Sent::NotSent => error.meaning == Meaning::Unreachable,
        Sent::Rejected => error.meaning == Meaning::Throttled,
    }
}

/// The waits between attempts; their sum stays below `total`.
#[must_use]
pub fn schedule(seed: u64, total: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_factor(2.0)
        .with_min_delay(FIRST_DELAY)
        .with_max_delay(LONGEST_DELAY)
        .with_max_times(MOST_RETRIES)
        .with_total_delay(Some(total))
        .with_jitter()
        .with_jitter_seed(seed)
        .build()
}

struct EnvSleeper(Env);

impl Sleeper for EnvSleeper {
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        let env = self.0.clone();
        Box::pin(async move { env.sleep(duration).await })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_nth_wait_is_at_least_two_to_the_n_seconds_and_at_most_twice_that(seed: u64) {
            let waits: Vec<Duration> = schedule(seed, Duration::from_secs(600)).collect();
            prop_assert_eq!(waits.len(), MOST_RETRIES);
            for (n, wait) in waits.iter().enumerate() {
                let base = (FIRST_DELAY * 2u32.pow(u32::try_from(n).expect("small"))).min(LONGEST_DELAY);
                prop_assert!(*wait >= base && *wait <= base * 2, "wait {n} is {wait:?}");
            }
        }

        #[test]
        fn all_waits_together_stay_within_the_time_that_is_left(seed: u64, left_ms in 0u64..30_000) {
            let left = Duration::from_millis(left_ms);
            let total: Duration = schedule(seed, left).sum();
            prop_assert!(total <= left, "{total:?} of {left:?}");
        }
    }

    #[test]
    fn only_what_was_certainly_not_applied_is_repeated() {
        for meaning in Meaning::ALL {
            for sent in [Sent::NotSent, Sent::Rejected, Sent::PossiblyApplied] {
                let error = CallError { meaning, sent, ..CallError::rejected("rds", "X", "Y", "z") };
                let expected = matches!(
                    (sent, meaning),
                    (Sent::NotSent, Meaning::Unreachable) | (Sent::Rejected, Meaning::Throttled)
                );
                assert_eq!(is_safe_to_repeat(&error), expected, "{sent:?} {meaning:?}");
            }
        }
    }
}
