//! The record of a call, for reports and for the tests that count calls or hold IAM policies against them.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::request::{Caller, LedgerWrite, Seen};
use super::rule::KillPoint;
use crate::moment::serialize_millis;

/// One call that went through the gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// Position in the order of arrival, from 1.
    pub number: u64,
    /// Arrival.
    #[serde(serialize_with = "unix_ms", rename = "at_ms")]
    pub at: SystemTime,
    /// From arrival to the end of the gateway's answer.
    #[serde(serialize_with = "serialize_millis", rename = "duration_ms")]
    pub duration: Duration,
    /// Who called.
    pub caller: Caller,
    /// Region of the SigV4 scope; `unsigned` without one.
    pub region: String,
    /// Service of the SigV4 scope, e.g. `monitoring` for CloudWatch.
    pub service: String,
    /// The operation, e.g. `FailoverGlobalCluster`.
    pub operation: String,
    /// The IAM action that it needs, e.g. `cloudwatch:GetMetricData`.
    pub iam_action: String,
    /// How it ended for the caller.
    pub outcome: Outcome,
    /// Whether the emulator or a model carried it out successfully, whatever the caller saw of that.
    pub applied: bool,
    /// The rules that had a part in its course, by name.
    pub rules: Vec<String>,
    /// The X-Ray trace header, where the SDK sent it.
    pub trace_id: Option<String>,
    /// The failover, where the call shows it.
    pub failover_id: Option<String>,
    /// The ledger write, if it is one.
    pub ledger: Option<LedgerWrite>,
    /// Whether a model of the gateway answered instead of the emulator.
    pub answered_by_model: bool,
}

/// How a call ended for its caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// Success.
    Ok {
        /// HTTP status.
        status: u16,
    },
    /// An error answer.
    Error {
        /// HTTP status.
        status: u16,
        /// The service's error code; empty when the answer has none.
        code: String,
    },
    /// The connection was closed without an answer, and nothing was done.
    NoAnswer,
    /// The call was carried out, but its answer did not get through.
    AnswerLost,
    /// The calling process was killed.
    Killed {
        /// When.
        point: KillPoint,
    },
    /// The emulator gave no answer.
    EmulatorUnreachable,
}

impl Outcome {
    /// Whether the caller was told that the call was carried out successfully.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok { .. })
    }
}

impl Call {
    pub(super) fn arriving(number: u64, seen: &Seen) -> Self {
        Self {
            number,
            at: SystemTime::now(),
            duration: Duration::ZERO,
            caller: seen.caller.clone(),
            region: seen.region.clone(),
            service: seen.service.clone(),
            operation: seen.operation.clone(),
            iam_action: seen.iam_action(),
            outcome: Outcome::NoAnswer,
            applied: false,
            rules: Vec::new(),
            trace_id: seen.trace_id.clone(),
            failover_id: seen.failover_id.clone(),
            ledger: seen.ledger.clone(),
            answered_by_model: false,
        }
    }
}

fn unix_ms<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    serialize_millis(&since, serializer)
}
