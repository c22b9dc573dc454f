//! The application of the workload trading. Users bring their own, in a container; the drill plays it: it keeps orders in
//! the Region's database by the Data API, each `transaction_id` once, as a payment function does.

use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::Reference;
use crate::aws::{Aws, AwsError};
use crate::moment::Moment;

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS payments (transaction_id text PRIMARY KEY, \
    amount text NOT NULL, processed_at text NOT NULL, region text NOT NULL)";
const INSERT: &str = "INSERT INTO payments (transaction_id, amount, processed_at, region) \
    VALUES (:transaction_id, :amount, :time, :region) ON CONFLICT (transaction_id) DO NOTHING";
const SELECT: &str = "SELECT amount, processed_at, region FROM payments WHERE transaction_id = :transaction_id";

/// The application in one Region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    region: String,
    cluster_arn: String,
    secret_arn: String,
}

impl Application {
    pub(super) fn new(region: &str, cluster_arn: &str, secret_arn: &str) -> Self {
        Self { region: region.to_owned(), cluster_arn: cluster_arn.to_owned(), secret_arn: secret_arn.to_owned() }
    }

    /// Answers a request.
    pub(super) async fn answer(&self, aws: &Aws, method: &Method, path: &str, body: &[u8]) -> Response<Full<Bytes>> {
        match (method, path) {
            (&Method::GET, "/health") => answer(StatusCode::OK, &json!({ "status": "ok", "region": self.region })),
            (&Method::POST, "/payment") => match self.pay(aws, body).await {
                Ok(charge) => answer(StatusCode::OK, &charge),
                Err((status, problem)) => answer(status, &json!({ "error": problem })),
            },
            _other => answer(StatusCode::NOT_FOUND, &json!({ "error": "there is nothing here" })),
        }
    }

    async fn pay(&self, aws: &Aws, body: &[u8]) -> Result<Value, (StatusCode, String)> {
        let payment: Value =
            serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
        let field = |name: &str| {
            payment[name].as_str().map(str::to_owned).ok_or((StatusCode::BAD_REQUEST, format!("{name}: is missing")))
        };
        let (id, amount) = (field("transaction_id")?, field("amount")?);
        self.charge(aws, &id, &amount).await.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
    }

    async fn charge(&self, aws: &Aws, id: &str, amount: &str) -> Result<Value, AwsError> {
        let time = Moment::now().as_millis().to_string();
        let values = [("transaction_id", id), ("amount", amount), ("time", time.as_str()), ("region", &self.region)];
        let inserted = match self.execute(aws, INSERT, &values).await {
            Err(error) if error.message.contains("SQLState: 42P01") => {
                self.execute(aws, CREATE_TABLE, &[]).await?;
                self.execute(aws, INSERT, &values).await?
            }
            other => other?,
        };
        let found = self.execute(aws, SELECT, &values[..1]).await?;
        let column = |number: usize| found["records"][0][number]["stringValue"].clone();
        Ok(json!({
            "transaction_id": id,
            "amount": column(0),
            "time": column(1),
            "region": column(2),
            "status": "processed",
            "repeated": inserted["numberOfRecordsUpdated"] == 0,
        }))
    }

    async fn execute(&self, aws: &Aws, sql: &str, values: &[(&str, &str)]) -> Result<Value, AwsError> {
        execute(aws, &self.region, (&self.cluster_arn, &self.secret_arn, Reference::Trading.database()), sql, values)
            .await
    }
}

/// Runs a statement by the Data API. The database is a cluster, a secret and a name.
pub(super) async fn execute(
    aws: &Aws,
    region: &str,
    (cluster_arn, secret_arn, database): (&str, &str, &str),
    sql: &str,
    values: &[(&str, &str)],
) -> Result<Value, AwsError> {
    let parameters: Vec<Value> =
        values.iter().map(|(name, value)| json!({ "name": name, "value": { "stringValue": value } })).collect();
    let input = json!({
        "resourceArn": cluster_arn, "secretArn": secret_arn, "database": database,
        "sql": sql, "parameters": parameters,
    });
    let answer =
        aws.rest("rds-data", region, "POST", "/Execute", "application/json", input.to_string().as_bytes()).await?;
    serde_json::from_str(&answer).map_err(|error| AwsError {
        operation: "rds-data:ExecuteStatement".to_owned(),
        status: 200,
        code: "NotJson".to_owned(),
        message: error.to_string(),
    })
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
}
