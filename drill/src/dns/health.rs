//! Health checks as `ListHealthChecks` of the API `route53/2013-04-01` answers them, and what looks make of them. Pure but
//! for the one call.
//!
//! The rules are those of the Route 53 Developer Guide, "How Amazon Route 53 determines whether a health check is healthy"
//! (dns-failover-determining-health-of-endpoints.html), and of the API's `HealthCheckConfig`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use form_urlencoded::Serializer;
use roxmltree::Node;

use super::control_plane;
use super::zone::{MOST_PAGES, document, is, normal, texts};
use crate::aws::{Aws, xml_text};
use crate::error::{Error, Result};

/// `RequestInterval` when it is not given, in seconds.
const DEFAULT_REQUEST_INTERVAL_SECONDS: u64 = 30;
/// `FailureThreshold` when it is not given.
const DEFAULT_FAILURE_THRESHOLD: u32 = 3;

/// A health check's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `Id`.
    pub id: String,
    /// `Inverted`: healthy is unhealthy, and the other way round.
    pub inverted: bool,
    /// `Disabled`: it is taken for healthy, or for unhealthy when inverted, and nobody looks.
    pub disabled: bool,
    /// What its health depends on.
    pub kind: Kind,
}

/// What a check's health depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Looks at an endpoint.
    Endpoint(Endpoint),
    /// Other checks.
    Calculated {
        /// `ChildHealthChecks`.
        children: Vec<String>,
        /// `HealthThreshold`: so many of them have to be healthy.
        threshold: usize,
    },
}

/// An endpoint that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `FullyQualifiedDomainName`: what is looked up when there is no address, and what an HTTP request names as its host.
    pub name: Option<String>,
    /// `IPAddress` and `Port`.
    pub address: Option<SocketAddr>,
    /// `Type`.
    pub protocol: Protocol,
    /// `RequestInterval`: the time between two looks.
    pub interval: Duration,
    /// `FailureThreshold`: so many looks in a row have to pass, or fail, to change the status.
    pub threshold: u32,
}

/// How an endpoint is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `HTTP` or `HTTPS`: an answer with a status of 2xx or 3xx passes.
    Http {
        /// `ResourcePath`.
        path: String,
    },
    /// `TCP`: a connection passes.
    Tcp,
}

/// What came of the looks at one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    passing: bool,
    /// Looks in a row that spoke against it.
    against: u32,
}

impl Default for Progress {
    /// A new check is taken for healthy, or for unhealthy when it is inverted, until there is enough data.
    fn default() -> Self {
        Self { passing: true, against: 0 }
    }
}

impl Progress {
    /// After one more look.
    #[must_use]
    pub fn after(self, passed: bool, threshold: u32) -> Self {
        if passed == self.passing {
            return Self { against: 0, ..self };
        }
        let against = self.against.saturating_add(1);
        if against >= threshold { Self { passing: passed, against: 0 } } else { Self { against, ..self } }
    }
}

/// Whether the check is healthy. What became of a record set's check that was deleted cannot be predicted, says the
/// Developer Guide; here such a check is healthy.
#[must_use]
pub fn is_healthy(
    id: &str,
    checks: &BTreeMap<String, HealthCheck>,
    progress: &dyn Fn(&str) -> Option<Progress>,
) -> bool {
    let Some(check) = checks.get(id) else { return true };
    let passing = check.disabled
        || match &check.kind {
            Kind::Endpoint(_) => progress(id).unwrap_or_default().passing,
            Kind::Calculated { children, threshold } => {
                // A calculated check cannot have calculated children (`checked`), so this ends.
                children.iter().filter(|child| is_healthy(child, checks, progress)).count() >= *threshold
            }
        };
    passing != check.inverted
}

/// All health checks of the account, by id.
///
/// # Errors
/// [`Error::Aws`] when the call fails, [`Error::Unexpected`] when a check is of a kind that is not known here.
pub async fn read(aws: &Aws) -> Result<BTreeMap<String, HealthCheck>> {
    let mut checks = BTreeMap::new();
    let mut query = String::new();
    for _ in 0..MOST_PAGES {
        let xml = control_plane::get(aws, &format!("healthcheck?{query}")).await?;
        checks.extend(page(&xml)?.into_iter().map(|check| (check.id.clone(), check)));
        match xml_text(&xml, &["NextMarker"]) {
            Some(marker) => query = Serializer::new(String::new()).append_pair("marker", &marker).finish(),
            None => return checked(checks),
        }
    }
    Err(Error::Unexpected(format!("there are more than {MOST_PAGES} pages of health checks")))
}

fn page(xml: &str) -> Result<Vec<HealthCheck>> {
    document(xml)?.descendants().filter(|node| is(node, "HealthCheck")).map(health_check).collect()
}

