//! Global Accelerator's endpoint groups and their dials, from the API model `globalaccelerator/2018-08-08`.
//!
//! Its control plane is in us-west-2; calls that are signed for another Region are refused. After a change the
//! accelerator is IN_PROGRESS for one look, then DEPLOYED.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use serde_json::{Value, json};

use super::super::fault::Fault;
use super::super::request::Seen;
use super::{Answer, parse, unknown_operation};
use crate::lock::lock;

/// Where the control plane stands.
/// Source: <https://docs.aws.amazon.com/global-accelerator/latest/api/Welcome.html>
const CONTROL_PLANE: &str = "us-west-2";

/// An endpoint group as it stands now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndpointGroup {
    /// Its ARN, which begins with the accelerator's.
    pub arn: String,
    /// The Region it stands in.
    pub region: String,
    /// Its traffic dial, in percent.
    pub dial: f64,
}

#[derive(Debug, Default)]
pub(in super::super) struct Accelerators {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By ARN.
    groups: BTreeMap<String, EndpointGroup>,
    /// The accelerators that were changed since somebody looked at them.
    changed: BTreeSet<String>,
}

impl Accelerators {
    pub(in super::super) fn groups(&self) -> Vec<EndpointGroup> {
        self.lock().groups.values().cloned().collect()
    }

    pub(in super::super) fn put(&self, group: EndpointGroup) {
        self.lock().groups.insert(group.arn.clone(), group);
    }

    pub(in super::super) fn answer(&self, seen: &Seen, body: &[u8]) -> Answer {
        if seen.region != CONTROL_PLANE {
            let message = format!("the control plane is in {CONTROL_PLANE}, not in {}", seen.region);
            return Err(Fault::error(403, "AccessDeniedException", message));
        }
        let input = parse(body)?;
        match seen.operation.as_str() {
            "DescribeEndpointGroup" => self.describe_group(&input),
            "UpdateEndpointGroup" => self.update_group(&input),
            "DescribeAccelerator" => self.describe_accelerator(&input),
            _other => Err(unknown_operation(seen)),
        }
    }

    fn describe_group(&self, input: &Value) -> Answer {
        let arn = text(input, "EndpointGroupArn")?;
        self.lock().groups.get(arn).map(described).ok_or_else(|| unknown_group(arn))
    }

    /// The dial is all that can be changed here.
    fn update_group(&self, input: &Value) -> Answer {
        let arn = text(input, "EndpointGroupArn")?;
        let fields = input.as_object().into_iter().flat_map(|fields| fields.keys());
        if let Some(other) = fields.into_iter().find(|field| !CHANGEABLE.contains(&field.as_str())) {
            return Err(invalid(&format!("the gateway's model cannot change {other}")));
        }
        let mut state = self.lock();
        let group = state.groups.get_mut(arn).ok_or_else(|| unknown_group(arn))?;
        if let Some(dial) = input.get("TrafficDialPercentage") {
            let dial = dial.as_f64().filter(|dial| (0.0..=100.0).contains(dial));
            group.dial = dial.ok_or_else(|| invalid("TrafficDialPercentage has to be 0 to 100"))?;
        }
        let answer = described(group);
        let accelerator = accelerator_of(arn).to_owned();
        state.changed.insert(accelerator);
        Ok(answer)
    }

