//! The requests and answers of `health-probe` (F8): what the state machine asks for, and what it passes on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AcknowledgeRequest, Dependency, FailoverId, Finding, Generation, Initiator, IsolateRequest, KillSwitchRequest,
    OperatorResponse, PlanName, PromoteRequest, PromotionMode, Region, ScaleRequest, ShiftRequest, StepResponse,
    Timestamp,
};

/// A command to `health-probe`. An SNS event has no `command`; it is taken as a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum ProbeRequest {
    /// Gather evidence and decide.
    Decide(Box<DecideRequest>),
    /// Judge how the fences ended, and hand the writer lease over.
    JudgeFences(Box<JudgeFencesRequest>),
    /// Verify the outcome, measure it and close the generation.
    Conclude(Box<ConcludeRequest>),
    /// Look at the active Region once, publish what was seen as metrics, and renew its writer lease.
    Watch {},
    /// A person says that the incident is understood.
    Acknowledge(AcknowledgeRequest),
    /// A person sets or clears the kill switch.
    KillSwitch(KillSwitchRequest),
}

/// An answer of `health-probe`, one form for each command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ProbeResponse {
    /// To an SNS event.
    Trigger(TriggerResponse),
    /// To `decide`.
    Decide(Box<DecideResponse>),
    /// To `judge_fences`.
    JudgeFences(Box<JudgeFencesResponse>),
    /// To `conclude`.
    Conclude(Box<ConcludeResponse>),
    /// To `watch`.
    Watch(WatchResponse),
    /// To an event of ARC Region switch.
    Verify(VerifyResponse),
    /// To `acknowledge` and `kill_switch`.
    Operator(OperatorResponse),
}

/// The input of an execution of the state machine, written by `trigger` or by a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionInput {
    /// The recovery plan to carry out.
    pub plan: PlanName,
    /// Why.
    pub trigger: Trigger,
}

/// What started an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trigger {
    /// An alarm went to ALARM.
    Alarm(AlarmTrigger),
    /// A person asked for it.
    Manual(ManualRequest),
    /// The schedule, or a person, wants to know whether a failover would work (X4). Nothing is changed.
    Preflight(PreflightRequest),
}

/// The alarm behind an automatic run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlarmTrigger {
    /// The alarm's ARN.
    pub alarm_arn: String,
    /// The alarm's name.
    pub alarm_name: String,
    /// When it went to ALARM: the moment the incident's detection is counted from.
    pub state_changed_at: Timestamp,
    /// CloudWatch's reason.
    pub reason: String,
}

/// A person's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManualRequest {
    /// How to promote Aurora; `switchover` for planned moves and failback.
    pub mode: PromotionMode,
    /// The Region that is to become active. Left out, the first by preference whose replication is not too far behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_region: Option<Region>,
    /// Why; goes into the ledger, the messages and the report.
    pub reason: String,
    /// Carry out every gate and decision, change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Go on although the preflight found blockers, or a required fence is not confirmed.
    #[serde(default)]
    pub force: bool,
}

/// Whether a failover would work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreflightRequest {
    /// The Region that would become active. Left out, the one an alarm would choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_region: Option<Region>,
}

/// Should the plan's failover run now?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideRequest {
    /// The execution's name.
    pub failover_id: FailoverId,
    /// When the execution started.
    pub started_at: Timestamp,
    /// The recovery plan's text as the Parameter Store holds it.
    pub plan_document: String,
    /// The execution's input, unread.
    pub input: Value,
    /// The samples of earlier looks, as the last answer gave them.
    #[serde(default)]
    pub history: Vec<Sample>,
    /// A person has approved what an earlier answer asked for.
    #[serde(default)]
    pub approved: bool,
    /// How the checks ended that an earlier answer asked for, in their order; null while they were not made.
    #[serde(default)]
    pub checked: Option<Vec<StepEnd>>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecideResponse {
    /// What to do.
    pub decision: Decision,
    /// One sentence: why.
    pub message: String,
    /// All samples so far; to be handed back with the next look.
    pub history: Vec<Sample>,
    /// When to look again, in seconds; zero unless the decision is `wait`.
    pub ask_again_after_seconds: u32,
    /// The checks to make before the next look (X4); none unless the decision is `wait`.
    pub checks: Vec<StepCall>,
    /// What the checks found, one for each, the worst first.
    pub findings: Vec<Finding>,
    /// What to carry out; null unless the decision is `fail_over`.
    pub run: Option<RunPlan>,
    /// What to tell people; null when the decision is `wait`.
    pub notification: Option<Notification>,
}

