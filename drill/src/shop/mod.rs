//! A client of a workload that takes payments: a shop that sends one again and again, and keeps account of the answers.
//!
//! A payment that was not acknowledged is sent again with its `transaction_id` until it is. While nothing is acknowledged,
//! only new payments are tried, or one old payment at a time when the shop is closed; once something is, the others follow
//! a few at a time. Every request opens a connection of its own, so the next one goes where DNS leads then.

pub mod audit;
mod ledger;
mod payments;
pub mod takings;
mod till;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

pub use audit::{Audit, Stored, audit};
pub use takings::{Acknowledgement, Charge, FailedRequest, Failure, Gap, Payment, Takings};

use crate::dns::Resolver;
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::moment::Moment;
use ledger::{Ledger, Order};
use takings::Answered;
use till::Till;

/// The time between two new payments.
pub const PAYMENT_INTERVAL: Duration = Duration::from_millis(50);
/// How long one request may take, from looking up the name to the whole answer.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(2);

/// Sends one payment; answers with the charge that acknowledges it, or with what went wrong.
type Post = Arc<dyn Fn(Order) -> BoxFuture<'static, Result<Answered, Failure>> + Send + Sync>;

/// A shop. It stops when dropped.
#[derive(Debug)]
pub struct Shop {
    ledger: Arc<Mutex<Ledger>>,
    selling: AbortHandle,
}

impl Shop {
    /// Begins to sell: posts to `http://{name}:{port}{path}`, where `resolver` finds it. Ids and amounts come from `seed`.
    #[must_use]
    pub fn open(resolver: Resolver, name: &str, port: u16, path: &str, seed: u64) -> Self {
        let till = Arc::new(Till::new(resolver, name, port, path));
        Self::posting(
            Arc::new(move |order| {
                let till = Arc::clone(&till);
                Box::pin(async move { till.pay(&order).await })
            }),
            seed,
        )
    }

    fn posting(post: Post, seed: u64) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::new(seed)));
        let selling = tokio::spawn(sell(Arc::clone(&ledger), post)).abort_handle();
        Self { ledger, selling }
    }

    /// Stops new payments and waits until every payment is acknowledged, also those of [`Self::send_again`].
    ///
    /// # Errors
    /// [`Error::TimedOut`] when that takes longer than `limit`; the shop goes on trying.
    pub async fn close(&self, limit: Duration) -> Result<()> {
        self.ledger().close();
        let deadline = Instant::now() + limit;
        while !self.ledger().is_settled() {
            if Instant::now() >= deadline {
                let open = self.ledger().unsettled();
                return Err(Error::TimedOut { what: format!("acknowledging the last {open} payments"), limit });
            }
            tokio::time::sleep(PAYMENT_INTERVAL).await;
        }
        Ok(())
    }

    /// Sends everything that was acknowledged since then once more, with the same ids, and returns how many payments these
    /// are: what a shop does after an unplanned failover to a database that replicates asynchronously. It takes a while;
    /// [`Self::close`] waits for it.
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn send_again(&self, since: Moment) -> usize {
        self.ledger().send_again(since)
    }

    /// The account so far.
    #[must_use]
    pub fn takings(&self) -> Takings {
        self.ledger().takings(Moment::now())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.selling.abort();
    }
}

