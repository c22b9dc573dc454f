//! The function with Aurora: the SQL that arrives at the RDS Data API, and what its errors become.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

mod common;

use common::{CLUSTER, SECRET, aurora, function, payment, send};
use failover::testing::{FakeAws, Reply, Request};
use serde_json::{Value, json};

const SERVICE: &str = "rds-data";
const EXECUTE: &str = "POST /Execute";

fn updated(count: u32) -> Reply {
    Reply::json(json!({ "numberOfRecordsUpdated": count }))
}

fn rows(rows: &[[&str; 5]]) -> Reply {
    let rows: Vec<Vec<Value>> =
        rows.iter().map(|row| row.iter().map(|text| json!({ "stringValue": text })).collect()).collect();
    Reply::json(json!({ "numberOfRecordsUpdated": 0, "records": rows }))
}

fn sql_error(message: &str) -> Reply {
    Reply::error("DatabaseErrorException", message)
}

fn missing_table() -> Reply {
    sql_error("ERROR: relation \"payments\" does not exist; Position: 13; SQLState: 42P01")
}

/// An Aurora that answers with these in turn.
fn answering(replies: Vec<Reply>) -> FakeAws {
    let aws = FakeAws::new();
    aws.on(SERVICE, EXECUTE, replies);
    aws
}

fn statements(aws: &FakeAws) -> Vec<Request> {
    aws.requests_to(SERVICE, EXECUTE)
}

/// The first word of each statement.
fn verbs(aws: &FakeAws) -> Vec<String> {
    let first = |request: Request| request.body["sql"].as_str()?.split(' ').next().map(str::to_owned);
    statements(aws).into_iter().filter_map(first).collect()
}

