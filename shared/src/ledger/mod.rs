//! The ledger: each operation happens once, and nobody acts for a superseded failover (F3).
//!
//! The rules are in [`record`], [`plan_item`] and [`writer`], as pure functions; [`store`] carries each step out as one
//! compare-and-set write, so DynamoDB decides races and the rules decide everything else.

mod attributes;
mod plan_attributes;
pub mod plan_item;
pub mod record;
pub mod store;
pub mod writer;

pub(crate) use plan_attributes::{plan_key, read_writer};
pub use plan_item::{Admission, Direction, KillSwitch, PlanItem, Said, Statement};
pub use record::{Claim, ClaimRefused, Event, Intent, Record, Status};
pub use store::{Claimed, Ledger};
pub use writer::{CLOCK_BOUND, HandOver, WriterGrant};
