//! CloudFormation's substitutions in a definition's text.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-stepfunctions-statemachine.html>

use std::collections::{BTreeMap, BTreeSet};

use crate::DefinitionError;

pub(crate) fn substitute(text: &str, substitutions: &BTreeMap<&str, &str>) -> Result<String, DefinitionError> {
    let mut unused: BTreeSet<&str> = substitutions.keys().copied().collect();
    let mut substituted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        substituted.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            return Err(DefinitionError::new("", "a ${ has no end"));
        };
        let Some(value) = substitutions.get(name) else {
            return Err(DefinitionError::new("", format!("there is no substitution for ${{{name}}}")));
        };
        unused.remove(name);
        substituted.push_str(value);
        rest = after;
    }
    substituted.push_str(rest);
    match unused.first() {
        Some(name) => Err(DefinitionError::new("", format!("${{{name}}} is substituted and stands nowhere"))),
        None => Ok(substituted),
    }
}
