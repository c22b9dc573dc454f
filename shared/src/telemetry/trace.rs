//! X-Ray subsegments: one for each step and each call to AWS, sent between the answer and the next poll (F10).
//!
//! They are recorded while the function works and sent by [`crate::runtime`] once the answer is out. At that point the
//! sandbox cannot be frozen yet, since Lambda waits for the next poll; so nothing is lost and the answer is not delayed.
//! What X-Ray did not take stays for the next time, up to [`MOST_KEPT`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_xray::Client;
use serde_json::{Value, json};

use crate::contract::Timestamp;
use crate::env::Env;

/// How many subsegments are kept for sending; the oldest are dropped, with a warning.
pub const MOST_KEPT: usize = 200;
/// How many are sent in one call.
pub const BATCH: usize = 25;
/// How long sending may take, all batches together.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// Records subsegments of the current invocation.
#[derive(Clone, Debug)]
pub struct Trace {
    env: Env,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    parent: Option<Parent>,
    failover_id: Option<String>,
    finished: Vec<Value>,
}

/// The place in the trace that Lambda gave us.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parent {
    trace_id: String,
    segment_id: String,
}

/// A subsegment that has begun.
#[derive(Debug)]
pub struct OpenSegment {
    name: String,
    operation: Option<&'static str>,
    began: Timestamp,
}

impl Trace {
    /// A trace that records nothing until [`Trace::follow`] names its parent.
    #[must_use]
    pub fn new(env: Env) -> Self {
        Self { env, state: Arc::default() }
    }

    /// Takes up the trace of an invocation. Nothing is recorded for one that is not sampled.
    pub fn follow(&self, header: Option<&str>) {
        self.with(|state| {
            state.parent = header.and_then(sampled_parent);
            state.failover_id = None;
        });
    }

    /// Names the failover that the subsegments belong to.
    pub fn annotate(&self, failover_id: &str) {
        self.with(|state| state.failover_id = Some(failover_id.to_owned()));
    }

    /// Begins a subsegment: a call to a service, or without an operation a step of ours.
    #[must_use]
    pub fn begin(&self, name: &str, operation: Option<&'static str>) -> OpenSegment {
        OpenSegment { name: name.to_owned(), operation, began: self.env.now() }
    }

    /// Ends a subsegment, with an error's text if it failed.
    #[expect(clippy::needless_pass_by_value, reason = "an ended subsegment cannot be ended again")]
    pub fn end(&self, segment: OpenSegment, error: Option<String>) {
        let ended = self.env.now();
        let id = format!("{:016x}", self.env.random());
        self.with(|state| {
            if let Some(parent) = &state.parent {
                let document = document(parent, state.failover_id.as_deref(), &segment, ended, &id, error);
                state.finished.push(document);
            }
            if state.finished.len() > MOST_KEPT {
                state.finished.remove(0);
                tracing::warn!(kept = MOST_KEPT, "dropped the oldest X-Ray subsegment: too many wait to be sent");
            }
        });
    }

    /// Sends what was recorded. A subsegment is dropped only when X-Ray has taken it, so this may be cut short.
    pub async fn send(&self, client: &Client) {
        loop {
            let batch: Vec<Value> = self.with(|state| state.finished.iter().take(BATCH).cloned().collect());
            if batch.is_empty() {
                return;
            }
            let documents = batch.iter().map(Value::to_string).collect();
            let answer = match client.put_trace_segments().set_trace_segment_documents(Some(documents)).send().await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::warn!(error = %error.into_service_error(), "X-Ray took no subsegments; they are kept");
                    return;
                }
            };
            let left: Vec<&str> =
                answer.unprocessed_trace_segments().iter().filter_map(|segment| segment.id()).collect();
            let is_left = |segment: &Value| left.iter().any(|id| segment["id"] == *id);
            self.with(|state| state.finished.retain(|segment| !batch.contains(segment) || is_left(segment)));
            if !left.is_empty() {
                tracing::warn!(count = left.len(), "X-Ray did not take some subsegments; they are kept");
                return;
            }
        }
    }

    /// How many subsegments wait to be sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.with(|state| state.finished.len())
    }

    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        // A panic elsewhere leaves the list of subsegments as it was; telemetry must not make matters worse.
        use_state(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An independent subsegment document.
/// Source: <https://docs.aws.amazon.com/xray/latest/devguide/aws-xray-interface-api.html#xray-api-segmentdocuments>
fn document(
    parent: &Parent,
    failover_id: Option<&str>,
    segment: &OpenSegment,
    ended: Timestamp,
    id: &str,
    error: Option<String>,
) -> Value {
    let mut document = json!({
        "type": "subsegment",
        "name": segment.name,
        "id": id,
        "trace_id": parent.trace_id,
        "parent_id": parent.segment_id,
        "start_time": seconds(segment.began),
        "end_time": seconds(ended),
    });
    if let Some(operation) = segment.operation {
        document["namespace"] = json!("aws");
        document["aws"] = json!({ "operation": operation });
    }
    if let Some(failover_id) = failover_id {
        document["annotations"] = json!({ "failover_id": failover_id });
    }
    if let Some(message) = error {
        document["fault"] = json!(true);
        document["cause"] = json!({ "exceptions": [{ "id": id, "message": message }] });
    }
    document
}

#[expect(clippy::cast_precision_loss, reason = "X-Ray wants seconds as a floating-point number")]
fn seconds(moment: Timestamp) -> f64 {
    moment.as_millis() as f64 / 1000.0
}

/// Reads `Root=1-…;Parent=…;Sampled=1`.
/// Source: <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
fn sampled_parent(header: &str) -> Option<Parent> {
    let field = |name: &str| header.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    if field("Sampled")? != "1" {
        return None;
    }
    Some(Parent { trace_id: field("Root")?.to_owned(), segment_id: field("Parent")?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn a_sampled_header_gives_trace_and_parent() {
        let parent = sampled_parent(HEADER).expect("sampled");
        assert_eq!(parent.trace_id, "1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(parent.segment_id, "53995c3f42cd8ad8");
    }

    #[test]
    fn nothing_is_recorded_for_an_invocation_that_is_not_sampled() {
        for header in [None, Some(""), Some("Root=1-a;Parent=b;Sampled=0"), Some("Root=1-a;Parent=b")] {
            let trace = Trace::new(Env::system());
            trace.follow(header);
            trace.end(trace.begin("rds", Some("DescribeGlobalClusters")), None);
            assert_eq!(trace.waiting(), 0, "{header:?}");
        }
    }

    #[test]
    fn a_failed_call_is_a_fault_with_its_message_and_the_failovers_id() {
        let trace = Trace::new(Env::system());
        trace.follow(Some(HEADER));
        trace.annotate("failover-1");
        trace.end(trace.begin("rds", Some("FailoverGlobalCluster")), Some("reset".to_owned()));
        let segment = trace.with(|state| state.finished[0].clone());
        assert_eq!(segment["fault"], true);
        assert_eq!(segment["cause"]["exceptions"][0]["message"], "reset");
        assert_eq!(segment["annotations"]["failover_id"], "failover-1");
        assert_eq!(segment["aws"]["operation"], "FailoverGlobalCluster");
    }

    #[test]
    fn the_number_of_kept_subsegments_is_bounded() {
        let trace = Trace::new(Env::system());
        trace.follow(Some(HEADER));
        for _ in 0..MOST_KEPT + 5 {
            trace.end(trace.begin("step", None), None);
        }
        assert_eq!(trace.waiting(), MOST_KEPT);
    }
}
