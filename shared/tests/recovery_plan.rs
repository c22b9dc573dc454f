//! A recovery plan that cannot be carried out is refused before anything is done, by the name of the field.

use failover::contract::{FencingPolicy, Region};
use failover::error::Error;
use failover::recovery_plan::{DEFAULT_FENCE_SECONDS, MAX_DOCUMENT_BYTES, RecoveryPlan};
use serde_json::{Value, json};

fn document() -> Value {
    json!({
        "name": "trading",
        "home_region": "eu-central-1",
        "standby_regions": ["eu-west-1"],
        "detection": {
            "alarm_names": ["region-impaired"],
            "endpoints": {
                "eu-central-1": "https://frankfurt.example.com/health",
                "eu-west-1": "https://ireland.example.com/health",
            },
            "max_lag_ms": 60_000,
            "max_rpo_ms": 5_000,
            "window_seconds": 60,
            "interval_seconds": 10,
            "give_up_seconds": 300,
        },
        "aurora": [{
            "global_cluster_id": "trading",
            "clusters": {
                "eu-central-1": "arn:aws:rds:eu-central-1:123456789012:cluster:trading-frankfurt",
                "eu-west-1": "arn:aws:rds:eu-west-1:123456789012:cluster:trading-ireland",
            },
            "unplanned_mode": "failover",
        }],
        "ecs": [{
            "clusters": { "eu-central-1": "frankfurt", "eu-west-1": "ireland" },
            "services": "all",
            "capacity": { "desired": 4 },
        }],
        "traffic": [{ "failover_records": {
            "hosted_zone_id": "Z1",
            "records": [{
                "name": "app.example.com",
                "type": "A",
                "set_identifiers": { "eu-central-1": "frankfurt", "eu-west-1": "ireland" },
            }],
        } }],
        "cooldown_seconds": 600,
        "max_run_seconds": 1_800,
    })
}

fn refused(document: &str) -> (String, String) {
    match RecoveryPlan::parse(document) {
        Err(Error::InvalidRequest { field, problem }) => (field, problem),
        other => panic!("{document} gave {other:?}"),
    }
}

#[test]
fn a_complete_plan_is_read_and_knows_where_to_go_from_each_region() {
    let mut plan = RecoveryPlan::parse(&document().to_string()).expect("a plan");
    let region = |text: &str| Region::parse(text).expect("a Region");
    let targets = |plan: &RecoveryPlan, from: &str| -> Vec<String> {
        plan.targets_from(&region(from)).map(ToString::to_string).collect()
    };
    assert_eq!(targets(&plan, "eu-central-1"), ["eu-west-1"]);
    assert_eq!(targets(&plan, "eu-west-1"), ["eu-central-1"]);
    plan.standby_regions.insert(0, region("eu-north-1"));
    assert_eq!(targets(&plan, "eu-central-1"), ["eu-north-1", "eu-west-1"], "by preference");
    assert_eq!(targets(&plan, "eu-west-1"), ["eu-central-1", "eu-north-1"], "home first");
    assert_eq!(plan.regions_in_words(), "eu-central-1, eu-north-1, eu-west-1");
    assert!(plan.has(&region("eu-north-1")) && !plan.has(&region("us-east-1")));
}

#[test]
fn what_a_plan_leaves_out_has_a_safe_default() {
    let plan = RecoveryPlan::parse(&document().to_string()).expect("a plan");
    assert_eq!(plan.fencing.policy, FencingPolicy::BestEffort);
    assert_eq!(plan.fencing.timeout_seconds, DEFAULT_FENCE_SECONDS);
    assert!(plan.ecs[0].fence, "services count as writing unless the plan says otherwise");
    assert_eq!((plan.ecs[0].wave, plan.aurora[0].wave), (1, 1));
    assert_eq!(plan.writer_lease_seconds, None);
}

#[test]
fn every_published_plan_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/plans");
    let paths = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let plans: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    assert!(!plans.is_empty());
    for path in plans {
        let text = std::fs::read_to_string(&path).expect("a text");
        let plan = RecoveryPlan::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(Some(plan.name.as_str()), path.file_stem().and_then(|name| name.to_str()));
    }
}

/// A change of a good plan, the field that is named, and a part of the problem.
type Case = (fn(&mut Value), &'static str, &'static str);

fn check(cases: &[Case]) {
    for (change, expected_field, expected_problem) in cases {
        let mut plan = document();
        change(&mut plan);
        let (field, problem) = refused(&plan.to_string());
        assert_eq!(field, *expected_field, "{problem}");
        assert!(problem.contains(expected_problem), "{field}: {problem}");
    }
}

