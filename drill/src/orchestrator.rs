//! An orchestrator: a stack of `infra/orchestrator.yaml` for one workload, in one Region.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::deploy::{Deployment, deploy};
use crate::emulator::LocalAws;
use crate::error::{Error, Result};
use crate::execution::{self, Execution};
use crate::gateway::Call;
use crate::listener::Listener;
use crate::moment::Moment;
use crate::progress::Progress;
use crate::staging::{PlanSource, Staging, Traffic};
use crate::state::{LedgerItem, queue_length, read_ledger};
use crate::tools::Tools;
use crate::world::{
    COOLDOWN_SECONDS, DECISION_WINDOW_SECONDS, FULL_COUNT, GIVE_UP_SECONDS, MAX_RUN_SECONDS, STANDBY_OBJECT, Site,
    WORKLOAD_SERVICES, Workload, World,
};

/// Where the orchestrator's template stands in the project.
const TEMPLATE: &str = "infra/orchestrator.yaml";
/// The packages of its functions.
const FUNCTIONS: [&str; 4] = ["promote-aurora", "scale-ecs", "shift-dns", "health-probe"];
/// How many lines of a function's log are kept.
const LOG_LINES: u32 = 10_000;

/// Which orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Orchestrator {
    /// The workload that it fails over.
    pub workload: Workload,
    /// Where it stands.
    pub site: Site,
    /// Where its ledger is.
    pub ledger: Ledger,
}

/// An orchestrator's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ledger {
    /// A table in its own Region.
    OneRegion,
    /// A strongly consistent global table that it creates, with a replica and a witness elsewhere.
    Strong {
        /// The other replica's Region.
        replica: Site,
        /// The witness's Region.
        witness: Site,
    },
    /// The replica, in its own Region, of another orchestrator's table.
    Shared,
}

impl Default for Orchestrator {
    fn default() -> Self {
        Self { workload: Workload::Trading, site: Site::Standby, ledger: Ledger::OneRegion }
    }
}

impl Orchestrator {
    /// Whether one of its functions made the call. Orchestrators of one workload in two Regions go by the same names.
    #[must_use]
    pub fn made(&self, call: &Call) -> bool {
        named_in(call).is_some_and(|(suffix, _)| suffix == self.workload.suffix())
    }

    /// One for each Region: the emulator names a stack's roles by it, and roles are not Regional.
    fn stack_name(self) -> String {
        match self.site {
            Site::Standby => format!("failover-{}", self.workload),
            Site::Primary | Site::Reserve => format!("failover-{}-{}", self.workload, self.site.region()),
        }
    }

    /// What the plan names for moving traffic beside DNS records.
    fn traffic(self, way: Traffic, staging: &Staging, account_id: &str) -> Vec<(&'static str, String)> {
        match way {
            Traffic::FailoverRecords | Traffic::WeightedRecords => Vec::new(),
            Traffic::StandbyObject => vec![
                ("StandbyBucket", self.workload.standby_bucket(account_id)),
                ("StandbyObjectKey", STANDBY_OBJECT.to_owned()),
            ],
            Traffic::RoutingControl => {
                let arns = staging.sites.iter().map(|site| self.workload.routing_control_arn(*site, account_id));
                vec![("RoutingControlArns", arns.collect::<Vec<_>>().join(","))]
            }
        }
    }

    /// What the plan names in Regions that the template has no parameters of their own for.
    fn more_resources(
        self,
        sites: &[Site],
        account_id: &str,
        url: impl Fn(Site) -> String,
    ) -> Vec<(&'static str, String)> {
        let further = sites.iter().filter(|site| **site != self.site && Some(**site) != first_other(sites, self.site));
        let (mut rds, mut clusters, mut ecs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut endpoints, mut databases) = (Vec::new(), Vec::new());
        for site in further {
            let (region, cluster) = (site.region(), self.workload.ecs_cluster(*site));
            let arn = |service: &str, resource: &str| format!("arn:aws:{service}:{region}:{account_id}:{resource}");
            rds.extend([self.workload.cluster_arn(*site, account_id), arn("rds", "db:*")]);
            endpoints.push(format!("{region}={}", url(*site)));
            databases.push(format!("{region}={}", self.workload.cluster_id(*site)));
            clusters.push(arn("ecs", &format!("cluster/{cluster}")));
            ecs.extend([
                arn("ecs", &format!("service/{cluster}/*")),
                arn("application-autoscaling", "scalable-target/*"),
                arn("servicequotas", "fargate/L-3032A538"),
                arn("servicequotas", "fargate/L-36FBB829"),
            ]);
        }
        let lists = [
            ("MoreRdsArns", rds),
            ("MoreEcsClusterArns", clusters),
            ("MoreEcsArns", ecs),
            ("MoreEndpoints", endpoints),
            ("MoreClusters", databases),
        ];
        lists.into_iter().filter(|(_, all)| !all.is_empty()).map(|(name, all)| (name, all.join(","))).collect()
    }

