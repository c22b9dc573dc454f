//! The Lambda function `scale-ecs`.

use scale_ecs::ScaleEcs;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    failover::runtime::serve("scale-ecs", |tools| Ok(ScaleEcs::new(tools)), scale_ecs::handle).await
}
