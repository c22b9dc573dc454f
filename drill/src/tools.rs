//! Installs what the drill runs, pinned and with hashes, under `target/drill`, and builds the functions.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::logs::CALLS_FILE;
use crate::process::ChildCommand;
use crate::progress::{Progress, Task};

/// Everything that is installed, with hashes.
const REQUIREMENTS: &str = include_str!("../tools/requirements.txt");
/// Oldest Python that the tools run on.
const OLDEST_PYTHON: (u32, u32) = (3, 10);
/// Interpreters that are tried, in this order.
const PYTHONS: [&str; 7] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
/// Written last, so that an installation that was interrupted is not taken for a complete one.
const STAMP: &str = "complete";
/// The four functions' packages.
pub(crate) const FUNCTIONS: [&str; 4] = ["promote-aurora", "scale-ecs", "shift-dns", "health-probe"];
/// The packages of the reference workloads' functions.
const WORKLOAD_FUNCTIONS: [&str; 3] = ["payment-processor", "replicate-queue", "replicate-parameters"];
/// Held while the functions are built, and shared by whoever needs them to stay as they are.
const BUILD_LOCK: &str = "build.lock";
/// How long an installation may take; some 200 MB are downloaded.
const INSTALL_LIMIT: Duration = Duration::from_mins(15);
/// How long building from nothing may take.
const BUILD_LIMIT: Duration = Duration::from_mins(45);
/// How often a lock that somebody else holds is tried again.
const LOCK_POLL: Duration = Duration::from_millis(200);
/// How many runs' directories are kept, of those that passed and of those that failed.
const RUNS_KEPT: usize = 20;
/// How many runs this process has begun.
static RUNS_BEGUN: AtomicU32 = AtomicU32::new(0);

/// The installed tools.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The interpreter of the virtual environment.
    pub python: PathBuf,
    /// The virtual environment's programs.
    pub bin_dir: PathBuf,
    /// Root of the project.
    pub workspace: PathBuf,
    /// `target/drill`.
    pub drill_dir: PathBuf,
}

impl Tools {
    /// Path of an installed program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    /// The search path with the installed programs first.
    #[must_use]
    pub fn search_path(&self) -> String {
        let inherited = std::env::var("PATH").unwrap_or_default();
        format!("{}:{inherited}", self.bin_dir.display())
    }

    /// Makes a directory for the logs of one run, and removes those of the oldest runs.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be made.
    pub fn new_run_dir(&self) -> Result<PathBuf> {
        let runs = self.drill_dir.join("runs");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Names sort by time. Runs side by side may begin in the same millisecond.
        let number = RUNS_BEGUN.fetch_add(1, Ordering::Relaxed);
        let run = runs.join(format!("{:015}-{number}-{}", now.as_millis(), std::process::id()));
        fs::create_dir_all(&run).map_err(Error::io(format!("creating {}", run.display())))?;
        remove_all_but_newest(&runs, RUNS_KEPT);
        Ok(run)
    }
}

/// Keeps that many of the runs that failed, and of the others. Old logs that cannot be removed are in nobody's way.
fn remove_all_but_newest(runs: &Path, kept: usize) {
    let Ok(entries) = fs::read_dir(runs) else { return };
    let mut old: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    old.sort();
    let (failed, passed): (Vec<PathBuf>, Vec<PathBuf>) = old.into_iter().partition(|run| run.join(CALLS_FILE).exists());
    for old in [failed, passed] {
        for run in &old[..old.len().saturating_sub(kept)] {
            if !is_running(run) {
                let _left = fs::remove_dir_all(run);
            }
        }
    }
}

/// Whether the drill that made the directory, whose process id ends its name, may still use it.
fn is_running(run: &Path) -> bool {
    let name = run.to_string_lossy();
    name.rsplit('-').next().is_some_and(|pid| Path::new("/proc").join(pid).exists())
}

/// Installs the tools unless they are there. Drills that start at the same time wait for each other.
///
/// # Errors
///
/// [`Error::Missing`] without a recent Python, [`Error::Command`] when the installation fails,
/// [`Error::TimedOut`] when it takes too long.
pub async fn ensure_tools(progress: &Progress) -> Result<Tools> {
    let workspace = workspace();
    let drill_dir = workspace.join("target").join("drill");
    fs::create_dir_all(&drill_dir).map_err(Error::io(format!("creating {}", drill_dir.display())))?;
    let (interpreter, version) = find_python()?;
    let environment = drill_dir.join(format!("venv-{}", environment_id(version)));
    let bin_dir = environment.join("bin");
    let tools = Tools { python: bin_dir.join("python"), bin_dir, workspace, drill_dir };
    if environment.join(STAMP).exists() {
        return Ok(tools);
    }
    let task = progress.task("installing the emulator and build tools (once)");
    let outcome = install(&tools, &interpreter, &environment, &task).await;
    match &outcome {
        Ok(()) => task.done(format!("in {}", environment.display())),
        Err(_) => task.failed("see below"),
    }
    outcome.map(|()| tools)
}

