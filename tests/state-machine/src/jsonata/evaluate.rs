//! The value of an expression.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::EvaluationError;
use super::parse::{Node, Operator, Start, Step};
use super::value::{Yield, equal, field, json_text, number, truth};

type Outcome<'a> = Result<Yield<'a>, EvaluationError>;

pub(super) fn evaluate<'a>(
    root: &'a Node,
    variable: &dyn Fn(&str) -> Option<&'a Value>,
) -> Result<Option<Value>, EvaluationError> {
    let evaluation = Evaluation { variable };
    Ok(evaluation.node(root, None, None)?.into_value())
}

/// What blocks and functions bind, the newest first.
struct Locals<'l, 'a> {
    name: &'a str,
    meaning: Meaning<'l, 'a>,
    before: Option<&'l Locals<'l, 'a>>,
}

enum Meaning<'l, 'a> {
    Value(Yield<'a>),
    /// With what was bound where it was defined.
    Function {
        parameters: &'a [String],
        body: &'a Node,
        defined_with: Option<&'l Locals<'l, 'a>>,
    },
}

impl<'l, 'a> Locals<'l, 'a> {
    fn find(from: Option<&'l Self>, name: &str) -> Option<&'l Meaning<'l, 'a>> {
        let mut next = from;
        while let Some(local) = next {
            if local.name == name {
                return Some(&local.meaning);
            }
            next = local.before;
        }
        None
    }
}

struct Evaluation<'v, 'a> {
    variable: &'v dyn Fn(&str) -> Option<&'a Value>,
}

impl<'a> Evaluation<'_, 'a> {
    /// `context` is the item that a filter looks at.
    fn node<'l>(
        &self,
        node: &'a Node,
        context: Option<&Cow<'a, Value>>,
        locals: Option<&'l Locals<'l, 'a>>,
    ) -> Outcome<'a> {
        match node {
            Node::Literal(value) => Ok(Yield::One(Cow::Borrowed(value))),
            Node::Variable(name) => Ok(match Locals::find(locals, name) {
                Some(Meaning::Value(value)) => value.clone(),
                Some(Meaning::Function { .. }) => Yield::Nothing,
                None => Yield::of((self.variable)(name).map(Cow::Borrowed)),
            }),
            Node::Path { start, steps } => self.path(start, steps, context, locals),
            Node::Filtered { base, filters } => {
                let base = self.node(base, context, locals)?;
                Ok(self.filtered(base, filters, locals)?.settled())
            }
            Node::Array(nodes) => self.array(nodes, context, locals),
            Node::Object(fields) => self.object(fields, context, locals),
            Node::Block(statements) => self.block(statements, context, locals),
            // The parser lets these two stand in blocks only.
            Node::Bind { .. } | Node::Define { .. } => Ok(Yield::Nothing),
            Node::Call { function, arguments } => {
                let values = self.all(arguments, context, locals)?;
                function.call(values)
            }
            Node::CallDefined { name, arguments } => {
                let values = self.all(arguments, context, locals)?;
                let Some(Meaning::Function { parameters, body, defined_with }) = Locals::find(locals, name) else {
                    return Err(EvaluationError(format!("${name} is no function")));
                };
                self.body(parameters, values, body, context, *defined_with)
            }
            Node::Conditional { condition, then, otherwise } => {
                let chosen = if is_true(self.node(condition, context, locals)?) { then } else { otherwise };
                self.node(chosen, context, locals)
            }
            Node::Binary { operator, left, right } => self.binary(*operator, left, right, context, locals),
        }
    }

    fn all<'l>(
        &self,
        nodes: &'a [Node],
        context: Option<&Cow<'a, Value>>,
        locals: Option<&'l Locals<'l, 'a>>,
    ) -> Result<Vec<Yield<'a>>, EvaluationError> {
        nodes.iter().map(|node| self.node(node, context, locals)).collect()
    }

    /// Binds the parameters, one after the other, then evaluates the function's body.
    fn body<'l>(
        &self,
        parameters: &'a [String],
        values: Vec<Yield<'a>>,
        body: &'a Node,
        context: Option<&Cow<'a, Value>>,
        locals: Option<&'l Locals<'l, 'a>>,
    ) -> Outcome<'a> {
        let mut values = values.into_iter();
        let (Some((name, rest)), Some(value)) = (parameters.split_first(), values.next()) else {
            return self.node(body, context, locals);
        };
        let bound = Locals { name, meaning: Meaning::Value(value), before: locals };
        self.body(rest, values.collect(), body, context, Some(&bound))
    }

    fn block<'l>(
        &self,
        statements: &'a [Node],
        context: Option<&Cow<'a, Value>>,
        locals: Option<&'l Locals<'l, 'a>>,
    ) -> Outcome<'a> {
        let Some((first, rest)) = statements.split_first() else {
            return Ok(Yield::Nothing);
        };
        let (name, meaning) = match first {
            Node::Bind { name, value } => (name, Meaning::Value(self.node(value, context, locals)?)),
            Node::Define { name, parameters, body } => {
                (name, Meaning::Function { parameters, body, defined_with: locals })
            }
            other => {
                let value = self.node(other, context, locals)?;
                return if rest.is_empty() { Ok(value) } else { self.block(rest, context, locals) };
            }
        };
        self.block(rest, context, Some(&Locals { name, meaning, before: locals }))
    }

    fn path<'l>(
        &self,
        start: &'a Start,
        steps: &'a [Step],
        context: Option<&Cow<'a, Value>>,
        locals: Option<&'l Locals<'l, 'a>>,
    ) -> Outcome<'a> {
        let mut items = match start {
            Start::Context => Yield::of(context.cloned()).items(),
            Start::Node(node) => self.node(node, context, locals)?.items(),
        };
        for (index, step) in steps.iter().enumerate() {
            let mut found = Vec::new();
            for item in &items {
                let value = self.filtered(field(item, &step.name), &step.filters, locals)?;
                if !matches!(value, Yield::Nothing) {
                    found.push(value);
                }
            }
            // An array that is the only result of the last step stays one, however few items it has.
            if index + 1 == steps.len()
                && let [Yield::One(value)] = found.as_slice()
                && value.is_array()
            {
                return Ok(found.pop().unwrap_or(Yield::Nothing));
            }
            items = found.into_iter().flat_map(Yield::items).collect();
        }
        Ok(Yield::Selected(items).settled())
    }

    fn filtered<'l>(&self, value: Yield<'a>, filters: &'a [Node], locals: Option<&'l Locals<'l, 'a>>) -> Outcome<'a> {
        filters.iter().try_fold(value, |value, filter| self.filter(value, filter, locals))
    }

    /// What an index or a condition selects (<https://docs.jsonata.org/predicate>).
    fn filter<'l>(&self, value: Yield<'a>, filter: &'a Node, locals: Option<&'l Locals<'l, 'a>>) -> Outcome<'a> {
        let nothing = matches!(value, Yield::Nothing);
        let items = value.items();
        if let Node::Literal(Value::Number(index)) = filter {
            let selected = items.into_iter().enumerate().find(|(place, _)| is_index(index.as_f64(), *place));
            return Ok(match selected {
                None => Yield::Selected(Vec::new()),
                Some((_, item)) if item.is_array() => Yield::One(item),
                Some((_, item)) => Yield::Selected(vec![item]),
            });
        }
        if nothing {
            // The condition is looked at nevertheless, so that an error in it shows.
            self.node(filter, None, locals)?;
            return Ok(Yield::Nothing);
        }
        let mut selected = Vec::new();
        for (place, item) in items.into_iter().enumerate() {
            let condition = self.node(filter, Some(&item), locals)?;
            let wanted = match indices(&condition) {
                Some(indices) => indices.iter().any(|index| is_index(index.as_f64(), place)),
                None => is_true(condition),
            };
            if wanted {
                selected.push(item);
            }
        }
        Ok(Yield::Selected(selected))
    }

    /// Arrays and selections among the items lend their items, arrays written as such stay; nothing adds nothing.
    fn array<'l>(
        &self,
        nodes: &'a [Node],
        context: Option<&Cow<'a, Value>>,
        locals: Option<&'l Locals<'l, 'a>>,
    ) -> Outcome<'a> {
        let mut items = Vec::new();
        for node in nodes {
            let value = self.node(node, context, locals)?;
            if matches!(node, Node::Array(_)) {
                items.extend(value.into_value());
            } else {
                items.extend(value.items().into_iter().map(Cow::into_owned));
            }
        }
        Ok(Yield::owned(Value::Array(items)))
    }

    fn object<'l>(
        &self,
        fields: &'a [(Node, Node)],
        context: Option<&Cow<'a, Value>>,
        locals: Option<&'l Locals<'l, 'a>>,
    ) -> Outcome<'a> {
        let mut object = Map::new();
        for (key, value) in fields {
            let Some(Value::String(key)) = self.node(key, context, locals)?.into_value() else {
                return Err(EvaluationError("the key of an object is not a string".to_owned()));
            };
            let Some(value) = self.node(value, context, locals)?.into_value() else { continue };
            if object.insert(key.clone(), value).is_some() {
                return Err(EvaluationError(format!("the key {key} stands twice in an object")));
            }
        }
        Ok(Yield::owned(Value::Object(object)))
    }

    fn binary<'l>(
        &self,
        operator: Operator,
        left: &'a Node,
        right: &'a Node,
        context: Option<&Cow<'a, Value>>,
        locals: Option<&'l Locals<'l, 'a>>,
    ) -> Outcome<'a> {
        let first = self.node(left, context, locals)?;
        match operator {
            Operator::And if !is_true(first.clone()) => return Ok(Yield::owned(Value::Bool(false))),
            Operator::Or if is_true(first.clone()) => return Ok(Yield::owned(Value::Bool(true))),
            _ => {}
        }
        let second = self.node(right, context, locals)?;
        Ok(match operator {
            Operator::And | Operator::Or => Yield::owned(Value::Bool(is_true(second))),
            Operator::Concatenate => Yield::owned(Value::String(text_of(first) + &text_of(second))),
            Operator::Add | Operator::Subtract | Operator::Multiply => calculated(operator, first, second)?,
            Operator::Equal | Operator::NotEqual => {
                let (Some(first), Some(second)) = (first.into_value(), second.into_value()) else {
                    return Ok(Yield::owned(Value::Bool(false)));
                };
                Yield::owned(Value::Bool(equal(&first, &second) == (operator == Operator::Equal)))
            }
            Operator::In => {
                let Some(wanted) = first.into_value() else {
                    return Ok(Yield::owned(Value::Bool(false)));
                };
                if wanted.is_array() || wanted.is_object() {
                    // By identity, which values do not have here.
                    return Err(EvaluationError("only texts, numbers and the like can be looked for".to_owned()));
                }
                Yield::owned(Value::Bool(second.items().iter().any(|item| equal(item, &wanted))))
            }
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                compared(operator, first, second)?
            }
        })
    }
}

