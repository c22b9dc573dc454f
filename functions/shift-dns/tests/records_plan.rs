//! What is decided about failover records: every combination of roles, progress and time, without any AWS.

#![allow(clippy::expect_used, reason = "a test's helper fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use failover::contract::{self, MOST_RECORDS, RecordType, Region, ShiftRequest, Timestamp, Traffic};
use failover::error::Error;
use failover::step::Plan;
use proptest::prelude::*;
use serde_json::{Value, json};
use shift_dns::records::RecordShift;
use shift_dns::records::plan::{
    Action, Change, MOST_VALUE_CHARACTERS, Observation, POLL_INTERVAL, PROPAGATION_TIME, Progress, plan, warnings,
};
use shift_dns::records::sets::{Found, Record, RecordSet, Role, Routing, Target};
use shift_dns::request::Common;

const NOW: Timestamp = Timestamp::from_millis(1_795_233_600_000);

fn standby() -> Region {
    Region::parse("eu-west-1").expect("a Region")
}

fn completed(request: Value) -> Result<RecordShift, Error> {
    let ShiftRequest { run, target_region, traffic } = contract::parse(request)?;
    contract::check_traffic("traffic", &traffic)?;
    let common = Common {
        run,
        target_region: target_region.unwrap_or_else(standby),
        resource: traffic.key(),
        depends_on: traffic.control_planes(),
    };
    match &traffic {
        Traffic::FailoverRecords(zone) => RecordShift::failover(common, zone),
        Traffic::WeightedRecords(zone) => RecordShift::weighted(common, zone),
        Traffic::StandbyObject(_) | Traffic::RoutingControl(_) | Traffic::TrafficDial(_) => panic!("no records"),
    }
}

fn request_json(names: &[&str]) -> Value {
    let records: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({
                "name": name,
                "type": "A",
                "set_identifiers": { "eu-central-1": "frankfurt", "eu-west-1": "ireland" },
            })
        })
        .collect();
    json!({
        "run": { "failover_id": "f1" },
        "traffic": { "failover_records": { "hosted_zone_id": "Z1", "records": records } },
    })
}

/// The zone and records of a request.
fn zone(request: &mut Value) -> &mut Value {
    &mut request["traffic"]["failover_records"]
}

fn request(names: &[&str]) -> RecordShift {
    completed(request_json(names)).expect("a good request")
}

/// The field and the problem of a request that cannot be used.
fn refused(request: &Value) -> (String, String) {
    match completed(request.clone()) {
        Err(Error::InvalidRequest { field, problem }) => (field, problem),
        other => panic!("{request} gave {other:?}"),
    }
}

fn set(name: &str, identifier: &str, role: Role) -> RecordSet {
    RecordSet {
        name: format!("{name}."),
        record_type: RecordType::A,
        set_identifier: identifier.to_owned(),
        routing: Routing::Failover(role),
        target: Target::Alias {
            hosted_zone_id: "Z2".to_owned(),
            dns_name: format!("{identifier}.elb.amazonaws.com."),
            evaluate_target_health: true,
        },
        health_check_id: None,
    }
}

fn record(name: &str, found: Vec<Found>) -> Record {
    Record { name: format!("{name}."), record_type: RecordType::A, found }
}

/// A record with these roles in Frankfurt and in Ireland.
fn pair(name: &str, frankfurt: Role, ireland: Role) -> Record {
    let sets = vec![set(name, "frankfurt", frankfurt), set(name, "ireland", ireland)];
    record(name, sets.into_iter().map(Found::Usable).collect())
}

fn home(name: &str) -> Record {
    pair(name, Role::Primary, Role::Secondary)
}

fn moved(name: &str) -> Record {
    pair(name, Role::Secondary, Role::Primary)
}

fn seen(change: Option<(u64, Progress)>, records: Vec<Record>) -> Observation {
    let change = change.map(|(seconds_ago, progress)| Change {
        at: Timestamp::from_millis(NOW.as_millis() - i64::try_from(seconds_ago * 1_000).expect("small")),
        id: (progress != Progress::Unknown).then(|| "C1".to_owned()),
        progress,
    });
    Observation { change, records: Some(records), ..Observation::default() }
}