    /// The template's parameters.
    fn parameters(self, staging: &Staging, world: &World) -> BTreeMap<String, String> {
        let (workload, standby) = (self.workload, self.site);
        let primary = first_other(&staging.sites, standby).unwrap_or(standby);
        let parameters = [
            ("EnvironmentSuffix", workload.suffix().to_owned()),
            ("PlanName", workload.name().to_owned()),
            ("PrimaryRegion", primary.region().to_owned()),
            ("GlobalClusterId", workload.name().to_owned()),
            ("PrimaryClusterId", workload.cluster_id(primary)),
            ("DrClusterId", workload.cluster_id(standby)),
            ("PrimaryEcsCluster", workload.ecs_cluster(primary)),
            ("DrEcsCluster", workload.ecs_cluster(standby)),
            ("HostedZoneId", world.zone_id.clone()),
            ("RecordName", workload.record_name().to_owned()),
            ("PrimarySetIdentifier", primary.set_identifier().to_owned()),
            ("DrSetIdentifier", standby.set_identifier().to_owned()),
            ("PrimaryEndpointUrl", world.endpoint(primary).url()),
            ("DrEndpointUrl", world.endpoint(standby).url()),
            ("AwsCallTimeoutSeconds", "2".to_owned()),
            ("StepBudgetSeconds", "5".to_owned()),
        ];
        let plan = match staging.plan {
            PlanSource::Document => vec![("PlanDocument", staging.plan_document(workload, world))],
            PlanSource::Template => composition(),
        };
        let lease = staging.writer_lease_seconds.map(|seconds| ("WriterLeaseSeconds", seconds.to_string()));
        let more = self.more_resources(&staging.sites, &world.account_id, |site| world.endpoint(site).url());
        let traffic = staging.traffic.iter().flat_map(|way| self.traffic(*way, staging, &world.account_id));
        let chosen = plan
            .into_iter()
            .chain(self.ledger.parameters())
            .chain(patience(staging))
            .chain(lease)
            .chain(more)
            .chain(traffic);
        parameters.into_iter().chain(chosen).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The Region that the template of an orchestrator at `own` calls the primary one.
fn first_other(sites: &[Site], own: Site) -> Option<Site> {
    sites.iter().copied().find(|site| *site != own)
}

/// For how long a question stays open; without a heartbeat it may be half as long, which is to make no difference.
fn patience(staging: &Staging) -> Vec<(&'static str, String)> {
    match staging.approval_timeout_seconds {
        Some(seconds) => vec![
            ("ApprovalTimeoutSeconds", seconds.to_string()),
            ("ApprovalHeartbeatSeconds", seconds.saturating_sub(1).to_string()),
        ],
        None => Vec::new(),
    }
}

impl Ledger {
    fn parameters(self) -> Vec<(&'static str, String)> {
        match self {
            Self::OneRegion => Vec::new(),
            Self::Strong { replica, witness } => vec![
                ("LedgerConsistency", "strong".to_owned()),
                ("LedgerReplicaRegion", replica.region().to_owned()),
                ("LedgerWitnessRegion", witness.region().to_owned()),
            ],
            Self::Shared => vec![("LedgerOwner", "other-stack".to_owned())],
        }
    }
}

/// The parameters from which the template composes the recovery plan.
fn composition() -> Vec<(&'static str, String)> {
    vec![
        ("RecordType", "CNAME".to_owned()),
        ("EcsServices", WORKLOAD_SERVICES.join(",")),
        ("EcsDesiredCount", FULL_COUNT.to_string()),
        ("DecisionWindowSeconds", DECISION_WINDOW_SECONDS.to_string()),
        ("DecisionIntervalSeconds", "1".to_owned()),
        ("GiveUpSeconds", GIVE_UP_SECONDS.to_string()),
        ("CooldownSeconds", COOLDOWN_SECONDS.to_string()),
        ("MaxRunSeconds", MAX_RUN_SECONDS.to_string()),
    ]
}

/// The package of the function that made a call, as its SDK's user agent says; none for anybody else.
#[must_use]
pub fn function_of(call: &Call) -> Option<&str> {
    named_in(call).map(|(_, function)| function)
}

/// The environment suffix and the package in the name of the function that made a call.
fn named_in(call: &Call) -> Option<(&str, &str)> {
    let name = call.caller.app.as_deref()?.strip_prefix("failover-")?;
    FUNCTIONS.into_iter().find_map(|function| {
        let suffix = name.strip_suffix(function)?.strip_suffix('-')?;
        Some((suffix, &name[suffix.len() + 1..]))
    })
}

/// A deployed orchestrator.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// Which one.
    pub orchestrator: Orchestrator,
    /// The stack's outputs.
    pub outputs: BTreeMap<String, String>,
    /// What it tells people.
    pub notifications: Listener,
    aws: Aws,
}

impl Deployed {
    /// Deploys it.
    ///
    /// # Errors
    /// Those of [`deploy`], and [`Error::Aws`] when its notifications cannot be subscribed to.
    pub async fn new(
        tools: &Tools,
        local: &LocalAws,
        orchestrator: Orchestrator,
        staged: (&Staging, &World),
        run_dir: &Path,
        progress: &Progress,
    ) -> Result<Self> {
        let (staging, world) = staged;
        let parameters = orchestrator.parameters(staging, world);
        let deployment = Deployment {
            template: Path::new(TEMPLATE),
            region: orchestrator.site.region(),
            stack_name: &orchestrator.stack_name(),
            parameters: &parameters,
            run_dir,
        };
        let outputs = deploy(tools, &local.emulator, &deployment, progress).await?;
        let aws = local.emulator.aws();
        let topic = output(&outputs, "NotificationTopicArn")?;
        let queue = format!("drill-notifications-{}", orchestrator.workload);
        let notifications = Listener::subscribe(aws.clone(), topic, &queue).await?;
        Ok(Self { orchestrator, outputs, notifications, aws })
    }

