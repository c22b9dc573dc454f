//! Multi-Region eventual consistency: each replica takes writes and checks their conditions on its own items, and the
//! others hear of it later, item by item. Of two writes to one item the later one stays, wherever it was made; the other
//! one is gone without a word.
//! Source: "Key facts about MREC" in
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-global-table-design.html>

use std::collections::BTreeMap;

use failover::contract::Timestamp;
use failover::testing::table::Table;
use failover::testing::wire::Request;
use serde_json::Value;

use super::{key, on};
use crate::aws::Answer;
use crate::chance::Chance;
use crate::workload::{HOME, STANDBY};

/// How long a write takes to the other replica, in milliseconds: mostly about a second, and nothing is promised.
const REPLICATES_MS: (u64, u64) = (200, 3_000);
/// After how long what could not be delivered is tried again, in milliseconds.
const TRIED_AGAIN_MS: u64 = 1_000;

/// When and where an item was written last: what the later of two writes is told by.
type Written = (Timestamp, &'static str);

/// A write on its way to the other replica.
#[derive(Debug)]
struct OnItsWay {
    due: Timestamp,
    to: &'static str,
    key: String,
    item: Value,
    written: Written,
}

/// The second replica, and what is between the two.
#[derive(Debug)]
pub(super) struct Replication {
    /// The replica in the home Region.
    pub(super) at_home: Table,
    on_its_way: Vec<OnItsWay>,
    /// By replica and key.
    written: BTreeMap<(&'static str, String), Written>,
    chance: Chance,
}

impl Replication {
    pub(super) fn new(chance: Chance) -> Self {
        Self { at_home: Table::default(), on_its_way: Vec::new(), written: BTreeMap::new(), chance }
    }

    pub(super) fn answer(&mut self, in_standby: &mut Table, request: &Request, now: Timestamp) -> Answer {
        let (own, other) = match request.region.as_str() {
            HOME => (HOME, STANDBY),
            STANDBY => (STANDBY, HOME),
            elsewhere => panic!("there is no replica in {elsewhere}"),
        };
        let replica = if own == HOME { &mut self.at_home } else { in_standby };
        let answer = on(replica, request);
        if request.operation == "UpdateItem" && answer.is_success() {
            let key = key(request).to_owned();
            let item = replica.item(&key).expect("an item that was just written");
            self.written.insert((own, key.clone()), (now, own));
            let due = now.plus_millis(self.chance.between(REPLICATES_MS.0, REPLICATES_MS.1));
            self.on_its_way.push(OnItsWay { due, to: other, key, item, written: (now, own) });
        }
        answer
    }

    /// Delivers what is due. What cannot be delivered is tried until it can.
    pub(super) fn deliver(&mut self, in_standby: &mut Table, is_apart: impl Fn(&str) -> bool, now: Timestamp) {
        let parted = is_apart(HOME) || is_apart(STANDBY);
        let (due, later): (Vec<_>, Vec<_>) = self.on_its_way.drain(..).partition(|write| write.due <= now);
        self.on_its_way = later;
        for mut write in due {
            if parted {
                write.due = now.plus_millis(TRIED_AGAIN_MS);
                self.on_its_way.push(write);
                continue;
            }
            let known = self.written.entry((write.to, write.key)).or_insert(write.written);
            if *known <= write.written {
                *known = write.written;
                let replica = if write.to == HOME { &mut self.at_home } else { &mut *in_standby };
                replica.put(write.item);
            }
        }
    }
}
