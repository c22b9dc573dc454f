//! The functions as custom action blocks of ARC Region switch (X9). Pure.
//!
//! A plan of Region switch can run a Lambda function as one of its steps. It invokes the function again after the retry
//! interval until it succeeds or the step's timeout is over, so an operation that is still under way is an error here
//! ([`finished`]), and each time it is the same operation of the ledger (F3).
//!
//! AWS documents the block and its configuration, but not what the function gets and not what its answer means; neither
//! can be configured. What is known of both, and from where, is said at [`Event`] and [`finished`].
//! Sources: <https://docs.aws.amazon.com/r53recovery/latest/dg/custom-action-lambda-block.html>,
//! <https://docs.aws.amazon.com/arc-region-switch/latest/api/API_CustomActionLambdaConfiguration.html>

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::config::Variables;
use crate::contract::{
    self, AccountId, Capacity, FailoverId, Initiator, PromoteRequest, PromotionMode, Region, RunContext, ScaleRequest,
    ShiftRequest, StepResponse, StepStatus, Traffic,
};
use crate::digest::sha256_hex;
use crate::error::Error;
use crate::recovery_plan::{AuroraPlan, EcsPlan, PlannedCapacity};

/// The variable with what a step function does for Region switch.
pub const VARIABLE: &str = "REGION_SWITCH_REQUEST";

/// What a block sends to the function.
///
/// AWS documents no field of it. These are the names, the types and the values by which the service's own API speaks of
/// an execution (`StartPlanExecution`, `GetPlanExecution`); all but the mode are required, since a guess could move a
/// workload the wrong way. Fields that are not known are allowed, in this one type.
/// Source: <https://docs.aws.amazon.com/arc-region-switch/latest/api/API_StartPlanExecution.html>
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The plan's ARN.
    #[serde(deserialize_with = "plan_arn")]
    pub plan_arn: String,
    /// The execution's id. The API gives it no form.
    #[serde(deserialize_with = "not_empty")]
    pub execution_id: String,
    /// The Region that traffic is moved to, or away from with `deactivate`.
    pub target_region: Region,
    /// What is done with that Region.
    pub action: Action,
    /// How. Left out, `graceful`: the mode that loses nothing.
    #[serde(default)]
    pub mode: Mode,
}

/// What an execution does with its target Region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Move the workload there.
    Activate,
    /// Move it away from there.
    Deactivate,
    /// Prepare the Region that was left for the next recovery.
    PostRecovery,
}

/// How a plan is executed. By the guide, `ungraceful` executions skip Lambda blocks; the behaviour of a block that is not
/// configured to be skipped is not documented, so both are known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Planned, with both Regions.
    #[default]
    Graceful,
    /// Unplanned.
    Ungraceful,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
            Self::PostRecovery => "postRecovery",
        }
    }
}

impl Mode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Graceful => "graceful",
            Self::Ungraceful => "ungraceful",
        }
    }
}

impl Event {
    /// Reads an invocation's payload; none when it is not from Region switch. No request of the functions has a field
    /// `planArn` or `executionId`.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] that names the field that is missing or malformed, and the fields that are there.
    pub fn of(payload: &Value) -> Result<Option<Self>, Error> {
        let Some(fields) = payload.as_object() else {
            return Ok(None);
        };
        if !(fields.contains_key("planArn") || fields.contains_key("executionId")) {
            return Ok(None);
        }
        contract::parse(payload.clone()).map(Some).map_err(|error| {
            if let Error::InvalidRequest { field, problem } = error {
                let found = fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                Error::invalid(field, format!("{problem}; the event of Region switch has {found}"))
            } else {
                error
            }
        })
    }

    /// The failover that its invocations belong to: always the same for one execution, also when a step is retried, and
    /// another one when the execution is switched to the other mode on its way, since that asks for something else.
    #[must_use]
    pub fn failover_id(&self) -> String {
        let identity = [&self.plan_arn, &self.execution_id, self.action.as_str(), self.mode.as_str()].join("\n");
        format!("region-switch-{}", &sha256_hex(&identity)[..32])
    }

    /// The action, for functions that only ever activate.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for another one. Success would say that something was done.
    pub fn must_activate(&self, instead: &str) -> Result<(), Error> {
        match self.action {
            Action::Activate => Ok(()),
            Action::Deactivate | Action::PostRecovery => Err(self.unfit(instead)),
        }
    }

    fn unfit(&self, instead: &str) -> Error {
        Error::invalid("action", format!("this function does nothing for {:?}: {instead}", self.action.as_str()))
    }

