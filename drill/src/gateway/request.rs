//! What a request says about itself: who calls which operation of which service in which Region.
//!
//! Region and service come from the SigV4 credential scope, the operation from where the service's
//! protocol puts it.

use http::request::Parts;
use serde::Serialize;
use serde_json::Value;

/// Who made a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// The application name in the SDK's user agent (`app/<name>`).
    pub app: Option<String>,
    /// The access key that signed.
    pub access_key_id: Option<String>,
}

/// How a service puts operations and errors on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Form in, XML out; also the XML REST services, whose errors look the same.
    Query,
    /// `X-Amz-Target`.
    Json,
    /// Smithy RPC v2 with CBOR.
    Cbor,
    /// JSON REST: the error code is a header.
    RestJson,
}

/// A request, as far as the gateway understands it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) caller: Caller,
    pub(crate) region: String,
    /// The service's SigV4 name, e.g. `monitoring` for CloudWatch.
    pub(crate) service: String,
    pub(crate) operation: String,
    pub(crate) protocol: Protocol,
    pub(crate) trace_id: Option<String>,
    pub(crate) ledger: Option<LedgerWrite>,
    pub(crate) failover_id: Option<String>,
}

/// What a call writes into the ledger table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerWrite {
    /// Key of the item.
    pub operation_id: String,
    /// The item's new status; none when the call does not set it.
    pub status: Option<String>,
}

impl Seen {
    pub(crate) fn of(parts: &Parts, body: &[u8]) -> Self {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let scope = header("authorization").and_then(credential_scope);
        let (access_key_id, region, service) = match scope {
            Some((key, region, service)) => (Some(key.to_owned()), region.to_owned(), service.to_owned()),
            None => (None, "unsigned".to_owned(), "unsigned".to_owned()),
        };
        let (protocol, operation) = operation(parts, &service, body);
        let app = header("x-amz-user-agent").and_then(app_name).or_else(|| header("user-agent").and_then(app_name));
        let ledger = if service == "dynamodb" { ledger_write(&operation, body) } else { None };
        let failover_id = ledger.as_ref().and_then(|write| {
            let (failover_id, _step) = write.operation_id.split_once('#')?;
            (failover_id != "plan").then(|| failover_id.to_owned())
        });
        Self {
            caller: Caller { app, access_key_id },
            region,
            service,
            operation,
            protocol,
            trace_id: header("x-amzn-trace-id").map(str::to_owned),
            ledger,
            failover_id,
        }
    }

    /// The status that the call gives an operation's record in the ledger.
    pub(crate) fn written_status(&self) -> Option<&str> {
        self.ledger.as_ref()?.status.as_deref()
    }

    /// The IAM action that the call needs.
    pub(crate) fn iam_action(&self) -> String {
        iam_action(&self.service, &self.operation)
    }
}

/// The IAM action for an operation. Prefix and SigV4 name differ for CloudWatch; Lambda's Invoke and
/// some of S3's operations have another name as an action (Service Authorization Reference).
pub(crate) fn iam_action(service: &str, operation: &str) -> String {
    let prefix = match service {
        "monitoring" => "cloudwatch",
        other => other,
    };
    let action = match (service, operation) {
        ("lambda", "Invoke") => "InvokeFunction",
        ("s3", "HeadObject") => "GetObject",
        ("s3", "HeadBucket" | "ListObjectsV2") => "ListBucket",
        (_, other) => other,
    };
    format!("{prefix}:{action}")
}

/// Key, Region and service of `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …`.
fn credential_scope(authorization: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = authorization.split_once("Credential=")?;
    let mut scope = rest.split([',', ' ']).next()?.split('/');
    let key = scope.next()?;
    let (_date, region, service) = (scope.next()?, scope.next()?, scope.next()?);
    Some((key, region, service))
}

fn app_name(user_agent: &str) -> Option<String> {
    user_agent.split_whitespace().find_map(|word| word.strip_prefix("app/")).map(str::to_owned)
}