/// The possible decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Carry out the run.
    FailOver,
    /// Do nothing: the evidence does not carry it, or another failover is under way.
    StandDown,
    /// A person has to approve.
    Ask,
    /// Too early to tell.
    Wait,
    /// Only a preflight was asked for, and it is done.
    Checked,
}

/// One look at all the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// One entry for each kind of evidence.
    pub evidence: Vec<Evidence>,
}

/// What one kind of evidence says of the source Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Which kind.
    pub kind: EvidenceKind,
    /// What it says.
    pub health: Health,
    /// The measurements that make it unhealthy: its own, or for alarms those that another kind makes itself as well.
    /// Two kinds that rest on one measurement are one witness.
    #[serde(default)]
    pub rests_on: Vec<EvidenceKind>,
    /// What was seen, in words.
    pub detail: String,
}

/// The independent kinds of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// The plan's CloudWatch alarms, read in this Region.
    Alarms,
    /// An HTTP request to the source Region's health endpoint.
    Endpoint,
    /// The state of Aurora's clusters, and the replication lag.
    Aurora,
}

/// What a piece of evidence says. What cannot be read is unknown, never unhealthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// The source Region serves.
    Healthy,
    /// The source Region does not serve.
    Unhealthy,
    /// Cannot tell.
    Unknown,
}

/// A failover, resolved: each step's request, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunPlan {
    /// The failover's id.
    pub failover_id: FailoverId,
    /// The recovery plan's name.
    pub plan: PlanName,
    /// The generation this failover claimed.
    pub generation: Generation,
    /// Who started it.
    pub initiator: Initiator,
    /// Change nothing.
    pub dry_run: bool,
    /// How Aurora is promoted.
    pub mode: PromotionMode,
    /// The Region that is left.
    pub source_region: Region,
    /// The Region that becomes active.
    pub target_region: Region,
    /// The target's health endpoint, for the conclusion's probe.
    pub target_endpoint: String,
    /// When the incident began: the alarm's state change, or the start of a manual run.
    pub incident_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// The replication lag at the decision, in milliseconds; null when it could not be read.
    pub lag_ms: Option<u64>,
    /// For how long after the conclusion alarms start nothing, in seconds.
    pub cooldown_seconds: u32,
    /// A person has ordered that gates which can be overridden do not hold, and why; null otherwise.
    #[serde(default)]
    pub forced: Option<String>,
    /// What a fence that is not confirmed means.
    pub fencing: FencingPolicy,
    /// For how long the target is granted the writer lease, in seconds; null when the plan has none.
    #[serde(default)]
    pub writer_lease_seconds: Option<u32>,
    /// What keeps the source Region from writing; all at once, before anything is promoted.
    pub fences: Vec<StepCall>,
    /// Promotions and scalings, wave by wave.
    pub waves: Vec<Wave>,
    /// Requests to `shift-dns`, side by side; sent when all the waves are done.
    pub shifts: Vec<ShiftRequest>,
}

impl RunPlan {
    /// All promotions, in the order of their waves.
    pub fn promotions(&self) -> impl Iterator<Item = &PromoteRequest> {
        self.waves.iter().flat_map(|wave| &wave.promotions)
    }

    /// All scalings, in the order of their waves.
    pub fn scalings(&self) -> impl Iterator<Item = &ScaleRequest> {
        self.waves.iter().flat_map(|wave| &wave.scalings)
    }
}

