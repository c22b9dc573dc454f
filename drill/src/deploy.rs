//! Deploys a SAM template with `sam deploy`, the command that users deploy with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::aws::{Aws, xml_texts};
use crate::emulator::Emulator;
use crate::error::{Error, Result};
use crate::process::ChildCommand;
use crate::progress::Progress;
use crate::tools::{Tools, keep_functions};

/// How long a deployment may take.
const DEPLOY_LIMIT: Duration = Duration::from_mins(5);

/// What is to be deployed.
#[derive(Clone, Copy, Debug)]
pub struct Deployment<'a> {
    /// The template.
    pub template: &'a Path,
    /// The Region to deploy into.
    pub region: &'a str,
    /// Name of the stack.
    pub stack_name: &'a str,
    /// The template's parameters. `sam` unescapes `\"`, so a JSON value must not contain that.
    pub parameters: &'a BTreeMap<String, String>,
    /// Directory for the log and the parameter file.
    pub run_dir: &'a Path,
}

/// Deploys and answers the stack's outputs.
///
/// # Errors
///
/// [`Error::Command`] when the deployment fails, [`Error::TimedOut`] when it takes too long.
pub async fn deploy(
    tools: &Tools,
    emulator: &Emulator,
    deployment: &Deployment<'_>,
    progress: &Progress,
) -> Result<BTreeMap<String, String>> {
    let task = progress.task(format!("deploying {} into {}", deployment.stack_name, deployment.region));
    let outcome = async {
        let bucket = create_bucket(&emulator.aws(), deployment, emulator.account_id()).await?;
        let _functions = keep_functions(tools, &task).await?;
        command(tools, emulator, deployment, &bucket)?.run(DEPLOY_LIMIT, &task).await?;
        stack_outputs(&emulator.aws(), deployment.region, deployment.stack_name).await
    };
    let outcome = outcome.await;
    match &outcome {
        Ok(_) => task.done("sam deploy"),
        Err(_) => task.failed("see below"),
    }
    outcome
}

/// A bucket of one's own spares `sam` a stack for its managed one.
async fn create_bucket(aws: &Aws, deployment: &Deployment<'_>, account_id: &str) -> Result<String> {
    let region = deployment.region;
    let bucket = format!("sam-artifacts-{account_id}-{region}");
    let body = format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    );
    let body = if region == "us-east-1" { "" } else { body.as_str() };
    match aws.rest("s3", region, "PUT", &format!("/{bucket}"), "application/xml", body.as_bytes()).await {
        Err(error) if error.code != "BucketAlreadyOwnedByYou" => Err(error.into()),
        Ok(_) | Err(_) => Ok(bucket),
    }
}

fn command(tools: &Tools, emulator: &Emulator, deployment: &Deployment<'_>, bucket: &str) -> Result<ChildCommand> {
    let run_dir = deployment.run_dir;
    let write = |name: String, text: String| {
        let path = run_dir.join(name);
        fs::write(&path, text).map_err(Error::io(format!("writing {}", path.display()))).map(|()| path)
    };
    let stack = deployment.stack_name;
    // Stacks in two Regions may have one name.
    let file = format!("{stack}-{}", deployment.region);
    let parameters = serde_json::to_string(deployment.parameters)
        .map_err(|error| Error::Unexpected(format!("the parameters of {stack}: {error}")))?;
    // JSON is YAML, and a file needs none of the shell's quoting.
    let parameters = write(format!("{file}-parameters.yaml"), parameters)?;
    // Without a file of its own, `sam` would read settings from the working directory.
    let settings = write(format!("{file}-samconfig.toml"), "version = 0.1\n".to_owned())?;
    let command = ChildCommand::new(&tools.python, tools.program("sam"), run_dir.join(format!("{file}-deploy.log")))
        .args(["deploy", "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"])
        .args(["--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"])
        .args(["--stack-name", stack, "--region", deployment.region, "--s3-bucket", bucket])
        .arg("--template-file")
        .arg(deployment.template)
        .arg("--config-file")
        .arg(settings)
        .args(if deployment.parameters.is_empty() { &[] } else { ["--parameter-overrides"].as_slice() })
        .args((!deployment.parameters.is_empty()).then(|| format!("file://{}", parameters.display())))
        .directory(&tools.workspace);
    Ok(as_user(command, tools, emulator, run_dir))
}

/// A command under `infra/`, to be run with the local AWS as users run it with theirs.
#[must_use]
pub fn infra_command(tools: &Tools, emulator: &Emulator, name: &str, run_dir: &Path) -> ChildCommand {
    let log = run_dir.join(format!("infra-{name}.log"));
    let command = ChildCommand::new(&tools.python, tools.workspace.join("infra").join(name), log);
    as_user(command.directory(&tools.workspace), tools, emulator, run_dir)
}

/// Lets a program work with the local AWS as its account's owner; neither the user's own AWS settings nor credentials
/// take part.
fn as_user(command: ChildCommand, tools: &Tools, emulator: &Emulator, home: &Path) -> ChildCommand {
    let credentials = emulator.credentials();
    command
        .own_environment()
        .env("PATH", tools.search_path())
        .env("HOME", home)
        .env("LC_ALL", "C.UTF-8")
        .env("AWS_ENDPOINT_URL", emulator.endpoint())
        .env("AWS_ACCESS_KEY_ID", credentials.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("SAM_CLI_TELEMETRY", "0")
        .env("SAM_CLI_POLL_DELAY", "0.2")
}

/// A stack's outputs.
///
/// # Errors
///
/// [`Error::Aws`] when there is no such stack.
pub(crate) async fn stack_outputs(aws: &Aws, region: &str, stack_name: &str) -> Result<BTreeMap<String, String>> {
    let xml = aws.query("cloudformation", region, "DescribeStacks", &[("StackName", stack_name)]).await?;
    let keys = xml_texts(&xml, &["Outputs", "member", "OutputKey"]);
    let values = xml_texts(&xml, &["Outputs", "member", "OutputValue"]);
    if keys.len() != values.len() {
        return Err(Error::Unexpected(format!("the outputs of {stack_name}: {xml}")));
    }
    Ok(keys.into_iter().zip(values).collect())
}
