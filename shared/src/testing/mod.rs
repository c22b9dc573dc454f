//! A scripted AWS for tests: real SDK clients over an HTTP client that records each request and answers from a script.
//! Only with the feature `test-util`.
//!
//! Tests that use it run under tokio's paused clock, `#[tokio::test(start_paused = true)]`: all sleeps and timeouts,
//! the SDK's included, pass in no time, and [`Env`] and SDK see the same clock.
//!
//! ```no_run
//! use failover::testing::{FakeAws, Reply};
//! let aws = FakeAws::new();
//! aws.on("ecs", "ListServices", [Reply::json(serde_json::json!({ "serviceArns": [] }))]);
//! aws.on_in("us-east-1", "ecs", "DescribeServices", [Reply::Silence]);
//! let tools = aws.toolbox();
//! // … run the function's step with `tools`, then look at `aws.requests()`.
//! ```
//!
//! The ledger's table is there from the beginning and keeps the conditions of its writes, so that a second run with
//! the same `FakeAws` is a second invocation.

#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test's helper fails by panicking")]

mod fake_aws;
pub mod table;
pub mod wire;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use tokio::time::Instant;

pub use fake_aws::{FakeAws, Reply};
pub use wire::Request;

use crate::config::{Access, Config, Credentials, DEFAULT_CALL_TIMEOUT, DEFAULT_STEP_BUDGET};
use crate::contract::{AccountId, PlanName, Region, Timestamp};
use crate::env::{Deadline, Env, Random};

/// The moment every test begins: 2026-11-21T04:00:00Z.
pub const START: Timestamp = Timestamp::from_millis(1_795_233_600_000);

/// A configuration: account 123456789012, standby Region `eu-west-1`, plan `trading`, the default budget and timeout.
#[must_use]
pub fn config() -> Config {
    Config {
        account: AccountId::parse("123456789012").expect("an account"),
        dr_region: Region::parse("eu-west-1").expect("a Region"),
        environment_suffix: "test".to_owned(),
        plan: PlanName::parse("trading").expect("a plan's name"),
        step_budget: DEFAULT_STEP_BUDGET,
        access: Access {
            function_name: "under-test".to_owned(),
            call_timeout: DEFAULT_CALL_TIMEOUT,
            endpoint_url: None,
            credentials: Credentials {
                access_key_id: "AKIAEXAMPLE".to_owned(),
                secret_access_key: "example".to_owned(),
                session_token: None,
            },
        },
    }
}

/// An environment on tokio's clock, with reproducible randomness.
#[must_use]
pub fn env(seed: u64) -> Env {
    env_since(Instant::now(), seed)
}

fn env_since(began: Instant, seed: u64) -> Env {
    Env::new(TokioClock { began }, TokioSleep::new(), Seeded(AtomicU64::new(seed)))
}

/// The deadline of an invocation that begins now, with the configuration's budget.
#[must_use]
pub fn deadline(env: &Env, config: &Config) -> Deadline {
    Deadline::new(env.now(), config.step_budget, 0)
}

#[derive(Debug)]
struct TokioClock {
    began: Instant,
}

impl TimeSource for TokioClock {
    fn now(&self) -> SystemTime {
        let start = Duration::from_millis(u64::try_from(START.as_millis()).expect("after 1970"));
        UNIX_EPOCH + start + self.began.elapsed()
    }
}

/// The SplitMix64 generator: any seed will do, and equal seeds give equal runs.
#[derive(Debug)]
struct Seeded(AtomicU64);

impl Random for Seeded {
    fn next(&self) -> u64 {
        let mut bits = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}
