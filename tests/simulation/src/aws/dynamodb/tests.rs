//! What each kind of table promises, and what the real ledger makes of it.

use aws_smithy_runtime_api::shared::IntoShared;
use failover::clients::Clients;
use failover::config::Config;
use failover::contract::Region;
use failover::error::ErrorCode;
use failover::ledger::{Claim, Claimed, Ledger};
use failover::runtime::Toolbox;
use failover::testing;
use failover::testing::wire::Request;
use serde_json::{Value, json};

use super::{Consistency, WITNESS};
use crate::aws::lab::{Lab, at, code, request};
use crate::aws::{Answer, Aws};
use crate::workload::{HOME, STANDBY};

/// Long enough for every replica to hear of every write, and to catch up, in milliseconds.
const LONG_MS: u64 = 30_000;

fn table(consistency: Consistency) -> Aws {
    let mut aws = Aws::new(1);
    aws.dynamodb.consistency = consistency;
    aws
}

/// Writes who is the owner, on the condition that the attribute `absent` is not there.
fn write(region: &str, owner: &str, absent: &str) -> Request {
    let body = json!({
        "Key": { "operation_id": { "S": "f-1" } },
        "UpdateExpression": "SET #s = :s",
        "ConditionExpression": "attribute_not_exists(#e)",
        "ExpressionAttributeNames": { "#s": "owner", "#e": absent },
        "ExpressionAttributeValues": { ":s": { "S": owner } },
    });
    request("dynamodb", region, "UpdateItem", body)
}

fn read(region: &str) -> Request {
    let body = json!({ "Key": { "operation_id": { "S": "f-1" } }, "ConsistentRead": true });
    request("dynamodb", region, "GetItem", body)
}

