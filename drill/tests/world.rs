//! The trading world on the emulator: what the scenarios and their verdicts rely on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use drill::emulator::{LocalAws, LocalAwsOptions};
use drill::endpoints::Condition;
use drill::moment::Moment;
use drill::progress::Progress;
use drill::tools::ensure_tools;
use drill::watcher::Watcher;
use drill::world::{
    FULL_COUNT, GLOBAL_CLUSTER, PlanSource, STANDBY_COUNT, Site, WORKLOAD_SERVICES, World, publish_lag,
};

async fn create() -> (LocalAws, World) {
    let progress = Progress::silent();
    let tools = ensure_tools(&progress).await.unwrap();
    let options = LocalAwsOptions { run_dir: tools.new_run_dir().unwrap(), seed: 1, wait_scale: 1.0 };
    let local = LocalAws::start(&tools, options, &progress).await.unwrap();
    let world = World::create(&local, PlanSource::Document).await.unwrap();
    (local, world)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_world_is_served_from_the_primary_region_and_leaves_no_trace_in_the_gateway() {
    let (local, world) = create().await;
    assert_eq!(world.serves_from(&world.before), Some(Site::Primary));
    for (site, count) in [(Site::Primary, FULL_COUNT), (Site::Standby, STANDBY_COUNT)] {
        for service in WORKLOAD_SERVICES {
            let key = site.service_key(service);
            assert_eq!(world.before.services[&key].running, count, "{key}");
            assert_eq!(world.before.limits[&key].min, count, "{key}");
        }
    }
    let pairs = world.before.records.iter().filter(|record| record.failover.is_some());
    assert_eq!(pairs.count(), 4, "an alias pair and a plain one: {:?}", world.before.records);
    assert!(local.gateway.calls().is_empty());
    assert_eq!(world.read(&local).await.unwrap(), world.before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_endpoint_serves_nobody_and_a_promotion_alone_does_not_either() {
    let (local, world) = create().await;
    world.endpoint(Site::Primary).set_condition(Condition::HangingUp);
    assert_eq!(world.serves_from(&world.before), None);
    let target = Site::Standby.cluster_arn(&world.account_id);
    let parameters = [
        ("GlobalClusterIdentifier", GLOBAL_CLUSTER),
        ("TargetDbClusterIdentifier", target.as_str()),
        ("AllowDataLoss", "true"),
    ];
    let aws = local.emulator.aws();
    aws.query("rds", Site::Standby.region(), "FailoverGlobalCluster", &parameters).await.unwrap();
    let after = world.read(&local).await.unwrap();
    assert!(after.writes_at(Site::Standby, &world.account_id), "{:?}", after.members);
    assert_eq!(world.serves_from(&after), None, "the traffic has not moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watcher_sees_when_service_ends_and_begins() {
    let (local, world) = create().await;
    let world = Arc::new(world);
    let watcher = Watcher::start(Arc::clone(&world), local.emulator.aws(), local.gateway.clone());
    watcher.look().await;
    let began = Moment::now();
    world.endpoint(Site::Primary).set_condition(Condition::Unavailable);
    watcher.look().await;
    assert_eq!(watcher.served_from(), None);
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.endpoint(Site::Primary).set_condition(Condition::Serving);
    watcher.look().await;
    assert!(watcher.served_from_since(Site::Primary, began).unwrap() > began);
    let notes: Vec<String> = watcher.notes(began).into_iter().map(|note| note.text).collect();
    assert_eq!(notes, ["clients are not served", "clients are served from eu-central-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replication_lag_can_be_published_where_aurora_publishes_it() {
    let (local, _world) = create().await;
    publish_lag(&local.emulator.aws(), Site::Standby, 321).await.unwrap();
    let metrics = local.emulator.aws().query("monitoring", Site::Standby.region(), "ListMetrics", &[]).await.unwrap();
    assert!(metrics.contains("AuroraGlobalDBReplicationLag") && metrics.contains(&Site::Standby.cluster_id()));
}
