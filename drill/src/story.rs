//! What the drill did and saw: told as it happens, and kept for the report.

use serde::Serialize;

use crate::moment::Moment;
use crate::progress::Progress;

/// Something that the drill did, or saw happen.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// When.
    pub at: Moment,
    /// What, in words.
    pub text: String,
}

/// The notes of one play.
#[derive(Debug)]
pub(crate) struct Story {
    progress: Progress,
    notes: Vec<Note>,
}

impl Story {
    /// One without notes, which is told at `progress`.
    pub(crate) fn new(progress: &Progress) -> Self {
        Self { progress: progress.clone(), notes: Vec::new() }
    }

    /// Tells the reader what happens now, and keeps it.
    pub(crate) fn tell(&mut self, text: impl Into<String>) -> Moment {
        let (at, text) = (Moment::now(), text.into());
        self.progress.line(format!("   >  {text}"));
        self.keep(at, text);
        at
    }

    /// Keeps what happened at another moment.
    pub(crate) fn keep(&mut self, at: Moment, text: String) {
        self.notes.push(Note { at, text });
    }

    /// The notes, in the order in which they were made.
    pub(crate) fn notes(&self) -> &[Note] {
        &self.notes
    }
}
