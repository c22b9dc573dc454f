//! Changes JSON so that it stays JSON: what breaks its syntax is refused by the first parser, and tells little of what
//! comes behind it.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Map, Value, json};

/// One mutation in so many is of the bytes, whatever they mean.
const ONE_IN_BYTES: u32 = 5;
/// How many changes one mutation makes at most.
const MOST_CHANGES: u32 = 3;
/// How much a string may grow by one change, in bytes.
const ROOM: usize = 64;

/// Changes `bytes[..size]`, to at most `max_size` bytes, and gives the new size.
pub fn mutate(bytes: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(u64::from(seed));
    let document = serde_json::from_slice::<Value>(&bytes[..size]).ok();
    if let Some(mut document) = document.filter(|_| random.below(ONE_IN_BYTES) > 0) {
        for _ in 0..=random.below(MOST_CHANGES) {
            change_within(&mut document, &mut random);
        }
        let written = document.to_string().into_bytes();
        if written.len() <= max_size {
            bytes[..written.len()].copy_from_slice(&written);
            return written.len();
        }
    }
    fuzzer_mutate(bytes, size, max_size)
}

/// Changes one value of the document; where that is a text that holds a document, one within that.
fn change_within(document: &mut Value, random: &mut Random) {
    let donor = pick(&mut document.clone(), random).clone();
    let value = pick(document, random);
    let inner = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    match inner.filter(Value::is_object) {
        Some(mut inner) if random.below(8) > 0 => {
            change_within(&mut inner, random);
            *value = inner.to_string().into();
        }
        _ => change(value, donor, random),
    }
}

fn change(value: &mut Value, donor: Value, random: &mut Random) {
    match random.below(5) {
        0 => *value = donor,
        1 => *value = odd(random),
        2 if random.below(2) == 0 => *value = json!([value.take()]),
        _ => match value {
            Value::Object(fields) => change_fields(fields, donor, random),
            Value::Array(items) => change_items(items, donor, random),
            Value::String(text) => *text = changed(text),
            Value::Number(number) => {
                let near = number.as_i64().unwrap_or_default().wrapping_add(i64::from(random.below(7)) - 3);
                *value = near.into();
            }
            Value::Bool(flag) => *flag = !*flag,
            Value::Null => *value = odd(random),
        },
    }
}

fn change_fields(fields: &mut Map<String, Value>, donor: Value, random: &mut Random) {
    let Some(name) = fields.keys().nth(random.index(fields.len())).cloned() else {
        fields.insert(changed("name"), donor);
        return;
    };
    match random.below(4) {
        0 => drop(fields.remove(&name)),
        1 => drop(fields.insert(changed(&name), donor)),
        2 => {
            let value = fields.remove(&name).unwrap_or_default();
            fields.insert(changed(&name), value);
        }
        _ => drop(fields.insert(name, donor)),
    }
}

fn change_items(items: &mut Vec<Value>, donor: Value, random: &mut Random) {
    let at = random.index(items.len() + 1);
    match random.below(3) {
        0 if at < items.len() => drop(items.remove(at)),
        1 if at < items.len() => items.insert(at, items[at].clone()),
        _ => items.insert(at, donor),
    }
}

/// A value that code may not have been written for.
fn odd(random: &mut Random) -> Value {
    match random.below(16) {
        0 => Value::Null,
        1 => json!(0),
        2 => json!(-1),
        3 => json!(1.5),
        4 => json!(u64::MAX),
        5 => json!(i64::MAX),
        6 => json!(i64::MIN),
        7 => json!("9223372036854775807"),
        8 => json!("-9223372036854775808"),
        9 => json!(""),
        10 => json!("9999-12-31T23:59:59-23:59"),
        11 => json!("x".repeat(1 << random.below(13))),
        12 => json!("\u{1F525}\u{0}\u{202E}\"\\\n".repeat(1 << random.below(8))),
        13 => json!([]),
        14 => json!({}),
        _ => json!(true),
    }
}

/// A text as libFuzzer changes it, by its dictionary among others.
fn changed(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let size = bytes.len();
    let room = size + ROOM;
    bytes.resize(room, 0);
    let size = fuzzer_mutate(&mut bytes, size, room);
    String::from_utf8_lossy(&bytes[..size]).into_owned()
}

/// Any value of the document, itself included.
fn pick<'a>(document: &'a mut Value, random: &mut Random) -> &'a mut Value {
    let mut left = random.index(count(document));
    nth(document, &mut left).expect("fewer than there are")
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn nth<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    children.into_iter().find_map(|child| nth(child, left))
}

/// The SplitMix64 generator: any seed will do, and equal seeds give equal changes.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The remainder of a number below `end` is below `end`.
        u32::try_from((bits ^ (bits >> 31)) % u64::from(end)).unwrap_or_default()
    }

    /// An index into something of this length; zero for nothing.
    fn index(&mut self, length: usize) -> usize {
        let end = u32::try_from(length.max(1)).unwrap_or(u32::MAX);
        self.below(end) as usize
    }
}
