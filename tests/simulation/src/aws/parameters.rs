//! The parameters of requests with a JSON body.

use failover::testing::wire::Request;
use serde_json::Value;

/// Makes sure that a request has none but these parameters: what is not simulated must not be ignored.
///
/// # Panics
/// On any other one.
pub fn only(request: &Request, known: &[&str]) {
    let fields =
        request.body.as_object().unwrap_or_else(|| panic!("{}: {} is no object", request.name(), request.body));
    if let Some(other) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        panic!("{}: {other} is not simulated: {}", request.name(), request.body);
    }
}

/// The same for a form, of the Query protocol: a name that ends in a dot stands for a list's items.
///
/// # Panics
/// On any other one.
pub fn only_of_form(request: &Request, known: &[&str]) {
    let fields = request.body.as_object().unwrap_or_else(|| panic!("{}: {} is no form", request.name(), request.body));
    let is_known = |field: &str| {
        let named = |name: &str| if name.ends_with('.') { field.starts_with(name) } else { field == name };
        ["Action", "Version"].contains(&field) || known.iter().any(|name| named(name))
    };
    if let Some(other) = fields.keys().find(|field| !is_known(field)) {
        panic!("{}: {other} is not simulated: {}", request.name(), request.body);
    }
}

/// A parameter that is a text.
///
/// # Panics
/// When it is missing.
#[must_use]
pub fn text<'a>(request: &'a Request, field: &str) -> &'a str {
    let found = request.body[field].as_str();
    found.unwrap_or_else(|| panic!("{}: {field} is missing: {}", request.name(), request.body))
}

/// A parameter that is a list of texts; none when it is missing.
#[must_use]
pub fn texts<'a>(request: &'a Request, field: &str) -> Option<Vec<&'a str>> {
    Some(request.body[field].as_array()?.iter().filter_map(Value::as_str).collect())
}

/// A parameter that is a count; none when it is missing.
///
/// # Panics
/// When it is no count.
#[must_use]
pub fn count(request: &Request, field: &str) -> Option<u32> {
    let value = request.body.get(field)?;
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
    Some(count.unwrap_or_else(|| panic!("{}: {field} is no count: {value}", request.name())))
}
