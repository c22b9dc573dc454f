//! `cargo lambda watch` with the project's functions, and `cargo lambda invoke` against it: what a person does who
//! runs one function alone.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use drill::error::Error;
use drill::process::{Child, ChildCommand, free_port};
use drill::tools::Tools;
use failover::env::{Env, millis};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::project_root;

/// The project's settings for cargo-lambda, which it reads only when told to.
const SETTINGS: &str = "cargo-lambda.toml";
/// How long `watch` may take to listen.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How often it is asked whether it listens.
const START_POLL: Duration = Duration::from_millis(50);
/// How long an invocation may take; the first one compiles the function. When a function's process dies, `invoke` would
/// wait for ever.
const INVOKE_LIMIT: Duration = Duration::from_mins(15);

/// A running `cargo lambda watch`. It stops, with the functions, when dropped.
#[derive(Debug)]
pub struct LocalLambda {
    watch: Child,
    program: PathBuf,
    port: u16,
}

/// What `cargo lambda invoke` came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Whether it ended with status 0.
    pub succeeded: bool,
    /// The function's answer, or nothing.
    pub output: String,
    /// What was written for people.
    pub messages: String,
}

impl Invocation {
    /// The function's answer.
    #[must_use]
    pub fn answer(&self) -> Option<Value> {
        serde_json::from_str(&self.output).ok()
    }
}

impl LocalLambda {
    /// Starts it on a free port of the loopback interface. The functions get `environment` beside the process's own.
    ///
    /// # Errors
    /// When it does not listen in time.
    pub async fn start<'a>(
        tools: &Tools,
        log: &Path,
        environment: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Result<Self, Error> {
        let (program, port) = (tools.program("cargo-lambda"), free_port()?);
        let mut command = ChildCommand::new(&tools.python, &program, log)
            .args(["lambda", "watch", "--global", SETTINGS, "--ignore-changes"])
            .args(["-A", "127.0.0.1", "-P", &port.to_string()])
            .directory(project_root());
        for (name, value) in environment {
            command = command.env(name, value);
        }
        let mut watch = Child::spawn(command)?;
        let env = Env::system();
        let give_up_at = env.now().plus_millis(millis(START_LIMIT));
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            if env.now() >= give_up_at || watch.has_exited()?.is_some() {
                let what = format!("cargo lambda watch (log in {})", watch.log_path().display());
                return Err(Error::TimedOut { what, limit: START_LIMIT });
            }
            env.sleep(START_POLL).await;
        }
        Ok(Self { watch, program, port })
    }

    /// Runs `cargo lambda invoke FUNCTION --data-file EVENT`.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time.
    pub async fn invoke(&self, function: &str, event: &Path) -> Result<Invocation, Error> {
        let port = self.port.to_string();
        let arguments: [&OsStr; 9] = [
            "lambda".as_ref(),
            "invoke".as_ref(),
            "--invoke-address".as_ref(),
            "127.0.0.1".as_ref(),
            "--invoke-port".as_ref(),
            port.as_ref(),
            "--data-file".as_ref(),
            event.as_ref(),
            function.as_ref(),
        ];
        let ended = Command::new(&self.program)
            .args(arguments)
            .current_dir(project_root())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let timed_out = || Error::TimedOut {
            what: format!("cargo lambda invoke {function} (log in {})", self.watch.log_path().display()),
            limit: INVOKE_LIMIT,
        };
        let ended = tokio::time::timeout(INVOKE_LIMIT, ended)
            .await
            .map_err(|_| timed_out())?
            .map_err(|source| Error::Io { doing: "running cargo lambda invoke".to_owned(), source })?;
        Ok(Invocation {
            succeeded: ended.status.success(),
            output: String::from_utf8_lossy(&ended.stdout).into_owned(),
            messages: String::from_utf8_lossy(&ended.stderr).into_owned(),
        })
    }
}
