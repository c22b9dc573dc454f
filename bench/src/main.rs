//! `cargo bench-start`: from process start to the answer for an already completed operation, for each function, beside a
//! bare Rust function and the same job in Python, all in one run, interleaved.
//!
//! Each round starts the process under a runtime API of our own on loopback, with a DynamoDB that answers every claim
//! with the completed record. Time is taken from the spawn to the arrival of the answer, peak memory from the kernel.

mod fake_lambda;
mod measure;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use drill::progress::Progress;
use drill::tools::{Tools, build_functions, ensure_tools};
use measure::{Candidate, Figures, Measured};

/// How often each candidate is started.
const ROUNDS: usize = 30;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error(transparent)]
    Drill(#[from] drill::error::Error),
    #[error("{0}")]
    Failed(String),
    #[error("{doing}: {source}")]
    Io { doing: String, source: std::io::Error },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let progress = Progress::stdout();
    match run(&progress).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress.line(format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(progress: &Progress) -> Result<(), BenchError> {
    let tools = ensure_tools(progress).await?;
    build_functions(&tools, progress).await?;
    let candidates = candidates(&tools).await?;
    let mut figures: Vec<Figures> = candidates.iter().map(|_| Figures::default()).collect();
    let task = progress.task("measuring");
    for round in 1..=ROUNDS {
        task.update(format!("round {round} of {ROUNDS}"));
        for (candidate, figures) in candidates.iter().zip(&mut figures) {
            figures.add(measure::once(candidate).await?);
        }
    }
    task.done(format!("{ROUNDS} rounds of {} candidates", candidates.len()));
    for line in table(&candidates, &figures, &tools)? {
        progress.line(line);
    }
    Ok(())
}

async fn candidates(tools: &Tools) -> Result<Vec<Candidate>, BenchError> {
    let lambda = tools.workspace.join("target/lambda");
    let bare = build_bare(tools).await?;
    let mut candidates = vec![Candidate::new("bare Rust function", bare, Vec::new(), fake_lambda::step_event())];
    for function in ["promote-aurora", "scale-ecs", "shift-dns", "health-probe"] {
        let event = match function {
            "promote-aurora" => sample(tools, "promote-aurora/events/failover.json")?,
            "scale-ecs" => sample(tools, "scale-ecs/events/one-service.json")?,
            "shift-dns" => sample(tools, "shift-dns/events/shift-to-standby.json")?,
            _ => sample(tools, "health-probe/events/trigger-metric-alarm.json")?,
        };
        candidates.push(Candidate::new(function, lambda.join(function).join("bootstrap"), Vec::new(), event));
    }
    let script = tools.workspace.join("bench/python_function.py").display().to_string();
    candidates.push(Candidate::new("Python with boto3", tools.python.clone(), vec![script], fake_lambda::step_event()));
    Ok(candidates)
}

/// Builds the bare function with the functions' own profile and linker.
async fn build_bare(tools: &Tools) -> Result<PathBuf, BenchError> {
    let status = tokio::process::Command::new(tools.program("cargo-lambda"))
        .args(["lambda", "build", "--quiet", "--package", "bare-function", "--global", "cargo-lambda.toml"])
        .current_dir(&tools.workspace)
        .env("PATH", tools.search_path())
        .status()
        .await
        .map_err(|source| BenchError::Io { doing: "building the bare function".to_owned(), source })?;
    if status.success() {
        Ok(tools.workspace.join("target/lambda/bare-function/bootstrap"))
    } else {
        Err(BenchError::Failed(format!("building the bare function ended with {status}")))
    }
}

fn sample(tools: &Tools, event: &str) -> Result<String, BenchError> {
    let path = tools.workspace.join("functions").join(event);
    std::fs::read_to_string(&path)
        .map_err(|source| BenchError::Io { doing: format!("reading {}", path.display()), source })
}

/// The figures as a Markdown table, with ratios to the bare function of the same run.
fn table(candidates: &[Candidate], figures: &[Figures], tools: &Tools) -> Result<Vec<String>, BenchError> {
    let mut lines = vec![
        "| function | start to answer, ms: median (min to max) | ratio to bare | peak memory, MB | AWS calls | zipped, MB |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    let bare = figures.first().map(Figures::median_ms).unwrap_or_default();
    for (candidate, figures) in candidates.iter().zip(figures) {
        let size = zipped_mb(&candidate.program, tools)?;
        let Measured { calls, peak_kb, .. } = figures.worst();
        lines.push(format!(
            "| {} | {:.1} ({:.1} to {:.1}) | {:.2} | {:.1} | {calls} | {size} |",
            candidate.name,
            figures.median_ms(),
            figures.least_ms(),
            figures.most_ms(),
            figures.median_ms() / bare,
            megabytes(peak_kb * 1024),
        ));
    }
    Ok(lines)
}

/// The size of the program, zipped as `cargo lambda build --output-format zip` does; a dash for interpreters.
fn zipped_mb(program: &Path, tools: &Tools) -> Result<String, BenchError> {
    if program == tools.python {
        return Ok("–".to_owned());
    }
    let script = "import io,sys,zipfile\nb=io.BytesIO()\nz=zipfile.ZipFile(b,'w',zipfile.ZIP_DEFLATED)\nz.write(sys.argv[1],'bootstrap')\nz.close()\nprint(len(b.getvalue()))";
    let output = std::process::Command::new(&tools.python)
        .args(["-c", script])
        .arg(program)
        .output()
        .map_err(|source| BenchError::Io { doing: "zipping".to_owned(), source })?;
    let bytes: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_default();
    Ok(format!("{:.2}", megabytes(bytes)))
}

#[expect(clippy::cast_precision_loss, reason = "sizes for people to read")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
