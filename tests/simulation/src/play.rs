//! One run: what happens in it follows from the seed.

use std::fmt;

use crate::chance::Chance;
use crate::faults::{self, Calls, Fault, Kind};
use crate::variant::Variant;

/// The first minute of a run, in milliseconds.
pub const FIRST_MS: u64 = 60_000;

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
    /// A promotion is denied, and the failover fails; another one is ordered, and one back home, and what is left of the
    /// first comes late.
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

    /// The faults that belong to it.
    fn faults(self, chance: &mut Chance) -> Vec<Fault> {
        let at_first = |kind| Fault { kind, from_ms: 0, until_ms: FIRST_MS, permille: 1000 };
        match self {
            Self::Superseded => vec![
                at_first(Kind::Denied(Calls::Changes)),
                at_first(Kind::Twin("promote-aurora", chance.between(FIRST_MS, 6 * FIRST_MS))),
            ],
            Self::RegionLoss
            | Self::RegionLossAndReturn
            | Self::OrderedFailover
            | Self::Switchover
            | Self::ThereAndBack
            | Self::FalseAlarm
            | Self::DryRun => Vec::new(),
        }
    }
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
        let mut faults = scenario.faults(&mut chance);
        faults.extend(faults::draw(seed));
        Self { seed, scenario, faults, variant: None }
    }

    /// A scenario in which nothing goes wrong but what it is about.
    #[must_use]
    pub fn undisturbed(seed: u64, scenario: Scenario) -> Self {
        Self { seed, scenario, faults: scenario.faults(&mut Chance::of(seed, "scenario")), variant: None }
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
