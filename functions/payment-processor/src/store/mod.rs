//! Where payments are kept, and that each is kept once.
//!
//! Both stores decide by themselves whether an id is new, in the very write that keeps the payment; the function never
//! looks first and writes then. So of concurrent duplicates one is charged, and a write may be sent again whenever its
//! outcome was lost: it meets its own effect.

mod aurora;
mod dynamodb;

use failover::aws_call::{CallError, Sent};
use failover::clients::Clients;
use failover::contract::{Region, Timestamp};
use failover::env::{Deadline, Env};

use crate::payment::{Amount, Charge, Payment, TransactionId, Verdict};
use crate::settings::{self, Settings};

/// Why a payment was not taken, or is not known to have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// Nothing was charged, and the same request can succeed later.
    Unavailable(String),
    /// Whether it was charged is not known. The same id can be sent again: it is charged once.
    Unknown(String),
    /// Nothing was charged, and somebody has to mend the deployment.
    Broken(String),
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        let problem = error.to_string();
        if error.sent == Sent::PossiblyApplied {
            Self::Unknown(problem)
        } else if error.is_silence() {
            Self::Unavailable(problem)
        } else {
            Self::Broken(problem)
        }
    }
}

impl StoreError {
    /// Why.
    pub(crate) fn problem(&self) -> &str {
        match self {
            Self::Unavailable(problem) | Self::Unknown(problem) | Self::Broken(problem) => problem,
        }
    }
}

/// One of the stores.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    DynamoDb(dynamodb::DynamoDb),
    Aurora(aurora::Aurora),
}

impl Store {
    pub(crate) fn new(settings: &Settings, clients: &Clients, env: &Env) -> Self {
        // The SDK repeats nothing, so that what it hides of earlier attempts cannot pass for "nothing was charged".
        let config = clients.once(&settings.region);
        match &settings.store {
            settings::Store::DynamoDb { table } => {
                Self::DynamoDb(dynamodb::DynamoDb::new(aws_sdk_dynamodb::Client::new(&config), env, table))
            }
            settings::Store::Aurora(database) => {
                Self::Aurora(aurora::Aurora::new(aws_sdk_rdsdata::Client::new(&config), env, database))
            }
        }
    }

    /// Charges, unless the id was charged before.
    pub(crate) async fn charge(&self, charge: Charge, deadline: Deadline) -> Result<Verdict, StoreError> {
        match self {
            Self::DynamoDb(table) => table.charge(charge, deadline).await,
            Self::Aurora(database) => database.charge(charge, deadline).await,
        }
    }
}

/// A stored payment from its texts, by their names.
fn read_charge(texts: impl Fn(&str) -> Option<String>) -> Result<Charge, StoreError> {
    let broken = |name: &str, problem: &str| StoreError::Broken(format!("the stored payment's {name} {problem}"));
    let text = |name: &str| texts(name).ok_or_else(|| broken(name, "is missing"));
    let checked = |name: &str, problem: String| broken(name, &format!("cannot be read: {problem}"));
    let payment = Payment {
        transaction_id: TransactionId::parse(&text("transaction_id")?).map_err(|why| checked("transaction_id", why))?,
        amount: Amount::parse(&text("amount")?).map_err(|why| checked("amount", why))?,
    };
    let time = Timestamp::parse(&text("time")?).map_err(|why| checked("time", why))?;
    let region = Region::parse(&text("region")?).map_err(|why| checked("region", why))?;
    // One that something else put there is a payment, too.
    let request_id = texts("request_id").unwrap_or_default();
    Ok(Charge { payment, time, region, request_id })
}
