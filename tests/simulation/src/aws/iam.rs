//! IAM's policy simulator: what the functions' preflight asks.

use failover::testing::wire::Request;

use super::Answer;

/// Answers a request.
#[must_use]
pub fn answer(request: &Request) -> Answer {
    panic!("not simulated: {}", request.name())
}
