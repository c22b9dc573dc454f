//! What AWS says about the global cluster, the target, and where it matters the present writer.

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use aws_sdk_rds::types::{DbCluster, DbInstance, Filter, GlobalCluster};
use failover::aws_call::Meaning;
use failover::contract::{ClusterArn, PromotionMode, Timestamp};
use failover::env::millis;
use failover::error::Error;
use failover::runtime::Toolbox;
use failover::step::{LastChange, Plan};

use crate::events;
use crate::plan::{
    Action, Global, Instance, Lag, LagReport, Member, Observation, OurChange, Promotion, REPLICATED_RECENTLY,
    SecurityGroup, Source, Takeover, Target, Transition, plan,
};

/// A data point of the lag stands for this long, in seconds: the finest that Aurora publishes.
const LAG_PERIOD_SECONDS: i32 = 60;

/// Looks at AWS.
///
/// # Errors
/// Reads in the target's Region that fail. A source Region that does not answer, and a lag that cannot be read, are
/// observations.
pub(crate) async fn observe(
    tools: &Toolbox,
    request: &Promotion,
    last: Option<&LastChange<Action>>,
) -> Result<Observation, Error> {
    let region = request.target.region();
    let rds = aws_sdk_rds::Client::new(&tools.clients.reading(&region));
    let made = last.and_then(|last| last.action.takeover(last.at));
    // Once the promotion was sent, the lag of before it is in the record, and the metric is on its way out.
    let lag = async { if made.is_none() { lag(tools, &request.target).await } else { None } };
    let (global, cluster, instances, lag) = tokio::join!(
        global_cluster(tools, &rds, request),
        cluster(tools, &rds, &request.target),
        instances(tools, &rds, &request.target),
        lag,
    );
    let (global, instances) = (global?, instances?);
    let target = cluster?.map(|cluster| target(&cluster, &instances));
    let source = match needed_source(request, global.as_ref()) {
        Some(writer) => Some(source(tools, &writer).await?),
        None => None,
    };
    let restored = last.filter(|last| matches!(last.action, Action::Restoration(_)));
    let seen = Observation {
        report: report(global.as_ref(), request, made.map(|(takeover, _)| takeover), lag.as_ref()),
        global,
        target,
        source,
        lag,
        our_change: made.map(|(_, at)| OurChange { at }),
        restored_at: restored.map(|last| last.at),
        write_fencing: None,
    };
    let write_fencing = match made {
        Some((takeover, at)) if tells_of_fencing(request, &seen, tools) => {
            Some(events::read(tools, takeover, at).await)
        }
        Some(_) | None => None,
    };
    Ok(Observation { write_fencing, ..seen })
}

/// Whether this is the look that ends an unplanned managed failover of ours: the only one that asks for the events.
fn tells_of_fencing(request: &Promotion, seen: &Observation, tools: &Toolbox) -> bool {
    let done = || matches!(plan(request, seen, tools.env.now()), Plan::AlreadyDone { .. });
    request.mode == PromotionMode::Failover && done()
}

/// What has to be in the answer however the step was interrupted: from the recorded promotion, else as it is now.
fn report(global: Option<&Global>, request: &Promotion, made: Option<&Takeover>, lag: Option<&Lag>) -> LagReport {
    if let Some(takeover) = made {
        return LagReport {
            lag_ms_before: takeover.lag_ms_before,
            data_loss_exposure_ms: takeover.data_loss_exposure_ms,
            writer_before: takeover.expected_writer.clone(),
        };
    }
    LagReport {
        lag_ms_before: lag.map(|lag| lag.ms),
        data_loss_exposure_ms: None,
        writer_before: global.and_then(Global::writer).filter(|writer| *writer != request.target),
    }
}

