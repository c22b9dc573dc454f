//! What an expression yields while it is evaluated: JSON that is borrowed where it can be, or the results of a path.

use std::borrow::Cow;

use serde_json::{Number, Value};

#[derive(Debug, Clone)]
pub(super) enum Yield<'a> {
    Nothing,
    /// One value, which may be an array.
    One(Cow<'a, Value>),
    /// What a path or filter selected. Unlike an array it is nothing if it is empty, and its only item if it has one.
    Selected(Vec<Cow<'a, Value>>),
}

impl<'a> Yield<'a> {
    pub(super) fn owned(value: Value) -> Self {
        Self::One(Cow::Owned(value))
    }

    pub(super) fn of(value: Option<Cow<'a, Value>>) -> Self {
        value.map_or(Self::Nothing, Self::One)
    }

    /// A selection's final form (<https://docs.jsonata.org/processing#sequences>).
    pub(super) fn settled(self) -> Self {
        match self {
            Self::Selected(mut items) if items.len() < 2 => Self::of(items.pop()),
            other => other,
        }
    }

    /// The items of an array or selection; another value is its own only item.
    pub(super) fn items(self) -> Vec<Cow<'a, Value>> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Selected(items) => items,
            Self::One(value) => match value {
                Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
                Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
                single => vec![single],
            },
        }
    }

    /// The items of several values together.
    pub(super) fn gathered(values: impl Iterator<Item = Self>) -> Self {
        Self::Selected(values.flat_map(Self::items).collect()).settled()
    }

    pub(super) fn into_value(self) -> Option<Value> {
        match self.settled() {
            Self::Nothing => None,
            Self::One(value) => Some(value.into_owned()),
            Self::Selected(items) => Some(Value::Array(items.into_iter().map(Cow::into_owned).collect())),
        }
    }
}

/// A field of an object, or those of an array's items together.
pub(super) fn field<'a>(value: &Cow<'a, Value>, name: &str) -> Yield<'a> {
    match value {
        Cow::Borrowed(Value::Object(fields)) => Yield::of(fields.get(name).map(Cow::Borrowed)),
        Cow::Owned(Value::Object(fields)) => Yield::of(fields.get(name).cloned().map(Cow::Owned)),
        Cow::Borrowed(Value::Array(items)) => {
            Yield::gathered(items.iter().map(|item| field(&Cow::Borrowed(item), name)))
        }
        Cow::Owned(Value::Array(items)) => {
            Yield::gathered(items.iter().map(|item| field(&Cow::Owned(item.clone()), name)))
        }
        Cow::Borrowed(_) | Cow::Owned(_) => Yield::Nothing,
    }
}

/// JSONata's numbers are doubles; a whole one is written without a fraction.
#[allow(clippy::cast_possible_truncation, reason = "whole and within the bounds of what a double holds exactly")]
pub(super) fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        Value::from(value as i64)
    } else {
        Number::from_f64(value).map_or(Value::Null, Value::Number)
    }
}

/// Equality by value: 1 is 1.0.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        (left, right) => left == right,
    }
}

/// What counts as true (<https://docs.jsonata.org/boolean-functions#boolean>).
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(truth),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// A value as `$string` writes it (<https://docs.jsonata.org/string-functions#string>), a text in quotes.
pub(super) fn json_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number_text(number.as_f64().unwrap_or_default()),
        Value::String(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(json_text).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let fields =
                fields.iter().map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), json_text(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
    }
}

/// At most 15 significant digits, in the notation of JavaScript.
fn number_text(value: f64) -> String {
    let rounded: f64 = format!("{value:.14e}").parse().unwrap_or(value);
    let size = rounded.abs();
    if rounded == 0.0 {
        "0".to_owned()
    } else if (1e-6..1e21).contains(&size) {
        rounded.to_string()
    } else {
        let scientific = format!("{rounded:e}");
        if size < 1.0 { scientific } else { scientific.replace('e', "e+") }
    }
}
