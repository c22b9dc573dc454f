//! Sends one payment.

use std::net::SocketAddr;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::json;

use super::ledger::Order;
use super::takings::{Answered, Charge, Failure};
use crate::dns::Resolver;

/// Where payments go.
#[derive(Debug)]
pub(super) struct Till {
    resolver: Resolver,
    name: String,
    port: u16,
    path: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// The answer to a payment that was taken.
#[derive(Deserialize)]
struct Receipt {
    transaction_id: String,
    region: String,
    time: String,
    repeated: bool,
}

impl Till {
    pub(super) fn new(resolver: Resolver, name: &str, port: u16, path: &str) -> Self {
        // A connection that is kept would lead past DNS.
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { resolver, name: name.to_owned(), port, path: path.to_owned(), http }
    }

    pub(super) async fn pay(&self, order: &Order) -> Result<Answered, Failure> {
        let address = self.resolver.address(&self.name).await.map_err(|_unresolved| Failure::Unresolved)?;
        let uri = format!("http://{}{}", SocketAddr::from((address, self.port)), self.path);
        let body = json!({ "transaction_id": order.transaction_id, "amount": order.amount }).to_string();
        let request = Request::post(uri)
            .header(header::HOST, &self.name)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_no_request| Failure::Unresolved)?;
        let failed = |error: hyper_util::client::legacy::Error| {
            if error.is_connect() { Failure::Refused } else { Failure::Broken }
        };
        let response = self.http.request(request).await.map_err(failed)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|_broken| Failure::Broken)?;
        if status != StatusCode::OK {
            return Err(Failure::Status(status.as_u16()));
        }
        let receipt: Receipt = serde_json::from_slice(&body.to_bytes()).map_err(|_other| Failure::Unreadable)?;
        if receipt.transaction_id != order.transaction_id {
            return Err(Failure::Unreadable);
        }
        let charge = Charge { region: receipt.region, time: receipt.time };
        Ok(Answered { charge, repeated: receipt.repeated })
    }
}
