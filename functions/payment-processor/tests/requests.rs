//! Everything about a request that comes before the store: events of each kind, paths, methods, bodies, settings.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

mod common;

use std::collections::BTreeMap;

use common::{Transactions, aurora, dynamodb, function, http, send};
use failover::testing::FakeAws;
use payment_processor::event::{LONGEST_BODY, Request, Source};
use serde_json::{Value, json};

fn sample(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn payments() -> [(Source, Value); 3] {
    [
        (Source::HttpApi, sample(include_str!("../events/http-api-payment.json"))),
        (Source::RestApi, sample(include_str!("../events/rest-api-payment.json"))),
        (Source::LoadBalancer, sample(include_str!("../events/load-balancer-payment.json"))),
    ]
}

fn health_checks() -> [(Source, Value); 3] {
    [
        (Source::HttpApi, sample(include_str!("../events/http-api-health.json"))),
        (Source::RestApi, sample(include_str!("../events/rest-api-health.json"))),
        (Source::LoadBalancer, sample(include_str!("../events/load-balancer-health.json"))),
    ]
}

/// The keys that each kind takes in an answer; a REST API refuses others.
fn keys(source: Source) -> Vec<&'static str> {
    let mut keys = vec!["body", "headers", "isBase64Encoded", "statusCode"];
    if source == Source::LoadBalancer {
        keys.push("statusDescription");
    }
    keys
}

