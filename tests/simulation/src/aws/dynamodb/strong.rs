//! Multi-Region strong consistency: two replicas and a witness that agree before a write counts.
//!
//! Every read and every condition sees the newest state, wherever it is asked for. A write that meets one to the same item
//! in another Region is rejected. A replica works as long as a second Region is there to agree with; one that was cut off
//! catches up first, and answers errors until then. How long either takes is not documented.
//! Source: "Key facts about MRSC" in
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-global-table-design.html>

use std::collections::{BTreeMap, BTreeSet};

use failover::contract::Timestamp;
use failover::testing::table::Table;
use failover::testing::wire::Request;

use super::{key, on};
use crate::aws::Answer;
use crate::chance::Chance;
use crate::workload::{HOME, STANDBY};

/// The Region of the witness, of which nothing can be read and to which nothing can be written.
pub const WITNESS: &str = "eu-west-3";
/// The Regions that agree.
const MEMBERS: [&str; 3] = [HOME, STANDBY, WITNESS];
/// How many of them have to.
const MAJORITY: usize = 2;
/// How long a write is under way to a second Region and back, in milliseconds: so long its item is being modified.
const AGREES_MS: (u64, u64) = (20, 150);
/// How long a replica that was cut off takes to catch up, in milliseconds.
const CATCHES_UP_MS: (u64, u64) = (0, 20_000);

/// How the members agree.
#[derive(Debug)]
pub(super) struct Agreement {
    /// By the item's key: the Region that modifies it, and until when.
    pub(super) being_modified: BTreeMap<String, (String, Timestamp)>,
    /// The members that were on their own when it was looked last.
    alone: BTreeSet<&'static str>,
    /// Until when a member catches up.
    catching_up: BTreeMap<&'static str, Timestamp>,
    chance: Chance,
}

impl Agreement {
    pub(super) const fn new(chance: Chance) -> Self {
        Self { being_modified: BTreeMap::new(), alone: BTreeSet::new(), catching_up: BTreeMap::new(), chance }
    }

    pub(super) fn answer(&mut self, table: &mut Table, request: &Request, now: Timestamp) -> Answer {
        assert!([HOME, STANDBY].contains(&request.region.as_str()), "there is no replica in {}", request.region);
        let is_catching_up = self.catching_up.get(request.region.as_str()).is_some_and(|until| now < *until);
        if self.alone.contains(request.region.as_str()) || is_catching_up {
            return unavailable();
        }
        if request.operation != "UpdateItem" {
            return on(table, request);
        }
        let elsewhere = self.being_modified.get(key(request));
        if elsewhere.is_some_and(|(region, until)| *region != request.region && now < *until) {
            return conflict();
        }
        let answer = on(table, request);
        if answer.is_success() {
            let until = now.plus_millis(self.chance.between(AGREES_MS.0, AGREES_MS.1));
            self.being_modified.insert(key(request).to_owned(), (request.region.clone(), until));
        }
        answer
    }

    /// Sees who is on their own now. Whoever was and is no more begins to catch up.
    pub(super) fn look(&mut self, is_apart: impl Fn(&str) -> bool, now: Timestamp) {
        let there = MEMBERS.iter().filter(|member| !is_apart(member)).count();
        let alone: BTreeSet<&str> = MEMBERS.into_iter().filter(|member| is_apart(member) || there < MAJORITY).collect();
        for back in self.alone.difference(&alone).copied() {
            let until = now.plus_millis(self.chance.between(CATCHES_UP_MS.0, CATCHES_UP_MS.1));
            self.catching_up.insert(back, until);
        }
        self.alone = alone;
    }
}

/// Nobody to agree with. That it is an error is documented, not which one.
fn unavailable() -> Answer {
    let (code, message) = ("InternalServerError".to_owned(), "Internal server error".to_owned());
    Answer::Error { status: 500, code, message }
}

/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html#API_UpdateItem_Errors>
fn conflict() -> Answer {
    let message = "One or more items in this request are being modified in another Region";
    Answer::error("ReplicatedWriteConflictException", message)
}
