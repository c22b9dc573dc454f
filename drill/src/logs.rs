//! What is kept of a run for whoever has to find out what went wrong.

use std::path::Path;

use crate::deployed::Deployed;
use crate::gateway::Gateway;
use crate::progress::Progress;

/// The recorded calls of a run, which are written when it failed.
pub(crate) const CALLS_FILE: &str = "calls.json";

/// Writes what the orchestrators' functions logged, the gateway's calls and the executions' histories beside the
/// emulator's log. Logs that can't be written are no reason to stop.
pub(crate) async fn save(
    run_dir: &Path,
    orchestrators: impl IntoIterator<Item = &Deployed>,
    gateway: &Gateway,
    progress: &Progress,
) {
    let calls = serde_json::to_string_pretty(&gateway.calls()).unwrap_or_default();
    let mut files = vec![(CALLS_FILE.to_owned(), calls)];
    for deployed in orchestrators {
        files.extend(deployed.logs().await);
    }
    for (name, text) in files {
        let path = run_dir.join(name);
        if let Err(error) = std::fs::write(&path, text) {
            progress.line(format!("      could not write {}: {error}", path.display()));
        }
    }
}
