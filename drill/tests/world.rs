//! The trading world on the emulator: what the scenarios and their verdicts rely on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use drill::emulator::{LocalAws, LocalAwsOptions};
use drill::endpoints::Condition;
use drill::moment::Moment;
use drill::progress::Progress;
use drill::staging::{Staging, Traffic};
use drill::state::WorldState;
use drill::tools::ensure_tools;
use drill::watcher::Watcher;
use drill::world::{FULL_COUNT, STANDBY_COUNT, Site, WORKLOAD_SERVICES, Workload, World, publish_lag};

async fn create(staging: Staging) -> (LocalAws, World) {
    let progress = Progress::silent();
    let tools = ensure_tools(&progress).await.unwrap();
    let options = LocalAwsOptions { run_dir: tools.new_run_dir().unwrap(), seed: 1, wait_scale: 1.0 };
    let local = LocalAws::start(&tools, options, &progress).await.unwrap();
    let world = World::create(&local, staging).await.unwrap();
    (local, world)
}

async fn read(local: &LocalAws, world: &World) -> WorldState {
    world.read(Workload::Trading, &local.emulator.aws(), &local.gateway).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_world_is_served_from_the_primary_region_and_leaves_no_trace_in_the_gateway() {
    let (local, world) = create(Staging::default()).await;
    let before = world.before(Workload::Trading);
    assert_eq!(world.serves_from(before), Some(Site::Primary));
    for (site, count) in [(Site::Primary, FULL_COUNT), (Site::Standby, STANDBY_COUNT)] {
        for service in WORKLOAD_SERVICES {
            let key = site.service_key(service);
            assert_eq!(before.services[&key].running, count, "{key}");
            assert_eq!(before.limits[&key].min, count, "{key}");
        }
    }
    let pairs = before.records.iter().filter(|record| record.role.is_some());
    assert_eq!(pairs.count(), 4, "an alias pair and a plain one: {:?}", before.records);
    for site in Site::PAIR {
        assert_eq!(before.security_groups[&site], [world.security_groups(site).serving.clone()], "{site}");
    }
    assert!(local.gateway.calls().is_empty());
    assert_eq!(&read(&local, &world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_endpoint_serves_nobody_and_a_promotion_alone_does_not_either() {
    let (local, world) = create(Staging::default()).await;
    world.endpoint(Site::Primary).set_condition(Condition::HangingUp);
    assert_eq!(world.serves_from(world.before(Workload::Trading)), None);
    let target = Workload::Trading.cluster_arn(Site::Standby, &world.account_id);
    let parameters = [
        ("GlobalClusterIdentifier", Workload::Trading.name()),
        ("TargetDbClusterIdentifier", target.as_str()),
        ("AllowDataLoss", "true"),
    ];
    let aws = local.emulator.aws();
    aws.query("rds", Site::Standby.region(), "FailoverGlobalCluster", &parameters).await.unwrap();
    let after = read(&local, &world).await;
    assert!(after.writes_at(Site::Standby, &world.account_id), "{:?}", after.members);
    assert_eq!(world.serves_from(&after), None, "the traffic has not moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watcher_sees_when_service_ends_and_begins() {
    let (local, world) = create(Staging::default()).await;
    let world = Arc::new(world);
    let watcher = Watcher::start(Arc::clone(&world), Workload::Trading, local.emulator.aws(), local.gateway.clone());
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
    let (local, _world) = create(Staging::default()).await;
    publish_lag(&local.emulator.aws(), Workload::Trading, Site::Standby, 321).await.unwrap();
    let metrics = local.emulator.aws().query("monitoring", Site::Standby.region(), "ListMetrics", &[]).await.unwrap();
    assert!(
        metrics.contains("AuroraGlobalDBReplicationLag")
            && metrics.contains(&Workload::Trading.cluster_id(Site::Standby))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_with_three_regions_and_two_workloads_is_served_from_the_first_one_and_each_workload_sees_its_own() {
    let settlement = drill::orchestrator::Orchestrator {
        workload: Workload::Settlement,
        ..drill::orchestrator::Orchestrator::default()
    };
    let mut staging =
        Staging { sites: Site::THREE.to_vec(), traffic: vec![Traffic::WeightedRecords], ..Staging::default() };
    staging.orchestrators.push(settlement);
    let (_local, world) = create(staging).await;
    for workload in [Workload::Trading, Workload::Settlement] {
        let before = world.before(workload);
        assert_eq!(world.serves_from(before), Some(Site::Primary), "{workload}");
        assert_eq!(before.members.len(), 3, "{:?}", before.members);
        let moved: Vec<&str> =
            before.records.iter().filter(|record| record.role.is_some()).map(|record| record.name.as_str()).collect();
        assert_eq!(moved, [workload.record_name(); 6], "one of each type for each Region");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_in_the_standby_region_takes_the_traffic_there() {
    let (local, world) = create(Staging { traffic: vec![Traffic::StandbyObject], ..Staging::default() }).await;
    assert!(world.before(Workload::Trading).traffic_goes_to(Traffic::StandbyObject, Site::Primary));
    let path = format!("/{}/{}", Workload::Trading.standby_bucket(&world.account_id), drill::world::STANDBY_OBJECT);
    let region = Site::Standby.region();
    local.emulator.aws().rest("s3", region, "PUT", &path, "text/plain", b"x").await.unwrap();
    assert!(read(&local, &world).await.traffic_goes_to(Traffic::StandbyObject, Site::Standby));
}