/// A filter that yields numbers means places.
fn indices<'i>(condition: &'i Yield<'_>) -> Option<Vec<&'i Value>> {
    let values: Vec<&Value> = match condition {
        Yield::Nothing => return None,
        Yield::One(value) => value.as_array().map_or_else(|| vec![&**value], |items| items.iter().collect()),
        Yield::Selected(items) => items.iter().map(AsRef::as_ref).collect(),
    };
    values.iter().all(|value| value.is_number()).then_some(values)
}

/// Whether an index, rounded down, means this place; those that count from the end are not in the subset.
fn is_index(index: Option<f64>, place: usize) -> bool {
    u32::try_from(place)
        .map(f64::from)
        .is_ok_and(|place| index.is_some_and(|index| (place..place + 1.0).contains(&index)))
}

fn is_true(value: Yield<'_>) -> bool {
    match value {
        Yield::Nothing => false,
        Yield::One(value) => truth(&value),
        Yield::Selected(items) => items.iter().any(|item| truth(item)),
    }
}

/// `&` takes nothing for an empty text.
fn text_of(value: Yield<'_>) -> String {
    match value.into_value() {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(other) => json_text(&other),
    }
}

fn calculated<'a>(operator: Operator, first: Yield<'a>, second: Yield<'a>) -> Outcome<'a> {
    let operand = |value: Yield<'a>| match value.into_value() {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(other) => Err(EvaluationError(format!("{} is not a number to calculate with", json_text(&other)))),
    };
    let (first, second) = (operand(first)?, operand(second)?);
    let (Some(first), Some(second)) = (first, second) else {
        return Ok(Yield::Nothing);
    };
    let result = match operator {
        Operator::Subtract => first - second,
        Operator::Multiply => first * second,
        _ => first + second,
    };
    if result.is_finite() {
        return Ok(Yield::owned(number(result)));
    }
    Err(EvaluationError("a number is too large".to_owned()))
}

fn compared<'a>(operator: Operator, first: Yield<'a>, second: Yield<'a>) -> Outcome<'a> {
    let (first, second) = (first.into_value(), second.into_value());
    if let Some(other) = [&first, &second].into_iter().flatten().find(|value| !value.is_number() && !value.is_string())
    {
        return Err(EvaluationError(format!("{} has no order", json_text(other))));
    }
    let (Some(first), Some(second)) = (first, second) else {
        return Ok(Yield::Nothing);
    };
    let order = match (&first, &second) {
        (Value::Number(first), Value::Number(second)) => first.as_f64().partial_cmp(&second.as_f64()),
        (Value::String(first), Value::String(second)) => Some(first.encode_utf16().cmp(second.encode_utf16())),
        _ => return Err(EvaluationError("a number and a text have no order".to_owned())),
    };
    Ok(Yield::owned(Value::Bool(match operator {
        Operator::Less => order == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => order == Some(Ordering::Greater),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    })))
}
