//! What comes from outside, however it is formed, and what has to hold of it.
//!
//! Each function of this module takes bytes as an attacker, a broken sender or a person with the wrong button may form
//! them, gives them to the code that reads them, by the way they come in production where there is one, and panics when
//! something does not hold. The fuzz targets of `fuzz/` call them with what they make up; `tests/tests/fuzz_corpus.rs`
//! calls them with the inputs that were found worth keeping.

#![allow(clippy::expect_used, reason = "a property that does not hold is a panic")]
#![allow(clippy::missing_panics_doc, reason = "panicking is what all of them are for")]

mod alarm_event;
mod ledger_item;
mod probe_command;
mod recovery_plan;
mod region_switch_event;
mod step_request;
mod world;

pub use alarm_event::alarm_event;
pub use ledger_item::ledger_item;
pub use probe_command::probe_command;
pub use recovery_plan::recovery_plan;
pub use region_switch_event::region_switch_event;
pub use step_request::step_request;

use std::fmt::Debug;

use failover::contract;
use failover::error::{Error, ErrorCode, chain};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What takes bytes from outside.
type Exercise = fn(&[u8]);

/// Every kind of input: the name of its fuzz target and of its corpus' folder, and what exercises it.
pub const KINDS: [(&str, Exercise); 6] = [
    ("alarm_event", alarm_event),
    ("ledger_item", ledger_item),
    ("probe_command", probe_command),
    ("recovery_plan", recovery_plan),
    ("region_switch_event", region_switch_event),
    ("step_request", step_request),
];

/// The longest message of a refusal, in bytes. It goes into logs, into the history of an execution and, as the reason of
/// a failed run, into an e-mail.
const LONGEST_REFUSAL: usize = 8 * 1024;

/// Checks an error that anybody outside may be shown.
fn check_error(error: &Error) {
    let text = chain(error);
    assert!(!text.contains(world::SECRET_ACCESS_KEY), "the function's credentials are shown: {text}");
    if let Error::InvalidRequest { field, problem } = error {
        assert!(!field.is_empty() && !problem.is_empty(), "it does not say what is wrong, and where: {text}");
        assert!(text.len() <= LONGEST_REFUSAL, "a refusal of {} bytes: {text:.200}…", text.len());
    }
}

/// Reads a value as a request of this kind. What is accepted is written and read again as the same; what is not is
/// refused by an error that names the field.
fn read<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &Value) -> Option<T> {
    match contract::parse::<T>(value.clone()) {
        Ok(request) => {
            let written = serde_json::to_value(&request).expect("what was read can be written");
            let again = contract::parse::<T>(written).expect("what was written can be read");
            assert_eq!(again, request, "it changes when it is written and read again");
            Some(request)
        }
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}");
            check_error(&error);
            None
        }
    }
}
