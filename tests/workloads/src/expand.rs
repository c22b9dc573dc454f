//! Stacks in stacks: parameters down, outputs up.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::ACCOUNT;
use crate::evaluate::{Scope, as_text, evaluate, holds};
use crate::stack::{Resource, Stack};
use crate::template::load;

const NESTED_STACK: &str = "AWS::CloudFormation::Stack";
/// The properties under which types carry their tags.
const TAG_PROPERTIES: [&str; 4] = ["Tags", "HealthCheckTags", "HostedZoneTags", "FileSystemTags"];

pub(crate) fn expand(file: &Path, region: &str, given: &BTreeMap<String, String>) -> Result<Stack, String> {
    let given = given.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect();
    let outermost = Nested::open(file.to_path_buf(), String::new(), region, &given)?;
    let in_file = |error| format!("{}: {error}", file.display());
    let mut resources = outermost.resources().map_err(in_file)?;
    resources.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(Stack { region: region.to_owned(), resources, outputs: outermost.outputs().map_err(in_file)? })
}

/// One stack, with the values its parameters have.
struct Nested {
    file: PathBuf,
    /// The logical path of the stack with a final slash; empty for the outermost.
    prefix: String,
    region: String,
    template: Value,
    parameters: BTreeMap<String, Value>,
    children: RefCell<BTreeMap<String, Option<Rc<Nested>>>>,
}

impl Nested {
    fn open(file: PathBuf, prefix: String, region: &str, given: &BTreeMap<String, Value>) -> Result<Self, String> {
        let mut template = load(&file)?;
        let declared = template["Parameters"].as_object().cloned().unwrap_or_default();
        if let Some(unknown) = given.keys().find(|name| !declared.contains_key(*name)) {
            return Err(format!("{} takes no parameter {unknown}", file.display()));
        }
        let mut parameters = BTreeMap::new();
        for (name, declaration) in &declared {
            let value = match given.get(name).or_else(|| declaration.get("Default")) {
                Some(value) => value.clone(),
                None if prefix.is_empty() => Value::from(format!("${{{name}}}")),
                None => return Err(format!("{prefix} is not given {name}, which {} needs", file.display())),
            };
            check_allowed(name, &value, declaration)?;
            parameters.insert(name.clone(), typed(&value, declaration["Type"].as_str().unwrap_or_default())?);
        }
        merge_globals(&mut template);
        let children = RefCell::new(BTreeMap::new());
        let nested = Self { file, prefix, region: region.to_owned(), template, parameters, children };
        nested.check_rules()?;
        Ok(nested)
    }

    /// `Rules`: what CloudFormation refuses to deploy, with the reasons that it gives.
    fn check_rules(&self) -> Result<(), String> {
        let mut broken = Vec::new();
        for (name, rule) in self.template["Rules"].as_object().into_iter().flatten() {
            if !rule.get("RuleCondition").map_or(Ok(true), |condition| holds(self, condition))? {
                continue;
            }
            for assertion in rule["Assertions"].as_array().into_iter().flatten() {
                if !holds(self, &assertion["Assert"])? {
                    let reason = assertion["AssertDescription"].as_str().unwrap_or_default();
                    broken.push(format!("{name}: {reason}"));
                }
            }
        }
        if broken.is_empty() { Ok(()) } else { Err(format!("{}: {}", self.file.display(), broken.join(" "))) }
    }

    fn exists(&self, declaration: &Value) -> Result<bool, String> {
        declaration["Condition"].as_str().map_or(Ok(true), |name| self.condition(name))
    }

    fn path(&self, logical: &str) -> String {
        format!("{}{logical}", self.prefix)
    }

