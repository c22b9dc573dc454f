//! The fields of an object of the definition: each is taken once, and what is left over is not known here.

use serde_json::{Map, Value};

use crate::DefinitionError;

pub(crate) struct Fields {
    path: String,
    left: Map<String, Value>,
}

impl Fields {
    pub(crate) fn of(value: Value, path: &str) -> Result<Self, DefinitionError> {
        match value {
            // A comment stands anywhere and means nothing.
            Value::Object(mut left) => {
                left.remove("Comment");
                Ok(Self { path: path.to_owned(), left })
            }
            _ => Err(DefinitionError::new(path, "an object was expected")),
        }
    }

    /// Where a field stands, for messages.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    pub(crate) fn required(&mut self, name: &str) -> Result<Value, DefinitionError> {
        self.take(name).ok_or_else(|| DefinitionError::new(&self.path, format!("{name} is missing")))
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<String, DefinitionError> {
        match self.required(name)? {
            Value::String(text) if !text.is_empty() => Ok(text),
            _ => Err(DefinitionError::new(&self.path(name), "a string was expected")),
        }
    }

    pub(crate) fn optional_text(&mut self, name: &str) -> Result<Option<String>, DefinitionError> {
        if self.left.contains_key(name) { self.text(name).map(Some) } else { Ok(None) }
    }

    /// The entries of a list, each with its path; none if there is no such field.
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<(String, Value)>, DefinitionError> {
        let path = self.path(name);
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                Ok(items.into_iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect())
            }
            Some(_) => Err(DefinitionError::new(&path, "a list was expected")),
        }
    }

    /// A whole number that is at least `minimum`.
    pub(crate) fn number(&mut self, name: &str, minimum: u64) -> Result<Option<u64>, DefinitionError> {
        let path = self.path(name);
        match self.take(name) {
            None => Ok(None),
            Some(value) => match value.as_u64().filter(|number| *number >= minimum) {
                Some(number) => Ok(Some(number)),
                None => Err(DefinitionError::new(&path, format!("a whole number from {minimum} was expected"))),
            },
        }
    }

    /// Nothing is left that nobody asked for.
    pub(crate) fn finish(self) -> Result<(), DefinitionError> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(unknown) => Err(DefinitionError::new(&self.path(unknown), "this field is not supported")),
        }
    }
}
