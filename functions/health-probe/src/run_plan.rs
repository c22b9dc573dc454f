//! From the recovery plan and a decision to the complete requests of every step. Pure.

use std::collections::BTreeMap;

use failover::contract::{
    Capacity, ExecutionInput, FailoverId, FencingPolicy, Generation, Initiator, IsolateRequest, Isolation,
    PromoteRequest, PromotionMode, Region, RunContext, RunPlan, ScaleRequest, ShiftRequest, StepCall, StepRequest,
    Timestamp, Trigger, Wave,
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
/// [`Error::InvalidRequest`] when something has no entry for a Region.
pub(crate) fn resolve(plan: &RecoveryPlan, decided: &Decided<'_>) -> Result<RunPlan, Error> {
    let (trigger, source, target) = (&decided.input.trigger, decided.source, decided.target);
    let run = RunContext {
        failover_id: Some(decided.failover_id.clone()),
        plan: Some(plan.name.clone()),
        generation: Some(decided.generation),
        initiator: initiator(trigger),
        dry_run: is_dry_run(trigger),
        preflight: matches!(trigger, Trigger::Preflight(_)),
        idempotency_key: None,
    };
    let steps = Steps { plan, trigger, run: &run, source, target };
    Ok(RunPlan {
        failover_id: decided.failover_id.clone(),
        plan: plan.name.clone(),
        generation: decided.generation,
        initiator: run.initiator,
        dry_run: run.dry_run,
        mode: mode_of_run(trigger, plan),
        source_region: source.clone(),
        target_region: target.clone(),
        target_endpoint: entry("detection.endpoints", &plan.detection.endpoints, target)?,
        incident_at: incident_at(trigger, decided.started_at),
        decided_at: decided.now,
        lag_ms: decided.lag_ms,
        cooldown_seconds: plan.cooldown_seconds,
        forced: forced(trigger),
        fencing: plan.fencing.policy,
        writer_lease_seconds: plan.writer_lease_seconds,
        fences: steps.fences()?,
        waves: steps.waves()?,
        shifts: steps.shifts(),
    })
}

/// Everything a run would send, as preflight (X4), in the order of the run.
pub(crate) fn checks(run: &RunPlan) -> Vec<StepCall> {
    let promotions = run.promotions().cloned().map(StepRequest::Promote);
    let scalings = run.scalings().cloned().map(StepRequest::Scale);
    let shifts = run.shifts.iter().cloned().map(StepRequest::Shift);
    let fences = run.fences.iter().map(|fence| fence.request.clone());
    let all = fences.chain(promotions).chain(scalings).chain(shifts);
    all.map(|request| as_preflight(request).call()).collect()
}

fn as_preflight(mut request: StepRequest) -> StepRequest {
    let run = match &mut request {
        StepRequest::Isolate(request) => &mut request.run,
        StepRequest::Promote(request) => &mut request.run,
        StepRequest::Scale(request) => &mut request.run,
        StepRequest::Shift(request) => &mut request.run,
    };
    run.preflight = true;
    request
}

/// The requests of one run.
struct Steps<'a> {
    plan: &'a RecoveryPlan,
    trigger: &'a Trigger,
    run: &'a RunContext,
    source: &'a Region,
    target: &'a Region,
}

