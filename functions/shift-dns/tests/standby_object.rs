//! Moving traffic by an object in the standby Region: what is decided, the exact requests to S3, and its errors.

#![allow(clippy::expect_used, reason = "a test's helper fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{invoke, names, no_variables, preflight, severities, until_settled};
use failover::contract::{Region, RunContext, Severity, StandbyObject, StepResponse, StepStatus};
use failover::error::ErrorCode;
use failover::step::Plan;
use failover::testing::{FakeAws, Reply, Request, START};
use serde_json::{Value, json};
use shift_dns::request::Common;
use shift_dns::standby_object::ObjectShift;
use shift_dns::standby_object::plan::{Observation, Present, plan};

const RESOURCE: &str = "failover-switch/trading/failed-over";

fn request(target: &str) -> Value {
    json!({
        "run": { "failover_id": "f1" },
        "target_region": target,
        "traffic": { "standby_object": {
            "region": "eu-west-1",
            "bucket": "failover-switch",
            "key": "trading/failed-over",
            "notice_seconds": 30,
        } },
    })
}

/// A bucket whose one object may be there.
#[derive(Clone)]
struct Bucket {
    aws: FakeAws,
    there: Arc<AtomicBool>,
}

impl Bucket {
    fn with_object(there: bool) -> Self {
        let bucket = Self { aws: FakeAws::new(), there: Arc::new(AtomicBool::new(there)) };
        let present = Arc::clone(&bucket.there);
        let head = Reply::from_fn(move |_| if present.load(Ordering::SeqCst) { written() } else { missing() });
        bucket.aws.on("s3", "HeadObject", [head]);
        bucket.aws.on("s3", "HeadBucket", [Reply::headers(&[])]);
        bucket.aws.on("s3", "PutObject", [bucket.applied(true, Reply::headers(&[]))]);
        bucket.aws.on("s3", "DeleteObject", [bucket.applied(false, Reply::Headers(204, Vec::new()))]);
        bucket
    }

    /// Creates or deletes the object, and then this happens to the answer.
    fn applied(&self, there: bool, fate: Reply) -> Reply {
        let present = Arc::clone(&self.there);
        Reply::from_fn(move |_| {
            present.store(there, Ordering::SeqCst);
            fate.clone()
        })
    }

    fn changes(&self) -> Vec<Request> {
        let mut requests = self.aws.requests();
        requests.retain(|request| ["PutObject", "DeleteObject"].contains(&request.operation.as_str()));
        requests
    }

    /// The time from the last change to the last request.
    fn since_change(&self) -> Duration {
        let last = self.aws.requests().last().expect("requests").at;
        last.saturating_sub(self.changes().last().expect("a change").at)
    }
}

/// The object as it was written at the test's beginning.
fn written() -> Reply {
    Reply::headers(&[("last-modified", "Sat, 21 Nov 2026 04:00:00 GMT")])
}

fn missing() -> Reply {
    Reply::Error(404, String::new(), String::new())
}

#[tokio::test(start_paused = true)]
async fn the_standby_gets_the_traffic_by_one_conditional_put_in_its_region_and_no_call_to_route_53() {
    let bucket = Bucket::with_object(false);
    let response = until_settled(&bucket.aws, request("eu-west-1")).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    let object = "s3://failover-switch/trading/failed-over in eu-west-1";
    assert_eq!(response.message, format!("{object} is there for 30 s or more, so eu-west-1 gets the traffic"));
    assert_eq!(response.operation_id, format!("f1#shift-dns#{RESOURCE}"));
    let requests = bucket.aws.requests();
    assert_eq!(names(&requests)[..4], ["HeadObject", "HeadBucket", "PutObject", "HeadObject"]);
    assert!(requests.iter().all(|request| request.service == "s3" && request.region == "eu-west-1"), "{requests:?}");
    assert!(requests.iter().all(|request| request.host == "failover-switch.s3.eu-west-1.amazonaws.com"));
    let [put] = bucket.changes().try_into().expect("one change");
    assert_eq!(put.path, "/trading/failed-over?x-id=PutObject");
    assert_eq!(put.headers["if-none-match"], "*");
    assert_eq!(put.headers["x-amz-expected-bucket-owner"], "123456789012");
    assert_eq!(put.headers["content-type"], "application/json");
    assert_eq!(
        put.body,
        json!({
            "meaning": "while this object is here, clients are sent to eu-west-1; deleting it sends them back",
            "failover": "failover f1",
            "initiator": "person",
            "target_region": "eu-west-1",
            "at": "2026-11-21T04:00:00Z",
        })
    );
}

#[tokio::test(start_paused = true)]
async fn the_primary_gets_the_traffic_back_by_deleting_the_object() {
    let bucket = Bucket::with_object(true);
    let response = until_settled(&bucket.aws, request("eu-central-1")).await.expect("done");
    assert!(
        response.message.ends_with("is not there for 30 s or more, so eu-central-1 gets the traffic"),
        "{response:?}"
    );
    let [delete] = bucket.changes().try_into().expect("one change");
    assert_eq!((delete.operation.as_str(), delete.region.as_str()), ("DeleteObject", "eu-west-1"));
    assert_eq!(delete.path, "/trading/failed-over?x-id=DeleteObject");
    assert_eq!(delete.headers["x-amz-expected-bucket-owner"], "123456789012");
}

