//! A simulated AWS behind the SDK's HTTP client, and runs of the whole orchestrator on it (X10).
//!
//! Everything that would run in AWS is the real code: the functions' handlers, their SDK clients with serialisation,
//! signing, retries and error parsing, and the deployed definition of the state machine. What is simulated is AWS
//! itself ([`aws`]), the network to it and the time. Every delay, fault and interleaving follows from one seed.

#![allow(clippy::wildcard_enum_match_arm, reason = "each place picks its own few of the many kinds of faults")]
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a simulation that meets what it does not know panics"
)]

pub mod aws;
pub mod batch;
pub mod caller;
pub mod chance;
pub mod director;
pub mod faults;
pub mod lambda;
pub mod machine;
pub mod matrix;
pub mod network;
pub mod outage;
pub mod play;
pub mod properties;
pub mod run;
pub mod sandbox;
pub mod shrink;
pub mod trace;
pub mod variant;
pub mod workload;
pub mod world;