fn refusal(plan: Plan<Action>) -> (String, String) {
    let Plan::Refuse { reason, cure } = plan else { panic!("expected a refusal, got {plan:?}") };
    (reason, cure)
}

#[test]
fn records_at_home_are_swapped_by_changing_nothing_but_their_roles() {
    let Plan::Act(action) = plan(&request(&["app.example.com"]), &seen(None, vec![home("app.example.com")]), NOW)
    else {
        panic!("expected a change");
    };
    assert_eq!(action.hosted_zone_id, "Z1");
    assert_eq!(action.comment, "failover f1: eu-west-1 becomes primary");
    let [ireland, frankfurt] = action.changes.as_slice() else { panic!("both change: {action:?}") };
    assert_eq!(ireland.expected, set("app.example.com", "ireland", Role::Secondary));
    assert_eq!(ireland.wanted(), set("app.example.com", "ireland", Role::Primary));
    assert_eq!(frankfurt.expected, set("app.example.com", "frankfurt", Role::Primary));
    assert_eq!(frankfurt.wanted(), set("app.example.com", "frankfurt", Role::Secondary));
}

#[test]
fn an_action_reads_back_from_the_ledger_as_it_was() {
    let values = RecordSet {
        target: Target::Values { ttl_seconds: 60, values: vec!["192.0.2.1".to_owned()] },
        health_check_id: Some("h1".to_owned()),
        ..set("app.example.com", "ireland", Role::Secondary)
    };
    let found = vec![Found::Usable(set("app.example.com", "frankfurt", Role::Primary)), Found::Usable(values)];
    let records = vec![record("app.example.com", found)];
    let Plan::Act(action) = plan(&request(&["app.example.com"]), &seen(None, records), NOW) else {
        panic!("expected a change");
    };
    let text = serde_json::to_string(&action).expect("JSON");
    assert_eq!(serde_json::from_str::<Action>(&text).expect("our own JSON"), action);
}

#[test]
fn all_records_of_a_request_change_in_one_action_and_those_that_are_right_stay_out_of_it() {
    let request = request(&["a.example.com", "b.example.com", "c.example.com"]);
    let records = vec![home("a.example.com"), moved("b.example.com"), home("c.example.com")];
    let Plan::Act(action) = plan(&request, &seen(None, records), NOW) else { panic!("expected a change") };
    let names: Vec<&str> = action.changes.iter().map(|change| change.expected.name.as_str()).collect();
    assert_eq!(names, ["a.example.com.", "a.example.com.", "c.example.com.", "c.example.com."]);
}

#[test]
fn every_pair_of_roles_with_every_progress_gets_the_decision_it_should() {
    let roles = [Role::Primary, Role::Secondary];
    let changes = [
        None,
        Some((5, Progress::InSync)),
        Some((5, Progress::Unknown)),
        Some((59, Progress::Unknown)),
        Some((60, Progress::Unknown)),
        Some((3_600, Progress::Unknown)),
        Some((5, Progress::Pending)),
    ];
    for (frankfurt, ireland) in roles.iter().flat_map(|first| roles.map(|second| (*first, second))) {
        for change in changes {
            let records = vec![pair("app.example.com", frankfurt, ireland)];
            let decided = plan(&request(&["app.example.com"]), &seen(change, records), NOW);
            let as_wanted = (frankfurt, ireland) == (Role::Secondary, Role::Primary);
            let context = format!("{frankfurt:?} {ireland:?} {change:?}: {decided:?}");
            match (as_wanted, change) {
                (false, _) => assert!(matches!(decided, Plan::Act(_)), "{context}"),
                (true, None | Some((_, Progress::InSync) | (60.., Progress::Unknown))) => {
                    assert!(matches!(decided, Plan::AlreadyDone { .. }), "{context}");
                }
                (true, Some((_, Progress::Unknown | Progress::Pending))) => {
                    assert!(matches!(decided, Plan::Wait { .. }), "{context}");
                }
            }
        }
    }
}

