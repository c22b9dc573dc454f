//! Requests taken apart, and answers put together, in the protocol each service speaks.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::{Decoder, Encoder};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use serde_json::{Map, Value};

/// A request that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The Region it was signed for.
    pub region: String,
    /// The service, named as in IAM actions; `http` for a request that is not signed, which goes to no AWS service.
    pub service: String,
    /// The operation, named as in the API's model; method and URL of one that is not signed.
    pub operation: String,
    /// The host it went to.
    pub host: String,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body: JSON and CBOR as they are, a form as an object of strings, XML as a string.
    pub body: Value,
    /// When it was sent, since the test's beginning.
    pub at: Duration,
}

impl Request {
    /// `service:operation`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    /// Takes a request apart that an SDK client sends.
    #[must_use]
    pub fn read(request: &HttpRequest, at: Duration) -> Self {
        let header = |name: &str| request.headers().get(name).unwrap_or_default();
        // Credential=AKIAEXAMPLE/20261121/eu-west-1/rds/aws4_request
        let scope: Vec<&str> = header("authorization").split([',', ' ', '/']).collect();
        let (region, service) = match scope.as_slice() {
            [_, _, _, region, "monitoring", ..] => (*region, "cloudwatch"),
            [_, _, _, region, service, ..] => (*region, *service),
            _ => ("", "http"),
        };
        let uri: http::Uri = request.uri().parse().expect("a URI");
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        let bytes = request.body().bytes().unwrap_or_default();
        let body = read_body(header("content-type"), bytes);
        let operation = match header("x-amz-target").rsplit_once('.') {
            _ if service == "http" => format!("{} {}", request.method(), request.uri()),
            Some((_, operation)) => operation.to_owned(),
            None if service == "s3" => of_s3(request.method(), uri.host().unwrap_or_default(), &path).to_owned(),
            None => body["Action"].as_str().map_or_else(|| by_path(request.method(), &path), str::to_owned),
        };
        let headers = request.headers().iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        Self {
            region: region.to_owned(),
            service: service.to_owned(),
            operation,
            host: uri.host().unwrap_or_default().to_owned(),
            method: request.method().to_owned(),
            path,
            headers: headers.collect(),
            body,
            at,
        }
    }
}

fn read_body(content_type: &str, bytes: &[u8]) -> Value {
    let text = || String::from_utf8_lossy(bytes).into_owned();
    match content_type {
        "application/x-www-form-urlencoded" => {
            let fields = form_urlencoded::parse(bytes);
            Value::Object(fields.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect())
        }
        "application/cbor" => read_cbor(&mut Decoder::new(bytes)),
        json if json.contains("json") => serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(text())),
        _ => Value::String(text()),
    }
}

/// The operation of services that are told apart by method and path: CloudWatch, Route 53 and X-Ray.
fn by_path(method: &str, path: &str) -> String {
    let resource = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    if let Some((_, operation)) = resource.split_once("/operation/") {
        return operation.to_owned();
    }
    let fields: Vec<&str> = resource.split('/').skip(2).collect();
    let operation = match (method, fields.as_slice()) {
        ("POST", ["hostedzone", _, "rrset"]) => "ChangeResourceRecordSets",
        ("GET", ["hostedzone", _, "rrset"]) => "ListResourceRecordSets",
        ("GET", ["hostedzone", _]) => "GetHostedZone",
        ("GET", ["change", _]) => "GetChange",
        ("GET", ["testdnsanswer"]) => "TestDNSAnswer",
        ("GET", ["healthcheck", _]) => "GetHealthCheck",
        ("GET", ["healthcheck", _, "status"]) => "GetHealthCheckStatus",
        ("POST", ["healthcheck", _]) => "UpdateHealthCheck",
        ("POST", []) if resource == "/TraceSegments" => "PutTraceSegments",
        _ => return format!("{method} {path}"),
    };
    operation.to_owned()
}

/// The operation of S3 on an object, or on a bucket that stands in the host's name or in the path.
fn of_s3(method: &str, host: &str, path: &str) -> &'static str {
    let path = path.split('?').next().unwrap_or_default().trim_matches('/');
    let key = if host.contains(".s3.") { path } else { path.split_once('/').map_or("", |(_, key)| key) };
    match (method, key.is_empty()) {
        ("HEAD", true) => "HeadBucket",
        ("HEAD", false) => "HeadObject",
        ("PUT", false) => "PutObject",
        ("DELETE", false) => "DeleteObject",
        _ => "unknown",
    }
}

