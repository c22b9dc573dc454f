//! What the function is told by its environment.

use failover::config::{Variables, checked, required};
use failover::contract::Region;
use failover::error::Error;

/// What the function is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `AWS_REGION`, set by Lambda.
    pub region: Region,
    /// `REGION_ROLE`: what the Region is to the workload when all is well.
    pub role: String,
    /// `STORE` and what belongs to it.
    pub store: Store,
    /// `METRIC_NAMESPACE`: where business metrics go; without it there are none.
    pub metric_namespace: Option<String>,
}

/// Where payments are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// `dynamodb`.
    DynamoDb {
        /// `TRANSACTIONS_TABLE`.
        table: String,
    },
    /// `aurora`.
    Aurora(Database),
}

/// A database, as the RDS Data API knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// `DATABASE_CLUSTER_ARN`.
    pub cluster_arn: String,
    /// `DATABASE_SECRET_ARN`.
    pub secret_arn: String,
    /// `DATABASE_NAME`.
    pub name: String,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(variables: &impl Variables) -> Result<Self, Error> {
        let store = match checked(variables, "STORE", kind)? {
            Kind::DynamoDb => Store::DynamoDb { table: required(variables, "TRANSACTIONS_TABLE")? },
            Kind::Aurora => Store::Aurora(Database {
                cluster_arn: required(variables, "DATABASE_CLUSTER_ARN")?,
                secret_arn: required(variables, "DATABASE_SECRET_ARN")?,
                name: required(variables, "DATABASE_NAME")?,
            }),
        };
        Ok(Self {
            region: checked(variables, "AWS_REGION", Region::parse)?,
            role: checked(variables, "REGION_ROLE", role)?,
            store,
            metric_namespace: variables.get("METRIC_NAMESPACE").filter(|namespace| !namespace.is_empty()),
        })
    }
}

enum Kind {
    DynamoDb,
    Aurora,
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "dynamodb" => Ok(Kind::DynamoDb),
        "aurora" => Ok(Kind::Aurora),
        _ => Err(format!("expected \"dynamodb\" or \"aurora\", found {text:?}")),
    }
}

fn role(text: &str) -> Result<String, String> {
    match text {
        "primary" | "standby" => Ok(text.to_owned()),
        _ => Err(format!("expected \"primary\" or \"standby\", found {text:?}")),
    }
}
