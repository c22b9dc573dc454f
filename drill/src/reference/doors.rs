//! Front doors: where the names lead that AWS gives to load balancers, APIs, buckets and accelerators.
//!
//! Each name has an address of its own on loopback, all with one port, and behind it an HTTP proxy to what the emulator
//! serves under a path. A lost Region's doors hang up. TLS is left out: what is HTTPS on port 443 in AWS is HTTP on the
//! doors' port here.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::header::{HOST, HeaderName};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::application::Application;
use super::dials::{Dialled, choose};
use crate::aws::Aws;
use crate::dns::Outside;
use crate::error::{Error, Result};
use crate::gateway::Gateway;
use crate::http_server::{Answer, HangUp, serve};
use crate::lock::lock;
use crate::moment::Moment;

/// How long what is behind a door may take; a payment function gives up after 30 s at the latest.
const ANSWER_LIMIT: Duration = Duration::from_secs(35);
/// The largest request that is let in, in bytes; payments have a few hundred.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// A port that is free at one of the addresses may be taken at another; then another one is tried.
const PORT_ATTEMPTS: u32 = 20;
/// The doors' addresses are 127.88.0.1 and on: loopback, but nobody's usual choice.
const NETWORK: [u8; 3] = [127, 88, 0];
/// Headers that are about one connection, not about the request.
const HOP_BY_HOP: [&str; 4] = ["connection", "host", "keep-alive", "transfer-encoding"];

/// What stands behind a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behind {
    /// What the emulator serves under this path.
    Path(String),
    /// What the emulator serves by this name of a load balancer.
    LoadBalancer(String),
    /// The application that the drill plays.
    Application(Application),
    /// Other doors, by name: an accelerator's endpoint groups, with their ARNs.
    Groups(Vec<(String, String)>),
}

/// A door that is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plate {
    /// The DNS name, in lower case and without a dot at its end.
    pub name: String,
    /// The Region with which it is lost; none for what stands in no Region.
    pub region: Option<String>,
    /// What is behind it.
    pub behind: Behind,
}

/// The doors. They are shut when dropped.
#[derive(Debug)]
pub struct Doors {
    port: u16,
    house: Arc<House>,
    accepting: Vec<AbortHandle>,
}

#[derive(Debug)]
struct House {
    doors: BTreeMap<String, (Ipv4Addr, Plate)>,
    lost: Mutex<BTreeMap<String, Moment>>,
    /// To which Region accelerators sent their clients, each time that it was another one.
    routed: Mutex<Vec<(Moment, String)>>,
    /// The emulator, without a slash at its end.
    emulator: String,
    aws: Aws,
    gateway: Gateway,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Doors {
    /// Opens them.
    ///
    /// # Errors
    /// [`Error::Io`] when no port is free at all of their addresses.
    pub async fn open(emulator: &str, aws: Aws, gateway: Gateway, plates: Vec<Plate>) -> Result<Self> {
        let doors: BTreeMap<String, (Ipv4Addr, Plate)> = plates
            .into_iter()
            .zip(1..)
            .map(|(plate, number)| {
                let [first, second, third] = NETWORK;
                (plate.name.clone(), (Ipv4Addr::new(first, second, third, number), plate))
            })
            .collect();
        let addresses: Vec<Ipv4Addr> = doors.values().map(|(address, _)| *address).collect();
        let (port, listeners) = listen(&addresses).await?;
        let house = Arc::new(House {
            doors,
            lost: Mutex::new(BTreeMap::new()),
            routed: Mutex::new(Vec::new()),
            emulator: emulator.to_owned(),
            aws,
            gateway,
            http: Client::builder(TokioExecutor::new()).build_http(),
        });
        let names = house.doors.keys().cloned().collect::<Vec<_>>();
        let accepting = names
            .into_iter()
            .zip(listeners)
            .map(|(name, listener)| {
                let house = Arc::clone(&house);
                serve(listener, move |request| Arc::clone(&house).answer(name.clone(), request))
            })
            .collect();
        Ok(Self { port, house, accepting })
    }

    /// The port of all of them.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL behind a door, for those who do not ask the drill's DNS.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when there is no such door.
    pub fn url(&self, name: &str, path: &str) -> Result<String> {
        let address = self.outside().address(name);
        let address = address.ok_or_else(|| Error::Unexpected(format!("there is no front door for {name}")))?;
        Ok(format!("http://{address}:{}{path}", self.port))
    }

    /// What DNS has to know of them.
    #[must_use]
    pub fn outside(&self) -> Arc<dyn Outside> {
        Arc::clone(&self.house) as Arc<dyn Outside>
    }

    /// The Region of the door at an address.
    #[must_use]
    pub fn region_at(&self, address: Ipv4Addr) -> Option<&str> {
        let door = self.house.doors.values().find(|(own, _)| *own == address);
        door.and_then(|(_, plate)| plate.region.as_deref())
    }

    /// To which Region accelerators sent their clients, each time that it was another one.
    #[must_use]
    pub fn routed(&self) -> Vec<(Moment, String)> {
        self.house.routed().clone()
    }

    /// Loses a Region.
    pub fn lose(&self, region: &str) {
        self.house.lost().insert(region.to_owned(), Moment::now());
    }

    /// Brings it back.
    pub fn restore(&self, region: &str) {
        self.house.lost().remove(region);
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        for accepting in &self.accepting {
            accepting.abort();
        }
    }
}

impl Outside for House {
    fn address(&self, name: &str) -> Option<Ipv4Addr> {
        self.doors.get(name).map(|(address, _)| *address)
    }

