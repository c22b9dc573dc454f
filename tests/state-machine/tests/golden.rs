//! Expressions against what the reference implementation of JSONata makes of them: `golden.json`, written by
//! `golden.mjs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use state_machine::jsonata::Expression;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

/// A value, nothing, or an error.
fn outcome(case: &Value) -> Result<Option<Value>, ()> {
    let Ok(expression) = Expression::parse(case["expression"].as_str().unwrap()) else { return Err(()) };
    expression.evaluate(&|name| case["variables"].get(name)).map_err(|_| ())
}

fn expected(case: &Value) -> Result<Option<Value>, ()> {
    match (case.get("value"), case.get("undefined"), case.get("error")) {
        (Some(value), None, None) => Ok(Some(value.clone())),
        (None, Some(_), None) => Ok(None),
        (None, None, Some(_)) => Err(()),
        _ => unreachable!("a case has one outcome: {case}"),
    }
}

#[test]
fn every_expression_yields_what_the_reference_implementation_yields() {
    let golden = golden();
    let different: Vec<String> = golden["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| outcome(case) != expected(case))
        .map(|case| format!("{}\n  here: {:?}\n  there: {:?}", case["expression"], outcome(case), expected(case)))
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_expression_of_the_definition_has_a_case() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/failover.asl.json");
    let definition: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let golden = golden();
    let cases: BTreeSet<String> = golden["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| case["expression"].as_str().unwrap().to_owned())
        .collect();
    let mut expressions = BTreeSet::new();
    collect(&definition, &mut expressions);
    assert!(expressions.len() > 50, "the definition's expressions were not found");
    let without: Vec<&String> = expressions.difference(&cases).collect();
    assert!(without.is_empty(), "add cases of these to golden.json and run golden.mjs: {without:#?}");
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let inner = text.strip_prefix("{%").and_then(|rest| rest.strip_suffix("%}"));
            found.extend(inner.map(|inner| substituted(inner.trim())));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The cases were written with these values.
fn substituted(text: &str) -> String {
    const FUNCTION: &str = "arn:aws:lambda:eu-central-1:111122223333:function:";
    text.replace("${PromoteAuroraFunctionArn}", &format!("{FUNCTION}promote-aurora"))
        .replace("${ScaleEcsFunctionArn}", &format!("{FUNCTION}scale-ecs"))
        .replace("${ShiftDnsFunctionArn}", &format!("{FUNCTION}shift-dns"))
        .replace("${Region}", "eu-central-1")
        .replace("${ApproverPolicyName}", "failover-approver")
        .replace("${ApprovalTimeoutSeconds}", "3600")
        .replace("${ApprovalHeartbeatSeconds}", "900")
}
