//! Which record set answers, and with what. Pure.
//!
//! The rules are those of the Route 53 Developer Guide, "How Amazon Route 53 chooses records when health checking is
//! configured" (health-checks-how-route-53-chooses-records.html), and of the API's `ResourceRecordSet`, element `Failover`.

use std::cmp::Reverse;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Outside;
use super::zone::{Data, MOST_ALIASES, RecordSet, Routing, exists, normal};

/// The TTL of an alias to a load balancer, which cannot be set, and of the names of AWS's services, in seconds
/// (Developer Guide, resource-record-sets-choosing-alias-non-alias.html).
pub const OUTSIDE_TTL_SECONDS: u32 = 60;
/// The TTL of a record set that has none and is no alias, which the API does not allow, in seconds.
const MISSING_TTL_SECONDS: u32 = 0;
/// How many CNAMEs one answer follows; more of them are taken for a circle.
const MOST_CNAMES: usize = 8;

/// The type of record that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name.
    Cname,
}

/// What a question is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it went.
    pub code: Code,
    /// The CNAMEs on the way, then what was asked for.
    pub records: Vec<Record>,
}

/// A DNS response code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The name exists, though perhaps not with records of this type.
    NoError,
    /// NXDOMAIN: there is no such name.
    NoSuchName,
    /// SERVFAIL: the zone's records lead in a circle, hold no address where one belongs, or are routed by something that
    /// is not known here.
    Failed,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub name: String,
    /// For how long it may be cached, in seconds.
    pub ttl_seconds: u32,
    /// What it says.
    pub data: RecordData,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Another name.
    Cname(String),
}

/// All that an answer depends on.
pub struct View<'a> {
    /// The hosted zone's id.
    pub zone_id: &'a str,
    /// Its record sets.
    pub sets: &'a [RecordSet],
    /// Whether the health check with this id is healthy.
    pub check_is_healthy: &'a dyn Fn(&str) -> bool,
    /// The names outside of the zone.
    pub outside: &'a dyn Outside,
}

/// What a record set answers with, at the end of its aliases.
enum Found<'a> {
    Values { values: &'a [String], ttl_seconds: u32, of_cname: bool },
    Outside(String),
    Nothing,
}

/// The zone's records cannot be answered with.
struct Unusable;

impl Answer {
    /// The IPv4 addresses in it.
    #[must_use]
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        let address = |record: &Record| match record.data {
            RecordData::A(address) => Some(address),
            RecordData::Aaaa(_) | RecordData::Cname(_) => None,
        };
        self.records.iter().filter_map(address).collect()
    }
}