async fn install(tools: &Tools, interpreter: &str, environment: &Path, task: &Task) -> Result<()> {
    let _lock = lock(&tools.drill_dir.join("install.lock"), task, File::try_lock).await?;
    if environment.join(STAMP).exists() {
        return Ok(());
    }
    if environment.exists() {
        fs::remove_dir_all(environment).map_err(Error::io(format!("removing {}", environment.display())))?;
    }
    let log = tools.drill_dir.join("install.log");
    let interpreter = Path::new(interpreter);
    ChildCommand::new(interpreter, interpreter, &log)
        .args(["-m", "venv"])
        .arg(environment)
        .run(INSTALL_LIMIT, task)
        .await?;
    // The list is complete, so pip has nothing to resolve; every file must match its hash.
    ChildCommand::new(interpreter, &tools.python, &log)
        .args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"])
        .args(["--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement"])
        .arg(tools.workspace.join("drill/tools/requirements.txt"))
        .run(INSTALL_LIMIT, task)
        .await?;
    let stamp = environment.join(STAMP);
    fs::write(&stamp, "").map_err(Error::io(format!("writing {}", stamp.display())))
}

/// Builds the four functions with `cargo lambda`, into `target/lambda/<function>/bootstrap`. Cargo knows
/// what is up to date.
///
/// # Errors
///
/// [`Error::Command`] when a function does not compile, [`Error::TimedOut`] when it takes too long.
pub async fn build_functions(tools: &Tools, progress: &Progress) -> Result<()> {
    build(tools, "building the functions", &FUNCTIONS, progress).await
}

/// Builds the reference workloads' functions in the same way.
///
/// # Errors
///
/// Those of [`build_functions`].
pub async fn build_workload_functions(tools: &Tools, progress: &Progress) -> Result<()> {
    build(tools, "building the workloads' functions", &WORKLOAD_FUNCTIONS, progress).await
}

async fn build(tools: &Tools, doing: &str, packages: &[&str], progress: &Progress) -> Result<()> {
    let task = progress.task(doing);
    let outcome = build_packages(tools, packages, &task).await;
    match &outcome {
        Ok(()) => task.done("target/lambda"),
        Err(_) => task.failed("see below"),
    }
    outcome
}

async fn build_packages(tools: &Tools, packages: &[&str], task: &Task) -> Result<()> {
    let _lock = lock(&tools.drill_dir.join(BUILD_LOCK), task, File::try_lock).await?;
    ChildCommand::new(&tools.python, tools.program("cargo-lambda"), tools.drill_dir.join("build.log"))
        // `cargo lambda` reads the project's settings only when told where they are.
        .args(["lambda", "build", "--global", "cargo-lambda.toml"])
        .args(packages.iter().flat_map(|package| ["--package", *package]))
        .directory(&tools.workspace)
        .env("PATH", tools.search_path())
        // The template looks for the functions there, whatever the caller has set.
        .env("CARGO_TARGET_DIR", tools.workspace.join("target"))
        .run(BUILD_LIMIT, task)
        .await
}

/// Keeps the built functions as they are until the file is dropped: `cargo lambda` writes them anew even when they are up
/// to date, and another drill may be about to.
///
/// # Errors
///
/// [`Error::TimedOut`] when another drill builds for too long.
pub(crate) async fn keep_functions(tools: &Tools, task: &Task) -> Result<File> {
    lock(&tools.drill_dir.join(BUILD_LOCK), task, File::try_lock_shared).await
}

/// Holds the lock until the file is dropped.
async fn lock(path: &Path, task: &Task, attempt: fn(&File) -> std::result::Result<(), TryLockError>) -> Result<File> {
    let doing = || Error::io(format!("locking {}", path.display()));
    let file = File::create(path).map_err(doing())?;
    let deadline = Instant::now() + BUILD_LIMIT;
    loop {
        match attempt(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                task.update("waiting for another drill that is doing the same");
                tokio::time::sleep(LOCK_POLL).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::TimedOut { what: format!("the lock {}", path.display()), limit: BUILD_LIMIT });
            }
            Err(TryLockError::Error(source)) => return Err(doing()(source)),
        }
    }
}

