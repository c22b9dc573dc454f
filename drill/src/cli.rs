//! The command line.

use std::io::{self, IsTerminal};

use clap::Parser;
use drill::chaos::schedule::Schedule;
use drill::reference::Reference;
use drill::report::Style;
use drill::scenarios::{self, Scenario};

/// Columns when standard output is no terminal.
const PLAIN_WIDTH: usize = 100;
/// Stands for every scenario.
const ALL: &str = "all";

/// A game day: loses a Region of a local AWS and watches the orchestrator bring the workload back.
///
/// Installs what it needs under `target/`, builds the functions, starts an AWS emulator on loopback, deploys
/// `infra/orchestrator.yaml` into it, plays the scenario, and judges the outcome by the emulator's own state.
/// Ends with status 0 when every verdict holds, 1 when one does not, 2 when it could not get that far.
#[derive(Debug, Parser)]
#[command(name = "cargo drill", bin_name = "cargo drill", version)]
pub(crate) struct Cli {
    /// Scenario to play, or "all"; may be given several times.
    #[arg(long = "scenario", value_name = "NAME", default_value = scenarios::ALL[0].name())]
    scenarios: Vec<String>,

    /// List the scenarios, or with --chaos the faults of each seed, and play nothing.
    #[arg(long)]
    pub(crate) list: bool,

    /// Write the reports to standard output as one JSON document, progress to standard error.
    #[arg(long)]
    pub(crate) json: bool,

    /// Leave everything running after the last scenario, with its addresses, until Ctrl-C.
    #[arg(long)]
    pub(crate) keep: bool,

    /// Seed of every random choice; left out, a new one is taken. Each repetition adds one.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Disturb a failover with faults drawn from this seed; each repetition adds one to it.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["scenarios", "seed"])]
    chaos: Option<u64>,

    /// How often to play each scenario, or how many seeds of chaos.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    repeat: u64,
}

/// What can be played: a scenario of the orchestrator on the drill's own world, or a reference workload's game day.
#[derive(Clone, Copy)]
pub(crate) enum Day {
    Scenario(&'static dyn Scenario),
    Workload(Reference),
}

impl Day {
    fn all() -> impl Iterator<Item = Self> {
        scenarios::ALL.into_iter().map(Self::Scenario).chain(Reference::ALL.map(Self::Workload))
    }

    fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|day| day.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scenario(scenario) => scenario.name(),
            Self::Workload(workload) => workload.name(),
        }
    }

    pub(crate) fn does(self) -> &'static str {
        match self {
            Self::Scenario(scenario) => scenario.does(),
            Self::Workload(workload) => workload.does(),
        }
    }

    pub(crate) fn expects(self) -> &'static str {
        match self {
            Self::Scenario(scenario) => scenario.expects(),
            Self::Workload(workload) => workload.expects(),
        }
    }
}

impl Cli {
    /// The scenarios to play, each once, in the order given.
    pub(crate) fn scenarios(&self) -> Result<Vec<Day>, String> {
        if self.scenarios.iter().any(|name| name == ALL) {
            return Ok(Day::all().collect());
        }
        let found = |name: &String| Day::by_name(name).ok_or_else(|| unknown(name));
        self.scenarios.iter().map(found).collect()
    }

    /// Whether faults are drawn from the seeds, instead of playing scenarios.
    pub(crate) fn is_chaos(&self) -> bool {
        self.chaos.is_some()
    }

    /// The seed of the first repetition. Short enough to be typed again.
    pub(crate) fn first_seed(&self) -> u64 {
        self.chaos.or(self.seed).unwrap_or_else(|| fastrand::u64(1..1_000_000))
    }

    /// The seeds of all repetitions.
    pub(crate) fn seeds(&self, first: u64) -> impl Iterator<Item = u64> + use<> {
        (0..self.repeat).map(move |repetition| first.wrapping_add(repetition))
    }

