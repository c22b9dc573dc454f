//! One GET request to a health endpoint, over the SDK's HTTP client: no second TLS stack, and tests script it like AWS.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::interceptors::context::{Error as AnyError, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::ser_de::DeserializeResponse;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::timeout::TimeoutConfig;
use failover::clients::CONNECT_TIMEOUT;
use failover::env::millis;
use failover::runtime::Toolbox;
use http::Uri;

/// How long an endpoint may take to answer, the connection included.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// The URL of a health endpoint: http or https, with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Scheme and authority.
    origin: String,
    path_and_query: String,
}

impl Url {
    /// Checks a URL.
    ///
    /// # Errors
    /// A sentence that says what was expected and what was found.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = || format!("expected an http or https URL with a host, found {text:?}");
        let uri: Uri = text.parse().map_err(|_| refused())?;
        match (uri.scheme_str(), uri.authority()) {
            (Some(scheme @ ("http" | "https")), Some(authority)) => Ok(Self {
                origin: format!("{scheme}://{authority}"),
                path_and_query: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            }),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path_and_query)
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The endpoint answered with this status, after so many milliseconds.
    Status {
        /// The HTTP status.
        status: u16,
        /// The time it took.
        took_ms: u64,
    },
    /// Nothing came back, and why: refused, reset, timed out, name not found, TLS failed.
    Silence(String),
}

impl Answer {
    /// Whether the workload serves there: any status of 2xx. Redirects are not followed, so that what answers is what
    /// was asked.
    pub(crate) fn is_healthy(&self) -> bool {
        matches!(self, Self::Status { status: 200..=299, .. })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, took_ms } => write!(f, "answered {status} after {took_ms} ms"),
            Self::Silence(why) => write!(f, "did not answer: {why}"),
        }
    }
}

/// Asks an endpoint once.
pub(crate) async fn get(tools: &Toolbox, url: &Url) -> Answer {
    let segment = tools.trace.begin("endpoint", None);
    let began = tools.env.now();
    let outcome = request(tools, url).invoke(()).await;
    let took_ms = tools.env.now().millis_since(began);
    let answer = match outcome {
        Ok(status) => Answer::Status { status, took_ms },
        Err(SdkError::TimeoutError(_)) => Answer::Silence(format!("nothing within {} ms", millis(PROBE_TIMEOUT))),
        Err(error) => Answer::Silence(innermost(&error)),
    };
    tools.trace.end(segment, (!answer.is_healthy()).then(|| answer.to_string()));
    answer
}

fn request(tools: &Toolbox, url: &Url) -> Operation<(), u16, NoError> {
    let path_and_query = url.path_and_query.clone();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(PROBE_TIMEOUT)
        .operation_timeout(PROBE_TIMEOUT)
        .build();
    Operation::builder()
        .service_name("endpoint")
        .operation_name("GET")
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(tools.clients.http())
        .sleep_impl(tools.env.sleep_impl())
        .time_source(tools.env.clock())
        .timeout_config(timeouts)
        .endpoint_url(&url.origin)
        .no_auth()
        .no_retry()
        .serializer(move |(): ()| {
            let mut request = HttpRequest::empty();
            request.set_uri(path_and_query.clone())?;
            request.headers_mut().insert("accept", "*/*");
            request.headers_mut().insert("user-agent", "failover-health-probe");
            // A connection kept from an earlier look may have died while the sandbox was frozen; that would say
            // something of the sandbox, not of the endpoint.
            request.headers_mut().insert("connection", "close");
            Ok(request)
        })
        .deserializer_impl(StatusOnly)
        .build()
}

/// Takes the status and leaves the body on the wire, however long it may be.
#[derive(Debug)]
struct StatusOnly;

impl DeserializeResponse for StatusOnly {
    fn deserialize_streaming_with_config(
        &self,
        response: &mut HttpResponse,
        config: &ConfigBag,
    ) -> Option<Result<Output, OrchestratorError<AnyError>>> {
        Some(self.deserialize_nonstreaming_with_config(response, config))
    }

    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<AnyError>> {
        Ok(Output::erase(response.status().as_u16()))
    }
}

/// Every status is an answer, so there is no error of the service.
#[derive(Debug)]
enum NoError {}

impl fmt::Display for NoError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for NoError {}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
