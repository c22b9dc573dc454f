//! The looks at the endpoint of one health check.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, header};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, timeout};

use super::health::{Endpoint, Progress, Protocol};

/// An HTTP endpoint has to accept a connection within this time (Developer Guide,
/// dns-failover-determining-health-of-endpoints.html, like the two below).
const HTTP_CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// It has to answer with a status within this time after that.
const HTTP_ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// A TCP endpoint has to accept a connection within this time.
const TCP_CONNECT_LIMIT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = "Amazon-Route53-Health-Check-Service";

/// Looks at one endpoint until it is dropped.
#[derive(Debug)]
pub(super) struct Checker {
    endpoint: Endpoint,
    progress: Arc<Mutex<Progress>>,
    looking: AbortHandle,
}

impl Checker {
    /// Looks for the first time at once. `look` says whether the endpoint passed.
    pub(super) fn start<L, F>(endpoint: Endpoint, look: L) -> Self
    where
        L: Fn() -> F + Send + 'static,
        F: Future<Output = bool> + Send,
    {
        let progress = Arc::new(Mutex::new(Progress::default()));
        let (interval, threshold) = (endpoint.interval, endpoint.threshold);
        let noted = Arc::clone(&progress);
        let looking = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let passed = look().await;
                let mut progress = noted.lock().unwrap_or_else(PoisonError::into_inner);
                *progress = progress.after(passed, threshold);
            }
        });
        Self { endpoint, progress, looking: looking.abort_handle() }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn progress(&self) -> Progress {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// Whether the endpoint passes one look at this address.
pub(super) async fn look(endpoint: &Endpoint, address: SocketAddr) -> bool {
    match &endpoint.protocol {
        Protocol::Tcp => matches!(timeout(TCP_CONNECT_LIMIT, TcpStream::connect(address)).await, Ok(Ok(_connection))),
        Protocol::Http { path } => {
            let Ok(Ok(stream)) = timeout(HTTP_CONNECT_LIMIT, TcpStream::connect(address)).await else { return false };
            let host = endpoint.name.clone().unwrap_or_else(|| address.to_string());
            matches!(timeout(HTTP_ANSWER_LIMIT, status(stream, &host, path)).await, Ok(Some(200..400)))
        }
    }
}

/// The status that the endpoint answers with.
async fn status(stream: TcpStream, host: &str, path: &str) -> Option<u16> {
    let request = Request::get(path).header(header::HOST, host).header(header::USER_AGENT, USER_AGENT);
    let request = request.body(Empty::<Bytes>::new()).ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // Without the connection's half of the work there is no answer; it ends with the request.
    let exchange = async { sender.send_request(request).await.ok().map(|answer| answer.status().as_u16()) };
    tokio::pin!(exchange);
    tokio::select! {
        status = &mut exchange => status,
        _ended = connection => exchange.await,
    }
}
