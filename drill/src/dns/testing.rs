//! What tests put around the server: a control plane that answers two calls, and names outside of the zone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use http_body_util::Full;
use hyper::body::Bytes;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::Outside;
use crate::aws::{Aws, Credentials};
use crate::http_server::serve;

/// A hosted zone and its health checks. It stops when dropped.
pub(crate) struct ControlPlane {
    sets: Arc<Mutex<String>>,
    endpoint: String,
    accepting: AbortHandle,
}

impl ControlPlane {
    pub(crate) const ZONE_ID: &str = "Z1EXAMPLE";

    /// With these `ResourceRecordSet` and `HealthCheck` elements.
    pub(crate) async fn start(sets: &str, checks: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let sets = Arc::new(Mutex::new(sets.to_owned()));
        let (served, checks) = (Arc::clone(&sets), checks.to_owned());
        let accepting = serve(listener, move |request| {
            let elements = match request.uri().path() {
                "/2013-04-01/hostedzone/Z1EXAMPLE/rrset" => served.lock().unwrap().clone(),
                "/2013-04-01/healthcheck" => checks.clone(),
                other => panic!("{other} is not called"),
            };
            let list = format!("<List>{elements}<IsTruncated>false</IsTruncated></List>");
            std::future::ready(Ok(Response::new(Full::new(Bytes::from(list)))))
        });
        Self { sets, endpoint, accepting }
    }

    pub(crate) fn set(&self, sets: &str) {
        sets.clone_into(&mut self.sets.lock().unwrap());
    }

    pub(crate) fn aws(&self) -> Aws {
        let key = || "test".to_owned();
        Aws::new(&self.endpoint, Credentials { access_key_id: key(), secret_access_key: key(), session_token: None })
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Names outside of the zone, with their addresses and whether they are healthy.
#[derive(Default)]
pub(crate) struct Names(pub(crate) Mutex<BTreeMap<&'static str, (Ipv4Addr, bool)>>);

impl Outside for Names {
    fn address(&self, name: &str) -> Option<Ipv4Addr> {
        self.0.lock().unwrap().get(name).map(|(address, _)| *address)
    }

    fn is_healthy(&self, name: &str) -> bool {
        self.0.lock().unwrap().get(name).is_some_and(|(_, healthy)| *healthy)
    }
}

/// A simple record set.
pub(crate) fn a_record(name: &str, address: &str) -> String {
    format!(
        "<ResourceRecordSet><Name>{name}.</Name><Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord>\
         <Value>{address}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
    )
}

/// Waits until something happened, for half a minute at most.
pub(crate) async fn until(what: &str, happened: impl Fn() -> bool) {
    for _ in 0..600 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not happen");
}