fn health_check(node: Node<'_, '_>) -> Result<HealthCheck> {
    let text = |name: &str| texts(node, name).next();
    let id = text("Id").ok_or_else(|| Error::Unexpected("a health check without an id".to_owned()))?.to_owned();
    let path = || text("ResourcePath").filter(|path| !path.is_empty()).unwrap_or("/").to_owned();
    let kind = match text("Type").unwrap_or_default() {
        "HTTP" => Kind::Endpoint(endpoint(&id, node, Protocol::Http { path: path() }, 80)?),
        "HTTPS" => Kind::Endpoint(endpoint(&id, node, Protocol::Http { path: path() }, 443)?),
        "TCP" => Kind::Endpoint(endpoint(&id, node, Protocol::Tcp, 443)?),
        "CALCULATED" => Kind::Calculated {
            children: texts(node, "ChildHealthCheck").map(str::to_owned).collect(),
            threshold: parsed(&id, node, "HealthThreshold")?.unwrap_or(0),
        },
        other => return Err(Error::Unexpected(format!("the health check {id} has the type {other}, unknown here"))),
    };
    let inverted = parsed(&id, node, "Inverted")?.unwrap_or(false);
    let disabled = parsed(&id, node, "Disabled")?.unwrap_or(false);
    Ok(HealthCheck { id, inverted, disabled, kind })
}

fn endpoint(id: &str, node: Node<'_, '_>, protocol: Protocol, default_port: u16) -> Result<Endpoint> {
    let text = |name: &str| texts(node, name).next();
    let port = parsed(id, node, "Port")?.unwrap_or(default_port);
    let address = parsed::<IpAddr>(id, node, "IPAddress")?.map(|ip| SocketAddr::new(ip, port));
    let name = text("FullyQualifiedDomainName").map(normal);
    if name.is_none() && address.is_none() {
        return Err(Error::Unexpected(format!("the health check {id} has neither a domain name nor an address")));
    }
    let seconds = parsed(id, node, "RequestInterval")?.unwrap_or(DEFAULT_REQUEST_INTERVAL_SECONDS);
    let threshold = parsed(id, node, "FailureThreshold")?.unwrap_or(DEFAULT_FAILURE_THRESHOLD);
    Ok(Endpoint { name, address, protocol, interval: Duration::from_secs(seconds.max(1)), threshold })
}

/// What the element says; none when there is no such element.
fn parsed<T: FromStr>(id: &str, node: Node<'_, '_>, name: &str) -> Result<Option<T>> {
    let Some(text) = texts(node, name).next() else { return Ok(None) };
    let value =
        text.parse().map_err(|_invalid| Error::Unexpected(format!("the health check {id} has the {name} {text}")));
    value.map(Some)
}

