//! IAM's policy simulator: what a preflight asks.

use std::fmt::Write;

use failover::testing::wire::Request;

use super::parameters::only_of_form;
use super::{ACCOUNT, Answer};
use crate::faults::FUNCTIONS;

/// The parameters that are simulated.
const PARAMETERS: [&str; 5] = [
    "PolicySourceArn",
    "ActionNames.member.",
    "ResourceArns.member.",
    // Of an empty list.
    "ContextEntries",
    "ContextEntries.member.",
];

/// Answers a request: whatever is asked of a function's role is allowed. That the roles permit what the functions do is a
/// matter of the template, which has tests of its own.
/// Source: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
///
/// # Panics
/// On an operation or a parameter that is not simulated.
#[must_use]
pub fn answer(request: &Request) -> Answer {
    assert_eq!(request.operation, "SimulatePrincipalPolicy", "not simulated: {}", request.name());
    only_of_form(request, &PARAMETERS);
    let role = request.body["PolicySourceArn"].as_str().unwrap_or_default();
    let is_of = |function: &&str| role == format!("arn:aws:iam::{ACCOUNT}:role/failover-prod-{function}");
    if !FUNCTIONS.iter().any(is_of) {
        let message = format!("The role {role} cannot be found.");
        return Answer::Error { status: 404, code: "NoSuchEntity".to_owned(), message };
    }
    let fields = request.body.as_object().expect("a form");
    let of = |parameter: &str| -> Vec<&str> {
        let named = fields.iter().filter(|(name, _)| name.starts_with(parameter));
        named.filter_map(|(_, value)| value.as_str()).collect()
    };
    let resources = of("ResourceArns.member.");
    let resource = if let [only] = resources.as_slice() { only } else { "*" };
    let mut results = String::new();
    for action in of("ActionNames.member.") {
        let _ = write!(
            results,
            "<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName>\
             <EvalDecision>allowed</EvalDecision><MatchedStatements/><MissingContextValues/></member>"
        );
    }
    Answer::xml(format!(
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>\
         <EvaluationResults>{results}</EvaluationResults></SimulatePrincipalPolicyResult>\
         </SimulatePrincipalPolicyResponse>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::lab::{code, form};

    #[test]
    fn the_functions_roles_are_allowed_everything_and_no_other_role_is_known() {
        let ask = |role: &str| {
            let role = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
            let fields = [("PolicySourceArn", role.as_str()), ("ActionNames.member.1", "rds:FailoverGlobalCluster")];
            answer(&form("iam", "us-east-1", "SimulatePrincipalPolicy", &fields))
        };
        assert!(matches!(ask("failover-prod-scale-ecs"), Answer::Body(xml) if xml.to_string().contains(">allowed<")));
        assert_eq!(code(&ask("nobody")), "NoSuchEntity");
    }
}
