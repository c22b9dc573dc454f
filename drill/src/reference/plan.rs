//! A workload's recovery plan and the orchestrator's parameters, as `infra/plans` has them, for the drill: with what the
//! stacks in the local AWS are called and where their endpoints are, and with the windows of a drill.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::world::DECISION_WINDOW_SECONDS;

/// How long the drill's call of AWS by a function may take, in seconds.
const CALL_TIMEOUT_SECONDS: &str = "2";

/// What is different in every deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Particulars {
    /// Each Region's health endpoint, the home Region first.
    pub(super) endpoints: Vec<(String, String)>,
    /// Each Region's endpoint group, by ARN; none when there is no accelerator.
    pub(super) endpoint_groups: Vec<(String, String)>,
    /// The hosted zone, when the parameters name one.
    pub(super) hosted_zone_id: String,
}

/// The parameters of the orchestrator's stack, from the file's text.
///
/// # Errors
/// [`Error::Unexpected`] when the file is not what `infra/plans` has.
pub(super) fn parameters(file: &str, particulars: &Particulars) -> Result<BTreeMap<String, String>> {
    let mut parameters = flat(file)?;
    let plan = parameters.get("PlanDocument").ok_or_else(|| unexpected("no PlanDocument"))?;
    let plan = for_drill(plan, particulars)?;
    let mut set = |name: &str, value: String| parameters.insert(name.to_owned(), value);
    set("PlanDocument", plan);
    set("AwsCallTimeoutSeconds", CALL_TIMEOUT_SECONDS.to_owned());
    set("NotificationEmail", String::new());
    for (name, (_, url)) in ["PrimaryEndpointUrl", "DrEndpointUrl"].into_iter().zip(&particulars.endpoints) {
        set(name, url.clone());
    }
    let groups: Vec<&str> = particulars.endpoint_groups.iter().map(|(_, arn)| arn.as_str()).collect();
    if let Some((accelerator, _)) = groups.first().and_then(|arn| arn.split_once("/listener/")) {
        set("AcceleratorArn", accelerator.to_owned());
        set("EndpointGroupArns", groups.join(","));
    }
    if parameters.contains_key("HostedZoneId") {
        parameters.insert("HostedZoneId".to_owned(), particulars.hosted_zone_id.clone());
    }
    Ok(parameters)
}

/// The plan with the drill's endpoints and windows. What it is about stays as it is.
fn for_drill(plan: &str, particulars: &Particulars) -> Result<String> {
    let mut plan: Value = serde_json::from_str(plan).map_err(|error| unexpected(&error.to_string()))?;
    let detection = &mut plan["detection"];
    detection["endpoints"] = object(&particulars.endpoints);
    detection["window_seconds"] = json!(DECISION_WINDOW_SECONDS);
    detection["interval_seconds"] = json!(1);
    for way in plan["traffic"].as_array_mut().into_iter().flatten() {
        if let Some(dial) = way.get_mut("traffic_dial") {
            dial["endpoint_groups"] = object(&particulars.endpoint_groups);
        }
    }
    Ok(plan.to_string())
}

fn object(pairs: &[(String, String)]) -> Value {
    Value::Object(pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect())
}

/// A YAML file of one level.
fn flat(text: &str) -> Result<BTreeMap<String, String>> {
    let documents = Yaml::load_from_str(text).map_err(|error| unexpected(&error.to_string()))?;
    let Some(Yaml::Mapping(fields)) = documents.first() else { return Err(unexpected("it is no mapping")) };
    fields.iter().map(|(name, value)| Ok((scalar(name)?, scalar(value)?))).collect()
}

fn scalar(yaml: &Yaml<'_>) -> Result<String> {
    let text = match yaml {
        Yaml::Value(Scalar::String(text)) => Some(text.to_string()),
        Yaml::Value(Scalar::Integer(number)) => Some(number.to_string()),
        Yaml::Value(Scalar::Boolean(flag)) => Some(flag.to_string()),
        Yaml::Value(Scalar::Null | Scalar::FloatingPoint(_))
        | Yaml::Sequence(_)
        | Yaml::Mapping(_)
        | Yaml::Tagged(..)
        | Yaml::Representation(..)
        | Yaml::Alias(_)
        | Yaml::BadValue => None,
    };
    text.ok_or_else(|| unexpected(&format!("{yaml:?} is neither a text, a whole number nor true or false")))
}

fn unexpected(problem: &str) -> Error {
    Error::Unexpected(format!("the parameters in infra/plans: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# For the drill.\nPlanName: edge\nMaxLagMs: 5000\nHostedZoneId: Z1\nPlanDocument: |\n  \
        {\"name\": \"edge\", \"detection\": {\"endpoints\": {}, \"window_seconds\": 60, \"max_lag_ms\": 5000}, \
        \"traffic\": [{\"traffic_dial\": {\"endpoint_groups\": {}}}]}\n";

    fn particulars() -> Particulars {
        let each = |what: &str| {
            ["us-east-1", "us-east-2"].map(|region| (region.to_owned(), format!("{what}/listener/{region}"))).to_vec()
        };
        Particulars { endpoints: each("http"), endpoint_groups: each("arn"), hosted_zone_id: "Z2".to_owned() }
    }

    #[test]
    fn names_endpoints_and_windows_are_the_drills_and_the_rest_is_the_plans() {
        let parameters = parameters(FILE, &particulars()).unwrap();
        assert_eq!(parameters["PlanName"], "edge");
        assert_eq!(parameters["MaxLagMs"], "5000");
        assert_eq!(parameters["DrEndpointUrl"], "http/listener/us-east-2");
        assert_eq!(parameters["AcceleratorArn"], "arn");
        assert_eq!(parameters["HostedZoneId"], "Z2");
        let plan: Value = serde_json::from_str(&parameters["PlanDocument"]).unwrap();
        assert_eq!(plan["detection"]["window_seconds"], DECISION_WINDOW_SECONDS);
        assert_eq!(plan["detection"]["max_lag_ms"], 5000);
        assert_eq!(plan["traffic"][0]["traffic_dial"]["endpoint_groups"]["us-east-1"], "arn/listener/us-east-1");
    }

    #[test]
    fn a_file_that_is_something_else_is_refused() {
        for file in ["", "- a list", "PlanName: edge\n", "PlanDocument: no JSON\n"] {
            assert!(parameters(file, &particulars()).is_err(), "{file}");
        }
    }
}
