//! What the integration tests share: a local AWS to run against, and the toolbox of a function that talks to it.

pub mod hostile;
pub mod local_lambda;
pub mod markdown;
pub mod runbook;
pub mod template;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use drill::aws::Aws;
use drill::emulator::{LocalAws, LocalAwsOptions};
use drill::progress::Progress;
use drill::tools::{Tools, ensure_tools};
use failover::clients::Clients;
use failover::config::Config;
use failover::env::Env;
use failover::error::Error;
use failover::runtime::Toolbox;
use serde_json::json;
pub use workloads::project_root;

/// The Region the orchestrator lives in, in all tests.
pub const DR_REGION: &str = "eu-west-1";
/// The ledger's table in all tests.
pub const LEDGER_TABLE: &str = "failover-state-test";

/// Every Rust file in a folder, and in those within it.
///
/// # Panics
/// When a folder cannot be read.
#[must_use]
#[expect(clippy::expect_used, reason = "a test's helper fails by panicking")]
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Installs the tools, if need be, and starts a local AWS of the test's own.
///
/// # Errors
/// What the drill says.
pub async fn local_aws(seed: u64) -> Result<(Tools, LocalAws), drill::error::Error> {
    let progress = Progress::silent();
    let tools = ensure_tools(&progress).await?;
    let options = LocalAwsOptions { run_dir: tools.new_run_dir()?, seed, wait_scale: 1.0 };
    let local = LocalAws::start(&tools, options, &progress).await?;
    Ok((tools, local))
}

/// Creates the ledger's table, as the template would.
///
/// # Errors
/// The emulator's answer.
pub async fn create_ledger_table(aws: &Aws) -> Result<(), drill::aws::AwsError> {
    let table = json!({
        "TableName": LEDGER_TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "operation_id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "operation_id", "KeyType": "HASH" }],
    });
    aws.json("dynamodb", DR_REGION, "CreateTable", &table).await.map(drop)
}

/// The toolbox of a function whose calls go to `endpoint` with the emulator's root credentials.
///
/// # Errors
/// Never, with the variables given here.
pub fn toolbox(local: &LocalAws, endpoint: &str, function: &str) -> Result<Toolbox, Error> {
    let credentials = local.emulator.credentials();
    let variables = BTreeMap::from([
        ("AWS_ACCOUNT_ID", local.emulator.account_id()),
        ("DR_REGION", DR_REGION),
        ("ENVIRONMENT_SUFFIX", "test"),
        ("PLAN_NAME", "trading"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.as_str()),
    ]);
    let config = Config::read(&variables, function)?;
    let env = Env::system();
    let clients = Clients::new(&config, &env);
    Ok(Toolbox::new(config, env, clients))
}