/// What is promoted and scaled side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// Requests to `promote-aurora`, one for each global cluster.
    pub promotions: Vec<PromoteRequest>,
    /// Requests to `scale-ecs`, one for each ECS cluster.
    pub scalings: Vec<ScaleRequest>,
}

/// A request and the function it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepCall {
    /// The function.
    pub function: StepFunction,
    /// The request.
    pub request: StepRequest,
}

/// The step functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepFunction {
    /// `promote-aurora`.
    PromoteAurora,
    /// `scale-ecs`.
    ScaleEcs,
    /// `shift-dns`.
    ShiftDns,
}

/// A request to any of the step functions. Each has a field that no other has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StepRequest {
    /// To `promote-aurora`.
    Isolate(IsolateRequest),
    /// To `promote-aurora`.
    Promote(PromoteRequest),
    /// To `scale-ecs`.
    Scale(ScaleRequest),
    /// To `shift-dns`.
    Shift(ShiftRequest),
}

impl StepRequest {
    /// The request with the function it is for.
    #[must_use]
    pub fn call(self) -> StepCall {
        let function = match self {
            Self::Isolate(_) | Self::Promote(_) => StepFunction::PromoteAurora,
            Self::Scale(_) => StepFunction::ScaleEcs,
            Self::Shift(_) => StepFunction::ShiftDns,
        };
        StepCall { function, request: self }
    }

    /// What it is about, for people.
    #[must_use]
    pub fn subject(&self) -> String {
        let region =
            |region: &Option<Region>| region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
        match self {
            Self::Isolate(request) => request.isolate.cluster_arn.to_string(),
            Self::Promote(request) => request
                .target_cluster_arn
                .as_ref()
                .map_or_else(|| "the standby's cluster".to_owned(), ToString::to_string),
            Self::Scale(request) => format!("ECS cluster {}{}", request.cluster, region(&request.target_region)),
            Self::Shift(request) => request.traffic.key(),
        }
    }
}

/// How a step ended: with its last answer, or with what Step Functions caught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepEnd {
    /// What was asked of it.
    pub call: StepCall,
    /// The last answer; null when there was none.
    #[serde(default)]
    pub response: Option<StepResponse>,
    /// What was caught, with `Error` and `Cause`; null when nothing was.
    #[serde(default)]
    pub failure: Value,
}

/// What a fence that is not confirmed means (X1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FencingPolicy {
    /// A person has to say that the source Region does not write; without that word nothing is promoted.
    Required,
    /// The failover goes on, and the report says so.
    BestEffort,
    /// Nothing is fenced.
    Off,
}

/// Something to tell people, ready for SNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// At most 100 ASCII characters without line breaks.
    /// Source: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
    pub subject: String,
    /// The text.
    pub message: String,
}

/// How did the fences end, and what does the plan's policy make of it (X1)?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JudgeFencesRequest {
    /// The run.
    pub run: RunPlan,
    /// How its fences ended, in their order.
    pub ends: Vec<StepEnd>,
    /// A person has said that the source Region does not write.
    #[serde(default)]
    pub approved: bool,
}

/// What is made of the fences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JudgeFencesResponse {
    /// What to do.
    pub verdict: FenceVerdict,
    /// One sentence: why.
    pub message: String,
    /// When to ask again, in seconds; zero unless the verdict is `wait`.
    pub ask_again_after_seconds: u32,
    /// One for each fence, and one for the writer lease if the plan has one.
    pub fences: Vec<FenceOutcome>,
    /// What to tell people; null unless the verdict is `ask`.
    pub notification: Option<Notification>,
}

/// What to do after the fences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FenceVerdict {
    /// Promote.
    GoOn,
    /// The writer lease of the source Region is still running.
    Wait,
    /// A person has to say that the source Region does not write.
    Ask,
}

/// How far a part of the source Region is known not to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FenceOutcome {
    /// The part.
    pub target: String,
    /// How far.
    pub outcome: Fenced,
    /// What was seen, in words.
    pub detail: String,
}

