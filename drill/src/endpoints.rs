//! The workload's health endpoints: one HTTP server on loopback for each Region.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::error::{Error, Result};
use crate::http_server::{Answer, HangUp, serve};

/// The path that answers while the workload serves.
const HEALTH_PATH: &str = "/health";
/// How long the drill's own look at an endpoint may take.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// What an endpoint does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Condition {
    /// Answers 200.
    Serving = 0,
    /// Answers 503: something is still there to say that nothing works.
    Unavailable = 1,
    /// Closes the connection without an answer.
    HangingUp = 2,
}

impl Condition {
    fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Serving,
            1 => Self::Unavailable,
            _other => Self::HangingUp,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serving => "answers 200",
            Self::Unavailable => "answers 503",
            Self::HangingUp => "closes every connection without an answer",
        })
    }
}

/// A Region's endpoint. It stops when dropped.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    region: String,
    condition: AtomicU8,
    requests: AtomicU64,
}

impl Endpoint {
    /// Serves `region` on a free port.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot listen.
    pub async fn start(region: &str) -> Result<Self> {
        let doing = || Error::io(format!("starting the endpoint of {region}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(doing())?;
        let address = listener.local_addr().map_err(doing())?;
        let shared = Arc::new(Shared {
            region: region.to_owned(),
            condition: AtomicU8::new(Condition::Serving as u8),
            requests: AtomicU64::new(0),
        });
        let answering = Arc::clone(&shared);
        let accepting = serve(listener, move |request| std::future::ready(answer(&request, &answering)));
        Ok(Self { address, shared, accepting })
    }

    /// The URL that answers while the workload serves.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{HEALTH_PATH}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does with requests now.
    #[must_use]
    pub fn condition(&self) -> Condition {
        Condition::from_byte(self.shared.condition.load(Ordering::SeqCst))
    }

    /// Changes what it does with requests, also on connections that are open.
    pub fn set_condition(&self, condition: Condition) {
        self.shared.condition.store(condition as u8, Ordering::SeqCst);
    }

    /// How many requests reached it.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Whether it answers 200 to a request of the drill's own, as a client would see it.
    pub async fn answers(&self) -> bool {
        let Ok(uri) = self.url().parse::<http::Uri>() else { return false };
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let looked = tokio::time::timeout(LOOK_LIMIT, client.get(uri)).await;
        matches!(looked, Ok(Ok(response)) if response.status().is_success())
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn answer(request: &http::Request<Incoming>, shared: &Shared) -> Answer {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let status = match Condition::from_byte(shared.condition.load(Ordering::SeqCst)) {
        Condition::HangingUp => return Err(HangUp),
        Condition::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Condition::Serving if request.uri().path() == HEALTH_PATH => StatusCode::OK,
        Condition::Serving => StatusCode::NOT_FOUND,
    };
    let body = serde_json::json!({ "region": shared.region, "status": status.as_u16() }).to_string();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_endpoint_answers_until_its_region_is_gone_and_again_when_it_is_back() {
        let endpoint = Endpoint::start("eu-west-1").await.unwrap();
        assert!(endpoint.answers().await);
        for gone in [Condition::Unavailable, Condition::HangingUp] {
            endpoint.set_condition(gone);
            assert!(!endpoint.answers().await, "{gone}");
        }
        endpoint.set_condition(Condition::Serving);
        assert!(endpoint.answers().await);
        assert_eq!(endpoint.requests(), 4);
    }

    #[tokio::test]
    async fn a_dropped_endpoint_no_longer_listens() {
        let endpoint = Endpoint::start("eu-west-1").await.unwrap();
        let address = endpoint.address;
        drop(endpoint);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }
}
