//! The bucket of the standby object: while the object is there, an inverted health check counts as unhealthy.
//!
//! S3 is strongly consistent: what was written is there for every request after it.
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel>

use aws_smithy_types::date_time::{DateTime, Format};
use failover::contract::Timestamp;
use failover::testing::wire::Request;
use serde_json::{Value, json};

use super::{ACCOUNT, Answer, Aws};
use crate::workload::STANDBY;

/// The bucket, in the standby Region.
pub const BUCKET: &str = "failover-switch";
/// The object's key.
pub const KEY: &str = "trading/failed-over";
/// How long the checkers take to notice at most, in seconds.
pub const NOTICE_SECONDS: u32 = 30;

/// The object.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// When it was written.
    pub at: Timestamp,
    /// What stands in it.
    pub body: Value,
}

/// That the object was written or deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Whether it was written.
    pub written: bool,
    /// Whether a person did it by hand.
    pub by_hand: bool,
}

/// The bucket.
#[derive(Debug, Default)]
pub struct S3 {
    object: Option<Object>,
    changes: Vec<Change>,
    /// When the object began and stopped to answer those who ask for it.
    turns: Vec<(Timestamp, bool)>,
    is_lost: bool,
    /// Up to when time has passed.
    passed: Option<Timestamp>,
}

impl S3 {
    /// The object, if it is there.
    #[must_use]
    pub const fn object(&self) -> Option<&Object> {
        self.object.as_ref()
    }

    /// Every change that was made, in order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// When the object began and stopped to answer, in order; in the beginning it does not.
    #[must_use]
    pub(super) fn turns(&self) -> &[(Timestamp, bool)] {
        &self.turns
    }

    fn set(&mut self, object: Option<Object>, by_hand: bool, now: Timestamp) {
        let written = object.is_some();
        self.object = object;
        self.changes.push(Change { at: now, written, by_hand });
        self.note(now);
    }

    fn note(&mut self, now: Timestamp) {
        let answers = self.object.is_some() && !self.is_lost;
        if answers != self.turns.last().is_some_and(|(_, answers)| *answers) {
            self.turns.push((now, answers));
        }
    }
}

/// How traffic is moved by the object, as a plan has it.
#[must_use]
pub fn traffic() -> Value {
    json!({ "standby_object": { "region": STANDBY, "bucket": BUCKET, "key": KEY, "notice_seconds": NOTICE_SECONDS } })
}

/// Lets time pass. A loss of the bucket's Region holds from the moment up to which time had passed.
pub fn advance(aws: &mut Aws, now: Timestamp) {
    let Aws { s3, lost, .. } = aws;
    let passed = *s3.passed.get_or_insert(now);
    s3.is_lost = lost.contains(STANDBY);
    s3.note(passed);
    s3.passed = Some(passed.max(now));
}

/// A person writes the object, or deletes it.
pub fn set_by_hand(aws: &mut Aws, there: bool, now: Timestamp) {
    advance(aws, now);
    let object = there.then(|| Object { at: now, body: json!("by hand") });
    aws.s3.set(object, true, now);
}

