//! The server: reads the zone, keeps the checkers looking, and answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record as WireRecord, RecordType as WireType};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use super::Outside;
use super::answer::{Answer, Code, Record, RecordData, RecordType, View};
use super::checker::{Checker, look};
use super::health::{self, Endpoint, HealthCheck, Kind};
use super::zone::{self, RecordSet, normal};
use crate::aws::Aws;
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::moment::Moment;

/// The time between two readings of the zone and its health checks; [`Change`]s are exact to about this.
pub const REFRESH_INTERVAL: Duration = Duration::from_millis(500);
/// No question is longer; it has one name of at most 255 bytes.
const LONGEST_QUESTION: usize = 1024;
/// Pause after the socket could not be read.
const RECEIVE_PAUSE: Duration = Duration::from_millis(50);

/// A DNS server for one hosted zone. It stops when dropped.
#[derive(Debug)]
pub struct Dns {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
}

/// From now on, a name is answered with these addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it was first seen.
    pub at: Moment,
    /// All of them; none when the name has no address.
    pub addresses: Vec<Ipv4Addr>,
}

struct Shared {
    aws: Aws,
    zone_id: String,
    outside: Arc<dyn Outside>,
    /// Where the names outside of the zone are reached.
    port: u16,
    state: Mutex<State>,
    changes: Mutex<BTreeMap<String, Vec<Change>>>,
}

/// What is known at present.
#[derive(Default)]
struct State {
    sets: Vec<RecordSet>,
    checks: BTreeMap<String, HealthCheck>,
    checkers: BTreeMap<String, Checker>,
    problem: Option<String>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("zone_id", &self.zone_id).finish_non_exhaustive()
    }
}

impl Dns {
    /// Reads the zone through `aws`, which had better be the emulator past the gateway: what is answered does not depend
    /// on the control plane that a drill takes away. Names that lead out of the zone are looked at on `port`.
    ///
    /// # Errors
    /// [`Error::Aws`] or [`Error::Unexpected`] when the zone or the health checks cannot be read, [`Error::Io`] when it
    /// cannot listen.
    pub async fn start(aws: Aws, zone_id: &str, outside: Arc<dyn Outside>, port: u16) -> Result<Self> {
        let doing = || Error::io("starting the DNS server");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(doing())?;
        let address = socket.local_addr().map_err(doing())?;
        let shared = Arc::new(Shared {
            aws,
            zone_id: zone_id.to_owned(),
            outside,
            port,
            state: Mutex::default(),
            changes: Mutex::default(),
        });
        shared.refresh().await?;
        let tasks = [tokio::spawn(keep_fresh(Arc::clone(&shared))), tokio::spawn(serve(socket, Arc::clone(&shared)))];
        Ok(Self { address, shared, tasks: tasks.map(|task| task.abort_handle()) })
    }

    /// Where it listens, by UDP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The addresses that a name was answered with, from the start.
    #[must_use]
    pub fn changes(&self, name: &str) -> Vec<Change> {
        self.shared.changes().get(&normal(name)).cloned().unwrap_or_default()
    }

    /// Whether a health check is healthy now; none when there is no such check.
    #[must_use]
    pub fn check_is_healthy(&self, health_check_id: &str) -> Option<bool> {
        let state = self.shared.state();
        state.checks.contains_key(health_check_id).then(|| state.check_is_healthy(health_check_id))
    }

    /// Why the zone or its health checks could not be read the last time; answers are those of the time before.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.shared.state().problem.clone()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.shared.state().checkers.clear();
    }
}

impl Shared {
    async fn refresh(self: &Arc<Self>) -> Result<()> {
        let sets = zone::read(&self.aws, &self.zone_id).await?;
        let checks = health::read(&self.aws).await?;
        {
            let mut state = self.state();
            state.sets = sets;
            state.checks = checks;
            self.adapt_checkers(&mut state);
            state.problem = None;
        }
        self.note_changes();
        Ok(())
    }

    /// A checker for each endpoint, and a new one when what is to be looked at changed.
    fn adapt_checkers(self: &Arc<Self>, state: &mut State) {
        let mut former = std::mem::take(&mut state.checkers);
        for (id, check) in &state.checks {
            let Kind::Endpoint(endpoint) = &check.kind else { continue };
            if check.disabled {
                continue;
            }
            let kept = former.remove(id).filter(|checker| checker.endpoint() == endpoint);
            let checker = kept.unwrap_or_else(|| self.checker(endpoint.clone()));
            state.checkers.insert(id.clone(), checker);
        }
    }

