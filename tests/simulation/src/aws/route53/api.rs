//! What Route 53 answers.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use failover::contract::Timestamp;
use failover::testing::wire::Request;

use super::batch::{self, Refusal};
use super::record::{RecordSet, escaped, normal, reversed};
use super::{Author, Route53};
use crate::aws::Answer;
use crate::workload::HOSTED_ZONE;

const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";
/// As many record sets as one page has at most.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html>
const MOST_LISTED: usize = 300;
/// In how many of a thousand cases the zone is taken just when a change arrives, by somebody else's.
const TAKEN_PERMILLE: u64 = 50;
/// For how long a change keeps the zone from taking another one, least and most, in milliseconds.
const TAKEN_MS: (u64, u64) = (50, 2_000);

/// Answers a request.
///
/// # Panics
/// On what is not simulated, and on a request that is signed for another Region than that of the control plane.
pub(super) fn answer(route53: &mut Route53, request: &Request, now: Timestamp) -> Answer {
    assert_eq!(request.region, "us-east-1", "{} is signed for the Region of the control plane", request.name());
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let path: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
    match (request.operation.as_str(), path.as_slice()) {
        ("ListResourceRecordSets", [_, zone, _]) => in_zone(zone).unwrap_or_else(|| list(route53, query)),
        ("ChangeResourceRecordSets", [_, zone, _]) => {
            let body = request.body.as_str().expect("XML");
            in_zone(zone).unwrap_or_else(|| change(route53, body, now))
        }
        ("GetChange", [_, id]) => get_change(route53, id, now),
        ("TestDNSAnswer", _) => test_answer(route53, query),
        ("GetHealthCheck", [_, id]) => get_health_check(route53, id),
        _ => panic!("not simulated: {} {}", request.name(), request.path),
    }
}

/// The refusal of a zone that is not there.
fn in_zone(id: &str) -> Option<Answer> {
    (id != HOSTED_ZONE).then(|| not_found("NoSuchHostedZone", format!("No hosted zone found with ID: {id}")))
}

fn not_found(code: &str, message: String) -> Answer {
    Answer::Error { status: 404, code: code.to_owned(), message }
}

/// The parameters of a query.
///
/// # Panics
/// On one that is not known.
fn parameters<'a, const N: usize>(query: &'a str, names: [&str; N]) -> [Option<Cow<'a, str>>; N] {
    let mut found = [const { None }; N];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let index = names.iter().position(|known| *known == name);
        found[index.unwrap_or_else(|| panic!("the parameter {name} is not simulated: {query}"))] = Some(value);
    }
    found
}

fn list(route53: &Route53, query: &str) -> Answer {
    let [name, kind, identifier, most] = parameters(query, ["name", "type", "identifier", "maxitems"]);
    if (kind.is_some() && name.is_none()) || (identifier.is_some() && kind.is_none()) {
        return Answer::error("InvalidInput", "a place to begin at has a name, then a type, then an identifier");
    }
    let from = (
        name.map(|name| reversed(&normal(&name))).unwrap_or_default(),
        kind.unwrap_or_default(),
        identifier.unwrap_or_default(),
    );
    let most = most.map_or(MOST_LISTED, |most| most.parse().expect("a number")).clamp(1, MOST_LISTED);
    let begins = |set: &&RecordSet| {
        let (name, kind, identifier) = set.key();
        (name.as_str(), kind, identifier) < (from.0.as_str(), &*from.1, &*from.2)
    };
    let listed: Vec<&RecordSet> = route53.sets.iter().skip_while(begins).take(most + 1).collect();
    Answer::xml(listing(&listed, most).expect("a string takes everything"))
}

/// A page of the record sets; those beyond `most` are on the next one.
fn listing(sets: &[&RecordSet], most: usize) -> Result<String, fmt::Error> {
    let mut xml = format!("<ListResourceRecordSetsResponse xmlns=\"{NAMESPACE}\"><ResourceRecordSets>");
    for set in sets.iter().take(most) {
        set.write(&mut xml)?;
    }
    let next = sets.get(most);
    let more = next.is_some();
    write!(xml, "</ResourceRecordSets><IsTruncated>{more}</IsTruncated><MaxItems>{most}</MaxItems>")?;
    if let Some(set) = next {
        let (name, kind) = (escaped(&set.name), &set.record_type);
        write!(xml, "<NextRecordName>{name}</NextRecordName><NextRecordType>{kind}</NextRecordType>")?;
        if let Some(identifier) = &set.set_identifier {
            write!(xml, "<NextRecordIdentifier>{}</NextRecordIdentifier>", escaped(identifier))?;
        }
    }
    xml.push_str("</ListResourceRecordSetsResponse>");
    Ok(xml)
}