fn operation(parts: &Parts, service: &str, body: &[u8]) -> (Protocol, String) {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(target) = header("x-amz-target") {
        let name = target.rsplit('.').next().unwrap_or(target);
        return (Protocol::Json, name.to_owned());
    }
    let path = parts.uri.path();
    if let Some((_, name)) = path.split_once("/operation/")
        && path.starts_with("/service/")
    {
        return (Protocol::Cbor, name.to_owned());
    }
    let form = header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if form && let Some(action) = form_value(body, "Action") {
        return (Protocol::Query, action);
    }
    let method = parts.method.as_str();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let known = match service {
        "route53" => route53(method, &segments),
        "xray" => xray(method, &segments),
        "lambda" => lambda(method, &segments),
        "s3" => s3(method, &segments),
        _other => None,
    };
    let protocol = if matches!(service, "route53" | "s3") { Protocol::Query } else { Protocol::RestJson };
    (protocol, known.map_or_else(|| format!("{method} {path}"), str::to_owned))
}

/// Paths of the model `route53/2013-04-01`.
fn route53(method: &str, segments: &[&str]) -> Option<&'static str> {
    let (_version, rest) = segments.split_first()?;
    let name = match (method, rest) {
        ("GET", ["hostedzone", _, "rrset"]) => "ListResourceRecordSets",
        ("POST", ["hostedzone", _, "rrset"]) => "ChangeResourceRecordSets",
        ("GET", ["change", _]) => "GetChange",
        ("GET", ["hostedzone", _]) => "GetHostedZone",
        ("GET", ["hostedzone"]) => "ListHostedZones",
        ("POST", ["hostedzone"]) => "CreateHostedZone",
        ("GET", ["hostedzonesbyname"]) => "ListHostedZonesByName",
        ("GET", ["healthcheck", _]) => "GetHealthCheck",
        ("POST", ["healthcheck", _]) => "UpdateHealthCheck",
        ("POST", ["healthcheck"]) => "CreateHealthCheck",
        ("GET", ["healthcheck"]) => "ListHealthChecks",
        ("GET", ["healthcheck", _, "status"]) => "GetHealthCheckStatus",
        ("GET", ["testdnsanswer"]) => "TestDNSAnswer",
        _other => return None,
    };
    Some(name)
}

/// Paths of the model `xray/2016-04-12`.
fn xray(method: &str, segments: &[&str]) -> Option<&'static str> {
    match (method, segments) {
        ("POST", ["TraceSegments"]) => Some("PutTraceSegments"),
        ("POST", ["Traces"]) => Some("BatchGetTraces"),
        ("POST", ["TraceSummaries"]) => Some("GetTraceSummaries"),
        ("POST", ["TelemetryRecords"]) => Some("PutTelemetryRecords"),
        _other => None,
    }
}

/// Paths of the model `lambda/2015-03-31`.
fn lambda(method: &str, segments: &[&str]) -> Option<&'static str> {
    match (method, segments) {
        ("POST", [_, "functions", _, "invocations"]) => Some("Invoke"),
        ("GET", [_, "functions", _]) => Some("GetFunction"),
        ("GET", [_, "functions", _, "configuration"]) => Some("GetFunctionConfiguration"),
        _other => None,
    }
}

/// Path-style addresses of the model `s3/2006-03-01`; only what reads and writes whole objects.
fn s3(method: &str, segments: &[&str]) -> Option<&'static str> {
    match (method, segments) {
        ("GET", []) => Some("ListBuckets"),
        ("GET", [_]) => Some("ListObjectsV2"),
        ("HEAD", [_]) => Some("HeadBucket"),
        ("PUT", [_]) => Some("CreateBucket"),
        ("GET", [_, ..]) => Some("GetObject"),
        ("HEAD", [_, ..]) => Some("HeadObject"),
        ("PUT", [_, ..]) => Some("PutObject"),
        ("DELETE", [_, _, ..]) => Some("DeleteObject"),
        _other => None,
    }
}

