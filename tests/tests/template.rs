//! The templates as CloudFormation's linter sees them.

use std::process::Command;

use drill::progress::Progress;
use drill::tools::ensure_tools;
use failover_tests::project_root;

#[tokio::test]
async fn every_template_passes_cfn_lint_without_warnings() {
    let tools = ensure_tools(&Progress::silent()).await.expect("the tools install");
    let output = Command::new(tools.program("cfn-lint"))
        .args(["--non-zero-exit-code", "warning"])
        // The Regions of the reference workloads.
        .args(["--regions", "eu-central-1", "eu-west-1", "us-east-1", "us-east-2", "us-west-2", "--"])
        .args(["infra/orchestrator.yaml", "infra/modules/*.yaml", "infra/workloads/*.yaml"])
        .current_dir(project_root())
        .output()
        .expect("cfn-lint starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
