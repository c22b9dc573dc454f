//! The network between the functions and AWS: an HTTP client for the SDK that delivers to the simulated AWS.
//!
//! A request that has left arrives, also when its sender has stopped waiting or died: each is carried by a task of its
//! own. It arrives within [`LONGEST_TRANSIT_MS`], the assumption that the step's settling time rests on.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared;
use failover::testing::wire::Request;
use tokio::sync::oneshot;

use crate::aws::Answer;
use crate::aws::dynamodb::Consistency;
use crate::caller::Caller;
use crate::faults::{Calls, Fault, Kind};
use crate::variant::Variant;
use crate::world::{Shared, region_of};

/// The longest that a request is under way, in milliseconds.
pub const LONGEST_TRANSIT_MS: u64 = 10_000;
/// One way within a Region, and to another one, in milliseconds.
const NEAR_MS: (u64, u64) = (1, 8);
const FAR_MS: (u64, u64) = (10, 60);
/// How old an answer a stale read may repeat, in milliseconds.
pub const STALEST_MS: u64 = 4_000;

/// What becomes of one call.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Whether it gets out of its sender's Region.
    pub leaves: bool,
    /// How long it is under way before it arrives.
    pub there_ms: u64,
    /// How long its answer is under way.
    pub back_ms: u64,
    /// What happens to it, by which fault.
    pub mishap: Option<(usize, Mishap)>,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Mishap {
    /// The connection is refused at once.
    Refused,
    /// It is answered like this in place of being applied.
    Instead(Answer),
    /// It is applied, and answered like this.
    After(Answer),
    /// It is applied, and then the connection breaks.
    Reset,
    /// It is applied, and the answer never comes.
    Lost,
    /// It is answered as some seconds ago.
    Stale,
    /// It only takes longer.
    Slow,
}

/// The network as one invocation has it.
#[derive(Clone)]
pub struct Wire {
    world: Shared,
    caller: Arc<Caller>,
}

impl Wire {
    /// The network of this caller.
    #[must_use]
    pub const fn new(world: Shared, caller: Arc<Caller>) -> Self {
        Self { world, caller }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the network of {}", self.caller)
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = Request::read(&request, Duration::ZERO);
        let (answer, answered) = oneshot::channel();
        let (world, caller) = (self.world.clone(), Arc::clone(&self.caller));
        let fate = world.lock().send(&caller, &request);
        tokio::spawn(async move {
            let outcome = carry(&world, &caller, &request, fate).await;
            // Whoever asked may have stopped waiting.
            drop(answer.send(outcome));
        });
        HttpConnectorFuture::new(async move { answered.await.unwrap_or_else(|_| panic!("a request was not carried")) })
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}

async fn carry(world: &Shared, caller: &Caller, request: &Request, fate: Fate) -> Result<HttpResponse, ConnectorError> {
    if matches!(fate.mishap, Some((_, Mishap::Refused))) {
        return Err(broken(io::ErrorKind::ConnectionRefused));
    }
    tokio::time::sleep(Duration::from_millis(fate.there_ms)).await;
    let Some(answer) = world.lock().arrive(caller, request, &fate) else {
        // A Region that is gone does not refuse, it is silent.
        return std::future::pending().await;
    };
    let lost = matches!(fate.mishap, Some((_, Mishap::Lost | Mishap::Reset)));
    if lost && world.lock().variant == Some(Variant::UnknownTakenForNotSent) {
        return Err(broken(io::ErrorKind::ConnectionRefused));
    }
    match fate.mishap {
        Some((_, Mishap::Lost)) => return std::future::pending().await,
        Some((_, Mishap::Reset)) => return Err(broken(io::ErrorKind::ConnectionReset)),
        Some((_, Mishap::Refused | Mishap::Instead(_) | Mishap::After(_) | Mishap::Stale | Mishap::Slow)) | None => {}
    }
    tokio::time::sleep(Duration::from_millis(fate.back_ms)).await;
    if !world.lock().reaches(caller.region, region_of(request)) {
        return std::future::pending().await;
    }
    Ok(answer.response(request))
}

fn broken(kind: io::ErrorKind) -> ConnectorError {
    ConnectorError::io(io::Error::from(kind).into())
}

/// What a fault makes of a call, if it is about it.
#[must_use]
pub fn mishap(fault: &Fault, caller: &Caller, request: &Request) -> Option<Mishap> {
    let concerns = |calls: Calls| match calls {
        Calls::All => request.service != "http",
        Calls::Changes => changes(request),
        Calls::Service(service) => request.service == service,
        Calls::Of(function) => caller.function == function && request.service != "http",
    };
    let mishap = |calls, mishap| concerns(calls).then_some(mishap);
    match fault.kind {
        Kind::Throttled(calls) => mishap(calls, Mishap::Instead(throttled(request))),
        Kind::Failed(calls) => mishap(calls, Mishap::Instead(failed())),
        Kind::FailedAfter(calls) => mishap(calls, Mishap::After(failed())),
        Kind::Refused(calls) => mishap(calls, Mishap::Refused),
        Kind::ResetAfter(calls) => mishap(calls, Mishap::Reset),
        Kind::AnswerLost(calls) => mishap(calls, Mishap::Lost),
        Kind::Delayed(calls, _) => mishap(calls, Mishap::Slow),
        Kind::Denied(calls) => mishap(calls, Mishap::Instead(denied(request))),
        Kind::Stale(calls) => {
            mishap(calls, Mishap::Stale).filter(|_| !changes(request) && request.service != "dynamodb")
        }
        _ => None,
    }
}

/// How long one way takes without a mishap: least and most, in milliseconds.
#[must_use]
pub fn transit(caller: &Caller, request: &Request, ledger: Consistency) -> (u64, u64) {
    // A strongly consistent replica asks another Region first.
    let stays = request.service != "dynamodb" || ledger != Consistency::Strong;
    if request.region == caller.region && stays { NEAR_MS } else { FAR_MS }
}

/// Whether a request is to change the workload. Writes to the ledger and messages are none.
#[must_use]
pub fn changes(request: &Request) -> bool {
    let reads = ["Describe", "List", "Get", "Test", "Head", "Simulate"];
    let other = ["dynamodb", "sns", "states", "http"].contains(&request.service.as_str());
    !other && !reads.iter().any(|prefix| request.operation.starts_with(prefix))
}

fn throttled(request: &Request) -> Answer {
    let code = match request.service.as_str() {
        "rds" | "route53" => "Throttling",
        _ => "ThrottlingException",
    };
    Answer::error(code, "Rate exceeded")
}

fn failed() -> Answer {
    Answer::Error { status: 500, code: "InternalFailure".to_owned(), message: "internal error".to_owned() }
}

fn denied(request: &Request) -> Answer {
    let code = match request.service.as_str() {
        "rds" | "route53" => "AccessDenied",
        "sns" => "AuthorizationError",
        _ => "AccessDeniedException",
    };
    let message = format!("not authorized to perform: {}", request.name());
    Answer::Error { status: 403, code: code.to_owned(), message }
}
