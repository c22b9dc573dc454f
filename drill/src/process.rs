//! Child processes that leave nothing behind, and free ports.
//!
//! Each child runs under `tools/guard.py` in a process group of its own. The whole group is killed
//! when the [`Child`] is dropped and, through a pipe that only the drill holds open, when the drill
//! itself dies. Ctrl-C reaches the drill alone, which then drops what it holds.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::error::{Error, Result};
use crate::progress::Task;

/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How much of a log's end is read to say what a program is at, in bytes.
const TAIL_BYTES: u64 = 4096;
/// How many of a log's last lines an error shows.
const TAIL_LINES: usize = 30;

/// The guard's source, handed to Python on its command line so that it needs no file.
const GUARD: &str = include_str!("../tools/guard.py");

/// A port on loopback that nothing listens on now. Another program may take it before it is used,
/// so a caller that fails to listen on it should ask for another one.
///
/// # Errors
///
/// [`Error::Io`] when no port can be had.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("asking for a free port"))?;
    let address = listener.local_addr().map_err(Error::io("asking for a free port"))?;
    Ok(address.port())
}

/// Completes on Ctrl-C or SIGTERM.
///
/// # Errors
///
/// [`Error::Io`] when the signals cannot be watched.
pub async fn interrupted() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::io("watching for Ctrl-C"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::io("watching for SIGTERM"))?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// A program to run.
#[derive(Debug)]
pub struct ChildCommand {
    python: PathBuf,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    own_environment: bool,
    directory: Option<PathBuf>,
    log: PathBuf,
}

impl ChildCommand {
    /// Runs `program` with its output in the file `log`. `python` is the interpreter for the guard.
    #[must_use]
    pub fn new(python: &Path, program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            python: python.to_owned(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            own_environment: false,
            directory: None,
            log: log.into(),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Hands on only the variables set here, and PATH.
    #[must_use]
    pub fn own_environment(mut self) -> Self {
        self.own_environment = true;
        self
    }

    /// Runs in `directory`.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    fn name(&self) -> String {
        self.program.file_name().unwrap_or(self.program.as_os_str()).to_string_lossy().into_owned()
    }

    /// Runs the program to its end, showing its last line of output in `task`.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] when it ends with an error, [`Error::TimedOut`] when it takes longer than
    /// `limit`; it is killed then.
    pub async fn run(self, limit: Duration, task: &Task) -> Result<()> {
        let name = self.name();
        let log = self.log.clone();
        let mut child = Child::spawn(self)?;
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = child.has_exited()? {
                return if status.success() { Ok(()) } else { Err(failed(name, status, log)) };
            }
            if let Some(line) = last_lines(&log, 1).pop() {
                task.update(line);
            }
            tokio::time::sleep(POLL).await;
        }
        Err(Error::TimedOut { what: format!("{name} (output in {})", log.display()), limit })
    }
}

fn failed(program: String, status: ExitStatus, log: PathBuf) -> Error {
    let tail = last_lines(&log, TAIL_LINES).join("\n");
    Error::Command { program, status: status.to_string(), log, tail }
}

/// A running child with everything it started.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    /// The guard kills the group when this closes.
    alive: Option<ChildStdin>,
    group: Option<Pid>,
    name: String,
    log: PathBuf,
}

impl Child {
    /// Starts `command`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the log cannot be written or the guard cannot be started. A program that
    /// cannot be started ends at once with an error in its log.
    pub fn spawn(command: ChildCommand) -> Result<Self> {
        let name = command.name();
        let doing = format!("starting {name}");
        let log = File::create(&command.log).map_err(Error::io(format!("creating {}", command.log.display())))?;
        let errors = log.try_clone().map_err(Error::io(doing.clone()))?;
        let mut guard = Command::new(&command.python);
        guard.args(["-I", "-c", GUARD]).arg(&command.program).args(&command.arguments);
        if command.own_environment {
            guard.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        }
        guard.envs(command.environment);
        if let Some(directory) = &command.directory {
            guard.current_dir(directory);
        }
        guard.process_group(0).stdin(Stdio::piped()).stdout(log).stderr(errors);
        let mut process = guard.spawn().map_err(Error::io(doing))?;
        let group = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        let alive = process.stdin.take();
        Ok(Self { process, alive, group, name, log: command.log })
    }

    /// The file with its output.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Its exit status, once it has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the operating system does not tell.
    pub fn has_exited(&mut self) -> Result<Option<ExitStatus>> {
        self.process.try_wait().map_err(Error::io(format!("watching {}", self.name)))
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] when it takes longer than `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.has_exited()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(Error::TimedOut { what: format!("the end of {}", self.name), limit });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills it with everything it started.
    pub fn kill(&mut self) {
        drop(self.alive.take());
        if let Some(group) = self.group.take() {
            // The only possible failure is that nobody is left in the group.
            let _gone = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _reaped = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last non-empty lines of a file, at most `count`; none when it cannot be read.
pub(crate) fn last_lines(path: &Path, count: usize) -> Vec<String> {
    let mut end = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        file.read_to_end(&mut end)
    });
    if read.is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;

    fn log(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("drill-process-{}-{name}.log", std::process::id()))
    }

    fn shell(script: &str, name: &str) -> ChildCommand {
        ChildCommand::new(Path::new("python3"), "/bin/sh", log(name)).args(["-c", script])
    }

    fn is_alive(pid: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A zombie is dead; nobody may be there to reap an orphan in a container.
        !stat.is_empty() && !stat.contains(") Z ")
    }

    async fn pid_in(log: &Path) -> i32 {
        for _ in 0..250 {
            if let Some(pid) = last_lines(log, 1).pop().and_then(|line| line.parse().ok()) {
                return pid;
            }
            tokio::time::sleep(POLL).await;
        }
        panic!("the child said nothing");
    }

    #[tokio::test]
    async fn a_failing_program_is_an_error_with_the_end_of_its_output() {
        let task = Progress::silent().task("test");
        let error = shell("echo one; echo two >&2; exit 3", "failing").run(Duration::from_secs(10), &task).await;
        let text = error.unwrap_err().to_string();
        assert!(text.contains("sh failed (exit status: 3)") && text.ends_with("one\ntwo"), "{text}");
    }

    #[tokio::test]
    async fn dropping_a_child_kills_what_it_started() {
        let child = Child::spawn(shell("sleep 100 & echo $!; wait", "grandchild")).unwrap();
        let pid = pid_in(child.log_path()).await;
        assert!(is_alive(pid));
        drop(child);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!is_alive(pid));
    }

    #[tokio::test]
    async fn the_end_of_the_drill_kills_its_children() {
        let mut child = Child::spawn(shell("sleep 100 & echo $!; wait", "orphan")).unwrap();
        let pid = pid_in(child.log_path()).await;
        // What the operating system does to the pipe when the drill dies.
        child.alive.take();
        child.wait(Duration::from_secs(5)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!is_alive(pid));
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_killed() {
        let task = Progress::silent().task("test");
        let outcome = shell("sleep 100", "slow").run(Duration::from_millis(200), &task).await;
        assert!(matches!(outcome, Err(Error::TimedOut { .. })), "{outcome:?}");
    }

    #[test]
    fn two_free_ports_can_be_had() {
        assert!(free_port().unwrap() > 0);
        assert!(free_port().unwrap() > 0);
    }
}
