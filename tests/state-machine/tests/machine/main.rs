//! Definitions, driven through scripted tasks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::needless_pass_by_value, reason = "what json! makes is for one call")]

mod data;
mod deployed;
mod errors;
mod flow;
mod refused;
mod script;
