//! Starts one candidate under the fake Lambda and measures it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use crate::BenchError;
use crate::fake_lambda::FakeLambda;

/// How long one start may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Something to start.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    arguments: Vec<String>,
    event: String,
}

impl Candidate {
    pub(crate) fn new(name: &'static str, program: PathBuf, arguments: Vec<String>, event: String) -> Self {
        Self { name, program, arguments, event }
    }
}

/// One start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) to_answer: Duration,
    pub(crate) peak_kb: u64,
    pub(crate) calls: usize,
}

/// All starts of one candidate.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Measured>);

impl Figures {
    pub(crate) fn add(&mut self, measured: Measured) {
        self.0.push(measured);
    }

    pub(crate) fn median_ms(&self) -> f64 {
        let mut all: Vec<Duration> = self.0.iter().map(|measured| measured.to_answer).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().map_or(0.0, milliseconds)
    }

    pub(crate) fn least_ms(&self) -> f64 {
        self.0.iter().map(|measured| measured.to_answer).min().map_or(0.0, milliseconds)
    }

    pub(crate) fn most_ms(&self) -> f64 {
        self.0.iter().map(|measured| measured.to_answer).max().map_or(0.0, milliseconds)
    }

    /// The most memory and the most calls of any start.
    pub(crate) fn worst(&self) -> Measured {
        self.0.iter().fold(Measured::default(), |worst, measured| Measured {
            to_answer: worst.to_answer.max(measured.to_answer),
            peak_kb: worst.peak_kb.max(measured.peak_kb),
            calls: worst.calls.max(measured.calls),
        })
    }
}

/// Starts the candidate once, and ends it when it has answered.
pub(crate) async fn once(candidate: &Candidate) -> Result<Measured, BenchError> {
    let lambda = FakeLambda::start(candidate.event.clone()).await?;
    let mut command = tokio::process::Command::new(&candidate.program);
    command
        .args(&candidate.arguments)
        .env_clear()
        .envs(lambda.environment())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let io = |doing: &str| {
        let doing = format!("{doing} {}", candidate.name);
        move |source| BenchError::Io { doing, source }
    };
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let began = std::time::Instant::now();
    let mut child = command.spawn().map_err(io("starting"))?;
    let answered = tokio::time::timeout(PATIENCE, lambda.answered())
        .await
        .map_err(|_| BenchError::Failed(format!("{} did not answer within {PATIENCE:?}", candidate.name)))?;
    let to_answer = answered.at.duration_since(began);
    if let Some(error) = answered.error {
        return Err(BenchError::Failed(format!("{} answered an error: {error}", candidate.name)));
    }
    let peak_kb = child.id().and_then(peak_memory_kb).unwrap_or_default();
    child.kill().await.map_err(io("ending"))?;
    Ok(Measured { to_answer, peak_kb, calls: lambda.calls() })
}

/// The kernel's high-water mark of resident memory.
fn peak_memory_kb(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
