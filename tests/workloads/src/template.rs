//! A template's file as data, in the long form of its functions: `!Sub x` reads as `{"Fn::Sub": "x"}`.

use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};

/// Reads a template.
pub(crate) fn load(path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let documents = Yaml::load_from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    documents.first().map(plain).ok_or_else(|| format!("{} is empty", path.display()))
}

fn plain(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(scalar) => plain_scalar(scalar),
        Yaml::Sequence(items) => items.iter().map(plain).collect(),
        Yaml::Mapping(fields) => fields.iter().map(|(key, value)| (plain_key(key), plain(value))).collect(),
        Yaml::Tagged(tag, inner) => Value::Object(Map::from_iter([(long_form(&tag.suffix), plain(inner))])),
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => Value::Null,
    }
}

fn plain_key(yaml: &Yaml<'_>) -> String {
    let key = plain(yaml);
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}

fn long_form(tag: &str) -> String {
    match tag {
        "Ref" | "Condition" => tag.to_owned(),
        function => format!("Fn::{function}"),
    }
}

fn plain_scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => Value::from(*flag),
        Scalar::Integer(number) => Value::from(*number),
        Scalar::FloatingPoint(number) => Value::from(number.into_inner()),
        Scalar::String(text) => Value::from(text.as_ref()),
    }
}
