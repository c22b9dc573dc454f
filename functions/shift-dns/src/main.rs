//! The Lambda function `shift-dns`.

use failover::config::ProcessEnvironment;
use failover::runtime;
use shift_dns::ShiftDns;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    runtime::serve("shift-dns", |tools| ShiftDns::new(tools, &ProcessEnvironment), shift_dns::handle).await
}
