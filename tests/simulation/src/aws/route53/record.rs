//! Record sets, and how the API writes them.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use roxmltree::Node;

use crate::workload::{HOME, STANDBY};

/// The hosted zones and names of the load balancers in the Regions, and the addresses that answer for them.
const PLACES: [Place; 2] = [
    Place {
        region: HOME,
        load_balancer: ("Z215JYRZR1TBD5", "trading.eu-central-1.elb.amazonaws.com."),
        ipv6: "2001:db8::c",
        ipv4: "192.0.2.12",
    },
    Place {
        region: STANDBY,
        load_balancer: ("Z32O12XQLNTSW2", "trading.eu-west-1.elb.amazonaws.com."),
        ipv6: "2001:db8::1e",
        ipv4: "192.0.2.30",
    },
];
/// How long resolvers keep values, in seconds (F6).
pub(super) const TTL_SECONDS: u32 = 60;

struct Place {
    region: &'static str,
    load_balancer: (&'static str, &'static str),
    ipv6: &'static str,
    ipv4: &'static str,
}

/// One record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// The name, in lower case with a dot at its end.
    pub name: String,
    /// The type.
    pub record_type: String,
    /// Tells the record sets of one name and type apart; none with simple routing.
    pub set_identifier: Option<String>,
    /// What decides whether it is answered.
    pub routing: Routing,
    /// Where it points.
    pub target: Target,
    /// Its health check.
    pub health_check: Option<String>,
}

/// What decides whether a record set is answered, besides its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// Nothing.
    Simple,
    /// It is the primary of a failover pair.
    Primary,
    /// It is the secondary of a failover pair.
    Secondary,
    /// Its weight, 0 to 255.
    Weighted(u8),
}

/// Where a record set points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a load balancer, whose health decides, too.
    Alias {
        /// The hosted zone of the load balancer's name.
        zone: String,
        /// Its name.
        name: String,
        /// Whether its health decides.
        evaluate_health: bool,
    },
    /// To values.
    Values {
        /// How long resolvers keep them, in seconds.
        ttl: u32,
        /// The values.
        values: Vec<String>,
    },
}

impl RecordSet {
    /// A record set with simple routing.
    pub(super) fn simple(name: &str, record_type: &str, value: &str) -> Self {
        Self {
            name: normal(name),
            record_type: record_type.to_owned(),
            set_identifier: None,
            routing: Routing::Simple,
            target: Target::Values { ttl: 300, values: vec![value.to_owned()] },
            health_check: None,
        }
    }