/// Answers a request.
///
/// # Panics
/// On what is not simulated.
pub fn answer(aws: &mut Aws, request: &Request, now: Timestamp) -> Answer {
    let path = request.path.split('?').next().unwrap_or_default().trim_matches('/');
    let (bucket, key) = match request.host.split_once(".s3.") {
        Some((bucket, _)) => (bucket, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };
    if let Some(refusal) = refusal(request, bucket) {
        return refusal;
    }
    let is_it = key == KEY;
    let found = aws.s3.object.as_ref().filter(|_| is_it);
    match request.operation.as_str() {
        "HeadBucket" => Answer::Headers(vec![("x-amz-bucket-region".to_owned(), STANDBY.to_owned())]),
        "HeadObject" => found.map_or_else(|| error(404, "NotFound", "Not Found"), described),
        "PutObject" => {
            assert!(is_it, "no other object is simulated: {key}");
            assert_eq!(
                request.headers.get("if-none-match").map(String::as_str),
                Some("*"),
                "a put without a condition"
            );
            if found.is_some() {
                return error(
                    412,
                    "PreconditionFailed",
                    "At least one of the pre-conditions you specified did not hold",
                );
            }
            aws.s3.set(Some(Object { at: now, body: request.body.clone() }), false, now);
            Answer::Headers(Vec::new())
        }
        "DeleteObject" => {
            // Deleting what is not there is no error, and changes nothing.
            // https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
            if found.is_some() {
                aws.s3.set(None, false, now);
            }
            Answer::NoContent
        }
        _ => panic!("not simulated: {} {}", request.name(), request.path),
    }
}

/// What a request to a bucket that is not there, stands elsewhere or is not the caller's is answered.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList>
fn refusal(request: &Request, bucket: &str) -> Option<Answer> {
    let owner = request.headers.get("x-amz-expected-bucket-owner").map(String::as_str);
    if bucket != BUCKET {
        return Some(error(404, "NoSuchBucket", "The specified bucket does not exist"));
    }
    if request.region != STANDBY {
        return Some(error(301, "PermanentRedirect", "The bucket must be addressed using the specified endpoint"));
    }
    owner.is_some_and(|owner| owner != ACCOUNT).then(|| error(403, "AccessDenied", "Access Denied"))
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::Error { status, code: code.to_owned(), message: message.to_owned() }
}

/// A moment as S3 writes it, in whole seconds.
fn described(object: &Object) -> Answer {
    let seconds = DateTime::from_secs(object.at.as_millis().div_euclid(1_000));
    let modified = seconds.fmt(Format::HttpDate).expect("a date after 1970");
    Answer::Headers(vec![("last-modified".to_owned(), modified)])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use failover::contract::Severity;

    use super::*;
    use crate::aws::lab::{at, code, request};
    use crate::aws::route53::SWITCHED_RECORD;
    use crate::aws::steps::Steps;
    use crate::workload::HOME;

    fn object(operation: &str, headers: &[(&str, &str)]) -> Request {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Request {
            host: format!("{BUCKET}.s3.{STANDBY}.amazonaws.com"),
            path: format!("/{KEY}?x-id={operation}"),
            headers: headers.collect(),
            ..request("s3", STANDBY, operation, json!("note"))
        }
    }

    fn put() -> Request {
        object("PutObject", &[("if-none-match", "*"), ("x-amz-expected-bucket-owner", ACCOUNT)])
    }

    #[test]
    fn an_object_that_is_there_is_not_overwritten_and_deleting_it_again_changes_nothing() {
        let mut aws = Aws::new(1);
        assert_eq!(code(&aws.answer(&object("HeadObject", &[]), at(0))), "NotFound");
        assert!(aws.answer(&put(), at(1_500)).is_success());
        assert_eq!(code(&aws.answer(&put(), at(2_000))), "PreconditionFailed");
        let modified = ("last-modified".to_owned(), "Sat, 21 Nov 2026 04:00:01 GMT".to_owned());
        assert_eq!(aws.answer(&object("HeadObject", &[]), at(3_000)), Answer::Headers(vec![modified]));
        for _ in 0..2 {
            assert_eq!(aws.answer(&object("DeleteObject", &[]), at(4_000)), Answer::NoContent);
        }
        let written: Vec<bool> = aws.s3.changes().iter().map(|change| change.written).collect();
        assert_eq!(written, [true, false]);
    }

    #[test]
    fn a_bucket_that_is_missing_elsewhere_or_anothers_is_refused() {
        let mut aws = Aws::new(1);
        let missing = Request { host: "none.s3.eu-west-1.amazonaws.com".to_owned(), ..put() };
        let elsewhere = Request { region: HOME.to_owned(), ..put() };
        let anothers = object("PutObject", &[("x-amz-expected-bucket-owner", "210987654321")]);
        for (request, expected) in
            [(missing, "NoSuchBucket"), (elsewhere, "PermanentRedirect"), (anothers, "AccessDenied")]
        {
            assert_eq!(code(&aws.answer(&request, at(0))), expected);
        }
        assert!(aws.s3.object().is_none());
    }

    #[test]
    fn a_lost_standby_region_gives_the_traffic_back_to_the_primary() {
        let mut aws = Aws::new(1);
        aws.ecs.policies = false;
        aws.advance(at(0));
        set_by_hand(&mut aws, true, at(1_000));
        aws.advance(at(31_000));
        assert_eq!(aws.route53.answers(SWITCHED_RECORD, "AAAA", at(31_000)), BTreeSet::from([STANDBY]));
        aws.lost.insert(STANDBY.to_owned());
        aws.advance(at(62_000));
        assert_eq!(aws.route53.answers(SWITCHED_RECORD, "AAAA", at(62_000)), BTreeSet::from([HOME]));
    }

    #[tokio::test(start_paused = true)]
    async fn the_real_step_moves_the_traffic_there_and_back_by_the_object() {
        for seed in 0..40 {
            Steps::with(seed, async |steps| {
                // S3 writes whole seconds: the object may be almost one younger than it says.
                tokio::time::advance(Duration::from_millis(seed * 25)).await;
                for (failover, target) in [("f1", STANDBY), ("f2", HOME)] {
                    let request =
                        json!({ "run": { "failover_id": failover }, "target_region": target, "traffic": traffic() });
                    steps.settle("shift-dns", request).await.expect("moved");
                    steps.aws(|aws, now| {
                        let answers = aws.route53.answers(SWITCHED_RECORD, "AAAA", now);
                        assert_eq!(answers, BTreeSet::from([target]), "seed {seed}: done means that clients follow");
                        let since = now.millis_since(aws.s3.changes().last().expect("a change").at);
                        let notice = u64::from(NOTICE_SECONDS) * 1_000;
                        assert!(since >= notice, "seed {seed}: done {since} ms after the change");
                    });
                }
                let changes = steps.aws(|aws, _| aws.s3.changes().len());
                assert_eq!(changes, 2, "seed {seed}");
            })
            .await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_real_preflight_finds_the_bucket_and_no_object() {
        Steps::with(1, async |steps| {
            let findings = steps.check("shift-dns", json!({ "target_region": STANDBY, "traffic": traffic() })).await;
            assert!(findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:?}");
            assert!(findings.iter().any(|finding| finding.check == "standby-bucket-reachable"), "{findings:?}");
        })
        .await;
    }
}
