//! Runs a runbook as a person does: its commands as they stand on the page, in one shell, with the real AWS CLI against
//! the local AWS.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use drill::stage::Stage;
use drill::tools::Tools;
use tokio::process::Command;

use crate::markdown::{self, Block};
use crate::project_root;

/// Where the pages stand in the project.
pub const FOLDER: &str = "docs/runbooks";
/// The language of blocks that are to be run.
pub const SHELL: &str = "sh";
/// The mark of a block that the local AWS cannot run.
pub const NO_LOCAL: &str = "no-local";
/// How long a page's commands may take.
const PAGE_LIMIT: Duration = Duration::from_secs(300);

/// A page.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// Its name, without the ending.
    pub name: String,
    /// Its blocks of commands.
    pub blocks: Vec<Block>,
}

impl Runbook {
    /// Reads a page.
    ///
    /// # Errors
    /// When there is no such page.
    pub fn read(name: &str) -> std::io::Result<Self> {
        let text = fs::read_to_string(project_root().join(FOLDER).join(format!("{name}.md")))?;
        let mut blocks = markdown::blocks(&text);
        blocks.retain(|block| block.language == SHELL);
        Ok(Self { name: name.to_owned(), blocks })
    }

    /// The blocks that a person runs who takes these ways through the page: those without a mark, and the ways'.
    pub fn path<'a>(&'a self, ways: &'a [&str]) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(|block| block.marks.is_empty() || ways.iter().any(|way| block.is_marked(way)))
    }

    /// The shell's input: each block behind a line that tells where it stands.
    fn script(&self, ways: &[&str]) -> String {
        let each = self.path(ways);
        let each = each.map(|block| format!("echo '--- {}.md, line {}'\n{}", self.name, block.line, block.text));
        format!("set -euo pipefail\n{}", each.collect::<String>())
    }

    /// Runs the page, and answers what it printed. What it asks is answered with `answers`, line by line.
    ///
    /// # Errors
    /// What it printed, when a command failed or it took longer than [`PAGE_LIMIT`].
    pub async fn run(&self, tools: &Tools, stage: &Stage, ways: &[&str], answers: &[&str]) -> Result<String, String> {
        let folder = stage.run_dir.join(format!("{}-{}", self.name, ways.join("-")));
        let done = self.run_in(&folder, tools, stage, ways, answers);
        let output = match tokio::time::timeout(PAGE_LIMIT, done).await {
            Ok(output) => output.map_err(|error| format!("running {}.md: {error}", self.name))?,
            Err(_elapsed) => return Err(format!("{}.md took longer than {PAGE_LIMIT:?}", self.name)),
        };
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(printed);
        }
        Err(format!("{}.md: {}\n{printed}\n{}", self.name, output.status, String::from_utf8_lossy(&output.stderr)))
    }

    async fn run_in(
        &self,
        folder: &Path,
        tools: &Tools,
        stage: &Stage,
        ways: &[&str],
        answers: &[&str],
    ) -> std::io::Result<Output> {
        fs::create_dir_all(folder)?;
        let script = folder.join("page.sh");
        fs::write(&script, self.script(ways))?;
        let said = folder.join("answers");
        fs::write(&said, format!("{}\n", answers.join("\n")))?;
        let credentials = stage.local.emulator.credentials();
        Command::new("bash")
            .arg(&script)
            .current_dir(folder)
            // Neither the user's AWS settings nor credentials take part.
            .env_clear()
            .env("PATH", tools.search_path())
            .env("HOME", folder)
            .env("LC_ALL", "C.UTF-8")
            .env("AWS_ENDPOINT_URL", stage.local.emulator.endpoint())
            .env("AWS_ACCESS_KEY_ID", credentials.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::from(File::open(said)?))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .output()
            .await
    }
}
