//! The events of an HTTP API, a REST API and a load balancer as one kind of request, and the answer in the shape that
//! each of them takes.

use aws_smithy_types::base64;
use serde::Deserialize;
use serde_json::{Value, json};

/// The largest body that is read, in bytes. A payment has some hundred.
pub const LONGEST_BODY: usize = 16 * 1024;

/// What invoked the function, as far as the answer differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An HTTP API with payload format 2.0.
    /// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
    HttpApi,
    /// A REST API with a proxy integration.
    /// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>
    RestApi,
    /// An Application Load Balancer; a Network Load Balancer only passes connections on to one.
    /// Source: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html>
    LoadBalancer,
}

/// A request, whoever passed it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who passed it on.
    pub source: Source,
    /// The method.
    pub method: String,
    /// The path, without the stage and the query.
    pub path: String,
    /// The body, or why it cannot be read.
    pub body: Result<Vec<u8>, BadBody>,
}

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadBody {
    /// It is longer than [`LONGEST_BODY`].
    TooLong,
    /// It is said to be in base64, and is not.
    NotBase64,
}

/// An answer, whoever passes it on.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON body.
    pub body: Value,
}

impl Answer {
    /// An answer without headers of its own.
    #[must_use]
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    /// An answer that says what is wrong.
    #[must_use]
    pub fn problem(status: u16, problem: &str) -> Self {
        Self::new(status, json!({ "error": problem }))
    }

    /// The same with one header more.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What the three kinds of events have in common or to themselves; all else is left aside.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    raw_path: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    http_method: Option<String>,
    request_context: Context,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
struct Context {
    #[serde(default)]
    http: Option<Http>,
    #[serde(default)]
    elb: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: String,
}

impl Request {
    /// Reads an event.
    ///
    /// # Errors
    /// What is missing in an event that none of the three sends. It has nobody who waits for an HTTP answer.
    pub fn read(event: Value) -> Result<Self, String> {
        let event: Event = serde_json::from_value(event).map_err(|problem| {
            format!("the event is not one of an HTTP API, a REST API or a load balancer: {problem}")
        })?;
        let body = read_body(event.body.unwrap_or_default(), event.is_base64_encoded);
        let (source, method, path) = match (event.request_context, event.version.as_deref()) {
            (Context { elb: Some(_), .. }, _) => (Source::LoadBalancer, event.http_method, event.path),
            (Context { http: Some(http), .. }, Some("2.0")) => (Source::HttpApi, Some(http.method), event.raw_path),
            _ => (Source::RestApi, event.http_method, event.path),
        };
        let method = method.ok_or("the event has no method")?;
        let path = path.ok_or("the event has no path")?;
        Ok(Self { source, method, path, body })
    }
}

fn read_body(text: String, in_base64: bool) -> Result<Vec<u8>, BadBody> {
    // Base64 makes four characters of three bytes; what is longer is not even decoded.
    let longest = if in_base64 { LONGEST_BODY.div_ceil(3) * 4 } else { LONGEST_BODY };
    if text.len() > longest {
        return Err(BadBody::TooLong);
    }
    if !in_base64 {
        return Ok(text.into_bytes());
    }
    let bytes = base64::decode(text).map_err(|_| BadBody::NotBase64)?;
    if bytes.len() > LONGEST_BODY { Err(BadBody::TooLong) } else { Ok(bytes) }
}

impl Source {
    /// The answer in the shape that the source takes.
    #[must_use]
    pub fn answer(self, answer: &Answer) -> Value {
        let mut headers = json!({ "content-type": "application/json", "cache-control": "no-store" });
        for (name, value) in &answer.headers {
            headers[*name] = json!(value);
        }
        let mut shaped = json!({
            "statusCode": answer.status,
            "headers": headers,
            "body": answer.body.to_string(),
            "isBase64Encoded": false,
        });
        // A REST API takes an answer with a key that it does not know for malformed.
        if self == Self::LoadBalancer {
            shaped["statusDescription"] = json!(format!("{} {}", answer.status, reason(answer.status)));
        }
        shaped
    }
}

/// The reason phrase of a status that the function answers with.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}