#[test]
fn the_proof_names_the_change() {
    let done = |change| plan(&request(&["app.example.com"]), &seen(change, vec![moved("app.example.com")]), NOW);
    for (change, expected) in [
        (None, "eu-west-1 is primary for every record already, by no change of ours"),
        (Some((9, Progress::InSync)), "eu-west-1 is primary for every record, and change C1 is INSYNC"),
    ] {
        assert_eq!(done(change), Plan::AlreadyDone { proof: expected.to_owned() });
    }
    let Plan::AlreadyDone { proof } = done(Some((60, Progress::Unknown))) else { panic!("expected to be done") };
    let end = " (whose id was lost); name servers follow within 60 s";
    assert!(proof.contains("60 s after the change of ") && proof.ends_with(end), "{proof}");
}

#[test]
fn a_pending_change_is_waited_for_without_reading_the_records() {
    let seen = Observation { records: None, ..seen(Some((1, Progress::Pending)), Vec::new()) };
    let expected =
        Plan::Wait { reason: "change C1 is not on all name servers yet".to_owned(), ask_again: POLL_INTERVAL };
    assert_eq!(plan(&request(&["app.example.com"]), &seen, NOW), expected);
}

#[test]
fn a_change_whose_id_was_lost_is_waited_for_until_route_53_is_through_with_it() {
    let records = vec![moved("app.example.com")];
    let decided = plan(&request(&["app.example.com"]), &seen(Some((18, Progress::Unknown)), records), NOW);
    let Plan::Wait { ask_again, reason } = decided else { panic!("expected to wait: {decided:?}") };
    assert_eq!(ask_again, PROPAGATION_TIME.saturating_sub(Duration::from_secs(18)));
    assert!(reason.contains("whose id was lost"), "{reason}");
}

#[test]
fn a_record_that_is_not_there_is_refused_by_name() {
    let (reason, cure) =
        refusal(plan(&request(&["app.example.com"]), &seen(None, vec![record("app.example.com", vec![])]), NOW));
    assert_eq!(reason, "traffic.failover_records.records[0].name: the hosted zone has no record app.example.com. A");
    assert!(cure.starts_with("create"), "{cure}");
}

#[test]
fn a_set_identifier_that_is_not_there_is_refused_with_those_that_are() {
    let sets = [set("b.example.com", "frankfurt", Role::Primary), set("b.example.com", "dublin", Role::Secondary)];
    let records = vec![home("a.example.com"), record("b.example.com", sets.map(Found::Usable).to_vec())];
    let (reason, _) = refusal(plan(&request(&["a.example.com", "b.example.com"]), &seen(None, records), NOW));
    assert_eq!(
        reason,
        "traffic.failover_records.records[1].set_identifiers.eu-west-1: b.example.com. A has no record set \"ireland\", only \"frankfurt\" and \
         \"dublin\""
    );
}

#[test]
fn a_record_with_another_routing_policy_is_refused_with_its_policy() {
    let weighted =
        Found::Unusable { set_identifier: Some("ireland".to_owned()), reason: "has weighted routing".to_owned() };
    let simple = Found::Unusable { set_identifier: None, reason: "has simple routing".to_owned() };
    let frankfurt = Found::Usable(set("app.example.com", "frankfurt", Role::Primary));
    for (found, expected) in [
        (
            vec![frankfurt, weighted],
            "traffic.failover_records.records[0].set_identifiers.eu-west-1: record set \"ireland\" of app.example.com. A has weighted routing",
        ),
        (
            vec![simple],
            "traffic.failover_records.records[0].set_identifiers.eu-west-1: app.example.com. A has simple routing",
        ),
    ] {
        let records = vec![record("app.example.com", found)];
        let (reason, _) = refusal(plan(&request(&["app.example.com"]), &seen(None, records), NOW));
        assert_eq!(reason, expected);
    }
}

#[test]
fn one_unusable_record_keeps_all_the_others_from_being_changed() {
    let records = vec![home("a.example.com"), record("b.example.com", vec![])];
    refusal(plan(&request(&["a.example.com", "b.example.com"]), &seen(None, records), NOW));
}

