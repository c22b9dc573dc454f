//! The template as CloudFormation's linter sees it.

use std::process::Command;

use drill::progress::Progress;
use drill::tools::ensure_tools;
use failover_tests::project_root;

#[tokio::test]
async fn the_template_passes_cfn_lint_without_warnings() {
    let tools = ensure_tools(&Progress::silent()).await.expect("the tools install");
    let output = Command::new(tools.program("cfn-lint"))
        .args(["--non-zero-exit-code", "warning", "--regions", "eu-west-1", "eu-central-1", "--"])
        .arg("infra/orchestrator.yaml")
        .current_dir(project_root())
        .output()
        .expect("cfn-lint starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