    fn checker(self: &Arc<Self>, endpoint: Endpoint) -> Checker {
        let shared = Arc::downgrade(self);
        Checker::start(endpoint.clone(), move || {
            let address = shared.upgrade().and_then(|shared| shared.address_of(&endpoint));
            let endpoint = endpoint.clone();
            async move {
                match address {
                    Some(address) => look(&endpoint, address).await,
                    None => false,
                }
            }
        })
    }

    /// Where an endpoint is now: its name is looked up before each look.
    fn address_of(&self, endpoint: &Endpoint) -> Option<SocketAddr> {
        endpoint.address.or_else(|| {
            let addresses = self.answer(endpoint.name.as_deref()?, RecordType::A).addresses();
            Some(SocketAddr::from((*addresses.first()?, self.port)))
        })
    }

    fn answer(&self, name: &str, record_type: RecordType) -> Answer {
        let state = self.state();
        let check_is_healthy = |id: &str| state.check_is_healthy(id);
        let view = View {
            zone_id: &self.zone_id,
            sets: &state.sets,
            check_is_healthy: &check_is_healthy,
            outside: self.outside.as_ref(),
        };
        view.answer(name, record_type)
    }

    /// Notes every name of the zone that is answered otherwise than before, also one that is gone.
    fn note_changes(&self) {
        let leads_to_addresses = |set: &&RecordSet| ["A", "CNAME"].contains(&set.record_type.as_str());
        let mut names: BTreeSet<String> =
            self.state().sets.iter().filter(leads_to_addresses).map(|set| set.name.clone()).collect();
        names.extend(self.changes().keys().cloned());
        for name in names {
            let addresses = self.answer(&name, RecordType::A).addresses();
            self.note(name, addresses);
        }
    }

