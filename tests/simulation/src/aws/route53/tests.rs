use failover::contract::{Severity, StepStatus};
use failover::testing::wire::Request;
use serde_json::json;

use super::*;
use crate::aws::lab::{at, code, request};
use crate::aws::steps::Steps;
use crate::workload::{PLAN, RECORD_TYPES};

const SEEDS: std::ops::Range<u64> = 0..60;
/// Fewer, since the real steps take their time.
const SEEDS_OF_STEPS: std::ops::Range<u64> = 0..20;
const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

fn quiet(seed: u64) -> Aws {
    let mut aws = Aws::new(seed);
    aws.ecs.policies = false;
    aws.advance(at(0));
    aws
}

fn get(operation: &str, path: &str) -> Request {
    let path = format!("/2013-04-01/{path}");
    Request { path, method: "GET".to_owned(), ..request("route53", "us-east-1", operation, json!("")) }
}

fn change(zone: &str, edits: &[Edit]) -> Request {
    let mut xml = format!("<ChangeResourceRecordSetsRequest xmlns=\"{NAMESPACE}\"><ChangeBatch><Changes>");
    for edit in edits {
        let action = if edit.action == Action::Create { "CREATE" } else { "DELETE" };
        xml.push_str("<Change><Action>");
        xml.push_str(action);
        xml.push_str("</Action>");
        edit.set.write(&mut xml).expect("a string");
        xml.push_str("</Change>");
    }
    xml.push_str("</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>");
    let path = format!("/2013-04-01/hostedzone/{zone}/rrset");
    Request { path, ..request("route53", "us-east-1", "ChangeResourceRecordSets", json!(xml)) }
}

/// Sends a change again until the zone takes it; answers how often it did not.
fn accepted(aws: &mut Aws, edits: &[Edit], mut ms: u64) -> (Answer, u64, u32) {
    let mut refused = 0;
    loop {
        let answer = aws.answer(&change(HOSTED_ZONE, edits), at(ms));
        if code(&answer) != "PriorRequestNotComplete" {
            return (answer, ms, refused);
        }
        refused += 1;
        ms += 2_001;
    }
}

/// The roles of the pair swapped.
fn swap(aws: &Aws, name: &str, record_type: &str) -> Vec<Edit> {
    let name = record::normal(name);
    let pair: Vec<&RecordSet> = aws.route53.sets().iter().filter(|set| set.is_of(&name, record_type)).collect();
    let edit = |action, set: &RecordSet, routing| Edit { action, set: RecordSet { routing, ..set.clone() } };
    vec![
        edit(Action::Delete, pair[0], pair[0].routing),
        edit(Action::Delete, pair[1], pair[1].routing),
        edit(Action::Create, pair[0], pair[1].routing),
        edit(Action::Create, pair[1], pair[0].routing),
    ]
}

fn text(answer: &Answer) -> &str {
    let Answer::Body(Value::String(xml)) = answer else { panic!("XML: {answer:?}") };
    xml
}

fn id_in(answer: &Answer) -> String {
    let (_, rest) = text(answer).split_once("<Id>/change/").expect("an id");
    rest.split_once('<').expect("an end").0.to_owned()
}

fn names_in(answer: &Answer) -> Vec<(String, String)> {
    let document = roxmltree::Document::parse(text(answer)).expect("XML");
    let sets = document.descendants().filter(|node| node.has_tag_name((NAMESPACE, "ResourceRecordSet")));
    sets.map(RecordSet::read).map(|set| (set.name, set.record_type)).collect()
}

#[test]
fn a_listing_begins_at_name_and_type_and_goes_on_page_by_page_in_the_order_of_reversed_labels() {
    let mut aws = quiet(1);
    let all = aws.answer(&get("ListResourceRecordSets", &format!("hostedzone/{HOSTED_ZONE}/rrset")), at(0));
    let all = names_in(&all);
    assert_eq!(all[0], ("example.com.".to_owned(), "MX".to_owned()), "{all:?}");
    assert!(
        all.windows(2).all(|pair| pair[0] <= pair[1] || pair[0].0.split('.').count() < pair[1].0.split('.').count())
    );
    let begin = format!("hostedzone/{HOSTED_ZONE}/rrset?name=app.example.com.&type=AAAA&maxitems=1");
    let first = aws.answer(&get("ListResourceRecordSets", &begin), at(0));
    assert_eq!(names_in(&first), [("app.example.com.".to_owned(), "AAAA".to_owned())]);
    for element in
        ["<IsTruncated>true", "<NextRecordName>app.", "<NextRecordType>AAAA", "<NextRecordIdentifier>secondary"]
    {
        assert!(text(&first).contains(element), "{element} in {}", text(&first));
    }
    let next = format!("{begin}&identifier=secondary");
    let second = aws.answer(&get("ListResourceRecordSets", &next), at(0));
    assert!(text(&second).contains("<NextRecordType>TXT") && !text(&second).contains("NextRecordIdentifier"));
}