    /// One of the stack's outputs.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the template has no such output.
    pub fn output(&self, name: &str) -> Result<&str> {
        output(&self.outputs, name)
    }

    /// Its Region.
    #[must_use]
    pub const fn region(&self) -> &'static str {
        self.orchestrator.site.region()
    }

    /// Starts an execution of its state machine under a name.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn start(&self, name: &str, input: &str) -> Result<()> {
        let start = json!({ "stateMachineArn": self.output("StateMachineArn")?, "name": name, "input": input });
        self.aws.json("states", self.region(), "StartExecution", &start).await?;
        Ok(())
    }

    /// Stops an execution, as `aws stepfunctions stop-execution` does.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn stop(&self, execution_arn: &str) -> Result<()> {
        let input = json!({ "executionArn": execution_arn, "cause": "stopped by the drill" });
        self.aws.json("states", self.region(), "StopExecution", &input).await?;
        Ok(())
    }

    /// Sets an alarm's state, as CloudWatch does when its metric says so.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn set_alarm(&self, name: &str, state: &str) -> Result<()> {
        let parameters = [("AlarmName", name), ("StateValue", state), ("StateReason", "set by the drill")];
        self.aws.query("monitoring", self.region(), "SetAlarmState", &parameters).await?;
        Ok(())
    }

    /// Sends a message to a topic in its Region.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn publish(&self, topic_arn: &str, message: &str) -> Result<()> {
        let parameters = [("TopicArn", topic_arn), ("Message", message)];
        self.aws.query("sns", self.region(), "Publish", &parameters).await?;
        Ok(())
    }

    /// Sets or clears the plan's kill switch in the ledger, as the README's command does.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn set_kill_switch(&self, on: bool) -> Result<()> {
        self.change_plan_item(&json!({
            "UpdateExpression": "SET kill_switch = :on",
            "ExpressionAttributeValues": { ":on": { "BOOL": on } },
        }))
        .await
    }

    /// Sets in the ledger when the writer lease runs out.
    ///
    /// # Errors
    /// [`Error::Aws`] when nobody holds it.
    pub async fn end_lease_at(&self, moment: Moment) -> Result<()> {
        self.change_plan_item(&json!({
            "UpdateExpression": "SET writer_until_ms = :until",
            "ConditionExpression": "attribute_exists(writer_until_ms)",
            "ExpressionAttributeValues": { ":until": { "N": moment.as_millis().to_string() } },
        }))
        .await
    }

    /// Carries out an update, given without table and key.
    async fn change_plan_item(&self, update: &Value) -> Result<()> {
        let mut input = update.clone();
        input["TableName"] = self.output("LedgerTableName")?.into();
        input["Key"] = json!({ "operation_id": { "S": format!("plan#{}", self.orchestrator.workload) } });
        self.aws.json("dynamodb", self.region(), "UpdateItem", &input).await?;
        Ok(())
    }

    /// Invokes `health-probe` with the command `watch`, and answers what it saw.
    ///
    /// # Errors
    /// Those of [`Deployed::invoke`], and [`Error::Unexpected`] when the answer is no JSON.
    pub async fn watch(&self) -> Result<Value> {
        let command = json!({ "command": "watch" }).to_string();
        let answer = self.invoke(self.output("HealthProbeFunctionArn")?, &command).await?;
        serde_json::from_str(&answer).map_err(|error| Error::Unexpected(format!("watch answered {answer}: {error}")))
    }

    /// Invokes one of its functions, and answers what that answered.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it, [`Error::Unexpected`] when the function answers with an error.
    pub async fn invoke(&self, function_arn: &str, event: &str) -> Result<String> {
        let function = function_arn.rsplit(':').next().unwrap_or(function_arn);
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let answer =
            self.aws.rest("lambda", self.region(), "POST", &path, "application/json", event.as_bytes()).await?;
        if answer.contains("\"errorType\"") {
            return Err(Error::Unexpected(format!("{function} answered an event with an error: {answer}")));
        }
        Ok(answer)
    }

    /// All executions of its state machine, in the order in which they started.
    ///
    /// # Errors
    /// Those of [`execution::list`].
    pub async fn executions(&self) -> Result<Vec<Execution>> {
        execution::list(&self.aws, self.output("StateMachineArn")?).await
    }

    /// Its ledger, as its own Region has it.
    ///
    /// # Errors
    /// Those of [`read_ledger`].
    pub async fn ledger(&self) -> Result<Vec<LedgerItem>> {
        read_ledger(&self.aws, self.region(), self.output("LedgerTableName")?).await
    }

    /// How many messages are in its dead-letter queues.
    ///
    /// # Errors
    /// [`Error::Aws`] when a call fails.
    pub async fn dead_letters(&self) -> Result<u64> {
        let mut count = 0;
        for queue in ["UndeliveredAlarmQueueUrl", "FailedEventQueueUrl"] {
            count += queue_length(&self.aws, self.region(), self.output(queue)?).await?;
        }
        Ok(count)
    }

    /// What its functions logged and what its executions went through, by file name.
    pub async fn logs(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for function in FUNCTIONS {
            let lines = self.function_log(function).await.unwrap_or_else(|error| error.to_string());
            files.insert(format!("{function}.log"), lines);
        }
        for execution in self.executions().await.unwrap_or_default() {
            let history = execution::history(&self.aws, &execution.arn).await.unwrap_or_default();
            let text = serde_json::to_string_pretty(&json!({ "execution": execution, "history": history }));
            files.insert(format!("execution-{}.json", execution.name), text.unwrap_or_default());
        }
        let place = format!("{}-{}", self.orchestrator.workload, self.region());
        files.into_iter().map(|(name, text)| (format!("{place}-{name}"), text)).collect()
    }

    async fn function_log(&self, function: &str) -> Result<String> {
        let group = format!("/aws/lambda/failover-{}-{function}", self.orchestrator.workload.suffix());
        let input = json!({ "logGroupName": group, "limit": LOG_LINES });
        let answer: Value = self.aws.json("logs", self.region(), "FilterLogEvents", &input).await?;
        let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        let lines: Vec<&str> = events.iter().filter_map(|event| event["message"].as_str()).map(str::trim_end).collect();
        Ok(lines.join("\n"))
    }
}

