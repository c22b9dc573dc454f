//! Calls to CloudWatch, SNS, IAM and Step Functions, as `health-probe` and `promote-aurora` make them.

use aws_sdk_cloudwatch::Client as CloudWatch;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, CompositeAlarm, Dimension, Metric, MetricAlarm, MetricDataQuery, MetricStat, ScanBy, StateValue,
};
use aws_sdk_sfn::Client as StepFunctions;
use aws_sdk_sns::Client as Sns;
use failover::aws_call::CallError;
use serde_json::{Value, json};
use simulation::workload::STANDBY;

use crate::sides::Side;

/// A call, in the standby Region.
#[derive(Debug)]
pub(crate) enum Call {
    DescribeAlarms {
        names: &'static [&'static str],
    },
    /// The lag of a cluster, of the last ten minutes.
    GetMetricData {
        cluster: &'static str,
        newest_first: bool,
    },
    Publish {
        topic: &'static str,
    },
    ListSubscriptionsByTopic {
        topic: &'static str,
    },
    SimulatePrincipalPolicy {
        role: String,
        action: &'static str,
    },
    StartExecution {
        name: &'static str,
        input: &'static str,
    },
    /// It ends, as nobody in the product but the state machine itself makes it.
    EndExecution {
        name: &'static str,
    },
}

impl Call {
    pub(crate) async fn ask(&self, side: &Side) -> Result<Value, CallError> {
        match self {
            Self::DescribeAlarms { names } => describe_alarms(side, names).await,
            Self::GetMetricData { cluster, newest_first } => get_lag(side, cluster, *newest_first).await,
            Self::Publish { topic } => {
                let change = Sns::new(&side.config(STANDBY)).publish().topic_arn(*topic).subject("s").message("m");
                let answer = side.tools.calls.call("sns", "Publish", change.send()).await?;
                Ok(json!({ "has_an_id": answer.message_id().is_some() }))
            }
            Self::ListSubscriptionsByTopic { topic } => {
                let read = Sns::new(&side.config(STANDBY)).list_subscriptions_by_topic().topic_arn(*topic).send();
                let answer = side.tools.calls.call("sns", "ListSubscriptionsByTopic", read).await?;
                let subscriptions = answer.subscriptions().iter();
                Ok(subscriptions.map(|one| json!({ "protocol": one.protocol(), "endpoint": one.endpoint() })).collect())
            }
            Self::SimulatePrincipalPolicy { role, action } => {
                let request = aws_sdk_iam::Client::new(&side.config(STANDBY))
                    .simulate_principal_policy()
                    .policy_source_arn(role)
                    .action_names(*action)
                    .resource_arns("*");
                let answer = side.tools.calls.call("iam", "SimulatePrincipalPolicy", request.send()).await?;
                let results = answer.evaluation_results().iter();
                Ok(results.map(|result| json!(result.eval_decision().as_str())).collect())
            }
            Self::StartExecution { name, input } => {
                let request = StepFunctions::new(&side.config(STANDBY)).start_execution();
                let request = request.state_machine_arn(state_machine()).name(*name).input(*input).send();
                let answer = side.tools.calls.call("states", "StartExecution", request).await?;
                Ok(json!({ "arn": answer.execution_arn() }))
            }
            Self::EndExecution { name } => end_execution(side, name).await,
        }
    }
}

async fn describe_alarms(side: &Side, names: &[&str]) -> Result<Value, CallError> {
    let client = CloudWatch::new(&side.config(STANDBY));
    let read = client
        .describe_alarms()
        .set_alarm_names(Some(names.iter().map(|name| (*name).to_owned()).collect()))
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .max_records(100);
    let answer = side.tools.calls.call("cloudwatch", "DescribeAlarms", read.send()).await?;
    let mut alarms: Vec<Value> = answer.metric_alarms().iter().map(metric_alarm).collect();
    alarms.extend(answer.composite_alarms().iter().map(composite_alarm));
    alarms.sort_by_key(Value::to_string);
    Ok(Value::Array(alarms))
}

async fn get_lag(side: &Side, cluster: &str, newest_first: bool) -> Result<Value, CallError> {
    let client = CloudWatch::new(&side.config(STANDBY));
    let dimension = Dimension::builder().name("DBClusterIdentifier").value(cluster).build();
    let metric = Metric::builder().namespace("AWS/RDS").metric_name("AuroraGlobalDBReplicationLag");
    let metric = metric.dimensions(dimension).build();
    let stat = MetricStat::builder().metric(metric).period(60).stat("Maximum").build();
    let query = MetricDataQuery::builder().id("lag").metric_stat(stat).build();
    let now = side.now().as_millis();
    let read = client
        .get_metric_data()
        .metric_data_queries(query)
        .start_time(DateTime::from_millis(now - 600_000))
        .end_time(DateTime::from_millis(now + 1_000))
        .set_scan_by(newest_first.then_some(ScanBy::TimestampDescending));
    let answer = side.tools.calls.call("cloudwatch", "GetMetricData", read.send()).await?;
    let results = answer.metric_data_results().iter();
    let points = results.flat_map(|result| result.timestamps().iter().zip(result.values()));
    let points: Vec<(i64, f64)> = points.map(|(at, ms)| (now / 1_000 - at.secs(), *ms)).collect();
    let mut in_order = points.clone();
    in_order.sort_by_key(|(seconds_ago, _)| *seconds_ago);
    Ok(json!({ "newest_first": points == in_order, "points": in_order }))
}

async fn end_execution(side: &Side, name: &str) -> Result<Value, CallError> {
    let simulated = side.simulation(|aws| aws.states.end(STANDBY, name)).is_some();
    if !simulated {
        let arn = format!("{}:{name}", state_machine().replace(":stateMachine:", ":execution:"));
        let request = StepFunctions::new(&side.config(STANDBY)).stop_execution().execution_arn(arn);
        side.tools.calls.call("states", "StopExecution", request.send()).await?;
        side.take_statuses();
    }
    Ok(Value::Null)
}

/// The state machine's ARN.
fn state_machine() -> String {
    format!("arn:aws:states:{STANDBY}:{}:stateMachine:failover-prod", simulation::aws::ACCOUNT)
}

fn metric_alarm(alarm: &MetricAlarm) -> Value {
    json!({
        "name": alarm.alarm_name(),
        "arn": alarm.alarm_arn(),
        "state": alarm.state_value().map(StateValue::as_str),
        "enabled": alarm.actions_enabled(),
        "actions": alarm.alarm_actions(),
        "namespace": alarm.namespace(),
        "metric": alarm.metric_name(),
    })
}

fn composite_alarm(alarm: &CompositeAlarm) -> Value {
    json!({
        "name": alarm.alarm_name(),
        "arn": alarm.alarm_arn(),
        "state": alarm.state_value().map(StateValue::as_str),
        "enabled": alarm.actions_enabled(),
        "actions": alarm.alarm_actions(),
        "rule": alarm.alarm_rule(),
    })
}
