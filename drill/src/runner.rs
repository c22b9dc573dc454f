//! Runs one scenario, or one seed of chaos, from nothing to its report.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::chaos::schedule::Schedule;
use crate::chaos::{self, course, hits, judge};
use crate::error::Result;
use crate::progress::Progress;
use crate::reference::{self, Clients, Estate, Reference};
use crate::report::{Play, Report, RunReport};
use crate::scenarios::Scenario;
use crate::stage::{Evidence, Stage};
use crate::staging::Staging;
use crate::tools::Tools;

/// How long a scenario may take in all; each of its waits is bounded by itself too.
pub const SCENARIO_LIMIT: Duration = Duration::from_mins(8);

/// A scenario's outcome, and everything as it was left.
#[derive(Debug)]
pub struct Played {
    /// The report.
    pub report: Report,
    /// What was left running; it stops when it is dropped.
    pub left: Left,
}

/// What a scenario leaves running.
#[derive(Debug)]
pub enum Left {
    /// The drill's own world.
    Stage(Box<Stage>),
    /// A reference workload.
    Estate(Box<Estate>),
}

/// Sets the stage, plays the scenario and judges what is left. Tools and functions have to be there.
///
/// # Errors
/// Whatever kept it from getting as far as a verdict; a verdict that fails is not an error.
pub async fn play(tools: &Tools, scenario: &dyn Scenario, seed: u64, progress: &Progress) -> Result<Played> {
    let began = Instant::now();
    let mut stage = Stage::set_up(tools, seed, scenario.staging(), progress).await?;
    let played = play_on(&mut stage, scenario).await;
    let evidence = or_logs(played, stage.save_logs(), &stage.run_dir, progress).await?;
    let checks = scenario.judge(&evidence);
    let play = Play { scenario: scenario.name(), seed, took: began.elapsed(), logs: stage.run_dir.clone() };
    let report = Report::new(play, stage.story(), RunReport::all(&evidence), checks);
    Ok(finished(stage, report).await)
}

/// The same with the faults that are drawn from a seed.
///
/// # Errors
/// Those of [`play`].
pub async fn play_chaos(tools: &Tools, schedule: &Schedule, progress: &Progress) -> Result<Played> {
    let began = Instant::now();
    let mut stage = Stage::set_up(tools, schedule.seed, Staging::default(), progress).await?;
    let played = async {
        let course = course::play(&mut stage, schedule).await?;
        Ok((course, evidence_of(&stage).await?))
    };
    let played = played.await;
    let (course, evidence) = or_logs(played, stage.save_logs(), &stage.run_dir, progress).await?;
    let struck = hits::struck(schedule, &course, &evidence);
    let checks = judge::judge(schedule, &course, &evidence);
    let mut story = stage.story();
    story.extend(hits::notes(&struck));
    story.sort_by_key(|note| note.at);
    let play = Play { scenario: chaos::NAME, seed: schedule.seed, took: began.elapsed(), logs: stage.run_dir.clone() };
    let mut report = Report::new(play, story, RunReport::all(&evidence), checks);
    report.faults = struck;
    report.replay = Some(chaos::replay_command(schedule.seed));
    Ok(finished(stage, report).await)
}

/// Deploys a reference workload, plays its game day and judges what came of it. Tools and functions have to be there,
/// those of the workloads, too.
///
/// # Errors
/// Those of [`play`].
pub async fn play_workload(tools: &Tools, workload: Reference, seed: u64, progress: &Progress) -> Result<Played> {
    let began = Instant::now();
    let estate = Estate::set_up(tools, workload, seed, progress).await?;
    let played = async {
        let course = reference::play(&estate, seed).await?;
        let checks = reference::judge(&estate, &course).await?;
        let runs = estate.run_reports(&course).await?;
        Ok((course, checks, runs))
    };
    let played = played.await;
    let (course, checks, runs) = or_logs(played, estate.save_logs(), &estate.run_dir, progress).await?;
    let play = Play { scenario: workload.name(), seed, took: began.elapsed(), logs: estate.run_dir.clone() };
    let clients = Clients::of(&course);
    let mut report = Report::new(play, course.story, runs, checks);
    report.clients = Some(clients);
    if !report.passed {
        estate.save_logs().await;
    }
    Ok(Played { report, left: Left::Estate(Box::new(estate)) })
}

/// What somebody needs who has to find out why it got no further.
async fn or_logs<T>(
    played: Result<T>,
    save_logs: impl Future<Output = ()>,
    run_dir: &Path,
    progress: &Progress,
) -> Result<T> {
    if played.is_err() {
        save_logs.await;
        progress.line(format!("      logs: {}", run_dir.display()));
    }
    played
}

async fn finished(stage: Stage, report: Report) -> Played {
    if !report.passed {
        stage.save_logs().await;
    }
    Played { report, left: Left::Stage(Box::new(stage)) }
}

async fn play_on(stage: &mut Stage, scenario: &dyn Scenario) -> Result<Evidence> {
    scenario.play(stage).await?;
    evidence_of(stage).await
}

async fn evidence_of(stage: &Stage) -> Result<Evidence> {
    let task = stage.progress.task("reading the emulator's final state");
    let evidence = stage.evidence().await?;
    task.done("");
    Ok(evidence)
}
