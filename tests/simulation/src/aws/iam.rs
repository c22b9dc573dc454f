//! IAM's policy simulator: what a preflight asks.

use std::fmt::Write;

use failover::testing::wire::Request;

use super::Answer;
use super::parameters::only_of_form;

/// The parameters that are simulated.
const PARAMETERS: [&str; 5] = [
    "PolicySourceArn",
    "ActionNames.member.",
    "ResourceArns.member.",
    // Of an empty list.
    "ContextEntries",
    "ContextEntries.member.",
];

/// Answers a request: whatever is asked is allowed. That the roles permit what the functions do is a matter of the
/// template, which has tests of its own.
///
/// # Panics
/// On an operation or a parameter that is not simulated.
#[must_use]
pub fn answer(request: &Request) -> Answer {
    assert_eq!(request.operation, "SimulatePrincipalPolicy", "not simulated: {}", request.name());
    only_of_form(request, &PARAMETERS);
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
