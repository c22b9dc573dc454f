//! The part of JSONata that the definition uses: what is not known here is refused when it is parsed.
//!
//! Names, operators and functions behave as in the reference implementation of JSONata 2.0.6, the version that
//! Step Functions supports (<https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>). What is
//! known to differ: objects keep their keys sorted, not in the order in which they were written; a filter of nothing
//! selects nothing, where the reference implementation may make up nulls; and what a function can't be called with
//! here is an error that says so (`$toMillis` with another time zone, negative indices of `$substring`, `in` with an
//! array or object to look for).

mod evaluate;
mod functions;
mod parse;
mod token;
mod value;

use serde_json::Value;

use parse::Node;
pub use token::SyntaxError;

/// An expression, parsed.
#[derive(Debug)]
pub struct Expression {
    text: String,
    root: Node,
    /// The variables that it reads and does not bind itself, each with the fields that follow, and without `$`:
    /// `["states", "context", "Execution", "Name"]`.
    pub(crate) paths: Vec<Vec<String>>,
}

/// An expression could not be evaluated: a wrong type, or a number that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluationError(pub(crate) String);

impl Expression {
    /// Reads an expression, without Step Functions' `{% %}` around it.
    ///
    /// # Errors
    /// What is not JSONata, or no part of the subset.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let parsed = parse::parse(text)?;
        Ok(Self { text: text.to_owned(), root: parsed.root, paths: parsed.paths })
    }

    /// Its value, or nothing where JSONata knows none. `variable` looks up a variable by its name without `$`.
    ///
    /// # Errors
    /// A value of a type that an operator or function can't work on.
    pub fn evaluate<'a>(
        &'a self,
        variable: &dyn Fn(&str) -> Option<&'a Value>,
    ) -> Result<Option<Value>, EvaluationError> {
        evaluate::evaluate(&self.root, variable)
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}
