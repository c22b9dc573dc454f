//! What goes wrong in a run: a list of faults drawn from the seed, each with its window of time.
//!
//! All faults cease by [`FAULTS_END_MS`]: from then on every run has to come to its end.

use std::fmt;

use crate::chance::Chance;
use crate::network::LONGEST_TRANSIT_MS;
use crate::workload::HOME;

/// Until when faults happen, in milliseconds since the run's beginning.
pub const FAULTS_END_MS: u64 = 300_000;
/// How many faults a run has at most.
pub const MOST_FAULTS: u64 = 7;
/// How long a fault of the network lasts at most, in milliseconds.
const LONGEST_MS: u64 = 60_000;
/// The functions that faults befall.
pub const FUNCTIONS: [&str; 4] = ["promote-aurora", "scale-ecs", "shift-dns", "health-probe"];
/// How far a caller's clock is off at most, in milliseconds: less than what the lease's margin is for.
pub const MOST_SKEW_MS: u64 = 450;

/// Which calls a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// All to AWS.
    All,
    /// Those that change the workload.
    Changes,
    /// Those to one service.
    Service(&'static str),
    /// Those of one function.
    Of(&'static str),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Calls are throttled.
    Throttled(Calls),
    /// Calls fail with a 5xx answer and are not applied.
    Failed(Calls),
    /// Calls fail with a 5xx answer, and are applied.
    FailedAfter(Calls),
    /// Connections are refused.
    Refused(Calls),
    /// The connection breaks after the call was applied.
    ResetAfter(Calls),
    /// Answers never come; the call is applied.
    AnswerLost(Calls),
    /// Calls take this long, in milliseconds, before they are applied.
    Delayed(Calls, u64),
    /// Calls are denied.
    Denied(Calls),
    /// Reads show what was true some seconds ago.
    Stale(Calls),
    /// A Region is cut off from all others; what runs there goes on. The standby Region is cut off by scenarios only.
    Partition(&'static str),
    /// A Region is gone and comes back at the end of the window.
    Loss(&'static str),
    /// An invocation dies when it is polled for the n-th time.
    Killed(&'static str, u64),
    /// An invocation panics when it is polled for the n-th time.
    Panicked(&'static str, u64),
    /// An invocation stands still for so many milliseconds when it is polled for the n-th time.
    Paused(&'static str, u64, u64),
    /// An invocation's answer is lost; its work is done.
    InvocationLost(&'static str),
    /// An invocation is refused for want of concurrency.
    NotStarted(&'static str),
    /// An invocation is made a second time, so many milliseconds later.
    Twin(&'static str, u64),
    /// A function's clock is off by so many milliseconds.
    Skew(&'static str, i64),
    /// Every alarm is delivered so many times.
    AlarmAgain(u64),
    /// A second execution is started beside the first.
    SecondExecution,
    /// A person sets the kill switch, and clears it at the end of the window.
    KillSwitch,
    /// A person promotes by console.
    PromotionByHand,
    /// A person changes the number of tasks by console.
    TasksByHand,
    /// A person swaps the records by console.
    RecordsByHand,
    /// A person invokes a step by hand, under a running failover's operation and with another request.
    OtherRequest,
    /// A person invokes a step by hand with a request that cannot be read.
    Nonsense,
    /// A function's environment lacks a variable.
    Misconfigured(&'static str),
    /// A person writes nonsense into an operation's record.
    BrokenRecord,
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// From when, in milliseconds since the run's beginning.
    pub from_ms: u64,
    /// Until when.
    pub until_ms: u64,
    /// In how many of a thousand chances.
    pub permille: u64,
}

impl Fault {
    /// Whether it happens at this moment.
    #[must_use]
    pub const fn is_on(&self, at_ms: u64) -> bool {
        self.from_ms <= at_ms && at_ms < self.until_ms
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, from_ms, until_ms, permille } = self;
        write!(f, "{kind:?} from {from_ms} to {until_ms} ms, {permille} of 1000")
    }
}

/// The kinds by name, for the count of what was seen.
pub const KINDS: [&str; 28] = [
    "Throttled",
    "Failed",
    "FailedAfter",
    "Refused",
    "ResetAfter",
    "AnswerLost",
    "Delayed",
    "Denied",
    "Stale",
    "Partition",
    "Loss",
    "Killed",
    "Panicked",
    "Paused",
    "InvocationLost",
    "NotStarted",
    "Twin",
    "Skew",
    "AlarmAgain",
    "SecondExecution",
    "KillSwitch",
    "PromotionByHand",
    "TasksByHand",
    "RecordsByHand",
    "OtherRequest",
    "Nonsense",
    "Misconfigured",
    "BrokenRecord",
];

impl Kind {
    /// Its name, one of [`KINDS`].
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Throttled(_) => "Throttled",
            Self::Failed(_) => "Failed",
            Self::FailedAfter(_) => "FailedAfter",
            Self::Refused(_) => "Refused",
            Self::ResetAfter(_) => "ResetAfter",
            Self::AnswerLost(_) => "AnswerLost",
            Self::Delayed(..) => "Delayed",
            Self::Denied(_) => "Denied",
            Self::Stale(_) => "Stale",
            Self::Partition(_) => "Partition",
            Self::Loss(_) => "Loss",
            Self::Killed(..) => "Killed",
            Self::Panicked(..) => "Panicked",
            Self::Paused(..) => "Paused",
            Self::InvocationLost(_) => "InvocationLost",
            Self::NotStarted(_) => "NotStarted",
            Self::Twin(..) => "Twin",
            Self::Skew(..) => "Skew",
            Self::AlarmAgain(_) => "AlarmAgain",
            Self::SecondExecution => "SecondExecution",
            Self::KillSwitch => "KillSwitch",
            Self::PromotionByHand => "PromotionByHand",
            Self::TasksByHand => "TasksByHand",
            Self::RecordsByHand => "RecordsByHand",
            Self::OtherRequest => "OtherRequest",
            Self::Nonsense => "Nonsense",
            Self::Misconfigured(_) => "Misconfigured",
            Self::BrokenRecord => "BrokenRecord",
        }
    }
}

/// Draws the faults of a run.
#[must_use]
pub fn draw(seed: u64) -> Vec<Fault> {
    let mut chance = Chance::of(seed, "faults");
    // One run in ten is undisturbed.
    let count = if chance.permille(100) { 0 } else { chance.between(1, MOST_FAULTS) };
    (0..count).map(|_| one(&mut chance)).collect()
}

fn one(chance: &mut Chance) -> Fault {
    let from_ms = chance.between(0, FAULTS_END_MS - 10_000);
    let until_ms = (from_ms + chance.between(1_000, LONGEST_MS)).min(FAULTS_END_MS);
    let permille = *chance.one_of(&[100, 300, 600, 1000]);
    let fault = Fault { kind: kind(chance), from_ms, until_ms, permille };
    match fault.kind {
        // What holds for the whole run, or happens once.
        Kind::Skew(..) | Kind::AlarmAgain(_) => Fault { from_ms: 0, until_ms: FAULTS_END_MS, permille: 1000, ..fault },
        Kind::Killed(..) | Kind::Panicked(..) | Kind::Paused(..) | Kind::InvocationLost(_) | Kind::Twin(..) => {
            Fault { until_ms: FAULTS_END_MS, ..fault }
        }
        Kind::Partition(_) | Kind::Loss(_) => Fault { permille: 1000, ..fault },
        _ => fault,
    }
}

fn kind(chance: &mut Chance) -> Kind {
    let calls = calls(chance);
    let function = *chance.one_of(&FUNCTIONS);
    let polls = chance.between(1, 60);
    match chance.between(0, 39) {
        0 | 1 => Kind::Throttled(calls),
        2 | 3 => Kind::Failed(calls),
        4 | 5 => Kind::FailedAfter(calls),
        6 | 7 => Kind::Refused(calls),
        8 | 9 => Kind::ResetAfter(calls),
        10 | 11 => Kind::AnswerLost(calls),
        12 | 13 => Kind::Delayed(calls, chance.between(200, LONGEST_TRANSIT_MS - 100)),
        14 => Kind::Denied(calls),
        15 | 16 => Kind::Stale(calls),
        17 => Kind::Partition(HOME),
        18 => Kind::Loss(HOME),
        19..=21 => Kind::Killed(function, polls),
        22 => Kind::Panicked(function, polls),
        23 | 24 => Kind::Paused(function, polls, chance.between(500, 90_000)),
        25 | 26 => Kind::InvocationLost(function),
        27 => Kind::NotStarted(function),
        28..=30 => Kind::Twin(function, chance.between(0, 400_000) / chance.between(1, 100)),
        31 => Kind::Skew(function, i64::try_from(chance.between(0, 2 * MOST_SKEW_MS)).unwrap_or(0) - 450),
        32 => Kind::AlarmAgain(chance.between(1, 5)),
        33 => Kind::SecondExecution,
        34 => Kind::KillSwitch,
        35 => Kind::PromotionByHand,
        36 => *chance.one_of(&[Kind::TasksByHand, Kind::BrokenRecord]),
        37 => Kind::RecordsByHand,
        38 => *chance.one_of(&[Kind::OtherRequest, Kind::Nonsense]),
        _ => Kind::Misconfigured(function),
    }
}

fn calls(chance: &mut Chance) -> Calls {
    let service =
        *chance.one_of(&["dynamodb", "rds", "ecs", "route53", "application-autoscaling", "cloudwatch", "sns"]);
    let function = *chance.one_of(&FUNCTIONS);
    *chance.one_of(&[
        Calls::All,
        Calls::Changes,
        Calls::Service(service),
        Calls::Service("dynamodb"),
        Calls::Of(function),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn equal_seeds_draw_equal_faults() {
        assert_eq!((0..50).map(draw).collect::<Vec<_>>(), (0..50).map(draw).collect::<Vec<_>>());
    }

    #[test]
    fn every_kind_is_drawn_within_a_thousand_seeds_and_all_cease_in_time() {
        let faults: Vec<Fault> = (0..1000).flat_map(draw).collect();
        let drawn: BTreeSet<&str> = faults.iter().map(|fault| fault.kind.name()).collect();
        assert_eq!(drawn, BTreeSet::from(KINDS));
        assert!(faults.iter().all(|fault| fault.from_ms < fault.until_ms && fault.until_ms <= FAULTS_END_MS));
    }
}
