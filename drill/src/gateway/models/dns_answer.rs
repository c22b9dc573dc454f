//! `TestDNSAnswer`, from the API model `route53/2013-04-01`: what Route 53 answers to a DNS query for a record.
//!
//! The answer comes from the record sets that the hosted zone has in the emulator, by their settings alone. Health does
//! not count: of a failover pair the PRIMARY answers, also when its health check fails or its target is gone, and of
//! weighted records the heaviest one, so that there is no chance in it. An alias
//! of another record in the zone is answered by that record's values, any other alias by its DNS name, since there is
//! no load balancer here to have addresses. Records of other routing policies are refused; wildcards, delegations and
//! what makes a zone private are not known.

use super::super::fault::{Fault, escaped};
use super::super::request::form_value;
use crate::aws::{Aws, AwsError};
use crate::dns::control_plane::NAMESPACE;
use crate::dns::zone::{self, Data, MOST_ALIASES, RecordSet, Routing, exists, normal};
use crate::error::Error;

/// The values of `RRType` in the API model.
const RECORD_TYPES: [&str; 17] = [
    "SOA", "A", "TXT", "NS", "CNAME", "MX", "NAPTR", "PTR", "SRV", "SPF", "AAAA", "CAA", "DS", "TLSA", "SSHFP", "SVCB",
    "HTTPS",
];
/// What is asked.
#[derive(Debug)]
struct Question {
    zone_id: String,
    name: String,
    record_type: String,
}

/// The XML of the answer to a request with this query string. `aws` calls the emulator with root credentials.
pub(in super::super) async fn answer(query: &str, aws: &Aws) -> Result<String, Fault> {
    let question = question(query)?;
    // All record sets of the zone: whether a name exists may depend on each of them.
    let sets = zone::read(aws, &question.zone_id).await.map_err(|error| fault(&error))?;
    answer_from(&sets, &question)
}

fn question(query: &str) -> Result<Question, Fault> {
    let required = |name: &str| {
        let value = form_value(query.as_bytes(), name).filter(|value| !value.is_empty());
        value.ok_or_else(|| invalid(&format!("{name} is required")))
    };
    let (zone_id, name, record_type) = (required("hostedzoneid")?, required("recordname")?, required("recordtype")?);
    if !RECORD_TYPES.contains(&record_type.as_str()) {
        return Err(invalid(&format!("{record_type} is not a record type")));
    }
    // It becomes a part of a path.
    if !zone_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Fault::error(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {zone_id}")));
    }
    Ok(Question { zone_id, name, record_type })
}

fn answer_from(sets: &[RecordSet], question: &Question) -> Result<String, Fault> {
    let code = if exists(sets, &normal(&question.name)) { "NOERROR" } else { "NXDOMAIN" };
    let entries: Vec<String> = data(sets, question)?
        .iter()
        .map(|value| format!("<RecordDataEntry>{}</RecordDataEntry>", escaped(value)))
        .collect();
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<TestDNSAnswerResponse xmlns=\"{NAMESPACE}\">\
         <Nameserver>{nameserver}</Nameserver><RecordName>{name}</RecordName><RecordType>{record_type}</RecordType>\
         <RecordData>{entries}</RecordData><ResponseCode>{code}</ResponseCode><Protocol>UDP</Protocol>\
         </TestDNSAnswerResponse>",
        nameserver = escaped(name_server(sets)),
        name = escaped(&question.name),
        record_type = question.record_type,
        entries = entries.concat(),
    ))
}

/// The values that the record answers with; none when there is no such record.
fn data(sets: &[RecordSet], question: &Question) -> Result<Vec<String>, Fault> {
    let mut name = normal(&question.name);
    for _ in 0..MOST_ALIASES {
        match chosen(sets, &name, &question.record_type)? {
            None => return Ok(Vec::new()),
            Some(Data::Values(values)) => return Ok(values.clone()),
            Some(Data::Alias { zone_id, dns_name, .. }) if *zone_id == question.zone_id => name = normal(dns_name),
            Some(Data::Alias { dns_name, .. }) => return Ok(vec![dns_name.clone()]),
        }
    }
    Err(invalid(&format!("{}: the aliases do not end at a record", question.name)))
}

