//! The drill: a local AWS, a world to fail over, and scenarios that lose a Region.
//!
//! [`emulator::LocalAws`] is the local AWS: an emulator behind a [`gateway::Gateway`] that can disturb
//! and records every call.

pub mod aws;
pub mod deploy;
pub mod emulator;
pub mod error;
pub mod gateway;
pub mod process;
pub mod progress;
pub mod tools;

pub use error::{Error, Result};