fn with_values(name: &str, values: &[String]) -> Record {
    let mut record = home(name);
    for found in &mut record.found {
        if let Found::Usable(set) = found {
            set.target = Target::Values { ttl_seconds: 60, values: values.to_vec() };
        }
    }
    record
}

#[test]
fn a_change_batch_over_route_53s_limits_is_refused_and_one_at_them_is_not() {
    // Two record sets, each deleted and created: four times the values of one.
    for (values, of_length, fits) in
        [(250, 1, true), (251, 1, false), (250, MOST_VALUE_CHARACTERS / 1_000, true), (250, 33, false)]
    {
        let records = vec![with_values("app.example.com", &vec!["1".repeat(of_length); values])];
        let decided = plan(&request(&["app.example.com"]), &seen(None, records), NOW);
        if fits {
            assert!(matches!(decided, Plan::Act(_)), "{values} of {of_length}");
        } else {
            let (reason, _) = refusal(decided);
            assert!(reason.starts_with("traffic.failover_records.records: "), "{reason}");
        }
    }
}

#[test]
fn long_ttls_and_primaries_without_health_are_worth_a_warning_and_no_more() {
    let values = |ttl_seconds| Target::Values { ttl_seconds, values: vec!["192.0.2.1".to_owned()] };
    let alias = |evaluate_target_health| Target::Alias {
        hosted_zone_id: "Z2".to_owned(),
        dns_name: "lb.".to_owned(),
        evaluate_target_health,
    };
    let check = Some("h1".to_owned());
    for (target, health_check_id, expected) in [
        (alias(true), None, vec![]),
        (alias(false), None, vec!["nothing checks its health"]),
        (alias(false), check.clone(), vec![]),
        (values(60), check.clone(), vec![]),
        (values(61), check.clone(), vec!["its TTL is 61 s"]),
        (values(60), None, vec!["nothing checks its health"]),
        (values(300), None, vec!["its TTL is 300 s", "nothing checks its health"]),
    ] {
        let mut ireland = set("app.example.com", "ireland", Role::Secondary);
        ireland.target = target;
        ireland.health_check_id = health_check_id;
        let frankfurt = set("app.example.com", "frankfurt", Role::Primary);
        let records = [record("app.example.com", vec![Found::Usable(frankfurt), Found::Usable(ireland)])];
        let warnings = warnings(&request(&["app.example.com"]), &records);
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            assert!(warning.starts_with("app.example.com. A (ireland): "), "{warning}");
            assert!(warning.contains(expected), "{warning}");
        }
    }
}

#[test]
fn a_secondary_without_a_health_check_is_as_it_should_be() {
    let mut frankfurt = set("app.example.com", "frankfurt", Role::Primary);
    frankfurt.target = Target::Values { ttl_seconds: 60, values: vec!["192.0.2.1".to_owned()] };
    let ireland = set("app.example.com", "ireland", Role::Secondary);
    let records = [record("app.example.com", vec![Found::Usable(frankfurt), Found::Usable(ireland)])];
    assert_eq!(warnings(&request(&["app.example.com"]), &records), Vec::<String>::new());
}

#[test]
fn of_weighted_records_the_one_that_is_to_get_the_traffic_needs_a_health_check() {
    let request = completed(json!({
        "traffic": { "weighted_records": {
            "hosted_zone_id": "Z1",
            "weight": 1,
            "records": [{
                "name": "app.example.com",
                "type": "A",
                "set_identifiers": { "eu-central-1": "frankfurt", "eu-west-1": "ireland" },
            }],
        } },
    }));
    let request = request.expect("a good request");
    let unchecked = |identifier: &str, weight| RecordSet {
        routing: Routing::Weighted(weight),
        target: Target::Values { ttl_seconds: 60, values: vec!["192.0.2.1".to_owned()] },
        ..set("app.example.com", identifier, Role::Primary)
    };
    let sets = [unchecked("frankfurt", 1), unchecked("ireland", 0)].map(Found::Usable);
    let warnings = warnings(&request, &[record("app.example.com", sets.into())]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("app.example.com. A (ireland): nothing checks its health"), "{warnings:?}");
}