/// A CNAME answers for every type, and has no other record beside it (RFC 1034, section 3.6.2).
fn chosen<'a>(sets: &'a [RecordSet], name: &str, record_type: &str) -> Result<Option<&'a Data>, Fault> {
    let matches = |set: &&RecordSet| set.name == name && (set.record_type == record_type || set.record_type == "CNAME");
    let matching: Vec<&RecordSet> = sets.iter().filter(matches).collect();
    if matching.iter().any(|set| set.routing == Routing::Other) {
        return Err(invalid("the gateway's model knows simple, failover and weighted records only"));
    }
    let rank = |set: &&&RecordSet| match set.routing {
        Routing::Primary => u16::MAX,
        Routing::Weighted(weight) => weight.into(),
        Routing::Simple | Routing::Secondary | Routing::Other => 0,
    };
    // Of several of the same rank the first one.
    Ok(matching.iter().rev().max_by_key(rank).map(|set| &set.data))
}

/// The name server that the zone's SOA record begins with (RFC 1035, section 3.3.13).
fn name_server(sets: &[RecordSet]) -> &str {
    let soa = sets.iter().find(|set| set.record_type == "SOA").map(|set| &set.data);
    let Some(Data::Values(values)) = soa else { return "" };
    let name = values.first().and_then(|value| value.split_whitespace().next()).unwrap_or_default();
    name.strip_suffix('.').unwrap_or(name)
}

fn fault(error: &Error) -> Fault {
    if let Error::Aws(error) = error {
        return of_route53(error);
    }
    Fault::error(500, "InternalFailure", error.to_string())
}

fn of_route53(error: &AwsError) -> Fault {
    match error.status {
        0 => Fault::Unavailable,
        status => Fault::error(status, &error.code, &error.message),
    }
}