/// How a fence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fenced {
    /// It was seen that the target does not write.
    Confirmed,
    /// The target did not get there, or did not answer, in its time.
    TimedOut,
    /// Cannot tell.
    Unknown,
    /// Dry run: it would be fenced.
    WouldFence,
}

/// Verify, measure and close.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcludeRequest {
    /// The execution's name.
    pub failover_id: FailoverId,
    /// When the execution started.
    pub started_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The run that was decided; null when it ended before that.
    #[serde(default)]
    pub run: Option<RunPlan>,
    /// How the fences ended.
    #[serde(default)]
    pub fences: Vec<FenceOutcome>,
    /// The last answers of `promote-aurora`.
    #[serde(default)]
    pub promotions: Vec<StepResponse>,
    /// The last answers of `scale-ecs`.
    #[serde(default)]
    pub scalings: Vec<StepResponse>,
    /// The last answers of `shift-dns`.
    #[serde(default)]
    pub shifts: Vec<StepResponse>,
    /// What Step Functions caught, with `Error` and `Cause`; null when nothing was.
    #[serde(default)]
    pub error: Value,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every step reported its outcome as observed.
    Succeeded,
    /// A step could not be carried out.
    Failed,
}

/// What the conclusion found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConcludeResponse {
    /// `done`, or `in_progress` while the new primary does not answer yet.
    pub status: super::StepStatus,
    /// When to ask again, in seconds; zero unless `in_progress`.
    pub ask_again_after_seconds: u32,
    /// The measured outcome.
    pub report: Report,
    /// What to tell people.
    pub notification: Notification,
}

/// A run in figures (X8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The failover's id.
    pub failover_id: FailoverId,
    /// How it ended.
    pub outcome: Outcome,
    /// The run, null when it ended before a decision.
    pub run: Option<RunPlan>,
    /// When the execution started.
    pub started_at: Timestamp,
    /// When it was concluded.
    pub concluded_at: Timestamp,
    /// From the incident to the execution's start, in milliseconds.
    pub detection_ms: Option<u64>,
    /// From the execution's start to the decision, in milliseconds.
    pub decision_ms: Option<u64>,
    /// From the decision to the conclusion, in milliseconds.
    pub execution_ms: Option<u64>,
    /// From the incident until the new primary answered, in milliseconds; null if it did not.
    pub rto_ms: Option<u64>,
    /// Data lost at most, in milliseconds of writes: zero for a switchover, the lag otherwise; null if unknown.
    pub rpo_ms: Option<u64>,
    /// Whether the target's endpoint answered.
    pub target_healthy: bool,
    /// How the fences ended: those of the plan, the writer lease, and Aurora's own.
    pub fences: Vec<FenceOutcome>,
    /// The planes of AWS that the run could not do without, beside the orchestrator's own Region, and where they stand.
    pub depended_on: Vec<Dependency>,
    /// What failed, in words, with the cure; null when nothing did.
    pub failure: Option<String>,
}

/// What became of an SNS event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TriggerResponse {
    /// One entry for each record, in order.
    pub records: Vec<TriggerOutcome>,
}

/// What became of one alarm message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TriggerOutcome {
    /// An execution was started for it, by this delivery or an earlier one.
    Started {
        /// The execution's name.
        failover_id: FailoverId,
    },
    /// Nothing to do, and why.
    Ignored {
        /// One sentence.
        reason: String,
    },
}

/// What `watch` saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WatchResponse {
    /// The Region that was looked at: where the plan is active by the ledger.
    pub region: Region,
    /// Whether its endpoint answered.
    pub healthy: bool,
    /// Whether its RDS API answered; null where that was not asked, or cannot be told.
    pub region_answers: Option<bool>,
    /// What was seen.
    pub detail: String,
    /// What became of the writer lease; null where applications hold none.
    pub writer_lease: Option<String>,
}

/// That a Region serves which ARC Region switch has activated (X9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyResponse {
    /// The Region.
    pub region: Region,
    /// Always true: a Region that does not serve is an error, which Region switch understands.
    pub healthy: bool,
    /// What was seen.
    pub detail: String,
}
