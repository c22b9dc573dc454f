//! One run: what happens in it follows from the seed.

use std::fmt;

use crate::aws::dynamodb::Consistency;
use crate::chance::Chance;
use crate::faults::{self, Calls, Fault, Kind};
use crate::variant::Variant;
use crate::workload::{HOME, STANDBY};

/// The first minute of a run, in milliseconds.
pub const FIRST_MS: u64 = 60_000;

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
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
    /// A person orders a switchover, and the orchestrator's own Region goes away in the middle of it and comes back.
    OwnRegionLost,
    /// An orchestrator in each Region shares a ledger with the other one. Both are given the same order, and one Region goes
    /// away with its orchestrator.
    TwoOrchestrators,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 10] = [
        Self::RegionLoss,
        Self::RegionLossAndReturn,
        Self::OrderedFailover,
        Self::Switchover,
        Self::ThereAndBack,
        Self::FalseAlarm,
        Self::DryRun,
        Self::Superseded,
        Self::OwnRegionLost,
        Self::TwoOrchestrators,
    ];

    /// The Regions with an orchestrator.
    #[must_use]
    pub const fn orchestrators(self) -> &'static [&'static str] {
        match self {
            Self::TwoOrchestrators => &[STANDBY, HOME],
            Self::RegionLoss
            | Self::RegionLossAndReturn
            | Self::OrderedFailover
            | Self::Switchover
            | Self::ThereAndBack
            | Self::FalseAlarm
            | Self::DryRun
            | Self::Superseded
            | Self::OwnRegionLost => &[STANDBY],
        }
    }

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
            | Self::DryRun
            | Self::OwnRegionLost
            | Self::TwoOrchestrators => Vec::new(),
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
            0..26 => Scenario::RegionLoss,
            26..35 => Scenario::RegionLossAndReturn,
            35..44 => Scenario::OrderedFailover,
            44..60 => Scenario::Switchover,
            60..70 => Scenario::ThereAndBack,
            70..74 => Scenario::FalseAlarm,
            74..77 => Scenario::DryRun,
            77..85 => Scenario::Superseded,
            85..89 => Scenario::OwnRegionLost,
            _ => Scenario::TwoOrchestrators,
        };
        Self::with_faults(seed, scenario, &mut chance)
    }

    /// The run of a seed, about this.
    #[must_use]
    pub fn about(scenario: Scenario, seed: u64) -> Self {
        Self::with_faults(seed, scenario, &mut Chance::of(seed, "scenario"))
    }

    fn with_faults(seed: u64, scenario: Scenario, chance: &mut Chance) -> Self {
        let mut faults = scenario.faults(chance);
        faults.extend(faults::draw(seed));
        Self { seed, scenario, faults, variant: None }
    }

    /// What the ledger's replicas promise each other: one of two orchestrators has to be strongly consistent.
    #[must_use]
    pub fn ledger(&self) -> Consistency {
        match self.variant {
            _ if self.scenario.orchestrators().len() == 1 => Consistency::SingleRegion,
            Some(Variant::EventualLedger) => Consistency::Eventual,
            Some(_) | None => Consistency::Strong,
        }
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