impl Steps<'_> {
    /// What keeps the source Region from writing: in an unplanned move, and unless the plan says off (X1). A switchover
    /// needs none, since Aurora itself stops the writes before it hands over.
    fn fences(&self) -> Result<Vec<StepCall>, Error> {
        let planned = mode_of_run(self.trigger, self.plan) == PromotionMode::Switchover;
        if planned || self.plan.fencing.policy == FencingPolicy::Off {
            return Ok(Vec::new());
        }
        let timeout_seconds = Some(self.plan.fencing.timeout_seconds);
        let mut fences = Vec::new();
        for (index, ecs) in self.plan.ecs.iter().enumerate().filter(|(_, ecs)| ecs.fence) {
            fences.push(StepRequest::Scale(ScaleRequest {
                run: self.run.clone(),
                target_region: Some(self.source.clone()),
                cluster: entry(&format!("ecs[{index}].clusters"), &ecs.clusters, self.source)?,
                services: ecs.services.clone(),
                capacity: Capacity::Fenced,
                allow_scale_down: true,
                timeout_seconds,
            }));
        }
        for (index, aurora) in self.plan.aurora.iter().enumerate() {
            let Some(groups) = aurora.security_groups.get(self.source) else {
                continue;
            };
            fences.push(StepRequest::Isolate(IsolateRequest {
                run: self.run.clone(),
                isolate: Isolation {
                    cluster_arn: entry(&format!("aurora[{index}].clusters"), &aurora.clusters, self.source)?,
                    security_group_ids: groups.isolated.clone(),
                },
                timeout_seconds,
            }));
        }
        Ok(fences.into_iter().map(StepRequest::call).collect())
    }

    /// By the plan's numbers, smallest first; a number that nothing has makes no wave.
    fn waves(&self) -> Result<Vec<Wave>, Error> {
        let mut waves: BTreeMap<u32, Wave> = BTreeMap::new();
        for (index, aurora) in self.plan.aurora.iter().enumerate() {
            let request = PromoteRequest {
                run: self.run.clone(),
                global_cluster_id: Some(aurora.global_cluster_id.clone()),
                target_cluster_arn: Some(entry(&format!("aurora[{index}].clusters"), &aurora.clusters, self.target)?),
                source_cluster_arn: aurora.clusters.get(self.source).cloned(),
                mode: mode(self.trigger, aurora),
                security_group_ids: aurora.security_groups.get(self.target).map(|groups| groups.serving.clone()),
            };
            waves.entry(aurora.wave).or_default().promotions.push(request);
        }
        for (index, ecs) in self.plan.ecs.iter().enumerate() {
            let request = ScaleRequest {
                run: self.run.clone(),
                target_region: Some(self.target.clone()),
                cluster: entry(&format!("ecs[{index}].clusters"), &ecs.clusters, self.target)?,
                services: ecs.services.clone(),
                capacity: capacity(index, ecs, self.source)?,
                allow_scale_down: false,
                timeout_seconds: None,
            };
            waves.entry(ecs.wave).or_default().scalings.push(request);
        }
        Ok(waves.into_values().collect())
    }

    fn shifts(&self) -> Vec<ShiftRequest> {
        let each = self.plan.traffic.iter().cloned();
        each.map(|traffic| ShiftRequest { run: self.run.clone(), target_region: Some(self.target.clone()), traffic })
            .collect()
    }
}

/// Whether nothing is to be changed, though every gate and decision is gone through.
pub(crate) fn is_dry_run(trigger: &Trigger) -> bool {
    match trigger {
        Trigger::Manual(order) => order.dry_run,
        Trigger::Alarm(_) => false,
        Trigger::Preflight(_) => true,
    }
}

/// Why a person overrides gates, if one does.
fn forced(trigger: &Trigger) -> Option<String> {
    match trigger {
        Trigger::Manual(order) if order.force => Some(order.reason.clone()),
        Trigger::Manual(_) | Trigger::Alarm(_) | Trigger::Preflight(_) => None,
    }
}

/// Who started it: gates for automatic runs apply to alarms alone.
pub(crate) fn initiator(trigger: &Trigger) -> Initiator {
    match trigger {
        Trigger::Alarm(_) => Initiator::Alarm,
        Trigger::Manual(_) | Trigger::Preflight(_) => Initiator::Person,
    }
}

/// A person's order holds for every cluster; an alarm goes by what the plan says of each.
fn mode(trigger: &Trigger, aurora: &AuroraPlan) -> PromotionMode {
    match trigger {
        Trigger::Manual(order) => order.mode,
        Trigger::Alarm(_) | Trigger::Preflight(_) => aurora.unplanned_mode,
    }
}

fn mode_of_run(trigger: &Trigger, plan: &RecoveryPlan) -> PromotionMode {
    match (trigger, plan.aurora.first()) {
        (Trigger::Manual(order), _) => order.mode,
        (Trigger::Alarm(_) | Trigger::Preflight(_), Some(aurora)) => aurora.unplanned_mode,
        (Trigger::Alarm(_) | Trigger::Preflight(_), None) => PromotionMode::Failover,
    }
}

