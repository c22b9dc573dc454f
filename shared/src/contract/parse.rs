//! Reading JSON from outside, with errors that name the field.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;

/// Reads a request, an event or a recovery plan.
///
/// # Errors
/// [`Error::InvalidRequest`] with the path of the field that is missing, unknown or malformed.
pub fn parse<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "request".to_owned() } else { path };
        Error::InvalidRequest { field, problem: error.into_inner().to_string() }
    })
}