#[test]
fn a_request_without_a_target_goes_to_the_standby_region() {
    let request = request(&["app.example.com"]);
    assert_eq!(request.common.target_region, standby());
    let sets: Vec<(&str, Routing)> =
        request.records[0].sets.iter().map(|set| (set.set_identifier.as_str(), set.routing)).collect();
    let [primary, secondary] = [Role::Primary, Role::Secondary].map(Routing::Failover);
    assert_eq!(sets, [("ireland", primary), ("frankfurt", secondary)]);
}

#[test]
fn failing_back_is_the_same_request_with_the_other_target() {
    let mut back = request_json(&["app.example.com"]);
    back["target_region"] = json!("eu-central-1");
    let back = completed(back).expect("a good request");
    let decided = plan(&back, &seen(None, vec![moved("app.example.com")]), NOW);
    let Plan::Act(action) = decided else { panic!("expected a change: {decided:?}") };
    let roles: BTreeMap<&str, Routing> =
        action.changes.iter().map(|change| (change.expected.set_identifier.as_str(), change.routing)).collect();
    let expected = [("frankfurt", Role::Primary), ("ireland", Role::Secondary)];
    assert_eq!(roles, expected.map(|(identifier, role)| (identifier, Routing::Failover(role))).into());
}

#[test]
fn a_target_that_a_failover_pair_does_not_name_is_refused() {
    let mut elsewhere = request_json(&["app.example.com"]);
    elsewhere["target_region"] = json!("us-east-1");
    let (field, problem) = refused(&elsewhere);
    assert_eq!(field, "traffic.failover_records.records[0].set_identifiers");
    assert_eq!(problem, "has no entry for the target Region us-east-1");
}

#[test]
fn names_and_zone_ids_written_differently_are_the_same_request() {
    let mut other = request_json(&["APP.example.com."]);
    zone(&mut other)["hosted_zone_id"] = json!("/hostedzone/Z1");
    assert_eq!(completed(other).expect("a good request"), request(&["app.example.com"]));
}

/// A change of a good request, the field that is named, and a part of the problem.
type Case = (fn(&mut Value), &'static str, &'static str);

#[test]
fn a_request_that_cannot_be_used_names_the_field() {
    let with = |change: fn(&mut Value)| {
        let mut request = request_json(&["a.example.com", "b.example.com"]);
        change(&mut request);
        refused(&request)
    };
    let cases: [Case; 14] = [
        (|r| zone(r)["records"] = json!([]), "traffic.failover_records.records", "is empty"),
        (
            |r| zone(r)["hosted_zone_id"] = json!("example.com"),
            "traffic.failover_records.hosted_zone_id",
            "\"example.com\"",
        ),
        (|r| zone(r)["hosted_zone_id"] = json!(""), "traffic.failover_records.hosted_zone_id", "\"\""),
        (
            |r| drop(zone(r).as_object_mut().expect("an object").remove("hosted_zone_id")),
            "traffic.failover_records",
            "hosted_zone_id",
        ),
        (|r| zone(r)["zone"] = json!("Z1"), "traffic.failover_records.zone", "unknown field"),
        (|r| r["target_region"] = json!("Ireland"), "target_region", "\"Ireland\""),
        (
            |r| r["target_region"] = json!("us-east-1"),
            "traffic.failover_records.records[0].set_identifiers",
            "no entry for the target Region us-east-1",
        ),
        (|r| zone(r)["records"][1]["name"] = json!("b..com"), "traffic.failover_records.records[1].name", "\"b..com\""),
        (|r| zone(r)["records"][1]["type"] = json!("MX"), "traffic.failover_records.records[1].type", "MX"),
        (
            |r| zone(r)["records"][1]["name"] = json!("A.example.com."),
            "traffic.failover_records.records[1]",
            "traffic.failover_records.records[0] already",
        ),
        (
            |r| zone(r)["records"][1]["set_identifiers"] = json!({ "eu-west-1": "i" }),
            "traffic.failover_records.records[1].set_identifiers",
            "found 1",
        ),
        (
            |r| zone(r)["records"][1]["set_identifiers"]["us-east-1"] = json!("virginia"),
            "traffic.failover_records.records[1].set_identifiers",
            "found 3",
        ),
        (
            |r| zone(r)["records"][1]["set_identifiers"]["eu-central-1"] = json!(""),
            "traffic.failover_records.records[1].set_identifiers.eu-central-1",
            "found \"\"",
        ),
        (
            |r| zone(r)["records"][1]["set_identifiers"]["eu-central-1"] = json!("ireland"),
            "traffic.failover_records.records[1].set_identifiers.eu-west-1",
            "\"ireland\" is the set identifier of eu-central-1 already",
        ),
    ];
    for (change, expected_field, expected_problem) in cases {
        let (field, problem) = with(change);
        assert_eq!(field, expected_field, "{problem}");
        assert!(problem.contains(expected_problem), "{field}: {problem}");
    }
}

