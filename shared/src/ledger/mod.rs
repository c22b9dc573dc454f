//! The ledger: each operation happens once, and nobody acts for a superseded failover (F3).
//!
//! The rules are in [`record`] and [`plan_item`], as pure functions; [`store`] carries each step out as one
//! compare-and-set write, so DynamoDB decides races and the rules decide everything else.

pub mod plan_item;
pub mod record;
pub mod store;

pub use plan_item::{Admission, PlanItem};
pub use record::{Claim, ClaimRefused, Event, Intent, Record, Status};
pub use store::{Claimed, Ledger};
