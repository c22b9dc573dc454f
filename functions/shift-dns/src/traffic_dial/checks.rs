//! What the preflight says of an accelerator and its dials (X4). Pure.

use failover::contract::{Finding, Region};

use super::plan::{Accelerator, DialShift};
use crate::checks::{BLOCKS, Reading};

/// Whether the accelerator takes traffic, and is not being changed by somebody else just now.
#[must_use]
pub fn accelerator_enabled(request: &DialShift, accelerator: &Reading<Accelerator>) -> Finding {
    const CHECK: &str = "accelerator-enabled";
    let subject = &request.accelerator;
    accelerator.finding(CHECK, subject, "correct the endpoint groups in the plan", |found| {
        match (found.enabled, found.deployed) {
            (true, true) => Finding::ok(CHECK, subject, "is enabled and DEPLOYED"),
            (true, false) => Finding::warning(CHECK, subject, "is being changed: IN_PROGRESS", "see who changes it"),
            (false, _) => Finding::blocker(CHECK, subject, "is disabled", BLOCKS, "enable the accelerator"),
        }
    })
}

/// Whether an endpoint group is there, and where its dial stands.
#[must_use]
pub fn endpoint_group_exists(region: &Region, group: &str, dial: &Reading<f32>) -> Finding {
    const CHECK: &str = "endpoint-group-exists";
    let subject = format!("{region}: {group}");
    let create = "create the endpoint group, or correct its ARN in the plan";
    dial.finding(CHECK, &subject, create, |dial| Finding::ok(CHECK, &subject, format!("its dial stands at {dial}")))
}
