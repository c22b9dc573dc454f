//! Who makes a call: one invocation of a function.

use std::fmt;

use serde_json::Value;

use crate::workload::STANDBY;

/// One invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// The Region it runs in.
    pub region: &'static str,
    /// The function.
    pub function: &'static str,
    /// The number of the invocation, from 1, in the order in which they began.
    pub invocation: u64,
    /// The failover it works for, where its request names one.
    pub failover: Option<String>,
    /// The generation of its request, where it has one.
    pub generation: Option<u64>,
    /// Whether it may change nothing: a dry run or a preflight.
    pub only_looks: bool,
}

impl Caller {
    /// The invocation of a function with a request.
    #[must_use]
    pub fn of(region: &'static str, function: &'static str, invocation: u64, request: &Value) -> Self {
        let run = request.get("run").unwrap_or(request);
        let set = |field: &str| run[field].as_bool().unwrap_or_default();
        Self {
            region,
            function,
            invocation,
            failover: run["failover_id"].as_str().map(str::to_owned),
            generation: run["generation"].as_u64(),
            only_looks: set("dry_run") || set("preflight"),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.region == STANDBY { "" } else { " at home" };
        write!(f, "{}#{}{place}", self.function, self.invocation)
    }
}
