//! CloudWatch alarms and metrics.

use failover::contract::Timestamp;
use failover::testing::wire::Request;

use super::{Answer, Aws};
use crate::chance::Chance;

/// CloudWatch alarms and metrics.
#[derive(Debug)]
pub struct CloudWatch {}

impl CloudWatch {
    /// As the workload has it.
    #[must_use]
    pub fn new(_chance: &mut Chance) -> Self {
        Self {}
    }
}

/// Lets time pass.
pub fn advance(_aws: &mut Aws, _now: Timestamp) {}

/// Answers a request.
pub fn answer(_aws: &mut Aws, request: &Request, _now: Timestamp) -> Answer {
    panic!("not simulated: {}", request.name())
}
