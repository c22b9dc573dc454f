//! JSON with expressions in it: `{"asks": "{% $states.input.asks + 1 %}"}`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::errors::QUERY;
use crate::jsonata::Expression;
use crate::{DefinitionError, Failure};

#[derive(Debug)]
pub(crate) enum Template {
    Literal(Value),
    Expression(Expression),
    List(Vec<Template>),
    Object(Vec<(String, Template)>),
}

/// What the context object holds here; more of it exists on AWS, and is refused.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html>
const CONTEXT: [&[&str]; 8] = [
    &["Execution", "Input"],
    &["Execution", "Name"],
    &["Execution", "StartTime"],
    &["State", "EnteredTime"],
    &["State", "Name"],
    &["State", "RetryCount"],
    &["Task", "Token"],
    &["Map", "Item"],
];

/// What expressions can read at one place of the definition.
#[derive(Clone, Copy)]
pub(crate) struct Readable<'r> {
    /// Those of the machine and of the machines around it.
    pub(crate) variables: &'r BTreeSet<String>,
    /// The field that `$states` has here beside `input` and `context`.
    pub(crate) also: Option<&'static str>,
}

impl Template {
    pub(crate) fn parse(value: Value, path: &str, readable: Readable<'_>) -> Result<Self, DefinitionError> {
        match value {
            Value::String(text) => Self::parse_text(text, path, readable),
            Value::Array(items) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| Self::parse(item, &format!("{path}[{index}]"), readable))
                .collect::<Result<_, _>>()
                .map(Self::List),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, field)| Ok((name.clone(), Self::parse(field, &format!("{path}.{name}"), readable)?)))
                .collect::<Result<_, _>>()
                .map(Self::Object),
            literal => Ok(Self::Literal(literal)),
        }
    }

    fn parse_text(text: String, path: &str, readable: Readable<'_>) -> Result<Self, DefinitionError> {
        let (begins, ends) = (text.trim_start().starts_with("{%"), text.trim_end().ends_with("%}"));
        if !begins && !ends {
            return Ok(Self::Literal(Value::String(text)));
        }
        // "No leading or trailing spaces, opening and closing both": the guide to transforming data.
        let Some(inner) = text.strip_prefix("{%").and_then(|rest| rest.strip_suffix("%}")) else {
            return Err(DefinitionError::new(
                path,
                "an expression begins with {% and ends with %}, without spaces around",
            ));
        };
        let expression =
            Expression::parse(inner.trim()).map_err(|error| DefinitionError::new(path, error.to_string()))?;
        for used in &expression.paths {
            check_variable(used, readable).map_err(|message| DefinitionError::new(path, message))?;
        }
        Ok(Self::Expression(expression))
    }

    /// The value with every expression evaluated. `field` is where it stands in the state, for the error's cause.
    pub(crate) fn evaluate<'a>(
        &'a self,
        field: &str,
        variable: &dyn Fn(&str) -> Option<&'a Value>,
    ) -> Result<Value, Failure> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Expression(expression) => match expression.evaluate(variable) {
                Ok(Some(value)) => Ok(value),
                Ok(None) => Err(not_evaluated(expression, field, "returned nothing (undefined)")),
                Err(error) => Err(not_evaluated(expression, field, &format!("failed: {error}"))),
            },
            Self::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| item.evaluate(&format!("{field}[{index}]"), variable))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Self::Object(fields) => fields
                .iter()
                .map(|(name, item)| Ok((name.clone(), item.evaluate(&format!("{field}/{name}"), variable)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        }
    }
}

fn not_evaluated(expression: &Expression, field: &str, what: &str) -> Failure {
    let text = expression.text();
    Failure::new(QUERY, format!("The JSONata expression '{text}' of the field '{field}' {what}."))
}

fn check_variable(used: &[String], readable: Readable<'_>) -> Result<(), String> {
    let names: Vec<&str> = used.iter().map(String::as_str).collect();
    match names.as_slice() {
        ["states", "input", ..] => Ok(()),
        ["states", field, ..] if readable.also == Some(*field) => Ok(()),
        ["states", "context", rest @ ..] if CONTEXT.iter().any(|known| rest.starts_with(known)) => Ok(()),
        ["states", ..] => Err(format!("${} is not supported here", names.join("."))),
        [name, ..] if readable.variables.contains(*name) => Ok(()),
        _ => Err(format!("${} is assigned nowhere", names.join("."))),
    }
}