#[test]
fn a_type_without_a_name_is_no_place_to_begin_at() {
    let path = format!("hostedzone/{HOSTED_ZONE}/rrset?type=A");
    assert_eq!(code(&quiet(1).answer(&get("ListResourceRecordSets", &path), at(0))), "InvalidInput");
}

#[test]
fn a_batch_is_applied_as_a_whole_and_shows_in_the_listing_at_once() {
    for seed in SEEDS {
        let mut aws = quiet(seed);
        let edits = swap(&aws, RECORD, "A");
        let (answer, _, _) = accepted(&mut aws, &edits, 0);
        assert!(text(&answer).contains("<Status>PENDING</Status>"), "seed {seed}");
        assert_eq!(aws.route53.preferred(RECORD, "A"), Some(STANDBY), "seed {seed}");
        assert_eq!(aws.route53.preferred(RECORD, "AAAA"), Some(HOME), "seed {seed}");
        assert_eq!(aws.route53.changes().len(), 1, "seed {seed}");
    }
}

#[test]
fn a_batch_that_does_not_fit_is_refused_and_changes_nothing() {
    let mut aws = quiet(1);
    let swapped = swap(&aws, RECORD, "A");
    let [_, _, secondary, _] = swapped.as_slice() else { panic!("four edits") };
    let mut of_an_unknown_check = swapped.clone();
    of_an_unknown_check[2].set.health_check = Some("0d1f8f5c-0000-4000-8000-00000000000f".to_owned());
    let mut other_values = swapped.clone();
    other_values[1].set.target = record::load_balancer(HOME);
    let mut missing = swapped.clone();
    missing[1].set.set_identifier = Some("third".to_owned());
    let simple = Edit { action: Action::Create, set: RecordSet::simple(RECORD, "A", "192.0.2.1") };
    let again = Edit { action: Action::Create, set: swapped[0].set.clone() };
    for (edits, expected, message) in [
        (other_values, "InvalidChangeBatch", "the values provided do not match the current values"),
        (missing, "InvalidChangeBatch", "it was not found"),
        (vec![again], "InvalidChangeBatch", "it already exists"),
        (vec![swapped[0].clone(), secondary.clone(), swapped[3].clone()], "InvalidChangeBatch", "conflicts with"),
        (vec![swapped[1].clone(), swapped[3].clone(), simple], "InvalidChangeBatch", "conflicts with"),
        (of_an_unknown_check, "NoSuchHealthCheck", "does not exist"),
    ] {
        let before = aws.route53.sets().to_vec();
        let (answer, _, _) = accepted(&mut aws, &edits, 0);
        let Answer::Error { code, message: said, .. } = &answer else { panic!("{answer:?}") };
        assert_eq!(code, expected, "{said}");
        assert!(said.contains(message), "{said}");
        assert_eq!(aws.route53.sets(), before);
    }
    assert!(aws.route53.changes().is_empty());
}

#[test]
fn there_are_never_two_primaries_and_a_simple_record_goes_with_no_other() {
    let mut aws = quiet(1);
    let swapped = swap(&aws, RECORD, "A");
    let mut second = swapped[2].clone();
    second.set.set_identifier = Some("third".to_owned());
    second.set.routing = Routing::Primary;
    let simple = Edit { action: Action::Create, set: RecordSet::simple(RECORD, "A", "192.0.2.1") };
    for edit in [second, simple] {
        let (answer, _, _) = accepted(&mut aws, &[edit], 0);
        let Answer::Error { message, .. } = &answer else { panic!("{answer:?}") };
        assert!(message.contains("conflicts with"), "{message}");
    }
}