#[test]
fn a_plan_that_cannot_be_carried_out_names_the_field() {
    let cases: [Case; 20] = [
        (|p| drop(p.as_object_mut().expect("an object").remove("name")), "plan_document", "missing field `name`"),
        (|p| p["colour"] = json!("red"), "plan_document.colour", "unknown field"),
        (|p| p["standby_regions"] = json!([]), "plan_document.standby_regions", "is empty"),
        (
            |p| p["standby_regions"] = json!(["eu-west-1", "eu-central-1"]),
            "plan_document.standby_regions[1]",
            "named before",
        ),
        (|p| p["ecs"][0]["wave"] = json!(0), "plan_document.ecs[0].wave", "1 to 9"),
        (|p| p["aurora"][0]["wave"] = json!(10), "plan_document.aurora[0].wave", "1 to 9"),
        (|p| p["writer_lease_seconds"] = json!(60), "plan_document.writer_lease_seconds", "130 to 900"),
        (
            |p| p["fencing"] = json!({ "policy": "required", "timeout_seconds": 41 }),
            "plan_document.fencing.timeout_seconds",
            "1 to 40",
        ),
        (
            |p| {
                p["aurora"][0]["security_groups"] =
                    json!({ "eu-west-1": { "serving": ["sg-1"], "isolated": ["sg-2"] } });
            },
            "plan_document.aurora[0].security_groups",
            "no entry for eu-central-1",
        ),
        (
            |p| {
                let groups = |id| json!({ "serving": ["sg-0123abcd"], "isolated": [id] });
                p["aurora"][0]["security_groups"] =
                    json!({ "eu-central-1": groups("sg-0123abce"), "eu-west-1": groups("isolated") });
            },
            "plan_document.aurora[0].security_groups.eu-west-1.isolated[0]",
            "expected a security group",
        ),
        (|p| p["home_region"] = json!("Frankfurt"), "plan_document.home_region", "\"Frankfurt\""),
        (|p| p["max_run_seconds"] = json!(0), "plan_document.max_run_seconds", "at least 1"),
        (|p| p["detection"]["interval_seconds"] = json!(0), "plan_document.detection.interval_seconds", "at least 1"),
        (|p| p["detection"]["give_up_seconds"] = json!(9), "plan_document.detection.give_up_seconds", "window_seconds"),
        (
            |p| p["detection"]["endpoints"]["eu-west-1"] = json!("ireland.example.com"),
            "plan_document.detection.endpoints.eu-west-1",
            "http",
        ),
        (
            |p| drop(p["detection"]["endpoints"].as_object_mut().expect("an object").remove("eu-west-1")),
            "plan_document.detection.endpoints",
            "no entry for eu-west-1",
        ),
        (|p| p["aurora"][0]["unplanned_mode"] = json!("switchover"), "plan_document.aurora[0].unplanned_mode", "both"),
        (
            |p| {
                p["aurora"][0]["clusters"]["eu-west-1"] = json!("arn:aws:rds:us-east-1:123456789012:cluster:trading");
            },
            "plan_document.aurora[0].clusters.eu-west-1",
            "another Region",
        ),
        (|p| p["ecs"][0]["clusters"]["us-east-1"] = json!("x"), "plan_document.ecs[0].clusters.us-east-1", "neither"),
        (
            |p| {
                for part in ["aurora", "ecs", "traffic"] {
                    p[part] = json!([]);
                }
            },
            "plan_document",
            "nothing to fail over",
        ),
    ];
    check(&cases);
}

