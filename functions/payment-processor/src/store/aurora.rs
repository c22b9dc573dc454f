//! Payments in Aurora PostgreSQL, by the RDS Data API: inserted unless the id is there, which the primary key decides.
//!
//! Aurora's global database has one writer. A secondary cluster refuses the insert, or has no Data API at all, so nothing
//! is charged there before it is promoted. Replication to it is asynchronous: what was acknowledged in the last moment
//! before the loss of a Region may be unknown to the other one, and would be charged again there.
//! Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.limitations.html>

use aws_sdk_rdsdata::Client;
use aws_sdk_rdsdata::operation::execute_statement::ExecuteStatementOutput;
use aws_sdk_rdsdata::types::{Field, SqlParameter};
use failover::aws_call::{CallError, Meaning, Sent};
use failover::env::{Deadline, Env};
use failover::retry;

use super::{StoreError, read_charge};
use crate::payment::{Charge, STATUS, TransactionId, Verdict, judge};
use crate::settings::Database;

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS payments (\
    transaction_id text PRIMARY KEY, amount text NOT NULL, processed_at timestamptz NOT NULL, region text NOT NULL, \
    status text NOT NULL, request_id text NOT NULL)";
const INSERT: &str = "INSERT INTO payments (transaction_id, amount, processed_at, region, status, request_id) \
    VALUES (:transaction_id, :amount, cast(:time AS timestamptz), :region, :status, :request_id) \
    ON CONFLICT (transaction_id) DO NOTHING";
const SELECT: &str = "SELECT transaction_id, amount, \
    to_char(processed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), region, request_id \
    FROM payments WHERE transaction_id = :transaction_id";
/// The columns of [`SELECT`], as [`read_charge`] names them.
const COLUMNS: [&str; 5] = ["transaction_id", "amount", "time", "region", "request_id"];

/// PostgreSQL's codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
mod sql_state {
    pub(super) const UNDEFINED_TABLE: &str = "42P01";
    pub(super) const READ_ONLY: &str = "25006";
    /// Two sessions made the table at the same time: one of them finds it, or its type, made by the other.
    pub(super) const MADE_MEANWHILE: [&str; 2] = ["42P07", "23505"];
    /// The connection was lost; the server is going down or coming up.
    pub(super) const LOST: [&str; 2] = ["08", "57P"];
    /// The server lacks connections, memory or disk.
    pub(super) const EXHAUSTED: &str = "53";
}

/// The Data API's errors for a cluster that cannot be written by it now, as a secondary one. No statement was run.
/// Source: <https://docs.aws.amazon.com/rdsdataservice/latest/APIReference/API_ExecuteStatement.html>
const NOT_WRITABLE: [&str; 4] = [
    "DatabaseNotFoundException",
    "DatabaseResumingException",
    "HttpEndpointNotEnabledException",
    "InvalidResourceStateException",
];

#[derive(Clone, Debug)]
pub(crate) struct Aurora {
    client: Client,
    env: Env,
    database: Database,
}

impl Aurora {
    pub(super) fn new(client: Client, env: &Env, database: &Database) -> Self {
        Self { client, env: env.clone(), database: database.clone() }
    }

    pub(super) async fn charge(&self, charge: Charge, deadline: Deadline) -> Result<Verdict, StoreError> {
        let inserted = match self.insert(&charge, deadline).await {
            Err(error) if sql_state(&error) == Some(sql_state::UNDEFINED_TABLE) => {
                self.create_table(deadline).await.map_err(store_error)?;
                self.insert(&charge, deadline).await
            }
            other => other,
        };
        if inserted.map_err(store_error)? > 0 {
            return Ok(Verdict::Charged(charge));
        }
        // It may be this invocation's own, by an attempt whose answer was lost; so nothing is said when it cannot be read.
        let found = self.find(&charge.payment.transaction_id, deadline).await;
        let found = found.map_err(|error| StoreError::Unknown(error.to_string()))?;
        let Some(values) = found.records.unwrap_or_default().into_iter().next() else {
            return Err(StoreError::Unavailable("the payment that was there was deleted meanwhile".to_owned()));
        };
        let text = |name: &str| {
            let column = COLUMNS.iter().position(|column| *column == name)?;
            values.get(column)?.as_string_value().ok().cloned()
        };
        Ok(judge(&charge, read_charge(text)?))
    }

    /// How many rows it made: one, or none when the id is there.
    async fn insert(&self, charge: &Charge, deadline: Deadline) -> Result<i64, CallError> {
        let parameters = [
            parameter("transaction_id", charge.payment.transaction_id.as_str()),
            parameter("amount", charge.payment.amount.as_str()),
            parameter("time", &charge.time.to_string()),
            parameter("region", charge.region.as_str()),
            parameter("status", STATUS),
            parameter("request_id", &charge.request_id),
        ];
        let done = self.execute(INSERT, parameters.into(), deadline).await?;
        Ok(done.number_of_records_updated)
    }

    async fn find(&self, id: &TransactionId, deadline: Deadline) -> Result<ExecuteStatementOutput, CallError> {
        self.execute(SELECT, vec![parameter("transaction_id", id.as_str())], deadline).await
    }

    async fn create_table(&self, deadline: Deadline) -> Result<(), CallError> {
        tracing::info!("there is no table of payments yet, making it");
        match self.execute(CREATE_TABLE, Vec::new(), deadline).await {
            Err(error) if sql_state(&error).is_some_and(|state| sql_state::MADE_MEANWHILE.contains(&state)) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Runs a statement that does the same however often it is run.
    async fn execute(
        &self,
        sql: &str,
        parameters: Vec<SqlParameter>,
        deadline: Deadline,
    ) -> Result<ExecuteStatementOutput, CallError> {
        let request = self
            .client
            .execute_statement()
            .resource_arn(&self.database.cluster_arn)
            .secret_arn(&self.database.secret_arn)
            .database(&self.database.name)
            .sql(sql)
            .set_parameters(Some(parameters));
        let attempt = || {
            let sent = Box::pin(request.clone().send());
            async { sent.await.map_err(|error| classify(CallError::from_sdk("rds-data", "ExecuteStatement", &error))) }
        };
        retry::change_under_condition(&self.env, deadline, attempt).await
    }
}

fn parameter(name: &str, value: &str) -> SqlParameter {
    SqlParameter::builder().name(name).value(Field::StringValue(value.to_owned())).build()
}

/// PostgreSQL's code in the Data API's message, as in `ERROR: relation "payments" does not exist; SQLState: 42P01`.
fn sql_state(error: &CallError) -> Option<&str> {
    let (_, after) = error.message.rsplit_once("SQLState: ")?;
    after.get(..5)
}

/// What the Data API answers with status 400 although the statement may have been run, or still runs.
fn classify(error: CallError) -> CallError {
    let lost = sql_state(&error).is_some_and(|state| sql_state::LOST.iter().any(|class| state.starts_with(class)));
    if lost || error.code == "StatementTimeoutException" {
        CallError { meaning: Meaning::Unavailable, sent: Sent::PossiblyApplied, ..error }
    } else {
        error
    }
}

fn store_error(error: CallError) -> StoreError {
    let state = sql_state(&error).unwrap_or_default();
    let refused = NOT_WRITABLE.contains(&error.code.as_str())
        || state == sql_state::READ_ONLY
        || state.starts_with(sql_state::EXHAUSTED);
    if refused && error.sent != Sent::PossiblyApplied {
        StoreError::Unavailable(error.to_string())
    } else {
        error.into()
    }
}
