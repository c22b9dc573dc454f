//! One look at all the evidence: what is asked of AWS and of the endpoint, side by side, each within [`LOOK_TIMEOUT`].
//!
//! Reading only; what it means is decided in [`crate::evidence`].

use std::future::Future;
use std::time::Duration;

use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::types::{
    AlarmType, CompositeAlarm, Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, StateValue,
};
use aws_sdk_rds::types::{GlobalCluster, GlobalClusterMember};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::DateTime;
use failover::aws_call::CallError;
use failover::contract::{ClusterArn, Region, Sample, Timestamp};
use failover::env::millis;
use failover::recovery_plan::{AuroraPlan, RecoveryPlan};
use failover::runtime::Toolbox;
use futures_util::future::join_all;

use crate::evidence::{
    self, AlarmSeen, AlarmState, AlarmsSeen, AuroraSeen, GlobalSeen, Lag, LagReading, LagSeen, SourceSeen, Topology,
};
use crate::http_probe::{self, Answer, Url};

/// How long one kind of evidence may take. A Region that is gone is mostly silent, and the decision waits for it.
pub(crate) const LOOK_TIMEOUT: Duration = Duration::from_secs(3);
/// How old a reading of the replication lag may be.
pub(crate) const OLDEST_LAG: Duration = Duration::from_secs(15 * 60);
/// How many alarms CloudWatch describes in one call.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html>
const ALARMS_IN_A_CALL: usize = 100;
/// The period of the lag's datapoints, in seconds.
const LAG_PERIOD_SECONDS: i32 = 60;

/// What a look brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// The evidence on the source Region.
    pub(crate) sample: Sample,
    /// How far each of the targets is behind, in their order.
    pub(crate) lags: Vec<Lag>,
}

/// Looks at the Region that would be left, and at how far the others are behind, the preferred one first.
pub(crate) async fn look(tools: &Toolbox, plan: &RecoveryPlan, source: &Region, targets: &[&Region]) -> Look {
    let at = tools.env.now();
    let lags_of = |target| join_all(plan.aurora.iter().map(move |aurora| lag(tools, aurora, target)));
    let (alarms, endpoint, clusters, lags) = tokio::join!(
        alarms(tools, &plan.detection.alarm_names),
        endpoint(tools, plan, source),
        join_all(plan.aurora.iter().map(|aurora| cluster(tools, aurora, source))),
        join_all(targets.iter().map(|target| lags_of(target))),
    );
    let named = |lags: &[LagSeen]| -> Vec<(String, LagSeen)> {
        let names = plan.aurora.iter().map(|aurora| aurora.global_cluster_id.to_string());
        names.zip(lags.iter().cloned()).collect()
    };
    let lags: Vec<Vec<(String, LagSeen)>> = lags.iter().map(|lags| named(lags)).collect();
    // What the preferred target lags by says something of the source, too.
    let preferred = lags.first().cloned().unwrap_or_default();
    let aurora: Vec<AuroraSeen> = clusters
        .into_iter()
        .zip(preferred)
        .map(|((global, source), (name, lag))| AuroraSeen { name, global, source, lag })
        .collect();
    // "Unreachable to me" says something of the other side only when this side's own network is known to work.
    let proven = answered(&alarms) || aurora.iter().any(|seen| answered(&seen.global) || answered(&seen.lag));
    let evidence = vec![
        evidence::of_alarms(&plan.detection.alarm_names, &alarms),
        evidence::of_endpoint(&endpoint, proven),
        evidence::of_aurora(&aurora, source, plan.detection.max_lag_ms, proven),
    ];
    for evidence in &evidence {
        tracing::info!(kind = ?evidence.kind, health = ?evidence.health, detail = evidence.detail, "evidence");
    }
    Look { sample: Sample { at, evidence }, lags: lags.iter().map(|lags| evidence::furthest(lags)).collect() }
}

/// Whether AWS answered, be it with an error.
fn answered<T>(outcome: &Result<T, CallError>) -> bool {
    outcome.as_ref().map_or_else(|error| !error.code.is_empty(), |_| true)
}