    fn note(&self, name: String, addresses: Vec<Ipv4Addr>) {
        let mut changes = self.changes();
        let noted = changes.entry(name).or_default();
        if noted.last().is_none_or(|last| last.addresses != addresses) {
            noted.push(Change { at: Moment::now(), addresses });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn changes(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Change>>> {
        lock(&self.changes)
    }
}

impl State {
    fn check_is_healthy(&self, id: &str) -> bool {
        health::is_healthy(id, &self.checks, &|id| self.checkers.get(id).map(Checker::progress))
    }
}

async fn keep_fresh(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(REFRESH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = shared.refresh().await {
            // As Route 53's data plane goes on without its control plane; health may still change.
            shared.state().problem = Some(error.to_string());
            shared.note_changes();
        }
    }
}

async fn serve(socket: UdpSocket, shared: Arc<Shared>) {
    let mut buffer = [0; LONGEST_QUESTION];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(RECEIVE_PAUSE).await;
            continue;
        };
        // What is no question is not answered.
        let Ok(question) = Message::from_vec(buffer.get(..length).unwrap_or_default()) else { continue };
        if let Ok(response) = response(&question, &shared).to_vec() {
            // Whether it arrives is the client's business.
            let _sent = socket.send_to(&response, client).await;
        }
    }
}

fn response(question: &Message, shared: &Shared) -> Message {
    let mut response = Message::response(question.metadata.id, question.metadata.op_code);
    response.metadata.recursion_desired = question.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.metadata.response_code = ResponseCode::NotImp;
    response.add_queries(question.queries.iter().cloned());
    let [query] = question.queries.as_slice() else { return response };
    let asked = (question.metadata.message_type, question.metadata.op_code, query.query_class());
    let known =
        [(WireType::A, RecordType::A), (WireType::AAAA, RecordType::Aaaa), (WireType::CNAME, RecordType::Cname)];
    let record_type = known.iter().find(|(wire_type, _)| *wire_type == query.query_type());
    let Some((_, record_type)) = record_type else { return response };
    if asked != (MessageType::Query, OpCode::Query, DNSClass::IN) {
        return response;
    }
    let name = normal(&query.name().to_ascii());
    let answer = shared.answer(&name, *record_type);
    let records: Option<Vec<WireRecord>> = answer.records.iter().map(wire_record).collect();
    response.metadata.response_code = match (&records, answer.code) {
        (None, _) | (_, Code::Failed) => ResponseCode::ServFail,
        (Some(_), Code::NoError) => ResponseCode::NoError,
        (Some(_), Code::NoSuchName) => ResponseCode::NXDomain,
    };
    response.add_answers(records.unwrap_or_default());
    response
}

/// None for a name that cannot be one.
fn wire_record(record: &Record) -> Option<WireRecord> {
    let name = |name: &str| Name::from_ascii(format!("{name}.")).ok();
    let data = match &record.data {
        RecordData::A(address) => RData::A(A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(AAAA(*address)),
        RecordData::Cname(target) => RData::CNAME(CNAME(name(target)?)),
    };
    Some(WireRecord::from_rdata(name(&record.name)?, record.ttl_seconds, data))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::super::testing::{ControlPlane, Names, a_record, until};
    use super::super::{Outside, Resolver};
    use super::*;

    const IRELAND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
    const FRANKFURT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

    fn alias(role: &str, target: &str, rest: &str) -> String {
        format!(
            "<ResourceRecordSet><Name>app.example.com.</Name><Type>A</Type><SetIdentifier>{role}</SetIdentifier>\
             <Failover>{role}</Failover><AliasTarget><HostedZoneId>Z2OTHER</HostedZoneId><DNSName>{target}</DNSName>\
             <EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>{rest}</ResourceRecordSet>"
        )
    }

    fn pair(rest_of_primary: &str) -> String {
        alias("PRIMARY", "lb-ireland.example.net", rest_of_primary)
            + &alias("SECONDARY", "lb-frankfurt.example.net", "")
    }

    fn load_balancers() -> Arc<Names> {
        let names = Names::default();
        names.0.lock().unwrap().insert("lb-ireland.example.net", (IRELAND, true));
        names.0.lock().unwrap().insert("lb-frankfurt.example.net", (FRANKFURT, true));
        Arc::new(names)
    }

    async fn start(control_plane: &ControlPlane, names: &Arc<Names>, port: u16) -> Dns {
        let outside: Arc<dyn Outside> = names.clone();
        Dns::start(control_plane.aws(), ControlPlane::ZONE_ID, outside, port).await.unwrap()
    }

    /// What a client without a cache is answered.
    async fn asked(dns: &Dns, name: &str) -> Result<Ipv4Addr> {
        Resolver::new(dns.address()).unwrap().address(name).await
    }

    fn addresses(dns: &Dns, name: &str) -> Vec<Vec<Ipv4Addr>> {
        dns.changes(name).into_iter().map(|change| change.addresses).collect()
    }

    #[tokio::test]
    async fn the_zones_names_are_answered_over_udp_and_others_are_not() {
        let cname = "<ResourceRecordSet><Name>status.example.com.</Name><Type>CNAME</Type><TTL>300</TTL>\
                     <ResourceRecords><ResourceRecord><Value>lb-ireland.example.net</Value></ResourceRecord>\
                     </ResourceRecords></ResourceRecordSet>";
        let sets = a_record("db.example.com", "192.0.2.10") + &pair("") + cname;
        let control_plane = ControlPlane::start(&sets, "").await;
        let dns = start(&control_plane, &load_balancers(), 1).await;
        assert_eq!(asked(&dns, "db.example.com").await.unwrap(), Ipv4Addr::new(192, 0, 2, 10));
        assert_eq!(asked(&dns, "APP.example.com.").await.unwrap(), IRELAND);
        assert_eq!(asked(&dns, "status.example.com").await.unwrap(), IRELAND);
        assert_eq!(asked(&dns, "lb-frankfurt.example.net").await.unwrap(), FRANKFURT);
        let error = asked(&dns, "elsewhere.example.net").await.unwrap_err();
        assert!(error.to_string().starts_with("looking elsewhere.example.net up: "), "{error}");
    }

    #[tokio::test]
    async fn a_resolver_keeps_an_answer_for_its_ttl_while_the_server_answers_with_another_one() {
        let control_plane = ControlPlane::start(&pair(""), "").await;
        let names = load_balancers();
        let dns = start(&control_plane, &names, 1).await;
        let caching = Resolver::new(dns.address()).unwrap();
        assert_eq!(caching.address("app.example.com").await.unwrap(), IRELAND);
        names.0.lock().unwrap().insert("lb-ireland.example.net", (IRELAND, false));
        assert_eq!(asked(&dns, "app.example.com").await.unwrap(), FRANKFURT);
        assert_eq!(caching.address("app.example.com").await.unwrap(), IRELAND, "its TTL is 60 s");
    }

    #[tokio::test]
    async fn a_resolver_asks_again_when_the_ttl_is_over() {
        let short = a_record("app.example.com", "192.0.2.1").replace("<TTL>60", "<TTL>1");
        let control_plane = ControlPlane::start(&short, "").await;
        let dns = start(&control_plane, &load_balancers(), 1).await;
        let caching = Resolver::new(dns.address()).unwrap();
        assert_eq!(caching.address("app.example.com").await.unwrap(), Ipv4Addr::new(192, 0, 2, 1));
        control_plane.set(&short.replace("192.0.2.1", "192.0.2.2"));
        until("the change", || dns.changes("app.example.com").len() == 2).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(caching.address("app.example.com").await.unwrap(), Ipv4Addr::new(192, 0, 2, 2));
    }

    #[tokio::test]
    async fn a_name_that_was_not_there_is_found_as_soon_as_it_is() {
        let control_plane = ControlPlane::start("", "").await;
        let dns = start(&control_plane, &load_balancers(), 1).await;
        let caching = Resolver::new(dns.address()).unwrap();
        assert!(caching.address("app.example.com").await.is_err());
        control_plane.set(&pair(""));
        until("the record", || dns.changes("app.example.com").len() == 1).await;
        assert_eq!(caching.address("app.example.com").await.unwrap(), IRELAND);
    }

    #[tokio::test]
    async fn every_change_of_a_names_addresses_is_kept_whatever_it_came_from() {
        let control_plane = ControlPlane::start(&pair(""), "").await;
        let names = load_balancers();
        let dns = start(&control_plane, &names, 1).await;
        assert_eq!(addresses(&dns, "App.example.com."), [vec![IRELAND]]);
        names.0.lock().unwrap().insert("lb-ireland.example.net", (IRELAND, false));
        until("the failover", || dns.changes("app.example.com").len() == 2).await;
        control_plane.set("");
        until("the deletion", || dns.changes("app.example.com").len() == 3).await;
        let changes = dns.changes("app.example.com");
        assert!(changes.is_sorted_by_key(|change| change.at), "{changes:?}");
        assert_eq!(addresses(&dns, "app.example.com"), [vec![IRELAND], vec![FRANKFURT], vec![]]);
        assert_eq!(dns.changes("never.example.com"), []);
    }

    #[tokio::test]
    async fn a_zone_that_cannot_be_read_is_answered_as_it_was() {
        let control_plane = ControlPlane::start(&pair(""), "").await;
        let names = load_balancers();
        let dns = start(&control_plane, &names, 1).await;
        control_plane.set("<not xml");
        until("a failed reading", || dns.problem().is_some()).await;
        names.0.lock().unwrap().insert("lb-ireland.example.net", (IRELAND, false));
        assert_eq!(asked(&dns, "app.example.com").await.unwrap(), FRANKFURT);
        until("the change", || dns.changes("app.example.com").len() == 2).await;
    }

    #[tokio::test]
    async fn a_failed_health_check_of_a_name_that_dns_itself_finds_moves_the_record() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let looks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&looks);
        // Healthy once, then not.
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _peer) = listener.accept().await.unwrap();
                let status = if counted.fetch_add(1, Ordering::SeqCst) == 0 { 200 } else { 503 };
                let answer = format!("HTTP/1.1 {status} Status\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let check = "<HealthCheck><Id>h-1</Id><HealthCheckConfig><Type>HTTPS</Type><FullyQualifiedDomainName>\
                     door.example.net</FullyQualifiedDomainName><ResourcePath>/health</ResourcePath><RequestInterval>1\
                     </RequestInterval><FailureThreshold>2</FailureThreshold></HealthCheckConfig></HealthCheck>";
        let control_plane = ControlPlane::start(&pair("<HealthCheckId>h-1</HealthCheckId>"), check).await;
        let names = load_balancers();
        names.0.lock().unwrap().insert("door.example.net", (Ipv4Addr::LOCALHOST, true));
        let dns = start(&control_plane, &names, port).await;
        assert_eq!(dns.check_is_healthy("h-1"), Some(true));
        assert_eq!(dns.check_is_healthy("h-2"), None);
        until("the failover", || dns.changes("app.example.com").len() == 2).await;
        assert_eq!(dns.check_is_healthy("h-1"), Some(false));
        assert_eq!(asked(&dns, "app.example.com").await.unwrap(), FRANKFURT);
        assert!(looks.load(Ordering::SeqCst) >= 3);
        serving.abort();
    }

    #[tokio::test]
    async fn a_dropped_server_answers_no_more() {
        let control_plane = ControlPlane::start(&pair(""), "").await;
        let dns = start(&control_plane, &load_balancers(), 1).await;
        let resolver = Resolver::new(dns.address()).unwrap();
        drop(dns);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(resolver.address("app.example.com").await.is_err());
    }

    #[tokio::test]
    async fn a_zone_that_cannot_be_read_at_first_is_an_error() {
        let control_plane = ControlPlane::start("<not xml", "").await;
        let outside: Arc<dyn Outside> = load_balancers();
        let error = Dns::start(control_plane.aws(), ControlPlane::ZONE_ID, outside, 1).await.unwrap_err();
        assert!(matches!(error, Error::Unexpected(_)), "{error}");
    }
}
