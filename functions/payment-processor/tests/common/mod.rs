//! The function over a fake AWS, with a table that keeps the condition of a put.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use failover::testing::{FakeAws, Reply};
use payment_processor::PaymentProcessor;
use payment_processor::settings::Settings;
use serde_json::{Value, json};

/// What both stores' functions are told, but the store.
const COMMON: [(&str, &str); 2] = [("AWS_REGION", "us-east-1"), ("REGION_ROLE", "primary")];
/// The table.
pub(crate) const TABLE: &str = "transactions-test";
/// The database.
pub(crate) const CLUSTER: &str = "arn:aws:rds:us-east-1:123456789012:cluster:payments";
/// Its credentials.
pub(crate) const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:payments-a1b2c3";

/// The environment with DynamoDB.
pub(crate) fn dynamodb() -> BTreeMap<&'static str, &'static str> {
    COMMON.into_iter().chain([("STORE", "dynamodb"), ("TRANSACTIONS_TABLE", TABLE)]).collect()
}

/// The environment with Aurora.
pub(crate) fn aurora() -> BTreeMap<&'static str, &'static str> {
    let own = [
        ("STORE", "aurora"),
        ("DATABASE_CLUSTER_ARN", CLUSTER),
        ("DATABASE_SECRET_ARN", SECRET),
        ("DATABASE_NAME", "payments"),
        ("METRIC_NAMESPACE", "Payments"),
    ];
    COMMON.into_iter().chain(own).collect()
}

/// A function in this environment.
pub(crate) fn function(aws: &FakeAws, variables: &BTreeMap<&str, &str>) -> PaymentProcessor {
    let tools = aws.toolbox();
    PaymentProcessor::new(Settings::read(variables).map(|settings| (settings, tools.clients)), tools.env)
}

/// An event of an HTTP API.
pub(crate) fn http(method: &str, path: &str, body: &str) -> Value {
    json!({
        "version": "2.0", "rawPath": path, "body": body, "isBase64Encoded": false,
        "requestContext": { "http": { "method": method, "path": path } },
    })
}

/// A payment by the HTTP API.
pub(crate) fn payment(id: &str, amount: &str) -> Value {
    http("POST", "/payment", &json!({ "transaction_id": id, "amount": amount }).to_string())
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u64,
    pub(crate) headers: Value,
    pub(crate) body: Value,
    pub(crate) whole: Value,
}

/// Sends an event; each with a request id of its own, unless a test gives two the same.
pub(crate) async fn send(function: &PaymentProcessor, event: Value, request_id: &str) -> Answered {
    let whole = function.handle(event, request_id, 0).await.expect("a request");
    Answered {
        status: whole["statusCode"].as_u64().expect("a status"),
        headers: whole["headers"].clone(),
        body: serde_json::from_str(whole["body"].as_str().expect("a body")).expect("JSON"),
        whole,
    }
}

/// The payments' table, which evaluates the condition of each put.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transactions(Arc<Mutex<BTreeMap<String, Value>>>);

impl Transactions {
    /// Answers every put.
    pub(crate) fn answer_puts(&self, aws: &FakeAws) {
        aws.on("dynamodb", "PutItem", [self.reply()]);
    }

    /// The reply to one put or more.
    pub(crate) fn reply(&self) -> Reply {
        let table = self.clone();
        Reply::from_fn(move |request| table.put(&request.body))
    }

    /// The reply to a put that is carried out and whose answer is then lost.
    pub(crate) fn applied_then(&self, lost: Reply) -> Reply {
        let table = self.clone();
        Reply::from_fn(move |request| {
            table.put(&request.body);
            lost.clone()
        })
    }

    fn put(&self, request: &Value) -> Reply {
        assert_eq!(request["TableName"], TABLE);
        assert_eq!(request["ConditionExpression"], "attribute_not_exists(transaction_id)");
        let mut items = self.0.lock().expect("nobody panicked");
        let item = request["Item"].clone();
        let key = item["transaction_id"]["S"].as_str().expect("a key").to_owned();
        let Some(present) = items.get(&key) else {
            items.insert(key, item);
            return Reply::json(json!({}));
        };
        assert_eq!(request["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
        let failed = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
        Reply::Answer(400, json!({ "__type": failed, "message": "The conditional request failed", "Item": present }))
    }

    /// An item, in DynamoDB's JSON.
    pub(crate) fn item(&self, id: &str) -> Option<Value> {
        self.0.lock().expect("nobody panicked").get(id).cloned()
    }

    /// How many payments there are.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().expect("nobody panicked").len()
    }
}
