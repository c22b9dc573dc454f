//! What an expansion ends in: a flat list of resources, nested stacks included.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// One resource that a deployment creates.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its logical path: the nested stacks' logical identifiers and its own, as in `Network/Vpc`.
    pub path: String,
    /// Its type, as in `AWS::EC2::VPC`.
    pub kind: String,
    /// Its properties, evaluated.
    pub properties: Value,
    /// Its own tags and those that its stacks hand down. The own ones win.
    pub tags: BTreeMap<String, String>,
    /// The logical paths that it names in `DependsOn`, or that a stack around it does.
    pub depends_on: BTreeSet<String>,
    /// `DeletionPolicy`, if it has one.
    pub deletion_policy: Option<String>,
    /// `UpdateReplacePolicy`, if it has one.
    pub update_replace_policy: Option<String>,
}

impl Resource {
    /// A property by its JSON pointer without the first slash, as in `Tags/0/Key`; null when there is none.
    #[must_use]
    pub fn get(&self, pointer: &str) -> &Value {
        self.properties.pointer(&format!("/{pointer}")).unwrap_or(&Value::Null)
    }

    /// A property as text; empty when it is none.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.get(pointer).as_str().unwrap_or_default()
    }

    /// The symbol of this resource's `Ref`, as it stands in what refers to it.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("${{{}}}", self.path)
    }

    /// The symbol of one of this resource's attributes.
    #[must_use]
    pub fn attribute(&self, name: &str) -> String {
        format!("${{{}.{name}}}", self.path)
    }

    /// Whether a property anywhere refers to the other resource, by `Ref` or by attribute.
    #[must_use]
    pub fn refers_to(&self, other: &Self) -> bool {
        let attribute = format!("${{{}.", other.path);
        texts(&self.properties).iter().any(|text| text.contains(&other.reference()) || text.contains(&attribute))
    }

    /// The statements of every policy document within, inline policies and resource policies alike.
    #[must_use]
    pub fn statements(&self) -> Vec<&Value> {
        let mut found = Vec::new();
        collect_statements(&self.properties, &mut found);
        found
    }
}

fn collect_statements<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if name == "Statement" {
                    found.extend(inner.as_array().map_or(std::slice::from_ref(inner), Vec::as_slice));
                } else {
                    collect_statements(inner, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_statements(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every text within a value, without the fields' names.
#[must_use]
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Whether a value that may be one text or a list of them is or holds this one.
#[must_use]
pub fn holds(value: &Value, text: &str) -> bool {
    value.as_array().map_or_else(|| value == text, |items| items.iter().any(|item| item == text))
}

/// What a deployment creates and what it tells.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The Region it is in.
    pub region: String,
    /// Every resource, nested stacks themselves left out.
    pub resources: Vec<Resource>,
    /// The outermost stack's outputs, evaluated.
    pub outputs: BTreeMap<String, Value>,
}

impl Stack {
    /// Every resource of a type, in the order of their paths.
    #[must_use]
    pub fn all(&self, kind: &str) -> Vec<&Resource> {
        self.resources.iter().filter(|resource| resource.kind == kind).collect()
    }

    /// The only resource of a type.
    ///
    /// # Panics
    /// When there is none, or more than one; it says which.
    #[must_use]
    pub fn only(&self, kind: &str) -> &Resource {
        let found = self.all(kind);
        let paths: Vec<_> = found.iter().map(|resource| &resource.path).collect();
        assert!(found.len() == 1, "one {kind} was expected, found {paths:?}");
        found[0]
    }

    /// The resource at a logical path, as in `Network/Vpc`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn at(&self, path: &str) -> &Resource {
        let found = self.find(path);
        assert!(found.is_some(), "there is no resource {path}");
        found.unwrap_or(&self.resources[0])
    }

    /// The resource at a logical path, if it is created.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.path == path)
    }

    /// The resource that a symbol stands for: `${Network/Vpc}` or one of its attributes.
    #[must_use]
    pub fn target(&self, symbol: &str) -> Option<&Resource> {
        let inner = symbol.strip_prefix("${")?.strip_suffix('}')?;
        self.find(inner.split('.').next().unwrap_or(inner))
    }
}
