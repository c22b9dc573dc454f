//! The simulated AWS: the state of each service the orchestrator asks, and how it answers. No time of its own and no
//! network: a request is answered for the moment it arrives, and whatever takes time has its end written into the state.

pub mod accelerator;
pub mod aurora;
pub mod cloudwatch;
pub mod dynamodb;
pub mod ecs;
pub mod endpoint;
pub mod iam;
#[cfg(test)]
mod lab;
pub mod parameters;
pub mod route53;
pub mod routing_control;
pub mod s3;
pub mod sns;
pub mod states;
#[cfg(test)]
mod steps;

use std::collections::BTreeSet;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use failover::contract::Timestamp;
use failover::testing::wire::{self, Request};
use serde_json::Value;

use crate::chance::Chance;

/// The account of everything.
pub const ACCOUNT: &str = "123456789012";

/// How a service answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Success, with a body: an object in the protocol of JSON services (CBOR for CloudWatch, where an object with the
    /// single key `$seconds` is a timestamp), a string of XML in that of the others.
    Body(Value),
    /// Success, with headers and no body.
    Headers(Vec<(String, String)>),
    /// Success, with nothing to say: status 204.
    NoContent,
    /// An error of the service's: nothing was changed.
    Error {
        /// The HTTP status.
        status: u16,
        /// The service's code.
        code: String,
        /// Its message.
        message: String,
    },
    /// An error with a body of its own.
    ErrorBody {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Value,
    },
}

impl Answer {
    /// A JSON answer.
    #[must_use]
    pub const fn json(body: Value) -> Self {
        Self::Body(body)
    }

    /// An XML answer.
    #[must_use]
    pub fn xml(body: impl Into<String>) -> Self {
        Self::Body(Value::String(body.into()))
    }

    /// A client error, status 400.
    #[must_use]
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self::Error { status: 400, code: code.to_owned(), message: message.into() }
    }

    /// Whether the service did what was asked.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Body(_) | Self::Headers(_) | Self::NoContent)
    }

    /// As it goes over the network, in the protocol of the service that was asked.
    #[must_use]
    pub fn response(&self, request: &Request) -> HttpResponse {
        match self {
            Self::Body(body) => wire::answer(request, 200, body),
            Self::Headers(headers) => wire::headers(200, headers),
            Self::NoContent => wire::headers(204, &[]),
            Self::Error { status, code, message } => {
                wire::answer(request, *status, &wire::error_body(request, code, message))
            }
            Self::ErrorBody { status, body } => wire::answer(request, *status, body),
        }
    }
}

/// All services of the account, in all Regions.
#[derive(Debug)]
pub struct Aws {
    /// Aurora Global Databases.
    pub aurora: aurora::Aurora,
    /// ECS services with their scalable targets.
    pub ecs: ecs::Ecs,
    /// Hosted zones and health checks.
    pub route53: route53::Route53,
    /// The standby object's bucket.
    pub s3: s3::S3,
    /// ARC routing controls.
    pub routing_control: routing_control::RoutingControl,
    /// Traffic dials.
    pub accelerator: accelerator::Accelerator,
    /// The ledger's table.
    pub dynamodb: dynamodb::DynamoDb,
    /// Topics.
    pub sns: sns::Sns,
    /// Executions of the state machine.
    pub states: states::States,
    /// Alarms; metrics are read off the other services.
    pub cloudwatch: cloudwatch::CloudWatch,
    /// Regions that are gone: nothing in them answers, works or replicates.
    pub lost: BTreeSet<String>,
    /// Regions that work, and that nothing gets into or out of. Only the ledger's replicas and whoever calls are kept apart
    /// by it: Aurora goes on replicating.
    pub cut_off: BTreeSet<String>,
    /// Whether the endpoint in the home Region fails although the Region works.
    pub endpoint_down: bool,
    /// For whatever AWS leaves to chance: how long things take.
    pub chance: Chance,
}

impl Aws {
    /// The workload of [`crate::workload`] as it serves from its home Region. How long things will take follows from the
    /// seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "aws");
        Self {
            aurora: aurora::Aurora::new(&mut chance),
            ecs: ecs::Ecs::new(&mut chance),
            route53: route53::Route53::new(&mut chance),
            dynamodb: dynamodb::DynamoDb::new(seed),
            sns: sns::Sns::default(),
            states: states::States::default(),
            cloudwatch: cloudwatch::CloudWatch::new(&mut chance),
            s3: s3::S3::default(),
            routing_control: routing_control::RoutingControl::new(&mut chance),
            accelerator: accelerator::Accelerator::new(&mut chance),
            lost: BTreeSet::new(),
            cut_off: BTreeSet::new(),
            endpoint_down: false,
            chance,
        }
    }

    /// Lets time pass: what is due by `now` has happened.
    pub fn advance(&mut self, now: Timestamp) {
        aurora::advance(self, now);
        ecs::advance(self, now);
        s3::advance(self, now);
        route53::advance(self, now);
        cloudwatch::advance(self, now);
        dynamodb::advance(self, now);
    }

    /// Answers a request that arrives at `now`.
    ///
    /// # Panics
    /// On a request to a service that is not simulated.
    pub fn answer(&mut self, request: &Request, now: Timestamp) -> Answer {
        self.advance(now);
        match request.service.as_str() {
            "rds" => aurora::answer(self, request, now),
            "ecs" | "application-autoscaling" | "servicequotas" => ecs::answer(self, request, now),
            "route53" => route53::answer(self, request, now),
            "route53-recovery-cluster" => routing_control::answer(self, request, now),
            "s3" => s3::answer(self, request, now),
            "globalaccelerator" => accelerator::answer(self, request, now),
            "dynamodb" => dynamodb::answer(self, request, now),
            "sns" => sns::answer(self, request, now),
            "states" => states::answer(self, request, now),
            "cloudwatch" => cloudwatch::answer(self, request, now),
            "iam" => iam::answer(request),
            "http" => endpoint::answer(self, request, now),
            other => panic!("{other} is not simulated: {}", request.name()),
        }
    }
}
