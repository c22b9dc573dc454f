//! The library that applications ask before they write (X1): what it answers, and what it says when it cannot (see
//! `tests/ledger.rs` for the lease itself).
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::time::{Duration, SystemTime};

use failover::contract::{PlanName, Region, Timestamp};
use failover::testing::{FakeAws, Reply, START};
use failover::writer_lease::{CLOCK_BOUND, Client, LeaseError, WriterLease};
use serde_json::json;

const HERE: &str = "eu-central-1";

fn at(moment: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(moment.as_millis()).expect("after 1970"))
}

fn lease(aws: &FakeAws) -> WriterLease {
    let tools = aws.toolbox();
    let client = Client::new(&tools.clients.reading(&tools.config.dr_region));
    let plan = PlanName::parse("trading").expect("valid");
    WriterLease::new(client, "failover-state-test", plan, Region::parse(HERE).expect("valid"))
}

fn granted(aws: &FakeAws, region: &str, until: Timestamp) {
    aws.put_ledger_item(json!({
        "operation_id": { "S": "plan#trading" },
        "writer_region": { "S": region },
        "writer_until_ms": { "N": until.as_millis().to_string() },
        "writer_generation": { "N": "0" },
        "writer_length_ms": { "N": "150000" },
    }));
}

#[tokio::test(start_paused = true)]
async fn a_write_may_begin_until_the_clock_bound_and_its_own_length_before_the_lease_runs_out() {
    let aws = FakeAws::new();
    let until = START.plus_millis(150_000);
    granted(&aws, HERE, until);
    for longest in [Duration::ZERO, Duration::from_secs(5)] {
        let lease = lease(&aws).with_longest_write(longest);
        assert!(!lease.may_write(at(START)), "nothing was read yet");
        let last = at(until) - CLOCK_BOUND - longest;
        assert_eq!(lease.refresh().await.expect("granted"), last);
        assert!(lease.may_write(last - Duration::from_nanos(1)));
        assert!(!lease.may_write(last));
    }
    let reads = aws.requests_to("dynamodb", "GetItem");
    assert!(reads.iter().all(|read| read.body["ConsistentRead"] == json!(true)), "{reads:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_read_counts_until_its_moment_when_the_ledger_no_longer_answers() {
    let aws = FakeAws::new();
    granted(&aws, HERE, START.plus_millis(150_000));
    let lease = lease(&aws);
    let last = lease.refresh().await.expect("granted");
    aws.on("dynamodb", "GetItem", [Reply::error("AccessDeniedException", "not authorized to dynamodb:GetItem")]);
    let error = lease.refresh().await.expect_err("denied");
    assert!(matches!(error, LeaseError::Unreadable { .. }), "{error:?}");
    assert!(error.to_string().contains("not authorized"), "{error}");
    assert_eq!((lease.may_write(last - CLOCK_BOUND), lease.may_write(last)), (true, false));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_went_elsewhere_ends_at_once_and_says_where_it_is() {
    let aws = FakeAws::new();
    granted(&aws, HERE, START.plus_millis(150_000));
    let lease = lease(&aws);
    lease.refresh().await.expect("granted");
    granted(&aws, "eu-west-1", START.plus_millis(400_000));
    let error = lease.refresh().await.expect_err("with the other Region");
    assert!(error.to_string().contains("eu-west-1"), "{error}");
    assert!(!lease.may_write(at(START)));
    assert_eq!(lease.writable_until(), None);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_never_granted_or_cannot_be_understood_lets_nobody_write() {
    let aws = FakeAws::new();
    let lease = lease(&aws);
    let error = lease.refresh().await.expect_err("never granted");
    assert!(error.to_string().contains("writer_lease_seconds"), "{error}");
    aws.put_ledger_item(json!({ "operation_id": { "S": "plan#trading" }, "writer_region": { "S": HERE } }));
    let error = lease.refresh().await.expect_err("without a moment");
    assert!(error.to_string().contains("writer_length_ms"), "{error}");
    assert!(!lease.may_write(at(START)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_has_run_out_is_read_and_lets_nobody_write() {
    let aws = FakeAws::new();
    granted(&aws, HERE, START.minus_millis(5_000));
    let lease = lease(&aws);
    assert!(lease.refresh().await.expect("its own, though over") < at(START));
    assert!(!lease.may_write(at(START)));
}
