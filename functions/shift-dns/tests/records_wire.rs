//! The function against a scripted Route 53: the real SDK, the exact requests, and every error the API's model has for
//! them.

#![allow(clippy::expect_used, reason = "a test's helper fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{invoke, names, preflight, severities, until_settled};
use failover::contract::{Severity, StepResponse, StepStatus};
use failover::error::ErrorCode;
use failover::region_switch;
use failover::testing::{self, FakeAws, Reply, Request};
use serde_json::{Value, json};
use shift_dns::ShiftDns;

const ZONE: &str = "Z1";

fn request() -> Value {
    json!({
        "run": { "failover_id": "f1" },
        "traffic": { "failover_records": {
            "hosted_zone_id": ZONE,
            "records": [{
                "name": "app.example.com",
                "type": "A",
                "set_identifiers": { "eu-central-1": "frankfurt", "eu-west-1": "ireland" },
            }],
        } },
    })
}

/// The records of a request.
fn records(request: &mut Value) -> &mut Value {
    &mut request["traffic"]["failover_records"]["records"]
}

/// A zone whose one record moves when a batch is applied.
#[derive(Clone)]
struct Zone {
    aws: FakeAws,
    moved: Arc<AtomicBool>,
}

impl Zone {
    fn at_home() -> Self {
        let zone = Self { aws: FakeAws::new(), moved: Arc::default() };
        zone.aws.on("route53", "ListResourceRecordSets", [zone.listing()]);
        zone.aws.on("route53", "ChangeResourceRecordSets", [zone.applied()]);
        zone.aws.on("route53", "GetChange", [change_info("PENDING"), change_info("INSYNC")]);
        zone.aws.on("route53", "TestDNSAnswer", [dns_answer()]);
        zone
    }

    fn listing(&self) -> Reply {
        let moved = Arc::clone(&self.moved);
        Reply::from_fn(move |_| {
            let [frankfurt, ireland] =
                if moved.load(Ordering::SeqCst) { ["SECONDARY", "PRIMARY"] } else { ["PRIMARY", "SECONDARY"] };
            listing(&[alias("frankfurt", frankfurt), alias("ireland", ireland), other_record()], "")
        })
    }

    /// Applies the batch and answers.
    fn applied(&self) -> Reply {
        let moved = Arc::clone(&self.moved);
        Reply::from_fn(move |_| {
            moved.store(true, Ordering::SeqCst);
            change_answer()
        })
    }

    /// Applies the batch, and then this happens to the answer.
    fn applied_but(&self, fate: Reply) -> Reply {
        let moved = Arc::clone(&self.moved);
        Reply::from_fn(move |_| {
            moved.store(true, Ordering::SeqCst);
            fate.clone()
        })
    }

    fn changes(&self) -> Vec<Request> {
        self.aws.requests_to("route53", "ChangeResourceRecordSets")
    }

    fn ledger_status(&self) -> Value {
        self.aws.ledger_item("f1#shift-dns#Z1").expect("claimed")["status"]["S"].clone()
    }
}

const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

fn listing(sets: &[String], next: &str) -> Reply {
    let truncated = !next.is_empty();
    Reply::xml(format!(
        "<?xml version=\"1.0\"?><ListResourceRecordSetsResponse xmlns=\"{NAMESPACE}\"><ResourceRecordSets>{}\
         </ResourceRecordSets><IsTruncated>{truncated}</IsTruncated>{next}<MaxItems>100</MaxItems>\
         </ListResourceRecordSetsResponse>",
        sets.concat()
    ))
}

fn set(name: &str, record_type: &str, attributes: &str) -> String {
    format!("<ResourceRecordSet><Name>{name}</Name><Type>{record_type}</Type>{attributes}</ResourceRecordSet>")
}

fn failover_set(name: &str, record_type: &str, identifier: &str, role: &str, rest: &str) -> String {
    let attributes = format!("<SetIdentifier>{identifier}</SetIdentifier><Failover>{role}</Failover>{rest}");
    set(name, record_type, &attributes)
}

fn alias_target(name: &str) -> String {
    format!(
        "<AliasTarget><HostedZoneId>Z2</HostedZoneId><DNSName>{name}.elb.amazonaws.com.</DNSName>\
         <EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>"
    )
}

fn alias(identifier: &str, role: &str) -> String {
    failover_set("app.example.com.", "A", identifier, role, &alias_target(identifier))
}

fn values(ttl: u32, values: &[&str]) -> String {
    let records: Vec<String> =
        values.iter().map(|value| format!("<ResourceRecord><Value>{value}</Value></ResourceRecord>")).collect();
    format!("<TTL>{ttl}</TTL><ResourceRecords>{}</ResourceRecords>", records.concat())
}

fn other_record() -> String {
    set("www.example.com.", "A", &values(300, &["192.0.2.99"]))
}

fn change_answer() -> Reply {
    Reply::xml(format!(
        "<ChangeResourceRecordSetsResponse xmlns=\"{NAMESPACE}\"><ChangeInfo><Id>/change/C1</Id><Status>PENDING\
         </Status><SubmittedAt>2026-11-21T04:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>"
    ))
}

