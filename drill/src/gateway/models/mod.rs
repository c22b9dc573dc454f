//! Operations that the gateway answers itself, because the emulator has no such service or lacks them in one. Each
//! module names the API model that it was written from.

pub(crate) mod accelerator;
pub(crate) mod autoscaling;
pub(super) mod dns_answer;
pub(crate) mod routing_control;
pub(crate) mod xray;

use serde_json::Value;

use super::fault::Fault;
use super::request::Seen;

/// What a model of a JSON service makes of a call.
pub(super) type Answer = Result<Value, Fault>;

/// Whether the gateway answers the call itself.
pub(super) fn answers(seen: &Seen) -> bool {
    match seen.service.as_str() {
        "xray" | "application-autoscaling" | "route53-recovery-cluster" | "globalaccelerator" => true,
        "route53" => seen.operation == "TestDNSAnswer",
        _other => false,
    }
}

fn unknown_operation(seen: &Seen) -> Fault {
    let message = format!("the gateway's model of {} has no operation {}", seen.service, seen.operation);
    Fault::error(400, "UnknownOperationException", message)
}

fn parse(body: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::error(400, "SerializationException", error.to_string()))
}