#[test]
fn one_record_more_than_a_request_may_have_is_refused() {
    let names: Vec<String> = (0..=MOST_RECORDS).map(|number| format!("a{number}.example.com")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(completed(request_json(&names[..MOST_RECORDS])).is_ok());
    let (field, problem) = refused(&request_json(&names));
    assert_eq!(field, "traffic.failover_records.records");
    assert!(problem.contains("at most 50, found 51"), "{problem}");
}

#[test]
fn the_same_name_with_another_type_is_another_record() {
    let mut request = request_json(&["app.example.com", "app.example.com"]);
    zone(&mut request)["records"][1]["type"] = json!("AAAA");
    assert_eq!(completed(request).expect("two records").records.len(), 2);
}

fn any_role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Primary), Just(Role::Secondary)]
}

fn any_target() -> impl Strategy<Value = Target> {
    prop_oneof![
        ("[A-Z0-9]{5}", "[a-z.]{1,20}", any::<bool>()).prop_map(
            |(hosted_zone_id, dns_name, evaluate_target_health)| {
                Target::Alias { hosted_zone_id, dns_name, evaluate_target_health }
            }
        ),
        (0i64..100_000, prop::collection::vec("[ -~]{0,20}", 1..5))
            .prop_map(|(ttl_seconds, values)| Target::Values { ttl_seconds, values }),
    ]
}

prop_compose! {
    fn any_pair()(
        roles in (any_role(), any_role()),
        targets in (any_target(), any_target()),
        checks in (prop::option::of("[a-f0-9-]{36}"), prop::option::of("[a-f0-9-]{36}")),
    ) -> [RecordSet; 2] {
        let frankfurt = RecordSet {
            target: targets.0, health_check_id: checks.0, ..set("x.example.com", "frankfurt", roles.0)
        };
        let ireland = RecordSet {
            target: targets.1, health_check_id: checks.1, ..set("x.example.com", "ireland", roles.1)
        };
        [frankfurt, ireland]
    }
}

fn any_change() -> impl Strategy<Value = Option<(u64, Progress)>> {
    let progress = prop_oneof![Just(Progress::InSync), Just(Progress::Unknown)];
    prop::option::of((0u64..200, progress))
}

