//! What every way of moving traffic is asked. Pure.

use failover::contract::{Dependency, Region, RunContext};
use failover::error::Error;
use serde::{Deserialize, Serialize};

/// The part of a request that does not depend on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Common {
    /// The failover it belongs to.
    pub run: RunContext,
    /// The Region that is to get the traffic.
    pub target_region: Region,
    /// What is changed, as part of the operation's id.
    pub resource: String,
    /// What of AWS it depends on.
    pub depends_on: Vec<Dependency>,
}

impl Common {
    /// Which failover it is, for people.
    #[must_use]
    pub fn run_in_words(&self) -> String {
        self.run.failover_id.as_ref().map_or_else(|| "by hand".to_owned(), |id| format!("failover {id}"))
    }

    /// The Regions of `named` that are left.
    pub fn left<'a>(&self, named: impl Iterator<Item = &'a Region>) -> Vec<&'a Region> {
        named.filter(|region| **region != self.target_region).collect()
    }
}

/// That there is no entry for the target Region, where there is one for each Region that can get the traffic.
pub(crate) fn no_entry(field: &str, target: &Region) -> Error {
    Error::invalid(field, format!("has no entry for the target Region {target}"))
}