impl View<'_> {
    /// The answer to a question.
    #[must_use]
    pub fn answer(&self, name: &str, record_type: RecordType) -> Answer {
        let mut records = Vec::new();
        let code = self.follow(normal(name), record_type, &mut records).unwrap_or(Code::Failed);
        if code == Code::Failed {
            records.clear();
        }
        Answer { code, records }
    }

    fn follow(&self, mut name: String, wanted: RecordType, records: &mut Vec<Record>) -> Result<Code, Unusable> {
        for _ in 0..MOST_CNAMES {
            if !self.is_in_zone(&name) {
                return Ok(self.outside_answer(&name, wanted, records));
            }
            match self.find(&name, wanted)? {
                Found::Nothing => {
                    return Ok(if exists(self.sets, &name) { Code::NoError } else { Code::NoSuchName });
                }
                Found::Outside(target) => {
                    // An alias to a name that is not there has no records, but is there itself.
                    self.outside_record(&name, &target, wanted, records);
                    return Ok(Code::NoError);
                }
                Found::Values { values, ttl_seconds, of_cname } => {
                    let value_type = if of_cname { RecordType::Cname } else { wanted };
                    for value in values {
                        records.push(Record { name: name.clone(), ttl_seconds, data: data(value, value_type)? });
                    }
                    match values.first().filter(|_| of_cname && wanted != RecordType::Cname) {
                        Some(target) => name = normal(target),
                        None => return Ok(Code::NoError),
                    }
                }
            }
        }
        Err(Unusable)
    }

    fn outside_answer(&self, name: &str, wanted: RecordType, records: &mut Vec<Record>) -> Code {
        self.outside_record(name, name, wanted, records);
        if self.outside.address(name).is_some() { Code::NoError } else { Code::NoSuchName }
    }

    /// What is outside has an IPv4 address and nothing else.
    fn outside_record(&self, name: &str, target: &str, wanted: RecordType, records: &mut Vec<Record>) {
        if wanted == RecordType::A
            && let Some(address) = self.outside.address(target)
        {
            let ttl_seconds = OUTSIDE_TTL_SECONDS;
            records.push(Record { name: name.to_owned(), ttl_seconds, data: RecordData::A(address) });
        }
    }

    fn is_in_zone(&self, name: &str) -> bool {
        let apex = self.sets.iter().find(|set| set.record_type == "SOA").map(|set| set.name.as_str());
        let below = |apex: &str| name.strip_suffix(apex).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        exists(self.sets, name) || apex.is_some_and(below)
    }

    fn find(&self, name: &str, wanted: RecordType) -> Result<Found<'_>, Unusable> {
        let mut name = name.to_owned();
        for _ in 0..MOST_ALIASES {
            let Some(set) = self.chosen(&name, wanted)? else { return Ok(Found::Nothing) };
            match &set.data {
                Data::Values(values) => {
                    let ttl_seconds = set.ttl_seconds.unwrap_or(MISSING_TTL_SECONDS);
                    return Ok(Found::Values { values, ttl_seconds, of_cname: set.record_type == "CNAME" });
                }
                Data::Alias { zone_id, dns_name, .. } if zone_id == self.zone_id => name = normal(dns_name),
                Data::Alias { dns_name, .. } => return Ok(Found::Outside(normal(dns_name))),
            }
        }
        Err(Unusable)
    }

    /// The healthy record set that the routing policy prefers. When none is healthy, all count as healthy: so of a
    /// failover pair the primary answers.
    fn chosen(&self, name: &str, wanted: RecordType) -> Result<Option<&RecordSet>, Unusable> {
        let group = self.group(name, wanted);
        let mut ranked = Vec::with_capacity(group.len());
        for set in group {
            let preference = match set.routing {
                Routing::Primary => u16::MAX,
                Routing::Weighted(weight) => weight.into(),
                Routing::Simple | Routing::Secondary => 0,
                Routing::Other => return Err(Unusable),
            };
            ranked.push((Reverse(self.is_healthy(set, wanted, 0)?), Reverse(preference), set));
        }
        // Of several of the same rank the first one.
        Ok(ranked.into_iter().min_by_key(|(healthy, preference, _)| (*healthy, *preference)).map(|(.., set)| set))
    }

    /// A CNAME answers for every type, and has no other record beside it (RFC 1034, section 3.6.2).
    fn group(&self, name: &str, wanted: RecordType) -> Vec<&RecordSet> {
        let matches =
            |set: &&RecordSet| set.name == name && [wanted.as_str(), "CNAME"].contains(&set.record_type.as_str());
        self.sets.iter().filter(matches).collect()
    }

    /// Whether a record set is healthy: its check is, if it has one, and what it is an alias of is, if that counts. A
    /// record set with neither always is. An alias of record sets in the zone is healthy while one of them is.
    fn is_healthy(&self, set: &RecordSet, wanted: RecordType, aliases: usize) -> Result<bool, Unusable> {
        if aliases > MOST_ALIASES {
            return Err(Unusable);
        }
        if !set.health_check_id.as_deref().is_none_or(self.check_is_healthy) {
            return Ok(false);
        }
        match &set.data {
            Data::Alias { zone_id, dns_name, evaluate_target_health: true } if zone_id == self.zone_id => {
                for target in self.group(&normal(dns_name), wanted) {
                    if self.is_healthy(target, wanted, aliases + 1)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Data::Alias { dns_name, evaluate_target_health: true, .. } => {
                Ok(self.outside.is_healthy(&normal(dns_name)))
            }
            Data::Alias { .. } | Data::Values(_) => Ok(true),
        }
    }
}

impl RecordType {
    fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
        }
    }
}

fn data(value: &str, value_type: RecordType) -> Result<RecordData, Unusable> {
    match value_type {
        RecordType::A => value.parse().map(RecordData::A).map_err(|_no_address| Unusable),
        RecordType::Aaaa => value.parse().map(RecordData::Aaaa).map_err(|_no_address| Unusable),
        RecordType::Cname => Ok(RecordData::Cname(normal(value))),
    }
}
