//! What the drill does to a workload, and the runs that the orchestrator makes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::course::Move;
use super::{Course, Estate};
use crate::aws::xml_text;
use crate::error::{Error, Result};
use crate::execution::{self, Execution};
use crate::gateway::{Rule, RuleId};
use crate::logs;
use crate::moment::Moment;
use crate::report::RunReport;
use crate::stage::Run;
use crate::world::Site;

/// How long a run may take: the switch needs half a minute to be noticed.
const RUN_LIMIT: Duration = Duration::from_mins(4);
/// A lag beyond every workload's limit, in milliseconds.
pub(super) const LONG_LAG_MS: u64 = 600_000;
/// The lag that Aurora publishes for the cluster that does not write, in milliseconds.
pub(super) const LAG_MS: u64 = 300;

/// One run of the state machine.
#[derive(Clone, Debug)]
pub struct WorkloadRun {
    /// What it is, in words.
    pub label: String,
    /// When the Region was lost, or the order given.
    pub begins: Moment,
    /// When the alarm went off, or the order was given.
    pub ordered: Moment,
    /// The execution at its end.
    pub execution: Execution,
}

impl Estate {
    /// Loses a Region: its front doors hang up, and no AWS API answers there, until the rule that it answers is removed.
    #[must_use]
    pub fn lose(&self, region: &str) -> RuleId {
        self.doors.lose(region);
        self.local.gateway.add_rule(Rule::blackout(region))
    }

    /// Brings it back.
    pub fn restore(&self, region: &str, blackout: RuleId) {
        self.local.gateway.remove_rule(blackout);
        self.doors.restore(region);
    }

    /// Publishes what Aurora would: the lag of the Region's cluster, which replicates from the other one.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn publish_lag(&self, region: &str, lag_ms: u64) -> Result<()> {
        if !self.workload.has_database() {
            return Ok(());
        }
        let cluster = self.output(region, "ClusterArn")?;
        let cluster = cluster.rsplit(':').next().unwrap_or(cluster);
        crate::world::publish_lag_of(&self.aws(), region, cluster, lag_ms).await?;
        Ok(())
    }

    /// Lets `watch` look, sets the alarms to ALARM that stand on what it saw, as CloudWatch does after two such looks, and
    /// waits for what the orchestrator makes of it.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it sees nothing wrong, [`Error::TimedOut`] when it does not start a run, or the run does not end.
    pub async fn fail_over(&self, begins: Moment, tell: impl Fn(&str)) -> Result<WorkloadRun> {
        let (mut known, seen) = (self.known().await?, self.deployed.watch().await?);
        if seen["healthy"] != false || seen["region_answers"] != false {
            return Err(Error::Unexpected(format!("watch took the lost Region for well: {seen}")));
        }
        let ordered = Moment::now();
        self.deployed.set_alarm(self.deployed.output("EndpointAlarmName")?, "ALARM").await?;
        let mut arn = self.deployed.await_start(&known).await?;
        // With the first one it is the plan's evidence. It asks for a run of its own: one of the two stands back.
        self.deployed.set_alarm(self.deployed.output("RegionApiAlarmName")?, "ALARM").await?;
        let mut execution = self.deployed.await_end(&arn, RUN_LIMIT, &tell).await?;
        if !execution.says_moved() {
            known.insert(arn);
            arn = self.deployed.await_start(&known).await?;
            execution = self.deployed.await_end(&arn, RUN_LIMIT, tell).await?;
        }
        Ok(WorkloadRun { label: "failing over".to_owned(), begins, ordered, execution })
    }

    /// Sets the alarms to OK, which starts nothing.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn clear_alarms(&self) -> Result<()> {
        for alarm in ["EndpointAlarmName", "RegionApiAlarmName"] {
            self.deployed.set_alarm(self.deployed.output(alarm)?, "OK").await?;
        }
        Ok(())
    }

    /// The state of an alarm.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when there is no such alarm.
    pub async fn alarm_state(&self, region: &str, name: &str) -> Result<String> {
        let named = [("AlarmNames.member.1", name)];
        let answer = self.aws().query("monitoring", region, "DescribeAlarms", &named).await?;
        let state = xml_text(&answer, &["MetricAlarms", "member", "StateValue"]);
        state.ok_or_else(|| Error::Unexpected(format!("there is no alarm {name} in {region}")))
    }

    /// Starts a run as a person does, and waits for its end.
    ///
    /// # Errors
    /// Those of [`Estate::fail_over`].
    pub async fn order(&self, label: &str, trigger: &Value, tell: impl Fn(&str)) -> Result<WorkloadRun> {
        let known = self.known().await?;
        let name = format!("by-hand-{}", known.len() + 1);
        let ordered = Moment::now();
        let input = json!({ "plan": self.workload.name(), "trigger": trigger });
        self.deployed.start(&name, &input.to_string()).await?;
        let arn = self.deployed.await_start(&known).await?;
        let execution = self.deployed.await_end(&arn, RUN_LIMIT, tell).await?;
        Ok(WorkloadRun { label: label.to_owned(), begins: ordered, ordered, execution })
    }

    async fn known(&self) -> Result<BTreeSet<String>> {
        Ok(self.deployed.executions().await?.into_iter().map(|execution| execution.arn).collect())
    }

    /// What the checks before a failover found, worst first: severity and words.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the run did not get that far.
    pub async fn preflight(&self, tell: impl Fn(&str)) -> Result<Vec<(String, String)>> {
        let run = self.order("checking that a failover would work", &json!({ "kind": "preflight" }), tell).await?;
        let findings = run.execution.output["findings"].as_array();
        let findings = findings
            .ok_or_else(|| Error::Unexpected(format!("the preflight ended without findings: {:?}", run.execution)))?;
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        Ok(findings
            .iter()
            .map(|finding| {
                let words = ["check", "subject", "message"].map(|name| text(finding, name)).join(", ");
                (text(finding, "severity"), words)
            })
            .collect())
    }

    /// The runs of a course, for the report.
    ///
    /// # Errors
    /// [`Error::Aws`] when a history cannot be read.
    pub async fn run_reports(&self, course: &Course) -> Result<Vec<RunReport>> {
        let (calls, mut reports) = (self.local.gateway.calls(), Vec::new());
        for Move { run: ordered, to, paid_there, .. } in &course.moves {
            let home = to == self.workload.primary();
            let run = Run {
                label: ordered.label.clone(),
                target: Some(if home { Site::Primary } else { Site::Standby }),
                begins: ordered.begins,
                ordered: ordered.ordered,
                execution: ordered.execution.clone(),
                history: execution::history(&self.aws(), &ordered.execution.arn).await?,
                served_again: *paid_there,
                lag_ms: if self.workload.has_database() { LAG_MS } else { 0 },
                unplanned: !home,
                answered: None,
                told: Vec::new(),
            };
            reports.push(RunReport::new(&run, &calls));
        }
        Ok(reports)
    }

    /// Keeps the logs of this run, for whoever has to find out what went wrong.
    pub async fn save_logs(&self) {
        logs::save(&self.run_dir, [&self.deployed], &self.local.gateway, &self.progress).await;
    }
}
