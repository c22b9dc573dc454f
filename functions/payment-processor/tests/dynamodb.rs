//! The function with DynamoDB, over the wire.

mod common;

use common::{Transactions, dynamodb, function, payment, send};
use failover::testing::{FakeAws, Reply};
use futures_util::future::join_all;
use serde_json::json;

fn with_table() -> (FakeAws, Transactions) {
    let (aws, table) = (FakeAws::new(), Transactions::default());
    table.answer_puts(&aws);
    (aws, table)
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_kept_with_its_amount_as_text_time_region_and_status() {
    let (aws, table) = with_table();
    let answer = send(&function(&aws, &dynamodb()), payment("t-1", "12.50"), "r-1").await;
    assert_eq!(answer.status, 200);
    let expected = json!({
        "transaction_id": "t-1", "amount": "12.50", "region": "us-east-1", "time": "2026-11-21T04:00:00Z",
        "status": "processed", "repeated": false,
    });
    assert_eq!(answer.body, expected);
    let item = json!({
        "transaction_id": { "S": "t-1" }, "amount": { "S": "12.50" }, "time": { "S": "2026-11-21T04:00:00Z" },
        "region": { "S": "us-east-1" }, "status": { "S": "processed" }, "request_id": { "S": "r-1" },
    });
    assert_eq!(table.item("t-1"), Some(item));
    assert_eq!(aws.requests_to("dynamodb", "PutItem")[0].region, "us-east-1");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_answered_with_the_first_region_and_time_and_keeps_nothing() {
    let (aws, table) = with_table();
    let first = function(&aws, &dynamodb());
    send(&first, payment("t-1", "12.50"), "r-1").await;
    let before = table.item("t-1");
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    // After a failover, in the other Region, with the amount written otherwise.
    let mut there = dynamodb();
    there.insert("AWS_REGION", "us-east-2");
    there.insert("REGION_ROLE", "standby");
    let answer = send(&function(&aws, &there), payment("t-1", "12.5"), "r-2").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["repeated"], true);
    assert_eq!(answer.body["amount"], "12.50");
    assert_eq!((&answer.body["region"], &answer.body["time"]), (&json!("us-east-1"), &json!("2026-11-21T04:00:00Z")));
    assert_eq!(table.item("t-1"), before);
    let regions: Vec<String> = aws.requests_to("dynamodb", "PutItem").into_iter().map(|put| put.region).collect();
    assert_eq!(regions, ["us-east-1", "us-east-2"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_id_with_another_amount_is_a_conflict() {
    let (aws, table) = with_table();
    let function = function(&aws, &dynamodb());
    send(&function, payment("t-1", "12.50"), "r-1").await;
    let answer = send(&function, payment("t-1", "12.51"), "r-2").await;
    assert_eq!((answer.status, &answer.body["transaction_id"]), (409, &json!("t-1")));
    assert_eq!(table.item("t-1").expect("kept")["amount"]["S"], "12.50");
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_concurrent_duplicates_exactly_one_is_charged() {
    let (aws, table) = with_table();
    let functions: Vec<_> = (0..16).map(|_| function(&aws, &dynamodb())).collect();
    let ids: Vec<String> = (0..16).map(|n| format!("r-{n}")).collect();
    let sent = functions.iter().zip(&ids).map(|(function, id)| send(function, payment("t-1", "7"), id));
    let answers = join_all(sent).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(answers.iter().filter(|answer| answer.body["repeated"] == false).count(), 1);
    assert_eq!(table.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_answer_was_lost_is_sent_again_and_recognised_as_this_invocations_own() {
    for lost in [Reply::Silence, Reply::Reset, Reply::Error(500, "InternalServerError".to_owned(), "no".to_owned())] {
        let (aws, table) = (FakeAws::new(), Transactions::default());
        aws.on("dynamodb", "PutItem", [table.applied_then(lost), table.reply()]);
        let answer = send(&function(&aws, &dynamodb()), payment("t-1", "12.50"), "r-1").await;
        assert_eq!((answer.status, &answer.body["repeated"]), (200, &json!(false)));
        assert_eq!(table.count(), 1);
        assert_eq!(aws.requests_to("dynamodb", "PutItem").len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_and_writes_of_both_regions_at_once_are_tried_again() {
    for code in ["ThrottlingException", "ReplicatedWriteConflictException", "ProvisionedThroughputExceededException"] {
        let (aws, table) = (FakeAws::new(), Transactions::default());
        aws.on("dynamodb", "PutItem", [Reply::error(code, "later"), Reply::error(code, "later"), table.reply()]);
        let answer = send(&function(&aws, &dynamodb()), payment("t-1", "1"), "r-1").await;
        assert_eq!(answer.status, 200, "{code}");
        assert_eq!(aws.requests_to("dynamodb", "PutItem").len(), 3, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_without_end_is_answered_in_time_with_when_to_ask_again() {
    let (aws, began) = (FakeAws::new(), tokio::time::Instant::now());
    aws.on("dynamodb", "PutItem", [Reply::error("ThrottlingException", "later")]);
    let answer = send(&function(&aws, &dynamodb()), payment("t-1", "1"), "r-1").await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &json!("5")));
    assert!(answer.body["error"].as_str().expect("a text").starts_with("nothing was charged"), "{}", answer.body);
    let puts = aws.requests_to("dynamodb", "PutItem").len();
    assert!((2..=5).contains(&puts), "{puts} puts");
    assert!(began.elapsed() <= payment_processor::WORK_BUDGET, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_stays_unknown_is_called_so_even_if_the_last_attempt_was_refused() {
    for lost in [
        vec![Reply::Silence],
        vec![Reply::Silence, Reply::error("ThrottlingException", "later")],
        vec![Reply::Reset, Reply::error("AccessDeniedException", "no")],
    ] {
        let (aws, began) = (FakeAws::new(), tokio::time::Instant::now());
        aws.on("dynamodb", "PutItem", lost.clone());
        let answer = send(&function(&aws, &dynamodb()), payment("t-1", "1"), "r-1").await;
        assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &json!("5")), "{lost:?}");
        let problem = answer.body["error"].as_str().expect("a text");
        assert!(problem.starts_with("it is not known") && problem.contains("same transaction_id"), "{problem}");
        // An HTTP API waits 29 s.
        assert!(began.elapsed().as_secs() < 29, "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn lambdas_own_deadline_cuts_the_work_short() {
    let (aws, began) = (FakeAws::new(), tokio::time::Instant::now());
    aws.on("dynamodb", "PutItem", [Reply::error("ThrottlingException", "later")]);
    let deadline = u64::try_from(failover::testing::START.as_millis()).expect("after 1970") + 5_000;
    let answer = function(&aws, &dynamodb()).handle(payment("t-1", "1"), "r-1", deadline).await.expect("answered");
    assert_eq!(answer["statusCode"], 503);
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_denied_put_or_a_missing_table_is_an_error_of_the_deployment_and_tells_clients_no_names() {
    for code in ["AccessDeniedException", "ResourceNotFoundException"] {
        let aws = FakeAws::new();
        aws.on("dynamodb", "PutItem", [Reply::error(code, "arn:aws:dynamodb:us-east-1:123456789012:table/x")]);
        let answer = send(&function(&aws, &dynamodb()), payment("t-1", "1"), "r-1").await;
        assert_eq!(answer.status, 500, "{code}");
        assert!(!answer.body.to_string().contains("arn:"), "{}", answer.body);
        assert_eq!(aws.requests_to("dynamodb", "PutItem").len(), 1);
    }
}
