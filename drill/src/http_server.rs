//! HTTP servers on loopback, as the drill's endpoints, front doors and tests need them.

use std::future::Future;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Pause after a connection could not be accepted, which happens when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a request is answered with.
pub(crate) type Answer = Result<Response<Full<Bytes>>, HangUp>;

/// Ends the request's connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the server hangs up")]
pub(crate) struct HangUp;

/// Answers every request that comes in, each connection in a task of its own, until the task that accepts them is
/// aborted.
pub(crate) fn serve<F, A>(listener: TcpListener, answer: F) -> AbortHandle
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let accepting = tokio::spawn(async move {
        loop {
            let Ok((stream, _peer)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let service = service_fn(answer.clone());
            tokio::spawn(async move {
                // A connection's end is the client's business.
                let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    accepting.abort_handle()
}
