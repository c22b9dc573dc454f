//! Decides what to do about the object. Pure: no clock, no AWS.

use std::time::Duration;

use failover::contract::{Initiator, Region, StandbyObject, Timestamp};
use failover::step::Plan;
use serde::{Deserialize, Serialize};

use crate::request::Common;
use crate::whole_seconds;

/// The field of a request that the object stands in.
pub const FIELD: &str = "traffic.standby_object";
/// S3 writes whole seconds, with the rest cut off: an object may be that much younger than it says.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html> (`Last-Modified`)
const LAST_MODIFIED_RESOLUTION_MS: u64 = 1_000;

/// A request, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectShift {
    /// What every way is asked.
    #[serde(flatten)]
    pub common: Common,
    /// The object.
    pub object: StandbyObject,
}

impl ObjectShift {
    /// Puts it together. A target other than the object's Region is the one that the primary record points to.
    #[must_use]
    pub fn new(common: Common, object: &StandbyObject) -> Self {
        Self { common, object: object.clone() }
    }

    /// Whether the object has to be there for the target to get the traffic.
    #[must_use]
    pub fn wants_it(&self) -> bool {
        self.common.target_region == self.object.region
    }

    /// The object, for people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("s3://{}/{} in {}", self.object.bucket, self.object.key, self.object.region)
    }

    fn notice(&self) -> Duration {
        Duration::from_secs(self.object.notice_seconds.into())
    }
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The object, if it is there.
    pub object: Option<Present>,
    /// The moment by which this operation had made its last change, if it made one.
    pub changed_by: Option<Timestamp>,
}

/// An object that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// When it was written, by S3's clock.
    pub last_modified: Option<Timestamp>,
}

impl Present {
    /// The moment by which it was written.
    fn written_by(&self) -> Option<Timestamp> {
        self.last_modified.map(|moment| moment.plus_millis(LAST_MODIFIED_RESOLUTION_MS))
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Create the object, with this as its content.
    Create(Note),
    /// Delete it.
    Delete,
}

/// The object's content: who put it there, for whoever finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What the object does.
    pub meaning: String,
    /// Which failover.
    pub failover: String,
    /// Who started it.
    pub initiator: Initiator,
    /// The Region that gets the traffic.
    pub target_region: Region,
    /// When it was decided.
    pub at: Timestamp,
}

/// Decides.
#[must_use]
pub fn plan(request: &ObjectShift, seen: &Observation, now: Timestamp) -> Plan<Action> {
    match (request.wants_it(), &seen.object) {
        (true, None) => Plan::Act(Action::Create(note(request, now))),
        (false, Some(_)) => Plan::Act(Action::Delete),
        (true, Some(object)) => noticed(request, object.written_by().or(seen.changed_by), now),
        (false, None) => noticed(request, seen.changed_by, now),
    }
}

/// The object is as wanted since then: have Route 53's checkers noticed?
fn noticed(request: &ObjectShift, since: Option<Timestamp>, now: Timestamp) -> Plan<Action> {
    let shown = if request.wants_it() { "is there" } else { "is not there" };
    let target = &request.common.target_region;
    let title = request.title();
    let Some(since) = since else {
        return Plan::AlreadyDone { proof: format!("{title} {shown} already, so {target} gets the traffic") };
    };
    let left = request.notice().saturating_sub(Duration::from_millis(now.millis_since(since)));
    if left.is_zero() {
        let notice = request.object.notice_seconds;
        let proof = format!("{title} {shown} for {notice} s or more, so {target} gets the traffic");
        return Plan::AlreadyDone { proof };
    }
    Plan::Wait {
        reason: format!("{title} {shown}; Route 53's checkers notice within {} s", request.object.notice_seconds),
        ask_again: whole_seconds(left),
    }
}

fn note(request: &ObjectShift, now: Timestamp) -> Note {
    let target = &request.common.target_region;
    Note {
        meaning: format!("while this object is here, clients are sent to {target}; deleting it sends them back"),
        failover: request.common.run_in_words(),
        initiator: request.common.run.initiator,
        target_region: target.clone(),
        at: now,
    }
}