#[test]
fn a_change_is_in_sync_within_a_minute_and_clients_may_get_either_region_until_then() {
    for seed in SEEDS {
        let mut aws = quiet(seed);
        let edits = swap(&aws, RECORD, "AAAA");
        let (answer, ms, _) = accepted(&mut aws, &edits, 0);
        let id = id_in(&answer);
        let status = |aws: &mut Aws, ms| {
            let answer = aws.answer(&get("GetChange", &format!("change/{id}")), at(ms));
            let in_sync = text(&answer).contains("<Status>INSYNC</Status>");
            (in_sync, aws.route53.answers(RECORD, "AAAA", at(ms)))
        };
        let (home, standby) = (BTreeSet::from([HOME]), BTreeSet::from([STANDBY]));
        assert_eq!(status(&mut aws, ms + 999), (false, home.union(&standby).copied().collect()), "seed {seed}");
        assert_eq!(status(&mut aws, ms + 60_000), (true, standby), "seed {seed}");
    }
}

#[test]
fn a_zone_that_is_being_changed_takes_no_other_change_for_a_moment() {
    let (mut refused, mut by_others) = (0, 0);
    for seed in SEEDS {
        let mut aws = quiet(seed);
        let edits = swap(&aws, RECORD, "A");
        let (_, ms, others) = accepted(&mut aws, &edits, 0);
        by_others += others;
        let edits = swap(&aws, RECORD, "AAAA");
        let answer = aws.answer(&change(HOSTED_ZONE, &edits), at(ms + 10));
        refused += u32::from(code(&answer) == "PriorRequestNotComplete");
        assert_eq!(aws.route53.changes().len(), 1, "seed {seed}");
    }
    assert_eq!(refused, 60);
    assert!(by_others > 0);
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut aws = quiet(1);
    for (operation, path, expected) in [
        ("ListResourceRecordSets", "hostedzone/Z9/rrset", "NoSuchHostedZone"),
        ("GetChange", "change/C9", "NoSuchChange"),
        ("GetHealthCheck", "healthcheck/0d1f", "NoSuchHealthCheck"),
    ] {
        let answer = aws.answer(&get(operation, path), at(0));
        let Answer::Error { status, code, .. } = &answer else { panic!("{answer:?}") };
        assert_eq!((*status, code.as_str()), (404, expected));
    }
    assert_eq!(code(&aws.answer(&change("Z9", &[]), at(0))), "NoSuchHostedZone");
}

#[test]
fn a_change_cannot_be_asked_after_when_the_control_plane_has_moved() {
    let mut aws = quiet(1);
    let edits = swap(&aws, RECORD, "A");
    let (answer, ms, _) = accepted(&mut aws, &edits, 0);
    aws.route53.forget_changes();
    let again = aws.answer(&get("GetChange", &format!("change/{}", id_in(&answer))), at(ms));
    assert_eq!(code(&again), "NoSuchChange");
}

/// Where clients are sent to, for each of the workload's records.
fn clients(aws: &mut Aws, ms: u64) -> BTreeSet<&'static str> {
    aws.advance(at(ms));
    RECORD_TYPES.iter().flat_map(|kind| aws.route53.answers(RECORD, kind, at(ms))).collect()
}

#[test]
fn clients_leave_a_region_that_stopped_to_serve_when_the_checkers_noticed_and_come_back() {
    for seed in SEEDS {
        let mut aws = quiet(seed);
        aws.advance(at(10_000));
        aws.lost.insert(HOME.to_owned());
        assert_eq!(clients(&mut aws, 69_999), BTreeSet::from([HOME]), "seed {seed}");
        assert_eq!(clients(&mut aws, 100_000), BTreeSet::from([STANDBY]), "seed {seed}");
        aws.lost.clear();
        assert_eq!(clients(&mut aws, 400_000), BTreeSet::from([HOME]), "seed {seed}");
    }
}

#[test]
fn an_endpoint_that_fails_moves_clients_though_its_region_serves_and_a_short_failure_does_not() {
    let mut aws = quiet(1);
    aws.advance(at(10_000));
    aws.endpoint_down = true;
    aws.advance(at(60_000));
    aws.endpoint_down = false;
    assert_eq!(clients(&mut aws, 200_000), BTreeSet::from([HOME]));
    aws.endpoint_down = true;
    assert_eq!(clients(&mut aws, 290_000), BTreeSet::from([STANDBY]));
    assert!(aws.ecs.serves(HOME) && !aws.route53.is_healthy(Watched::Endpoint(HOME)));
}