#[tokio::test(start_paused = true)]
async fn it_is_done_when_the_checkers_had_the_time_to_notice_and_not_before() {
    for target in ["eu-west-1", "eu-central-1"] {
        let bucket = Bucket::with_object(target == "eu-central-1");
        let first = invoke(&bucket.aws, request(target)).await.expect("in progress");
        assert_eq!(first.status, StepStatus::InProgress, "{target}");
        assert!(first.message.ends_with("Route 53's checkers notice within 30 s"), "{}", first.message);
        until_settled(&bucket.aws, request(target)).await.expect("done");
        let since = bucket.since_change();
        assert!(since >= Duration::from_secs(30) && since < Duration::from_secs(35), "{target}: {since:?}");
    }
}

#[test]
fn an_object_is_taken_for_as_young_as_it_may_be_since_s3_cuts_its_second_off() {
    let region = Region::parse("eu-west-1").expect("a Region");
    let common = Common {
        run: RunContext::default(),
        target_region: region.clone(),
        resource: RESOURCE.to_owned(),
        depends_on: Vec::new(),
    };
    let object = StandbyObject { region, bucket: "b".to_owned(), key: "k".to_owned(), notice_seconds: 30 };
    let seen = Observation { object: Some(Present { last_modified: Some(START) }), changed_by: None };
    let decided = |ms| plan(&ObjectShift::new(common.clone(), &object), &seen, START.plus_millis(ms));
    assert!(matches!(decided(30_999), Plan::Wait { .. }), "it may have been written 999 ms later");
    assert!(matches!(decided(31_000), Plan::AlreadyDone { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_of_a_local_aws_stands_in_the_path() {
    let bucket = Bucket::with_object(true);
    let mut config = failover::testing::config();
    config.access.endpoint_url = Some("http://127.0.0.1:4566".to_owned());
    let tools = bucket.aws.toolbox_with(config);
    let deadline = failover::testing::deadline(&tools.env, &tools.config);
    let step = Arc::new(shift_dns::ShiftDns::new(tools, &no_variables()).expect("complete"));
    let mut request = request("eu-west-1");
    request["run"]["dry_run"] = json!(true);
    shift_dns::handle(step, request, deadline).await.expect("looked");
    let [head] = bucket.aws.requests_to("s3", "HeadObject").try_into().expect("one look");
    assert_eq!((head.host.as_str(), head.path.as_str()), ("127.0.0.1", "/failover-switch/trading/failed-over"));
}

#[tokio::test(start_paused = true)]
async fn what_is_as_wanted_already_is_not_changed() {
    let absent = Bucket::with_object(false);
    let response = invoke(&absent.aws, request("eu-central-1")).await.expect("done");
    assert!(response.message.ends_with("is not there already, so eu-central-1 gets the traffic"), "{response:?}");
    let present = Bucket::with_object(true);
    let young = invoke(&present.aws, request("eu-west-1")).await.expect("in progress");
    assert_eq!(young.status, StepStatus::InProgress, "it was written this second");
    until_settled(&present.aws, request("eu-west-1")).await.expect("done");
    assert!(absent.changes().is_empty() && present.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_answers_the_change_and_makes_none() {
    let bucket = Bucket::with_object(false);
    let mut request = request("eu-west-1");
    request["run"]["dry_run"] = json!(true);
    let response = invoke(&bucket.aws, request).await.expect("would act");
    assert_eq!(response.status, StepStatus::WouldAct);
    assert_eq!(response.action["create"]["failover"], "failover f1");
    assert!(bucket.changes().is_empty());
}

/// S3's errors of the change that the request cannot cure: each with what it is answered as, after one attempt.
#[tokio::test(start_paused = true)]
async fn an_error_of_the_change_is_answered_with_what_it_means() {
    for (status, aws_code, expected) in [
        (404, "NoSuchBucket", ErrorCode::Refused),
        (403, "AccessDenied", ErrorCode::Denied),
        (412, "PreconditionFailed", ErrorCode::Transient),
        (409, "ConditionalRequestConflict", ErrorCode::Transient),
        (409, "OperationAborted", ErrorCode::Transient),
        (400, "InvalidRequest", ErrorCode::Bug),
        (301, "PermanentRedirect", ErrorCode::Bug),
    ] {
        let bucket = Bucket::with_object(false);
        let reply = Reply::Error(status, aws_code.to_owned(), "what AWS says".to_owned());
        bucket.aws.on("s3", "PutObject", [reply]);
        let error = invoke(&bucket.aws, request("eu-west-1")).await.expect_err(aws_code);
        assert_eq!(error.code(), expected, "{aws_code}");
        assert!(failover::error::chain(&error).contains("what AWS says"), "{error}");
        assert_eq!(bucket.changes().len(), 1, "{aws_code}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_somebody_else_put_there_meanwhile_counts_as_it_is() {
    let bucket = Bucket::with_object(false);
    let taken = Reply::Error(412, "PreconditionFailed".to_owned(), "At least one condition failed".to_owned());
    bucket.aws.on("s3", "PutObject", [bucket.applied(true, taken)]);
    let response = until_settled(&bucket.aws, request("eu-west-1")).await.expect("done");
    assert_eq!(response.status, StepStatus::Done);
    assert_eq!(bucket.changes().len(), 1, "it is not overwritten");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_certainly_not_applied_is_sent_again() {
    for refusal in [Reply::Error(503, "SlowDown".to_owned(), "Reduce your request rate".to_owned()), Reply::Refused] {
        let bucket = Bucket::with_object(false);
        bucket.aws.on("s3", "PutObject", [refusal.clone(), bucket.applied(true, Reply::headers(&[]))]);
        until_settled(&bucket.aws, request("eu-west-1")).await.expect("done");
        assert_eq!(bucket.changes().len(), 2, "{refusal:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_looked_for_and_not_sent_again() {
    for fate in [Reply::Error(500, "InternalError".to_owned(), "oops".to_owned()), Reply::Silence, Reply::Reset] {
        for target in ["eu-west-1", "eu-central-1"] {
            let there = target == "eu-west-1";
            let bucket = Bucket::with_object(!there);
            let operation = if there { "PutObject" } else { "DeleteObject" };
            bucket.aws.on("s3", operation, [bucket.applied(there, fate.clone())]);
            until_settled(&bucket.aws, request(target)).await.expect("done");
            assert_eq!(bucket.changes().len(), 1, "{fate:?} {target}");
            assert!(bucket.since_change() >= Duration::from_secs(29), "{fate:?} {target}: {:?}", bucket.since_change());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_read_names_what_is_wrong_and_changes_nothing() {
    for (operation, reply, code, expected) in [
        ("HeadObject", Reply::Error(403, String::new(), String::new()), ErrorCode::Denied, "s3:GetObject"),
        ("HeadObject", Reply::Silence, ErrorCode::Transient, "looking at s3://failover-switch/trading/failed-over"),
        (
            "HeadObject",
            Reply::Error(301, String::new(), String::new()),
            ErrorCode::InvalidRequest,
            "traffic.standby_object.region: S3 in eu-west-1 does not serve bucket failover-switch",
        ),
        ("HeadBucket", missing(), ErrorCode::InvalidRequest, "traffic.standby_object.bucket: there is no bucket"),
        ("HeadBucket", Reply::Error(403, String::new(), String::new()), ErrorCode::Denied, "s3:ListBucket"),
    ] {
        let bucket = Bucket::with_object(false);
        bucket.aws.on("s3", operation, [reply]);
        let error = invoke(&bucket.aws, request("eu-central-1")).await.expect_err(expected);
        assert_eq!(error.code(), code, "{error}");
        let text = failover::error::chain(&error);
        assert!(text.contains(expected), "{text}");
        assert!(bucket.changes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_preflight_looks_at_bucket_and_object() {
    let ok = Severity::Ok;
    for (target, there, dependency, object) in [
        ("eu-west-1", false, ok, ok),
        ("eu-west-1", true, ok, Severity::Warning),
        ("eu-central-1", true, Severity::Warning, ok),
        ("eu-central-1", false, Severity::Warning, Severity::Warning),
    ] {
        let bucket = Bucket::with_object(there);
        bucket.aws.toolbox().env.sleep(Duration::from_secs(60)).await;
        let findings = preflight(&bucket.aws, request(target)).await;
        let expected = [
            ("step-can-run", ok),
            ("independent-of-the-lost-region", dependency),
            ("standby-bucket-reachable", ok),
            ("standby-object-as-expected", object),
        ];
        assert_eq!(severities(&findings), expected, "{target} {there}: {findings:?}");
        assert!(bucket.changes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_missing_or_denied_blocks_and_one_that_is_silent_is_unknown() {
    for (reply, expected) in [
        (missing(), Severity::Blocker),
        (Reply::Error(403, String::new(), String::new()), Severity::Blocker),
        (Reply::Error(301, String::new(), String::new()), Severity::Blocker),
        (Reply::Silence, Severity::Unknown),
    ] {
        let bucket = Bucket::with_object(false);
        bucket.aws.on("s3", "HeadBucket", [reply.clone()]);
        let findings = preflight(&bucket.aws, request("eu-west-1")).await;
        let of_bucket = findings.iter().find(|finding| finding.check == "standby-bucket-reachable").expect("checked");
        assert_eq!(of_bucket.severity, expected, "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_completed_operation_is_answered_by_one_call_to_the_ledger() {
    let bucket = Bucket::with_object(false);
    let first = until_settled(&bucket.aws, request("eu-west-1")).await.expect("done");
    let before = bucket.aws.all_requests().len();
    let again = invoke(&bucket.aws, request("eu-west-1")).await.expect("done");
    assert_eq!(bucket.aws.all_requests().len(), before + 1);
    assert_eq!(again, StepResponse { from_ledger: true, ..first });
}
