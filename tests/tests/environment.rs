//! The variables that the template sets against those that each function reads: nothing missing, nothing unused (F9).
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::cell::RefCell;
use std::collections::BTreeSet;

use failover::clients::Clients;
use failover::config::{Config, Variables};
use failover::env::Env;
use failover::runtime::Toolbox;
use failover_tests::template::{FUNCTION_RESOURCES, template};
use health_probe::Settings;
use promote_aurora::PromoteAurora;
use scale_ecs::ScaleEcs;
use serde_json::Value;
use shift_dns::ShiftDns;

/// What Lambda sets, and what only a local AWS sets.
const BY_LAMBDA: [&str; 5] =
    ["AWS_LAMBDA_FUNCTION_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"];

/// An environment in which everything is set, and which remembers what was asked for.
#[derive(Default)]
struct Remembering(RefCell<BTreeSet<String>>);

impl Variables for Remembering {
    fn get(&self, name: &str) -> Option<String> {
        self.0.borrow_mut().insert(name.to_owned());
        let value = match name {
            "AWS_ACCOUNT_ID" => "123456789012",
            "DR_REGION" => "eu-west-1",
            "STEP_BUDGET_SECONDS" | "AWS_CALL_TIMEOUT_SECONDS" => "5",
            "STATE_MACHINE_ARN" => "arn:aws:states:eu-west-1:123456789012:stateMachine:failover",
            "TRIGGER_ALARM_ARNS" => "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:endpoint",
            "NOTIFICATION_TOPIC_ARN" => "arn:aws:sns:eu-west-1:123456789012:failover",
            "AWS_ENDPOINT_URL" => "http://127.0.0.1:9/health",
            "WATCHED_ENDPOINTS" => "eu-central-1=http://127.0.0.1:9/health",
            "WATCHED_CLUSTERS" => "eu-central-1=trading",
            "WRITER_LEASE_SECONDS" => "0",
            "FUNCTION_ROLES" => "health-probe=arn:aws:iam::123456789012:role/health-probe",
            "REGION_SWITCH_REQUEST" => "{}",
            _ => "name",
        };
        Some(value.to_owned())
    }
}

fn read_by(function: &str) -> BTreeSet<String> {
    let variables = Remembering::default();
    let config = Config::read(&variables, function).expect("complete");
    let env = Env::system();
    let clients = Clients::new(&config, &env);
    let tools = Toolbox::new(config, env, clients);
    match function {
        "promote-aurora" => drop(PromoteAurora::new(tools, &variables).expect("complete")),
        "scale-ecs" => drop(ScaleEcs::new(tools, &variables).expect("complete")),
        "shift-dns" => drop(ShiftDns::new(tools, &variables).expect("complete")),
        "health-probe" => drop(Settings::read(&variables, &tools.config).expect("complete")),
        other => panic!("nothing is known of {other}"),
    }
    variables.0.take().into_iter().filter(|name| !BY_LAMBDA.contains(&name.as_str())).collect()
}

fn set_by_template(resource: &str) -> BTreeSet<String> {
    let template = template().expect("readable");
    let common = &template["Globals"]["Function"];
    let own = &template["Resources"][format!("{resource}Function")]["Properties"];
    let variables = |of: &Value| of["Environment"]["Variables"].as_object().cloned().unwrap_or_default();
    variables(common).into_iter().chain(variables(own)).map(|(name, _)| name).collect()
}

#[test]
fn each_function_reads_exactly_the_variables_that_the_template_sets() {
    for (function, resource) in FUNCTION_RESOURCES {
        assert_eq!(read_by(function), set_by_template(resource), "{function}");
    }
}