#[test]
fn with_nothing_healthy_the_primary_is_answered() {
    let mut aws = quiet(1);
    aws.advance(at(10_000));
    aws.lost.extend([HOME.to_owned(), STANDBY.to_owned()]);
    assert_eq!(clients(&mut aws, 200_000), BTreeSet::from([HOME]));
}

#[test]
fn records_without_weight_are_answered_when_no_other_is_healthy() {
    let mut aws = quiet(1);
    let asked = |aws: &mut Aws, ms| {
        aws.advance(at(ms));
        aws.route53.answers(WEIGHTED_RECORD, "AAAA", at(ms))
    };
    assert_eq!(asked(&mut aws, 10_000), BTreeSet::from([HOME]));
    aws.lost.insert(HOME.to_owned());
    assert_eq!(asked(&mut aws, 200_000), BTreeSet::from([STANDBY]));
}

#[test]
fn a_person_swaps_records_by_hand() {
    let mut aws = quiet(1);
    let id = swap_by_hand(&mut aws, RECORD, "A", at(1_000)).expect("swapped");
    assert_eq!(aws.route53.preferred(RECORD, "A"), Some(STANDBY));
    let [change] = aws.route53.changes() else { panic!("one change") };
    assert_eq!((&change.id, &change.author, change.edits.len()), (&id, &Author::Person, 4));
}

#[test]
#[should_panic(expected = "signed for the Region of the control plane")]
fn a_request_that_is_signed_for_another_region_is_a_mistake() {
    let path = format!("/2013-04-01/hostedzone/{HOSTED_ZONE}/rrset");
    let list = Request { path, ..request("route53", "eu-west-1", "ListResourceRecordSets", json!("")) };
    quiet(1).answer(&list, at(0));
}

fn shift(failover: &str, target: &str, traffic: &Value) -> Value {
    json!({ "run": { "failover_id": failover }, "target_region": target, "traffic": traffic })
}

#[tokio::test(start_paused = true)]
async fn the_real_step_moves_the_records_there_and_back() {
    for seed in SEEDS_OF_STEPS {
        for (traffic, name, kinds) in
            [(PLAN["traffic"][0].clone(), RECORD, &RECORD_TYPES[..]), (weighted_traffic(), WEIGHTED_RECORD, &["AAAA"])]
        {
            Steps::with(seed, async |steps| {
                for (failover, target) in [("f1", STANDBY), ("f2", HOME)] {
                    let done = steps.settle("shift-dns", shift(failover, target, &traffic)).await.expect("moved");
                    assert_eq!(done.status, StepStatus::Done, "seed {seed}");
                    steps.aws(|aws, now| {
                        assert!(aws.route53.is_in_sync(now), "seed {seed}: done means on all name servers");
                        for kind in kinds {
                            let answers = aws.route53.answers(name, kind, now);
                            assert_eq!(answers, BTreeSet::from([target]), "seed {seed}: {name} {kind}");
                        }
                    });
                }
                let changes = steps.aws(|aws, _| aws.route53.changes().to_vec());
                let author = Author::Request("failover f1: eu-west-1 becomes primary".to_owned());
                assert_eq!(changes.len(), 2, "seed {seed}: one batch each way");
                assert!(name == WEIGHTED_RECORD || changes[0].author == author, "{changes:?}");
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_a_person_moved_already_are_left_as_they_are() {
    Steps::with(1, async |steps| {
        for kind in RECORD_TYPES {
            steps.aws(|aws, now| swap_by_hand(aws, RECORD, kind, now)).expect("swapped");
        }
        let done = steps.settle("shift-dns", shift("f1", STANDBY, &PLAN["traffic"][0])).await.expect("done");
        assert!(done.message.ends_with("already, by no change of ours"), "{}", done.message);
        assert_eq!(steps.aws(|aws, _| aws.route53.changes().len()), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_real_preflight_finds_the_records_and_their_health_checks() {
    Steps::with(1, async |steps| {
        for traffic in [&PLAN["traffic"][0], &weighted_traffic()] {
            let findings = steps.check("shift-dns", shift("f1", STANDBY, traffic)).await;
            assert!(findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:?}");
            let checks = findings.iter().filter(|finding| finding.check == "health-check-exists").count();
            assert_eq!(checks, 2, "{findings:?}");
        }
        assert!(steps.aws(|aws, _| aws.route53.changes().is_empty()));
    })
    .await;
}