    /// The Region it sends clients to; none for one that sends them elsewhere.
    #[must_use]
    pub fn region(&self) -> Option<&'static str> {
        let place = PLACES.iter().find(|place| match &self.target {
            Target::Alias { name, .. } => name == place.load_balancer.1,
            Target::Values { values, .. } => values.iter().any(|value| value == place.ipv6 || value == place.ipv4),
        });
        place.map(|place| place.region)
    }

    /// What the name servers answer.
    pub(super) fn data(&self) -> Vec<String> {
        match &self.target {
            Target::Alias { name, .. } => {
                let place = PLACES.iter().find(|place| place.load_balancer.1 == name);
                vec![place.map_or_else(|| name.clone(), |place| place.ipv4.to_owned())]
            }
            Target::Values { values, .. } => values.clone(),
        }
    }

    /// In the order of a listing: by the labels from the end, the type, the identifier.
    pub(super) fn key(&self) -> (String, &str, &str) {
        (reversed(&self.name), &self.record_type, self.set_identifier.as_deref().unwrap_or_default())
    }

    pub(super) fn is_of(&self, name: &str, record_type: &str) -> bool {
        self.name == name && self.record_type == record_type
    }

    /// Its name, type and identifier, as messages have them.
    pub(super) fn title(&self) -> String {
        let identifier =
            self.set_identifier.as_ref().map_or(String::new(), |identifier| format!(", set identifier='{identifier}'"));
        format!("[name='{}', type='{}'{identifier}]", self.name, self.record_type)
    }

    /// As a listing has it.
    pub(super) fn write(&self, xml: &mut String) -> fmt::Result {
        write!(xml, "<ResourceRecordSet><Name>{}</Name><Type>{}</Type>", escaped(&self.name), self.record_type)?;
        if let Some(identifier) = &self.set_identifier {
            write!(xml, "<SetIdentifier>{}</SetIdentifier>", escaped(identifier))?;
        }
        match self.routing {
            Routing::Simple => {}
            Routing::Primary => xml.push_str("<Failover>PRIMARY</Failover>"),
            Routing::Secondary => xml.push_str("<Failover>SECONDARY</Failover>"),
            Routing::Weighted(weight) => write!(xml, "<Weight>{weight}</Weight>")?,
        }
        match &self.target {
            Target::Alias { zone, name, evaluate_health } => write!(
                xml,
                "<AliasTarget><HostedZoneId>{zone}</HostedZoneId><DNSName>{}</DNSName>\
                 <EvaluateTargetHealth>{evaluate_health}</EvaluateTargetHealth></AliasTarget>",
                escaped(name)
            )?,
            Target::Values { ttl, values } => {
                write!(xml, "<TTL>{ttl}</TTL><ResourceRecords>")?;
                for value in values {
                    write!(xml, "<ResourceRecord><Value>{}</Value></ResourceRecord>", escaped(value))?;
                }
                xml.push_str("</ResourceRecords>");
            }
        }
        if let Some(check) = &self.health_check {
            write!(xml, "<HealthCheckId>{check}</HealthCheckId>")?;
        }
        xml.push_str("</ResourceRecordSet>");
        Ok(())
    }

    /// Reads one of a request.
    ///
    /// # Panics
    /// On an element that is not simulated.
    pub(super) fn read(node: Node<'_, '_>) -> Self {
        let mut set = Self {
            name: String::new(),
            record_type: String::new(),
            set_identifier: None,
            routing: Routing::Simple,
            target: Target::Values { ttl: 0, values: Vec::new() },
            health_check: None,
        };
        let (mut read_ttl, mut read_values) = (0, Vec::new());
        for child in node.children().filter(Node::is_element) {
            let value = child.text().unwrap_or_default();
            match child.tag_name().name() {
                "Name" => set.name = normal(value),
                "Type" => value.clone_into(&mut set.record_type),
                "SetIdentifier" => set.set_identifier = Some(value.to_owned()),
                "Failover" if value == "PRIMARY" => set.routing = Routing::Primary,
                "Failover" if value == "SECONDARY" => set.routing = Routing::Secondary,
                "Weight" => set.routing = Routing::Weighted(value.parse().expect("a weight")),
                "TTL" => read_ttl = value.parse().expect("a TTL"),
                "ResourceRecords" => {
                    read_values =
                        child.children().filter_map(|record| text_of(record, "Value")).map(str::to_owned).collect();
                }
                "AliasTarget" => set.target = alias(child),
                "HealthCheckId" => set.health_check = Some(value.to_owned()),
                other => panic!("a record set's {other} is not simulated: {value}"),
            }
        }
        if let Target::Values { ttl, values } = &mut set.target {
            (*ttl, *values) = (read_ttl, read_values);
        }
        set
    }
}

fn alias(node: Node<'_, '_>) -> Target {
    let text = |name| text_of(node, name).unwrap_or_else(|| panic!("an alias without {name}"));
    Target::Alias {
        zone: text("HostedZoneId").to_owned(),
        name: text("DNSName").to_owned(),
        evaluate_health: text("EvaluateTargetHealth") == "true",
    }
}

/// The text of a child.
pub(super) fn text_of<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|child| child.tag_name().name() == name)?.text()
}

/// The load balancer of a Region, as an alias.
pub(super) fn load_balancer(region: &str) -> Target {
    let (zone, name) = place(region).load_balancer;
    Target::Alias { zone: zone.to_owned(), name: name.to_owned(), evaluate_health: true }
}

/// The address of a Region, as a value.
pub(super) fn address(region: &str) -> Target {
    Target::Values { ttl: TTL_SECONDS, values: vec![place(region).ipv6.to_owned()] }
}

fn place(region: &str) -> &'static Place {
    PLACES.iter().find(|place| place.region == region).unwrap_or_else(|| panic!("no load balancer in {region}"))
}

/// In lower case with a dot at its end.
pub(super) fn normal(name: &str) -> String {
    let mut normal = name.to_ascii_lowercase();
    if !normal.ends_with('.') {
        normal.push('.');
    }
    normal
}

/// With its labels in reverse, as a listing sorts them.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html>
pub(super) fn reversed(name: &str) -> String {
    let mut reversed = String::with_capacity(name.len());
    for label in name.trim_end_matches('.').rsplit('.') {
        reversed.push_str(label);
        reversed.push('.');
    }
    reversed
}

/// Text as it stands in XML.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}
