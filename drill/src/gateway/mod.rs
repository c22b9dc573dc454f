//! The gateway: a reverse proxy on loopback between every SDK client and the emulator.
//!
//! It reads who calls what where from each request, forwards body and headers unchanged so that the
//! signature still verifies, records the call, and disturbs it when a [`Rule`] says so. What the
//! emulator lacks is answered from the modules under `models`.

mod authorization;
mod call;
mod fault;
mod front;
mod models;
mod policy;
mod process_of;
mod proxy;
mod request;
mod rule;

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use call::{Call, Outcome};
pub use fault::Fault;
pub use models::accelerator::EndpointGroup;
pub use models::autoscaling::{ScalableTarget, Suspended};
pub use models::routing_control::RoutingControl;
pub use models::xray::TraceSegment;
pub use request::{Caller, LedgerWrite};
pub use rule::{Effect, KillPoint, Matcher, Rule, RuleId};

use crate::aws::{Aws, Credentials};
use crate::error::{Error, Result};
use crate::lock::lock;

/// What a gateway stands in front of.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// Address of the emulator.
    pub upstream: SocketAddr,
    /// Root credentials of the emulator, for what the models do there.
    pub credentials: Credentials,
    /// The emulator's account.
    pub account_id: String,
    /// Seed of everything random.
    pub seed: u64,
}

/// A running gateway. It stops when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Gateway {
    endpoint: String,
    state: Arc<State>,
    is_open: watch::Sender<bool>,
    _running: Arc<Running>,
}

/// Ends the accepting of connections when dropped.
#[derive(Debug)]
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
struct State {
    /// Address of the emulator, without a slash at its end.
    upstream: String,
    account_id: String,
    credentials: Credentials,
    root: Aws,
    http: Client<HttpConnector, Full<Bytes>>,
    rules: Mutex<rule::Rules>,
    calls: Mutex<Vec<Call>>,
    arrivals: AtomicU64,
    authorization: authorization::Authorization,
    autoscaling: models::autoscaling::AutoScaling,
    routing_cluster: models::routing_control::RoutingCluster,
    accelerators: models::accelerator::Accelerators,
    xray: models::xray::XRay,
}

impl State {
    fn rules(&self) -> MutexGuard<'_, rule::Rules> {
        lock(&self.rules)
    }

    fn record(&self, call: Call) {
        lock(&self.calls).push(call);
    }
}

impl Gateway {
    /// Listens on a free port on loopback. The emulator need not be there yet.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot listen.
    pub fn start(options: GatewayOptions) -> Result<Self> {
        let doing = || Error::io("starting the gateway");
        let front = front::Front::open().map_err(doing())?;
        let endpoint = format!("http://{}", front.address());
        let upstream = format!("http://{}", options.upstream);
        let root = Aws::new(&upstream, options.credentials.clone());
        let state = Arc::new(State {
            upstream,
            account_id: options.account_id,
            credentials: options.credentials,
            root,
            http: Client::builder(TokioExecutor::new()).build_http(),
            rules: Mutex::new(rule::Rules::new(options.seed)),
            calls: Mutex::new(Vec::new()),
            arrivals: AtomicU64::new(0),
            authorization: authorization::Authorization::default(),
            autoscaling: models::autoscaling::AutoScaling::default(),
            routing_cluster: models::routing_control::RoutingCluster::default(),
            accelerators: models::accelerator::Accelerators::default(),
            xray: models::xray::XRay::default(),
        });
        let (is_open, opened) = watch::channel(true);
        let accepting = tokio::spawn(front.serve(opened, Arc::clone(&state)));
        Ok(Self { endpoint, state, is_open, _running: Arc::new(Running(accepting.abort_handle())) })
    }

    /// Its address, e.g. `http://127.0.0.1:40000`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A client with root credentials that goes through the gateway.
    #[must_use]
    pub fn aws(&self) -> Aws {
        Aws::new(&self.endpoint, self.state.credentials.clone())
    }

    /// Refuses every new connection from now on, and ends those that are idle, until [`Gateway::accept_connections`].
    pub fn refuse_connections(&self) {
        self.is_open.send_replace(false);
    }

    /// Accepts connections again.
    pub fn accept_connections(&self) {
        self.is_open.send_replace(true);
    }

    #[allow(clippy::must_use_candidate, reason = "most rules stay for as long as the gateway")]
    /// Adds a rule. It applies to the calls that arrive from now on.
    pub fn add_rule(&self, rule: Rule) -> RuleId {
        self.state.rules().add(rule)
    }

    #[allow(clippy::must_use_candidate, reason = "a rule that is gone already is as good as removed")]
    /// Removes a rule; whether it was there.
    pub fn remove_rule(&self, id: RuleId) -> bool {
        self.state.rules().remove(id)
    }

    /// Removes all rules.
    pub fn clear_rules(&self) {
        self.state.rules().clear();
    }

    /// How many calls a rule has disturbed; 0 after its removal.
    #[must_use]
    pub fn rule_hits(&self, id: RuleId) -> u32 {
        self.state.rules().hits(id)
    }

    /// The calls that have ended, in order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let mut calls = lock(&self.state.calls).clone();
        calls.sort_by_key(|call| call.number);
        calls
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        lock(&self.state.calls).clear();
    }

    /// What is registered with the model of Application Auto Scaling.
    #[must_use]
    pub fn scalable_targets(&self) -> Vec<ScalableTarget> {
        self.state.autoscaling.targets()
    }

    /// Registers or replaces a target without touching its service.
    pub fn put_scalable_target(&self, target: ScalableTarget) {
        self.state.autoscaling.put(target);
    }

    /// The routing controls of ARC.
    #[must_use]
    pub fn routing_controls(&self) -> Vec<RoutingControl> {
        self.state.routing_cluster.controls()
    }

    /// Creates or replaces a routing control.
    pub fn put_routing_control(&self, control: RoutingControl) {
        self.state.routing_cluster.put(control);
    }

    /// The endpoint groups of Global Accelerator.
    #[must_use]
    pub fn endpoint_groups(&self) -> Vec<EndpointGroup> {
        self.state.accelerators.groups()
    }

    /// Creates or replaces an endpoint group, and with it its accelerator.
    pub fn put_endpoint_group(&self, group: EndpointGroup) {
        self.state.accelerators.put(group);
    }

    /// What was sent to X-Ray, in order.
    #[must_use]
    pub fn trace_segments(&self) -> Vec<TraceSegment> {
        self.state.xray.segments()
    }
}
