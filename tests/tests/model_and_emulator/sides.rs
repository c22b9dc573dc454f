//! The two AWSes: the simulated one in this process, and the drill's local one over HTTP. Both are asked by the SDK
//! clients of the product, at moments of one clock; only what is below the clients differs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep, TokioSleep};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared;
use aws_types::SdkConfig;
use drill::emulator::LocalAws;
use failover::clients::Clients;
use failover::config::{Config, Credentials};
use failover::contract::{Region, Timestamp};
use failover::env::{Env, Random};
use failover::ledger::Record;
use failover::runtime::Toolbox;
use failover::testing;
use failover::testing::wire::Request;
use serde_json::Value;
use simulation::aws::Aws;
use simulation::chance::Chance;

/// How long a call waits for its answer, in real time: a busy machine is no difference.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of the two AWSes.
#[derive(Debug)]
pub(crate) struct Side {
    /// What a function works with.
    pub(crate) tools: Toolbox,
    /// The newest change of records that was accepted, by its id.
    pub(crate) newest_change: Mutex<Option<String>>,
    /// The operations that were granted, by their owners.
    pub(crate) granted: Mutex<BTreeMap<&'static str, Record>>,
    clock: Clock,
    statuses: Arc<Mutex<Vec<u16>>>,
    /// What is called otherwise here than in the simulation: its name there, and here.
    renamed: Vec<(String, String)>,
}

impl Side {
    /// The simulated AWS of a seed.
    pub(crate) fn simulated(seed: u64, began: Timestamp) -> Self {
        let mut aws = Aws::new(seed);
        // Scaling policies would change counts by chance.
        aws.ecs.policies = false;
        aws.advance(began);
        let clock = Clock::at(began, Some(aws));
        Self::new(testing::config(), clock.clone(), seed, clock.into_shared(), Vec::new())
    }

    /// The local AWS behind `endpoint`: the gateway's, or the emulator's own.
    pub(crate) fn local(
        local: &LocalAws,
        endpoint: &str,
        seed: u64,
        began: Timestamp,
        renamed: Vec<(String, String)>,
    ) -> Self {
        let root = local.emulator.credentials();
        let mut config = testing::config();
        config.access.endpoint_url = Some(endpoint.to_owned());
        config.access.credentials = Credentials {
            access_key_id: root.access_key_id,
            secret_access_key: root.secret_access_key,
            session_token: None,
        };
        let network = Clients::new(&config, &Env::system()).http();
        Self::new(config, Clock::at(began, None), seed, network, renamed)
    }

    fn new(config: Config, clock: Clock, seed: u64, http: SharedHttpClient, renamed: Vec<(String, String)>) -> Self {
        let statuses = Arc::new(Mutex::new(Vec::new()));
        let tap = Tap { inner: http, statuses: Arc::clone(&statuses) };
        let dice = || Dice(Mutex::new(Chance::of(seed, "tokens")));
        // Time passes while a function waits; while it is asked for an answer, only the real time does.
        let of_clients = Env::new(clock.clone(), TokioSleep::new(), dice());
        let mut patient = config.clone();
        patient.access.call_timeout = PATIENCE;
        let clients = Clients::with_http_client(&patient, &of_clients, tap.into_shared());
        let tools = Toolbox::new(config, Env::new(clock.clone(), clock.clone(), dice()), clients);
        let (newest_change, granted) = (Mutex::new(None), Mutex::new(BTreeMap::new()));
        Self { tools, newest_change, granted, clock, statuses, renamed }
    }

    /// A configuration of SDK clients that ask once.
    pub(crate) fn config(&self, region: &str) -> SdkConfig {
        self.tools.clients.once(&Region::parse(region).expect("a Region"))
    }

    /// What is called so in the simulation, as it is called here.
    pub(crate) fn own(&self, name: &str) -> String {
        let here = self.renamed.iter().find(|(there, _)| there == name);
        here.map_or_else(|| name.to_owned(), |(_, here)| here.clone())
    }

    /// A text of this side, with the simulation's names.
    pub(crate) fn common(&self, text: &str) -> String {
        self.renamed.iter().fold(text.to_owned(), |text, (there, here)| text.replace(here, there))
    }

    /// A request with the names of this side.
    pub(crate) fn own_request(&self, request: &Value) -> Value {
        let text = self.renamed.iter().fold(request.to_string(), |text, (there, here)| text.replace(there, here));
        serde_json::from_str(&text).expect("as valid as before")
    }

    /// Lets so many seconds pass.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds));
    }

    /// Looks at the simulated AWS, if this is it.
    pub(crate) fn simulation<T>(&self, look: impl FnOnce(&mut Aws) -> T) -> Option<T> {
        self.clock.simulated.as_deref().map(|aws| look(&mut lock(aws)))
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.moment()
    }

    /// The statuses of the answers since the last time.
    pub(crate) fn take_statuses(&self) -> Vec<u16> {
        std::mem::take(&mut *lock(&self.statuses))
    }
}

/// Nothing that is locked here is left half changed by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A clock that is set by hand, and the simulated AWS that lives by it, if there is one.
#[derive(Clone)]
struct Clock {
    /// In milliseconds since the epoch.
    now: Arc<AtomicI64>,
    simulated: Option<Arc<Mutex<Aws>>>,
}

impl Clock {
    fn at(moment: Timestamp, simulated: Option<Aws>) -> Self {
        let now = Arc::new(AtomicI64::new(moment.as_millis()));
        Self { now, simulated: simulated.map(|aws| Arc::new(Mutex::new(aws))) }
    }

    fn moment(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    /// Time passes in steps of a second at most: the simulation looks at the world as it is at their ends.
    fn pass(&self, time: Duration) {
        let mut left = i64::try_from(time.as_millis()).expect("minutes");
        while left > 0 {
            let step = left.min(1_000);
            left -= step;
            let now = Timestamp::from_millis(self.now.fetch_add(step, Ordering::SeqCst) + step);
            if let Some(aws) = &self.simulated {
                lock(aws).advance(now);
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.moment())
    }
}

impl AsyncSleep for Clock {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.clone();
        Sleep::new(async move { clock.pass(duration) })
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.moment().as_millis()).expect("after 1970"))
    }
}

/// Equal tokens on both sides.
#[derive(Debug)]
struct Dice(Mutex<Chance>);

impl Random for Dice {
    fn next(&self) -> u64 {
        lock(&self.0).bits()
    }
}

/// The simulated AWS as the network.
impl HttpConnector for Clock {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = Request::read(&request, Duration::ZERO);
        let aws = self.simulated.as_deref().expect("a simulated AWS");
        let answer = lock(aws).answer(&request, self.moment());
        HttpConnectorFuture::ready(Ok(answer.response(&request)))
    }
}

impl HttpClient for Clock {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}

/// Notes the status of each answer.
#[derive(Clone, Debug)]
struct Tap<Inner> {
    inner: Inner,
    statuses: Arc<Mutex<Vec<u16>>>,
}

impl HttpClient for Tap<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        Tap { inner, statuses: Arc::clone(&self.statuses) }.into_shared()
    }
}

impl HttpConnector for Tap<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answered = self.inner.call(request);
        let statuses = Arc::clone(&self.statuses);
        HttpConnectorFuture::new(async move {
            let answer = answered.await?;
            lock(&statuses).push(answer.status().as_u16());
            Ok(answer)
        })
    }
}
