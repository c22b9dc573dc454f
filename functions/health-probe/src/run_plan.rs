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
    /// The Region that is left.
    pub(crate) source: &'a Region,
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
    let source = decided.source;
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

#[cfg(test)]
mod tests {
    use failover::contract::DecideRequest;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_233_600_000);

    fn sample(text: &str) -> (RecoveryPlan, ExecutionInput, DecideRequest) {
        let mut event: Value = serde_json::from_str(text).expect("JSON");
        event.as_object_mut().expect("an object").remove("command");
        let request: DecideRequest = serde_json::from_value(event).expect("a request");
        let plan = RecoveryPlan::parse(&request.plan_document).expect("a plan");
        let input = serde_json::from_value(request.input.clone()).expect("an input");
        (plan, input, request)
    }

    fn by_alarm() -> (RecoveryPlan, ExecutionInput, DecideRequest) {
        sample(include_str!("../events/decide-alarm.json"))
    }

    fn by_person() -> (RecoveryPlan, ExecutionInput, DecideRequest) {
        sample(include_str!("../events/decide-switchover.json"))
    }

    fn resolved(sample: &(RecoveryPlan, ExecutionInput, DecideRequest), target: &str) -> Result<RunPlan, Error> {
        let (plan, input, request) = sample;
        let target = Region::parse(target).expect("a Region");
        let decided = Decided {
            failover_id: &request.failover_id,
            input,
            target: &target,
            generation: 7,
            started_at: request.started_at,
            now: NOW,
            lag_ms: Some(5),
        };
        resolve(plan, &decided)
    }

    #[test]
    fn every_request_carries_the_failover_its_generation_and_who_started_it() {
        for (sample, initiator) in [(by_alarm(), Initiator::Alarm), (by_person(), Initiator::Person)] {
            let run = resolved(&sample, "eu-west-1").expect("in the plan");
            let contexts = run.promotions.iter().map(|request| &request.run);
            let contexts = contexts.chain(run.scalings.iter().map(|request| &request.run));
            let contexts: Vec<&RunContext> = contexts.chain(run.shifts.iter().map(|request| &request.run)).collect();
            assert_eq!(contexts.len(), 3);
            for context in contexts {
                assert_eq!(context.failover_id.as_ref(), Some(&sample.2.failover_id));
                assert_eq!((context.generation, context.initiator), (Some(7), initiator));
                assert_eq!(context.idempotency_key, None);
            }
        }
    }

    #[test]
    fn an_alarm_promotes_each_cluster_its_own_way_and_a_persons_order_holds_for_all() {
        let (mut plan, input, request) = by_alarm();
        let mut second = plan.aurora[0].clone();
        second.unplanned_mode = PromotionMode::Detach;
        plan.aurora.push(second);
        let modes = |run: &RunPlan| run.promotions.iter().map(|promotion| promotion.mode).collect::<Vec<_>>();
        let run = resolved(&(plan.clone(), input, request), "eu-west-1").expect("in the plan");
        assert_eq!(modes(&run), [PromotionMode::Failover, PromotionMode::Detach]);
        assert_eq!(run.mode, PromotionMode::Failover);

        let (_, order, request) = by_person();
        let run = resolved(&(plan, order, request), "eu-west-1").expect("in the plan");
        assert_eq!(modes(&run), [PromotionMode::Switchover; 2]);
    }

    #[test]
    fn an_incident_begins_with_the_alarm_and_an_order_with_the_execution() {
        let run = resolved(&by_alarm(), "eu-west-1").expect("in the plan");
        assert_eq!(run.incident_at.to_string(), "2026-11-21T03:59:30.123Z");
        let run = resolved(&by_person(), "eu-west-1").expect("in the plan");
        assert_eq!(run.incident_at.to_string(), "2026-11-21T03:59:50Z");
    }

    #[test]
    fn an_absolute_capacity_is_passed_on_and_nothing_may_scale_down() {
        let (mut plan, input, request) = by_alarm();
        plan.ecs[0].capacity = PlannedCapacity::Desired(12);
        let run = resolved(&(plan, input, request), "eu-west-1").expect("in the plan");
        assert_eq!(run.scalings[0].capacity, Capacity::Desired(12));
        assert!(run.scalings.iter().all(|scaling| !scaling.allow_scale_down));
    }

    #[test]
    fn a_target_outside_the_plan_is_refused() {
        let error = resolved(&by_alarm(), "us-east-1").expect_err("not in the plan");
        assert!(error.to_string().contains("us-east-1 is not in plan trading"), "{error}");
    }

    #[test]
    fn what_a_step_is_sent_is_what_it_reads() {
        let run = resolved(&by_alarm(), "eu-west-1").expect("in the plan");
        let sent = json!(run);
        let read: RunPlan = serde_json::from_value(sent).expect("the state machine hands it back");
        assert_eq!(read, run);
    }
}