#[tokio::test(start_paused = true)]
async fn the_same_payment_by_each_kind_of_event_is_charged_once_and_answered_in_its_shape() {
    let (aws, table) = (FakeAws::new(), Transactions::default());
    table.answer_puts(&aws);
    let function = function(&aws, &dynamodb());
    for (n, (source, event)) in payments().into_iter().enumerate() {
        assert_eq!(Request::read(event.clone()).expect("a request").source, source);
        let answer = send(&function, event, &format!("r-{n}")).await;
        assert_eq!((answer.status, &answer.body["amount"]), (200, &json!("12.50")));
        assert_eq!(answer.body["repeated"], n > 0);
        let mut found: Vec<&String> = answer.whole.as_object().expect("an object").keys().collect();
        found.sort();
        assert_eq!(found, keys(source));
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    assert_eq!(table.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn health_is_answered_to_each_kind_of_event_without_asking_the_store() {
    for (variables, role) in [(dynamodb(), "primary"), (aurora(), "primary")] {
        let aws = FakeAws::new();
        for (source, event) in health_checks() {
            let answer = send(&function(&aws, &variables), event, "r-1").await;
            assert_eq!(answer.status, 200);
            let expected =
                json!({ "status": "ok", "region": "us-east-1", "role": role, "time": "2026-11-21T04:00:00Z" });
            assert_eq!(answer.body, expected);
            if source == Source::LoadBalancer {
                assert_eq!(answer.whole["statusDescription"], "200 OK");
            }
        }
        assert_eq!(aws.all_requests(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn other_paths_are_not_found_and_other_methods_not_allowed() {
    let aws = FakeAws::new();
    let function = function(&aws, &dynamodb());
    for path in ["/", "", "/payments", "/payment/", "/Health", "/payment/1"] {
        assert_eq!(send(&function, http("POST", path, "{}"), "r-1").await.status, 404, "{path}");
    }
    for (method, path, allowed) in
        [("GET", "/payment", "POST"), ("PUT", "/payment", "POST"), ("POST", "/health", "GET")]
    {
        let answer = send(&function, http(method, path, "{}"), "r-1").await;
        assert_eq!((answer.status, &answer.headers["allow"]), (405, &json!(allowed)), "{method} {path}");
    }
    assert_eq!(aws.all_requests(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_payment_is_refused_with_the_field_named_and_reaches_no_store() {
    let aws = FakeAws::new();
    let function = function(&aws, &dynamodb());
    let long = "x".repeat(129);
    let long = json!({ "transaction_id": long, "amount": 1 }).to_string();
    for (body, field) in [
        (r#"{"amount": 1}"#, json!("transaction_id")),
        (r#"{"transaction_id": null, "amount": 1}"#, json!("transaction_id")),
        (r#"{"transaction_id": "t-1"}"#, json!("amount")),
        ("{}", json!("transaction_id")),
        (r#"{"transaction_id": 7, "amount": 1}"#, json!("transaction_id")),
        (r#"{"transaction_id": "", "amount": 1}"#, json!("transaction_id")),
        (r#"{"transaction_id": "a b", "amount": 1}"#, json!("transaction_id")),
        (r#"{"transaction_id": "käse", "amount": 1}"#, json!("transaction_id")),
        (long.as_str(), json!("transaction_id")),
        (r#"{"transaction_id": "t-1", "amount": true}"#, json!("amount")),
        (r#"{"transaction_id": "t-1", "amount": {"value": 1}}"#, json!("amount")),
        (r#"{"transaction_id": "t-1", "amount": -1}"#, json!("amount")),
        (r#"{"transaction_id": "t-1", "amount": 0.00}"#, json!("amount")),
        (r#"{"transaction_id": "t-1", "amount": 1e2}"#, json!("amount")),
        (r#"{"transaction_id": "t-1", "amount": "1,5"}"#, json!("amount")),
        ("", Value::Null),
        ("{", Value::Null),
        ("[]", Value::Null),
        (r#"["t-1", 1]"#, Value::Null),
        ("null", Value::Null),
        (r#"{"transaction_id": "t-1", "amount": 1} x"#, Value::Null),
        (r#"{"transaction_id": "t-1", "amount": 1, "amount": 2}"#, Value::Null),
    ] {
        let answer = send(&function, http("POST", "/payment", body), "r-1").await;
        assert_eq!((answer.status, &answer.body["field"]), (400, &field), "{body}");
        let problem = answer.body["error"].as_str().expect("a text");
        let begins = field.as_str().unwrap_or("malformed JSON");
        assert!(problem.starts_with(begins), "{body}: {problem}");
    }
    let answer = send(&function, sample(include_str!("../events/missing-amount.json")), "r-1").await;
    assert_eq!((answer.status, &answer.body["error"]), (400, &json!("amount: is missing")));
    assert_eq!(aws.all_requests(), []);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_or_not_what_it_is_said_to_be_is_refused() {
    let aws = FakeAws::new();
    let function = function(&aws, &dynamodb());
    let in_base64 = |body: &str| {
        let mut event = http("POST", "/payment", body);
        event["isBase64Encoded"] = json!(true);
        event
    };
    let body = |length: usize| "A".repeat(length);
    let longest = LONGEST_BODY.div_ceil(3) * 4;
    for (event, status) in [
        (http("POST", "/payment", &body(LONGEST_BODY + 1)), 413),
        (http("POST", "/payment", &body(LONGEST_BODY)), 400),
        (in_base64(&body(longest + 4)), 413),
        // Two bytes more than the longest body, and not more characters.
        (in_base64(&body(longest)), 413),
        (in_base64(&body(longest - 4)), 400),
        (in_base64("not base64!"), 400),
        // Not UTF-8.
        (in_base64("/////w=="), 400),
    ] {
        let answer = send(&function, event, "r-1").await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    assert_eq!(aws.all_requests(), []);
}

#[tokio::test(start_paused = true)]
async fn each_missing_or_malformed_variable_is_named_by_payment_and_health() {
    for complete in [dynamodb(), aurora()] {
        for name in complete.keys().copied().filter(|name| *name != "METRIC_NAMESPACE") {
            let mut missing = complete.clone();
            missing.remove(name);
            let mut empty = complete.clone();
            empty.insert(name, "");
            for variables in [missing, empty] {
                let function = function(&FakeAws::new(), &variables);
                let paid = send(&function, common::payment("t-1", "1"), "r-1").await;
                let health = send(&function, http("GET", "/health", ""), "r-1").await;
                assert_eq!((paid.status, health.status), (500, 500), "{name}");
                assert_eq!(health.body["status"], "misconfigured");
                for answer in [paid, health] {
                    let problem = answer.body["error"].as_str().expect("a text");
                    assert!(problem.starts_with(&format!("environment variable {name}: is ")), "{problem}");
                }
            }
        }
    }
    for (name, value) in [("STORE", "mysql"), ("REGION_ROLE", "Primary"), ("AWS_REGION", "Virginia")] {
        let mut variables: BTreeMap<&str, &str> = dynamodb();
        variables.insert(name, value);
        let health = send(&function(&FakeAws::new(), &variables), http("GET", "/health", ""), "r-1").await;
        assert!(health.body["error"].as_str().expect("a text").contains(name), "{}", health.body);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_no_http_request_is_an_error_of_the_invocation() {
    let function = function(&FakeAws::new(), &dynamodb());
    for event in [
        json!({}),
        Value::Null,
        json!({ "transaction_id": "t-1", "amount": 1 }),
        json!({ "requestContext": {}, "path": "/payment" }),
        json!({ "requestContext": {}, "httpMethod": "POST" }),
    ] {
        function.handle(event.clone(), "r-1", 0).await.expect_err(&event.to_string());
    }
}