fn change(route53: &mut Route53, body: &str, now: Timestamp) -> Answer {
    let (comment, edits) = batch::read(body);
    let taken = route53.taken_until.is_some_and(|until| now < until);
    if taken || route53.chance.permille(TAKEN_PERMILLE) {
        if !taken {
            route53.take(now, TAKEN_MS);
        }
        let message = "The request was rejected because Route 53 was still processing a prior request.";
        return Answer::error("PriorRequestNotComplete", message);
    }
    match route53.apply(edits, Author::Request(comment), now) {
        Ok(id) => {
            route53.take(now, TAKEN_MS);
            Answer::xml(change_info(route53, "ChangeResourceRecordSetsResponse", &id, now).expect("just made"))
        }
        Err(Refusal::Invalid(message)) => Answer::error("InvalidChangeBatch", escaped(&message)),
        Err(Refusal::NoSuchHealthCheck(id)) => no_health_check(&id),
    }
}

fn get_change(route53: &Route53, id: &str, now: Timestamp) -> Answer {
    let answer = change_info(route53, "GetChangeResponse", id, now);
    answer.map_or_else(|| not_found("NoSuchChange", format!("A change with id {id} was not found")), Answer::xml)
}

fn change_info(route53: &Route53, element: &str, id: &str, now: Timestamp) -> Option<String> {
    let progress = route53.progress.iter().find(|progress| progress.id == id)?;
    let status = if progress.in_sync_at <= now { "INSYNC" } else { "PENDING" };
    Some(format!(
        "<{element} xmlns=\"{NAMESPACE}\"><ChangeInfo><Id>/change/{id}</Id><Status>{status}</Status>\
         <SubmittedAt>{}</SubmittedAt></ChangeInfo></{element}>",
        progress.submitted
    ))
}

/// By the settings of the records alone: of a pair the primary one, of weighted ones the heaviest.
/// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-test.html>
fn test_answer(route53: &Route53, query: &str) -> Answer {
    let [zone, name, kind] = parameters(query, ["hostedzoneid", "recordname", "recordtype"]);
    let required = "a question has a zone, a name and a type";
    let (zone, name, kind) = (zone.expect(required), name.expect(required), kind.expect(required));
    if let Some(answer) = in_zone(&zone) {
        return answer;
    }
    let normal = normal(&name);
    let chosen = route53.by_settings(&normal, &kind);
    let there = route53.sets.iter().any(|set| set.name == normal);
    let values = chosen.map(RecordSet::data).unwrap_or_default();
    let entry = |value: &String| format!("<RecordDataEntry>{}</RecordDataEntry>", escaped(value));
    let data = values.iter().map(entry).collect::<Vec<_>>().concat();
    let code = if there { "NOERROR" } else { "NXDOMAIN" };
    Answer::xml(format!(
        "<TestDNSAnswerResponse xmlns=\"{NAMESPACE}\"><Nameserver>ns-1.awsdns-1.com</Nameserver>\
         <RecordName>{name}</RecordName><RecordType>{kind}</RecordType><RecordData>{data}</RecordData>\
         <ResponseCode>{code}</ResponseCode><Protocol>UDP</Protocol></TestDNSAnswerResponse>"
    ))
}

fn get_health_check(route53: &Route53, id: &str) -> Answer {
    let Some(check) = route53.checks.iter().find(|check| check.id == id) else {
        return no_health_check(id);
    };
    Answer::xml(format!(
        "<GetHealthCheckResponse xmlns=\"{NAMESPACE}\"><HealthCheck><Id>{id}</Id><CallerReference>{id}</CallerReference>\
         <HealthCheckConfig>{}</HealthCheckConfig><HealthCheckVersion>1</HealthCheckVersion></HealthCheck>\
         </GetHealthCheckResponse>",
        check.config()
    ))
}

fn no_health_check(id: &str) -> Answer {
    not_found("NoSuchHealthCheck", format!("A health check with id {id} does not exist."))
}
