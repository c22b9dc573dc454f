//! The ledger against the emulator's DynamoDB (F3): whatever races, each operation has one owner at a time and is done once.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use failover::contract::{FailoverId, Initiator, Outcome, PlanName, Region};
use failover::env::Env;
use failover::error::{Error, ErrorCode};
use failover::ledger::{Admission, CLOCK_BOUND, Claim, Claimed, Direction, Event, HandOver, KillSwitch, Ledger};
use failover::writer_lease::{self, WriterLease};
use failover_tests::{DR_REGION, LEDGER_TABLE, create_ledger_table, local_aws, toolbox};
use serde_json::json;

const CLAIMANTS: usize = 32;
const OPERATIONS: usize = 1_000;
const LEASE_MS: u64 = 60_000;

fn home() -> Region {
    Region::parse("eu-central-1").expect("valid")
}

fn standby() -> Region {
    Region::parse(DR_REGION).expect("valid")
}

fn wish(env: &Env, id: &str, initiator: Initiator) -> Admission {
    Admission {
        failover_id: FailoverId::parse(id).expect("valid"),
        initiator,
        source: home(),
        target: standby(),
        active_until: env.now().plus_millis(LEASE_MS),
    }
}

fn claim(env: &Env, operation: usize) -> Claim {
    Claim {
        operation_id: format!("f1#step#{operation}"),
        failover_id: "f1".to_owned(),
        request_hash: "hash".to_owned(),
        owner: env.owner_token(),
        lease_expires: env.now().plus_millis(LEASE_MS),
    }
}

