//! The workload's health endpoints, one in each Region.

use failover::contract::Timestamp;
use failover::testing::wire::Request;
use serde_json::Value;

use super::{Answer, Aws};
use crate::workload;

/// Answers a request to an endpoint: 200 when the Region serves, 503 when it has no tasks. A Region that is lost does not
/// answer at all; that is for the network to say.
///
/// # Panics
/// On a request to another host.
pub fn answer(aws: &mut Aws, request: &Request, _now: Timestamp) -> Answer {
    let host = request.host.as_str();
    let region = workload::region_of_endpoint(host).unwrap_or_else(|| panic!("{host} is nobody's endpoint"));
    let body = Value::String("ok".to_owned());
    let fails = aws.endpoint_down && region == workload::HOME;
    if aws.ecs.serves(region) && !fails { Answer::Body(body) } else { Answer::ErrorBody { status: 503, body } }
}
