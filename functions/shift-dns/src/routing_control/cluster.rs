//! The endpoints of an ARC cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_route53recoverycluster::Client;
use aws_sdk_route53recoverycluster::config::Builder;
use aws_sdk_route53recoverycluster::config::timeout::TimeoutConfig;
use failover::aws_call::{CallError, Meaning, Sent};
use failover::clients::CONNECT_TIMEOUT;
use failover::contract::Region;
use failover::runtime::Toolbox;

/// How long one endpoint may take to answer: a whole round of five has to fit into an invocation.
pub(super) const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(2);

/// A cluster's endpoints.
#[derive(Debug)]
pub(super) struct Cluster<'a> {
    tools: &'a Toolbox,
    endpoints: Vec<Endpoint>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// The Region it stands in, which calls to it are signed for.
    pub(super) region: Region,
    /// Sends each request once: the next endpoint is a better retry.
    pub(super) client: Client,
}

impl<'a> Cluster<'a> {
    /// A local AWS has one address for all endpoints; there the Region of the signature tells them apart.
    pub(super) fn new(tools: &'a Toolbox, urls: &BTreeMap<Region, String>) -> Self {
        let local = tools.config.access.endpoint_url.is_some();
        let timeout = ENDPOINT_TIMEOUT.min(tools.config.access.call_timeout);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(timeout)
            .operation_attempt_timeout(timeout)
            .operation_timeout(timeout)
            .build();
        let endpoint = |(region, url): (&Region, &String)| {
            let mut config = Builder::from(&tools.clients.once(region)).timeout_config(timeouts.clone());
            if !local {
                config = config.endpoint_url(url);
            }
            Endpoint { region: region.clone(), client: Client::from_conf(config.build()) }
        };
        Self { tools, endpoints: urls.iter().map(endpoint).collect() }
    }

    /// Each endpoint once, in rotating order from a random start.
    pub(super) fn round(&self) -> impl Iterator<Item = &Endpoint> {
        let count = self.endpoints.len();
        let random = usize::try_from(self.tools.env.random() % (count.max(1) as u64)).unwrap_or(0);
        self.endpoints.iter().cycle().skip(random).take(count)
    }

    /// The endpoint that stands in this Region.
    pub(super) fn endpoint_in(&self, region: &Region) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.region == *region)
    }

    /// Asks one endpoint after the other until one answers, a refusal included; gives its Region with the answer.
    ///
    /// # Errors
    /// A refusal, or that of an endpoint which gave no answer; first of one that may have done what it was asked. After
    /// such a one a refusal is not certain either: what it did may be the reason.
    pub(super) async fn first_answer<T>(
        &self,
        ask: impl AsyncFn(&Endpoint) -> Result<T, CallError>,
    ) -> Result<(Region, T), CallError> {
        let mut silent: Option<CallError> = None;
        for endpoint in self.round() {
            match ask(endpoint).await {
                Ok(answer) => return Ok((endpoint.region.clone(), answer)),
                Err(error) if is_worth_another_endpoint(&error) => {
                    silent = silent.filter(|first| first.sent == Sent::PossiblyApplied).or(Some(error));
                }
                Err(error) => {
                    let sent = silent.map_or(error.sent, |silent| silent.sent.max(error.sent));
                    return Err(CallError { sent, ..error });
                }
            }
        }
        Err(silent.unwrap_or_else(no_endpoint))
    }
}

/// Whether another endpoint may do what this one did not.
fn is_worth_another_endpoint(error: &CallError) -> bool {
    matches!(error.meaning, Meaning::Unavailable | Meaning::Unreachable | Meaning::Throttled)
}

fn no_endpoint() -> CallError {
    CallError {
        service: "route53-recovery-cluster",
        operation: "any",
        code: String::new(),
        message: "the request names no endpoint".to_owned(),
        meaning: Meaning::Invalid,
        sent: Sent::NotSent,
    }
}
