//! The command line of the simulation: plays runs, and shows one.

#![allow(clippy::print_stderr, reason = "a command prints; standard output has the functions' metrics")]

use std::process::ExitCode;

use clap::Parser;
use simulation::play::Play;
use simulation::{run, shrink};

/// Plays the whole orchestrator on a simulated AWS, each run from one seed.
#[derive(Debug, Parser)]
#[command(name = "cargo simulate", bin_name = "cargo simulate", version)]
struct Cli {
    /// Seed of the first run.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How many runs, each with the next seed.
    #[arg(long, default_value_t = 1)]
    count: u64,

    /// Print everything that happens in the run.
    #[arg(long)]
    trace: bool,

    /// Print the digest of each run's trace.
    #[arg(long)]
    digests: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut failed = 0;
    for seed in cli.seed..cli.seed.saturating_add(cli.count) {
        let play = Play::of(seed);
        let verdict = run::play(&play);
        if cli.trace {
            eprintln!("{play}\n{}", verdict.trace.lines().join("\n"));
        }
        if cli.digests {
            eprintln!("{seed} {} {} calls", verdict.trace.digest(), verdict.calls);
        }
        if !verdict.violations.is_empty() {
            failed += 1;
            report(&play);
        }
    }
    eprintln!("{} runs, {failed} with violations", cli.count);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The shortest form of a run that failed.
fn report(play: &Play) {
    let shortest = shrink::shrink(play);
    let verdict = run::play(&shortest);
    eprintln!("{shortest}\n{}", verdict.trace.lines().join("\n"));
    for violation in &verdict.violations {
        eprintln!("VIOLATED {violation}");
    }
    eprintln!("again: cargo simulate --seed {}", play.seed);
}
