//! From the recovery plan and a decision to the complete requests of every step. Pure.

use failover::contract::{
    Capacity, ExecutionInput, FailoverId, Generation, Initiator, PromoteRequest, PromotionMode, Region, RunContext,
    RunPlan, ScaleRequest, ShiftRequest, Timestamp, Trigger,
};
use failover::error::Error;
use failover::recovery_plan::{AuroraPlan, EcsPlan, PlannedCapacity, RecoveryPlan};

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decided<'a> {
    /// The failover's id.
    pub(crate) failover_id: &'a FailoverId,
    /// Why the execution runs.
    pub(crate) input: &'a ExecutionInput,
    /// The Region that becomes active.
    pub(crate) target: &'a Region,
    /// The generation it claimed; in a dry run the present one.
    pub(crate) generation: Generation,
    /// When the execution started.
    pub(crate) started_at: Timestamp,
    /// The moment of the decision.
    pub(crate) now: Timestamp,
    /// The replication lag at that moment, in milliseconds.
    pub(crate) lag_ms: Option<u64>,
}

/// Resolves the plan for one failover.
///
/// # Errors
/// [`Error::InvalidRequest`] when the target is none of the plan's Regions, or something has no entry for a Region.
pub(crate) fn resolve(plan: &RecoveryPlan, decided: &Decided<'_>) -> Result<RunPlan, Error> {
    let target = decided.target;
    let source = plan.source_for(target)?;
    let dry_run = match &decided.input.trigger {
        Trigger::Manual(order) => order.dry_run,
        Trigger::Alarm(_) => false,
    };
    let run = RunContext {
        failover_id: Some(decided.failover_id.clone()),
        plan: Some(plan.name.clone()),
        generation: Some(decided.generation),
        initiator: initiator(&decided.input.trigger),
        dry_run,
        idempotency_key: None,
    };
    let promotions = plan.aurora.iter().enumerate().map(|(index, aurora)| {
        Ok(PromoteRequest {
            run: run.clone(),
            global_cluster_id: Some(aurora.global_cluster_id.clone()),
            target_cluster_arn: Some(entry(&format!("aurora[{index}].clusters"), &aurora.clusters, target)?),
            mode: mode(&decided.input.trigger, aurora),
        })
    });
    let scalings = plan.ecs.iter().enumerate().map(|(index, ecs)| {
        Ok(ScaleRequest {
            run: run.clone(),
            target_region: Some(target.clone()),
            cluster: entry(&format!("ecs[{index}].clusters"), &ecs.clusters, target)?,
            services: ecs.services.clone(),
            capacity: capacity(index, ecs, source)?,
            allow_scale_down: false,
        })
    });
    let shifts = plan.dns.iter().map(|dns| ShiftRequest {
        run: run.clone(),
        target_region: Some(target.clone()),
        hosted_zone_id: dns.hosted_zone_id.clone(),
        records: dns.records.clone(),
    });
    Ok(RunPlan {
        failover_id: decided.failover_id.clone(),
        plan: plan.name.clone(),
        generation: decided.generation,
        initiator: run.initiator,
        dry_run,
        mode: mode_of_run(&decided.input.trigger, plan),
        source_region: source.clone(),
        target_region: target.clone(),
        target_endpoint: entry("detection.endpoints", &plan.detection.endpoints, target)?,
        incident_at: incident_at(&decided.input.trigger, decided.started_at),
        decided_at: decided.now,
        lag_ms: decided.lag_ms,
        cooldown_seconds: plan.cooldown_seconds,
        promotions: promotions.collect::<Result<_, Error>>()?,
        scalings: scalings.collect::<Result<_, Error>>()?,
        shifts: shifts.collect(),
    })
}

/// Who started it: gates for automatic runs apply to alarms alone.
pub(crate) fn initiator(trigger: &Trigger) -> Initiator {
    match trigger {
        Trigger::Alarm(_) => Initiator::Alarm,
        Trigger::Manual(_) => Initiator::Person,
    }
}

/// A person's order holds for every cluster; an alarm goes by what the plan says of each.
fn mode(trigger: &Trigger, aurora: &AuroraPlan) -> PromotionMode {
    match trigger {
        Trigger::Manual(order) => order.mode,
        Trigger::Alarm(_) => aurora.unplanned_mode,
    }
}

fn mode_of_run(trigger: &Trigger, plan: &RecoveryPlan) -> PromotionMode {
    match (trigger, plan.aurora.first()) {
        (Trigger::Manual(order), _) => order.mode,
        (Trigger::Alarm(_), Some(aurora)) => aurora.unplanned_mode,
        (Trigger::Alarm(_), None) => PromotionMode::Failover,
    }
}

/// The alarm's change of state. For a person's order the moment it was given: there may be no incident at all.
fn incident_at(trigger: &Trigger, started_at: Timestamp) -> Timestamp {
    match trigger {
        Trigger::Alarm(alarm) => alarm.state_changed_at.min(started_at),
        Trigger::Manual(_) => started_at,
    }
}

fn capacity(index: usize, ecs: &EcsPlan, source: &Region) -> Result<Capacity, Error> {
    Ok(match ecs.capacity {
        PlannedCapacity::Desired(count) => Capacity::Desired(count),
        PlannedCapacity::PercentOfSource { percent, desired_if_unknown } => Capacity::PercentOfSource {
            percent,
            source_region: source.clone(),
            source_cluster: entry(&format!("ecs[{index}].clusters"), &ecs.clusters, source)?,
            desired_if_unknown,
        },
    })
}

fn entry<T: Clone>(field: &str, map: &std::collections::BTreeMap<Region, T>, region: &Region) -> Result<T, Error> {
    map.get(region).cloned().ok_or_else(|| Error::InvalidRequest {
        field: format!("plan_document.{field}"),
        problem: format!("has no entry for {region}"),
    })
}
