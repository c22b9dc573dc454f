//! Runs one scenario from nothing to its report.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::progress::Progress;
use crate::report::Report;
use crate::scenarios::Scenario;
use crate::stage::{Evidence, Stage};
use crate::tools::Tools;

/// How long a scenario may take in all; each of its waits is bounded by itself too.
pub const SCENARIO_LIMIT: Duration = Duration::from_mins(8);

/// A scenario's outcome, and the stage as it was left.
#[derive(Debug)]
pub struct Played {
    /// The report.
    pub report: Report,
    /// The stage; everything on it stops when it is dropped.
    pub stage: Stage,
}

/// Sets the stage, plays the scenario and judges what is left. Tools and functions have to be there.
///
/// # Errors
/// Whatever kept it from getting as far as a verdict; a verdict that fails is not an error.
pub async fn play(tools: &Tools, scenario: &dyn Scenario, seed: u64, progress: &Progress) -> Result<Played> {
    let began = Instant::now();
    let mut stage = Stage::set_up(tools, seed, scenario.staging(), progress).await?;
    let evidence = match play_on(&mut stage, scenario).await {
        Ok(evidence) => evidence,
        Err(error) => {
            stage.save_logs().await;
            progress.line(format!("      logs: {}", stage.run_dir.display()));
            return Err(error);
        }
    };
    let checks = scenario.judge(&evidence);
    let logs = stage.run_dir.clone();
    let report = Report::new(scenario.name(), seed, began.elapsed(), stage.story(), &evidence, checks, logs);
    if !report.passed {
        stage.save_logs().await;
    }
    Ok(Played { report, stage })
}

async fn play_on(stage: &mut Stage, scenario: &dyn Scenario) -> Result<Evidence> {
    scenario.play(stage).await?;
    let task = stage.progress.task("reading the emulator's final state");
    let evidence = stage.evidence().await?;
    task.done("");
    Ok(evidence)
}
