//! The calls that are compared, and how each is made: by the SDK client that the product uses, through the product's own
//! classification of errors. Of an answer as much is read as the functions read of it.

pub(crate) mod containers;
pub(crate) mod database;
pub(crate) mod ledger;
pub(crate) mod records;
pub(crate) mod steps;
pub(crate) mod traffic;
pub(crate) mod watching;

use failover::aws_call::CallError;
use serde_json::Value;

use crate::sides::Side;

/// A call.
#[derive(Debug)]
pub(crate) enum Call {
    Database(database::Call),
    Containers(containers::Call),
    Records(records::Call),
    Traffic(traffic::Call),
    Watching(watching::Call),
    Ledger(ledger::Call),
    Step(steps::Call),
}

impl Call {
    /// Makes it: what was read of the answer, or the error.
    pub(crate) async fn ask(&self, side: &Side) -> Result<Value, CallError> {
        match self {
            Self::Database(call) => Box::pin(call.ask(side)).await,
            Self::Containers(call) => Box::pin(call.ask(side)).await,
            Self::Records(call) => Box::pin(call.ask(side)).await,
            Self::Traffic(call) => Box::pin(call.ask(side)).await,
            Self::Watching(call) => Box::pin(call.ask(side)).await,
            Self::Ledger(call) => Ok(Box::pin(call.ask(side)).await),
            Self::Step(call) => Ok(Box::pin(call.ask(side)).await),
        }
    }
}
