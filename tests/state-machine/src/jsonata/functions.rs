//! JSONata's own functions, as far as the definition calls them (<https://docs.jsonata.org/overview>).

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::EvaluationError;
use super::value::{Yield, field, json_text};
use crate::timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builtin {
    Count,
    Exists,
    FromMillis,
    Lookup,
    Merge,
    Split,
    String,
    Substring,
    ToMillis,
}

impl Builtin {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "count" => Self::Count,
            "exists" => Self::Exists,
            "fromMillis" => Self::FromMillis,
            "lookup" => Self::Lookup,
            "merge" => Self::Merge,
            "split" => Self::Split,
            "string" => Self::String,
            "substring" => Self::Substring,
            "toMillis" => Self::ToMillis,
            _ => return None,
        })
    }

    /// How many arguments; optional ones that the definition does not use are not known here.
    pub(super) fn takes(self) -> RangeInclusive<usize> {
        match self {
            Self::Count | Self::Exists | Self::FromMillis | Self::Merge | Self::String | Self::ToMillis => 1..=1,
            Self::Lookup | Self::Split => 2..=2,
            Self::Substring => 2..=3,
        }
    }

    /// The parser has seen to the number of arguments.
    pub(super) fn call(self, arguments: Vec<Yield<'_>>) -> Result<Yield<'_>, EvaluationError> {
        let mut arguments = arguments.into_iter();
        let mut next = || arguments.next().unwrap_or(Yield::Nothing);
        Ok(match self {
            Self::Count => Yield::owned(Value::from(next().items().len())),
            Self::Exists => Yield::owned(Value::Bool(!matches!(next(), Yield::Nothing))),
            Self::FromMillis => from_millis(next())?,
            Self::Lookup => lookup(next(), next())?,
            Self::Merge => merge(next())?,
            Self::Split => split(next(), next())?,
            Self::String => string(next()),
            Self::Substring => substring(next(), next(), next())?,
            Self::ToMillis => to_millis(next())?,
        })
    }
}

fn from_millis(millis: Yield<'_>) -> Result<Yield<'_>, EvaluationError> {
    let Some(millis) = number_argument("$fromMillis", millis)? else {
        return Ok(Yield::Nothing);
    };
    #[allow(clippy::cast_possible_truncation, reason = "fractions of a millisecond are cut off, as in a Date")]
    let text = timestamp::to_text(millis as i64);
    let text = text.ok_or_else(|| EvaluationError(format!("$fromMillis: {millis} is no time")))?;
    Ok(Yield::owned(Value::String(text)))
}

fn to_millis(text: Yield<'_>) -> Result<Yield<'_>, EvaluationError> {
    let Some(text) = text_argument("$toMillis", text)? else {
        return Ok(Yield::Nothing);
    };
    let millis = timestamp::from_text(&text);
    let millis = millis.ok_or_else(|| EvaluationError(format!("$toMillis: {text} is no timestamp in UTC")))?;
    Ok(Yield::owned(Value::from(millis)))
}

fn lookup<'a>(from: Yield<'a>, key: Yield<'a>) -> Result<Yield<'a>, EvaluationError> {
    let Some(key) = text_argument("$lookup", key)? else {
        return Ok(Yield::Nothing);
    };
    Ok(match from {
        Yield::Nothing => Yield::Nothing,
        Yield::One(value) => field(&value, &key),
        Yield::Selected(items) => Yield::gathered(items.iter().map(|item| field(item, &key))),
    })
}

fn merge(objects: Yield<'_>) -> Result<Yield<'_>, EvaluationError> {
    if matches!(objects, Yield::Nothing) {
        return Ok(Yield::Nothing);
    }
    let mut merged = Map::new();
    for object in objects.items() {
        match object.into_owned() {
            Value::Object(fields) => merged.extend(fields),
            other => return Err(EvaluationError(format!("$merge: {} is no object", json_text(&other)))),
        }
    }
    Ok(Yield::owned(Value::Object(merged)))
}

fn split<'a>(text: Yield<'a>, separator: Yield<'a>) -> Result<Yield<'a>, EvaluationError> {
    let text = text_argument("$split", text)?;
    let separator = text_argument("$split", separator)?;
    let (Some(text), Some(separator)) = (text, separator) else {
        return Ok(Yield::Nothing);
    };
    if separator.is_empty() {
        return Err(EvaluationError("$split by an empty text is not supported".to_owned()));
    }
    Ok(Yield::owned(text.split(&*separator).map(Value::from).collect()))
}

fn string(value: Yield<'_>) -> Yield<'_> {
    match value.into_value() {
        None => Yield::Nothing,
        Some(text @ Value::String(_)) => Yield::owned(text),
        Some(other) => Yield::owned(Value::String(json_text(&other))),
    }
}

/// By characters, not by bytes or UTF-16 units.
fn substring<'a>(text: Yield<'a>, start: Yield<'a>, length: Yield<'a>) -> Result<Yield<'a>, EvaluationError> {
    let text = text_argument("$substring", text)?;
    let start = number_argument("$substring", start)?;
    let length = number_argument("$substring", length)?;
    let Some(text) = text else {
        return Ok(Yield::Nothing);
    };
    let index = |value: f64| {
        if value < 0.0 {
            return Err(EvaluationError("$substring with a negative number is not supported".to_owned()));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut off, and not negative")]
        Ok(value as usize)
    };
    let start = index(start.unwrap_or_default())?;
    let length = length.map_or(Ok(usize::MAX), index)?;
    Ok(Yield::owned(Value::String(text.chars().skip(start).take(length).collect())))
}

fn text_argument<'a>(function: &str, value: Yield<'a>) -> Result<Option<Cow<'a, str>>, EvaluationError> {
    match value {
        Yield::Nothing => Ok(None),
        Yield::One(Cow::Borrowed(Value::String(text))) => Ok(Some(Cow::Borrowed(text))),
        Yield::One(Cow::Owned(Value::String(text))) => Ok(Some(Cow::Owned(text))),
        Yield::One(_) | Yield::Selected(_) => Err(EvaluationError(format!("{function}: an argument is no text"))),
    }
}

fn number_argument(function: &str, value: Yield<'_>) -> Result<Option<f64>, EvaluationError> {
    match value {
        Yield::Nothing => Ok(None),
        Yield::One(value) if value.is_number() => Ok(value.as_f64()),
        Yield::One(_) | Yield::Selected(_) => Err(EvaluationError(format!("{function}: an argument is no number"))),
    }
}