    /// Without a generation: the step is refused while a failover of the orchestrator itself is under way. As started by
    /// an alarm, since a trigger of the plan may have done it and the event does not say: the kill switch holds.
    fn run(&self) -> Result<RunContext, Error> {
        let failover_id = FailoverId::parse(&self.failover_id())
            .map_err(|problem| Error::Bug { doing: "naming a failover of Region switch".to_owned(), problem })?;
        Ok(RunContext { failover_id: Some(failover_id), initiator: Initiator::Alarm, ..RunContext::default() })
    }
}

/// `REGION_SWITCH_REQUEST`: what the function does when Region switch invokes it. The parts are those of the recovery
/// plan; each function reads its own, and needs no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegionSwitch {
    /// For `promote-aurora`. `unplanned_mode` is the mode of ungraceful executions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aurora: Option<AuroraPlan>,
    /// For `promote-aurora`: the mode of graceful executions. Left out, `switchover`.
    #[serde(default = "switchover")]
    pub graceful_mode: PromotionMode,
    /// For `scale-ecs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecs: Option<EcsPlan>,
    /// For `scale-ecs`: for how long a fence is tried in one invocation, in seconds. Left out, the step budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence_timeout_seconds: Option<u32>,
    /// For `shift-dns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}

impl RegionSwitch {
    /// Reads and checks the variable; none when it is not set, for a function that Region switch does not invoke.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable, and the field in it.
    pub fn read(variables: &impl Variables) -> Result<Option<Self>, Error> {
        let Some(text) = variables.get(VARIABLE).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let value = serde_json::from_str(&text).map_err(|error| config(format!("is not JSON: {error}")))?;
        let read: Self = contract::parse(value).map_err(within_variable)?;
        read.check().map_err(within_variable)?;
        Ok(Some(read))
    }

    /// What was read at the start, now that it is needed.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable when it was not set.
    pub fn needed(read: Option<&Self>) -> Result<&Self, Error> {
        read.ok_or_else(|| config("is not set; without it the function cannot work for Region switch".to_owned()))
    }

    fn check(&self) -> Result<(), Error> {
        if let Some(aurora) = &self.aurora {
            for (region, arn) in &aurora.clusters {
                if arn.region() != *region {
                    let problem = format!("the cluster stands in another Region: {arn}");
                    return Err(Error::invalid(format!("aurora.clusters.{region}"), problem));
                }
            }
            if aurora.unplanned_mode == PromotionMode::Switchover {
                let problem = "a switchover needs both Regions; use \"failover\" or \"detach\"".to_owned();
                return Err(Error::invalid("aurora.unplanned_mode", problem));
            }
        }
        if let Some(EcsPlan { clusters, capacity: PlannedCapacity::PercentOfSource { .. }, .. }) = &self.ecs
            && clusters.len() != 2
        {
            let problem = "needs two Regions in ecs.clusters: the event does not say which one is left".to_owned();
            return Err(Error::invalid("ecs.capacity.percent_of_source", problem));
        }
        if let Some(seconds) = self.fence_timeout_seconds {
            contract::check_timeout(seconds).map_err(|error| {
                if let Error::InvalidRequest { problem, .. } = error {
                    Error::invalid("fence_timeout_seconds", problem)
                } else {
                    error
                }
            })?;
        }
        self.traffic.as_ref().map_or(Ok(()), |traffic| contract::check_traffic("traffic", traffic))
    }

    /// The request to `promote-aurora`: make the target Region's cluster the writer.
    ///
    /// # Errors
    /// [`Error::Config`] when the variable lacks what it takes, [`Error::InvalidRequest`] for another action.
    pub fn promotion(&self, event: &Event) -> Result<PromoteRequest, Error> {
        event.must_activate(
            "there is no database to close in the Region that is left; put it into a workflow of \"activate\"",
        )?;
        let aurora = part("aurora", self.aurora.as_ref())?;
        let target = &event.target_region;
        Ok(PromoteRequest {
            run: event.run()?,
            global_cluster_id: Some(aurora.global_cluster_id.clone()),
            target_cluster_arn: Some(entry("aurora.clusters", &aurora.clusters, target)?.clone()),
            // The event does not say which of several Regions is left.
            source_cluster_arn: None,
            mode: match event.mode {
                Mode::Graceful => self.graceful_mode,
                Mode::Ungraceful => aurora.unplanned_mode,
            },
            security_group_ids: aurora.security_groups.get(target).map(|groups| groups.serving.clone()),
        })
    }

