//! ECS services, their scalable targets and quotas.

use failover::contract::Timestamp;
use failover::testing::wire::Request;

use super::{Answer, Aws};
use crate::chance::Chance;

/// ECS services, their scalable targets and quotas.
#[derive(Debug)]
pub struct Ecs {}

impl Ecs {
    /// As the workload has it.
    #[must_use]
    pub fn new(_chance: &mut Chance) -> Self {
        Self {}
    }

    /// Whether every service of the workload has running tasks in this Region.
    #[must_use]
    pub fn serves(&self, _region: &str) -> bool {
        false
    }
}

/// Lets time pass.
pub fn advance(_aws: &mut Aws, _now: Timestamp) {}

/// Answers a request.
pub fn answer(_aws: &mut Aws, request: &Request, _now: Timestamp) -> Answer {
    panic!("not simulated: {}", request.name())
}
