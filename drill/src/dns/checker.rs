//! The looks at the endpoint of one health check.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
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
use crate::lock::lock;

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
                let mut progress = lock(&noted);
                *progress = progress.after(passed, threshold);
            }
        });
        Self { endpoint, progress, looking: looking.abort_handle() }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn progress(&self) -> Progress {
        *lock(&self.progress)
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn endpoint(protocol: Protocol) -> Endpoint {
        let name = Some("api.example.net".to_owned());
        Endpoint { name, address: None, protocol, interval: Duration::from_secs(10), threshold: 3 }
    }

    fn http() -> Endpoint {
        endpoint(Protocol::Http { path: "/health".to_owned() })
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_look_is_at_once_and_the_status_changes_with_the_third_failure_in_a_row() {
        let passes = Arc::new(AtomicBool::new(false));
        let looks = Arc::new(AtomicUsize::new(0));
        let (answer, counted) = (Arc::clone(&passes), Arc::clone(&looks));
        let checker = Checker::start(http(), move || {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(answer.load(Ordering::SeqCst))
        });
        let healthy = Progress::default();
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert_eq!(looks.load(Ordering::SeqCst), 2);
        assert_eq!(checker.progress(), healthy.after(false, 3).after(false, 3));
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(looks.load(Ordering::SeqCst), 3);
        assert_ne!(checker.progress().after(true, 3), healthy, "it changed");
        passes.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(checker.progress(), healthy);
        drop(checker);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(looks.load(Ordering::SeqCst), 6, "a dropped checker looks no more");
    }

    /// Answers one request with `answer` and returns what was asked.
    async fn answering(answer: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _peer) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        (address, asked)
    }

    #[tokio::test]
    async fn an_http_endpoint_passes_with_a_status_of_2xx_or_3xx_and_is_asked_by_its_name() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true),
            ("HTTP/1.1 399 Odd\r\ncontent-length: 0\r\n\r\n", true),
            ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", true),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", false),
            ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", false),
            ("", false),
        ] {
            let (address, asked) = answering(answer).await;
            assert_eq!(look(&http(), address).await, expected, "{answer}");
            let asked = asked.await.unwrap();
            assert!(asked.starts_with("GET /health HTTP/1.1\r\n"), "{asked}");
            assert!(asked.contains("host: api.example.net\r\n"), "{asked}");
        }
    }

    #[tokio::test]
    async fn a_tcp_endpoint_passes_with_a_connection() {
        let (address, _asked) = answering("").await;
        assert!(look(&endpoint(Protocol::Tcp), address).await);
    }

    #[tokio::test]
    async fn nobody_there_fails_and_so_does_an_endpoint_that_accepts_and_says_nothing() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(!look(&http(), address).await);
        drop(listener);
        assert!(!look(&http(), address).await);
        assert!(!look(&endpoint(Protocol::Tcp), address).await);
    }
}
