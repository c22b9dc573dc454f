//! ARC's routing controls, as one cluster's endpoints serve them, from the API model `route53-recovery-cluster/2019-12-02`.
//!
//! The five endpoints are told apart by the Region that a call is signed for, and share one state: what one took shows at
//! all of them. Rules for a Region take its endpoint away. Safety rules are not known; a rule that answers
//! `ConflictException` stands in for one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use serde_json::{Value, json};

use super::super::fault::Fault;
use super::super::request::Seen;
use super::{Answer, parse, unknown_operation};
use crate::lock::lock;

/// Where a cluster's endpoints stand.
/// Source: <https://docs.aws.amazon.com/general/latest/gr/r53arc.html>
const ENDPOINTS: [&str; 5] = ["ap-northeast-1", "ap-southeast-2", "eu-west-1", "us-east-1", "us-west-2"];

/// A routing control as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoutingControl {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Whether traffic flows to its cell.
    pub on: bool,
}

#[derive(Debug, Default)]
pub(in super::super) struct RoutingCluster {
    /// By ARN.
    controls: Mutex<BTreeMap<String, RoutingControl>>,
}

impl RoutingCluster {
    pub(in super::super) fn controls(&self) -> Vec<RoutingControl> {
        self.lock().values().cloned().collect()
    }

    pub(in super::super) fn put(&self, control: RoutingControl) {
        self.lock().insert(control.arn.clone(), control);
    }

    pub(in super::super) fn answer(&self, seen: &Seen, body: &[u8]) -> Answer {
        if !ENDPOINTS.contains(&seen.region.as_str()) {
            let message = format!("a cluster has no endpoint in {}", seen.region);
            return Err(Fault::error(403, "AccessDeniedException", message));
        }
        let input = parse(body)?;
        match seen.operation.as_str() {
            "GetRoutingControlState" => self.get(&input),
            "UpdateRoutingControlStates" => self.update(&input),
            _other => Err(unknown_operation(seen)),
        }
    }

    fn get(&self, input: &Value) -> Answer {
        let arn = text(input, "RoutingControlArn")?;
        let controls = self.lock();
        let control = controls.get(arn).ok_or_else(|| unknown(arn))?;
        Ok(json!({
            "RoutingControlArn": control.arn,
            "RoutingControlName": control.name,
            "RoutingControlState": if control.on { "On" } else { "Off" },
        }))
    }

    /// All entries or none.
    fn update(&self, input: &Value) -> Answer {
        let entries = input.get("UpdateRoutingControlStateEntries").and_then(Value::as_array);
        let entries = entries.ok_or_else(|| invalid("UpdateRoutingControlStateEntries is required"))?;
        let mut controls = self.lock();
        let mut changed = Vec::new();
        for entry in entries {
            let arn = text(entry, "RoutingControlArn")?;
            let on = match text(entry, "RoutingControlState")? {
                "On" => true,
                "Off" => false,
                other => return Err(invalid(&format!("{other} is not a routing control state"))),
            };
            let control = controls.get(arn).ok_or_else(|| unknown(arn))?;
            changed.push(RoutingControl { on, ..control.clone() });
        }
        controls.extend(changed.into_iter().map(|control| (control.arn.clone(), control)));
        Ok(json!({}))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, RoutingControl>> {
        lock(&self.controls)
    }
}

/// The routing controls that a call is about: the resources of its IAM action.
pub(in super::super) fn resources(body: &[u8]) -> Vec<String> {
    let input: Value = serde_json::from_slice(body).unwrap_or_default();
    let entries = input.get("UpdateRoutingControlStateEntries").and_then(Value::as_array);
    let named = entries.into_iter().flatten().chain([&input]);
    named.filter_map(|entry| entry.get("RoutingControlArn")?.as_str()).map(str::to_owned).collect()
}

fn text<'a>(input: &'a Value, field: &str) -> Result<&'a str, Fault> {
    input.get(field).and_then(Value::as_str).ok_or_else(|| invalid(&format!("{field} is required")))
}

