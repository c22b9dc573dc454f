//! Topics.

use failover::contract::Timestamp;
use failover::testing::wire::Request;

use super::{Answer, Aws};

/// Topics.
#[derive(Debug, Default)]
pub struct Sns {}

/// Answers a request.
pub fn answer(_aws: &mut Aws, request: &Request, _now: Timestamp) -> Answer {
    panic!("not simulated: {}", request.name())
}
