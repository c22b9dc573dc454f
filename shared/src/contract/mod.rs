//! Wire types: what the state machine, a person or an alarm sends to a function, and what comes back.
//!
//! Every request type rejects unknown fields, so that a misspelt option is an error instead of a silent default.
//! Serves F2, F3 and F9. The JSON Schemas in `shared/schemas/` are generated from these types.

mod dependency;
mod dns_name;
mod finding;
mod identifiers;
mod operator;
mod parse;
mod probe;
mod promote;
mod response;
mod run;
mod scale;
mod shift;

pub use dependency::{Dependency, Plane};
pub use dns_name::normal_dns_name;
pub use finding::{Finding, Severity};
pub(crate) use identifiers::PLAN_KEY_PREFIX;
pub use identifiers::{
    AccountId, ClusterArn, ClusterId, FailoverId, Generation, IdempotencyKey, PlanName, Region, Timestamp,
};
pub use operator::{AcknowledgeRequest, KillSwitchRequest, OperatorResponse, PersonName, Reason};
pub use parse::{parse, parse_at};
pub use probe::{
    AlarmTrigger, ConcludeRequest, ConcludeResponse, DecideRequest, DecideResponse, Decision, Evidence, EvidenceKind,
    ExecutionInput, FenceOutcome, FenceVerdict, Fenced, FencingPolicy, Health, JudgeFencesRequest, JudgeFencesResponse,
    ManualRequest, Notification, Outcome, PreflightRequest, ProbeRequest, ProbeResponse, Report, RunPlan, Sample,
    StepCall, StepEnd, StepFunction, StepRequest, Trigger, TriggerOutcome, TriggerResponse, VerifyResponse,
    WatchResponse, Wave,
};
pub use promote::{IsolateRequest, Isolation, PromoteRequest, PromotionMode, check_security_groups};
pub use response::{StepResponse, StepStatus};
pub use run::{Initiator, RunContext};
pub use scale::{Capacity, ScaleRequest, ServiceSelection, check_timeout};
pub use shift::{
    FailoverRecord, FailoverRecords, MOST_RECORDS, RecordType, RoutingControls, ShiftRequest, StandbyObject, Traffic,
    TrafficDials, WeightedRecords, check_traffic, hosted_zone_id,
};
