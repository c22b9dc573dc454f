//! Reads what the checks need beyond the observation (X4): the present writer in its own Region.

use failover::contract::Finding;
use failover::error::chain;
use failover::runtime::Toolbox;

use crate::checks;
use crate::observe::source;
use crate::plan::{Global, Observation, Promotion, Source};

/// Every check of a request.
pub(crate) async fn preflight(
    tools: &Toolbox,
    request: &Promotion,
    decision: Finding,
    seen: Option<&Observation>,
) -> Vec<Finding> {
    let Some(mut seen) = seen.cloned() else {
        return vec![decision];
    };
    let writer = seen.global.as_ref().and_then(Global::writer).filter(|writer| *writer != request.target);
    if let (None, Some(writer)) = (&seen.source, &writer) {
        // Also an error is no reason to leave the other checks out.
        let read = source(tools, writer).await.unwrap_or_else(|error| Source::Silent { problem: chain(&error) });
        seen.source = Some(read);
    }
    let mut findings = vec![
        decision,
        checks::global_cluster_exists(request, &seen),
        checks::target_is_a_member(request, &seen),
        checks::target_has_an_instance(request, &seen),
        checks::members_are_synchronised(request, &seen),
        checks::engine_versions_match(request, &seen),
        checks::parameter_groups_match(request, &seen),
        checks::replication_lag(request, &seen, tools.env.now()),
        checks::serving_security_groups(request, &seen),
    ];
    findings.extend(checks::source_is_a_member(request, &seen));
    findings.extend(checks::rebuild(request, &seen));
    findings
}
