//! The drill's own AWS client: signed HTTP requests, without the SDK.
//!
//! The drill builds a world and looks at its end state with some thirty operations of a dozen
//! services. The SDK's crates for them would take longer to compile than everything else together.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// How long one call may take. Creating a stack is the longest; that is polled, not waited for.
const CALL_LIMIT: Duration = Duration::from_mins(1);

/// A long-term or temporary AWS credential.
#[derive(Clone)]
pub struct Credentials {
    /// The access key's id.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// The token of a temporary credential.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// An AWS call that did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation}: {code}: {message}")]
pub struct AwsError {
    /// The operation, e.g. `rds:DescribeGlobalClusters`.
    pub operation: String,
    /// HTTP status; 0 when there was no answer.
    pub status: u16,
    /// The service's error code, or `NoAnswer`.
    pub code: String,
    /// The service's message.
    pub message: String,
}

/// A client for all services behind one endpoint. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Aws {
    endpoint: String,
    credentials: Credentials,
    user_agent: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// What is to be sent, before it is signed.
struct Call<'a> {
    service: &'a str,
    region: &'a str,
    operation: &'a str,
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Aws {
    /// A client for `endpoint`, e.g. `http://127.0.0.1:4566`.
    #[must_use]
    pub fn new(endpoint: &str, credentials: Credentials) -> Self {
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            credentials,
            user_agent: "app/drill".to_owned(),
            http: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// The same client under another application name, which the gateway reports as the caller.
    #[must_use]
    pub fn with_app(mut self, name: &str) -> Self {
        self.user_agent = format!("app/{name}");
        self
    }

    /// The access key that it signs with.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.credentials.access_key_id
    }

    /// Calls a service of the query protocol: `rds`, `sns`, `iam`, `sts`, `cloudformation`,
    /// `monitoring`. Answers the XML.
    ///
    /// # Errors
    ///
    /// [`AwsError`] when there is no answer or an error answer.
    pub async fn query(
        &self,
        service: &str,
        region: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<String, AwsError> {
        let call = Call {
            service,
            region,
            operation: action,
            method: "POST",
            path: "/",
            headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
            body: form(service, action, parameters).into_bytes(),
        };
        self.send(call).await
    }

    /// Calls a service of the JSON protocols: `ecs`, `dynamodb`, `states`, `ssm`, `logs`, `events`,
    /// `secretsmanager`, `application-autoscaling`.
    ///
    /// # Errors
    ///
    /// [`AwsError`] when there is no answer, an error answer, or one that is not JSON.
    pub async fn json(&self, service: &str, region: &str, operation: &str, input: &Value) -> Result<Value, AwsError> {
        let (version, prefix) = json_target(service);
        let call = Call {
            service,
            region,
            operation,
            method: "POST",
            path: "/",
            headers: vec![
                ("content-type", format!("application/x-amz-json-{version}")),
                ("x-amz-target", format!("{prefix}.{operation}")),
            ],
            body: input.to_string().into_bytes(),
        };
        let text = self.send(call).await?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| AwsError {
            operation: format!("{service}:{operation}"),
            status: 200,
            code: "NotJson".to_owned(),
            message: error.to_string(),
        })
    }

    /// Calls a service of the REST protocols: `route53`, `s3`, `lambda`. Answers the body.
    ///
    /// # Errors
    ///
    /// [`AwsError`] when there is no answer or an error answer. A Lambda function's own error is an
    /// answer with HTTP status 200, not an error here.
    pub async fn rest(
        &self,
        service: &str,
        region: &str,
        method: &str,
        path_and_query: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<String, AwsError> {
        let call = Call {
            service,
            region,
            operation: &format!("{method} {path_and_query}"),
            method,
            path: path_and_query,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.to_vec(),
        };
        self.send(call).await
    }

    async fn send(&self, call: Call<'_>) -> Result<String, AwsError> {
        let operation = format!("{}:{}", call.service, call.operation);
        let no_answer = |message: String| AwsError {
            operation: operation.clone(),
            status: 0,
            code: "NoAnswer".to_owned(),
            message,
        };
        let request = self.signed(call).map_err(&no_answer)?;
        let exchange = async {
            let response = self.http.request(request).await.map_err(|error| with_causes(&error))?;
            let status = response.status().as_u16();
            let type_header = response.headers().get("x-amzn-errortype").cloned();
            let body = response.into_body().collect().await.map_err(|error| with_causes(&error))?;
            Ok((status, type_header, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
        };
        let (status, type_header, text) = match tokio::time::timeout(CALL_LIMIT, exchange).await {
            Ok(answer) => answer.map_err(&no_answer)?,
            Err(_elapsed) => return Err(no_answer(format!("none within {CALL_LIMIT:?}"))),
        };
        if status < 300 {
            return Ok(text);
        }
        let type_header = type_header.as_ref().and_then(|value| value.to_str().ok());
        let (code, message) = error_in(type_header, text.as_bytes());
        let message = message.unwrap_or(text);
        Err(AwsError { operation, status, code: code.unwrap_or_else(|| format!("Http{status}")), message })
    }

    fn signed(&self, call: Call<'_>) -> Result<Request<Full<Bytes>>, String> {
        let uri = format!("{}{}", self.endpoint, call.path);
        let host = self.endpoint.trim_start_matches("http://").to_owned();
        let mut headers = call.headers;
        headers.push(("host", host));
        let identity: Identity = aws_credential_types::Credentials::from_keys(
            &self.credentials.access_key_id,
            &self.credentials.secret_access_key,
            self.credentials.session_token.clone(),
        )
        .into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(call.region)
            .name(call.service)
            .time(SystemTime::now())
            .settings(signing_settings(call.service))
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let signable = SignableRequest::new(
            call.method,
            &uri,
            headers.iter().map(|(name, value)| (*name, value.as_str())),
            SignableBody::Bytes(&call.body),
        )
        .map_err(|error| with_causes(&error))?;
        let (instructions, _signature) = sign(signable, &parameters).map_err(|error| with_causes(&error))?.into_parts();
        let mut request = Request::builder().method(call.method).uri(&uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request
            .header("user-agent", &self.user_agent)
            .body(Full::new(Bytes::from(call.body)))
            .map_err(|error| error.to_string())?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

fn form(service: &str, action: &str, parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", action)
        .append_pair("Version", query_version(service))
        .extend_pairs(parameters)
        .finish()
}

/// S3 signs its paths as they are and wants the body's hash as a header; everyone else does neither.
fn signing_settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    settings
}

/// API versions of the query services, from their botocore models.
fn query_version(service: &str) -> &'static str {
    match service {
        "rds" => "2014-10-31",
        "sns" => "2010-03-31",
        "iam" => "2010-05-08",
        "sts" => "2011-06-15",
        "cloudformation" => "2010-05-15",
        "sqs" => "2012-11-05",
        "elasticloadbalancing" => "2015-12-01",
        "ec2" => "2016-11-15",
        _monitoring => "2010-08-01",
    }
}

/// JSON version and target prefix of the JSON services, from their botocore models.
fn json_target(service: &str) -> (&'static str, String) {
    match service {
        "dynamodb" => ("1.0", "DynamoDB_20120810".to_owned()),
        "states" => ("1.0", "AWSStepFunctions".to_owned()),
        "ecs" => ("1.1", "AmazonEC2ContainerServiceV20141113".to_owned()),
        "ssm" => ("1.1", "AmazonSSM".to_owned()),
        "logs" => ("1.1", "Logs_20140328".to_owned()),
        "events" => ("1.1", "AWSEvents".to_owned()),
        "application-autoscaling" => ("1.1", "AnyScaleFrontendService".to_owned()),
        "cloudcontrolapi" => ("1.0", "CloudApiService".to_owned()),
        other => ("1.1", other.to_owned()),
    }
}

/// The error code and message in an answer of any of AWS's protocols, as far as they are there.
pub(crate) fn error_in(type_header: Option<&str>, body: &[u8]) -> (Option<String>, Option<String>) {
    let text = String::from_utf8_lossy(body);
    if let Ok(json) = serde_json::from_str::<Value>(&text) {
        let field =
            |names: [&str; 3]| names.iter().find_map(|name| json.get(name).and_then(Value::as_str)).map(str::to_owned);
        let code = type_header.map(str::to_owned).or_else(|| field(["__type", "code", "Code"]));
        return (code.map(|code| shape_name(&code)), field(["message", "Message", "error"]));
    }
    let code = xml_text(&text, &["Error", "Code"]).or_else(|| type_header.map(shape_name));
    (code, xml_text(&text, &["Error", "Message"]))
}

/// `com.amazonaws.dynamodb#ConditionalCheckFailedException` and `NotFound:http://…` say more than the name.
fn shape_name(code: &str) -> String {
    let name = code.rsplit('#').next().unwrap_or(code);
    name.split(':').next().unwrap_or(name).to_owned()
}

/// The text of the first element whose name is the last of `path`, with the others as its nearest
/// ancestors in order.
#[must_use]
pub fn xml_text(xml: &str, path: &[&str]) -> Option<String> {
    xml_texts(xml, path).into_iter().next()
}

/// The texts of all such elements, in the document's order.
#[must_use]
pub fn xml_texts(xml: &str, path: &[&str]) -> Vec<String> {
    let Ok(document) = roxmltree::Document::parse(xml) else { return Vec::new() };
    let has_path = |node: &roxmltree::Node<'_, '_>| {
        node.is_element() && {
            let names = node.ancestors().filter(roxmltree::Node::is_element).map(|element| element.tag_name().name());
            names.take(path.len()).eq(path.iter().rev().copied())
        }
    };
    document.descendants().filter(has_path).map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

/// An error's message with those of its causes.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _infallible = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// A header value for text that may hold anything.
pub(crate) fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_invalid| HeaderValue::from_static("invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_the_names_of_their_nearest_ancestors() {
        let xml = "<R><A><member><Id>1</Id></member><member><Id>2</Id></member></A><B><Id>3</Id></B></R>";
        assert_eq!(xml_texts(xml, &["member", "Id"]), ["1", "2"]);
        assert_eq!(xml_text(xml, &["B", "Id"]).as_deref(), Some("3"));
        assert_eq!(xml_text(xml, &["A", "Id"]), None, "Id is not right below A");
    }

    #[test]
    fn namespaces_do_not_hide_elements() {
        let xml = r#"<R xmlns="https://rds.amazonaws.com/doc/2014-10-31/"><Id>1</Id></R>"#;
        assert_eq!(xml_text(xml, &["R", "Id"]).as_deref(), Some("1"));
    }

    #[test]
    fn error_codes_are_read_from_every_protocol() {
        let code = |header, body: &str| error_in(header, body.as_bytes()).0;
        let query = "<ErrorResponse><Error><Code>DBClusterNotFoundFault</Code></Error></ErrorResponse>";
        assert_eq!(code(None, query).as_deref(), Some("DBClusterNotFoundFault"));
        let json = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}"#;
        assert_eq!(code(None, json).as_deref(), Some("ConditionalCheckFailedException"));
        let rest = code(Some("ThrottledException:http://internal.amazon.com/"), "{}");
        assert_eq!(rest.as_deref(), Some("ThrottledException"));
        assert_eq!(code(None, "nonsense"), None);
    }

    #[test]
    fn credentials_do_not_show_their_secret() {
        let credentials = Credentials {
            access_key_id: "AKIA".to_owned(),
            secret_access_key: "hidden".to_owned(),
            session_token: Some("hidden".to_owned()),
        };
        assert!(!format!("{credentials:?}").contains("hidden"));
    }
}
