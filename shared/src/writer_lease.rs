//! For applications: asks before each write whether this Region holds the plan's writer lease (X1).
//!
//! A failover cannot always reach the Region it leaves. The lease makes that unnecessary for applications that ask it:
//! their Region's right to write runs out by itself, and the failover promotes only afterwards.
//!
//! # What it guarantees
//! While [`WriterLease::may_write`] answers true in one Region, it answers false in every other Region of the plan, as
//! long as every clock involved is within [`CLOCK_BOUND`] of true time: the application's, and the orchestrator's
//! functions'. So no write begins after the lease has run out, by the holder's own clock plus the bound.
//!
//! # What it does not
//! - A write that has begun is not stopped. How long one may take at most is for the application to say, with
//!   [`WriterLease::with_longest_write`], **and to enforce**, with the database's own limit (PostgreSQL's
//!   `statement_timeout` and `idle_in_transaction_session_timeout`, MySQL's `wait_timeout` and a killed connection).
//!   Then no write ends after the lease has run out either. Left at zero, a write that began just in time may end
//!   beside the first ones of the next holder.
//! - It does not keep a writer from writing that does not ask. That is for the fences of the plan.
//! - It prefers no writes to two writers. The lease is renewed once a minute from the standby Region, while the
//!   Region's health endpoint answers; where the standby Region, its ledger or the endpoint is gone for longer than
//!   the lease, the application may not write, although its own Region may be well. A plan without
//!   `writer_lease_seconds` has no such lease, and nothing to ask.
//!
//! # Clocks
//! Instances get their time from the Amazon Time Sync Service, as a rule over chrony. What an instance's clock is off by
//! at most is what `chronyc tracking` shows: the system time's offset, the root dispersion and half of the root delay,
//! a few milliseconds where that works. [`CLOCK_BOUND`] leaves room for a hundred times that. For Lambda functions AWS
//! states no figure: there the bound is an assumption. A machine that cannot keep within it must not ask; let the service
//! report itself unhealthy where chrony or ClockBound say so.
//! Sources: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/set-time.html>,
//! <https://chrony-project.org/doc/latest/chronyc.html#tracking>, <https://github.com/aws/clock-bound>
//!
//! # How to use it
//! Give it a client for the Region the ledger is in, which is the orchestrator's (with a strongly consistent ledger, any
//! of its Regions), and a role that may `dynamodb:GetItem` on the ledger's table. Refresh it from one task, more often
//! than the lease is short, and ask before each write:
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use failover::contract::{PlanName, Region};
//! use failover::writer_lease::{Client, REFRESH_EVERY, WriterLease};
//!
//! # async fn insert(_payment: &str) -> Result<(), Box<dyn std::error::Error>> { Ok(()) }
//! fn lease(ledger: Client) -> Result<WriterLease, String> {
//!     let (plan, here) = (PlanName::parse("trading")?, Region::parse("eu-central-1")?);
//!     let statement_timeout = Duration::from_secs(5);
//!     Ok(WriterLease::new(ledger, "failover-state-prod", plan, here).with_longest_write(statement_timeout))
//! }
//!
//! /// Runs beside the service, for as long as that does.
//! async fn keep_fresh(lease: &WriterLease) {
//!     loop {
//!         if let Err(error) = lease.refresh().await {
//!             // What was read before still counts until its own moment; then `may_write` says no by itself.
//!             eprintln!("{error}");
//!         }
//!         tokio::time::sleep(REFRESH_EVERY).await;
//!     }
//! }
//!
//! async fn pay(lease: &WriterLease, payment: &str) -> Result<(), Box<dyn std::error::Error>> {
//!     if !lease.may_write(SystemTime::now()) {
//!         return Err("503: this Region does not take payments now".into());
//!     }
//!     insert(payment).await
//! }
//! ```

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::contract::{PlanName, Region, Timestamp};
use crate::env::millis;
use crate::error::chain;
use crate::ledger::{WriterGrant, plan_key, read_writer};

pub use crate::ledger::CLOCK_BOUND;
/// The client that reads the ledger, in the version that this crate is built with.
pub use aws_sdk_dynamodb::Client;

/// How often to refresh: often enough that a grant is seen within a sixth of the minute between two renewals.
pub const REFRESH_EVERY: Duration = Duration::from_secs(10);
/// Stands for "never".
const NEVER_MS: i64 = i64::MIN;

