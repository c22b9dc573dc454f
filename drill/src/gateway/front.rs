//! Where callers connect to: a port that can refuse connections for a while, as a host without a listener does.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::process_of::Connection;
use super::{State, proxy};

/// Pause after a connection could not be accepted, which happens when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A port on loopback.
#[derive(Debug)]
pub(super) struct Front {
    address: SocketAddr,
    listener: TcpListener,
    /// Bound and never listening: keeps the port from others while nobody listens on it.
    reserved: TcpSocket,
}

impl Front {
    /// Listens on a free port.
    pub(super) fn open() -> io::Result<Self> {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        Ok(Self { address, listener, reserved: bind(address)? })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves connections while it is open. While it is not, the system refuses them.
    pub(super) async fn serve(self, mut is_open: watch::Receiver<bool>, state: Arc<State>) {
        let Self { address, listener, reserved: _reserved } = self;
        let mut listener = Some(listener);
        loop {
            // The sender is gone with the gateway, and so is this task.
            if is_open.wait_for(|open| *open).await.is_err() {
                return;
            }
            let listening = match listener.take() {
                Some(listener) => Ok(listener),
                None => listen(address),
            };
            match listening {
                Ok(listener) => accept_until_closed(&listener, &is_open, &state).await,
                Err(_no_descriptor) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address)?.listen(BACKLOG)
}

/// Ends with the gateway, too.
async fn closed(is_open: &mut watch::Receiver<bool>) {
    let _closed_or_gone = is_open.wait_for(|open| !*open).await;
}

async fn accept_until_closed(listener: &TcpListener, is_open: &watch::Receiver<bool>, state: &Arc<State>) {
    let mut watched = is_open.clone();
    loop {
        tokio::select! {
            () = closed(&mut watched) => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, caller)) => serve_connection(stream, caller, is_open.clone(), state),
                Err(_no_descriptor) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

fn serve_connection(stream: TcpStream, caller: SocketAddr, mut is_open: watch::Receiver<bool>, state: &Arc<State>) {
    // Without an address it is closed already.
    let Ok(gateway) = stream.local_addr() else { return };
    let connection = Connection { caller, gateway };
    // Small answers must not wait for the acknowledgement of their headers.
    let _without_nodelay = stream.set_nodelay(true);
    let state = Arc::clone(state);
    tokio::spawn(async move {
        let service = service_fn(|request| proxy::handle(Arc::clone(&state), connection, request));
        let mut serving = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            // Ends with an error whenever a rule closes the connection; nobody needs to know.
            _ended = &mut serving => {}
            // A request that is under way gets its answer.
            () = closed(&mut is_open) => {
                serving.as_mut().graceful_shutdown();
                let _ended = serving.await;
            }
        }
    });
}