fn text(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": { "stringValue": value } })
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_one_insert_with_bound_parameters_that_does_nothing_when_the_id_is_there() {
    let aws = answering(vec![updated(1)]);
    let id = "t-1';DROP/**/TABLE/**/payments;--";
    let answer = send(&function(&aws, &aurora()), payment(id, "12.50"), "r-1").await;
    assert_eq!((answer.status, &answer.body["repeated"]), (200, &json!(false)));
    let [insert] = statements(&aws).try_into().expect("one statement");
    assert_eq!(
        insert.body,
        json!({
            "resourceArn": CLUSTER,
            "secretArn": SECRET,
            "database": "payments",
            "sql": "INSERT INTO payments (transaction_id, amount, processed_at, region, status, request_id) \
                    VALUES (:transaction_id, :amount, cast(:time AS timestamptz), :region, :status, :request_id) \
                    ON CONFLICT (transaction_id) DO NOTHING",
            "parameters": [
                text("transaction_id", id), text("amount", "12.50"), text("time", "2026-11-21T04:00:00Z"),
                text("region", "us-east-1"), text("status", "processed"), text("request_id", "r-1"),
            ],
        })
    );
    assert_eq!(insert.region, "us-east-1");
}

#[tokio::test(start_paused = true)]
async fn when_the_id_is_there_the_stored_payment_decides() {
    for (amount, status, repeated) in [("12.50", 200, json!(true)), ("12.51", 409, Value::Null)] {
        let stored = ["t-1", "12.50", "2026-11-20T23:59:59.120Z", "us-west-2", "r-0"];
        let aws = answering(vec![updated(0), rows(&[stored])]);
        let answer = send(&function(&aws, &aurora()), payment("t-1", amount), "r-1").await;
        assert_eq!((answer.status, &answer.body["repeated"]), (status, &repeated));
        if status == 200 {
            assert_eq!(
                (&answer.body["region"], &answer.body["time"]),
                (&json!("us-west-2"), &json!("2026-11-20T23:59:59.12Z"))
            );
        }
        let read = &statements(&aws)[1].body;
        let sql = "SELECT transaction_id, amount, \
                   to_char(processed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), region, request_id \
                   FROM payments WHERE transaction_id = :transaction_id";
        assert_eq!((&read["sql"], &read["parameters"]), (&json!(sql), &json!([text("transaction_id", "t-1")])));
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_table_is_made_once_and_the_payment_taken() {
    let made_meanwhile =
        "ERROR: duplicate key value violates unique constraint \"pg_type_typname_nsp_index\"; SQLState: 23505";
    for created in [updated(0), sql_error(made_meanwhile)] {
        let aws = answering(vec![missing_table(), created, updated(1)]);
        let answer = send(&function(&aws, &aurora()), payment("t-1", "1"), "r-1").await;
        assert_eq!(answer.status, 200);
        assert_eq!(verbs(&aws), ["INSERT", "CREATE", "INSERT"]);
        assert_eq!(
            statements(&aws)[1].body["sql"],
            "CREATE TABLE IF NOT EXISTS payments (transaction_id text PRIMARY KEY, amount text NOT NULL, \
             processed_at timestamptz NOT NULL, region text NOT NULL, status text NOT NULL, request_id text NOT NULL)"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_stays_missing_is_an_error_of_the_deployment() {
    let aws = answering(vec![missing_table(), updated(0), missing_table()]);
    assert_eq!(send(&function(&aws, &aurora()), payment("t-1", "1"), "r-1").await.status, 500);
    assert_eq!(verbs(&aws), ["INSERT", "CREATE", "INSERT"]);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_not_promoted_yet_charges_nothing_and_says_when_to_ask_again() {
    for refusal in [
        sql_error("ERROR: cannot execute INSERT in a read-only transaction; SQLState: 25006"),
        Reply::error("HttpEndpointNotEnabledException", "HttpEndpoint is not enabled"),
        Reply::error("InvalidResourceStateException", "the cluster is not available"),
        Reply::error("DatabaseResumingException", "resuming"),
        sql_error("FATAL: sorry, too many clients already; SQLState: 53300"),
    ] {
        let aws = answering(vec![refusal.clone()]);
        let answer = send(&function(&aws, &aurora()), payment("t-1", "1"), "r-1").await;
        assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &json!("5")), "{refusal:?}");
        assert!(answer.body["error"].as_str().expect("a text").starts_with("nothing was charged"), "{refusal:?}");
        assert_eq!(verbs(&aws), ["INSERT"], "it does not wait for a promotion: {refusal:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_only_database_without_the_table_charges_nothing() {
    let read_only = sql_error("ERROR: cannot execute CREATE TABLE in a read-only transaction; SQLState: 25006");
    let aws = answering(vec![missing_table(), read_only]);
    assert_eq!(send(&function(&aws, &aurora()), payment("t-1", "1"), "r-1").await.status, 503);
    assert_eq!(verbs(&aws), ["INSERT", "CREATE"]);
}

#[tokio::test(start_paused = true)]
async fn an_insert_whose_answer_was_lost_is_recognised_as_this_invocations_own() {
    let lost = [
        Reply::Silence,
        Reply::Reset,
        Reply::Error(504, "DatabaseUnavailableException".to_owned(), "the writer is not available".to_owned()),
        Reply::error("StatementTimeoutException", "timed out"),
        sql_error("FATAL: terminating connection due to administrator command; SQLState: 57P01"),
    ];
    for lost in lost {
        let own = ["t-1", "12.50", "2026-11-21T04:00:00.000Z", "us-east-1", "r-1"];
        let aws = answering(vec![lost.clone(), updated(0), rows(&[own])]);
        let answer = send(&function(&aws, &aurora()), payment("t-1", "12.50"), "r-1").await;
        assert_eq!((answer.status, &answer.body["repeated"]), (200, &json!(false)), "{lost:?}");
        assert_eq!(verbs(&aws), ["INSERT", "INSERT", "SELECT"], "{lost:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_known_is_not_called_uncharged() {
    let read_only = || sql_error("ERROR: cannot execute INSERT in a read-only transaction; SQLState: 25006");
    for replies in [
        vec![Reply::Silence],
        // The writer was lost after it may have taken the payment.
        vec![Reply::Silence, read_only()],
        // The id is there, but not by whom.
        vec![updated(0), Reply::error("HttpEndpointNotEnabledException", "not enabled")],
    ] {
        let (aws, began) = (answering(replies.clone()), tokio::time::Instant::now());
        let answer = send(&function(&aws, &aurora()), payment("t-1", "1"), "r-1").await;
        assert_eq!(answer.status, 503, "{replies:?}");
        assert!(answer.body["error"].as_str().expect("a text").starts_with("it is not known"), "{}", answer.body);
        assert!(began.elapsed().as_secs() < 28, "Lambda ends it after 30 s: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_may_not_be_read_is_an_error_of_the_deployment() {
    let denied = Reply::Error(403, "ForbiddenException".to_owned(), format!("cannot read {SECRET}"));
    let answer = send(&function(&answering(vec![denied]), &aurora()), payment("t-1", "1"), "r-1").await;
    assert_eq!(answer.status, 500);
    assert!(!answer.body.to_string().contains("arn:"), "{}", answer.body);
}
