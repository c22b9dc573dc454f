//! One run: what happens in it follows from the seed.

use std::fmt;

use crate::chance::Chance;
use crate::faults::{self, Fault};
use crate::variant::Variant;

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scenario {
    /// The home Region is lost, and the alarm starts the failover.
    RegionLoss,
    /// The home Region is lost, comes back in the middle of the failover, and works again.
    RegionLossAndReturn,
    /// The home Region is lost, and a person orders the failover before the alarm does.
    OrderedFailover,
    /// A person orders a switchover.
    Switchover,
    /// A person orders a switchover there, and later one back home.
    ThereAndBack,
    /// The home Region's endpoint fails for a moment, and nothing else.
    FalseAlarm,
    /// A person asks for a dry run.
    DryRun,
    /// A promotion is denied until people give up on the failover; another one is ordered, and what is left of the first
    /// one comes late.
    Superseded,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 8] = [
        Self::RegionLoss,
        Self::RegionLossAndReturn,
        Self::OrderedFailover,
        Self::Switchover,
        Self::ThereAndBack,
        Self::FalseAlarm,
        Self::DryRun,
        Self::Superseded,
    ];
}

/// One run.
#[derive(Clone, Debug)]
pub struct Play {
    /// What everything follows from.
    pub seed: u64,
    /// What it is about.
    pub scenario: Scenario,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What is broken on purpose.
    pub variant: Option<Variant>,
}

impl Play {
    /// The run of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "scenario");
        let scenario = match chance.between(0, 99) {
            0..30 => Scenario::RegionLoss,
            30..40 => Scenario::RegionLossAndReturn,
            40..50 => Scenario::OrderedFailover,
            50..70 => Scenario::Switchover,
            70..82 => Scenario::ThereAndBack,
            82..87 => Scenario::FalseAlarm,
            87..90 => Scenario::DryRun,
            _ => Scenario::Superseded,
        };
        Self { seed, scenario, faults: faults::draw(seed), variant: None }
    }
}

impl fmt::Display for Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, {:?}", self.seed, self.scenario)?;
        if let Some(variant) = self.variant {
            write!(f, ", broken: {variant:?}")?;
        }
        for (index, fault) in self.faults.iter().enumerate() {
            write!(f, "\n  fault {index}: {fault}")?;
        }
        Ok(())
    }
}