/// One Region's view of a plan's writer lease. Cheap to ask, and to be shared between tasks.
#[derive(Debug)]
pub struct WriterLease {
    client: Client,
    table: String,
    plan: PlanName,
    region: Region,
    longest_write: Duration,
    /// Until when a write may have begun by this machine's clock, in milliseconds since the Unix epoch.
    writable_until_ms: AtomicI64,
}

/// Why a refresh brought no grant.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The ledger did not answer.
    #[error(
        "the writer lease cannot be read from table {table}: {problem}. What was read before counts until its own \
         moment; check the client's Region and the role's permission dynamodb:GetItem, and refresh again"
    )]
    Unreadable {
        /// The ledger's table.
        table: String,
        /// What the client says.
        problem: String,
    },
    /// The ledger's item is not as the orchestrator writes it.
    #[error("the writer lease cannot be understood: {problem}. Repair the item, or use this crate's version of it")]
    Malformed {
        /// Which attribute, and what is wrong with it.
        problem: String,
    },
    /// Nobody was ever granted one.
    #[error(
        "plan {plan} has no writer lease in table {table}. Set writer_lease_seconds in the plan and wait a minute, or \
         do not ask; do not write until it is granted"
    )]
    NeverGranted {
        /// The plan.
        plan: String,
        /// The ledger's table.
        table: String,
    },
    /// Another Region's applications write.
    #[error("the writer lease is with {holder}, not with {region}. Do not write here; send clients to {holder}")]
    Elsewhere {
        /// The Region that was granted it last.
        holder: Region,
        /// This one.
        region: Region,
    },
}

impl WriterLease {
    /// The lease of a plan as this Region sees it. It may not write before the first [`WriterLease::refresh`].
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>, plan: PlanName, region: Region) -> Self {
        let writable_until_ms = AtomicI64::new(NEVER_MS);
        Self { client, table: table.into(), plan, region, longest_write: Duration::ZERO, writable_until_ms }
    }

    /// How long one write takes at most, which the application enforces: that much earlier it may no longer begin.
    #[must_use]
    pub fn with_longest_write(mut self, longest: Duration) -> Self {
        self.longest_write = longest;
        self
    }

    /// Whether a write may begin now. Asks nobody: it compares `now` with what was read last.
    #[must_use]
    pub fn may_write(&self, now: SystemTime) -> bool {
        self.writable_until().is_some_and(|until| now < until)
    }

    /// Until when a write may begin, by this machine's clock; none while this Region is not known to hold the lease.
    #[must_use]
    pub fn writable_until(&self) -> Option<SystemTime> {
        let until_ms = self.writable_until_ms.load(Ordering::Acquire);
        Some(SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(until_ms).ok()?))
    }

    /// Reads the lease, strongly consistent: at most one call, and the client's retries of it. Gives the moment until
    /// which a write may begin, which may have passed.
    ///
    /// # Errors
    /// [`LeaseError`]. One that could not read leaves what was read before; one that says who else holds the lease, or
    /// that nobody does, ends it at once.
    pub async fn refresh(&self) -> Result<SystemTime, LeaseError> {
        let grant = match self.read().await {
            Ok(grant) => grant,
            Err(error) => {
                match error {
                    LeaseError::Unreadable { .. } | LeaseError::Malformed { .. } => {}
                    LeaseError::NeverGranted { .. } | LeaseError::Elsewhere { .. } => {
                        self.writable_until_ms.store(NEVER_MS, Ordering::Release);
                    }
                }
                return Err(error);
            }
        };
        let until: Timestamp = grant.writable_until().minus_millis(millis(self.longest_write));
        self.writable_until_ms.store(until.as_millis(), Ordering::Release);
        let since_epoch = Duration::from_millis(u64::try_from(until.as_millis()).unwrap_or_default());
        Ok(SystemTime::UNIX_EPOCH + since_epoch)
    }

    // Not through `Calls`: an application has a tracing of its own.
    async fn read(&self) -> Result<WriterGrant, LeaseError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("operation_id", AttributeValue::S(plan_key(&self.plan)))
            .projection_expression("operation_id, writer_region, writer_until_ms, writer_generation, writer_length_ms")
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| LeaseError::Unreadable { table: self.table.clone(), problem: chain(&error) })?;
        let item = answer.item.unwrap_or_default();
        let grant = read_writer(&item).map_err(|error| LeaseError::Malformed { problem: error.to_string() })?;
        let Some(grant) = grant else {
            return Err(LeaseError::NeverGranted { plan: self.plan.to_string(), table: self.table.clone() });
        };
        if grant.region != self.region {
            return Err(LeaseError::Elsewhere { holder: grant.region, region: self.region.clone() });
        }
        Ok(grant)
    }
}
