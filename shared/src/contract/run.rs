//! What a step knows of the failover it belongs to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FailoverId, Generation, IdempotencyKey, PlanName};

/// The failover a step belongs to. A person who runs one function alone may leave all of it out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunContext {
    /// The failover's id. Left out, it is derived from the request, so a repeat is the same operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover_id: Option<FailoverId>,
    /// The recovery plan. Left out, the function's `PLAN_NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanName>,
    /// The generation that the decision claimed. A step of an older generation refuses to act.
    /// Left out (a person runs one function alone), the step refuses while a failover is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    /// Who started it: the kill switch stops automatic runs, never a person.
    #[serde(default)]
    pub initiator: Initiator,
    /// Observe and decide, change nothing, answer what would have been done.
    #[serde(default)]
    pub dry_run: bool,
    /// Look for what would stand in the way of the request, change nothing, answer findings (X4).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preflight: bool,
    /// The caller's own operation id in place of the derived one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
}

/// Who started a failover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Initiator {
    /// A person, who is answerable for it.
    #[default]
    Person,
    /// A CloudWatch alarm: gates for automatic runs apply.
    Alarm,
}
