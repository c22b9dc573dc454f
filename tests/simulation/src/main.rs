//! The command line of the simulation: plays runs, and shows one.

#![allow(clippy::print_stdout, reason = "a command prints")]

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
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut failed = 0;
    for seed in cli.seed..cli.seed.saturating_add(cli.count) {
        let play = Play::of(seed);
        let verdict = run::play(&play);
        if cli.trace {
            println!("{play}\n{}", verdict.trace.lines().join("\n"));
        }
        if !verdict.violations.is_empty() {
            failed += 1;
            report(&play);
        }
    }
    println!("{} runs, {failed} with violations", cli.count);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The shortest form of a run that failed.
fn report(play: &Play) {
    let shortest = shrink::shrink(play);
    let verdict = run::play(&shortest);
    println!("{shortest}\n{}", verdict.trace.lines().join("\n"));
    for violation in &verdict.violations {
        println!("VIOLATED {violation}");
    }
    println!("again: cargo simulate --seed {}", play.seed);
}