/// Claims every operation, each claimant in an order of its own, and completes what it was granted.
async fn work(ledger: Ledger, env: Env, claimant: usize, granted: Arc<Vec<AtomicUsize>>) -> Result<usize, Error> {
    let mut answered = 0;
    for step in 0..OPERATIONS {
        // 31 is coprime to the number of operations, so each claimant meets each operation once.
        let operation = (step * 31 + claimant * 7) % OPERATIONS;
        match ledger.claim(&claim(&env, operation)).await {
            Ok(Claimed::Granted(record)) => {
                granted[operation].fetch_add(1, Ordering::SeqCst);
                ledger.record(&record, Event::Complete { result: json!({ "by": claimant }) }).await?;
            }
            Ok(Claimed::Completed(_)) => answered += 1,
            Err(error) if error.code() == ErrorCode::InProgress => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_32_concurrent_claimants_one_wins_each_of_1000_operations_and_completes_it() {
    let (_tools, local) = local_aws(1).await.expect("the local AWS starts");
    create_ledger_table(&local.emulator.aws()).await.expect("the table is created");
    let tools = toolbox(&local, local.emulator.endpoint(), "ledger-test").expect("configured");
    let granted: Arc<Vec<AtomicUsize>> = Arc::new((0..OPERATIONS).map(|_| AtomicUsize::new(0)).collect());

    let workers: Vec<_> = (0..CLAIMANTS)
        .map(|claimant| tokio::spawn(work(tools.ledger.clone(), tools.env.clone(), claimant, Arc::clone(&granted))))
        .collect();
    for worker in workers {
        worker.await.expect("no panic").expect("no error but a live lease");
    }

    for (operation, times) in granted.iter().enumerate() {
        assert_eq!(times.load(Ordering::SeqCst), 1, "operation {operation} was granted once");
        let outcome = tools.ledger.claim(&claim(&tools.env, operation)).await.expect("readable");
        assert!(matches!(outcome, Claimed::Completed(_)), "operation {operation} is completed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_lease_is_taken_over_once_and_the_late_owner_loses_its_writes() {
    let (_tools, local) = local_aws(2).await.expect("the local AWS starts");
    create_ledger_table(&local.emulator.aws()).await.expect("the table is created");
    let tools = toolbox(&local, local.emulator.endpoint(), "ledger-test").expect("configured");
    let expired = Claim { lease_expires: tools.env.now(), ..claim(&tools.env, 0) };
    let Claimed::Granted(late) = tools.ledger.claim(&expired).await.expect("new") else {
        panic!("a new operation is granted");
    };

    let winners = Arc::new(Mutex::new(Vec::new()));
    let takers: Vec<_> = (0..CLAIMANTS)
        .map(|_| {
            let (ledger, env, winners) = (tools.ledger.clone(), tools.env.clone(), Arc::clone(&winners));
            tokio::spawn(async move {
                if let Ok(Claimed::Granted(record)) = ledger.claim(&claim(&env, 0)).await {
                    winners.lock().expect("no panic").push(record);
                }
            })
        })
        .collect();
    for taker in takers {
        taker.await.expect("no panic");
    }

    let winners = winners.lock().expect("no panic").clone();
    assert_eq!(winners.len(), 1);
    assert_eq!(winners[0].attempt, 2);
    let refused = tools.ledger.record(&late, Event::Complete { result: json!("late") }).await;
    assert_eq!(refused.expect_err("taken over").code(), ErrorCode::InProgress);
    tools.ledger.record(&winners[0], Event::Complete { result: json!("in time") }).await.expect("the owner writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_32_concurrent_failovers_one_is_admitted_and_a_kill_switch_set_meanwhile_is_kept() {
    let (_tools, local) = local_aws(3).await.expect("the local AWS starts");
    let aws = local.emulator.aws();
    create_ledger_table(&aws).await.expect("the table is created");
    let tools = toolbox(&local, local.emulator.endpoint(), "ledger-test").expect("configured");
    let plan = PlanName::parse("trading").expect("valid");

    let wishes: Vec<_> = (0..CLAIMANTS)
        .map(|number| {
            let (ledger, env, plan) = (tools.ledger.clone(), tools.env.clone(), plan.clone());
            tokio::spawn(async move {
                let wish = wish(&env, &format!("failover-{number}"), Initiator::Alarm);
                ledger.change_plan_item(&plan, |item, now| item.admit(&plan, &wish, now)).await
            })
        })
        .collect();
    let mut outcomes = BTreeMap::new();
    for wish in wishes {
        let outcome =
            wish.await.expect("no panic").map_or_else(|error| error.code().to_string(), |_| "admitted".to_owned());
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    assert_eq!(outcomes.get("admitted"), Some(&1), "{outcomes:?}");
    assert_eq!(tools.ledger.plan_item(&plan).await.expect("readable").generation, 1);

    let kill_switch = json!({
        "TableName": LEDGER_TABLE,
        "Key": { "operation_id": { "S": "plan#trading" } },
        "UpdateExpression": "SET kill_switch = :set",
        "ExpressionAttributeValues": { ":set": { "BOOL": true } },
    });
    aws.json("dynamodb", DR_REGION, "UpdateItem", &kill_switch).await.expect("a person sets the kill switch");
    let direction = Direction::new(home(), standby());
    let closed = tools
        .ledger
        .change_plan_item(&plan, |item, now| item.close(&plan, 1, Outcome::Succeeded, &direction, now))
        .await
        .expect("closing is always possible");
    assert_eq!(closed.active_region, Some(standby()));
    let kept = tools.ledger.plan_item(&plan).await.expect("readable").kill_switch;
    assert_eq!(kept, KillSwitch::Set, "closing keeps the kill switch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_renewals_that_race_with_an_admission_none_comes_after_it_and_two_regions_never_hold_the_lease() {
    const LEASE: Duration = Duration::from_secs(8);
    let (_tools, local) = local_aws(4).await.expect("the local AWS starts");
    create_ledger_table(&local.emulator.aws()).await.expect("the table is created");
    let tools = toolbox(&local, local.emulator.endpoint(), "ledger-test").expect("configured");
    let plan = PlanName::parse("trading").expect("valid");
    let client = writer_lease::Client::new(&tools.clients.reading(&standby()));
    let lease = |region| WriterLease::new(client.clone(), LEDGER_TABLE, plan.clone(), region);
    let (at_home, at_standby) = (lease(home()), lease(standby()));
    tools.ledger.renew_writer(&plan, &home(), LEASE).await.expect("nobody holds it");
    at_home.refresh().await.expect("it holds it");
    assert!(at_home.may_write(SystemTime::now()) && at_standby.refresh().await.is_err());

    let renewals: Vec<_> = (0..CLAIMANTS)
        .map(|_| {
            let (ledger, plan) = (tools.ledger.clone(), plan.clone());
            tokio::spawn(async move {
                let renewed = ledger.renew_writer(&plan, &home(), LEASE).await;
                renewed.map(|item| item.writer.expect("granted").until).map_err(|error| error.code())
            })
        })
        .collect();
    let wish = wish(&tools.env, "failover", Initiator::Person);
    // A crowd of renewals may win every race of one attempt; the state machine asks again, and so does this.
    let admitted = loop {
        match tools.ledger.change_plan_item(&plan, |item, now| item.admit(&plan, &wish, now)).await {
            Err(error) if error.code() == ErrorCode::InProgress => {}
            outcome => break outcome.expect("nothing is in the way"),
        }
    };
    // What the admission froze is the last word: each renewal either came before it or was refused.
    let frozen = admitted.writer.expect("granted").until;
    for renewal in renewals {
        match renewal.await.expect("no panic") {
            Ok(until) => assert!(until <= frozen, "renewed until {until}, after it was frozen at {frozen}"),
            Err(code) => assert!([ErrorCode::Refused, ErrorCode::InProgress].contains(&code), "{code}"),
        }
    }
    let item = tools.ledger.plan_item(&plan).await.expect("readable");
    assert_eq!(item.writer_free_at(), Some(frozen.plus_millis(1_000)));

    at_home.refresh().await.expect("until it runs out");
    let target = standby();
    let hand_over = || tools.ledger.hand_over_writer(&plan, 1, &target, LEASE);
    let mut waited = 0;
    while let HandOver::WaitUntil(moment) = hand_over().await.expect("the newest failover") {
        assert_eq!(moment, frozen.plus_millis(1_000));
        waited += 1;
        assert!(at_standby.refresh().await.is_err(), "nothing is granted before");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(waited > 0, "the lease was running");
    assert!(tools.env.now() >= frozen.plus_millis(1_000));
    assert!(!at_home.may_write(SystemTime::now()), "it ran out {CLOCK_BOUND:?} earlier at least");
    at_standby.refresh().await.expect("it holds it");
    assert!(at_standby.may_write(SystemTime::now()));
    assert!(at_home.refresh().await.is_err());
}
