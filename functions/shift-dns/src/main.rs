//! The Lambda function `shift-dns`.

use failover::runtime;
use shift_dns::ShiftDns;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    runtime::serve("shift-dns", |tools| Ok(ShiftDns::new(tools)), shift_dns::handle).await
}