/// The project's root, where this crate was compiled.
fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// A virtual environment is good for one list of requirements and one version of Python.
fn environment_id(version: (u32, u32)) -> String {
    let digest = Sha256::digest(format!("{version:?}\n{REQUIREMENTS}"));
    digest.iter().take(6).fold(String::new(), |id, byte| format!("{id}{byte:02x}"))
}

fn find_python() -> Result<(String, (u32, u32))> {
    let mut found = Vec::new();
    for name in PYTHONS {
        let Some(version) = python_version(name) else { continue };
        if version >= OLDEST_PYTHON {
            return Ok((name.to_owned(), version));
        }
        found.push(format!("{name} is {}.{}", version.0, version.1));
    }
    let found = if found.is_empty() { "none was found".to_owned() } else { found.join(", ") };
    let (major, minor) = OLDEST_PYTHON;
    let needed = format!("the drill needs Python {major}.{minor} or newer on the PATH to run the emulator; {found}");
    Err(Error::Missing { needed })
}

fn python_version(name: &str) -> Option<(u32, u32)> {
    let script = "import sys; print(*sys.version_info[:2])";
    let output = Command::new(name).args(["-I", "-c", script]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_pinned_and_has_a_hash() {
        let text = REQUIREMENTS.replace("\\\n", " ");
        let requirements: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(requirements.len() > 50);
        for line in requirements {
            assert!(line.contains("==") && line.contains("--hash=sha256:"), "{line}");
            assert!(!line.starts_with('-') && !line.contains("://"), "{line}: packages come from the user's own index");
        }
    }

    #[test]
    fn the_drill_runs_on_the_emulator_it_was_tried_with() {
        assert!(REQUIREMENTS.contains("\nministack==1.5.33 "));
        assert!(REQUIREMENTS.contains("\ncargo-lambda==1.9.2 "));
    }

    #[test]
    fn another_python_gets_another_environment() {
        assert_ne!(environment_id((3, 10)), environment_id((3, 11)));
    }

    #[test]
    fn runs_that_begin_in_the_same_millisecond_have_a_directory_each() {
        let drill_dir = std::env::temp_dir().join(format!("drill-dirs-{}", std::process::id()));
        let tools = Tools {
            python: PathBuf::new(),
            bin_dir: PathBuf::new(),
            workspace: PathBuf::new(),
            drill_dir: drill_dir.clone(),
        };
        let begun: Vec<PathBuf> = (0..50).map(|_| tools.new_run_dir().unwrap()).collect();
        let different: std::collections::BTreeSet<&PathBuf> = begun.iter().collect();
        assert_eq!(different.len(), begun.len());
        assert!(begun.iter().all(|run| is_running(run)), "the process id ends each name");
        fs::remove_dir_all(drill_dir).unwrap();
    }

    #[test]
    fn only_the_newest_runs_are_kept() {
        let runs = std::env::temp_dir().join(format!("drill-runs-{}", std::process::id()));
        let running = format!("0-{}", std::process::id());
        // No process has the id 0.
        for name in [running.as_str(), "0-0", "1-0", "2-0", "3-0"] {
            fs::create_dir_all(runs.join(name)).unwrap();
        }
        fs::write(runs.join("0-0").join(CALLS_FILE), "[]").unwrap();
        remove_all_but_newest(&runs, 2);
        assert!(!runs.join("1-0").exists() && runs.join("2-0").exists() && runs.join("3-0").exists());
        assert!(runs.join(running).exists(), "a drill that is still running needs its files");
        assert!(runs.join("0-0").exists(), "what failed is not pushed out by what passed since");
        fs::remove_dir_all(runs).unwrap();
    }

    #[tokio::test]
    async fn a_lock_is_held_until_it_is_dropped() {
        let task = Progress::silent().task("test");
        let path = std::env::temp_dir().join(format!("drill-lock-{}", std::process::id()));
        let held = lock(&path, &task, File::try_lock).await.unwrap();
        let second = lock(&path, &task, File::try_lock);
        let waiting = tokio::time::timeout(Duration::from_millis(300), second).await;
        assert!(waiting.is_err());
        drop(held);
        lock(&path, &task, File::try_lock).await.unwrap();
    }
}
