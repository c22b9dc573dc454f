//! The one answer of the three step functions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Finding;

/// What a step function answers. What cannot succeed, or a gate refused, is an error instead (see [`crate::error`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepResponse {
    /// Where the operation stands.
    pub status: StepStatus,
    /// The operation's key in the ledger.
    pub operation_id: String,
    /// One sentence for an operator: the proof that it is done, or what is being waited for.
    pub message: String,
    /// What was seen last.
    pub observed: Value,
    /// The change that was made, or with `would_act` the one that would be. Null when there was none.
    pub action: Value,
    /// When to ask again, in seconds; zero unless `in_progress`.
    pub ask_again_after_seconds: u32,
    /// Which attempt at the operation this is, from 1.
    pub attempt: u32,
    /// The time from the operation's first claim to its completion, or so far, in milliseconds.
    pub elapsed_ms: u64,
    /// Whether the answer comes from the ledger alone: the operation had been completed before.
    pub from_ledger: bool,
    /// With `checked`, one finding for each check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// The outcome was observed.
    Done,
    /// Under way: ask again.
    InProgress,
    /// Dry run: `action` is what a real run would do now.
    WouldAct,
    /// Preflight: `findings` says what would stand in the way.
    Checked,
}