/// Cuts a call short, as a timeout of the SDK's own.
async fn within<T, E>(
    tools: &Toolbox,
    limit: Duration,
    request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, SdkError<E, HttpResponse>> {
    tokio::select! {
        biased;
        outcome = request => outcome,
        () = tools.env.sleep(limit) => {
            Err(SdkError::timeout_error(format!("no answer within {} ms", millis(limit))))
        }
    }
}

/// The plan's alarms, read in this Region, and for composite ones the alarms they are made of.
async fn alarms(tools: &Toolbox, names: &[String]) -> AlarmsSeen {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let began = tools.env.now();
    let described = describe_alarms(tools, names, LOOK_TIMEOUT).await?;
    let mut seen = metric_alarms(&described);
    let composites: Vec<_> = described.iter().flat_map(DescribeAlarmsOutput::composite_alarms).collect();
    let mut children: Vec<String> = composites.iter().flat_map(|alarm| children_of(alarm)).collect();
    children.retain(|child| !seen.iter().any(|alarm| alarm.is_called(child)));
    children.sort();
    children.dedup();
    let mut parts = seen.clone();
    if !children.is_empty() {
        let names: Vec<String> = children.iter().map(|child| evidence::name_of_alarm(child).to_owned()).collect();
        let left = LOOK_TIMEOUT.saturating_sub(Duration::from_millis(tools.env.now().millis_since(began)));
        // Without them the composite alarm still counts, as one that rests on nothing that is known.
        parts.extend(
            describe_alarms(tools, &names, left).await.map(|described| metric_alarms(&described)).unwrap_or_default(),
        );
    }
    seen.extend(composites.into_iter().map(|alarm| AlarmSeen {
        name: alarm.alarm_name().unwrap_or_default().to_owned(),
        arn: alarm.alarm_arn().unwrap_or_default().to_owned(),
        state: state_of(alarm.state_value()),
        rests_on: evidence::composite_rests_on(&children_of(alarm), &parts),
    }));
    Ok(seen)
}

fn metric_alarms(described: &[DescribeAlarmsOutput]) -> Vec<AlarmSeen> {
    let alarms = described.iter().flat_map(DescribeAlarmsOutput::metric_alarms);
    let seen = alarms.map(|alarm| AlarmSeen {
        name: alarm.alarm_name().unwrap_or_default().to_owned(),
        arn: alarm.alarm_arn().unwrap_or_default().to_owned(),
        state: state_of(alarm.state_value()),
        rests_on: vec![evidence::measured_by(
            alarm.namespace().unwrap_or_default(),
            alarm.metric_name().unwrap_or_default(),
        )],
    });
    seen.collect()
}

fn children_of(alarm: &CompositeAlarm) -> Vec<String> {
    evidence::children_in_rule(alarm.alarm_rule().unwrap_or_default())
}

/// What an alarm's state says.
pub(crate) fn state_of(value: Option<&StateValue>) -> AlarmState {
    match value.map(StateValue::as_str) {
        Some("ALARM") => AlarmState::Alarm,
        Some("OK") => AlarmState::Ok,
        _ => AlarmState::Undecided,
    }
}

/// The alarms of these names, metric and composite ones, in this Region.
pub(crate) async fn describe_alarms(
    tools: &Toolbox,
    names: &[String],
    limit: Duration,
) -> Result<Vec<DescribeAlarmsOutput>, CallError> {
    let client = aws_sdk_cloudwatch::Client::new(&tools.clients.reading(&tools.config.dr_region));
    let calls = names.chunks(ALARMS_IN_A_CALL).map(|names| {
        let request = client
            .describe_alarms()
            .set_alarm_names(Some(names.to_vec()))
            // Without this, composite alarms are left out.
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .max_records(i32::try_from(ALARMS_IN_A_CALL).unwrap_or(i32::MAX));
        tools.calls.call("cloudwatch", "DescribeAlarms", within(tools, limit, request.send()))
    });
    join_all(calls).await.into_iter().collect()
}

async fn endpoint(tools: &Toolbox, plan: &RecoveryPlan, source: &Region) -> Result<Answer, String> {
    let url = plan.detection.endpoints.get(source).ok_or_else(|| format!("the plan has no endpoint for {source}"))?;
    Ok(http_probe::get(tools, &Url::parse(url)?).await)
}

/// The global cluster as this Region sees it, and the source's member as its own Region sees it.
async fn cluster(tools: &Toolbox, aurora: &AuroraPlan, source: &Region) -> (GlobalSeen, SourceSeen) {
    let Some(arn) = aurora.clusters.get(source) else {
        return (Ok(None), Ok(None));
    };
    tokio::join!(global(tools, aurora, arn), member(tools, arn, source))
}

async fn global(tools: &Toolbox, aurora: &AuroraPlan, source: &ClusterArn) -> GlobalSeen {
    let client = aws_sdk_rds::Client::new(&tools.clients.reading(&tools.config.dr_region));
    let request = client.describe_global_clusters().global_cluster_identifier(aurora.global_cluster_id.as_str()).send();
    let call = tools.calls.call("rds", "DescribeGlobalClusters", within(tools, LOOK_TIMEOUT, request));
    let answer = call.await?;
    Ok(answer.global_clusters().first().map(|cluster| topology(cluster, source)))
}

fn topology(cluster: &GlobalCluster, source: &ClusterArn) -> Topology {
    let pending = cluster.failover_state().and_then(|state| state.status()).map(|status| status.as_str().to_owned());
    let member =
        cluster.global_cluster_members().iter().find(|member| member.db_cluster_arn() == Some(source.as_str()));
    match (pending, member.map(GlobalClusterMember::is_writer)) {
        (Some(status), _) => Topology::Changing(status),
        (None, None) => Topology::NotAMember,
        (None, Some(Some(true))) => Topology::Writer,
        (None, Some(_)) => Topology::Reader,
    }
}

async fn member(tools: &Toolbox, arn: &ClusterArn, source: &Region) -> SourceSeen {
    // Without retries: this Region may be gone, and then the answer is wanted soon.
    let client = aws_sdk_rds::Client::new(&tools.clients.once(source));
    let request = client.describe_db_clusters().db_cluster_identifier(arn.cluster_id().as_str()).send();
    let call = tools.calls.call("rds", "DescribeDBClusters", within(tools, LOOK_TIMEOUT, request));
    let answer = call.await?;
    Ok(answer.db_clusters().first().and_then(|cluster| cluster.status()).map(str::to_owned))
}

/// The newest reading of the lag, published in the secondary's Region under the secondary's name, in milliseconds.
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.AuroraMonitoring.Metrics.html>
async fn lag(tools: &Toolbox, aurora: &AuroraPlan, target: &Region) -> LagSeen {
    let Some(arn) = aurora.clusters.get(target) else {
        return Ok(None);
    };
    let dimension = Dimension::builder().name("DBClusterIdentifier").value(arn.cluster_id().as_str()).build();
    let metric = Metric::builder()
        .namespace("AWS/RDS")
        .metric_name("AuroraGlobalDBReplicationLag")
        .dimensions(dimension)
        .build();
    let stat = MetricStat::builder().metric(metric).period(LAG_PERIOD_SECONDS).stat("Maximum").build();
    let query = MetricDataQuery::builder().id("lag").metric_stat(stat).return_data(true).build();
    let now = tools.env.now();
    let from = now.as_millis() - i64::try_from(millis(OLDEST_LAG)).unwrap_or(0);
    let client = aws_sdk_cloudwatch::Client::new(&tools.clients.reading(target));
    let request = client
        .get_metric_data()
        .metric_data_queries(query)
        .start_time(DateTime::from_millis(from))
        // The end is exclusive.
        .end_time(DateTime::from_millis(now.as_millis() + 1000))
        .send();
    let call = tools.calls.call("cloudwatch", "GetMetricData", within(tools, LOOK_TIMEOUT, request));
    let answer = call.await?;
    Ok(answer.metric_data_results().iter().filter_map(newest).max_by_key(|reading| reading.at))
}

fn newest(result: &MetricDataResult) -> Option<LagReading> {
    let readings = result.timestamps().iter().zip(result.values());
    // By time, not by place: in which order datapoints come is a matter of the request and of who answers it.
    let (at, value) = readings.max_by(|(one, _), (other, _)| one.cmp(other))?;
    Some(LagReading { ms: evidence::whole_millis(*value), at: Timestamp::from_millis(at.to_millis().ok()?) })
}