fn output<'a>(outputs: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str> {
    let value = outputs.get(name).map(String::as_str);
    value.ok_or_else(|| Error::Unexpected(format!("{TEMPLATE} has no output {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Outcome;
    use crate::recorded::call_of;

    #[test]
    fn a_third_region_is_named_beside_the_templates_own_parameters() {
        let orchestrator = Orchestrator::default();
        let more = |sites| orchestrator.more_resources(sites, "1", |site| format!("http://{site}"));
        assert!(more(&Site::PAIR).is_empty());
        let more = more(&Site::THREE);
        let names: Vec<&str> = more.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["MoreRdsArns", "MoreEcsClusterArns", "MoreEcsArns", "MoreEndpoints", "MoreClusters"]);
        let is_there = |entry: &str| entry.contains(":eu-north-1:1:") || entry.starts_with("eu-north-1=");
        assert!(more.iter().all(|(_, all)| all.split(',').all(is_there)), "{more:?}");
    }

    #[test]
    fn a_call_tells_its_function_and_its_orchestrators_suffix() {
        let mut call = call_of("scale-ecs", "ecs", "UpdateService", Outcome::Ok { status: 200 });
        assert_eq!(function_of(&call), Some("scale-ecs"));
        assert!(Orchestrator::default().made(&call));
        call.caller.app = Some("failover-drill-2-scale-ecs".to_owned());
        let settlement = Orchestrator { workload: Workload::Settlement, ..Orchestrator::default() };
        assert_eq!(function_of(&call), Some("scale-ecs"));
        assert!(settlement.made(&call) && !Orchestrator::default().made(&call));
        call.caller.app = Some("drill".to_owned());
        assert_eq!(function_of(&call), None);
    }
}