    fn describe_accelerator(&self, input: &Value) -> Answer {
        let arn = text(input, "AcceleratorArn")?;
        let mut state = self.lock();
        if !state.groups.keys().any(|group| accelerator_of(group) == arn) {
            let message = format!("There is no accelerator {arn}");
            return Err(Fault::error(400, "AcceleratorNotFoundException", message));
        }
        let status = if state.changed.remove(arn) { "IN_PROGRESS" } else { "DEPLOYED" };
        Ok(json!({ "Accelerator": { "AcceleratorArn": arn, "Enabled": true, "Status": status } }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// What an update may name.
const CHANGEABLE: [&str; 2] = ["EndpointGroupArn", "TrafficDialPercentage"];

/// The endpoint group or accelerator that a call is about: the resource of its IAM action.
pub(in super::super) fn resources(body: &[u8]) -> Vec<String> {
    let input: Value = serde_json::from_slice(body).unwrap_or_default();
    let named = ["EndpointGroupArn", "AcceleratorArn"].into_iter().filter_map(|field| input.get(field)?.as_str());
    named.map(str::to_owned).collect()
}

fn described(group: &EndpointGroup) -> Value {
    json!({ "EndpointGroup": {
        "EndpointGroupArn": group.arn,
        "EndpointGroupRegion": group.region,
        "TrafficDialPercentage": group.dial,
    } })
}

fn accelerator_of(group: &str) -> &str {
    group.split("/listener/").next().unwrap_or(group)
}

fn text<'a>(input: &'a Value, field: &str) -> Result<&'a str, Fault> {
    input.get(field).and_then(Value::as_str).ok_or_else(|| invalid(&format!("{field} is required")))
}

fn unknown_group(arn: &str) -> Fault {
    Fault::error(400, "EndpointGroupNotFoundException", format!("There is no endpoint group {arn}"))
}

fn invalid(message: &str) -> Fault {
    Fault::error(400, "InvalidArgumentException", message)
}

#[cfg(test)]
mod tests {
    use super::super::super::request::{Caller, Protocol};
    use super::*;

    const GROUP: &str = "arn:a1/listener/l1/endpoint-group/ireland";

    fn accelerators() -> Accelerators {
        let accelerators = Accelerators::default();
        accelerators.put(EndpointGroup { arn: GROUP.to_owned(), region: "eu-west-1".to_owned(), dial: 0.0 });
        accelerators
    }

    fn ask(accelerators: &Accelerators, region: &str, operation: &str, input: &Value) -> Answer {
        let seen = Seen {
            caller: Caller::default(),
            region: region.to_owned(),
            service: "globalaccelerator".to_owned(),
            operation: operation.to_owned(),
            protocol: Protocol::Json,
            trace_id: None,
            ledger: None,
            failover_id: None,
        };
        accelerators.answer(&seen, input.to_string().as_bytes())
    }

    fn refusal(accelerators: &Accelerators, region: &str, operation: &str, input: &Value) -> String {
        ask(accelerators, region, operation, input).unwrap_err().code(Protocol::Json).to_owned()
    }

    #[test]
    fn a_dial_that_was_turned_shows_at_once_and_is_deployed_after_a_look() {
        let accelerators = accelerators();
        let turned = json!({ "EndpointGroupArn": GROUP, "TrafficDialPercentage": 100.0 });
        ask(&accelerators, CONTROL_PLANE, "UpdateEndpointGroup", &turned).unwrap();
        let group = json!({ "EndpointGroupArn": GROUP });
        let seen = ask(&accelerators, CONTROL_PLANE, "DescribeEndpointGroup", &group).unwrap();
        assert_eq!(seen["EndpointGroup"]["TrafficDialPercentage"], 100.0);
        let status = || {
            let accelerator = json!({ "AcceleratorArn": "arn:a1" });
            let answer = ask(&accelerators, CONTROL_PLANE, "DescribeAccelerator", &accelerator).unwrap();
            answer["Accelerator"]["Status"].clone()
        };
        assert_eq!([status(), status()], ["IN_PROGRESS", "DEPLOYED"]);
    }

    #[test]
    fn what_is_not_there_or_not_a_dial_is_refused_and_changes_nothing() {
        let accelerators = accelerators();
        let update = |fields: Value| {
            let mut input = json!({ "EndpointGroupArn": GROUP });
            input.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            refusal(&accelerators, CONTROL_PLANE, "UpdateEndpointGroup", &input)
        };
        assert_eq!(update(json!({ "TrafficDialPercentage": 101 })), "InvalidArgumentException");
        assert_eq!(update(json!({ "EndpointConfigurations": [] })), "InvalidArgumentException");
        assert_eq!(update(json!({ "EndpointGroupArn": "arn:b" })), "EndpointGroupNotFoundException");
        let elsewhere = json!({ "AcceleratorArn": "arn:b" });
        let missing = refusal(&accelerators, CONTROL_PLANE, "DescribeAccelerator", &elsewhere);
        assert_eq!(missing, "AcceleratorNotFoundException");
        assert!(accelerators.groups()[0].dial.abs() < f64::EPSILON);
    }

    #[test]
    fn only_the_control_planes_region_answers() {
        let group = json!({ "EndpointGroupArn": GROUP });
        assert_eq!(refusal(&accelerators(), "eu-west-1", "DescribeEndpointGroup", &group), "AccessDeniedException");
        assert_eq!(refusal(&accelerators(), CONTROL_PLANE, "DeleteEndpointGroup", &group), "UnknownOperationException");
    }

    #[test]
    fn a_calls_resource_is_the_group_or_accelerator_that_it_names() {
        let of = |input: &Value| resources(input.to_string().as_bytes());
        assert_eq!(of(&json!({ "EndpointGroupArn": GROUP, "TrafficDialPercentage": 1 })), [GROUP]);
        assert_eq!(of(&json!({ "AcceleratorArn": "arn:a1" })), ["arn:a1"]);
    }
}
