//! Each role's permissions against the calls its function makes: nothing missing, nothing unused (W1.2).
//!
//! The calls are read from the source, where each is made through `Calls::call` with its IAM names. Whether the names
//! are right and the resources suffice is shown by the drill, whose emulator enforces the roles.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use failover_tests::template::{
    FUNCTION_RESOURCES, all_states, allowed_actions, definition, statements, strings, template,
};
use failover_tests::{project_root, rust_files};
use health_probe::NEEDS;

/// What Lambda itself does with a function's role: logs, and failed asynchronous events.
const BY_LAMBDA: [&str; 3] = ["logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"];
/// What every function does besides its own calls: the ledger's compare-and-set and gate, and its subsegments.
const BY_SHARED: [&str; 3] = ["dynamodb:GetItem", "dynamodb:UpdateItem", "xray:PutTraceSegments"];
/// What Step Functions itself does with the state machine's role: logs and traces.
/// Sources: <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html>,
/// <https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html>
const BY_STEP_FUNCTIONS: [&str; 12] = [
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
];

/// Every `call("service", "Operation"` in a folder's Rust files, as an IAM action.
fn calls_in(folder: &Path) -> BTreeSet<String> {
    rust_files(folder).iter().flat_map(|path| calls_of(&fs::read_to_string(path).expect("readable"))).collect()
}

fn calls_of(source: &str) -> Vec<String> {
    let mut rest = source;
    let mut found = Vec::new();
    while let Some(start) = rest.find(".call(") {
        rest = &rest[start + ".call(".len()..];
        let words: Vec<&str> = rest.splitn(5, '"').collect();
        if let [blank, service, comma, operation, _] = words.as_slice()
            && blank.trim().is_empty()
            && comma.trim() == ","
        {
            found.push(format!("{service}:{operation}"));
        }
    }
    found
}

fn role_permits_exactly_the_calls_of(function: &str) {
    let template = template().expect("the template is readable");
    let (_, resource) = FUNCTION_RESOURCES.into_iter().find(|(name, _)| *name == function).expect("a known function");
    let allowed: BTreeSet<String> = allowed_actions(&template, &format!("{resource}Role"))
        .into_iter()
        .filter(|action| !BY_LAMBDA.contains(&action.as_str()))
        .collect();
    let mut made = calls_in(&project_root().join("functions").join(function).join("src"));
    assert!(!made.is_empty(), "no call was found in the source of {function}");
    made.extend(BY_SHARED.map(str::to_owned));
    let missing: Vec<_> = made.difference(&allowed).collect();
    let unused: Vec<_> = allowed.difference(&made).collect();
    assert!(missing.is_empty(), "the role of {function} lacks {missing:?}");
    assert!(unused.is_empty(), "the role of {function} permits what is never called: {unused:?}");
}

#[test]
fn the_role_of_promote_aurora_permits_exactly_its_calls() {
    role_permits_exactly_the_calls_of("promote-aurora");
}

#[test]
fn the_role_of_scale_ecs_permits_exactly_its_calls() {
    role_permits_exactly_the_calls_of("scale-ecs");
}

#[test]
fn the_role_of_shift_dns_permits_exactly_its_calls() {
    role_permits_exactly_the_calls_of("shift-dns");
}

#[test]
fn the_role_of_health_probe_permits_exactly_its_calls() {
    role_permits_exactly_the_calls_of("health-probe");
}

/// The preflight asks IAM for what stands in one table: it has to be what the functions call in a run (X4).
#[test]
fn the_preflight_checks_exactly_the_permissions_that_functions_use_in_a_run() {
    let functions = project_root().join("functions");
    let own_checks = calls_in(&functions.join("health-probe/src/readiness"));
    assert!(own_checks.contains("iam:SimulatePrincipalPolicy"), "what a preflight of its own asks is no part of a run");
    for (function, _) in FUNCTION_RESOURCES {
        let mut made = calls_in(&functions.join(function).join("src"));
        made.retain(|action| !own_checks.contains(action));
        made.extend(BY_SHARED.into_iter().filter(|action| !action.starts_with("xray:")).map(str::to_owned));
        let of_function = NEEDS.iter().filter(|need| need.function == function);
        let checked: Vec<String> = of_function.map(|need| need.action.to_owned()).collect();
        assert_eq!(checked.iter().cloned().collect::<BTreeSet<_>>(), made, "{function}");
        assert_eq!(checked.len(), made.len(), "{function}: each action once");
    }
}

#[test]
fn what_lambda_does_with_a_functions_role_is_permitted() {
    let template = template().expect("readable");
    for (function, resource) in FUNCTION_RESOURCES {
        let allowed = allowed_actions(&template, &format!("{resource}Role"));
        for action in ["logs:CreateLogStream", "logs:PutLogEvents"] {
            assert!(allowed.contains(action), "{function} cannot log without {action}");
        }
    }
    let probe = allowed_actions(&template, "HealthProbeRole");
    assert!(probe.contains("sqs:SendMessage"), "a failed event of health-probe would be lost without sqs:SendMessage");
}

#[test]
fn the_shared_calls_are_those_of_the_shared_crate() {
    let made = calls_in(&project_root().join("shared/src"));
    let expected: BTreeSet<String> =
        BY_SHARED.into_iter().filter(|action| !action.starts_with("xray:")).map(str::to_owned).collect();
    assert_eq!(made, expected);
}

#[test]
fn the_state_machines_role_permits_exactly_its_integrations_logs_and_traces() {
    let states = all_states(&definition().expect("readable"));
    let integrations = states
        .iter()
        .filter_map(|(_, state)| state["Resource"].as_str())
        .filter_map(|resource| resource.split(":::").nth(1))
        .map(|integration| match integration {
            "lambda:invoke" => "lambda:InvokeFunction".to_owned(),
            "aws-sdk:ssm:getParameter" => "ssm:GetParameter".to_owned(),
            "sns:publish" | "sns:publish.waitForTaskToken" => "sns:Publish".to_owned(),
            other => other.to_owned(),
        });
    let made: BTreeSet<String> = integrations.chain(BY_STEP_FUNCTIONS.map(str::to_owned)).collect();
    assert_eq!(made, allowed_actions(&template().expect("readable"), "FailoverStateMachineRole"));
}

#[test]
fn what_a_plan_document_adds_permits_nothing_that_the_roles_do_not() {
    let template = template().expect("readable");
    for (function, resource) in FUNCTION_RESOURCES {
        let policy = &template["Resources"][format!("{resource}MorePolicy")]["Properties"];
        assert_eq!(policy["Roles"][0]["Ref"], format!("{resource}Role"), "{function}");
        let allowed = allowed_actions(&template, &format!("{resource}Role"));
        let more = policy["PolicyDocument"]["Statement"].as_array().expect("statements");
        assert!(!more.is_empty());
        for action in more.iter().flat_map(|statement| strings(&statement["Action"])) {
            assert!(allowed.contains(&action), "{function} may {action} only on a plan document's resources");
        }
    }
}

#[test]
fn no_role_permits_an_action_by_wildcard() {
    let template = template().expect("readable");
    let roles = FUNCTION_RESOURCES.map(|(_, resource)| format!("{resource}Role"));
    for role in roles.iter().map(String::as_str).chain(["FailoverStateMachineRole"]) {
        for statement in statements(&template, role) {
            for action in strings(&statement["Action"]) {
                assert!(!action.contains('*'), "{role} permits {action}");
            }
        }
    }
}