    /// What Route 53 knows of a load balancer's targets. A lost Region says nothing new of its own, so what was healthy
    /// stays so: the slower case, in which names move only when the orchestrator moves them.
    fn is_healthy(&self, name: &str) -> bool {
        self.address(name).is_some()
    }
}

impl House {
    fn lost(&self) -> MutexGuard<'_, BTreeMap<String, Moment>> {
        lock(&self.lost)
    }

    fn is_lost(&self, region: Option<&str>) -> bool {
        region.is_some_and(|region| self.lost().contains_key(region))
    }

    fn routed(&self) -> MutexGuard<'_, Vec<(Moment, String)>> {
        lock(&self.routed)
    }

    fn note_route(&self, plate: &Plate) {
        let region = plate.region.clone().unwrap_or_default();
        let mut routed = self.routed();
        if routed.last().is_none_or(|(_, last)| *last != region) {
            routed.push((Moment::now(), region));
        }
    }

    async fn answer(self: Arc<Self>, name: String, request: Request<Incoming>) -> Answer {
        let Some((_, plate)) = self.doors.get(&name) else { return Err(HangUp) };
        let plate = match &plate.behind {
            Behind::Groups(groups) => {
                let group = self.group(groups).ok_or(HangUp)?;
                self.note_route(group);
                group
            }
            Behind::Path(_) | Behind::LoadBalancer(_) | Behind::Application(_) => plate,
        };
        if self.is_lost(plate.region.as_deref()) {
            return Err(HangUp);
        }
        let answer = match &plate.behind {
            Behind::Path(prefix) => self.forward(prefix, None, request).await,
            Behind::LoadBalancer(name) => self.forward("", Some(name), request).await,
            Behind::Application(application) => self.ask(application, request).await,
            Behind::Groups(_) => return Err(HangUp),
        };
        // The Region may have been lost while it was working on the answer; then nobody gets that.
        if self.is_lost(plate.region.as_deref()) { Err(HangUp) } else { Ok(answer.unwrap_or_else(bad_gateway)) }
    }

    /// The door to which an accelerator sends its clients now.
    fn group(&self, groups: &[(String, String)]) -> Option<&Plate> {
        let dials = self.gateway.endpoint_groups();
        let (lost, now) = (self.lost().clone(), Moment::now());
        let each: Vec<Dialled> = groups
            .iter()
            .map(|(name, arn)| {
                let region = self.doors.get(name).and_then(|(_, plate)| plate.region.clone()).unwrap_or_default();
                let dial = dials.iter().find(|group| group.arn == *arn).map_or(0.0, |group| group.dial);
                Dialled { name: name.clone(), dial, lost_for: lost.get(&region).map(|since| now.since(*since)) }
            })
            .collect();
        self.doors.get(choose(&each)?).map(|(_, plate)| plate)
    }

    async fn forward(
        &self,
        prefix: &str,
        host: Option<&str>,
        request: Request<Incoming>,
    ) -> Option<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.ok()?.to_bytes();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut forwarded = Request::builder().method(parts.method).uri(format!("{}{prefix}{path}", self.emulator));
        for (name, value) in parts.headers.iter().filter(|(name, _)| is_end_to_end(name)) {
            forwarded = forwarded.header(name, value);
        }
        if let Some(host) = host {
            forwarded = forwarded.header(HOST, host);
        }
        let forwarded = forwarded.body(Full::new(body)).ok()?;
        let answered = tokio::time::timeout(ANSWER_LIMIT, self.http.request(forwarded)).await.ok()?.ok()?;
        let (mut parts, body) = answered.into_parts();
        parts.headers.remove(http::header::TRANSFER_ENCODING);
        let body = tokio::time::timeout(ANSWER_LIMIT, body.collect()).await.ok()?.ok()?.to_bytes();
        Some(Response::from_parts(parts, Full::new(body)))
    }

    /// What the drill's own application answers.
    async fn ask(&self, application: &Application, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.ok()?.to_bytes();
        let answered = application.answer(&self.aws, &parts.method, parts.uri.path(), &body);
        tokio::time::timeout(ANSWER_LIMIT, answered).await.ok()
    }
}

