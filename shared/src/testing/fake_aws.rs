//! The scripted AWS itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared;
use serde_json::Value;
use tokio::time::Instant;

use super::table::Table;
use super::wire::{self, Request};
use crate::clients::Clients;
use crate::config::Config;
use crate::runtime::Toolbox;

/// What the fake does with a request.
#[derive(Clone)]
pub enum Reply {
    /// Answers with a status and a body: a JSON object in the service's own protocol, a string as it is.
    Answer(u16, Value),
    /// Answers with a status and headers, and no body.
    Headers(u16, Vec<(String, String)>),
    /// Answers with a service's error: status, code, message.
    Error(u16, String, String),
    /// Never answers, as a Region that is gone, or a request whose response was lost.
    Silence,
    /// Refuses the connection: nothing was sent.
    Refused,
    /// Breaks the connection after the request was sent.
    Reset,
    /// Asks this for the reply.
    From(Arc<dyn Fn(&Request) -> Reply + Send + Sync>),
}

impl Reply {
    /// A successful answer; in the protocol of the service.
    #[must_use]
    pub fn json(body: Value) -> Self {
        Self::Answer(200, body)
    }

    /// A successful answer of a service that speaks XML.
    #[must_use]
    pub fn xml(body: impl Into<String>) -> Self {
        Self::Answer(200, Value::String(body.into()))
    }

    /// A successful answer of headers alone.
    #[must_use]
    pub fn headers(headers: &[(&str, &str)]) -> Self {
        Self::Headers(200, headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A service's error with status 400.
    #[must_use]
    pub fn error(code: &str, message: &str) -> Self {
        Self::Error(400, code.to_owned(), message.to_owned())
    }

    /// A reply that depends on the request.
    #[must_use]
    pub fn from_fn(reply: impl Fn(&Request) -> Self + Send + Sync + 'static) -> Self {
        Self::From(Arc::new(reply))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(status, body) => write!(f, "{status} {body}"),
            Self::Headers(status, headers) => write!(f, "{status} {headers:?}"),
            Self::Error(status, code, message) => write!(f, "{status} {code}: {message}"),
            Self::Silence => f.write_str("silence"),
            Self::Refused => f.write_str("refused"),
            Self::Reset => f.write_str("reset"),
            Self::From(_) => f.write_str("computed"),
        }
    }
}

/// An AWS that answers from a script and records what it is asked. Clones are the same AWS.
#[derive(Clone, Debug)]
pub struct FakeAws {
    began: Instant,
    state: Arc<Mutex<State>>,
}

/// Region (empty for all), service, operation.
type Key = (String, String, String);

#[derive(Debug, Default)]
struct State {
    script: BTreeMap<Key, VecDeque<Reply>>,
    otherwise: Option<Reply>,
    gone: BTreeSet<String>,
    requests: Vec<Request>,
    table: Table,
    toolboxes: u64,
}

impl Default for FakeAws {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeAws {
    /// An AWS with nothing but the ledger's table. Asking it anything that was not scripted panics.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now(), state: Arc::default() }
    }

    /// Scripts an operation in every Region: the replies are given in order, the last one again and again.
    /// Replaces what was scripted for it before.
    pub fn on(&self, service: &str, operation: &str, replies: impl IntoIterator<Item = Reply>) {
        self.on_in("", service, operation, replies);
    }

    /// Scripts an operation in one Region, before those of every Region.
    pub fn on_in(&self, region: &str, service: &str, operation: &str, replies: impl IntoIterator<Item = Reply>) {
        let key = (region.to_owned(), service.to_owned(), operation.to_owned());
        self.state().script.insert(key, replies.into_iter().collect());
    }

    /// What everything is answered that is not scripted, but the ledger.
    pub fn otherwise(&self, reply: Reply) {
        self.state().otherwise = Some(reply);
    }

    /// From now on nothing answers in this Region.
    pub fn lose_region(&self, region: &str) {
        self.state().gone.insert(region.to_owned());
    }

    /// Every request so far, but those to the ledger.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.all_requests().into_iter().filter(|request| request.service != "dynamodb").collect()
    }

    /// Every request so far.
    #[must_use]
    pub fn all_requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// The requests so far to one operation.
    #[must_use]
    pub fn requests_to(&self, service: &str, operation: &str) -> Vec<Request> {
        let mut requests = self.all_requests();
        requests.retain(|request| request.service == service && request.operation == operation);
        requests
    }

    /// An item of the ledger, in DynamoDB's JSON.
    #[must_use]
    pub fn ledger_item(&self, operation_id: &str) -> Option<Value> {
        self.state().table.item(operation_id)
    }

    /// Puts an item into the ledger, in DynamoDB's JSON.
    pub fn put_ledger_item(&self, item: Value) {
        self.state().table.put(item);
    }

    /// What a function works with, with [`super::config`]. Each has randomness of its own.
    #[must_use]
    pub fn toolbox(&self) -> Toolbox {
        self.toolbox_with(super::config())
    }

    /// What a function works with.
    #[must_use]
    pub fn toolbox_with(&self, config: Config) -> Toolbox {
        let seed = {
            let mut state = self.state();
            state.toolboxes += 1;
            state.toolboxes
        };
        let env = super::env_since(self.began, seed);
        let clients = Clients::with_http_client(&config, &env, self.clone().into_shared());
        Toolbox::new(config, env, clients)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn reply(&self, request: &Request) -> Reply {
        let mut state = self.state();
        state.requests.push(request.clone());
        if state.gone.contains(&request.region) {
            return Reply::Silence;
        }
        let regions = [request.region.as_str(), ""];
        let scripted = regions.into_iter().find_map(|region| {
            let key = (region.to_owned(), request.service.clone(), request.operation.clone());
            let replies = state.script.get_mut(&key)?;
            if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() }
        });
        match scripted {
            Some(Reply::From(reply)) => {
                // Not under the lock: the closure may ask this AWS for its requests.
                drop(state);
                reply(request)
            }
            Some(reply) => reply,
            None if request.service == "dynamodb" => {
                let (status, body) = state.table.answer(&request.operation, &request.body);
                Reply::Answer(status, body)
            }
            None => match &state.otherwise {
                Some(reply) => reply.clone(),
                None => panic!("nothing is scripted for {} in {}", request.name(), request.region),
            },
        }
    }
}

impl HttpConnector for FakeAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = Request::read(&request, self.began.elapsed());
        match self.reply(&request) {
            Reply::Answer(status, body) => HttpConnectorFuture::ready(Ok(wire::answer(&request, status, &body))),
            Reply::Headers(status, headers) => HttpConnectorFuture::ready(Ok(wire::headers(status, &headers))),
            Reply::Error(status, code, message) => {
                let body = wire::error_body(&request, &code, &message);
                HttpConnectorFuture::ready(Ok(wire::answer(&request, status, &body)))
            }
            Reply::Silence => HttpConnectorFuture::new(std::future::pending()),
            Reply::Refused => broken(io::ErrorKind::ConnectionRefused),
            Reply::Reset => broken(io::ErrorKind::ConnectionReset),
            Reply::From(_) => panic!("a computed reply computes a reply"),
        }
    }
}

fn broken(kind: io::ErrorKind) -> HttpConnectorFuture {
    HttpConnectorFuture::ready(Err(ConnectorError::io(io::Error::from(kind).into())))
}

impl HttpClient for FakeAws {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}
