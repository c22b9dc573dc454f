//! As much of IAM's policy language as the roles of the functions use: whether a role's policies allow
//! an action on a resource.
//!
//! From the IAM user guide's "Policy evaluation logic" for one account and identity-based policies: an
//! explicit deny wins, then an allow, otherwise it is denied. What this does not know makes a statement
//! not apply when it allows, and apply when it denies.

use std::collections::BTreeMap;

use serde_json::Value;

/// What is to be decided.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    pub(super) action: &'a str,
    pub(super) resource: &'a str,
    /// Condition keys of the call, in lower case.
    pub(super) context: BTreeMap<String, String>,
}

/// Whether the policy documents allow it.
pub(super) fn allows(policies: &[Value], question: &Question<'_>) -> bool {
    let mut allowed = false;
    for statement in policies.iter().flat_map(|policy| list(policy.get("Statement"))) {
        let denies = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
        if !applies(statement, question, denies) {
            continue;
        }
        if denies {
            return false;
        }
        allowed = true;
    }
    allowed
}

fn applies(statement: &Value, question: &Question<'_>, when_unknown: bool) -> bool {
    if statement.get("NotAction").is_some() || statement.get("NotResource").is_some() {
        return when_unknown;
    }
    // Actions are compared without regard to case, resources with it.
    let action = question.action.to_lowercase();
    let any = |field: &str, matches: &dyn Fn(&str) -> bool| {
        list(statement.get(field)).into_iter().filter_map(Value::as_str).any(matches)
    };
    any("Action", &|pattern| like(&pattern.to_lowercase(), &action))
        && any("Resource", &|pattern| like(pattern, question.resource))
        && conditions_hold(statement.get("Condition"), question, when_unknown)
}

fn conditions_hold(condition: Option<&Value>, question: &Question<'_>, when_unknown: bool) -> bool {
    let Some(operators) = condition.and_then(Value::as_object) else { return true };
    operators.iter().all(|(operator, keys)| {
        let Some(keys) = keys.as_object() else { return when_unknown };
        keys.iter().all(|(key, wanted)| {
            let actual = question.context.get(&key.to_lowercase());
            let values: Vec<&str> = list(Some(wanted)).into_iter().filter_map(Value::as_str).collect();
            match (operator.as_str(), actual) {
                ("StringEquals", Some(actual)) => values.contains(&actual.as_str()),
                ("StringLike", Some(actual)) => values.iter().any(|pattern| like(pattern, actual)),
                ("StringEquals" | "StringLike", None) => false,
                _other => when_unknown,
            }
        })
    })
}

/// A field that may be one value or a list of them.
fn list(field: Option<&Value>) -> Vec<&Value> {
    match field {
        Some(Value::Array(values)) => values.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    }
}

/// IAM's wildcards: `*` for any text, `?` for one character.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some('*') => {
                star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(&symbol) if symbol == '?' || symbol == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            // Let the last star take one character more, and try again from there.
            Some(_) | None => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at_pattern = star_at + 1;
                    at_text = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|symbol| *symbol == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asks<'a>(action: &'a str, resource: &'a str) -> Question<'a> {
        Question { action, resource, context: BTreeMap::from([("app:namespace".to_owned(), "ecs".to_owned())]) }
    }

    fn policy(statement: &Value) -> Vec<Value> {
        vec![json!({ "Version": "2012-10-17", "Statement": statement })]
    }

    #[test]
    fn wildcards_match_as_in_iam() {
        assert!(like("*", "") && like("a*c", "abbc") && like("a?c", "abc") && like("*b*", "abc"));
        assert!(!like("a*c", "abd") && !like("a?c", "ac") && !like("", "a"));
    }

    #[test]
    fn only_what_is_allowed_is_allowed() {
        let policies = policy(&json!({ "Effect": "Allow", "Action": ["xray:Put*"], "Resource": "*" }));
        assert!(allows(&policies, &asks("xray:PutTraceSegments", "*")));
        assert!(!allows(&policies, &asks("xray:GetTraceSummaries", "*")));
        assert!(!allows(&[], &asks("xray:PutTraceSegments", "*")));
    }

    #[test]
    fn the_resource_counts() {
        let policies = policy(&json!([{ "Effect": "Allow", "Action": "a:B", "Resource": ["arn:aws:a:eu:1:t/*"] }]));
        assert!(allows(&policies, &asks("a:B", "arn:aws:a:eu:1:t/x")));
        assert!(!allows(&policies, &asks("a:B", "arn:aws:a:us:1:t/x")));
    }

    #[test]
    fn a_deny_wins_over_an_allow() {
        let policies = policy(&json!([
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "Action": "a:B", "Resource": "*" },
        ]));
        assert!(!allows(&policies, &asks("a:B", "x")));
        assert!(allows(&policies, &asks("a:C", "x")));
    }

    #[test]
    fn conditions_have_to_hold() {
        let with = |condition: Value| {
            let mut statement = json!({ "Effect": "Allow", "Action": "a:B", "Resource": "*" });
            statement["Condition"] = condition;
            allows(&policy(&statement), &asks("a:B", "x"))
        };
        assert!(with(json!({ "StringEquals": { "App:Namespace": ["ec2", "ecs"] } })));
        assert!(with(json!({ "StringLike": { "app:namespace": "e*" } })));
        assert!(!with(json!({ "StringEquals": { "app:namespace": "rds" } })));
        assert!(!with(json!({ "StringEquals": { "app:other": "ecs" } })), "the call has no such key");
        assert!(!with(json!({ "IpAddress": { "aws:sourceip": "0.0.0.0/0" } })), "not known here, so not allowed");
    }
}
