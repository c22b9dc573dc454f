//! The drill: a local AWS, a world to fail over, and scenarios that lose a Region.
//!
//! [`emulator::LocalAws`] is the local AWS: an emulator behind a [`gateway::Gateway`] that can disturb
//! and records every call.

pub mod aws;
pub mod chaos;
pub mod delivery;
pub mod deploy;
pub mod deployed;
pub mod dns;
pub mod emulator;
pub mod endpoints;
pub mod error;
pub mod execution;
pub mod gateway;
mod http_server;
pub mod listener;
mod lock;
mod logs;
pub mod moment;
pub mod orchestrator;
pub mod process;
pub mod progress;
pub mod question;
#[cfg(test)]
mod recorded;
pub mod reference;
pub mod report;
pub mod runner;
pub mod scenarios;
pub mod shop;
pub mod stage;
pub mod staging;
pub mod state;
pub mod story;
pub mod timeline;
pub mod tools;
pub mod verdict;
pub mod watcher;
pub mod world;

pub use error::{Error, Result};