/// Children have to be there, and none is calculated itself (HealthCheckConfig, `ChildHealthChecks`).
fn checked(checks: BTreeMap<String, HealthCheck>) -> Result<BTreeMap<String, HealthCheck>> {
    for (id, check) in &checks {
        let Kind::Calculated { children, .. } = &check.kind else { continue };
        for child in children {
            let problem = match checks.get(child).map(|child| &child.kind) {
                Some(Kind::Endpoint(_)) => continue,
                Some(Kind::Calculated { .. }) => "is calculated itself",
                None => "is not there",
            };
            return Err(Error::Unexpected(format!("the health check {id} has the child \"{child}\", which {problem}")));
        }
    }
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(progress: Progress, looks: &[bool]) -> Progress {
        looks.iter().fold(progress, |progress, passed| progress.after(*passed, 3))
    }

    fn passing(looks: &[bool]) -> bool {
        after(Progress::default(), looks).passing
    }

    #[test]
    fn a_status_changes_after_as_many_looks_in_a_row_as_the_threshold_says_and_not_sooner() {
        assert!(passing(&[]), "a new check");
        assert!(passing(&[false, false]));
        assert!(!passing(&[false, false, false]));
        assert!(passing(&[false, false, true, false, false]), "not in a row");
        assert!(!passing(&[false, false, false, true, true]));
        assert!(passing(&[false, false, false, true, true, true]));
        assert!(!passing(&[false, false, false, true, true, false, true, true]));
    }

    #[test]
    fn a_threshold_of_one_follows_every_look() {
        let failed = Progress::default().after(false, 1);
        assert!(!failed.passing);
        assert!(failed.after(true, 1).passing);
    }

    fn element(id: &str, config: &str) -> String {
        format!(
            "<HealthCheck><Id>{id}</Id><CallerReference>r</CallerReference><HealthCheckVersion>1</HealthCheckVersion>\
             <HealthCheckConfig>{config}</HealthCheckConfig></HealthCheck>"
        )
    }

    fn read(elements: &[String]) -> Result<BTreeMap<String, HealthCheck>> {
        let checks = page(&format!("<R><HealthChecks>{}</HealthChecks></R>", elements.concat()))?;
        checked(checks.into_iter().map(|check| (check.id.clone(), check)).collect())
    }

    const HTTPS: &str = "<Type>HTTPS</Type><Port>443</Port><FullyQualifiedDomainName>API.example.net.\
                         </FullyQualifiedDomainName><ResourcePath>/health</ResourcePath>\
                         <RequestInterval>10</RequestInterval><FailureThreshold>2</FailureThreshold>";

    fn calculated(threshold: usize, children: &[&str]) -> String {
        let children: Vec<String> =
            children.iter().map(|child| format!("<ChildHealthCheck>{child}</ChildHealthCheck>")).collect();
        format!(
            "<Type>CALCULATED</Type><HealthThreshold>{threshold}</HealthThreshold>\
             <ChildHealthChecks>{}</ChildHealthChecks>",
            children.concat()
        )
    }

    #[test]
    fn an_endpoints_check_is_read_with_everything_that_a_look_needs() {
        let checks = read(&[element("h-1", HTTPS)]).unwrap();
        let endpoint = Endpoint {
            name: Some("api.example.net".to_owned()),
            address: None,
            protocol: Protocol::Http { path: "/health".to_owned() },
            interval: Duration::from_secs(10),
            threshold: 2,
        };
        let kind = Kind::Endpoint(endpoint);
        assert_eq!(checks["h-1"], HealthCheck { id: "h-1".to_owned(), inverted: false, disabled: false, kind });
    }

    #[test]
    fn what_is_not_given_is_what_the_api_says() {
        let tcp = "<IPAddress>127.0.0.1</IPAddress><Port>5432</Port><Type>TCP</Type>";
        let checks = read(&[element("h-1", tcp)]).unwrap();
        let endpoint = Endpoint {
            name: None,
            address: Some(SocketAddr::from(([127, 0, 0, 1], 5432))),
            protocol: Protocol::Tcp,
            interval: Duration::from_secs(30),
            threshold: 3,
        };
        assert_eq!(checks["h-1"].kind, Kind::Endpoint(endpoint));
    }

    #[test]
    fn checks_that_cannot_be_modelled_are_refused() {
        let name = "<FullyQualifiedDomainName>a.example.net</FullyQualifiedDomainName>";
        for (config, expected) in [
            (format!("<Type>CLOUDWATCH_METRIC</Type>{name}"), "has the type CLOUDWATCH_METRIC"),
            (format!("<Type>HTTPS_STR_MATCH</Type>{name}"), "has the type HTTPS_STR_MATCH"),
            ("<Type>HTTPS</Type>".to_owned(), "has neither a domain name nor an address"),
            (
                format!("<Type>HTTPS</Type>{name}<RequestInterval>soon</RequestInterval>"),
                "has the RequestInterval soon",
            ),
            (format!("{HTTPS}<Inverted>True</Inverted>"), "has the Inverted True"),
            (calculated(1, &["h-2"]), "has the child \"h-2\", which is not there"),
            (calculated(1, &[""]), "has the child \"\", which is not there"),
        ] {
            let error = read(&[element("h-1", &config)]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = read(&[element("h-1", &calculated(0, &[])), element("h-2", &calculated(1, &["h-1"]))]).unwrap_err();
        assert!(error.to_string().contains("the child \"h-1\", which is calculated itself"), "{error}");
    }

    /// Whether "c" is healthy while the checks in `failing` fail.
    fn healthy(elements: &[String], failing: &[&str]) -> bool {
        let checks = read(elements).unwrap();
        let failed = Progress { passing: false, against: 0 };
        is_healthy("c", &checks, &|id| failing.contains(&id).then_some(failed))
    }

    #[test]
    fn an_inverted_check_is_unhealthy_until_its_endpoint_fails() {
        let inverted = [element("c", &format!("{HTTPS}<Inverted>true</Inverted>"))];
        assert!(!healthy(&inverted, &[]), "also while there is not enough data");
        assert!(healthy(&inverted, &["c"]));
        let plain = [element("c", &format!("{HTTPS}<Inverted>false</Inverted>"))];
        assert!(healthy(&plain, &[]));
        assert!(!healthy(&plain, &["c"]));
    }

    #[test]
    fn a_disabled_check_is_healthy_and_an_inverted_one_unhealthy_whatever_its_endpoint_does() {
        let disabled = format!("{HTTPS}<Disabled>true</Disabled>");
        assert!(healthy(&[element("c", &disabled)], &["c"]));
        assert!(!healthy(&[element("c", &format!("{disabled}<Inverted>true</Inverted>"))], &["c"]));
    }

    #[test]
    fn a_calculated_check_is_healthy_while_enough_of_its_children_are() {
        let elements = |threshold: usize, more: &str| {
            let config = format!("{}{more}", calculated(threshold, &["a", "b"]));
            [element("a", HTTPS), element("b", &format!("{HTTPS}<Inverted>true</Inverted>")), element("c", &config)]
        };
        // "b" is inverted: it is healthy while it fails.
        for (threshold, failing, expected) in [
            (2, &["b"][..], true),
            (2, &[], false),
            (2, &["a", "b"], false),
            (1, &[], true),
            (1, &["a"], false),
            (0, &["a"], true),
            (3, &["b"], false),
        ] {
            assert_eq!(healthy(&elements(threshold, ""), failing), expected, "{threshold} {failing:?}");
            let inverted = elements(threshold, "<Inverted>true</Inverted>");
            assert_eq!(healthy(&inverted, failing), !expected, "inverted: {threshold} {failing:?}");
        }
    }

    #[test]
    fn a_check_that_is_not_there_takes_no_record_set_away() {
        assert!(healthy(&[element("a", HTTPS)], &["a"]));
    }
}
