//! The functions as they are deployed, in an AWS in which little works: what they are asked is the test, not what they
//! are answered.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use failover::config::Config;
use failover::contract::{ProbeResponse, StepResponse};
use failover::error::{Error, ErrorCode};
use failover::region_switch::VARIABLE;
use failover::testing::{self, FakeAws, Reply, Request};
use health_probe::{HealthProbe, Settings};
use promote_aurora::PromoteAurora;
use scale_ecs::ScaleEcs;
use serde_json::{Value, json};
use shift_dns::ShiftDns;
use tokio::time::Instant;

/// What must never be shown to anybody.
pub(super) const SECRET_ACCESS_KEY: &str = "secret-access-key-of-the-function";
/// The plan that the functions work for.
pub(super) const PLAN: &str = "trading";
/// How long an invocation may take, by its own clock: the step budget, and what a call in flight at its end takes. The
/// template gives the functions five times that.
const LONGEST_INVOCATION: Duration = Duration::from_secs(60);
/// The longest key of an item.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const LONGEST_KEY_BYTES: usize = 2048;
/// What each step function is told to do for Region switch.
const REGION_SWITCH: &str = r#"{
    "aurora": {
        "global_cluster_id": "trading-global", "unplanned_mode": "failover", "clusters": {
            "eu-central-1": "arn:aws:rds:eu-central-1:123456789012:cluster:trading-primary",
            "eu-west-1": "arn:aws:rds:eu-west-1:123456789012:cluster:trading-dr"
        }
    },
    "ecs": {
        "clusters": { "eu-central-1": "trading-frankfurt", "eu-west-1": "trading-ireland" }, "services": "all",
        "capacity": { "percent_of_source": { "percent": 100, "desired_if_unknown": 2 } }
    },
    "traffic": { "standby_object": {
        "region": "eu-west-1", "bucket": "failover-switch", "key": "standby", "notice_seconds": 30
    } }
}"#;

/// The step functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    PromoteAurora,
    ScaleEcs,
    ShiftDns,
}

impl Function {
    pub(super) const ALL: [Self; 3] = [Self::PromoteAurora, Self::ScaleEcs, Self::ShiftDns];
}

/// Runs on a clock of its own that passes in no time.
pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime needs nothing").block_on(async {
        let began = Instant::now();
        let outcome = work.await;
        let took = began.elapsed();
        assert!(took <= LONGEST_INVOCATION, "it took {took:?} by its own clock");
        outcome
    })
}

/// An AWS that denies everything but the ledger, an execution's start and a message to people.
pub(super) fn aws() -> FakeAws {
    let aws = FakeAws::new();
    aws.otherwise(denied());
    aws.on("dynamodb", "DescribeTable", [denied()]);
    aws.on("states", "StartExecution", [Reply::json(json!({ "executionArn": "arn", "startDate": 1 }))]);
    let published = "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>";
    aws.on("sns", "Publish", [Reply::xml(published)]);
    aws
}

fn denied() -> Reply {
    Reply::Error(403, "AccessDeniedException".to_owned(), "not here".to_owned())
}

fn config() -> Config {
    let mut config = testing::config();
    SECRET_ACCESS_KEY.clone_into(&mut config.access.credentials.secret_access_key);
    config
}

/// One invocation of a step function.
pub(super) async fn step(aws: &FakeAws, function: Function, request: Value) -> Result<StepResponse, Error> {
    let tools = aws.toolbox_with(config());
    let deadline = testing::deadline(&tools.env, &tools.config);
    let variables = BTreeMap::from([
        ("GLOBAL_CLUSTER_ID", "trading-global"),
        ("DR_CLUSTER_ID", "trading-dr"),
        (VARIABLE, REGION_SWITCH),
    ]);
    match function {
        Function::PromoteAurora => {
            let function = PromoteAurora::new(tools, &variables).expect("configured");
            promote_aurora::handle(Arc::new(function), request, deadline).await
        }
        Function::ScaleEcs => {
            let function = ScaleEcs::new(tools, &variables).expect("configured");
            scale_ecs::handle(Arc::new(function), request, deadline).await
        }
        Function::ShiftDns => {
            let function = ShiftDns::new(tools, &variables).expect("configured");
            shift_dns::handle(Arc::new(function), request, deadline).await
        }
    }
}

/// One invocation of `health-probe`.
pub(super) async fn probe(aws: &FakeAws, event: Value) -> Result<ProbeResponse, Error> {
    let tools = aws.toolbox_with(config());
    let deadline = testing::deadline(&tools.env, &tools.config);
    let alarm = |name: &str| format!("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:failover-dev-trading-{name}");
    let alarms = [alarm("endpoint"), alarm("replication-lag"), alarm("region-impaired")].join(",");
    let variables = BTreeMap::from([
        ("STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:123456789012:stateMachine:failover-dev-trading"),
        ("TRIGGER_ALARM_ARNS", alarms.as_str()),
        ("NOTIFICATION_TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:failover-dev"),
        (
            "WATCHED_ENDPOINTS",
            "eu-central-1=https://app.eu-central-1.example.com/health,eu-west-1=https://app.eu-west-1.example.com/health",
        ),
        ("WATCHED_CLUSTERS", "eu-central-1=trading-primary,eu-west-1=trading-dr"),
        ("WRITER_LEASE_SECONDS", "150"),
        ("FUNCTION_ROLES", "health-probe=arn:aws:iam::123456789012:role/health-probe"),
    ]);
    let settings = Settings::read(&variables, &tools.config).expect("configured");
    health_probe::handle(&HealthProbe { tools, settings }, event, deadline).await
}

/// That input which was refused as such has led to no request at all.
pub(super) fn check_refused_before_anything<T>(aws: &FakeAws, outcome: &Result<T, Error>) {
    if let Err(error) = outcome {
        super::check_error(error);
        if error.code() == ErrorCode::InvalidRequest {
            let asked: Vec<String> = aws.all_requests().iter().map(Request::name).collect();
            assert!(asked.is_empty(), "{error}, but before that it asked {asked:?}");
        }
    }
}

/// The keys of the ledger's items that were written, which have to be such as the table takes.
pub(super) fn written_keys(aws: &FakeAws) -> Vec<String> {
    let writes = aws.requests_to("dynamodb", "UpdateItem");
    let keys =
        writes.iter().map(|request| request.body["Key"]["operation_id"]["S"].as_str().expect("a key").to_owned());
    let keys: Vec<String> = keys.collect();
    for key in &keys {
        assert!((1..=LONGEST_KEY_BYTES).contains(&key.len()), "a key of {} bytes: {key:.200}", key.len());
    }
    keys
}
