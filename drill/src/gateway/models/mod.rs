//! Operations that the gateway answers itself, because the emulator has no such service. Each module
//! names the API model that it was written from.

pub(crate) mod autoscaling;
pub(crate) mod xray;

use serde_json::Value;

use super::fault::Fault;
use super::request::Seen;

/// What a model makes of a call.
pub(super) type Answer = Result<Value, Fault>;

/// Whether the gateway answers calls of this service itself.
pub(super) fn answers(seen: &Seen) -> bool {
    matches!(seen.service.as_str(), "xray" | "application-autoscaling")
}

fn unknown_operation(seen: &Seen) -> Fault {
    let message = format!("the gateway's model of {} has no operation {}", seen.service, seen.operation);
    Fault::error(400, "UnknownOperationException", message)
}

fn parse(body: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::error(400, "SerializationException", error.to_string()))
}
