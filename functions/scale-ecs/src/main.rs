//! The Lambda function `scale-ecs`.

use failover::config::ProcessEnvironment;
use scale_ecs::ScaleEcs;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let build = |tools| ScaleEcs::new(tools, &ProcessEnvironment);
    failover::runtime::serve("scale-ecs", build, scale_ecs::handle).await
}
