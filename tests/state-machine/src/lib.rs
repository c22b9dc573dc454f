//! Runs a Step Functions definition under tokio's clock, for a deterministic simulation of the deployed state machine.
//!
//! It is an interpreter of what the orchestrator's definition uses of the Amazon States Language with JSONata:
//! [`Definition::parse`] refuses the rest. What tasks do comes from a [`Tasks`]; time passes only by tokio's clock and
//! jitter is drawn from [`Start::seed`], so that on a paused clock a run is the same each time.
//!
//! Sources are the States Language's specification (<https://states-language.net/spec.html>) and the developer guide
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/>).

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "trees of a dozen kinds: a match looks for one of them, and to list the others would hide it"
)]

mod definition;
mod errors;
mod execution;
mod fields;
pub mod jsonata;
mod limits;
mod substitute;
mod task;
mod template;
mod timestamp;

pub use definition::{Definition, DefinitionError};
pub(crate) use errors::Failure;
pub use execution::{End, Entered, Start, run};
pub use task::{Task, TaskError, Tasks};
