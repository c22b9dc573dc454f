//! What the failover functions share: the contract, the ledger, errors, retry, configuration, clients and telemetry.
//!
//! Start at [`step::run`]: it is the one control flow that `promote-aurora`, `scale-ecs` and `shift-dns` have in common.

pub mod aws_call;
pub mod clients;
pub mod config;
pub mod contract;
pub mod digest;
pub mod env;
pub mod error;
pub mod ledger;
pub mod recovery_plan;
pub mod region_switch;
pub mod retry;
pub mod runtime;
pub mod step;
pub mod telemetry;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod writer_lease;
