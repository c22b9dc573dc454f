//! The Lambda function `promote-aurora`.

use failover::config::ProcessEnvironment;
use promote_aurora::PromoteAurora;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let build = |tools| PromoteAurora::new(tools, &ProcessEnvironment);
    failover::runtime::serve("promote-aurora", build, promote_aurora::handle).await
}