fn unknown(arn: &str) -> Fault {
    Fault::error(404, "ResourceNotFoundException", format!("There is no routing control {arn}"))
}

fn invalid(message: &str) -> Fault {
    Fault::error(400, "ValidationException", message)
}

#[cfg(test)]
mod tests {
    use super::super::super::request::{Caller, Protocol};
    use super::*;

    fn cluster() -> RoutingCluster {
        let cluster = RoutingCluster::default();
        for (name, on) in [("frankfurt", true), ("ireland", false)] {
            cluster.put(RoutingControl { arn: format!("arn:{name}"), name: name.to_owned(), on });
        }
        cluster
    }

    fn ask(cluster: &RoutingCluster, region: &str, operation: &str, input: &Value) -> Answer {
        let seen = Seen {
            caller: Caller::default(),
            region: region.to_owned(),
            service: "route53-recovery-cluster".to_owned(),
            operation: operation.to_owned(),
            protocol: Protocol::Json,
            trace_id: None,
            ledger: None,
            failover_id: None,
        };
        cluster.answer(&seen, input.to_string().as_bytes())
    }

    fn update(states: &[(&str, &str)]) -> Value {
        let entry = |(name, state): &(&str, &str)| json!({ "RoutingControlArn": format!("arn:{name}"), "RoutingControlState": state });
        json!({ "UpdateRoutingControlStateEntries": states.iter().map(entry).collect::<Vec<_>>() })
    }

    fn on(cluster: &RoutingCluster) -> Vec<String> {
        cluster.controls().into_iter().filter(|control| control.on).map(|control| control.name).collect()
    }

    #[test]
    fn what_one_endpoint_took_shows_at_every_other_one() {
        let cluster = cluster();
        let moved = update(&[("ireland", "On"), ("frankfurt", "Off")]);
        assert_eq!(ask(&cluster, "us-west-2", "UpdateRoutingControlStates", &moved), Ok(json!({})));
        for endpoint in ENDPOINTS {
            let input = json!({ "RoutingControlArn": "arn:ireland" });
            let answer = ask(&cluster, endpoint, "GetRoutingControlState", &input).unwrap();
            assert_eq!(
                answer,
                json!({
                    "RoutingControlArn": "arn:ireland", "RoutingControlName": "ireland", "RoutingControlState": "On",
                })
            );
        }
        assert_eq!(on(&cluster), ["ireland"]);
    }

    #[test]
    fn an_update_that_names_an_unknown_control_or_state_changes_nothing() {
        let cluster = cluster();
        for (states, code) in [
            ([("ireland", "On"), ("dublin", "Off")], "ResourceNotFoundException"),
            ([("ireland", "On"), ("frankfurt", "OFF")], "ValidationException"),
        ] {
            let error = ask(&cluster, "eu-west-1", "UpdateRoutingControlStates", &update(&states)).unwrap_err();
            assert_eq!(error.code(Protocol::Json), code);
            assert_eq!(on(&cluster), ["frankfurt"]);
        }
    }

    #[test]
    fn a_region_without_an_endpoint_and_an_operation_it_does_not_have_are_refused() {
        let input = json!({ "RoutingControlArn": "arn:ireland" });
        let elsewhere = ask(&cluster(), "eu-central-1", "GetRoutingControlState", &input).unwrap_err();
        assert_eq!(elsewhere.code(Protocol::Json), "AccessDeniedException");
        let unknown = ask(&cluster(), "eu-west-1", "UpdateRoutingControlState", &input).unwrap_err();
        assert_eq!(unknown.code(Protocol::Json), "UnknownOperationException");
    }

    #[test]
    fn a_calls_resources_are_the_controls_that_it_names() {
        let of = |input: &Value| resources(input.to_string().as_bytes());
        assert_eq!(of(&update(&[("ireland", "On"), ("frankfurt", "Off")])), ["arn:ireland", "arn:frankfurt"]);
        assert_eq!(of(&json!({ "RoutingControlArn": "arn:ireland" })), ["arn:ireland"]);
    }
}
