//! The verdict: checks of what the emulator's own API says after a scenario, never of what the execution
//! says of itself. Each check is pure, so that it can be tested on recorded evidence.

mod calls;
mod fencing;
mod lease;
mod ledger;
mod rehearsal;
mod resumption;
mod runs;
#[cfg(test)]
mod tests;
mod workload;

pub use calls::*;
pub use fencing::*;
pub use lease::*;
pub use ledger::*;
pub use rehearsal::*;
pub use resumption::*;
pub use runs::*;
use serde::Serialize;
pub use workload::*;

/// One thing that has to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What has to hold, as a sentence.
    pub claim: String,
    /// Whether it does.
    pub passed: bool,
    /// What was found.
    pub found: String,
}

impl Check {
    pub(crate) fn new(claim: impl Into<String>, passed: bool, found: impl Into<String>) -> Self {
        Self { claim: claim.into(), passed, found: found.into() }
    }
}

/// Whether a verdict holds: at least one check, and all of them passed.
#[must_use]
pub fn passed(checks: &[Check]) -> bool {
    !checks.is_empty() && checks.iter().all(|check| check.passed)
}

/// There are at least so many.
#[must_use]
pub fn at_least(claim: impl Into<String>, wanted: usize, found: usize) -> Check {
    Check::new(claim, found >= wanted, found.to_string())
}

/// There are exactly so many.
#[must_use]
pub fn exactly(wanted: usize, what: &str, found: usize) -> Check {
    Check::new(format!("{wanted} {what}"), found == wanted, found.to_string())
}

fn text(value: Option<u64>, unit: &str) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| format!("{value} {unit}"))
}

fn counted(count: usize, thing: &str) -> String {
    counted_u64(count as u64, thing)
}

fn counted_u64(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

fn listed(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