    /// The nested stack of that logical identifier, opened once.
    fn child(&self, logical: &str) -> Result<Rc<Self>, String> {
        match self.children.borrow().get(logical) {
            Some(Some(child)) => return Ok(Rc::clone(child)),
            Some(None) => return Err(format!("{} needs its own outputs", self.path(logical))),
            None => {}
        }
        self.children.borrow_mut().insert(logical.to_owned(), None);
        let properties = &self.template["Resources"][logical]["Properties"];
        let url = properties["TemplateURL"].as_str().ok_or_else(|| format!("{logical} has no TemplateURL"))?;
        let file = self.file.parent().unwrap_or(Path::new(".")).join(url);
        let mut given = BTreeMap::new();
        for (name, value) in properties["Parameters"].as_object().into_iter().flatten() {
            let value = evaluate(self, value).map_err(|error| format!("{}.{name}: {error}", self.path(logical)))?;
            if let Some(value) = value {
                given.insert(name.clone(), Value::from(as_text(&value)?));
            }
        }
        let child = Rc::new(Self::open(file, format!("{}/", self.path(logical)), &self.region, &given)?);
        self.children.borrow_mut().insert(logical.to_owned(), Some(Rc::clone(&child)));
        Ok(child)
    }

    fn resources(&self) -> Result<Vec<Resource>, String> {
        let mut all = Vec::new();
        for (logical, declaration) in self.template["Resources"].as_object().into_iter().flatten() {
            if !self.exists(declaration)? {
                continue;
            }
            let own =
                self.resource(logical, declaration).map_err(|error| format!("{}: {error}", self.path(logical)))?;
            if own.kind != NESTED_STACK {
                all.push(own);
                continue;
            }
            for mut inner in self.child(logical)?.resources()? {
                for (tag, value) in &own.tags {
                    inner.tags.entry(tag.clone()).or_insert_with(|| value.clone());
                }
                inner.depends_on.extend(own.depends_on.iter().cloned());
                all.push(inner);
            }
        }
        Ok(all)
    }

    fn resource(&self, logical: &str, declaration: &Value) -> Result<Resource, String> {
        let empty = Value::Object(Map::new());
        let declared = declaration.get("Properties").unwrap_or(&empty);
        let properties = evaluate(self, declared)?.unwrap_or(empty);
        let policy = |name: &str| -> Result<Option<String>, String> {
            declaration
                .get(name)
                .map(|policy| evaluate(self, policy))
                .transpose()?
                .flatten()
                .as_ref()
                .map(as_text)
                .transpose()
        };
        let mut depends_on = BTreeSet::new();
        for name in listed(&declaration["DependsOn"]) {
            let other = self.template["Resources"].get(&name);
            if !self.exists(other.ok_or_else(|| format!("depends on {name}, which is not there"))?)? {
                return Err(format!("depends on {name}, whose condition does not hold"));
            }
            depends_on.insert(self.path(&name));
        }
        Ok(Resource {
            path: self.path(logical),
            kind: declaration["Type"].as_str().unwrap_or_default().to_owned(),
            tags: tags(&properties),
            properties,
            depends_on,
            deletion_policy: policy("DeletionPolicy")?,
            update_replace_policy: policy("UpdateReplacePolicy")?,
        })
    }

    fn outputs(&self) -> Result<BTreeMap<String, Value>, String> {
        let mut all = BTreeMap::new();
        for (name, output) in self.template["Outputs"].as_object().into_iter().flatten() {
            if self.exists(output)? {
                let value = evaluate(self, &output["Value"]).map_err(|error| format!("output {name}: {error}"))?;
                all.insert(name.clone(), value.ok_or_else(|| format!("output {name} has no value"))?);
            }
        }
        Ok(all)
    }
}