pub(crate) fn form_value(body: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Reads key and new status from a write to an item whose key is `operation_id`.
fn ledger_write(operation: &str, body: &[u8]) -> Option<LedgerWrite> {
    let input: Value = serde_json::from_slice(body).ok()?;
    let text = |value: &Value| value.get("S").and_then(Value::as_str).map(str::to_owned);
    match operation {
        "PutItem" => {
            let item = input.get("Item")?;
            let status = item.get("status").and_then(text);
            Some(LedgerWrite { operation_id: text(item.get("operation_id")?)?, status })
        }
        "UpdateItem" => {
            let operation_id = text(input.get("Key")?.get("operation_id")?)?;
            let status = set_placeholder(&input, "status")
                .and_then(|placeholder| input.get("ExpressionAttributeValues")?.get(placeholder))
                .and_then(text);
            Some(LedgerWrite { operation_id, status })
        }
        _other => None,
    }
}

/// The value placeholder (`:x`) that the update expression assigns to `attribute`.
fn set_placeholder<'a>(input: &'a Value, attribute: &str) -> Option<&'a str> {
    let expression = input.get("UpdateExpression")?.as_str()?;
    let names = input.get("ExpressionAttributeNames");
    expression.split(',').find_map(|assignment| {
        let (left, right) = assignment.split_once('=')?;
        let name = left.split_whitespace().last()?;
        let name = names.and_then(|names| names.get(name)).and_then(Value::as_str).unwrap_or(name);
        let value = right.split_whitespace().next()?;
        (name == attribute && value.starts_with(':')).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::json;

    use super::*;

    fn seen(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Seen {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Seen::of(&request.body(()).unwrap().into_parts().0, body)
    }

    fn authorization(region: &str, service: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=ASIA1/20261121/{region}/{service}/aws4_request, SignedHeaders=host, Signature=ab"
        )
    }

    #[test]
    fn a_query_call_is_read_from_scope_form_and_user_agent() {
        let seen = seen(
            "POST",
            "/",
            &[
                ("authorization", &authorization("eu-west-1", "rds")),
                ("content-type", "application/x-www-form-urlencoded"),
                ("user-agent", "aws-sdk-rust/1.3 ua/2.1 os/linux lang/rust app/promote-aurora"),
            ],
            b"Action=FailoverGlobalCluster&Version=2014-10-31&GlobalClusterIdentifier=g",
        );
        assert_eq!((seen.region.as_str(), seen.service.as_str()), ("eu-west-1", "rds"));
        assert_eq!(seen.operation, "FailoverGlobalCluster");
        assert_eq!(seen.protocol, Protocol::Query);
        assert_eq!(seen.iam_action(), "rds:FailoverGlobalCluster");
        let caller = Caller { app: Some("promote-aurora".to_owned()), access_key_id: Some("ASIA1".to_owned()) };
        assert_eq!(seen.caller, caller);
    }

    #[test]
    fn a_cbor_call_is_read_from_its_path() {
        let path = "/service/GraniteServiceVersion20100801/operation/GetMetricData";
        let seen = seen("POST", path, &[("authorization", &authorization("eu-west-1", "monitoring"))], b"\xbf\xff");
        assert_eq!((seen.operation.as_str(), seen.protocol), ("GetMetricData", Protocol::Cbor));
        assert_eq!(seen.iam_action(), "cloudwatch:GetMetricData");
    }

    #[test]
    fn a_rest_call_is_read_from_method_and_path() {
        let route53 = authorization("us-east-1", "route53");
        let zone = seen("POST", "/2013-04-01/hostedzone/Z1/rrset/", &[("authorization", &route53)], b"");
        assert_eq!(zone.operation, "ChangeResourceRecordSets");
        let status = seen("GET", "/2013-04-01/healthcheck/h/status", &[("authorization", &route53)], b"");
        assert_eq!(status.iam_action(), "route53:GetHealthCheckStatus");
        let answer = seen("GET", "/2013-04-01/testdnsanswer?recordname=a", &[("authorization", &route53)], b"");
        assert_eq!((answer.iam_action().as_str(), answer.protocol), ("route53:TestDNSAnswer", Protocol::Query));
        let traces = seen("POST", "/TraceSegments", &[("authorization", &authorization("eu-west-1", "xray"))], b"{}");
        assert_eq!((traces.iam_action().as_str(), traces.protocol), ("xray:PutTraceSegments", Protocol::RestJson));
        let unknown = seen("PATCH", "/what", &[("authorization", &route53)], b"");
        assert_eq!(unknown.operation, "PATCH /what", "an operation nobody knows stays recognizable");
    }

    #[test]
    fn calls_on_an_object_are_read_from_path_style_addresses() {
        let s3 = authorization("eu-west-1", "s3");
        for (method, path, operation, action) in [
            ("PUT", "/switch/trading/failed-over?x-id=PutObject", "PutObject", "s3:PutObject"),
            ("HEAD", "/switch/trading/failed-over", "HeadObject", "s3:GetObject"),
            ("DELETE", "/switch/trading/failed-over?x-id=DeleteObject", "DeleteObject", "s3:DeleteObject"),
            ("HEAD", "/switch", "HeadBucket", "s3:ListBucket"),
        ] {
            let seen = seen(method, path, &[("authorization", &s3)], b"");
            assert_eq!((seen.operation.as_str(), seen.iam_action().as_str()), (operation, action));
            assert_eq!(seen.protocol, Protocol::Query, "errors are XML");
        }
    }

    #[test]
    fn calls_to_cluster_endpoints_and_to_global_accelerator_are_read_from_their_target() {
        for (service, region, target) in [
            ("route53-recovery-cluster", "ap-southeast-2", "ToggleCustomerAPI.UpdateRoutingControlStates"),
            ("globalaccelerator", "us-west-2", "GlobalAccelerator_V20180706.UpdateEndpointGroup"),
        ] {
            let scope = authorization(region, service);
            let seen = seen("POST", "/", &[("authorization", &scope), ("x-amz-target", target)], b"{}");
            let operation = target.rsplit('.').next().unwrap();
            assert_eq!((seen.region.as_str(), seen.operation.as_str()), (region, operation));
            assert_eq!(seen.iam_action(), format!("{service}:{operation}"));
        }
    }

    #[test]
    fn invoking_a_function_needs_an_action_of_another_name() {
        assert_eq!(iam_action("lambda", "Invoke"), "lambda:InvokeFunction");
    }

    #[test]
    fn a_ledger_write_tells_its_operation_status_and_failover() {
        let body = json!({
            "TableName": "failover-state-x",
            "Key": {"operation_id": {"S": "f-1#promote-aurora#trading"}},
            "UpdateExpression": "SET #status = :intent, #intent = :what REMOVE #error",
            "ExpressionAttributeNames": {"#status": "status", "#intent": "intent", "#error": "error"},
            "ExpressionAttributeValues": {":intent": {"S": "intent"}, ":what": {"S": "{}"}, ":old": {"S": "claimed"}},
            "ConditionExpression": "#status = :old",
        });
        let target = [
            ("authorization", authorization("eu-west-1", "dynamodb")),
            ("x-amz-target", "DynamoDB_20120810.UpdateItem".to_owned()),
        ];
        let headers: Vec<(&str, &str)> = target.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let seen = seen("POST", "/", &headers, body.to_string().as_bytes());
        assert_eq!(seen.failover_id.as_deref(), Some("f-1"));
        let ledger = seen.ledger.unwrap();
        assert_eq!(ledger.operation_id, "f-1#promote-aurora#trading");
        assert_eq!(ledger.status.as_deref(), Some("intent"));
    }

    #[test]
    fn an_unsigned_call_is_told_apart() {
        let seen = seen("GET", "/", &[], b"");
        assert_eq!((seen.region.as_str(), seen.caller), ("unsigned", Caller::default()));
    }
}
