//! The emulator's process, and the emulator with the gateway in front of it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::aws::{Aws, Credentials};
use crate::error::{Error, Result};
use crate::gateway::{Gateway, GatewayOptions};
use crate::process::{Child, ChildCommand, free_port, last_lines};
use crate::progress::{Progress, Task};
use crate::tools::Tools;

/// The account that everything happens in.
const ACCOUNT_ID: &str = "123456789012";
/// How long the emulator may take to start.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How often it is asked whether it is there.
const START_POLL: Duration = Duration::from_millis(50);
/// Another program may take the free port first; then another one is tried.
const START_ATTEMPTS: u32 = 3;
/// Before the first retry of a failed asynchronous invocation; before the second it is twice as long, in seconds.
const ASYNC_RETRY_SECONDS: u32 = 10;

/// A local AWS: the emulator, and the gateway that every SDK client goes through.
#[derive(Debug)]
pub struct LocalAws {
    /// The emulator.
    pub emulator: Emulator,
    /// The gateway.
    pub gateway: Gateway,
}

/// How a local AWS is started.
#[derive(Clone, Debug)]
pub struct LocalAwsOptions {
    /// Directory for the emulator's log and files.
    pub run_dir: PathBuf,
    /// Seed of the gateway's random rules.
    pub seed: u64,
    /// Factor for Step Functions' Wait states and retry intervals; 1 is real time.
    pub wait_scale: f64,
}

impl LocalAws {
    /// Starts both on free ports and waits until the emulator answers.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] when the emulator ends at once, [`Error::TimedOut`] when it does not answer.
    pub async fn start(tools: &Tools, options: LocalAwsOptions, progress: &Progress) -> Result<Self> {
        let task = progress.task("starting the local AWS");
        let mut attempt = 1;
        loop {
            match Self::start_once(tools, &options, &task).await {
                Ok(local) => {
                    task.done(format!("MiniStack at {}", local.emulator.endpoint()));
                    return Ok(local);
                }
                Err(Error::Command { .. }) if attempt < START_ATTEMPTS => attempt += 1,
                Err(error) => {
                    task.failed("see below");
                    return Err(error);
                }
            }
        }
    }

    async fn start_once(tools: &Tools, options: &LocalAwsOptions, task: &Task) -> Result<Self> {
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let gateway = Gateway::start(GatewayOptions {
            upstream,
            credentials: root_credentials(),
            account_id: ACCOUNT_ID.to_owned(),
            seed: options.seed,
        })?;
        let emulator = Emulator::start(tools, options, upstream, gateway.endpoint(), task).await?;
        Ok(Self { emulator, gateway })
    }
}

/// A running emulator. It stops, with all Lambda processes, when dropped.
#[derive(Debug)]
pub struct Emulator {
    process: Child,
    endpoint: String,
}

impl Emulator {
    async fn start(
        tools: &Tools,
        options: &LocalAwsOptions,
        address: SocketAddr,
        lambda_endpoint: &str,
        task: &Task,
    ) -> Result<Self> {
        let process = Child::spawn(command(tools, options, address, lambda_endpoint)?)?;
        let mut emulator = Self { process, endpoint: format!("http://{address}") };
        emulator.wait_until_ready(task).await?;
        Ok(emulator)
    }

    async fn wait_until_ready(&mut self, task: &Task) -> Result<()> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let health = format!("{}/_ministack/health", self.endpoint);
        let health: http::Uri = health.parse().map_err(|error| Error::Unexpected(format!("{health}: {error}")))?;
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.process.has_exited()? {
                let log = self.log_path().to_owned();
                let tail = last_lines(&log, 20).join("\n");
                return Err(Error::Command { program: "ministack".to_owned(), status: status.to_string(), log, tail });
            }
            let asked = tokio::time::timeout(START_LIMIT, client.get(health.clone())).await;
            if matches!(asked, Ok(Ok(response)) if response.status().is_success()) {
                return Ok(());
            }
            task.update("waiting until it answers");
            tokio::time::sleep(START_POLL).await;
        }
        Err(Error::TimedOut {
            what: format!("the emulator (log in {})", self.log_path().display()),
            limit: START_LIMIT,
        })
    }

    /// Its address, e.g. `http://127.0.0.1:40001`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The account that everything happens in.
    #[must_use]
    pub fn account_id(&self) -> &'static str {
        ACCOUNT_ID
    }

    /// Root credentials.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        root_credentials()
    }

    /// A client with root credentials that does not go through the gateway.
    #[must_use]
    pub fn aws(&self) -> Aws {
        Aws::new(&self.endpoint, self.credentials())
    }

    /// The emulator's log.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        self.process.log_path()
    }
}

/// MiniStack takes the key in its own environment for the account's root, and does not check root's
/// signatures (`is_root_access_key` in its IAM evaluator).
fn root_credentials() -> Credentials {
    Credentials { access_key_id: "test".to_owned(), secret_access_key: "test".to_owned(), session_token: None }
}

fn command(
    tools: &Tools,
    options: &LocalAwsOptions,
    address: SocketAddr,
    lambda_endpoint: &str,
) -> Result<ChildCommand> {
    // Unpacked functions and everything else that it writes goes below the run's directory.
    let temporary = options.run_dir.join("emulator");
    fs::create_dir_all(&temporary).map_err(Error::io(format!("creating {}", temporary.display())))?;
    let root = root_credentials();
    Ok(ChildCommand::new(&tools.python, &tools.python, options.run_dir.join("emulator.log"))
        .arg(tools.workspace.join("drill/tools/emulator"))
        // The Lambda processes inherit the emulator's environment, so nothing of the user's gets in.
        .own_environment()
        .env("HOME", &temporary)
        .env("TMPDIR", &temporary)
        .env("PYTHONUNBUFFERED", "1")
        .env("BIND_HOST", address.ip().to_string())
        .env("MINISTACK_HOST", address.ip().to_string())
        .env("GATEWAY_PORT", address.port().to_string())
        .env("MINISTACK_ACCOUNT_ID", ACCOUNT_ID)
        .env("AWS_ACCESS_KEY_ID", root.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", root.secret_access_key)
        .env("AUTH", "true")
        // These would listen on all addresses.
        .env("IOT_MTLS_ENABLED", "0")
        .env("SFTP_ENABLED", "0")
        // With Docker it would run databases and tasks as containers, and remove containers it takes for its own.
        .env("DOCKER_HOST", format!("unix://{}/no-docker.sock", temporary.display()))
        // AWS waits one minute and two; here it is a sixth of that, still longer than a lease in the drill.
        .env("LAMBDA_ASYNC_RETRY_BASE_SECONDS", ASYNC_RETRY_SECONDS.to_string())
        .env("AWS_ENDPOINT_URL", lambda_endpoint)
        .env("SFN_WAIT_SCALE", options.wait_scale.to_string()))
}
