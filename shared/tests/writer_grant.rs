//! What a grant of the writer lease means to the second, and which failover may renew it.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use failover::contract::{FailoverId, Initiator, Outcome, PlanName, Region, Timestamp};
use failover::error::ErrorCode;
use failover::ledger::plan_item::{NewestFailover, Phase};
use failover::ledger::{Admission, HandOver, PlanItem, WriterGrant};

const NOW: Timestamp = Timestamp::from_millis(1_795_233_600_000);
const LEASE: Duration = Duration::from_secs(150);

fn plan() -> PlanName {
    PlanName::parse("trading").expect("valid")
}

fn home() -> Region {
    Region::parse("eu-central-1").expect("valid")
}

fn standby() -> Region {
    Region::parse("eu-west-1").expect("valid")
}

fn wish(id: &str, source: Region, target: Region) -> Admission {
    let failover_id = FailoverId::parse(id).expect("valid");
    Admission { failover_id, initiator: Initiator::Person, source, target, active_until: NOW.plus_millis(600_000) }
}

#[test]
fn the_holder_stops_a_second_before_its_end_and_nobody_follows_until_a_second_after() {
    let grant = WriterGrant { region: home(), until: NOW, generation: 0, length: LEASE };
    assert_eq!(grant.writable_until(), NOW.minus_millis(1_000));
    assert_eq!(grant.free_at(), NOW.plus_millis(1_000));
}

#[test]
fn what_an_earlier_failover_handed_over_is_frozen_by_the_next_one() {
    let first = wish("one", home(), standby());
    let item = PlanItem::default().admit(&plan(), &first, NOW).expect("nothing in the way");
    let HandOver::Granted(item) = item.hand_over(&plan(), 1, &standby(), LEASE, NOW).expect("its own") else {
        panic!("nobody else holds it");
    };
    let item = item.close(&plan(), 1, Outcome::Succeeded, &first.direction(), NOW).expect("the newest");
    let item = item.admit(&plan(), &wish("two", standby(), home()), NOW).expect("a person's");
    let refused = item.renew_writer(&standby(), LEASE, NOW).expect_err("the second is under way");
    assert_eq!(refused.code(), ErrorCode::Refused);
}

#[test]
fn a_grant_that_no_failover_made_is_frozen_by_every_failover() {
    let newest = NewestFailover {
        id: FailoverId::parse("one").expect("valid"),
        phase: Phase::Active,
        active_until: NOW.plus_millis(600_000),
        direction: None,
    };
    // As a person may leave it: a failover under way, and no generation.
    let grant = WriterGrant { region: home(), until: NOW.plus_millis(60_000), generation: 0, length: LEASE };
    let item = PlanItem { newest: Some(newest), writer: Some(grant), ..PlanItem::default() };
    assert_eq!(item.renew_writer(&home(), LEASE, NOW).expect_err("under way").code(), ErrorCode::Refused);
}