impl Scope for Nested {
    fn reference(&self, name: &str) -> Result<Option<Value>, String> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        let pseudo = match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::Region" => self.region.clone(),
            "AWS::AccountId" => ACCOUNT.to_owned(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            "AWS::StackName" | "AWS::StackId" => format!("${{{}}}", self.path(name)),
            resource => match self.template["Resources"].get(resource) {
                Some(declaration) if self.exists(declaration)? => format!("${{{}}}", self.path(resource)),
                Some(_) => return Err(format!("{resource} is referred to, but its condition does not hold")),
                None => return Err(format!("there is no {resource} in {}", self.file.display())),
            },
        };
        Ok(Some(Value::from(pseudo)))
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Result<Value, String> {
        self.reference(resource)?;
        if self.template["Resources"][resource]["Type"] != NESTED_STACK {
            return Ok(Value::from(format!("${{{}.{attribute}}}", self.path(resource))));
        }
        let output = attribute.strip_prefix("Outputs.").ok_or_else(|| format!("{attribute} is no output"))?;
        let child = self.child(resource)?;
        let declared = child.template["Outputs"].get(output);
        match declared {
            Some(declared) if child.exists(declared)? => {
                let value = evaluate(&*child, &declared["Value"])?.ok_or_else(|| format!("{output} has no value"))?;
                Ok(Value::from(as_text(&value)?))
            }
            _ => Err(format!("{} gives no output {output}", self.path(resource))),
        }
    }

    fn condition(&self, name: &str) -> Result<bool, String> {
        let expression =
            self.template["Conditions"].get(name).ok_or_else(|| format!("there is no condition {name}"))?;
        holds(self, expression)
    }

    fn mapping(&self, map: &str, first: &str, second: &str) -> Result<Value, String> {
        let value = &self.template["Mappings"][map][first][second];
        if value.is_null() { Err(format!("nothing in mapping {map} for {first}, {second}")) } else { Ok(value.clone()) }
    }

    fn region(&self) -> &str {
        &self.region
    }
}

fn check_allowed(name: &str, value: &Value, declaration: &Value) -> Result<(), String> {
    let given = as_text(value)?;
    match declaration["AllowedValues"].as_array() {
        Some(allowed) if !given.contains("${") => {
            let allowed = allowed.iter().map(as_text).collect::<Result<Vec<_>, _>>()?;
            if allowed.contains(&given) { Ok(()) } else { Err(format!("{name} may not be {given}")) }
        }
        _ => Ok(()),
    }
}

/// A parameter's value in its declared type.
fn typed(value: &Value, kind: &str) -> Result<Value, String> {
    let given = as_text(value)?;
    Ok(match kind {
        "Number" => given.parse::<i64>().map_or_else(
            |_| given.parse::<f64>().map_or_else(|_| Value::from(given.clone()), Value::from),
            Value::from,
        ),
        "CommaDelimitedList" => Value::Array(split(&given)),
        list if list.starts_with("List<") => Value::Array(split(&given)),
        _ => Value::from(given),
    })
}

fn split(text: &str) -> Vec<Value> {
    // Of an empty value, CloudFormation makes a list of one empty text.
    text.split(',').map(|item| Value::from(item.trim())).collect()
}

/// `Globals` of SAM under the functions' own properties.
fn merge_globals(template: &mut Value) {
    let globals = template["Globals"]["Function"].clone();
    for resource in template["Resources"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if resource["Type"] == "AWS::Serverless::Function" {
            let own = resource["Properties"].take();
            resource["Properties"] = merged(&globals, own);
        }
    }
}

fn merged(global: &Value, own: Value) -> Value {
    match (global, own) {
        (global, Value::Null) => global.clone(),
        (Value::Object(global), Value::Object(mut own)) => {
            for (name, value) in global {
                let inner = own.remove(name).unwrap_or(Value::Null);
                own.insert(name.clone(), merged(value, inner));
            }
            Value::Object(own)
        }
        (_, own) => own,
    }
}

/// The tags in a resource's properties: a list of pairs, or an object as SAM and some types have it.
fn tags(properties: &Value) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for tags in TAG_PROPERTIES.iter().filter_map(|name| properties.get(name)) {
        for pair in tags.as_array().into_iter().flatten() {
            if let (Some(key), Ok(value)) = (pair["Key"].as_str(), as_text(&pair["Value"])) {
                all.insert(key.to_owned(), value);
            }
        }
        for (key, value) in tags.as_object().into_iter().flatten() {
            all.extend(as_text(value).map(|value| (key.clone(), value)));
        }
    }
    all
}

fn listed(value: &Value) -> Vec<String> {
    match value {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}