fn change_info(status: &str) -> Reply {
    Reply::xml(format!(
        "<GetChangeResponse xmlns=\"{NAMESPACE}\"><ChangeInfo><Id>/change/C1</Id><Status>{status}</Status>\
         <SubmittedAt>2026-11-21T04:00:00Z</SubmittedAt></ChangeInfo></GetChangeResponse>"
    ))
}

fn dns_answer() -> Reply {
    Reply::xml(format!(
        "<TestDNSAnswerResponse xmlns=\"{NAMESPACE}\"><Nameserver>ns-1.awsdns-1.com</Nameserver>\
         <RecordName>app.example.com</RecordName><RecordType>A</RecordType><RecordData><RecordDataEntry>192.0.2.7\
         </RecordDataEntry></RecordData><ResponseCode>NOERROR</ResponseCode><Protocol>UDP</Protocol>\
         </TestDNSAnswerResponse>"
    ))
}

/// The batch's one form: `(action, record set)` in order.
fn batch(request: &Request) -> (String, Vec<(String, String)>) {
    let body = request.body.as_str().expect("XML").to_owned();
    let prefix = format!("<ChangeResourceRecordSetsRequest xmlns=\"{NAMESPACE}\"><ChangeBatch><Comment>");
    let rest = body.strip_prefix(&prefix).unwrap_or_else(|| panic!("{body}"));
    let (comment, rest) = rest.split_once("</Comment><Changes>").expect("changes");
    let rest = rest.strip_suffix("</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>").expect("an end");
    let changes = rest.split_inclusive("</Change>").map(|change| {
        let change = change.strip_prefix("<Change><Action>").expect("an action");
        let (action, set) = change.split_once("</Action>").expect("a record set");
        (action.to_owned(), set.strip_suffix("</Change>").expect("an end").to_owned())
    });
    (comment.to_owned(), changes.collect())
}

/// The times between requests.
fn pauses(requests: &[Request]) -> Vec<Duration> {
    requests.windows(2).map(|pair| pair[1].at.saturating_sub(pair[0].at)).collect()
}

fn pair(action: &str, set: String) -> (String, String) {
    (action.to_owned(), set)
}

#[tokio::test(start_paused = true)]
async fn the_record_moves_by_one_batch_and_is_done_when_all_name_servers_have_it() {
    let zone = Zone::at_home();
    let response = invoke(&zone.aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(response.message, "eu-west-1 is primary for every record, and change C1 is INSYNC");
    assert_eq!(response.operation_id, "f1#shift-dns#Z1");
    let requests = zone.aws.requests();
    assert_eq!(
        names(&requests),
        [
            "ListResourceRecordSets",
            "ChangeResourceRecordSets",
            "GetChange",
            "GetChange",
            "ListResourceRecordSets",
            "TestDNSAnswer"
        ]
    );
    let paths: Vec<&str> = requests.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/2013-04-01/hostedzone/Z1/rrset?name=app.example.com.&type=A&maxitems=100",
            "/2013-04-01/hostedzone/Z1/rrset",
            "/2013-04-01/change/C1",
            "/2013-04-01/change/C1",
            "/2013-04-01/hostedzone/Z1/rrset?name=app.example.com.&type=A&maxitems=100",
            "/2013-04-01/testdnsanswer?hostedzoneid=Z1&recordname=app.example.com.&recordtype=A",
        ]
    );
    assert!(requests.iter().all(|request| request.host == "route53.amazonaws.com" && request.region == "us-east-1"));
    assert_eq!(response.observed["answers"][0]["values"], json!(["192.0.2.7"]));
    assert_eq!(response.observed["warnings"], json!([]));
    assert_eq!(zone.ledger_status(), "completed");
}

