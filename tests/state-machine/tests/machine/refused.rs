//! What is wrong with a definition, or not known here, is refused when it is parsed, with its path.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use state_machine::{Definition, DefinitionError};

use crate::script::{SUBSTITUTIONS, deployed_text};

fn parse(definition: &Value) -> Result<Definition, DefinitionError> {
    Definition::parse(&definition.to_string(), &BTreeMap::new())
}

/// A definition that is taken as it is: a task, a choice, a map and an end.
fn fine() -> Value {
    json!({
        "QueryLanguage": "JSONata",
        "Comment": "fine",
        "StartAt": "T",
        "States": {
            "T": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": {"a": "{% $states.input.a %}"},
                "TimeoutSeconds": 10,
                "Retry": [{"ErrorEquals": ["A"], "MaxAttempts": 1}, {"ErrorEquals": ["States.ALL"]}],
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}],
                "Assign": {"v": 1},
                "Next": "C",
            },
            "C": {"Type": "Choice", "Choices": [{"Condition": "{% $v = 1 %}", "Next": "M"}], "Default": "W"},
            "W": {"Type": "Wait", "Seconds": 1, "Next": "M"},
            "M": {
                "Type": "Map",
                "Items": [1],
                "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "Assign": {"w": 1}, "End": true}}},
                "End": true,
            },
        },
    })
}