fn is_end_to_end(name: &HeaderName) -> bool {
    !HOP_BY_HOP.contains(&name.as_str())
}

fn bad_gateway() -> Response<Full<Bytes>> {
    let mut response =
        Response::new(Full::new(Bytes::from_static(b"{\"message\":\"nothing answers behind the door\"}")));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// Listeners at all of the addresses, with one port.
async fn listen(addresses: &[Ipv4Addr]) -> Result<(u16, Vec<TcpListener>)> {
    let mut last = std::io::Error::other("there are no doors");
    for _attempt in 0..PORT_ATTEMPTS {
        match listen_at_one_port(addresses).await {
            Ok(listening) => return Ok(listening),
            Err(error) => last = error,
        }
    }
    Err(Error::io("opening the front doors")(last))
}

async fn listen_at_one_port(addresses: &[Ipv4Addr]) -> std::io::Result<(u16, Vec<TcpListener>)> {
    let (mut port, mut listeners) = (0, Vec::new());
    for address in addresses {
        let listener = TcpListener::bind(SocketAddr::from((*address, port))).await?;
        port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok((port, listeners))
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;

    use super::*;
    use crate::aws::Credentials;
    use crate::endpoints::Endpoint;
    use crate::gateway::{EndpointGroup, GatewayOptions};

    const FIRST: &str = "first.elb.amazonaws.com";
    const SECOND: &str = "second.elb.amazonaws.com";
    const ACCELERATOR: &str = "a1.awsglobalaccelerator.com";

    fn plate(name: &str, region: Option<&str>, behind: Behind) -> Plate {
        Plate { name: name.to_owned(), region: region.map(str::to_owned), behind }
    }

    /// Doors to an endpoint that answers `/health`, and a gateway that knows an endpoint group in each Region.
    async fn doors(endpoint: &Endpoint) -> Doors {
        let key = "test".to_owned();
        let credentials = Credentials { access_key_id: key.clone(), secret_access_key: key, session_token: None };
        let (upstream, account_id) = (endpoint.address(), "123456789012".to_owned());
        let gateway =
            Gateway::start(GatewayOptions { upstream, credentials: credentials.clone(), account_id, seed: 1 }).unwrap();
        for (region, dial) in [("us-east-1", 100.0), ("us-east-2", 0.0)] {
            gateway.put_endpoint_group(EndpointGroup { arn: region.to_owned(), region: region.to_owned(), dial });
        }
        let groups = [(FIRST, "us-east-1"), (SECOND, "us-east-2")].map(|(name, arn)| (name.to_owned(), arn.to_owned()));
        let plates = vec![
            plate(FIRST, Some("us-east-1"), Behind::LoadBalancer(FIRST.to_owned())),
            plate(SECOND, Some("us-east-2"), Behind::Path(String::new())),
            plate(ACCELERATOR, None, Behind::Groups(groups.to_vec())),
        ];
        let emulator = format!("http://{upstream}");
        Doors::open(&emulator, Aws::new(&emulator, credentials), gateway, plates).await.unwrap()
    }

    async fn status(doors: &Doors, name: &str, path: &str) -> Option<u16> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let url = doors.url(name, path).unwrap().parse().unwrap();
        client.get(url).await.ok().map(|response| response.status().as_u16())
    }

    #[tokio::test]
    async fn each_name_has_an_address_of_its_own_and_leads_to_what_is_behind_it() {
        let endpoint = Endpoint::start("us-east-1").await.unwrap();
        let doors = doors(&endpoint).await;
        for (name, region) in [(FIRST, Some("us-east-1")), (SECOND, Some("us-east-2")), (ACCELERATOR, None)] {
            let address = doors.outside().address(name).unwrap();
            assert_eq!(doors.region_at(address), region, "{name}");
            assert_eq!(status(&doors, name, "/health").await, Some(200), "{name}");
            assert_eq!(status(&doors, name, "/elsewhere").await, Some(404), "{name}");
        }
        assert!(doors.outside().address("unknown.example.com").is_none());
        assert!(doors.url("unknown.example.com", "/health").is_err());
    }

    #[tokio::test]
    async fn a_lost_regions_doors_hang_up_until_it_is_back_and_the_others_answer() {
        let endpoint = Endpoint::start("us-east-1").await.unwrap();
        let doors = doors(&endpoint).await;
        doors.lose("us-east-1");
        assert_eq!(status(&doors, FIRST, "/health").await, None);
        assert_eq!(status(&doors, SECOND, "/health").await, Some(200));
        doors.restore("us-east-1");
        assert_eq!(status(&doors, FIRST, "/health").await, Some(200));
    }

    #[tokio::test]
    async fn an_accelerator_sends_its_clients_where_the_dials_say_and_it_is_on_record_when_that_changed() {
        let endpoint = Endpoint::start("us-east-1").await.unwrap();
        let doors = doors(&endpoint).await;
        assert_eq!(status(&doors, ACCELERATOR, "/health").await, Some(200));
        doors.lose("us-east-1");
        assert_eq!(status(&doors, ACCELERATOR, "/health").await, None, "its checks have not failed yet");
        for (region, dial) in [("us-east-1", 0.0), ("us-east-2", 100.0)] {
            let group = EndpointGroup { arn: region.to_owned(), region: region.to_owned(), dial };
            doors.house.gateway.put_endpoint_group(group);
        }
        assert_eq!(status(&doors, ACCELERATOR, "/health").await, Some(200));
        let routed: Vec<String> = doors.routed().into_iter().map(|(_, region)| region).collect();
        assert_eq!(routed, ["us-east-1", "us-east-2"]);
    }

    #[tokio::test]
    async fn what_nothing_answers_behind_is_a_bad_gateway() {
        let endpoint = Endpoint::start("us-east-1").await.unwrap();
        let doors = doors(&endpoint).await;
        drop(endpoint);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(status(&doors, SECOND, "/health").await, Some(502));
    }
}
