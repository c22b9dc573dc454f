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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::Names;
    use super::*;

    const ZONE_ID: &str = "Z1EXAMPLE";
    const ELSEWHERE: &str = "Z2OTHER";
    const IRELAND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
    const FRANKFURT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

    fn set(name: &str, record_type: &str, routing: Routing, data: Data) -> RecordSet {
        let ttl_seconds = matches!(data, Data::Values(_)).then_some(30);
        RecordSet {
            name: name.to_owned(),
            record_type: record_type.to_owned(),
            set_identifier: None,
            routing,
            ttl_seconds,
            health_check_id: None,
            data,
        }
    }

    fn values(name: &str, record_type: &str, routing: Routing, values: &[&str]) -> RecordSet {
        set(name, record_type, routing, Data::Values(values.iter().map(|value| (*value).to_owned()).collect()))
    }

    fn alias(name: &str, routing: Routing, zone_id: &str, dns_name: &str) -> RecordSet {
        let (zone_id, dns_name) = (zone_id.to_owned(), dns_name.to_owned());
        set(name, "A", routing, Data::Alias { zone_id, dns_name, evaluate_target_health: true })
    }

    fn checked(mut set: RecordSet, health_check_id: &str) -> RecordSet {
        set.health_check_id = Some(health_check_id.to_owned());
        set
    }

    fn not_evaluated(mut set: RecordSet) -> RecordSet {
        if let Data::Alias { evaluate_target_health, .. } = &mut set.data {
            *evaluate_target_health = false;
        }
        set
    }

    /// The answer while what is named in `unhealthy` is unhealthy: checks by id, names outside by name.
    fn asked(sets: &[RecordSet], unhealthy: &[&str], name: &str, record_type: RecordType) -> Answer {
        let unhealthy: BTreeSet<&str> = unhealthy.iter().copied().collect();
        let outside = Names::default();
        for (name, address) in [("lb-ireland.example.net", IRELAND), ("lb-frankfurt.example.net", FRANKFURT)] {
            outside.0.lock().unwrap().insert(name, (address, !unhealthy.contains(name)));
        }
        let check_is_healthy = |id: &str| !unhealthy.contains(id);
        View { zone_id: ZONE_ID, sets, check_is_healthy: &check_is_healthy, outside: &outside }
            .answer(name, record_type)
    }

    fn addresses(sets: &[RecordSet], unhealthy: &[&str]) -> Vec<Ipv4Addr> {
        let answer = asked(sets, unhealthy, "app.example.com", RecordType::A);
        assert_eq!(answer.code, Code::NoError);
        answer.addresses()
    }

    fn cname(name: &str, ttl_seconds: u32, target: &str) -> Record {
        Record { name: name.to_owned(), ttl_seconds, data: RecordData::Cname(target.to_owned()) }
    }

    fn a(name: &str, ttl_seconds: u32, address: Ipv4Addr) -> Record {
        Record { name: name.to_owned(), ttl_seconds, data: RecordData::A(address) }
    }

    /// As alias-records.yaml makes them: both evaluate their load balancer, the primary has a check, too.
    fn alias_pair() -> [RecordSet; 2] {
        let secondary = alias("app.example.com", Routing::Secondary, ELSEWHERE, "lb-frankfurt.example.net");
        let primary = alias("app.example.com", Routing::Primary, ELSEWHERE, "lb-ireland.example.net");
        [secondary, checked(primary, "switch")]
    }

    #[test]
    fn a_simple_record_answers_with_its_values_and_its_ttl_whatever_the_case_of_the_question() {
        let sets = [values("app.example.com", "A", Routing::Simple, &["127.0.0.2", "127.0.0.3"])];
        let answer = asked(&sets, &[], "App.Example.com.", RecordType::A);
        assert_eq!(answer.records, [a("app.example.com", 30, IRELAND), a("app.example.com", 30, FRANKFURT)]);
        assert_eq!(
            asked(&sets, &[], "app.example.com", RecordType::Aaaa),
            Answer { code: Code::NoError, records: Vec::new() }
        );
    }

    #[test]
    fn an_ipv6_address_is_answered() {
        let sets = [values("app.example.com", "AAAA", Routing::Simple, &["2001:db8::1"])];
        let data = RecordData::Aaaa("2001:db8::1".parse().unwrap());
        let records = asked(&sets, &[], "app.example.com", RecordType::Aaaa).records;
        assert_eq!(records, [Record { name: "app.example.com".to_owned(), ttl_seconds: 30, data }]);
    }

    #[test]
    fn the_primary_answers_while_it_is_healthy_and_the_secondary_while_it_is_not() {
        let pair = [
            values("app.example.com", "A", Routing::Secondary, &["127.0.0.3"]),
            checked(values("app.example.com", "A", Routing::Primary, &["127.0.0.2"]), "record"),
        ];
        assert_eq!(addresses(&pair, &[]), [IRELAND]);
        assert_eq!(addresses(&pair, &["record"]), [FRANKFURT]);
        assert_eq!(addresses(&pair, &["another"]), [IRELAND]);
        let [secondary, primary] = pair;
        let both = [checked(secondary, "standby"), primary];
        assert_eq!(
            addresses(&both, &["standby"]),
            [IRELAND],
            "the secondary's health does not count while the first's is good"
        );
        assert_eq!(addresses(&both, &["standby", "record"]), [IRELAND], "when both are unhealthy, the primary");
    }

    #[test]
    fn an_alias_is_as_healthy_as_its_check_and_its_target_together() {
        let pair = alias_pair();
        assert_eq!(addresses(&pair, &[]), [IRELAND]);
        assert_eq!(addresses(&pair, &["switch"]), [FRANKFURT]);
        assert_eq!(addresses(&pair, &["lb-ireland.example.net"]), [FRANKFURT]);
        assert_eq!(addresses(&pair, &["lb-frankfurt.example.net"]), [IRELAND]);
        assert_eq!(addresses(&pair, &["switch", "lb-frankfurt.example.net"]), [IRELAND], "none is healthy");
    }

    #[test]
    fn an_alias_that_does_not_evaluate_its_target_is_healthy_whatever_becomes_of_it() {
        let pair = alias_pair().map(not_evaluated);
        assert_eq!(addresses(&pair, &["lb-ireland.example.net"]), [IRELAND]);
        assert_eq!(addresses(&pair, &["switch", "lb-frankfurt.example.net"]), [FRANKFURT]);
    }

    #[test]
    fn an_alias_to_a_load_balancer_has_a_ttl_of_sixty_seconds_and_its_own_name() {
        let answer = asked(&alias_pair(), &[], "app.example.com", RecordType::A);
        assert_eq!(answer.records, [a("app.example.com", 60, IRELAND)]);
    }

    #[test]
    fn an_alias_to_a_name_that_is_gone_has_no_address_and_still_exists() {
        let sets = [alias("app.example.com", Routing::Simple, ELSEWHERE, "lb-deleted.example.net")];
        let expected = Answer { code: Code::NoError, records: Vec::new() };
        assert_eq!(asked(&sets, &[], "app.example.com", RecordType::A), expected);
    }

    #[test]
    fn a_cname_is_followed_out_of_the_zone_in_the_same_answer() {
        let failover = |routing, target| values("app.example.com", "CNAME", routing, &[target]);
        let sets = [
            checked(failover(Routing::Primary, "LB-Ireland.example.net."), "record"),
            failover(Routing::Secondary, "lb-frankfurt.example.net"),
        ];
        let answer = |unhealthy: &[&str]| asked(&sets, unhealthy, "app.example.com", RecordType::A);
        let ireland =
            [cname("app.example.com", 30, "lb-ireland.example.net"), a("lb-ireland.example.net", 60, IRELAND)];
        assert_eq!(answer(&[]), Answer { code: Code::NoError, records: ireland.to_vec() });
        assert_eq!(answer(&["record"]).addresses(), [FRANKFURT]);
        let asked_for_cname = asked(&sets, &[], "app.example.com", RecordType::Cname);
        assert_eq!(asked_for_cname.records, ireland[..1], "who asks for the CNAME gets it alone");
    }

    #[test]
    fn a_cname_to_a_name_that_is_not_there_keeps_the_cname_and_says_so() {
        let sets = [values("app.example.com", "CNAME", Routing::Simple, &["api-deleted.example.net"])];
        let answer = asked(&sets, &[], "app.example.com", RecordType::A);
        let records = vec![cname("app.example.com", 30, "api-deleted.example.net")];
        assert_eq!(answer, Answer { code: Code::NoSuchName, records });
    }

    #[test]
    fn a_cname_is_followed_within_the_zone() {
        let sets = [
            values("app.example.com", "CNAME", Routing::Simple, &["regional.example.com"]),
            values("regional.example.com", "A", Routing::Simple, &["127.0.0.2"]),
        ];
        let expected = [cname("app.example.com", 30, "regional.example.com"), a("regional.example.com", 30, IRELAND)];
        assert_eq!(asked(&sets, &[], "app.example.com", RecordType::A).records, expected);
    }

    #[test]
    fn an_alias_within_the_zone_answers_as_its_target_and_is_healthy_while_one_of_its_records_is() {
        let sets = [
            alias("app.example.com", Routing::Primary, ZONE_ID, "Regional.example.com."),
            alias("app.example.com", Routing::Secondary, ELSEWHERE, "lb-frankfurt.example.net"),
            checked(values("regional.example.com", "A", Routing::Weighted(1), &["127.0.0.2"]), "one"),
            checked(values("regional.example.com", "A", Routing::Weighted(2), &["127.0.0.9"]), "two"),
        ];
        let answer = asked(&sets, &["two"], "app.example.com", RecordType::A);
        assert_eq!(answer.records, [a("app.example.com", 30, IRELAND)], "its name, the target's TTL");
        assert_eq!(addresses(&sets, &["one", "two"]), [FRANKFURT]);
    }

    #[test]
    fn of_weighted_records_the_heaviest_healthy_one_answers_and_a_weight_of_zero_only_when_no_other_can() {
        let sets = [
            checked(values("app.example.com", "A", Routing::Weighted(0), &["127.0.0.3"]), "zero"),
            checked(values("app.example.com", "A", Routing::Weighted(255), &["127.0.0.2"]), "full"),
        ];
        assert_eq!(addresses(&sets, &[]), [IRELAND]);
        assert_eq!(addresses(&sets, &["full"]), [FRANKFURT]);
        assert_eq!(addresses(&sets, &["full", "zero"]), [IRELAND]);
    }

    #[test]
    fn a_name_that_is_not_there_is_told_from_one_without_an_address() {
        let sets = [
            values("example.com", "SOA", Routing::Simple, &["ns-1.awsdns-1.com. hostmaster 1 7200 900 1209600 86400"]),
            values("db.internal.example.com", "A", Routing::Simple, &["127.0.0.9"]),
        ];
        let code = |name: &str| asked(&sets, &[], name, RecordType::A).code;
        assert_eq!(code("internal.example.com"), Code::NoError, "there is a record below it");
        assert_eq!(code("web.example.com"), Code::NoSuchName);
        assert_eq!(code("example.com"), Code::NoError);
        assert_eq!(code("elsewhere.example.net"), Code::NoSuchName);
    }

    #[test]
    fn a_name_outside_of_the_zone_is_answered_as_a_resolver_would() {
        let answer = asked(&[], &[], "lb-ireland.example.net", RecordType::A);
        let records = vec![a("lb-ireland.example.net", 60, IRELAND)];
        assert_eq!(answer, Answer { code: Code::NoError, records });
        let none = Answer { code: Code::NoError, records: Vec::new() };
        assert_eq!(asked(&[], &[], "lb-ireland.example.net", RecordType::Aaaa), none);
    }

    #[test]
    fn what_leads_in_a_circle_is_no_address_or_is_routed_otherwise_fails() {
        let circle = |record_type: &str, first: Data, second: Data| {
            vec![
                set("app.example.com", record_type, Routing::Simple, first),
                set("b.example.com", record_type, Routing::Simple, second),
            ]
        };
        let name = |name: &str| Data::Values(vec![name.to_owned()]);
        let to = |dns_name: &str, evaluate_target_health| Data::Alias {
            zone_id: ZONE_ID.to_owned(),
            dns_name: dns_name.to_owned(),
            evaluate_target_health,
        };
        for sets in [
            circle("CNAME", name("b.example.com"), name("app.example.com")),
            circle("A", to("b.example.com", true), to("app.example.com", true)),
            circle("A", to("b.example.com", false), to("app.example.com", false)),
            vec![values("app.example.com", "A", Routing::Simple, &["no address"])],
            vec![values("app.example.com", "A", Routing::Other, &["127.0.0.2"])],
        ] {
            let failed = Answer { code: Code::Failed, records: Vec::new() };
            assert_eq!(asked(&sets, &[], "app.example.com", RecordType::A), failed, "{sets:?}");
        }
    }
}
