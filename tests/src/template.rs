//! The template and the definition as data, for the contract tests.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::project_root;

/// The functions' resources in the template, by the functions' names.
pub const FUNCTION_RESOURCES: [(&str, &str); 4] = [
    ("promote-aurora", "PromoteAurora"),
    ("scale-ecs", "ScaleEcs"),
    ("shift-dns", "ShiftDns"),
    ("health-probe", "HealthProbe"),
];

/// The file of the orchestrator's template.
#[must_use]
pub fn template_file() -> PathBuf {
    project_root().join("infra/orchestrator.yaml")
}

/// The orchestrator's template.
///
/// # Errors
/// What is wrong with the file.
pub fn template() -> Result<Value, String> {
    workloads::template(&template_file())
}

/// The state machine's definition.
///
/// # Errors
/// What is wrong with the file.
pub fn definition() -> Result<Value, String> {
    let path = project_root().join("infra/failover.asl.json");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Every state of the definition by its name, also within branches and maps.
#[must_use]
pub fn all_states(machine: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, state) in machine["States"].as_object().into_iter().flatten() {
        found.push((name.clone(), state.clone()));
        let inner = state["Branches"].as_array().into_iter().flatten().chain([&state["ItemProcessor"]]);
        found.extend(inner.flat_map(all_states));
    }
    found
}

/// The actions that a role's policies allow.
#[must_use]
pub fn allowed_actions(template: &Value, role: &str) -> BTreeSet<String> {
    statements(template, role).iter().flat_map(|statement| strings(&statement["Action"])).collect()
}

/// The statements of a role's policies, policies and statements that a condition adds included.
#[must_use]
pub fn statements(template: &Value, role: &str) -> Vec<Value> {
    let policies = template["Resources"][role]["Properties"]["Policies"].as_array().cloned().unwrap_or_default();
    let when_it_holds = |value: Value| value.pointer("/Fn::If/1").cloned().unwrap_or(value);
    policies
        .into_iter()
        .map(when_it_holds)
        .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().cloned().unwrap_or_default())
        .map(when_it_holds)
        .collect()
}

/// One string, or a list of them.
#[must_use]
pub fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}
