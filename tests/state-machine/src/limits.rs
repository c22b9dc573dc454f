//! Step Functions' quotas.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>

use std::cell::Cell;
use std::io;

use serde_json::Value;

use crate::Failure;
use crate::errors::{DATA_LIMIT, RUNTIME};

/// Of the input or result of a state, and of what a state assigns, as JSON in UTF-8.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 256 * 1024;

/// Of one execution.
pub(crate) const MAX_HISTORY_EVENTS: u32 = 25_000;

pub(crate) fn check_size(value: &Value, what: &str) -> Result<(), Failure> {
    let size = size(value);
    if size <= MAX_PAYLOAD_BYTES {
        return Ok(());
    }
    Err(Failure::new(DATA_LIMIT, format!("{what} has {size} bytes, which is more than {MAX_PAYLOAD_BYTES}.")))
}

/// How far the history has grown.
#[derive(Debug, Default)]
pub(crate) struct HistoryEvents(Cell<u32>);

impl HistoryEvents {
    pub(crate) fn add(&self, events: u32) -> Result<(), Failure> {
        let total = self.0.get().saturating_add(events);
        self.0.set(total);
        if total <= MAX_HISTORY_EVENTS {
            return Ok(());
        }
        Err(Failure::new(
            RUNTIME,
            format!("The execution reached the maximum number of history events ({MAX_HISTORY_EVENTS})."),
        ))
    }
}

fn size(value: &Value) -> usize {
    let mut counted = Counted(0);
    // Counting can't fail, and neither can the text of a value.
    let _ = serde_json::to_writer(&mut counted, value);
    counted.0
}

struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
