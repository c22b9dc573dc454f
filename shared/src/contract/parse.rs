//! Reading JSON from outside, with errors that name the field.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;

/// Reads a request or an event.
///
/// # Errors
/// [`Error::InvalidRequest`] with the path of the field that is missing, unknown or malformed.
pub fn parse<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    read(value, |path| path.unwrap_or("request").to_owned())
}

/// Reads a document that stands in the field `at` of something else.
///
/// # Errors
/// [`Error::InvalidRequest`] with the path of the field, beginning with `at`.
pub fn parse_at<T: DeserializeOwned>(at: &str, value: Value) -> Result<T, Error> {
    read(value, |path| path.map_or_else(|| at.to_owned(), |path| format!("{at}.{path}")))
}

/// `field` makes the field's name of its path; there is none for the document itself, and for a field without a name.
fn read<T: DeserializeOwned>(value: Value, field: impl Fn(Option<&str>) -> String) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = Some(path.as_str()).filter(|path| !matches!(*path, "." | ""));
        Error::invalid(field(path), error.into_inner().to_string())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::PromoteRequest;

    fn problem(value: Value) -> String {
        parse::<PromoteRequest>(value).expect_err("refused").to_string()
    }

    #[test]
    fn an_unknown_field_a_missing_one_and_a_malformed_one_are_each_named() {
        assert!(problem(json!({ "mode": "failover", "forse": true })).contains("forse"));
        assert!(problem(json!({})).contains("missing field `mode`"));
        let nested = problem(json!({ "mode": "failover", "run": { "generation": "three" } }));
        assert!(nested.starts_with("run.generation: "), "{nested}");
        let arn = problem(json!({ "mode": "failover", "target_cluster_arn": "trading" }));
        assert!(arn.starts_with("target_cluster_arn: ") && arn.contains("\"trading\""), "{arn}");
    }

    #[test]
    fn what_has_no_name_is_named_by_what_it_stands_in() {
        for value in [json!({ "": 1 }), json!(7)] {
            assert!(problem(value.clone()).starts_with("request: "), "{}", problem(value));
        }
        let error = parse_at::<PromoteRequest>("plan_document", json!({ "": 1 })).expect_err("refused");
        assert!(error.to_string().starts_with("plan_document: "), "{error}");
    }

    #[test]
    fn a_document_within_a_field_is_named_with_the_field() {
        let error = parse_at::<PromoteRequest>("plan_document", json!({ "mode": 7 })).expect_err("refused");
        assert!(error.to_string().starts_with("plan_document.mode: "), "{error}");
    }
}
