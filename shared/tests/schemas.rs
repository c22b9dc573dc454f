//! The published JSON Schemas are those of the types. `UPDATE_SCHEMAS=1 cargo test -p failover --test schemas` writes them.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::fs;
use std::path::PathBuf;

use failover::contract::{
    AcknowledgeRequest, ConcludeRequest, ConcludeResponse, DecideRequest, DecideResponse, ExecutionInput,
    KillSwitchRequest, OperatorResponse, PromoteRequest, ScaleRequest, ShiftRequest, StepResponse, TriggerResponse,
};
use failover::recovery_plan::RecoveryPlan;
use failover::region_switch::RegionSwitch;
use schemars::{JsonSchema, schema_for};

fn check<T: JsonSchema>(name: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas").join(format!("{name}.schema.json"));
    let generated = serde_json::to_string_pretty(&schema_for!(T)).expect("a schema is JSON") + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &generated).expect("the schema can be written");
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == generated,
        "{} is not the schema of the type; write it anew with UPDATE_SCHEMAS=1",
        path.display()
    );
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    check::<RecoveryPlan>("recovery-plan");
    check::<ExecutionInput>("execution-input");
    check::<RegionSwitch>("region-switch-request");
    check::<PromoteRequest>("promote-aurora-request");
    check::<ScaleRequest>("scale-ecs-request");
    check::<ShiftRequest>("shift-dns-request");
    check::<StepResponse>("step-response");
    check::<DecideRequest>("decide-request");
    check::<DecideResponse>("decide-response");
    check::<ConcludeRequest>("conclude-request");
    check::<ConcludeResponse>("conclude-response");
    check::<TriggerResponse>("trigger-response");
    check::<AcknowledgeRequest>("acknowledge-request");
    check::<KillSwitchRequest>("kill-switch-request");
    check::<OperatorResponse>("operator-response");
}