fn owner(answer: &Answer) -> Option<&str> {
    match answer {
        Answer::Body(body) => body["Item"]["owner"]["S"].as_str(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_table_of_one_region_is_not_there_in_another() {
    let mut aws = table(Consistency::SingleRegion);
    assert!(aws.answer(&write(STANDBY, "a", "owner"), at(0)).is_success());
    assert_eq!(code(&aws.answer(&read(HOME), at(0))), "ResourceNotFoundException");
}

#[test]
fn a_strong_table_has_one_state_and_of_two_writes_at_once_the_other_one_is_rejected() {
    let mut aws = table(Consistency::Strong);
    assert!(aws.answer(&write(HOME, "a", "owner"), at(0)).is_success());
    assert_eq!(owner(&aws.answer(&read(STANDBY), at(1))), Some("a"), "at once");
    // Its condition would hold.
    let conflict = aws.answer(&write(STANDBY, "b", "other"), at(1));
    assert_eq!(code(&conflict), "ReplicatedWriteConflictException");
    assert_eq!(owner(&aws.answer(&read(HOME), at(2))), Some("a"), "nothing was applied");
    assert!(aws.answer(&write(HOME, "c", "other"), at(3)).is_success(), "within a Region writes queue");
    let lost = aws.answer(&write(STANDBY, "d", "owner"), at(1_000));
    assert_eq!(code(&lost), "a body of its own", "the condition sees what the other Region wrote: {lost:?}");
    assert!(aws.answer(&write(STANDBY, "e", "other"), at(1_000)).is_success(), "later it is no conflict");
    assert_eq!(owner(&aws.answer(&read(HOME), at(1_001))), Some("e"));
}

#[test]
fn a_strong_table_goes_on_without_one_region_and_that_region_does_not_until_it_has_caught_up() {
    let mut aws = table(Consistency::Strong);
    aws.cut_off.insert(HOME.to_owned());
    assert!(aws.answer(&write(STANDBY, "a", "owner"), at(0)).is_success());
    for refused in [write(HOME, "b", "other"), read(HOME)] {
        assert_eq!(code(&aws.answer(&refused, at(1_000))), "InternalServerError");
    }
    aws.cut_off.clear();
    let back = (0..).map(|second| (second, aws.answer(&read(HOME), at(2_000 + second * 1_000))));
    let (second, answer) = back.take(40).find(|(_, answer)| answer.is_success()).expect("it catches up");
    assert!(second > 0, "not at once");
    assert_eq!(owner(&answer), Some("a"));
    assert!(aws.answer(&write(HOME, "c", "other"), at(60_000)).is_success());
}

#[test]
fn a_strong_table_of_which_two_regions_are_gone_does_nothing() {
    let mut aws = table(Consistency::Strong);
    aws.lost.insert(WITNESS.to_owned());
    for region in [HOME, STANDBY] {
        assert!(aws.answer(&read(region), at(0)).is_success(), "the other replica is enough");
    }
    aws.cut_off.insert(HOME.to_owned());
    for region in [HOME, STANDBY] {
        assert_eq!(code(&aws.answer(&write(region, "a", "owner"), at(1_000))), "InternalServerError", "{region}");
    }
}

#[test]
fn replicas_that_agree_later_both_say_yes_and_the_later_write_stays() {
    let mut aws = table(Consistency::Eventual);
    assert!(aws.answer(&write(HOME, "a", "owner"), at(0)).is_success());
    assert!(aws.answer(&write(STANDBY, "b", "owner"), at(100)).is_success(), "on its own items the condition holds");
    assert_eq!(owner(&aws.answer(&read(HOME), at(150))), Some("a"));
    assert_eq!(owner(&aws.answer(&read(STANDBY), at(150))), Some("b"));
    for region in [HOME, STANDBY] {
        assert_eq!(owner(&aws.answer(&read(region), at(LONG_MS))), Some("b"), "{region}");
    }
}

#[test]
fn a_replica_that_is_cut_off_goes_on_alone_and_hears_of_it_afterwards() {
    let mut aws = table(Consistency::Eventual);
    aws.cut_off.insert(HOME.to_owned());
    assert!(aws.answer(&write(HOME, "a", "owner"), at(0)).is_success());
    assert!(aws.answer(&write(STANDBY, "b", "owner"), at(5_000)).is_success());
    assert_eq!(owner(&aws.answer(&read(HOME), at(LONG_MS))), Some("a"));
    aws.cut_off.clear();
    aws.advance(at(2 * LONG_MS));
    assert_eq!(owner(&aws.answer(&read(HOME), at(2 * LONG_MS))), Some("b"));
}

/// The ledger of an orchestrator in a Region. Before any time passes.
fn ledger(lab: &Lab, region: &str, seed: u64) -> (Ledger, Claim) {
    let config = Config { dr_region: Region::parse(region).expect("a Region"), ..testing::config() };
    let env = testing::env(seed);
    let clients = Clients::with_http_client(&config, &env, lab.clone().into_shared());
    let claim = Claim {
        operation_id: "f-1#promote-aurora#x".to_owned(),
        failover_id: "f-1".to_owned(),
        request_hash: "hash".to_owned(),
        owner: env.owner_token(),
        lease_expires: env.now().plus_millis(3_600_000),
    };
    (Toolbox::new(config, env, clients).ledger, claim)
}

fn lab(consistency: Consistency) -> Lab {
    let lab = Lab::new(1);
    lab.aws().dynamodb.consistency = consistency;
    lab
}

/// Another Region modifies the operation's item for so long.
fn modified_elsewhere(lab: &Lab, claim: &Claim, ms: u64) {
    let until = lab.now().plus_millis(ms);
    let being_modified = (HOME.to_owned(), until);
    lab.aws().dynamodb.agreement.being_modified.insert(claim.operation_id.clone(), being_modified);
}

fn item(lab: &Lab, claim: &Claim) -> Option<Value> {
    lab.aws().dynamodb.seen_from(STANDBY).item(&claim.operation_id)
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_meets_a_write_in_another_region_is_tried_again_and_decided_by_what_is_there_then() {
    let lab = lab(Consistency::Strong);
    let ((in_standby, ours), (at_home, theirs)) = (ledger(&lab, STANDBY, 1), ledger(&lab, HOME, 2));
    modified_elsewhere(&lab, &ours, 15);
    let Ok(Claimed::Granted(record)) = in_standby.claim(&ours).await else { panic!("nobody else has claimed it") };
    assert_eq!((record.owner.as_str(), record.attempt), (ours.owner.as_str(), 1), "the conflict was no lost race");
    let error = at_home.claim(&theirs).await.expect_err("the other one holds it");
    assert_eq!(error.code(), ErrorCode::InProgress);
    assert_eq!(item(&lab, &ours).expect("a record")["owner"]["S"], ours.owner);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_met_every_time_is_neither_granted_nor_refused_but_to_be_tried_again() {
    let lab = lab(Consistency::Strong);
    let (ledger, claim) = ledger(&lab, STANDBY, 1);
    modified_elsewhere(&lab, &claim, 3_600_000);
    let error = ledger.claim(&claim).await.expect_err("it never got through");
    assert_eq!(error.code(), ErrorCode::Transient, "{error}");
    assert_eq!(item(&lab, &claim), None);
}

#[tokio::test(start_paused = true)]
async fn of_two_orchestrators_one_claims_an_operation_of_a_strong_table_and_both_one_that_agrees_later() {
    for (consistency, granted) in [(Consistency::Strong, 1), (Consistency::Eventual, 2)] {
        let lab = lab(consistency);
        let ((in_standby, ours), (at_home, theirs)) = (ledger(&lab, STANDBY, 1), ledger(&lab, HOME, 2));
        let (one, other) = tokio::join!(in_standby.claim(&ours), at_home.claim(&theirs));
        let is_granted = |outcome: &Result<Claimed, _>| matches!(outcome, Ok(Claimed::Granted(_)));
        assert_eq!([one, other].iter().filter(|outcome| is_granted(outcome)).count(), granted, "{consistency:?}");
    }
}
