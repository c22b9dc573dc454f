//! Lambda's runtime API and a DynamoDB that knows every operation as completed, on one loopback port.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http_body_util::{BodyExt, Collected, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::BenchError;

const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// A Lambda that gives one event and waits for its answer.
#[derive(Debug)]
pub(crate) struct FakeLambda {
    port: u16,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

/// The function's answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) at: Instant,
    pub(crate) error: Option<String>,
}

#[derive(Debug)]
struct Shared {
    event: Mutex<Option<String>>,
    answer: Mutex<Option<Answer>>,
    answered: Notify,
    calls: AtomicUsize,
}

impl Drop for FakeLambda {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeLambda {
    pub(crate) async fn start(event: String) -> Result<Self, BenchError> {
        let io = |source| BenchError::Io { doing: "listening on loopback".to_owned(), source };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(io)?;
        let port = listener.local_addr().map_err(io)?.port();
        let shared = Arc::new(Shared {
            event: Mutex::new(Some(event)),
            answer: Mutex::new(None),
            answered: Notify::new(),
            calls: AtomicUsize::new(0),
        });
        let server = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { port, shared, server })
    }

    /// What Lambda would put into the function's environment, and the function's own settings.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let address = format!("127.0.0.1:{}", self.port);
        let fixed = [
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "example"),
            ("AWS_ACCOUNT_ID", "123456789012"),
            ("DR_REGION", "eu-west-1"),
            ("ENVIRONMENT_SUFFIX", "bench"),
            ("PLAN_NAME", "trading"),
            ("GLOBAL_CLUSTER_ID", "trading-global"),
            ("DR_CLUSTER_ID", "trading-standby"),
            ("STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:123456789012:stateMachine:failover-bench"),
            ("TRIGGER_ALARM_ARNS", TRIGGER_ALARM_ARN),
            ("NOTIFICATION_TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:failover-notifications-bench"),
            ("WATCHED_ENDPOINTS", "eu-central-1=http://127.0.0.1:9/health"),
            ("WRITER_LEASE_SECONDS", "0"),
            ("FUNCTION_ROLES", "health-probe=arn:aws:iam::123456789012:role/health-probe"),
        ];
        let mut environment: Vec<_> = fixed.map(|(name, value)| (name, value.to_owned())).to_vec();
        environment.push(("AWS_LAMBDA_RUNTIME_API", address.clone()));
        environment.push(("AWS_ENDPOINT_URL", format!("http://{address}")));
        environment
    }

    /// Waits for the answer.
    pub(crate) async fn answered(&self) -> Answer {
        loop {
            if let Some(answer) = locked(&self.shared.answer).clone() {
                return answer;
            }
            self.shared.answered.notified().await;
        }
    }

    /// How many calls to AWS came before the answer.
    pub(crate) fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }
}

/// The alarm of health-probe's sample event.
const TRIGGER_ALARM_ARN: &str = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:failover-dev-trading-replication-lag";

/// The event for candidates that do not look into it.
pub(crate) fn step_event() -> String {
    json!({ "run": { "failover_id": "bench" } }).to_string()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let operation = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).map(str::to_owned);
    if path.ends_with("/invocation/next") {
        return Ok(next(&shared).await);
    }
    let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    if path.contains("/runtime/") {
        let error = (!path.ends_with("/response")).then(|| String::from_utf8_lossy(&body).into_owned());
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let at = Instant::now();
        locked(&shared.answer).get_or_insert(Answer { at, error });
        shared.answered.notify_waiters();
        shared.answered.notify_one();
        return Ok(respond(StatusCode::ACCEPTED, "{}".to_owned()));
    }
    shared.calls.fetch_add(1, Ordering::SeqCst);
    match operation.as_deref() {
        Some("DynamoDB_20120810.UpdateItem") => Ok(completed(&body)),
        other => Ok(respond(
            StatusCode::BAD_REQUEST,
            json!({ "__type": "Unexpected", "message": format!("{other:?} {path}") }).to_string(),
        )),
    }
}

async fn next(shared: &Shared) -> Response<Full<Bytes>> {
    let event = locked(&shared.event).take();
    let Some(event) = event else {
        // Like Lambda, keep the second poll waiting; the process is ended meanwhile.
        return std::future::pending().await;
    };
    let mut response = respond(StatusCode::OK, event);
    let headers = response.headers_mut();
    headers.insert("lambda-runtime-aws-request-id", hyper::header::HeaderValue::from_static(REQUEST_ID));
    headers.insert("lambda-runtime-deadline-ms", hyper::header::HeaderValue::from_static("4102444800000"));
    headers.insert(
        "lambda-runtime-invoked-function-arn",
        hyper::header::HeaderValue::from_static("arn:aws:lambda:eu-west-1:123456789012:function:bench"),
    );
    response
}

/// The failed condition of a claim, with the completed record. The request's hash is taken from the claim itself.
fn completed(claim: &[u8]) -> Response<Full<Bytes>> {
    let claim: Value = serde_json::from_slice(claim).unwrap_or_default();
    let names = claim["ExpressionAttributeNames"].as_object().cloned().unwrap_or_default();
    let hash = names
        .iter()
        .find(|(_, name)| *name == "request_hash")
        .map(|(placeholder, _)| claim["ExpressionAttributeValues"][placeholder.replace('#', ":")].clone())
        .unwrap_or(json!({ "S": "bench" }));
    let key = claim["Key"]["operation_id"].clone();
    let operation_id = key["S"].as_str().unwrap_or_default();
    let result = if operation_id.contains("#trigger#") {
        json!({ "outcome": "started", "failover_id": "bench" })
    } else {
        json!({
            "status": "done", "operation_id": operation_id, "message": "done before", "observed": {}, "action": null,
            "ask_again_after_seconds": 0, "attempt": 1, "elapsed_ms": 1, "from_ledger": false,
        })
    };
    let item = json!({
        "operation_id": key, "status": { "S": "completed" }, "timestamp": { "S": "2026-11-21T04:00:00Z" },
        "timestamp_ms": { "N": "0" }, "failover_id": { "S": "bench" }, "request_hash": hash, "owner": { "S": "other" },
        "attempt": { "N": "1" }, "lease_expires_ms": { "N": "0" }, "first_claimed_ms": { "N": "0" },
        "retryable": { "BOOL": false }, "result": { "S": result.to_string() },
    });
    let error = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed", "Item": item,
    });
    respond(StatusCode::BAD_REQUEST, error.to_string())
}

fn respond(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