    /// The request to `scale-ecs`: bring the target Region's services to their capacity, or with `deactivate` fence them
    /// there (X1).
    ///
    /// # Errors
    /// [`Error::Config`] when the variable lacks what it takes, [`Error::InvalidRequest`] for another action.
    pub fn scaling(&self, event: &Event) -> Result<ScaleRequest, Error> {
        let ecs = part("ecs", self.ecs.as_ref())?;
        let fence = match event.action {
            Action::Activate => false,
            Action::Deactivate if ecs.fence => true,
            Action::Deactivate => return Err(event.unfit("its variable REGION_SWITCH_REQUEST says \"fence\": false")),
            Action::PostRecovery => return Err(event.unfit("use it for \"activate\" and \"deactivate\"")),
        };
        Ok(ScaleRequest {
            run: event.run()?,
            target_region: Some(event.target_region.clone()),
            cluster: entry("ecs.clusters", &ecs.clusters, &event.target_region)?.clone(),
            services: ecs.services.clone(),
            capacity: if fence { Capacity::Fenced } else { capacity(ecs, &event.target_region)? },
            allow_scale_down: fence,
            timeout_seconds: self.fence_timeout_seconds.filter(|_| fence),
        })
    }

    /// The request to `shift-dns`: give the target Region the traffic.
    ///
    /// # Errors
    /// [`Error::Config`] when the variable lacks what it takes, [`Error::InvalidRequest`] for another action.
    pub fn shift(&self, event: &Event) -> Result<ShiftRequest, Error> {
        event.must_activate(
            "it gives a Region the traffic; put it into the workflow of \"activate\" for the other Region",
        )?;
        let traffic = part("traffic", self.traffic.as_ref())?.clone();
        Ok(ShiftRequest { run: event.run()?, target_region: Some(event.target_region.clone()), traffic })
    }
}

/// A step's answer as Region switch understands it: any answer ends the block in success, any error makes it ask again
/// after the retry interval, until the timeout. So what is under way is an error.
///
/// The guide says "rerun the Lambda function if it does not succeed"; that an answer's content does not count and an
/// error of the function does is how AWS's own sample steps work.
/// Source: <https://github.com/aws-samples/sample-resilience-patterns> (`drs-ec2/lambda/drs_region_switch/common.py`)
///
/// # Errors
/// [`Error::Unfinished`] while the operation is under way.
pub fn finished(response: StepResponse) -> Result<StepResponse, Error> {
    match response.status {
        StepStatus::Done | StepStatus::WouldAct | StepStatus::Checked => Ok(response),
        StepStatus::InProgress => {
            Err(Error::Unfinished { operation_id: response.operation_id, waiting_for: response.message })
        }
    }
}

fn capacity(ecs: &EcsPlan, target: &Region) -> Result<Capacity, Error> {
    Ok(match ecs.capacity {
        PlannedCapacity::Desired(count) => Capacity::Desired(count),
        PlannedCapacity::PercentOfSource { percent, desired_if_unknown } => {
            // Of two Regions, as was checked at the start.
            let (source_region, source_cluster) = ecs
                .clusters
                .iter()
                .find(|(region, _)| *region != target)
                .ok_or_else(|| config("has no other Region than the target in ecs.clusters".to_owned()))?;
            Capacity::PercentOfSource {
                percent,
                source_region: source_region.clone(),
                source_cluster: source_cluster.clone(),
                desired_if_unknown,
            }
        }
    })
}

fn part<'a, T>(name: &str, found: Option<&'a T>) -> Result<&'a T, Error> {
    found.ok_or_else(|| config(format!("has no {name:?}, which this function works from")))
}

fn entry<'a, T>(field: &str, map: &'a BTreeMap<Region, T>, region: &Region) -> Result<&'a T, Error> {
    map.get(region).ok_or_else(|| {
        let known = map.keys().map(Region::as_str).collect::<Vec<_>>().join(", ");
        Error::invalid("targetRegion", format!("{region} is not in {field} of {VARIABLE}, which has {known}"))
    })
}

fn switchover() -> PromotionMode {
    PromotionMode::Switchover
}

/// `arn:PARTITION:arc-region-switch::ACCOUNT:plan/NAME:ID`.
fn plan_arn<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fields: Vec<&str> = text.split(':').collect();
    let is_plan = matches!(
        fields.as_slice(),
        ["arn", partition, "arc-region-switch", "", account, plan, id]
            if partition.starts_with("aws") && AccountId::parse(account).is_ok() && plan.len() > "plan/".len()
                && plan.starts_with("plan/") && !id.is_empty()
    );
    if is_plan {
        return Ok(text);
    }
    let expected =
        "the ARN of a Region switch plan such as \"arn:aws:arc-region-switch::123456789012:plan/trading:a1b2c3\"";
    Err(serde::de::Error::custom(format!("expected {expected}, found {text:?}")))
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Err(serde::de::Error::custom("is empty")) } else { Ok(text) }
}

fn config(problem: String) -> Error {
    Error::Config { variable: VARIABLE.to_owned(), problem }
}

fn within_variable(error: Error) -> Error {
    if let Error::InvalidRequest { field, problem } = error { config(format!("{field}: {problem}")) } else { error }
}
