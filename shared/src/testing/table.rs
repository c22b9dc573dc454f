//! The ledger's table: as much of DynamoDB as the ledger's own writes use.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

type Item = Map<String, Value>;

/// Items by `operation_id`.
#[derive(Debug, Default)]
pub struct Table {
    items: BTreeMap<String, Item>,
}

impl Table {
    /// An item, in DynamoDB's JSON.
    #[must_use]
    pub fn item(&self, key: &str) -> Option<Value> {
        self.items.get(key).cloned().map(Value::Object)
    }

    /// Puts an item, in DynamoDB's JSON.
    pub fn put(&mut self, item: Value) {
        let Value::Object(item) = item else { panic!("an item is an object") };
        let key = item["operation_id"]["S"].as_str().expect("an item has its key").to_owned();
        self.items.insert(key, item);
    }

    /// Removes an item, which the ledger itself never does.
    pub fn remove(&mut self, key: &str) {
        self.items.remove(key);
    }

    /// Every item, by its key.
    pub fn items(&self) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
        self.items.iter().map(|(key, item)| (key.as_str(), item))
    }

    /// Answers an operation: status and body.
    pub fn answer(&mut self, operation: &str, request: &Value) -> (u16, Value) {
        let key = request["Key"]["operation_id"]["S"].as_str().expect("the key of the ledger's table");
        match operation {
            "GetItem" => (200, self.item(key).map_or_else(|| json!({}), |item| json!({ "Item": item }))),
            "UpdateItem" => self.update(key, request),
            other => panic!("the ledger's table has no {other}"),
        }
    }

    fn update(&mut self, key: &str, request: &Value) -> (u16, Value) {
        let present = self.items.get(key).cloned();
        let conditions = request["ConditionExpression"].as_str().expect("the ledger writes on conditions only");
        if !conditions.split(" AND ").all(|condition| holds(condition, request, present.as_ref())) {
            let failed = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
            return (400, json!({ "__type": failed, "message": "The conditional request failed", "Item": present }));
        }
        let mut item = present.unwrap_or_default();
        item.insert("operation_id".to_owned(), json!({ "S": key }));
        let update = request["UpdateExpression"].as_str().expect("an update expression");
        let (sets, removals) = update.split_once(" REMOVE ").unwrap_or((update, ""));
        for assignment in sets.trim_start_matches("SET ").split(", ") {
            let (name, value) = assignment.split_once(" = ").expect("an assignment");
            item.insert(name_of(name, request), request["ExpressionAttributeValues"][value].clone());
        }
        for name in removals.split(", ").filter(|name| !name.is_empty()) {
            item.remove(&name_of(name, request));
        }
        self.items.insert(key.to_owned(), item);
        (200, json!({}))
    }
}

fn name_of(placeholder: &str, request: &Value) -> String {
    request["ExpressionAttributeNames"][placeholder].as_str().expect("a named attribute").to_owned()
}

/// The ledger's conditions: `attribute_not_exists(#n)`, `#n = :v`, and both with `OR` in parentheses.
fn holds(condition: &str, request: &Value, item: Option<&Item>) -> bool {
    let bare = condition.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(condition);
    bare.split(" OR ").any(|term| {
        if let Some(name) = term.strip_prefix("attribute_not_exists(") {
            let name = name_of(name.trim_end_matches(')'), request);
            return item.is_none_or(|item| !item.contains_key(&name));
        }
        let (name, value) = term.split_once(" = ").expect("a comparison");
        let expected = &request["ExpressionAttributeValues"][value];
        item.is_some_and(|item| item.get(&name_of(name, request)) == Some(expected))
    })
}