#[test]
fn records_that_cannot_be_moved_name_the_field() {
    let cases: [Case; 7] = [
        (
            |p| p["traffic"][0]["failover_records"]["hosted_zone_id"] = json!("example.com"),
            "plan_document.traffic[0].failover_records.hosted_zone_id",
            "hosted zone",
        ),
        (
            |p| p["traffic"][0]["failover_records"]["records"] = json!([]),
            "plan_document.traffic[0].failover_records.records",
            "is empty",
        ),
        (
            |p| p["traffic"][0]["failover_records"]["records"][0]["name"] = json!("app..com"),
            "plan_document.traffic[0].failover_records.records[0].name",
            "\"app..com\"",
        ),
        (
            |p| p["traffic"][0]["failover_records"]["records"][0]["set_identifiers"]["eu-west-1"] = json!("frankfurt"),
            "plan_document.traffic[0].failover_records.records[0].set_identifiers.eu-west-1",
            "already",
        ),
        (
            |p| {
                p["traffic"][0]["failover_records"]["records"][0]["set_identifiers"] =
                    json!({ "eu-central-1": "a", "us-east-1": "b" });
            },
            "plan_document.traffic[0].failover_records.records[0].set_identifiers",
            "no entry for eu-west-1",
        ),
        (
            |p| {
                let mut same = p["traffic"][0]["failover_records"]["records"][0].clone();
                same["name"] = json!("APP.example.com.");
                p["traffic"][0]["failover_records"]["records"].as_array_mut().expect("a list").push(same);
            },
            "plan_document.traffic[0].failover_records.records[1]",
            "records[0] already",
        ),
        (
            |p| {
                let mut same = p["traffic"][0].clone();
                same["failover_records"]["hosted_zone_id"] = json!("/hostedzone/Z1");
                p["traffic"].as_array_mut().expect("a list").push(same);
            },
            "plan_document.traffic[1]",
            "Z1, as traffic[0] is already",
        ),
    ];
    check(&cases);
}

#[test]
fn what_is_no_json_or_longer_than_a_parameter_is_refused() {
    assert_eq!(refused("name: trading").0, "plan_document");
    let long = format!("{}{}", document(), " ".repeat(MAX_DOCUMENT_BYTES));
    let (field, problem) = refused(&long);
    assert_eq!(field, "plan_document");
    assert!(problem.contains("8192 bytes"), "{problem}");
}

/// A plan of three Regions without anything that only two can have.
fn of_three_regions(traffic: &Value) -> Value {
    let mut plan = document();
    plan["standby_regions"] = json!(["eu-west-1", "us-east-1"]);
    plan["detection"]["endpoints"]["us-east-1"] = json!("https://virginia.example.com/health");
    plan["aurora"] = json!([]);
    plan["ecs"] = json!([]);
    plan["traffic"] = json!([traffic]);
    plan
}

fn pair_of(identifiers: &Value) -> Value {
    json!({ "failover_records": {
        "hosted_zone_id": "Z1",
        "records": [{ "name": "app.example.com", "type": "A", "set_identifiers": identifiers }],
    } })
}

fn object_in(region: &str) -> Value {
    json!({ "standby_object": {
        "region": region, "bucket": "failover-switch", "key": "failed-over", "notice_seconds": 30,
    } })
}

#[test]
fn a_failover_pair_of_a_plan_of_three_regions_names_two_of_them() {
    let two = pair_of(&json!({ "eu-central-1": "frankfurt", "us-east-1": "virginia" }));
    RecoveryPlan::parse(&of_three_regions(&two).to_string()).expect("two of the plan's Regions");
    let stranger = pair_of(&json!({ "eu-central-1": "frankfurt", "sa-east-1": "sao-paulo" }));
    let (field, problem) = refused(&of_three_regions(&stranger).to_string());
    assert_eq!(field, "plan_document.traffic[0].failover_records.records[0].set_identifiers.sa-east-1");
    assert!(problem.contains("neither the home Region nor a standby Region"), "{problem}");
}

#[test]
fn what_knows_any_number_of_regions_has_an_entry_for_each() {
    let weighted = json!({ "weighted_records": {
        "hosted_zone_id": "Z1",
        "weight": 100,
        "records": [{
            "name": "app.example.com",
            "type": "A",
            "set_identifiers": { "eu-central-1": "frankfurt", "eu-west-1": "ireland" },
        }],
    } });
    let (field, problem) = refused(&of_three_regions(&weighted).to_string());
    assert_eq!(field, "plan_document.traffic[0].weighted_records.records[0].set_identifiers");
    assert_eq!(problem, "has no entry for us-east-1");
}

#[test]
fn an_object_tells_two_regions_apart_and_stands_in_one_of_the_plan() {
    let mut plan = document();
    plan["traffic"] = json!([object_in("eu-west-1")]);
    RecoveryPlan::parse(&plan.to_string()).expect("a plan");
    plan["traffic"] = json!([object_in("us-east-1")]);
    let (field, _) = refused(&plan.to_string());
    assert_eq!(field, "plan_document.traffic[0].standby_object.region");
    let (field, problem) = refused(&of_three_regions(&object_in("eu-west-1")).to_string());
    assert_eq!(field, "plan_document.traffic[0].standby_object");
    assert!(problem.contains("between two Regions; the plan has eu-central-1, eu-west-1, us-east-1"), "{problem}");
}