proptest! {
    /// Whatever the zone looks like: one applied action makes it as wanted, changing roles only, and then it is done.
    #[test]
    fn one_action_is_all_it_takes_and_it_changes_roles_only(
        pairs in prop::collection::vec(any_pair(), 1..6),
        change in any_change(),
    ) {
        let names: Vec<String> = (0..pairs.len()).map(|number| format!("a{number}.example.com")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let request = request(&names);
        let mut zone: Vec<RecordSet> = Vec::new();
        for (pair, name) in pairs.into_iter().zip(&names) {
            zone.extend(pair.map(|set| RecordSet { name: format!("{name}."), ..set }));
        }
        let records = |zone: &[RecordSet]| -> Vec<Record> {
            zone.chunks(2)
                .zip(&names)
                .map(|(sets, name)| record(name, sets.iter().cloned().map(Found::Usable).collect()))
                .collect()
        };
        if let Plan::Act(action) = plan(&request, &seen(change, records(&zone)), NOW) {
            for change in &action.changes {
                let place = zone.iter().position(|set| *set == change.expected);
                let place = place.expect("an action expects what was seen");
                let wanted = change.wanted();
                prop_assert_eq!(&RecordSet { routing: change.expected.routing, ..wanted.clone() }, &change.expected);
                prop_assert_ne!(wanted.routing, change.expected.routing);
                zone[place] = wanted;
            }
        }
        for set in &zone {
            let expected = if set.set_identifier == "ireland" { Role::Primary } else { Role::Secondary };
            prop_assert_eq!(set.routing, Routing::Failover(expected));
        }
        let after = plan(&request, &seen(Some((0, Progress::InSync)), records(&zone)), NOW);
        prop_assert!(matches!(after, Plan::AlreadyDone { .. }), "{:?}", after);
    }

    /// Whatever the weights were: one applied action leaves a single record set with weight, that of the target, and
    /// every other attribute of every record set as it was.
    #[test]
    fn after_one_action_only_the_target_has_weight_and_nothing_else_changed(
        weights in prop::collection::vec(0i64..=255, 2..6),
        target in any::<prop::sample::Index>(),
        wanted in 1u8..=255,
        mut sets in prop::collection::vec(any_pair(), 6),
    ) {
        let regions: Vec<String> = (1..=weights.len()).map(|number| format!("eu-west-{number}")).collect();
        let target = target.get(&regions);
        let identifiers: serde_json::Map<String, Value> =
            regions.iter().map(|region| (region.clone(), json!(format!("in {region}")))).collect();
        let request = completed(json!({
            "target_region": target,
            "traffic": { "weighted_records": {
                "hosted_zone_id": "Z1",
                "weight": wanted,
                "records": [{ "name": "x.example.com", "type": "A", "set_identifiers": identifiers }],
            } },
        })).expect("a good request");
        let mut zone: Vec<RecordSet> = sets
            .drain(..regions.len())
            .zip(weights.iter().zip(&regions))
            .map(|([set, _], (weight, region))| RecordSet {
                routing: Routing::Weighted(*weight), set_identifier: format!("in {region}"), ..set
            })
            .collect();
        let before = zone.clone();
        let records = |zone: &[RecordSet]| vec![record("x.example.com", zone.iter().cloned().map(Found::Usable).collect())];
        if let Plan::Act(action) = plan(&request, &seen(None, records(&zone)), NOW) {
            for change in &action.changes {
                let place = zone.iter().position(|set| *set == change.expected);
                zone[place.expect("an action expects what was seen")] = change.wanted();
            }
        }
        for (set, before) in zone.iter().zip(&before) {
            let weight = if set.set_identifier == format!("in {target}") { i64::from(wanted) } else { 0 };
            prop_assert_eq!(set, &RecordSet { routing: Routing::Weighted(weight), ..before.clone() });
        }
        let after = plan(&request, &seen(Some((0, Progress::InSync)), records(&zone)), NOW);
        prop_assert!(matches!(after, Plan::AlreadyDone { .. }), "{:?}", after);
    }

    #[test]
    fn no_wait_is_zero_or_past_the_time_that_route_53_needs(seconds_ago in 0u64..200) {
        let records = vec![moved("app.example.com")];
        let decided =
            plan(&request(&["app.example.com"]), &seen(Some((seconds_ago, Progress::Unknown)), records), NOW);
        if let Plan::Wait { ask_again, .. } = decided {
            prop_assert!(ask_again > Duration::ZERO);
            prop_assert_eq!(ask_again + Duration::from_secs(seconds_ago), PROPAGATION_TIME);
        } else {
            prop_assert!(matches!(decided, Plan::AlreadyDone { .. }), "{:?}", decided);
            prop_assert!(seconds_ago >= PROPAGATION_TIME.as_secs());
        }
    }
}
