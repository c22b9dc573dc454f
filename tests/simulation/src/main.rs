//! The command line of the simulation: plays runs, and shows one. Standard output has the functions' own metrics, as in
//! Lambda; what the command has to say goes to standard error.

#![allow(clippy::print_stderr, reason = "a command prints")]

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use simulation::play::{Play, Scenario};
use simulation::{batch, run, shrink};

/// Plays the whole orchestrator on a simulated AWS, each run from one seed.
///
/// Ends with status 0 when nothing was violated, 1 otherwise.
#[derive(Debug, Parser)]
#[command(name = "cargo simulate", bin_name = "cargo simulate", version)]
struct Cli {
    /// Seed of the first run.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How many runs, each with the next seed.
    #[arg(long, default_value_t = 1)]
    count: u64,

    /// What each run is about, in place of what its seed says.
    #[arg(long, value_enum)]
    scenario: Option<Scenario>,

    /// Print everything that happens in each run, and its digest.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let of = |seed| cli.scenario.map_or_else(|| Play::of(seed), |scenario| Play::about(scenario, seed));
    let seeds = cli.seed..cli.seed.saturating_add(cli.count);
    if cli.trace {
        for seed in seeds.clone() {
            let play = of(seed);
            let trace = run::play(&play).trace;
            eprintln!("{play}\n{}\ndigest {}", trace.lines().join("\n"), trace.digest());
        }
    }
    let began = std::time::Instant::now();
    let batch = batch::play(seeds, of, |_| false);
    for (seed, violations) in &batch.failed {
        let shortest = shrink::shrink(&of(*seed));
        eprintln!("{shortest}\n{}", run::play(&shortest).trace.lines().join("\n"));
        let name = cli.scenario.as_ref().and_then(ValueEnum::to_possible_value);
        let about = name.map_or_else(String::new, |name| format!(" --scenario {}", name.get_name()));
        eprintln!("VIOLATED by seed {seed}: {violations:#?}\nagain: cargo simulate --seed {seed}{about} --trace");
    }
    eprintln!("faults that struck: {:?}\nreached, in so many runs: {:?}", batch.struck, batch.reached);
    let hours = batch.virtual_ms / 3_600_000;
    eprintln!(
        "{} runs, {} with violations; {} calls to AWS, {hours} hours of its time, in {:.1} s",
        batch.runs,
        batch.failed.len(),
        batch.calls,
        began.elapsed().as_secs_f64()
    );
    if batch.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