async fn sell(ledger: Arc<Mutex<Ledger>>, post: Post) {
    // Requests under way end with this task.
    let mut under_way = JoinSet::new();
    let mut ticks = tokio::time::interval(PAYMENT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        while under_way.try_join_next().is_some() {}
        let orders = lock(&ledger).due(Moment::now());
        for order in orders {
            let (ledger, place, answer) = (Arc::clone(&ledger), order.place, post(order));
            under_way.spawn(async move {
                let outcome = tokio::time::timeout(REQUEST_LIMIT, answer).await;
                let outcome = outcome.unwrap_or(Err(Failure::TimedOut));
                lock(&ledger).done(place, outcome, Moment::now());
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use http::{Response, StatusCode};
    use http_body_util::{BodyExt, Full};
    use hyper::body::{Bytes, Incoming};
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::*;
    use crate::dns::testing::{ControlPlane, Names, a_record, until};
    use crate::dns::{Dns, Outside};
    use crate::http_server::{Answer, HangUp, serve};

    const SEED: u64 = 11;
    /// Far longer than any of this takes.
    const LIMIT: Duration = Duration::from_secs(60);

    fn answered(region: &str) -> Answered {
        let charge = Charge { region: region.to_owned(), time: "2026-01-01T00:00:00.000Z".to_owned() };
        Answered { charge, repeated: false }
    }

    /// A shop whose service answers what `outcome` says, at once.
    fn shop(outcome: impl Fn() -> Result<Answered, Failure> + Send + Sync + 'static) -> Shop {
        Shop::posting(
            Arc::new(move |_order| {
                let outcome = outcome();
                Box::pin(async move { outcome })
            }),
            SEED,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_payment_is_sent_every_interval() {
        let shop = shop(|| Ok(answered("us-east-1")));
        tokio::time::sleep(PAYMENT_INTERVAL * 100 + PAYMENT_INTERVAL / 2).await;
        let takings = shop.takings();
        assert_eq!((takings.sent(), takings.acknowledged(), takings.failures.len()), (101, 101, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn missed_ticks_are_not_made_up_in_a_burst() {
        let shop = shop(|| Ok(answered("us-east-1")));
        tokio::time::sleep(PAYMENT_INTERVAL / 2).await;
        tokio::time::advance(PAYMENT_INTERVAL * 100).await;
        tokio::time::sleep(PAYMENT_INTERVAL * 2).await;
        assert!(shop.takings().sent() <= 4, "{}", shop.takings().sent());
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_outage_refused_is_acknowledged_after_it_each_payment_once() {
        let up = Arc::new(AtomicBool::new(false));
        let serving = Arc::clone(&up);
        let shop = shop(
            move || {
                if serving.load(Ordering::SeqCst) { Ok(answered("us-west-2")) } else { Err(Failure::Refused) }
            },
        );
        tokio::time::sleep(PAYMENT_INTERVAL * 200).await;
        let during = shop.takings();
        assert_eq!((during.acknowledged(), during.failures.len()), (0, during.sent()), "each was tried once");
        up.store(true, Ordering::SeqCst);
        shop.close(LIMIT).await.unwrap();
        let after = shop.takings();
        assert_eq!((after.open(), after.failed()), (0, during.failed()));
        assert!(after.payments.iter().all(|payment| payment.answered_again.is_empty()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_never_answers_has_a_bounded_number_of_requests_and_each_ends() {
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&begun);
        let post: Post = Arc::new(move |_order| {
            counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::pending())
        });
        let shop = Shop::posting(post, SEED);
        tokio::time::sleep(REQUEST_LIMIT * 10).await;
        let takings = shop.takings();
        let most = usize::try_from(REQUEST_LIMIT.as_millis() / PAYMENT_INTERVAL.as_millis()).unwrap();
        assert!(begun.load(Ordering::SeqCst) - takings.failures.len() <= most + 1);
        assert_eq!(takings.failed().keys().copied().collect::<Vec<_>>(), [Failure::TimedOut]);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_a_shop_that_is_not_served_takes_no_longer_than_it_may() {
        let shop = shop(|| Err(Failure::Status(503)));
        tokio::time::sleep(PAYMENT_INTERVAL * 10).await;
        let error = shop.close(Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        let sent = shop.takings().sent();
        tokio::time::sleep(PAYMENT_INTERVAL * 10).await;
        assert_eq!(shop.takings().sent(), sent, "a closed shop sells nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_shop_sends_nothing_more() {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let shop = shop(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(answered("us-east-1"))
        });
        tokio::time::sleep(PAYMENT_INTERVAL * 10).await;
        drop(shop);
        let before = sent.load(Ordering::SeqCst);
        tokio::time::sleep(PAYMENT_INTERVAL * 10).await;
        assert_eq!(sent.load(Ordering::SeqCst), before);
    }

    /// A payment service over HTTP, with a store of its own.
    #[derive(Clone)]
    struct Service {
        charges: Arc<Mutex<BTreeMap<String, Stored>>>,
        region: Arc<Mutex<&'static str>>,
        port: u16,
        status: Arc<Mutex<StatusCode>>,
        hosts: Arc<Mutex<BTreeSet<String>>>,
    }

    impl Service {
        async fn start(region: &'static str) -> Self {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let service = Self {
                charges: Arc::default(),
                region: Arc::new(Mutex::new(region)),
                port: listener.local_addr().unwrap().port(),
                status: Arc::new(Mutex::new(StatusCode::OK)),
                hosts: Arc::default(),
            };
            let serving = service.clone();
            // It goes with the test's runtime.
            let _accepting = serve(listener, move |request| serving.clone().answer(request));
            service
        }

        async fn answer(self, request: http::Request<Incoming>) -> Answer {
            assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/payment"));
            let host = request.headers()["host"].to_str().unwrap().to_owned();
            self.hosts.lock().unwrap().insert(host);
            let body = request.into_body().collect().await.map_err(|_half_a_request| HangUp)?.to_bytes();
            let payment: Value = serde_json::from_slice(&body).unwrap();
            let [id, amount] = ["transaction_id", "amount"].map(|name| payment[name].as_str().unwrap().to_owned());
            let status = *self.status.lock().unwrap();
            let mut charges = self.charges.lock().unwrap();
            let repeated = charges.contains_key(&id);
            let charge = charges.entry(id.clone()).or_insert_with(|| Stored {
                transaction_id: id.clone(),
                amount: amount.clone(),
                region: self.region.lock().unwrap().to_string(),
                time: "2026-01-01T00:00:00.000Z".to_owned(),
            });
            let body = json!({
                "transaction_id": id, "amount": charge.amount, "region": charge.region, "time": charge.time,
                "status": "processed", "repeated": repeated,
            });
            let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
            *response.status_mut() = status;
            Ok(response)
        }

        fn stored(&self) -> Vec<Stored> {
            self.charges.lock().unwrap().values().cloned().collect()
        }
    }

    #[tokio::test]
    async fn a_shop_pays_over_http_by_the_services_name_and_every_payment_is_charged_once_although_some_answers_fail() {
        let service = Service::start("us-east-1").await;
        let names: Arc<dyn Outside> = Arc::new(Names::default());
        let control_plane = ControlPlane::start(&a_record("pay.example.com", "127.0.0.1"), "").await;
        let dns = Dns::start(control_plane.aws(), ControlPlane::ZONE_ID, names, 1).await.unwrap();
        let resolver = Resolver::new(dns.address()).unwrap();
        let shop = Shop::open(resolver, "pay.example.com", service.port, "/payment", SEED);
        until("ten acknowledgements", || shop.takings().acknowledged() >= 10).await;
        // It charges, and says that it did not.
        *service.status.lock().unwrap() = StatusCode::SERVICE_UNAVAILABLE;
        until("ten failures", || shop.takings().failures.len() >= 10).await;
        *service.status.lock().unwrap() = StatusCode::OK;
        shop.close(LIMIT).await.unwrap();

        let takings = shop.takings();
        assert_eq!(takings.open(), 0);
        assert_eq!(takings.failed().keys().copied().collect::<Vec<_>>(), [Failure::Status(503)]);
        assert_eq!(audit(&takings, &service.stored()), Audit::default());
        assert_eq!(*service.hosts.lock().unwrap(), BTreeSet::from(["pay.example.com".to_owned()]));
        assert_eq!(takings.first_acknowledgement_by_region().into_keys().collect::<Vec<_>>(), ["us-east-1"]);
    }

    #[tokio::test]
    async fn what_a_lost_store_had_is_charged_anew_when_it_is_sent_again_and_the_rest_is_not() {
        let service = Service::start("us-east-1").await;
        let names: Arc<dyn Outside> = Arc::new(Names::default());
        let control_plane = ControlPlane::start(&a_record("pay.example.com", "127.0.0.1"), "").await;
        let dns = Dns::start(control_plane.aws(), ControlPlane::ZONE_ID, names, 1).await.unwrap();
        let resolver = Resolver::new(dns.address()).unwrap();
        let opened = Moment::now();
        let shop = Shop::open(resolver, "pay.example.com", service.port, "/payment", SEED);
        until("ten acknowledgements", || shop.takings().acknowledged() >= 10).await;
        shop.close(LIMIT).await.unwrap();
        let all = service.stored();
        service.charges.lock().unwrap().remove(&all[0].transaction_id);
        let lost = vec![all[0].transaction_id.clone()];
        assert_eq!(audit(&shop.takings(), &service.stored()), Audit { lost: lost.clone(), ..Audit::default() });

        *service.region.lock().unwrap() = "us-west-2";
        assert_eq!(shop.send_again(opened), all.len());
        shop.close(LIMIT).await.unwrap();
        let takings = shop.takings();
        assert!(takings.payments.iter().all(|payment| payment.answered_again.len() == 1));
        let repeated = takings.payments.iter().filter(|payment| payment.answered_again[0].repeated).count();
        assert_eq!(repeated, all.len() - 1);
        assert_eq!(audit(&takings, &service.stored()), Audit { charged_anew: lost, ..Audit::default() });
    }

    #[tokio::test]
    async fn a_name_without_an_address_and_a_port_without_a_listener_are_told_apart() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
        let names: Arc<dyn Outside> = Arc::new(Names::default());
        let control_plane = ControlPlane::start(&a_record("pay.example.com", "127.0.0.1"), "").await;
        let dns = Dns::start(control_plane.aws(), ControlPlane::ZONE_ID, names, 1).await.unwrap();
        for (name, expected) in [("pay.example.com", Failure::Refused), ("elsewhere.example.com", Failure::Unresolved)]
        {
            let resolver = Resolver::new(dns.address()).unwrap();
            let shop = Shop::open(resolver, name, free, "/payment", SEED);
            until("a failure", || !shop.takings().failures.is_empty()).await;
            assert_eq!(shop.takings().failures[0].failure, expected, "{name}");
        }
    }
}