fn invalid(message: &str) -> Fault {
    Fault::error(400, "InvalidInput", message)
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;
    use crate::aws::{xml_text, xml_texts};

    const ZONE_ID: &str = "Z1EXAMPLE";
    const ELSEWHERE: &str = "Z2OTHER";

    fn plain(name: &str, record_type: &str, routing: &str, values: &[&str]) -> String {
        let values: Vec<String> =
            values.iter().map(|value| format!("<ResourceRecord><Value>{value}</Value></ResourceRecord>")).collect();
        format!(
            "<ResourceRecordSet><Name>{name}</Name><Type>{record_type}</Type>{routing}<TTL>60</TTL><ResourceRecords>{}\
             </ResourceRecords></ResourceRecordSet>",
            values.concat()
        )
    }

    fn alias(name: &str, routing: &str, zone_id: &str, dns_name: &str) -> String {
        format!(
            "<ResourceRecordSet><Name>{name}</Name><Type>A</Type>{routing}<AliasTarget><HostedZoneId>{zone_id}\
             </HostedZoneId><DNSName>{dns_name}</DNSName><EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>\
             <HealthCheckId>h-1</HealthCheckId></ResourceRecordSet>"
        )
    }

    fn failover(city: &str, role: &str) -> String {
        format!("<SetIdentifier>{city}</SetIdentifier><Failover>{role}</Failover>")
    }

    fn list(sets: &[String], rest: &str) -> String {
        format!(
            "<ListResourceRecordSetsResponse xmlns=\"{NAMESPACE}\"><ResourceRecordSets>{}</ResourceRecordSets>{rest}\
             </ListResourceRecordSetsResponse>",
            sets.concat()
        )
    }

    fn ask(sets: &[String], name: &str, record_type: &str) -> Result<String, Fault> {
        let query = format!("hostedzoneid={ZONE_ID}&recordname={name}&recordtype={record_type}");
        let page = zone::page(&list(sets, "<IsTruncated>false</IsTruncated>")).unwrap();
        answer_from(&page.sets, &question(&query).unwrap())
    }

    fn answered(sets: &[String], name: &str, record_type: &str) -> (String, Vec<String>) {
        let xml = ask(sets, name, record_type).unwrap();
        (xml_text(&xml, &["ResponseCode"]).unwrap(), xml_texts(&xml, &["RecordData", "RecordDataEntry"]))
    }

    fn found(values: &[&str]) -> (String, Vec<String>) {
        ("NOERROR".to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn an_answer_parses_and_has_every_element_that_the_api_requires() {
        let soa = "ns-1.awsdns-1.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400";
        let text = "\"a &amp; &lt;b&gt;\"";
        let sets =
            [plain("example.com.", "SOA", "", &[soa]), plain("app.example.com.", "TXT", "", &[text, "\"second\""])];
        let xml = ask(&sets, "App.example.com.", "TXT").unwrap();
        let element = |name: &str| xml_text(&xml, &["TestDNSAnswerResponse", name]);
        assert_eq!(element("Nameserver").as_deref(), Some("ns-1.awsdns-1.com"));
        assert_eq!(element("RecordName").as_deref(), Some("App.example.com."), "as it was asked");
        assert_eq!(element("RecordType").as_deref(), Some("TXT"));
        assert_eq!(element("ResponseCode").as_deref(), Some("NOERROR"));
        assert_eq!(element("Protocol").as_deref(), Some("UDP"));
        assert_eq!(xml_texts(&xml, &["RecordData", "RecordDataEntry"]), ["\"a & <b>\"", "\"second\""]);
        let root = Document::parse(&xml).unwrap().root_element().tag_name().namespace().map(str::to_owned);
        assert_eq!(root.as_deref(), Some(NAMESPACE));
    }

    #[test]
    fn of_a_failover_pair_the_primary_answers_wherever_it_stands() {
        let pair = |first: &str, second: &str| {
            [
                plain("app.example.com.", "AAAA", &failover("frankfurt", first), &["2001:db8::c"]),
                plain("app.example.com.", "AAAA", &failover("ireland", second), &["2001:db8::1e"]),
            ]
        };
        assert_eq!(answered(&pair("PRIMARY", "SECONDARY"), "app.example.com", "AAAA"), found(&["2001:db8::c"]));
        assert_eq!(answered(&pair("SECONDARY", "PRIMARY"), "app.example.com", "AAAA"), found(&["2001:db8::1e"]));
        assert_eq!(answered(&pair("SECONDARY", "PRIMARY")[..1], "app.example.com", "AAAA"), found(&["2001:db8::c"]));
    }

    #[test]
    fn of_weighted_records_the_heaviest_answers_and_of_equal_ones_the_first() {
        let weighted = |city: &str, weight: u8, value: &str| {
            let routing = format!("<SetIdentifier>{city}</SetIdentifier><Weight>{weight}</Weight>");
            plain("app.example.com.", "A", &routing, &[value])
        };
        for (weights, expected) in [([255, 0], "192.0.2.1"), ([0, 1], "192.0.2.2"), ([0, 0], "192.0.2.1")] {
            let sets = [weighted("frankfurt", weights[0], "192.0.2.1"), weighted("ireland", weights[1], "192.0.2.2")];
            assert_eq!(answered(&sets, "app.example.com", "A"), found(&[expected]), "{weights:?}");
        }
    }

    #[test]
    fn an_alias_of_something_outside_the_zone_is_answered_by_its_name() {
        let sets = [
            alias("app.example.com.", &failover("ireland", "PRIMARY"), ELSEWHERE, "lb-ireland.example.net."),
            alias("app.example.com.", &failover("frankfurt", "SECONDARY"), ELSEWHERE, "lb-frankfurt.example.net."),
        ];
        assert_eq!(answered(&sets, "app.example.com", "A"), found(&["lb-ireland.example.net."]));
    }

    #[test]
    fn an_alias_of_a_record_in_the_zone_is_answered_by_its_values() {
        let sets = [
            alias("app.example.com.", "", ZONE_ID, "Regional.example.com."),
            plain("regional.example.com.", "A", &failover("frankfurt", "SECONDARY"), &["192.0.2.1"]),
            plain("regional.example.com.", "A", &failover("ireland", "PRIMARY"), &["192.0.2.2", "192.0.2.3"]),
        ];
        assert_eq!(answered(&sets, "app.example.com", "A"), found(&["192.0.2.2", "192.0.2.3"]));
        assert_eq!(answered(&sets[..1], "app.example.com", "A"), found(&[]), "the alias leads nowhere");
    }

    #[test]
    fn aliases_in_a_circle_are_refused() {
        let sets = [
            alias("a.example.com.", "", ZONE_ID, "b.example.com."),
            alias("b.example.com.", "", ZONE_ID, "a.example.com."),
        ];
        let error = ask(&sets, "a.example.com", "A").unwrap_err();
        assert_eq!(error, invalid("a.example.com: the aliases do not end at a record"));
    }

    #[test]
    fn a_cname_answers_for_every_type() {
        let sets = [plain("status.example.com.", "CNAME", "", &["status.example.net."])];
        assert_eq!(answered(&sets, "status.example.com", "A"), found(&["status.example.net."]));
        assert_eq!(answered(&sets, "status.example.com", "CNAME"), found(&["status.example.net."]));
    }

    #[test]
    fn a_name_that_does_not_exist_is_told_from_a_record_that_does_not() {
        let sets = [plain("db.internal.example.com.", "A", "", &["192.0.2.10"])];
        let missing = ("NXDOMAIN".to_owned(), Vec::new());
        assert_eq!(answered(&sets, "db.internal.example.com", "AAAA"), found(&[]), "another type");
        assert_eq!(answered(&sets, "internal.example.com", "A"), found(&[]), "there is a record below it");
        assert_eq!(answered(&sets, "web.internal.example.com", "A"), missing);
        assert_eq!(answered(&sets, "b.internal.example.com", "A"), missing, "the end of a label is no label");
    }

    #[test]
    fn records_of_other_routing_policies_are_refused() {
        let latency = "<SetIdentifier>one</SetIdentifier><Region>eu-west-1</Region>";
        let sets = [plain("app.example.com.", "A", latency, &["192.0.2.1"])];
        let error = ask(&sets, "app.example.com", "A").unwrap_err();
        assert_eq!(error, invalid("the gateway's model knows simple, failover and weighted records only"));
    }

    #[test]
    fn a_question_that_lacks_something_is_invalid_input() {
        let refused = |query: &str| question(query).unwrap_err();
        assert_eq!(refused("recordname=a&recordtype=A"), invalid("hostedzoneid is required"));
        assert_eq!(refused("hostedzoneid=Z1&recordname=&recordtype=A"), invalid("recordname is required"));
        assert_eq!(refused("hostedzoneid=Z1&recordname=a"), invalid("recordtype is required"));
        assert_eq!(refused("hostedzoneid=Z1&recordname=a&recordtype=B"), invalid("B is not a record type"));
    }

    #[test]
    fn an_id_that_no_hosted_zone_can_have_does_not_become_another_path() {
        let error = question("hostedzoneid=..%2Fhealthcheck&recordname=a&recordtype=A").unwrap_err();
        assert_eq!(error, Fault::error(404, "NoSuchHostedZone", "No hosted zone found with ID: ../healthcheck"));
    }

    #[test]
    fn an_error_of_the_emulator_keeps_its_code_and_no_answer_is_an_unavailable_service() {
        let error = |status: u16, code: &str| AwsError {
            operation: "route53:GET".to_owned(),
            status,
            code: code.to_owned(),
            message: "m".to_owned(),
        };
        let missing = of_route53(&error(404, "NoSuchHostedZone"));
        assert_eq!(missing, Fault::error(404, "NoSuchHostedZone", "m"));
        assert_eq!(of_route53(&error(0, "NoAnswer")), Fault::Unavailable);
    }
}