/// An answer of headers alone.
#[must_use]
pub fn headers(status: u16, headers: &[(String, String)]) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::empty());
    for (name, value) in headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}

/// An answer in the protocol of the service that was asked.
#[must_use]
pub fn answer(request: &Request, status: u16, body: &Value) -> HttpResponse {
    let (content_type, bytes) = match (request.service.as_str(), body) {
        (_, Value::String(raw)) => ("text/xml", raw.clone().into_bytes()),
        ("cloudwatch", body) => ("application/cbor", write_cbor(body)),
        (_, body) => ("application/x-amz-json-1.1", body.to_string().into_bytes()),
    };
    let mut response = HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::from(bytes));
    response.headers_mut().insert("content-type", content_type);
    if request.service == "cloudwatch" {
        response.headers_mut().insert("smithy-protocol", "rpc-v2-cbor");
    }
    response
}

/// A service's error in the protocol of the service that was asked.
#[must_use]
pub fn error_body(request: &Request, code: &str, message: &str) -> Value {
    match request.service.as_str() {
        // The answer to a HEAD request has no body.
        "s3" if request.method == "HEAD" => Value::String(String::new()),
        "s3" => Value::String(format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")),
        "rds" | "sns" | "route53" | "iam" => Value::String(format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>test</RequestId></ErrorResponse>"
        )),
        _ => serde_json::json!({ "__type": code, "message": message }),
    }
}

/// JSON as CBOR. An object with the single key `$seconds` becomes a timestamp, which JSON has not.
fn write_cbor(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encode(&mut encoder, value);
    encoder.into_writer()
}

fn encode(encoder: &mut Encoder, value: &Value) {
    match value {
        Value::Null => drop(encoder.null()),
        Value::Bool(flag) => drop(encoder.boolean(*flag)),
        Value::Number(number) => drop(encoder.double(number.as_f64().unwrap_or_default())),
        Value::String(text) => drop(encoder.str(text)),
        Value::Array(items) => {
            encoder.array(items.len());
            for item in items {
                encode(encoder, item);
            }
        }
        Value::Object(fields) => {
            if let Some(seconds) = fields.get("$seconds").and_then(Value::as_i64) {
                encoder.timestamp(&DateTime::from_secs(seconds));
                return;
            }
            encoder.map(fields.len());
            for (name, value) in fields {
                encoder.str(name);
                encode(encoder, value);
            }
        }
    }
}

/// CBOR as JSON; a timestamp becomes its seconds.
#[allow(clippy::wildcard_enum_match_arm, reason = "the SDK's requests hold nothing else but whole numbers")]
fn read_cbor(decoder: &mut Decoder<'_>) -> Value {
    let broken = "CBOR as an SDK writes it";
    match decoder.datatype().expect(broken) {
        Type::Bool => Value::Bool(decoder.boolean().expect(broken)),
        Type::String | Type::StringIndef => Value::String(decoder.string().expect(broken)),
        Type::F32 | Type::F64 => Value::from(decoder.double().expect(broken)),
        Type::Tag => Value::from(decoder.timestamp().expect(broken).secs()),
        Type::Array | Type::ArrayIndef => {
            let length = decoder.list().expect(broken);
            let mut items = Vec::new();
            while more(decoder, length, items.len()) {
                items.push(read_cbor(decoder));
            }
            Value::Array(items)
        }
        Type::Map | Type::MapIndef => {
            let length = decoder.map().expect(broken);
            let mut fields = Map::new();
            while more(decoder, length, fields.len()) {
                let name = decoder.string().expect(broken);
                fields.insert(name, read_cbor(decoder));
            }
            Value::Object(fields)
        }
        Type::Null => {
            decoder.null().expect(broken);
            Value::Null
        }
        _ => Value::from(decoder.long().expect(broken)),
    }
}

/// Whether a list or map goes on: by its length, or until the break of one without.
fn more(decoder: &mut Decoder<'_>, length: Option<u64>, so_far: usize) -> bool {
    if let Some(length) = length {
        return (so_far as u64) < length;
    }
    if decoder.datatype().is_ok_and(|next| next == Type::Break) {
        decoder.skip().expect("a break");
        return false;
    }
    true
}