async fn global_cluster(
    tools: &Toolbox,
    rds: &aws_sdk_rds::Client,
    request: &Promotion,
) -> Result<Option<Global>, Error> {
    let read = rds.describe_global_clusters().global_cluster_identifier(request.global_cluster.as_str()).send();
    match tools.calls.call("rds", "DescribeGlobalClusters", read).await {
        Ok(answer) => answer.global_clusters().first().map(global).transpose(),
        Err(error) if error.meaning == Meaning::NotFound => Ok(None),
        Err(error) => Err(Error::from_read(format!("reading global cluster {}", request.global_cluster), error)),
    }
}

fn global(cluster: &GlobalCluster) -> Result<Global, Error> {
    let mut members = Vec::new();
    for member in cluster.global_cluster_members() {
        members.push(Member {
            arn: member_arn(member.db_cluster_arn().unwrap_or_default())?,
            is_writer: member.is_writer().unwrap_or_default(),
            synchronization: member.synchronization_status().map(|status| status.as_str().to_owned()),
        });
    }
    // RDS sends an element without content when nothing is pending.
    let transition = cluster.failover_state().filter(|state| state.status().is_some()).map(|state| Transition {
        status: state.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        to: state.to_db_cluster_arn().map(str::to_owned),
        data_loss_allowed: state.is_data_loss_allowed(),
    });
    Ok(Global { status: cluster.status().unwrap_or_default().to_owned(), members, transition })
}

fn member_arn(text: &str) -> Result<ClusterArn, Error> {
    let doing = "reading the global cluster's members".to_owned();
    ClusterArn::parse(text).map_err(|problem| Error::Bug { doing, problem })
}

async fn cluster(tools: &Toolbox, rds: &aws_sdk_rds::Client, arn: &ClusterArn) -> Result<Option<DbCluster>, Error> {
    let read = rds.describe_db_clusters().db_cluster_identifier(arn.cluster_id().as_str()).send();
    match tools.calls.call("rds", "DescribeDBClusters", read).await {
        Ok(answer) => Ok(answer.db_clusters.unwrap_or_default().into_iter().next()),
        Err(error) if error.meaning == Meaning::NotFound => Ok(None),
        Err(error) => Err(Error::from_read(format!("reading DB cluster {arn}"), error)),
    }
}

async fn instances(tools: &Toolbox, rds: &aws_sdk_rds::Client, arn: &ClusterArn) -> Result<Vec<DbInstance>, Error> {
    // A cluster has 16 instances at most, one page.
    let of_cluster = Filter::builder().name("db-cluster-id").values(arn.cluster_id().as_str()).build();
    let read = rds.describe_db_instances().filters(of_cluster).send();
    match tools.calls.call("rds", "DescribeDBInstances", read).await {
        Ok(answer) => Ok(answer.db_instances.unwrap_or_default()),
        Err(error) => Err(Error::from_read(format!("reading the instances of DB cluster {arn}"), error)),
    }
}

fn target(cluster: &DbCluster, instances: &[DbInstance]) -> Target {
    let status_of = |id: &str| {
        let instance = instances.iter().find(|instance| instance.db_instance_identifier() == Some(id));
        instance.and_then(DbInstance::db_instance_status).unwrap_or("unknown").to_owned()
    };
    let members = cluster.db_cluster_members().iter().filter_map(|member| {
        let id = member.db_instance_identifier()?;
        Some(Instance {
            id: id.to_owned(),
            status: status_of(id),
            is_writer: member.is_cluster_writer().unwrap_or_default(),
            parameters: member.db_cluster_parameter_group_status().map(str::to_owned),
        })
    });
    Target {
        status: cluster.status().unwrap_or_default().to_owned(),
        engine_version: cluster.engine_version().map(str::to_owned),
        parameter_group: cluster.db_cluster_parameter_group().map(str::to_owned),
        security_groups: security_groups(cluster),
        instances: members.collect(),
    }
}

