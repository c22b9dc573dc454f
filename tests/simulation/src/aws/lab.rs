//! What the tests of the services have in common: requests put together by hand, and a network that always delivers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared;
use failover::clients::Clients;
use failover::config::Config;
use failover::contract::Timestamp;
use failover::runtime::Toolbox;
use failover::testing::wire::Request;
use failover::testing::{self, START};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Answer, Aws};

/// How long a call takes to its service, in milliseconds.
const TRANSIT_MS: u64 = 10;

/// So many milliseconds after the beginning.
pub(crate) fn at(ms: u64) -> Timestamp {
    START.plus_millis(ms)
}

/// A request of a service that speaks the Query protocol.
pub(crate) fn form(service: &str, region: &str, operation: &str, fields: &[(&str, &str)]) -> Request {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
    request(service, region, operation, Value::Object(fields.collect()))
}

/// A request with this body.
pub(crate) fn request(service: &str, region: &str, operation: &str, body: Value) -> Request {
    Request {
        region: region.to_owned(),
        service: service.to_owned(),
        operation: operation.to_owned(),
        host: format!("{service}.{region}.amazonaws.com"),
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: BTreeMap::new(),
        body,
        at: Duration::ZERO,
    }
}

/// The code of a refusal; empty for success.
pub(crate) fn code(answer: &Answer) -> &str {
    match answer {
        Answer::Error { code, .. } => code,
        Answer::ErrorBody { .. } => "a body of its own",
        Answer::Body(_) | Answer::Headers(_) | Answer::NoContent => "",
    }
}

/// A simulated AWS on tokio's clock, with a network on which nothing goes wrong but that lost Regions are silent.
#[derive(Clone, Debug)]
pub(crate) struct Lab {
    aws: Arc<Mutex<Aws>>,
    began: Instant,
}

impl Lab {
    pub(crate) fn new(seed: u64) -> Self {
        Self { aws: Arc::new(Mutex::new(Aws::new(seed))), began: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        at(u64::try_from(self.began.elapsed().as_millis()).expect("a short test"))
    }

    /// AWS at this moment.
    pub(crate) fn aws(&self) -> MutexGuard<'_, Aws> {
        let mut aws = self.aws.lock().unwrap_or_else(PoisonError::into_inner);
        aws.advance(self.now());
        aws
    }

    /// Lets time pass, in steps of a second.
    pub(crate) async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            tokio::time::advance(Duration::from_secs(1)).await;
            drop(self.aws());
        }
    }

    /// What a function works with that has this name. Only for the first function of a test: its clock begins now.
    pub(crate) fn toolbox(&self, function: &str) -> Toolbox {
        let mut config = Config { environment_suffix: "prod".to_owned(), ..testing::config() };
        config.access.function_name = format!("failover-prod-{function}");
        let env = testing::env(1);
        let clients = Clients::with_http_client(&config, &env, self.clone().into_shared());
        Toolbox::new(config, env, clients)
    }
}

impl HttpConnector for Lab {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let lab = self.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::advance(Duration::from_millis(TRANSIT_MS)).await;
            let request = Request::read(&request, Duration::ZERO);
            let now = lab.now();
            let answer = {
                let mut aws = lab.aws();
                let is_silent = aws.lost.contains(&request.region);
                // The table knows its items only.
                let denied = || Answer::error("AccessDeniedException", "the lab does not describe tables");
                let of_table = request.operation == "DescribeTable";
                (!is_silent).then(|| if of_table { denied() } else { aws.answer(&request, now) })
            };
            let Some(answer) = answer else { return std::future::pending().await };
            Ok(answer.response(&request))
        })
    }
}

impl HttpClient for Lab {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}