    /// How a report is to look where it goes.
    pub(crate) fn style(&self) -> Style {
        let size = if self.json {
            rustix::termios::tcgetwinsize(io::stderr())
        } else {
            rustix::termios::tcgetwinsize(io::stdout())
        };
        let terminal = if self.json { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        let width = size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| terminal && *columns > 0);
        // https://no-color.org: any value but an empty one.
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style { width: width.unwrap_or(PLAIN_WIDTH), colour: terminal && !forbidden }
    }
}

/// What there is to play.
pub(crate) fn list(cli: &Cli) -> String {
    if cli.is_chaos() {
        let drawn = |seed| format!("seed {seed}\n{}\n", Schedule::draw(seed).in_words());
        return cli.seeds(cli.first_seed()).map(drawn).collect();
    }
    let entry = |day: Day| format!("{}\n    {}\n    {}\n", day.name(), day.does(), day.expects());
    Day::all().map(entry).collect()
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = Day::all().map(Day::name).collect();
    format!("there is no scenario {name:?}; there are {} and {ALL}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Result<Vec<&'static str>, String> {
        let cli = Cli::parse_from(["drill"].iter().chain(arguments));
        Ok(cli.scenarios()?.iter().map(|scenario| scenario.name()).collect())
    }

    #[test]
    fn without_a_name_a_region_is_lost() {
        assert_eq!(names(&[]).unwrap(), ["region-loss"]);
    }

    #[test]
    fn scenarios_are_played_in_the_order_given() {
        let given = names(&["--scenario", "failback", "--scenario", "false-alarm"]);
        assert_eq!(given.unwrap(), ["failback", "false-alarm"]);
        assert_eq!(names(&["--scenario", "all"]).unwrap().len(), scenarios::ALL.len() + Reference::ALL.len());
    }

    #[test]
    fn no_workload_is_called_as_a_scenario_is() {
        let names: std::collections::BTreeSet<&str> = Day::all().map(Day::name).collect();
        assert_eq!(names.len(), Day::all().count());
    }

    #[test]
    fn an_unknown_scenario_is_refused_with_the_known_ones() {
        let refused = names(&["--scenario", "region-lost"]).unwrap_err();
        assert!(refused.contains("\"region-lost\"") && refused.contains("region-loss"), "{refused}");
    }

    #[test]
    fn chaos_takes_its_seed_and_is_no_scenario() {
        let cli = Cli::parse_from(["drill", "--chaos", "7", "--repeat", "2", "--json", "--keep"]);
        assert!(cli.is_chaos());
        assert_eq!(cli.seeds(cli.first_seed()).collect::<Vec<_>>(), [7, 8]);
        for clash in [["--scenario", "failback"].as_slice(), &["--seed", "1"]] {
            let given = ["drill", "--chaos", "7"].iter().chain(clash);
            let refused = Cli::try_parse_from(given).unwrap_err().to_string();
            assert!(refused.contains("--chaos") && refused.contains(clash[0]), "{refused}");
        }
        assert!(Cli::try_parse_from(["drill", "--chaos", "x"]).is_err());
    }

    #[test]
    fn the_faults_of_a_seed_can_be_listed() {
        let list_of = |arguments: &[&str]| list(&Cli::parse_from(["drill", "--list"].iter().chain(arguments)));
        let listed = list_of(&["--chaos", "7", "--repeat", "2"]);
        assert!(listed.starts_with("seed 7\n") && listed.contains("\nseed 8\n"), "{listed}");
        assert!(listed.contains(&Schedule::draw(8).faults[0].to_string()), "{listed}");
        assert!(list_of(&[]).starts_with("region-loss\n"));
    }

    #[test]
    fn each_repetition_has_the_next_seed() {
        let cli = Cli::parse_from(["drill", "--seed", "7", "--repeat", "3"]);
        assert_eq!(cli.seeds(cli.first_seed()).collect::<Vec<_>>(), [7, 8, 9]);
    }
}
