//! `cargo drill`: see [`cli::Cli`].

mod cli;

use std::error::Error as _;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cli::{Cli, Day};
use drill::chaos::schedule::Schedule;
use drill::chaos::{self, hits};
use drill::deployed::Deployed;
use drill::emulator::LocalAws;
use drill::process::interrupted;
use drill::progress::Progress;
use drill::reference::Estate;
use drill::report::{self, Report};
use drill::runner::{self, Left, Played};
use drill::stage::Stage;
use drill::tools::{Tools, build_functions, build_workload_functions, ensure_tools};
use drill::{Error, Result};
use serde_json::{Value, json};

/// How long threads may go on after everything has been stopped.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);
/// What a shell shows for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// The drill itself could not go on.
const BROKEN: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.list {
        return write_out(&cli::list(&cli));
    }
    let scenarios = match cli.scenarios() {
        Ok(scenarios) => scenarios,
        Err(problem) => {
            Progress::stderr().line(format!("error: {problem}"));
            return ExitCode::from(BROKEN);
        }
    };
    let progress = if cli.json { Progress::stderr() } else { Progress::stdout() };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            progress.line(format!("error: starting the runtime: {error}"));
            return ExitCode::from(BROKEN);
        }
    };
    let code = runtime.block_on(async {
        // Whatever was started is owned by the future, so leaving it stops everything.
        tokio::select! {
            biased;
            code = drill(&cli, &scenarios, &progress) => code,
            _ = interrupted() => {
                progress.line("interrupted; everything that was started is stopped");
                ExitCode::from(INTERRUPTED)
            }
        }
    });
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    code
}

/// What has come of the scenarios so far.
#[derive(Default)]
struct Outcomes {
    reports: Vec<Report>,
    /// Scenarios that did not get as far as a verdict, with the reason.
    broken: Vec<Value>,
    /// What the last scenario left running.
    left: Option<Left>,
}

async fn drill(cli: &Cli, scenarios: &[Day], progress: &Progress) -> ExitCode {
    let seed = cli.first_seed();
    progress.line(format!("seed {seed}"));
    let tools = match prepare(scenarios, progress).await {
        Ok(tools) => tools,
        Err(error) => {
            progress.line(format!("error: {}", chain(&error)));
            return ExitCode::from(BROKEN);
        }
    };
    let mut outcomes = Outcomes::default();
    for seed in cli.seeds(seed) {
        if cli.is_chaos() {
            play_chaos(cli, seed, &tools, &mut outcomes, progress).await;
            continue;
        }
        for scenario in scenarios {
            play_one(cli, *scenario, seed, &tools, &mut outcomes, progress).await;
        }
    }
    finish(cli, outcomes, progress).await
}

async fn prepare(scenarios: &[Day], progress: &Progress) -> Result<Tools> {
    let tools = ensure_tools(progress).await?;
    build_functions(&tools, progress).await?;
    if scenarios.iter().any(|day| matches!(day, Day::Workload(_))) {
        build_workload_functions(&tools, progress).await?;
    }
    Ok(tools)
}

async fn play_one(cli: &Cli, scenario: Day, seed: u64, tools: &Tools, outcomes: &mut Outcomes, progress: &Progress) {
    progress.line(format!("\n{}  seed {seed}\n  {}\n  {}\n", scenario.name(), scenario.does(), scenario.expects()));
    // The stage before is stopped first: each has the machine to itself.
    outcomes.left = None;
    let played = match scenario {
        Day::Scenario(one) => in_time(one.name(), runner::play(tools, one, seed, progress)).await,
        Day::Workload(one) => in_time(one.name(), runner::play_workload(tools, one, seed, progress)).await,
    };
    outcomes.add(cli, (scenario.name(), seed), played, progress);
}

async fn play_chaos(cli: &Cli, seed: u64, tools: &Tools, outcomes: &mut Outcomes, progress: &Progress) {
    let schedule = Schedule::draw(seed);
    progress.line(format!("\n{}  seed {seed}\n{}\n", chaos::NAME, schedule.in_words()));
    outcomes.left = None;
    let played = in_time(chaos::NAME, runner::play_chaos(tools, &schedule, progress)).await;
    outcomes.add(cli, (chaos::NAME, seed), played, progress);
}

async fn in_time(what: &str, playing: impl Future<Output = Result<Played>>) -> Result<Played> {
    let limit = runner::SCENARIO_LIMIT;
    let played = tokio::time::timeout(limit, playing).await;
    played.unwrap_or_else(|_| Err(Error::TimedOut { what: what.to_owned(), limit }))
}

