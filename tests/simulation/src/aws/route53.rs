//! Hosted zones, health checks and what resolvers answer.

use failover::contract::Timestamp;
use failover::testing::wire::Request;

use super::{Answer, Aws};
use crate::chance::Chance;

/// Hosted zones, health checks and what resolvers answer.
#[derive(Debug)]
pub struct Route53 {}

impl Route53 {
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
