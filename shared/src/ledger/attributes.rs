//! DynamoDB's attributes, read and written with errors that name item and attribute.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use crate::contract::Timestamp;
use crate::error::Error;

/// An item's attributes by name.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// An item's new attributes, and the condition on its present ones.
pub(super) struct Change {
    pub(super) set: Item,
    pub(super) remove: Vec<&'static str>,
    /// What its present attributes have to be; none for one that has to be absent.
    pub(super) expect: Vec<(&'static str, Option<AttributeValue>)>,
}

/// Typed access to an item's attributes, with errors that name item and attribute.
pub(super) struct Fields<'a>(pub(super) &'a Item);

impl<'a> Fields<'a> {
    pub(super) fn broken(&self, name: &str, problem: &str) -> Error {
        let key = self.0.get("operation_id").and_then(|key| key.as_s().ok()).map_or("?", String::as_str);
        Error::Refused {
            reason: format!("the ledger's item {key} cannot be read: attribute {name} {problem}"),
            cure: "repair the item; nothing was changed".to_owned(),
        }
    }

    pub(super) fn checked<T>(&self, name: &str, outcome: Result<T, String>) -> Result<T, Error> {
        outcome.map_err(|problem| self.broken(name, &problem))
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, Error> {
        self.optional_text(name)?.ok_or_else(|| self.broken(name, "is missing"))
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.broken(name, "is not a string")),
        }
    }

    pub(super) fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, Error> {
        parse(self.text(name)?).map_err(|problem| self.broken(name, &problem))
    }

    pub(super) fn number(&self, name: &str) -> Result<i64, Error> {
        match self.0.get(name) {
            Some(AttributeValue::N(digits)) => digits.parse().map_err(|_| self.broken(name, "is not a whole number")),
            Some(_) => Err(self.broken(name, "is not a number")),
            None => Err(self.broken(name, "is missing")),
        }
    }

    /// A whole number, or `default` where the attribute is absent.
    pub(super) fn number_or(&self, name: &str, default: i64) -> Result<i64, Error> {
        if self.0.contains_key(name) { self.number(name) } else { Ok(default) }
    }

    /// A count, zero where the attribute is absent.
    pub(super) fn count_or_zero(&self, name: &str) -> Result<u64, Error> {
        u64::try_from(self.number_or(name, 0)?).map_err(|_| self.broken(name, "is negative"))
    }

    pub(super) fn moment(&self, name: &str) -> Result<Timestamp, Error> {
        self.moment_of(name, self.number(name)?)
    }

    /// The moment that an attribute's number stands for.
    pub(super) fn moment_of(&self, name: &str, millis: i64) -> Result<Timestamp, Error> {
        let moment = Timestamp::from_millis(millis);
        // Another one than was written would lose every write that is conditional on it.
        if moment.as_millis() == millis {
            Ok(moment)
        } else {
            Err(self.broken(name, "is no moment before the year 10000"))
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.0.get(name) {
            Some(AttributeValue::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.broken(name, "is not a boolean")),
            None => Err(self.broken(name, "is missing")),
        }
    }

    pub(super) fn json(&self, name: &str, text: &str) -> Result<Value, Error> {
        serde_json::from_str(text).map_err(|error| self.broken(name, &format!("is not JSON: {error}")))
    }
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