pub(crate) fn security_groups(cluster: &DbCluster) -> Vec<SecurityGroup> {
    let groups = cluster.vpc_security_groups().iter().filter_map(|group| {
        let id = group.vpc_security_group_id()?.to_owned();
        Some(SecurityGroup { id, status: group.status().unwrap_or_default().to_owned() })
    });
    groups.collect()
}

/// The writer, where a decision hangs on whether it answers: a switchover that is still to be made.
fn needed_source(request: &Promotion, global: Option<&Global>) -> Option<ClusterArn> {
    let global = global?;
    let to_be_made = request.mode == PromotionMode::Switchover && global.transition.is_none();
    global.writer().filter(|writer| to_be_made && *writer != request.target)
}

/// A planned switchover needs the source Region; whether it answers is an observation.
pub(crate) async fn source(tools: &Toolbox, writer: &ClusterArn) -> Result<Source, Error> {
    let rds = aws_sdk_rds::Client::new(&tools.clients.reading(&writer.region()));
    let read = rds.describe_db_clusters().db_cluster_identifier(writer.cluster_id().as_str()).send();
    match tools.calls.call("rds", "DescribeDBClusters", read).await {
        Ok(answer) => {
            let cluster = answer.db_clusters().first();
            Ok(Source::Answers {
                status: cluster.and_then(DbCluster::status).unwrap_or("unknown").to_owned(),
                engine_version: cluster.and_then(DbCluster::engine_version).map(str::to_owned),
                parameter_group: cluster.and_then(DbCluster::db_cluster_parameter_group).map(str::to_owned),
            })
        }
        Err(error) if matches!(error.meaning, Meaning::Unreachable | Meaning::Unavailable) => {
            Ok(Source::Silent { problem: error.to_string() })
        }
        Err(error) => Err(Error::from_read(format!("reading the present writer {writer}"), error)),
    }
}

/// The newest data point of the replication lag, none when there is none or it cannot be read: the metric says how much
/// may be lost, and must not stop a promotion. The RPO gate stands in the decision.
///
/// Aurora publishes it in milliseconds, in the secondary's Region under the secondary's id (W1.4).
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.AuroraMonitoring.Metrics.html>
async fn lag(tools: &Toolbox, target: &ClusterArn) -> Option<Lag> {
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&tools.clients.reading(&target.region()));
    let now = tools.env.now();
    let cluster = Dimension::builder().name("DBClusterIdentifier").value(target.cluster_id().as_str()).build();
    let metric =
        Metric::builder().namespace("AWS/RDS").metric_name("AuroraGlobalDBReplicationLag").dimensions(cluster).build();
    let worst = MetricStat::builder().metric(metric).period(LAG_PERIOD_SECONDS).stat("Maximum").build();
    let query = MetricDataQuery::builder().id("lag").metric_stat(worst).build();
    let window = i64::try_from(millis(REPLICATED_RECENTLY)).unwrap_or(i64::MAX);
    let read = cloudwatch
        .get_metric_data()
        .metric_data_queries(query)
        .start_time(aws_sdk_cloudwatch::primitives::DateTime::from_millis(now.as_millis().saturating_sub(window)))
        .end_time(aws_sdk_cloudwatch::primitives::DateTime::from_millis(now.as_millis()))
        .scan_by(ScanBy::TimestampDescending)
        .send();
    match tools.calls.call("cloudwatch", "GetMetricData", read).await {
        Ok(answer) => {
            let newest = answer.metric_data_results().first()?;
            let (value, at) = (newest.values().first()?, newest.timestamps().first()?);
            Some(Lag { ms: whole_millis(*value)?, at: Timestamp::from_millis(at.to_millis().ok()?) })
        }
        Err(error) => {
            tracing::warn!(%error, "the replication lag cannot be read");
            None
        }
    }
}

fn whole_millis(value: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a lag of up to 2^53 ms")]
    (0.0..=9_007_199_254_740_992.0).contains(&value).then(|| value.ceil() as u64)
}
