//! `PutTraceSegments`, from the API model `xray/2016-04-12`: what was sent is kept for the drill to read.
//!
//! A document that X-Ray could not use is reported back as unprocessed, as the developer guide's "Sending
//! trace data to X-Ray" shows, so that a fault of the functions shows up here and not in production.

use std::sync::Mutex;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};

use super::super::fault::Fault;
use super::super::request::{Caller, Seen};
use super::{Answer, parse, unknown_operation};
use crate::lock::lock;

/// Largest document that X-Ray takes, in bytes.
const DOCUMENT_LIMIT: usize = 64 * 1024;

/// A segment or subsegment document that was sent to X-Ray.
#[derive(Clone, Debug, Serialize)]
pub struct TraceSegment {
    /// Arrival.
    #[serde(skip)]
    pub at: SystemTime,
    /// Region that it was sent to.
    pub region: String,
    /// Who sent it.
    pub caller: Caller,
    /// The document.
    pub document: Value,
}

#[derive(Debug, Default)]
pub(in super::super) struct XRay {
    segments: Mutex<Vec<TraceSegment>>,
}

impl XRay {
    pub(in super::super) fn segments(&self) -> Vec<TraceSegment> {
        lock(&self.segments).clone()
    }

    pub(in super::super) fn answer(&self, seen: &Seen, body: &[u8]) -> Answer {
        if seen.operation != "PutTraceSegments" {
            return Err(unknown_operation(seen));
        }
        let input = parse(body)?;
        let documents = input.get("TraceSegmentDocuments").and_then(Value::as_array);
        let documents = documents
            .ok_or_else(|| Fault::error(400, "InvalidRequestException", "TraceSegmentDocuments is required"))?;
        let mut unprocessed = Vec::new();
        for document in documents {
            match segment(document.as_str().unwrap_or_default()) {
                Ok(document) => lock(&self.segments).push(TraceSegment {
                    at: SystemTime::now(),
                    region: seen.region.clone(),
                    caller: seen.caller.clone(),
                    document,
                }),
                Err(code) => unprocessed.push(json!({
                    "ErrorCode": code,
                    "Message": format!("Invalid segment. ErrorCode: {code}"),
                })),
            }
        }
        Ok(json!({ "UnprocessedTraceSegments": unprocessed }))
    }
}

/// Checks the fields that the guide "X-Ray segment documents" calls required.
fn segment(text: &str) -> Result<Value, &'static str> {
    if text.len() > DOCUMENT_LIMIT {
        return Err("SegmentTooLarge");
    }
    let document: Value = serde_json::from_str(text).map_err(|_error| "ParseError")?;
    let field = |name: &str| document.get(name).and_then(Value::as_str);
    if !field("id").is_some_and(|id| id.len() == 16 && is_hex(id)) {
        return Err("MissingId");
    }
    if !field("trace_id").is_some_and(is_trace_id) {
        return Err("InvalidTraceId");
    }
    if field("name").is_none_or(str::is_empty) {
        return Err("MissingName");
    }
    if !document.get("start_time").is_some_and(Value::is_number) {
        return Err("MissingStartTime");
    }
    let ended = document.get("end_time").is_some_and(Value::is_number);
    let running = document.get("in_progress").and_then(Value::as_bool) == Some(true);
    // An independent subsegment says so, and names the segment that it belongs to.
    let orphan = field("type") == Some("subsegment") && field("parent_id").is_none();
    if ended == running || orphan { Err("ParseError") } else { Ok(document) }
}

/// `1-<8 hexadecimal digits of the time>-<24 hexadecimal digits>`.
fn is_trace_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts.as_slice(), ["1", time, rest] if time.len() == 8 && rest.len() == 24 && is_hex(time) && is_hex(rest))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        json!({
            "id": "70de5b6f19ff9a0a", "trace_id": "1-581cf771-a006649127e371903a2de979", "name": "rds",
            "type": "subsegment", "parent_id": "53995c3f42cd8ad8", "start_time": 1.5, "end_time": 2.5,
        })
    }

    fn without(field: &str) -> Result<Value, &'static str> {
        let mut document = document();
        document.as_object_mut().unwrap().remove(field);
        segment(&document.to_string())
    }

    #[test]
    fn a_complete_subsegment_is_taken() {
        assert_eq!(segment(&document().to_string()), Ok(document()));
    }

    #[test]
    fn an_incomplete_document_is_reported_with_what_it_lacks() {
        assert_eq!(without("id"), Err("MissingId"));
        assert_eq!(without("trace_id"), Err("InvalidTraceId"));
        assert_eq!(without("name"), Err("MissingName"));
        assert_eq!(without("start_time"), Err("MissingStartTime"));
        assert_eq!(without("parent_id"), Err("ParseError"));
        assert_eq!(without("end_time"), Err("ParseError"), "neither ended nor in progress");
        assert_eq!(segment("{"), Err("ParseError"));
        assert_eq!(segment(&" ".repeat(DOCUMENT_LIMIT + 1)), Err("SegmentTooLarge"));
    }
}
