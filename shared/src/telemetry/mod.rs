//! What the functions tell: JSON logs, CloudWatch metrics in the embedded format, X-Ray subsegments (F10).

pub mod logs;
pub mod metrics;
pub mod trace;

pub use trace::Trace;