impl Outcomes {
    fn add(&mut self, cli: &Cli, (name, seed): (&str, u64), played: Result<Played>, progress: &Progress) {
        match played {
            Ok(Played { report, left }) => {
                progress.line(report::text(&report, cli.style()));
                self.reports.push(report);
                self.left = Some(left);
            }
            Err(error) => {
                let problem = chain(&error);
                progress.line(format!("error: {name}: {problem}"));
                self.broken.push(json!({ "scenario": name, "seed": seed, "passed": false, "error": problem }));
            }
        }
    }
}

async fn finish(cli: &Cli, outcomes: Outcomes, progress: &Progress) -> ExitCode {
    let Outcomes { reports, broken, left } = outcomes;
    if reports.len() + broken.len() > 1 {
        progress.line(report::summary(&reports, cli.style()));
        for outcome in &broken {
            progress.line(format!("BROKEN  {}  seed {}", outcome["scenario"], outcome["seed"]));
        }
        if cli.is_chaos() {
            let coverage = hits::coverage(reports.iter().flat_map(|report| &report.faults));
            progress.line(report::coverage_text(&coverage));
        }
    }
    let passed = broken.is_empty() && reports.iter().all(|report| report.passed);
    if cli.json {
        let scenarios: Vec<Value> = reports.iter().map(to_value).chain(broken.iter().cloned()).collect();
        write_out(&format!("{:#}\n", json!({ "passed": passed, "scenarios": scenarios })));
    }
    if let Some(left) = left.filter(|_| cli.keep) {
        progress.line(match &left {
            Left::Stage(stage) => around_stage(stage),
            Left::Estate(estate) => around_estate(estate),
        });
        // Ctrl-C is the expected end here, so the verdict decides the exit status.
        if let Err(error) = interrupted().await {
            progress.line(format!("error: {}", chain(&error)));
        }
    }
    match (passed, broken.is_empty()) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::from(BROKEN),
    }
}

/// What somebody needs who wants to look at what is running.
fn around_stage(stage: &Stage) -> String {
    let mut text = how_to_look(&stage.local, stage.orchestrator().region());
    push_row(&mut text, "gateway", stage.local.gateway.endpoint());
    for (site, endpoint) in &stage.world.endpoints {
        push_row(&mut text, &format!("endpoint in {site}"), &endpoint.url());
    }
    push_row(&mut text, "hosted zone", &stage.world.zone_id);
    push_row(&mut text, "logs", &stage.run_dir.display().to_string());
    for deployed in stage.orchestrators() {
        push_outputs(&mut text, deployed);
    }
    text
}

fn around_estate(estate: &Estate) -> String {
    let mut text = how_to_look(&estate.local, estate.deployed.region());
    push_row(&mut text, "gateway", estate.local.gateway.endpoint());
    push_row(&mut text, "DNS", &estate.dns.address().to_string());
    push_row(&mut text, "clients' port", &estate.doors.port().to_string());
    push_row(&mut text, "logs", &estate.run_dir.display().to_string());
    for (region, outputs) in &estate.outputs {
        push_row(&mut text, estate.workload.name(), region);
        for (name, value) in outputs {
            push_row(&mut text, name, value);
        }
    }
    push_outputs(&mut text, &estate.deployed);
    text
}

fn how_to_look(local: &LocalAws, region: &str) -> String {
    let credentials = local.emulator.credentials();
    format!(
        "Everything is left running until Ctrl-C. To look around:\n\n\
         export AWS_ENDPOINT_URL={}\n\
         export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_REGION={region}\n\n",
        local.emulator.endpoint(),
        credentials.access_key_id,
        credentials.secret_access_key,
    )
}

fn push_outputs(text: &mut String, deployed: &Deployed) {
    push_row(text, "orchestrator", &format!("{} in {}", deployed.place.plan, deployed.region()));
    for (name, value) in &deployed.outputs {
        push_row(text, name, value);
    }
}

fn push_row(text: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(text, "{name:<26}{value}");
}

fn to_value(report: &Report) -> Value {
    serde_json::to_value(report).unwrap_or_else(|error| json!({ "passed": false, "error": error.to_string() }))
}

/// An error with all its causes.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn write_out(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has enough: `cargo drill --list | head -1`.
        Err(_closed) => ExitCode::from(BROKEN),
    }
}
