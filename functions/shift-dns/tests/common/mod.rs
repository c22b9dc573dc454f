//! What the tests of all ways have in common: one invocation, and asking again as the state machine does.

#![allow(
    clippy::expect_used,
    dead_code,
    reason = "a test's helper fails by panicking; not every test uses all of them"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use failover::contract::{Finding, Severity, StepResponse, StepStatus};
use failover::error::{Error, ErrorCode};
use failover::testing::{FakeAws, Request, deadline};
use serde_json::{Value, json};
use shift_dns::ShiftDns;

/// One invocation, in a sandbox of its own.
pub(crate) async fn invoke(aws: &FakeAws, request: Value) -> Result<StepResponse, Error> {
    let tools = aws.toolbox();
    let deadline = deadline(&tools.env, &tools.config);
    let step = ShiftDns::new(tools, &no_variables()).expect("complete");
    shift_dns::handle(Arc::new(step), request, deadline).await
}

/// An environment without `REGION_SWITCH_REQUEST`.
pub(crate) fn no_variables() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::new()
}

/// Asks as the state machine does, until there is an outcome.
pub(crate) async fn until_settled(aws: &FakeAws, request: Value) -> Result<StepResponse, Error> {
    for _ in 0..20 {
        let pause = match invoke(aws, request.clone()).await {
            Ok(response) if response.status == StepStatus::InProgress => response.ask_again_after_seconds.into(),
            Err(error) if error.code() == ErrorCode::Transient => 1,
            settled => return settled,
        };
        aws.toolbox().env.sleep(Duration::from_secs(pause)).await;
    }
    panic!("no outcome after 20 invocations")
}

/// A preflight: its findings, by check.
pub(crate) async fn preflight(aws: &FakeAws, mut request: Value) -> Vec<Finding> {
    request["run"]["preflight"] = json!(true);
    let response = invoke(aws, request).await.expect("findings");
    assert_eq!(response.status, StepStatus::Checked);
    response.findings
}

/// How bad each finding is, in order.
pub(crate) fn severities(findings: &[Finding]) -> Vec<(&str, Severity)> {
    findings.iter().map(|finding| (finding.check.as_str(), finding.severity)).collect()
}

/// The operations, in order.
pub(crate) fn names(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| request.operation.as_str()).collect()
}
