//! The step matrix (X10): every step of every function, disturbed in every way at every point of its run.
//!
//! A [`rows::Row`] is a step with a request and what has to have come about in AWS. A [`Column`] is a way to disturb it,
//! at a point: a poll of the invocation, or a call. Whatever the cell, the step has to end where it ends undisturbed.

mod cell;
pub mod commands;
pub mod rows;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use cell::{Played, play};
use rows::Row;

/// So many points of a column are all played; of [`Column::Killed`] all there are.
pub const FIRST_POINTS: u64 = 13;
/// The same of the columns in which a step is overtaken, where every await between two calls counts.
pub const FIRST_POINTS_OVERTAKEN: u64 = 17;
/// Of those after them one of so many is played: a step that waits for AWS does the same again and again.
pub const STRIDE: u64 = 23;
/// No column has more points.
const MOST_POINTS: u64 = 4_000;

/// A way to disturb a step. Each disturbs the first invocation, at a point from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// Nothing disturbs it.
    Undisturbed,
    /// It is killed in place of a poll, and asked again.
    Killed,
    /// A call is applied, and its answer never comes.
    AnswerLost,
    /// A call is applied, and the connection breaks.
    ConnectionReset,
    /// Another invocation of the same request begins when it is about to be polled.
    Twin,
    /// It stands still before a poll until its lease is over and another invocation has taken over, and goes on while that
    /// one is at work.
    OvertakenInWork,
    /// The same, and it goes on when the other one has had some seconds.
    OvertakenLater,
}

impl Column {
    /// Those with more than one point.
    pub const DISTURBED: [Self; 6] = [
        Self::Killed,
        Self::AnswerLost,
        Self::ConnectionReset,
        Self::Twin,
        Self::OvertakenInWork,
        Self::OvertakenLater,
    ];

    /// So many of its points are all played.
    const fn first_points(self) -> u64 {
        match self {
            Self::Killed => MOST_POINTS,
            Self::OvertakenInWork | Self::OvertakenLater => FIRST_POINTS_OVERTAKEN,
            Self::Undisturbed | Self::AnswerLost | Self::ConnectionReset | Self::Twin => FIRST_POINTS,
        }
    }
}

/// A cell in which a step did not end as it has to.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The row.
    pub row: &'static str,
    /// The column.
    pub column: Column,
    /// The point.
    pub point: u64,
    /// What was wrong.
    pub problems: Vec<String>,
    /// What happened.
    pub trace: Vec<String>,
}

/// What became of a row.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many cells of each column were played.
    pub played: BTreeMap<Column, u64>,
    /// The first cell of each column that failed.
    pub failed: Vec<Failed>,
}

/// Plays a row: each column until its point lies beyond the run's end.
///
/// # Panics
/// When a column does not come to its end.
#[must_use]
pub fn play_row(row: &Row) -> Outcome {
    let mut outcome = Outcome::default();
    let undisturbed = play(row, Column::Undisturbed, 0);
    outcome.played.insert(Column::Undisturbed, 1);
    outcome.failed.extend(judge(row, Column::Undisturbed, 0, &undisturbed, &undisturbed));
    for column in Column::DISTURBED {
        let mut point = 0;
        loop {
            point += if point < column.first_points() { 1 } else { STRIDE };
            assert!(point < MOST_POINTS, "{}, {column:?}: no end", row.name);
            let played = play(row, column, point);
            if !played.disturbed {
                break;
            }
            *outcome.played.entry(column).or_default() += 1;
            if let Some(failed) = judge(row, column, point, &played, &undisturbed) {
                outcome.failed.push(failed);
                break;
            }
        }
    }
    outcome
}

/// Whether a cell ended as the undisturbed run has to.
fn judge(row: &Row, column: Column, point: u64, played: &Played, undisturbed: &Played) -> Option<Failed> {
    let mut problems = played.violations.clone();
    let wanted = undisturbed.answers.first().map(|answer| essence(row, answer));
    for answer in &played.answers {
        if Some(essence(row, answer)) != wanted {
            problems.push(format!("answers {answer}, undisturbed {:?}", undisturbed.answers));
        }
    }
    if played.facts != row.outcome {
        problems.push(format!("AWS is at {}, not at {}", played.facts, row.outcome));
    }
    let mut accepted = played.accepted.clone();
    accepted.sort_unstable();
    let twice = accepted.iter().zip(accepted.iter().skip(1)).find(|(one, next)| one == next);
    problems.extend(twice.map(|(change, _)| format!("applied twice: {change}")));
    problems.extend(played.open_records.iter().map(|record| format!("not completed: {record}")));
    problems.extend(unlike_the_last(row, played));
    (!problems.is_empty()).then(|| Failed { row: row.name, column, point, problems, trace: played.trace.clone() })
}

/// Asked once more after the end it gives the same answer and does nothing; a step gives it from the ledger, by one call.
fn unlike_the_last(row: &Row, played: &Played) -> Option<String> {
    let mut expected = played.answers.first()?.clone();
    if !expected["from_ledger"].is_boolean() {
        let alike = essence(row, &played.repeated) == essence(row, &expected);
        return (!alike).then(|| format!("repeated, it answers {}", played.repeated));
    }
    expected["from_ledger"] = json!(true);
    if played.repeated != expected {
        return Some(format!("repeated, it answers {}", played.repeated));
    }
    (played.calls_of_repeat != 1).then(|| format!("repeated, it makes {} calls", played.calls_of_repeat))
}

/// What of an answer has to be as in the undisturbed run. Of a message the first clause: the rest tells which endpoint was
/// asked, or that a change's id was lost.
fn essence(row: &Row, answer: &Value) -> Value {
    let part = |pointer: &&str| match (*pointer, answer.pointer(pointer)) {
        ("/message", Some(Value::String(message))) => json!(message.split([',', ';']).next()),
        (_, found) => json!(found),
    };
    row.compared.iter().map(part).collect()
}
