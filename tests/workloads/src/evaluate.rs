//! CloudFormation's intrinsic functions, as far as the project's templates use them. An unknown one is an error.

use std::net::Ipv4Addr;

use serde_json::{Map, Value};

/// What a template can refer to.
pub(crate) trait Scope {
    /// A `Ref`; `None` is `AWS::NoValue`.
    fn reference(&self, name: &str) -> Result<Option<Value>, String>;
    /// A `Fn::GetAtt`.
    fn attribute(&self, resource: &str, attribute: &str) -> Result<Value, String>;
    /// A named condition.
    fn condition(&self, name: &str) -> Result<bool, String>;
    /// An entry of a mapping.
    fn mapping(&self, map: &str, first: &str, second: &str) -> Result<Value, String>;
    /// The Region.
    fn region(&self) -> &str;
}

/// A value with all functions in it evaluated; `None` is `AWS::NoValue`.
pub(crate) fn evaluate(scope: &dyn Scope, value: &Value) -> Result<Option<Value>, String> {
    match value {
        Value::Object(fields) => match function(fields) {
            Some((name, argument)) => call(scope, name, argument),
            None => object(scope, fields).map(Some),
        },
        Value::Array(items) => {
            let mut evaluated = Vec::new();
            for item in items {
                evaluated.extend(evaluate(scope, item)?);
            }
            Ok(Some(Value::Array(evaluated)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Some(value.clone())),
    }
}

fn object(scope: &dyn Scope, fields: &Map<String, Value>) -> Result<Value, String> {
    let mut evaluated = Map::new();
    for (name, field) in fields {
        if let Some(field) = evaluate(scope, field).map_err(|error| format!("{name}: {error}"))? {
            evaluated.insert(name.clone(), field);
        }
    }
    Ok(Value::Object(evaluated))
}

fn function(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = fields.iter();
    let (name, argument) = entries.next()?;
    let alone = entries.next().is_none();
    (alone && (name == "Ref" || name.starts_with("Fn::"))).then_some((name, argument))
}

fn call(scope: &dyn Scope, name: &str, argument: &Value) -> Result<Option<Value>, String> {
    let value = match name {
        "Ref" => return scope.reference(text(argument)?),
        "Fn::If" => {
            let [condition, then, otherwise] = arguments(name, argument)?;
            let branch = if scope.condition(text(condition)?)? { then } else { otherwise };
            return evaluate(scope, branch);
        }
        "Fn::GetAtt" => attribute(scope, argument)?,
        "Fn::Sub" => Value::String(substitute(scope, argument)?),
        "Fn::Join" => {
            let [delimiter, items] = arguments(name, argument)?;
            let items = list(&present(scope, items)?).iter().map(as_text).collect::<Result<Vec<_>, _>>()?;
            Value::String(items.join(text(delimiter)?))
        }
        "Fn::Split" => {
            let [delimiter, source] = arguments(name, argument)?;
            let source = as_text(&present(scope, source)?)?;
            source.split(text(delimiter)?).map(Value::from).collect()
        }
        "Fn::Select" => {
            let [index, items] = arguments(name, argument)?;
            select(&present(scope, index)?, &present(scope, items)?)?
        }
        "Fn::FindInMap" => {
            let [map, first, second] = arguments(name, argument)?;
            let [map, first, second] =
                [present(scope, map)?, present(scope, first)?, present(scope, second)?].map(|key| as_text(&key));
            scope.mapping(&map?, &first?, &second?)?
        }
        "Fn::GetAZs" => ["a", "b", "c"].iter().map(|zone| Value::from(format!("{}{zone}", scope.region()))).collect(),
        "Fn::Cidr" => {
            let [block, count, bits] = arguments(name, argument)?;
            let [block, count, bits] =
                [present(scope, block)?, present(scope, count)?, present(scope, bits)?].map(|part| as_text(&part));
            subnets(&block?, &count?, &bits?)?
        }
        "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" => {
            Value::Bool(holds(scope, &serde_json::json!({ name: argument }))?)
        }
        unknown => return Err(format!("{unknown} is not known here")),
    };
    Ok(Some(value))
}

/// A condition's expression.
pub(crate) fn holds(scope: &dyn Scope, expression: &Value) -> Result<bool, String> {
    let (name, argument) = expression
        .as_object()
        .and_then(|fields| fields.iter().next())
        .ok_or_else(|| format!("{expression} is no condition"))?;
    match name.as_str() {
        "Condition" => scope.condition(text(argument)?),
        "Fn::Equals" => {
            let [left, right] = arguments(name, argument)?;
            Ok(as_text(&present(scope, left)?)? == as_text(&present(scope, right)?)?)
        }
        // Of rules: whether all of a list are this one text.
        "Fn::EachMemberEquals" => {
            let [items, text] = arguments(name, argument)?;
            let text = as_text(&present(scope, text)?)?;
            list(&present(scope, items)?).iter().try_fold(true, |all, item| Ok(all & (as_text(item)? == text)))
        }
        "Fn::Not" => {
            let [inner] = arguments(name, argument)?;
            Ok(!holds(scope, inner)?)
        }
        "Fn::And" => list(argument).iter().try_fold(true, |all, inner| Ok(all & holds(scope, inner)?)),
        "Fn::Or" => list(argument).iter().try_fold(false, |any, inner| Ok(any | holds(scope, inner)?)),
        unknown => Err(format!("{unknown} is no condition")),
    }
}

fn attribute(scope: &dyn Scope, argument: &Value) -> Result<Value, String> {
    if argument.is_array() {
        let [resource, name] = arguments("Fn::GetAtt", argument)?;
        return scope.attribute(text(resource)?, &as_text(&present(scope, name)?)?);
    }
    let (resource, name) = text(argument)?.split_once('.').ok_or_else(|| format!("{argument} has no attribute"))?;
    scope.attribute(resource, name)
}

fn substitute(scope: &dyn Scope, argument: &Value) -> Result<String, String> {
    let no_variables = Value::Object(Map::new());
    let (template, variables) = if argument.is_array() {
        let [template, variables] = arguments("Fn::Sub", argument)?;
        (text(template)?, variables)
    } else {
        (text(argument)?, &no_variables)
    };
    let mut result = String::new();
    let mut rest = template;
    while let Some(start) = rest.find("${") {
        let end = rest[start..].find('}').ok_or_else(|| format!("{template}: an open ${{"))? + start;
        let name = rest[start + 2..end].trim();
        result.push_str(&rest[..start]);
        if let Some(literal) = name.strip_prefix('!') {
            result.extend(["${", literal, "}"]);
        } else if let Some(variable) = variables.get(name) {
            result.push_str(&as_text(&present(scope, variable)?)?);
        } else if let Some((resource, attribute)) = name.split_once('.') {
            result.push_str(&as_text(&scope.attribute(resource, attribute)?)?);
        } else {
            let value = scope.reference(name)?.ok_or_else(|| format!("{template}: no value for {name}"))?;
            result.push_str(&as_text(&value)?);
        }
        rest = &rest[end + 1..];
    }
    result.push_str(rest);
    Ok(result)
}

fn select(index: &Value, items: &Value) -> Result<Value, String> {
    let index: usize = as_text(index)?.parse().map_err(|_| format!("{index} is no index"))?;
    let items = list(items);
    if let Some(item) = items.get(index) {
        return Ok(item.clone());
    }
    // Part of a text that only AWS knows.
    match items {
        [Value::String(only)] if only.contains("${") => Ok(Value::from(format!("{only}[{index}]"))),
        _ => Err(format!("there is no item {index} in {items:?}")),
    }
}

/// `Fn::Cidr`: `count` blocks of `bits` host bits each, from the start of `block`.
fn subnets(block: &str, count: &str, bits: &str) -> Result<Value, String> {
    let wrong = || format!("{block}, {count}, {bits} make no subnets");
    let (address, prefix) = block.split_once('/').ok_or_else(wrong)?;
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let prefix: u32 = prefix.parse().map_err(|_| wrong())?;
    let count: u32 = count.parse().map_err(|_| wrong())?;
    let bits: u32 = bits.parse().map_err(|_| wrong())?;
    let room = 32u32.checked_sub(prefix).and_then(|host| host.checked_sub(bits)).ok_or_else(wrong)?;
    if bits >= 32 || room >= 32 || count > 1 << room {
        return Err(wrong());
    }
    let block = |index: u32| format!("{}/{}", Ipv4Addr::from(u32::from(address) + (index << bits)), 32 - bits);
    Ok((0..count).map(|index| Value::from(block(index))).collect())
}

fn present(scope: &dyn Scope, value: &Value) -> Result<Value, String> {
    evaluate(scope, value)?.ok_or_else(|| format!("{value} has no value"))
}

fn arguments<'a, const COUNT: usize>(name: &str, argument: &'a Value) -> Result<[&'a Value; COUNT], String> {
    let items: Vec<&Value> = list(argument).iter().collect();
    items.try_into().map_err(|_| format!("{name} takes {COUNT} arguments, not {argument}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{value} is no text"))
}

/// A scalar as CloudFormation writes it into text.
pub(crate) fn as_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        // A list where text is wanted, as a list parameter's value is.
        Value::Array(items) => Ok(items.iter().map(as_text).collect::<Result<Vec<_>, _>>()?.join(",")),
        Value::Null | Value::Object(_) => Err(format!("{value} is no text")),
    }
}