/// The error's text when the field at a JSON pointer is set to a value.
fn refused(pointer: &str, value: Value) -> String {
    let mut definition = fine();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    definition.pointer_mut(parent).unwrap()[name] = value;
    parse(&definition).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_definition_of_what_is_known_is_taken() {
    parse(&fine()).unwrap();
}

#[test]
fn unknown_fields_are_refused_wherever_they_stand() {
    for (pointer, path) in [
        ("/Version2", "Version2"),
        ("/States/T/ResultPath", "States.T.ResultPath"),
        ("/States/T/Credentials", "States.T.Credentials"),
        ("/States/T/Retry/0/Jitter", "States.T.Retry[0].Jitter"),
        ("/States/T/Catch/0/ResultPath", "States.T.Catch[0].ResultPath"),
        ("/States/C/Choices/0/Variable", "States.C.Choices[0].Variable"),
        ("/States/C/Next", "States.C.Next"),
        ("/States/W/Timestamp", "States.W.Timestamp"),
        ("/States/M/ItemReader", "States.M.ItemReader"),
        ("/States/M/ToleratedFailureCount", "States.M.ToleratedFailureCount"),
        ("/States/M/ItemProcessor/States/P/Result", "States.M.ItemProcessor.States.P.Result"),
    ] {
        assert_eq!(refused(pointer, json!("x")), format!("{path}: this field is not supported"));
    }
}

#[test]
fn values_that_no_run_could_use_are_refused() {
    for (pointer, value, message) in [
        ("/QueryLanguage", json!("JSONPath"), "QueryLanguage: only JSONata is supported"),
        ("/StartAt", json!("X"), "StartAt: there is no state X beside it"),
        ("/StartAt", json!("P"), "StartAt: there is no state P beside it"),
        ("/States/T/Type", json!("Activity"), "States.T.Type: Activity is not supported"),
        ("/States/T/Next", json!("X"), "States.T: there is no state X beside it"),
        ("/States/T/End", json!(true), "States.T.Next: either Next or \"End\": true was expected"),
        ("/States/T/Catch/0/Next", json!("P"), "States.T: there is no state P beside it"),
        ("/States/C/Default", json!("X"), "States.C: there is no state X beside it"),
        ("/States/C/Default", json!("M"), "States.W: no state leads here"),
        ("/States/C/Choices", json!([]), "States.C.Choices: at least one rule was expected"),
        ("/States/C/Choices/0/Condition", json!("yes"), "States.C.Choices[0].Condition: an expression was expected"),
        (
            "/States/T/Resource",
            json!("arn:aws:states:::states:startExecution.sync:2"),
            "States.T.Resource: arn:aws:states:::states:startExecution.sync:2 is not supported",
        ),
        (
            "/States/T/TimeoutSeconds",
            json!(0),
            "States.T.TimeoutSeconds: a whole number from 1 or an expression was expected",
        ),
        ("/States/T/HeartbeatSeconds", json!(10), "States.T.HeartbeatSeconds: less than TimeoutSeconds was expected"),
        ("/States/W/Seconds", json!("5"), "States.W.Seconds: a whole number from 0 or an expression was expected"),
        ("/States/T/Retry/0/ErrorEquals", json!([]), "States.T.Retry[0].ErrorEquals: at least one error was expected"),
        (
            "/States/T/Retry/0/ErrorEquals",
            json!(["States.ALL"]),
            "States.T.Retry: States.ALL has to stand alone, and last",
        ),
        (
            "/States/T/Retry/1/ErrorEquals",
            json!(["States.ALL", "B"]),
            "States.T.Retry: States.ALL has to stand alone, and last",
        ),
        (
            "/States/T/Retry/0/ErrorEquals",
            json!(["States.Oops"]),
            "States.T.Retry[0].ErrorEquals[0]: \"States.Oops\" is not supported",
        ),
        ("/States/T/Retry/0/BackoffRate", json!(0.5), "States.T.Retry[0].BackoffRate: a number from 1 was expected"),
        (
            "/States/T/Retry/0/MaxDelaySeconds",
            json!(1),
            "States.T.Retry[0].MaxDelaySeconds: a whole number from 2 was expected",
        ),
        (
            "/States/T/Retry/0/JitterStrategy",
            json!("SOME"),
            "States.T.Retry[0].JitterStrategy: FULL or NONE was expected",
        ),
        ("/States/T/Assign", json!({"states": 1, "v": 1}), "States.T.Assign: $states can't be assigned"),
        (
            "/States/M/ItemProcessor/States/P/Assign",
            json!({"v": 1}),
            "States.M.ItemProcessor.States.P: $v belongs to the machine around it",
        ),
        (
            "/States/M/ItemProcessor/ProcessorConfig",
            json!({"Mode": "DISTRIBUTED"}),
            "States.M.ItemProcessor.ProcessorConfig.Mode: only INLINE is supported",
        ),
        (
            "/States/M/ItemProcessor",
            json!({"StartAt": "T", "States": {"T": {"Type": "Succeed"}}}),
            "States.T: another state has this name",
        ),
    ] {
        assert_eq!(refused(pointer, value), message);
    }
}

#[test]
fn expressions_outside_of_the_subset_are_refused() {
    for (expression, message) in [
        ("{% $v %} ", "an expression begins with {% and ends with %}, without spaces around"),
        ("{% $v", "an expression begins with {% and ends with %}, without spaces around"),
        ("{% $unknown %}", "$unknown is assigned nowhere"),
        ("{% $w %}", "$w is assigned nowhere"),
        ("{% $states %}", "$states is not supported here"),
        ("{% $states.context.Execution.Id %}", "$states.context.Execution.Id is not supported here"),
        ("{% $states.context %}", "$states.context is not supported here"),
        ("{% $states.result %}", "$states.result is not supported here"),
        ("{% $states.errorOutput.Error %}", "$states.errorOutput.Error is not supported here"),
        ("{% $states[0].input %}", "$states is not supported here"),
        ("{% $now() %}", "at character 0: $now: this function is not supported"),
        ("{% $random() %}", "at character 0: $random: this function is not supported"),
        ("{% $eval('1') %}", "at character 0: $eval: this function is not supported"),
        ("{% $split('a') %}", "at character 0: $split with 1 arguments is not supported"),
        ("{% $split('a', ',', 2) %}", "at character 0: $split with 3 arguments is not supported"),
        ("{% $fromMillis(1, '[Y]') %}", "at character 0: $fromMillis with 2 arguments is not supported"),
        ("{% a %}", "at character 0: a: there is nothing that could have this field"),
        ("{% $ %}", "at character 0: $ without a name is not supported"),
        ("{% $v.* %}", "at character 3: * behind a dot is not supported"),
        ("{% $v.(1) %}", "at character 3: ( behind a dot is not supported"),
        ("{% $v.$v %}", "at character 3: $v behind a dot is not supported"),
        ("{% $v ~> $string %}", "at character 3: ~ is not supported"),
        ("{% $v^(a) %}", "at character 2: ^ is not supported"),
        ("{% [1..2] %}", "at character 1: 1..2 is not a number that is supported"),
        ("{% 1e3 %}", "at character 0: 1e3 is not a number that is supported"),
        ("{% -1 %}", "at character 0: - is not supported here"),
        ("{% 1 / 2 %}", "at character 2: / is not supported here"),
        ("{% 1 % 2 %}", "at character 2: % is not supported here"),
        ("{% $v[] %}", "at character 3: ] is not supported here"),
        ("{% $v{'a': 1} %}", "at character 2: { is not supported here"),
        ("{% $v ? 1 %}", "at character 6: : was expected, not the end"),
        ("{% /x/ %}", "at character 0: / is not supported here"),
        ("{% `a` %}", "at character 0: ` is not supported"),
        ("{% 'a\\u0041' %}", "at character 2: this escape is not supported"),
        ("{% 'a %}", "at character 0: the string has no end"),
        ("{% function($x) { 1 } %}", "at character 0: function is not supported here"),
        ("{% $v := 1 %}", "at character 3: := is not supported here"),
        ("{% () %}", "at character 1: ) is not supported here"),
        ("{% [($a := 1; $a), $a] %}", "$a is assigned nowhere"),
        ("{% ($a := 1) %}", "at character 9: a block that ends with := is not supported"),
        ("{% ($a := 1; $a := 2; $a) %}", "at character 10: $a has a meaning already: to bind it anew is not supported"),
        (
            "{% ($count := 1; $count) %}",
            "at character 1: $count has a meaning already: to bind it anew is not supported",
        ),
        ("{% ($f := function($x) { 1 }; $f) %}", "at character 27: $f: a function as a value is not supported"),
        ("{% ($f := function($x) { 1 }; $f()) %}", "at character 27: $f takes 1 arguments, not 0"),
        ("{% ($f := function($x) { $f($x) }; $f(1)) %}", "at character 22: $f: this function is not supported"),
        ("{% ($f := function($x) { $y }; $y := 1; $f(1)) %}", "$y is assigned nowhere"),
        ("{% $v $v %}", "at character 3: $v is not supported here"),
    ] {
        let path = "States.T.Arguments.a[0]";
        assert_eq!(refused("/States/T/Arguments/a", json!([expression])), format!("{path}: {message}"), "{expression}");
    }
    let of_a_pass = refused("/States/M/ItemProcessor/States/P/Output", json!("{% $states.result %}"));
    assert_eq!(of_a_pass, "States.M.ItemProcessor.States.P.Output: $states.result is not supported here");
    let deep = format!("{{% {}1{} %}}", "(".repeat(65), ")".repeat(65));
    let error = refused("/States/T/Arguments/a", json!(deep));
    assert!(error.contains("more than 64 levels are not supported"), "{error}");
}

#[test]
fn substitutions_are_neither_missing_nor_superfluous() {
    let text = deployed_text();
    let mut substitutions = BTreeMap::from(SUBSTITUTIONS);
    substitutions.remove("Region");
    let missing = Definition::parse(&text, &substitutions).map(|_| ()).unwrap_err();
    assert_eq!(missing.message, "there is no substitution for ${Region}");
    substitutions.insert("Region", "eu-central-1");
    substitutions.insert("Other", "x");
    let unused = Definition::parse(&text, &substitutions).map(|_| ()).unwrap_err();
    assert_eq!(unused.message, "${Other} is substituted and stands nowhere");
    Definition::parse("{\"a\": ${", &BTreeMap::new()).map(|_| ()).unwrap_err();
}
