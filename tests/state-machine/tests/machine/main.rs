//! Definitions, driven through scripted tasks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod deployed;
mod script;
