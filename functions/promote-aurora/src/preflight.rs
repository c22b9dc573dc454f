//! Reads what the checks need (X4): the observation, and the present writer in its own Region.

use failover::contract::Finding;
use failover::error::chain;
use failover::runtime::Toolbox;
use failover::step;

use crate::PromoteAurora;
use crate::checks;
use crate::observe::{observe, source};
use crate::plan::{Global, Promotion, Source};

/// Every check of a request.
pub(crate) async fn preflight(step: &PromoteAurora, tools: &Toolbox, request: &Promotion) -> Vec<Finding> {
    let decision = step::check_decision(step, tools, request).await;
    let Ok(mut seen) = observe(tools, request, None).await else {
        // It says why.
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
    findings.extend(checks::rebuild(request, &seen));
    findings
}