#[tokio::test(start_paused = true)]
async fn the_batch_deletes_what_was_seen_and_creates_it_with_the_other_role_and_holds_nothing_else() {
    let zone = Zone::at_home();
    invoke(&zone.aws, request()).await.expect("done");
    let (comment, changes) = batch(&zone.changes()[0]);
    assert_eq!(comment, "failover f1: eu-west-1 becomes primary");
    assert_eq!(
        changes,
        [
            pair("DELETE", alias("ireland", "SECONDARY")),
            pair("DELETE", alias("frankfurt", "PRIMARY")),
            pair("CREATE", alias("ireland", "PRIMARY")),
            pair("CREATE", alias("frankfurt", "SECONDARY")),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn every_attribute_of_every_record_is_kept_and_all_records_change_in_one_batch() {
    let zone = Zone::at_home();
    let check = "<HealthCheckId>0d1f8f5c-0000-4000-8000-000000000001</HealthCheckId>";
    let two_values = values(60, &["192.0.2.1", "192.0.2.2"]);
    let plain = |identifier: &str, role: &str| {
        failover_set("\\052.example.com.", "A", identifier, role, &format!("{two_values}{check}"))
    };
    let odd = values(30, &["a&amp;b.example.net"]);
    let cname = |identifier: &str, role: &str| failover_set("shop.example.com.", "CNAME", identifier, role, &odd);
    let sets = [
        plain("f &amp; &lt;1&gt;", "PRIMARY"),
        plain("i", "SECONDARY"),
        other_record(),
        cname("f", "PRIMARY"),
        cname("i", "SECONDARY"),
    ];
    zone.aws.on("route53", "ListResourceRecordSets", [listing(&sets, "")]);
    let request = json!({ "traffic": { "failover_records": {
        "hosted_zone_id": ZONE,
        "records": [
            {
                "name": "*.Example.com",
                "type": "A",
                "set_identifiers": { "eu-central-1": "f & <1>", "eu-west-1": "i" },
            },
            { "name": "shop.example.com", "type": "CNAME", "set_identifiers": { "eu-central-1": "f", "eu-west-1": "i" } },
        ],
    } } });
    invoke(&zone.aws, request).await.expect("sent");
    let requests = zone.aws.requests();
    assert_eq!(names(&requests)[..2], ["ListResourceRecordSets", "ChangeResourceRecordSets"], "one page has both");
    let (_, changes) = batch(&zone.changes()[0]);
    assert_eq!(
        changes,
        [
            pair("DELETE", plain("i", "SECONDARY")),
            pair("DELETE", plain("f &amp; &lt;1&gt;", "PRIMARY")),
            pair("DELETE", cname("i", "SECONDARY")),
            pair("DELETE", cname("f", "PRIMARY")),
            pair("CREATE", plain("i", "PRIMARY")),
            pair("CREATE", plain("f &amp; &lt;1&gt;", "SECONDARY")),
            pair("CREATE", cname("i", "PRIMARY")),
            pair("CREATE", cname("f", "SECONDARY")),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_completed_operation_is_answered_by_one_call_to_the_ledger() {
    let zone = Zone::at_home();
    let first = invoke(&zone.aws, request()).await.expect("done");
    let before = zone.aws.all_requests().len();
    let again = invoke(&zone.aws, request()).await.expect("done");
    let after: Vec<String> = zone.aws.all_requests()[before..].iter().map(Request::name).collect();
    assert_eq!(after, ["dynamodb:UpdateItem"]);
    assert_eq!(again, StepResponse { from_ledger: true, ..first });
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_moved_already_is_done_without_a_change() {
    let zone = Zone::at_home();
    zone.moved.store(true, Ordering::SeqCst);
    let response = invoke(&zone.aws, request()).await.expect("done");
    assert_eq!(response.message, "eu-west-1 is primary for every record already, by no change of ours");
    assert_eq!(names(&zone.aws.requests()), ["ListResourceRecordSets", "TestDNSAnswer"]);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_answers_what_it_would_change_and_changes_nothing() {
    let zone = Zone::at_home();
    let mut request = request();
    request["run"]["dry_run"] = json!(true);
    let response = invoke(&zone.aws, request).await.expect("would act");
    assert_eq!(response.status, StepStatus::WouldAct);
    assert_eq!(response.action["changes"][0]["expected"]["set_identifier"], "ireland");
    assert_eq!(response.action["changes"][0]["routing"]["failover"], "PRIMARY");
    let all: Vec<String> = zone.aws.all_requests().iter().map(Request::name).collect();
    assert_eq!(all, ["dynamodb:GetItem", "route53:ListResourceRecordSets"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_asked_for_is_a_warning_and_no_more() {
    for reply in [Reply::error("InvalidInput", "private zone"), Reply::Silence, Reply::error("AccessDenied", "no")] {
        let zone = Zone::at_home();
        zone.aws.on("route53", "TestDNSAnswer", [reply]);
        let response = invoke(&zone.aws, request()).await.expect("done");
        assert_eq!(response.status, StepStatus::Done);
        let warning = response.observed["warnings"][0].as_str().expect("a warning").to_owned();
        assert!(warning.starts_with("what Route 53 answers could not be asked: route53:TestDNSAnswer"), "{warning}");
        assert_eq!(zone.aws.requests_to("route53", "TestDNSAnswer").len(), 1);
    }
}

/// Each error that the model of `ChangeResourceRecordSets` has, and those that every service can answer.
#[tokio::test(start_paused = true)]
async fn an_error_of_the_change_that_repeating_cannot_cure_is_answered_with_its_code_after_one_attempt() {
    for (status, aws_code, expected) in [
        (404, "NoSuchHostedZone", ErrorCode::Refused),
        (404, "NoSuchHealthCheck", ErrorCode::Refused),
        (400, "InvalidInput", ErrorCode::Bug),
        (400, "MalformedInput", ErrorCode::Bug),
        (403, "AccessDenied", ErrorCode::Denied),
        (400, "InvalidChangeBatch", ErrorCode::Transient),
    ] {
        let zone = Zone::at_home();
        let reply = Reply::Error(status, aws_code.to_owned(), "what AWS says".to_owned());
        zone.aws.on("route53", "ChangeResourceRecordSets", [reply]);
        let error = invoke(&zone.aws, request()).await.expect_err(aws_code);
        assert_eq!(error.code(), expected, "{aws_code}");
        let text = failover::error::chain(&error);
        assert!(text.contains(aws_code) && text.contains("what AWS says"), "{text}");
        assert_eq!(zone.changes().len(), 1, "{aws_code}");
        assert_eq!(zone.ledger_status(), "failed", "{aws_code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_certainly_not_applied_is_sent_again_after_a_pause() {
    for refusal in [
        Reply::error("PriorRequestNotComplete", "another change of the zone is under way"),
        Reply::error("Throttling", "Rate exceeded"),
        Reply::Error(503, "Throttling".to_owned(), "Rate exceeded".to_owned()),
        Reply::Refused,
    ] {
        let zone = Zone::at_home();
        let replies = [refusal.clone(), refusal.clone(), zone.applied()];
        zone.aws.on("route53", "ChangeResourceRecordSets", replies);
        let response = invoke(&zone.aws, request()).await.expect("done");
        assert_eq!(response.status, StepStatus::Done, "{refusal:?}");
        let pauses = pauses(&zone.changes());
        let [first, second] = pauses.as_slice() else { panic!("{refusal:?}: {pauses:?}") };
        assert!(*first >= Duration::from_secs(1), "{refusal:?}: {pauses:?}");
        assert!(*second >= Duration::from_secs(2), "{refusal:?}: {pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_may_have_been_applied_is_not_sent_again_but_looked_for() {
    for fate in [
        Reply::Error(500, "InternalError".to_owned(), "oops".to_owned()),
        Reply::Error(503, "ServiceUnavailable".to_owned(), "oops".to_owned()),
        Reply::Silence,
        Reply::Reset,
        Reply::xml("<cut"),
    ] {
        let zone = Zone::at_home();
        zone.aws.on("route53", "ChangeResourceRecordSets", [zone.applied_but(fate.clone())]);
        let response = until_settled(&zone.aws, request()).await.expect("done");
        assert_eq!(response.status, StepStatus::Done, "{fate:?}");
        assert!(response.message.contains("whose id was lost"), "{}", response.message);
        assert_eq!(zone.changes().len(), 1, "{fate:?}");
        assert_eq!(zone.aws.requests_to("route53", "GetChange").len(), 0, "{fate:?}");
        let done = zone.aws.requests().last().expect("requests").at.saturating_sub(zone.changes()[0].at);
        assert!(done >= Duration::from_secs(60) && done < Duration::from_secs(75), "{fate:?}: {done:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_turns_out_not_to_have_been_applied_is_made_anew_once_it_cannot_arrive_any_more() {
    let zone = Zone::at_home();
    zone.aws.on("route53", "ChangeResourceRecordSets", [Reply::Silence, zone.applied()]);
    let response = until_settled(&zone.aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    let changes = zone.changes();
    assert_eq!(changes.len(), 2);
    assert!(pauses(&changes)[0] >= Duration::from_secs(10), "{changes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stale_observation_leads_to_a_new_look_and_a_new_action() {
    let zone = Zone::at_home();
    let after_edit = |role: &str, identifier: &str| {
        failover_set("app.example.com.", "A", identifier, role, &values(60, &["192.0.2.1"]))
    };
    let home = [alias("frankfurt", "PRIMARY"), alias("ireland", "SECONDARY")];
    let edited = [after_edit("PRIMARY", "frankfurt"), after_edit("SECONDARY", "ireland")];
    let moved = [after_edit("SECONDARY", "frankfurt"), after_edit("PRIMARY", "ireland")];
    let has_moved = Arc::clone(&zone.moved);
    let second_look =
        Reply::from_fn(move |_| listing(if has_moved.load(Ordering::SeqCst) { &moved } else { &edited }, ""));
    zone.aws.on("route53", "ListResourceRecordSets", [listing(&home, ""), second_look]);
    let stale = Reply::error("InvalidChangeBatch", "the values provided do not match the current values");
    zone.aws.on("route53", "ChangeResourceRecordSets", [stale, zone.applied()]);
    let response = until_settled(&zone.aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    let changes = zone.changes();
    assert_eq!(changes.len(), 2);
    assert_eq!(batch(&changes[0]).1[0], pair("DELETE", alias("ireland", "SECONDARY")));
    assert_eq!(batch(&changes[1]).1[0], pair("DELETE", after_edit("SECONDARY", "ireland")));
    assert!(pauses(&changes)[0] < Duration::from_secs(3), "a change that was refused need not settle: {changes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_route_53_does_not_know_any_more_counts_by_what_the_records_show() {
    let zone = Zone::at_home();
    let unknown = Reply::Error(404, "NoSuchChange".to_owned(), "no change C1".to_owned());
    zone.aws.on("route53", "GetChange", [unknown]);
    let response = until_settled(&zone.aws, request()).await.expect("done");
    assert!(response.message.contains("after change C1; name servers follow within 60 s"), "{}", response.message);
    assert_eq!(zone.changes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_lost_with_route_53s_old_control_plane_is_submitted_again() {
    let zone = Zone::at_home();
    // Accepted, but gone with the Region: the records never show it.
    zone.aws.on("route53", "ChangeResourceRecordSets", [change_answer(), zone.applied()]);
    let unknown = Reply::Error(404, "NoSuchChange".to_owned(), "no change C1".to_owned());
    let moved = Arc::clone(&zone.moved);
    let progress =
        Reply::from_fn(move |_| if moved.load(Ordering::SeqCst) { change_info("INSYNC") } else { unknown.clone() });
    zone.aws.on("route53", "GetChange", [progress]);
    let response = until_settled(&zone.aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(zone.changes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_stays_pending_is_asked_after_each_second_and_then_left_to_the_state_machine() {
    let zone = Zone::at_home();
    zone.aws.on("route53", "GetChange", [change_info("PENDING")]);
    let response = invoke(&zone.aws, request()).await.expect("in progress");
    assert_eq!(response.status, StepStatus::InProgress);
    assert_eq!(response.message, "change C1 is not on all name servers yet");
    assert_eq!(response.ask_again_after_seconds, 1);
    let pauses = pauses(&zone.aws.requests_to("route53", "GetChange"));
    assert!(pauses.iter().all(|pause| *pause == Duration::from_secs(1)), "{pauses:?}");
    assert!(pauses.len() > 10, "{pauses:?}");
    assert_eq!(zone.aws.requests_to("route53", "ListResourceRecordSets").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_read_names_what_is_wrong_and_changes_nothing() {
    for (reply, code, expected) in [
        (
            Reply::Error(404, "NoSuchHostedZone".to_owned(), "No hosted zone found with ID: Z1".to_owned()),
            ErrorCode::InvalidRequest,
            "traffic.failover_records.hosted_zone_id: there is no hosted zone Z1",
        ),
        (
            Reply::error("InvalidInput", "bad name"),
            ErrorCode::InvalidRequest,
            "traffic.failover_records.records[0].name: Route 53 does not take it",
        ),
        (Reply::error("Throttling", "Rate exceeded"), ErrorCode::Transient, "Rate exceeded"),
        (Reply::Silence, ErrorCode::Transient, "listing app.example.com. A"),
        (Reply::Error(403, "AccessDenied".to_owned(), "no".to_owned()), ErrorCode::Denied, "ListResourceRecordSets"),
    ] {
        let zone = Zone::at_home();
        zone.aws.on("route53", "ListResourceRecordSets", [reply]);
        let error = invoke(&zone.aws, request()).await.expect_err(expected);
        assert_eq!(error.code(), code, "{error}");
        let text = failover::error::chain(&error);
        assert!(text.contains(expected), "{text}");
        assert!(zone.changes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_of_the_change_that_fails_for_a_moment_is_repeated() {
    let zone = Zone::at_home();
    let unavailable = Reply::Error(503, "ServiceUnavailable".to_owned(), "oops".to_owned());
    zone.aws.on("route53", "GetChange", [unavailable, change_info("INSYNC")]);
    let response = invoke(&zone.aws, request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(zone.changes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_set_that_is_not_failovers_or_would_lose_something_is_refused_with_the_reason() {
    let plain = values(60, &["192.0.2.1"]);
    for (attributes, expected) in [
        ("<SetIdentifier>ireland</SetIdentifier><Weight>10</Weight>", "has weighted routing"),
        ("<SetIdentifier>ireland</SetIdentifier><Region>eu-west-1</Region>", "has latency routing"),
        (
            "<SetIdentifier>ireland</SetIdentifier><GeoLocation><CountryCode>IE</CountryCode></GeoLocation>",
            "has geolocation routing",
        ),
        (
            "<SetIdentifier>ireland</SetIdentifier><GeoProximityLocation><AWSRegion>eu-west-1</AWSRegion>\
             </GeoProximityLocation>",
            "has geoproximity routing",
        ),
        (
            "<SetIdentifier>ireland</SetIdentifier><MultiValueAnswer>true</MultiValueAnswer>",
            "has multivalue answer routing",
        ),
        (
            "<SetIdentifier>ireland</SetIdentifier><CidrRoutingConfig><CollectionId>c</CollectionId>\
             <LocationName>l</LocationName></CidrRoutingConfig>",
            "has IP-based routing",
        ),
        ("", "has simple routing"),
        (
            "<SetIdentifier>ireland</SetIdentifier><Failover>TERTIARY</Failover>",
            "has a failover role that this version",
        ),
        (
            "<SetIdentifier>ireland</SetIdentifier><Failover>SECONDARY</Failover>\
             <TrafficPolicyInstanceId>t1</TrafficPolicyInstanceId>",
            "belongs to a traffic policy",
        ),
        (
            "<SetIdentifier>ireland</SetIdentifier><Failover>SECONDARY</Failover><Weight>10</Weight>",
            "has attributes that this version does not know and would lose",
        ),
    ] {
        let zone = Zone::at_home();
        let set = set("app.example.com.", "A", &format!("{attributes}{plain}"));
        let sets = if attributes.is_empty() { vec![set] } else { vec![alias("frankfurt", "PRIMARY"), set] };
        zone.aws.on("route53", "ListResourceRecordSets", [listing(&sets, "")]);
        let error = invoke(&zone.aws, request()).await.expect_err(expected);
        assert_eq!(error.code(), ErrorCode::Refused, "{error}");
        let text = error.to_string();
        assert!(text.contains("records[0].set_identifiers.") && text.contains(expected), "{text}");
        assert!(zone.changes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_goes_on_is_followed_until_the_record_is_passed() {
    let zone = Zone::at_home();
    let next = "<NextRecordName>app.example.com.</NextRecordName><NextRecordType>A</NextRecordType>\
                <NextRecordIdentifier>ireland</NextRecordIdentifier>";
    zone.aws.on(
        "route53",
        "ListResourceRecordSets",
        [
            listing(&[alias("frankfurt", "PRIMARY")], next),
            listing(&[alias("ireland", "SECONDARY"), other_record()], next),
        ],
    );
    zone.aws.on("route53", "ChangeResourceRecordSets", [Reply::error("InvalidInput", "stop here")]);
    invoke(&zone.aws, request()).await.expect_err("stopped");
    let lists = zone.aws.requests_to("route53", "ListResourceRecordSets");
    let paths: Vec<&str> = lists.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/2013-04-01/hostedzone/Z1/rrset?name=app.example.com.&type=A&maxitems=100",
            "/2013-04-01/hostedzone/Z1/rrset?name=app.example.com.&type=A&identifier=ireland&maxitems=100",
        ]
    );
    assert_eq!(batch(&zone.changes()[0]).1.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_record_cut_off_at_a_pages_end_is_listed_again_from_its_beginning() {
    let zone = Zone::at_home();
    let b =
        |identifier: &str, role: &str| failover_set("b.example.com.", "A", identifier, role, &alias_target(identifier));
    let next = "<NextRecordName>b.example.com.</NextRecordName><NextRecordType>A</NextRecordType>\
                <NextRecordIdentifier>ireland</NextRecordIdentifier>";
    zone.aws.on(
        "route53",
        "ListResourceRecordSets",
        [
            listing(&[alias("frankfurt", "PRIMARY"), alias("ireland", "SECONDARY"), b("frankfurt", "PRIMARY")], next),
            listing(&[b("frankfurt", "PRIMARY"), b("ireland", "SECONDARY")], ""),
        ],
    );
    let mut request = request();
    let mut second = records(&mut request)[0].clone();
    second["name"] = json!("b.example.com");
    records(&mut request).as_array_mut().expect("a list").push(second);
    zone.aws.on("route53", "ChangeResourceRecordSets", [Reply::error("InvalidInput", "stop here")]);
    invoke(&zone.aws, request).await.expect_err("stopped");
    assert_eq!(zone.aws.requests_to("route53", "ListResourceRecordSets").len(), 2);
    assert_eq!(batch(&zone.changes()[0]).1.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_never_ends_is_given_up() {
    let zone = Zone::at_home();
    let next = "<NextRecordName>app.example.com.</NextRecordName><NextRecordType>A</NextRecordType>\
                <NextRecordIdentifier>x</NextRecordIdentifier>";
    zone.aws.on("route53", "ListResourceRecordSets", [listing(&[alias("x", "PRIMARY")], next)]);
    let error = invoke(&zone.aws, request()).await.expect_err("given up");
    assert_eq!(error.code(), ErrorCode::Refused);
    assert!(error.to_string().contains("more record sets than Route 53 allows"), "{error}");
    assert_eq!(zone.aws.requests_to("route53", "ListResourceRecordSets").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_used_touches_neither_route_53_nor_the_ledger() {
    let zone = Zone::at_home();
    let mut request = request();
    records(&mut request)[0]["ttl"] = json!(60);
    let error = invoke(&zone.aws, request).await.expect_err("unknown field");
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    assert!(error.to_string().starts_with("traffic.failover_records.records[0].ttl: unknown field"), "{error}");
    assert!(zone.aws.all_requests().is_empty());
}

fn weighted_request() -> Value {
    json!({
        "run": { "failover_id": "f1" },
        "traffic": { "weighted_records": {
            "hosted_zone_id": ZONE,
            "weight": 100,
            "records": [{
                "name": "app.example.com",
                "type": "A",
                "set_identifiers": { "eu-central-1": "frankfurt", "eu-west-1": "ireland", "us-east-1": "virginia" },
            }],
        } },
    })
}

fn weighted(identifier: &str, weight: u8, rest: &str) -> String {
    let attributes = format!("<SetIdentifier>{identifier}</SetIdentifier><Weight>{weight}</Weight>{rest}");
    set("app.example.com.", "A", &attributes)
}

const CHECK_ID: &str = "0d1f8f5c-0000-4000-8000-000000000001";

/// A zone with weighted records, which have these weights in Frankfurt, Ireland and Virginia.
fn weighted_zone(zone: &Zone, before: [u8; 3], after: [u8; 3]) -> [[String; 3]; 2] {
    let rest = format!("{}<HealthCheckId>{CHECK_ID}</HealthCheckId>", values(60, &["192.0.2.1", "192.0.2.2"]));
    let sets = |weights: [u8; 3]| {
        let [frankfurt, ireland, virginia] = weights;
        [("frankfurt", frankfurt), ("ireland", ireland), ("virginia", virginia)]
            .map(|(identifier, weight)| weighted(identifier, weight, &rest))
    };
    let (before, after) = (sets(before), sets(after));
    let listed = [before.clone(), after.clone()];
    let moved = Arc::clone(&zone.moved);
    let reply = Reply::from_fn(move |_| listing(if moved.load(Ordering::SeqCst) { &after } else { &before }, ""));
    zone.aws.on("route53", "ListResourceRecordSets", [reply]);
    listed
}

#[tokio::test(start_paused = true)]
async fn the_targets_weighted_record_gets_all_the_weight_by_one_batch_that_keeps_everything_else() {
    let zone = Zone::at_home();
    let [before, after] = weighted_zone(&zone, [255, 0, 7], [0, 100, 0]);
    let response = invoke(&zone.aws, weighted_request()).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(response.message, "eu-west-1 has all the weight of every record, and change C1 is INSYNC");
    let [change] = zone.changes().try_into().expect("one change");
    let (comment, changes) = batch(&change);
    assert_eq!(comment, "failover f1: eu-west-1 gets all the weight");
    let order = [1, 0, 2];
    let deleted = order.map(|index| pair("DELETE", before[index].clone()));
    let created = order.map(|index| pair("CREATE", after[index].clone()));
    assert_eq!(changes, [deleted, created].concat());
}

#[tokio::test(start_paused = true)]
async fn a_weighted_record_set_that_the_request_does_not_name_may_have_no_weight() {
    for (weight, done) in [(0, true), (1, false)] {
        let zone = Zone::at_home();
        weighted_zone(&zone, [255, 0, weight], [0, 100, weight]);
        let mut request = weighted_request();
        let sets = &mut request["traffic"]["weighted_records"]["records"][0]["set_identifiers"];
        sets.as_object_mut().expect("an object").remove("us-east-1");
        match invoke(&zone.aws, request).await {
            Ok(response) => assert!(done && response.status == StepStatus::Done, "{weight}: {response:?}"),
            Err(error) => {
                assert!(!done && error.code() == ErrorCode::Refused, "{weight}: {error}");
                assert!(error.to_string().contains("another record set, \"virginia\", of weight 1"), "{error}");
                assert!(zone.changes().is_empty());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failover_record_is_not_taken_for_a_weighted_one() {
    let zone = Zone::at_home();
    let mut request = weighted_request();
    let sets = &mut request["traffic"]["weighted_records"]["records"][0]["set_identifiers"];
    sets.as_object_mut().expect("an object").remove("us-east-1");
    let error = invoke(&zone.aws, request).await.expect_err("another policy");
    assert_eq!(error.code(), ErrorCode::Refused);
    assert!(error.to_string().contains("has failover routing, not weighted"), "{error}");
    assert!(zone.changes().is_empty());
}

/// A zone at home whose records have this TTL, and this health check in Frankfurt and in Ireland.
fn checked_zone(ttl: u32, checks: [&str; 2]) -> Zone {
    let zone = Zone::at_home();
    let sets =
        [("frankfurt", "PRIMARY", checks[0]), ("ireland", "SECONDARY", checks[1])].map(|(identifier, role, check)| {
            let rest = format!("{}{check}", values(ttl, &["192.0.2.1"]));
            failover_set("app.example.com.", "A", identifier, role, &rest)
        });
    zone.aws.on("route53", "ListResourceRecordSets", [listing(&sets, "")]);
    zone
}

fn health_check() -> Reply {
    Reply::xml(format!(
        "<GetHealthCheckResponse xmlns=\"{NAMESPACE}\"><HealthCheck><Id>{CHECK_ID}</Id><CallerReference>r\
         </CallerReference><HealthCheckConfig><Type>HTTPS</Type></HealthCheckConfig><HealthCheckVersion>1\
         </HealthCheckVersion></HealthCheck></GetHealthCheckResponse>"
    ))
}

#[tokio::test(start_paused = true)]
async fn the_preflight_finds_records_ttls_and_health_checks_as_they_are_to_be() {
    let check = format!("<HealthCheckId>{CHECK_ID}</HealthCheckId>");
    let zone = checked_zone(60, [&check, &check]);
    zone.aws.on("route53", "GetHealthCheck", [health_check()]);
    let findings = preflight(&zone.aws, request()).await;
    let expected = [
        "step-can-run",
        "independent-of-the-lost-region",
        "record-sets-present",
        "record-ttl-short",
        "record-ttl-short",
        "record-health-decides",
        "record-health-decides",
        "health-check-exists",
    ]
    .map(|check| (check, Severity::Ok));
    assert_eq!(severities(&findings), expected, "{findings:?}");
    let asked = zone.aws.requests_to("route53", "GetHealthCheck");
    let paths: Vec<&str> = asked.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, [format!("/2013-04-01/healthcheck/{CHECK_ID}")]);
    assert_eq!(zone.aws.requests_to("route53", "ListResourceRecordSets").len(), 1, "the zone is read once");
    assert!(zone.changes().is_empty(), "a preflight changes nothing");
    assert!(zone.aws.requests_to("dynamodb", "UpdateItem").is_empty(), "not even the ledger");
}

/// The findings of one check, without those that are as they should be.
async fn complaints(zone: &Zone, request: Value, check: &str) -> Vec<(String, Severity)> {
    let findings = preflight(&zone.aws, request).await;
    let of_check = findings.into_iter().filter(|finding| finding.check == check && finding.severity != Severity::Ok);
    of_check.map(|finding| (finding.subject, finding.severity)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_preflight_warns_of_long_ttls_and_of_records_whose_health_nothing_checks() {
    let zone = checked_zone(300, ["", ""]);
    let both =
        ["ireland", "frankfurt"].map(|identifier| (format!("app.example.com. A ({identifier})"), Severity::Warning));
    assert_eq!(complaints(&zone, request(), "record-ttl-short").await, both);
    assert_eq!(complaints(&zone, request(), "record-health-decides").await, both);
    assert!(zone.aws.requests_to("route53", "GetHealthCheck").is_empty(), "there is none to ask after");
}

#[tokio::test(start_paused = true)]
async fn a_health_check_that_is_gone_blocks_and_one_that_cannot_be_asked_after_is_unknown() {
    let check = format!("<HealthCheckId>{CHECK_ID}</HealthCheckId>");
    for (reply, expected) in [
        (Reply::Error(404, "NoSuchHealthCheck".to_owned(), "gone".to_owned()), Severity::Blocker),
        (Reply::Error(403, "AccessDenied".to_owned(), "no".to_owned()), Severity::Blocker),
        (Reply::error("Throttling", "Rate exceeded"), Severity::Unknown),
        (Reply::Silence, Severity::Unknown),
    ] {
        let zone = checked_zone(60, [&check, &check]);
        zone.aws.on("route53", "GetHealthCheck", [reply.clone()]);
        let found = complaints(&zone, request(), "health-check-exists").await;
        assert_eq!(found, [(CHECK_ID.to_owned(), expected)], "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_moved_blocks_and_a_zone_that_cannot_be_read_is_unknown() {
    let zone = Zone::at_home();
    zone.aws.on("route53", "ListResourceRecordSets", [listing(&[alias("frankfurt", "PRIMARY")], "")]);
    let title = "app.example.com. A".to_owned();
    assert_eq!(complaints(&zone, request(), "record-sets-present").await, [(title, Severity::Blocker)]);
    zone.aws.on("route53", "ListResourceRecordSets", [Reply::Silence]);
    let unknown = [(ZONE.to_owned(), Severity::Unknown)];
    assert_eq!(complaints(&zone, request(), "step-can-run").await, unknown);
    assert_eq!(complaints(&zone, request(), "record-sets-present").await, []);
}

#[tokio::test(start_paused = true)]
async fn records_that_lead_out_of_us_east_1_depend_on_what_is_lost_with_it() {
    let zone = Zone::at_home();
    weighted_zone(&zone, [0, 0, 255], [0, 0, 255]);
    zone.aws.on("route53", "GetHealthCheck", [health_check()]);
    let plane = "route53 control plane, us-east-1".to_owned();
    let found = complaints(&zone, weighted_request(), "independent-of-the-lost-region").await;
    assert_eq!(found, [(plane, Severity::Warning)]);
}

#[tokio::test(start_paused = true)]
async fn region_switch_shifts_the_records_that_its_variable_names_and_does_not_take_deactivate_for_done() {
    let zone = Zone::at_home();
    let traffic = json!({ "traffic": request()["traffic"] }).to_string();
    let ask = async |event: &str| {
        let tools = zone.aws.toolbox();
        let deadline = testing::deadline(&tools.env, &tools.config);
        let variables = BTreeMap::from([(region_switch::VARIABLE, traffic.as_str())]);
        let step = ShiftDns::new(tools, &variables).expect("complete");
        shift_dns::handle(Arc::new(step), serde_json::from_str(event).expect("JSON"), deadline).await
    };
    let deactivate = ask(include_str!("../events/region-switch-deactivate.json")).await.expect_err("nothing to do");
    assert_eq!(deactivate.code(), ErrorCode::InvalidRequest);
    assert!(zone.changes().is_empty());

    let activate = include_str!("../events/region-switch-activate.json");
    let response = ask(activate).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert!(ask(activate).await.expect("done").from_ledger);
    assert_eq!(zone.changes().len(), 1);
}