/// The alarm's change of state. For a person's order the moment it was given: there may be no incident at all.
fn incident_at(trigger: &Trigger, started_at: Timestamp) -> Timestamp {
    match trigger {
        Trigger::Alarm(alarm) => alarm.state_changed_at.min(started_at),
        Trigger::Manual(_) | Trigger::Preflight(_) => started_at,
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

fn entry<T: Clone>(field: &str, map: &BTreeMap<Region, T>, region: &Region) -> Result<T, Error> {
    map.get(region)
        .cloned()
        .ok_or_else(|| Error::invalid(format!("plan_document.{field}"), format!("has no entry for {region}")))
}

#[cfg(test)]
mod tests {
    use failover::contract::DecideRequest;
    use failover::recovery_plan::SecurityGroups;
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
        let source = plan.targets_from(&target).next().expect("another Region");
        let decided = Decided {
            failover_id: &request.failover_id,
            input,
            source,
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
            let contexts = run.promotions().map(|request| &request.run);
            let contexts = contexts.chain(run.scalings().map(|request| &request.run));
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
        let modes = |run: &RunPlan| run.promotions().map(|promotion| promotion.mode).collect::<Vec<_>>();
        let run = resolved(&(plan.clone(), input, request), "eu-west-1").expect("in the plan");
        assert_eq!(modes(&run), [PromotionMode::Failover, PromotionMode::Detach]);
        assert_eq!(run.mode, PromotionMode::Failover);

        let (_, order, request) = by_person();
        let run = resolved(&(plan, order, request), "eu-west-1").expect("in the plan");
        assert_eq!(modes(&run), [PromotionMode::Switchover; 2]);
    }

    #[test]
    fn only_a_forced_order_overrides_gates_and_says_why() {
        let (plan, mut input, request) = by_person();
        let forced = |input: &ExecutionInput| {
            resolved(&(plan.clone(), input.clone(), request.clone()), "eu-west-1").expect("in the plan").forced
        };
        assert_eq!(forced(&input), None);
        let Trigger::Manual(order) = &mut input.trigger else { panic!("a person's") };
        order.force = true;
        let reason = order.reason.clone();
        assert_eq!(forced(&input), Some(reason));
        let (_, by_alarm, _) = by_alarm();
        assert_eq!(forced(&by_alarm), None);
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
        assert_eq!(run.waves[0].scalings[0].capacity, Capacity::Desired(12));
        assert!(run.scalings().all(|scaling| !scaling.allow_scale_down));
    }

    #[test]
    fn a_target_without_an_entry_is_refused() {
        let error = resolved(&by_alarm(), "us-east-1").expect_err("not in the plan");
        assert!(error.to_string().contains("has no entry for us-east-1"), "{error}");
    }

    #[test]
    fn an_unplanned_run_fences_what_writes_in_the_source_region_and_a_switchover_nothing() {
        let (mut plan, input, request) = by_alarm();
        let groups =
            |id: &str| SecurityGroups { serving: vec![format!("sg-{id}1")], isolated: vec![format!("sg-{id}0")] };
        for (region, arn) in plan.aurora[0].clusters.clone() {
            plan.aurora[0].security_groups.insert(region, groups(&arn.region().as_str()[3..4]));
        }
        let run = resolved(&(plan.clone(), input.clone(), request.clone()), "eu-west-1").expect("in the plan");
        let [StepRequest::Scale(scale), StepRequest::Isolate(isolate)] =
            [&run.fences[0].request, &run.fences[1].request]
        else {
            panic!("{:?}", run.fences)
        };
        assert_eq!(scale.target_region, Some(plan.home_region.clone()));
        assert_eq!((&scale.capacity, scale.timeout_seconds), (&Capacity::Fenced, Some(10)));
        assert_eq!(isolate.isolate.cluster_arn.region(), plan.home_region);
        assert_eq!(isolate.isolate.security_group_ids, ["sg-c0"]);
        let serving = run.waves[0].promotions[0].security_group_ids.clone();
        assert_eq!(serving, Some(vec!["sg-w1".to_owned()]), "the target serves with its own groups");

        plan.ecs[0].fence = false;
        let run = resolved(&(plan.clone(), input.clone(), request.clone()), "eu-west-1").expect("in the plan");
        assert_eq!(run.fences.len(), 1, "services that do not write stay");
        plan.fencing.policy = FencingPolicy::Off;
        let run = resolved(&(plan.clone(), input, request), "eu-west-1").expect("in the plan");
        assert_eq!(run.fences, []);
        let (_, order, request) = by_person();
        plan.fencing.policy = FencingPolicy::Required;
        let run = resolved(&(plan, order, request), "eu-west-1").expect("in the plan");
        assert_eq!(run.fences, [], "a switchover stops the writes itself");
    }

    #[test]
    fn waves_come_in_the_order_of_their_numbers_with_everything_that_has_the_number() {
        let (mut plan, input, request) = by_alarm();
        let mut late = plan.ecs[0].clone();
        late.wave = 7;
        let mut early = plan.ecs[0].clone();
        early.wave = 2;
        plan.aurora[0].wave = 2;
        plan.ecs = vec![late, early];
        let run = resolved(&(plan, input, request), "eu-west-1").expect("in the plan");
        let sizes: Vec<_> = run.waves.iter().map(|wave| (wave.promotions.len(), wave.scalings.len())).collect();
        assert_eq!(sizes, [(1, 1), (0, 1)]);
    }

    #[test]
    fn everything_a_run_sends_is_checked_beforehand() {
        let run = resolved(&by_alarm(), "eu-west-1").expect("in the plan");
        let checks = checks(&run);
        assert_eq!(checks.len(), run.fences.len() + 3);
        for check in checks {
            let sent = json!(check.request);
            assert_eq!(sent["run"]["preflight"], json!(true), "{sent}");
        }
    }

    #[test]
    fn what_a_step_is_sent_is_what_it_reads() {
        let run = resolved(&by_alarm(), "eu-west-1").expect("in the plan");
        let sent = json!(run);
        let read: RunPlan = serde_json::from_value(sent).expect("the state machine hands it back");
        assert_eq!(read, run);
    }
}
