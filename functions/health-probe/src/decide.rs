//! `decide`: should the plan's failover run now, and what exactly is to be done (F8)?
//!
//! Asked again and again by the state machine until it is no longer "wait". Before it decides it has every step's
//! request checked (X4): its first answer names the checks, a later request brings their outcome. The decision to fail
//! over claims the plan's generation in the ledger (X5) and is written down there, so that an execution that is started
//! again under the same failover's id carries out the very same run (X7).

use failover::contract::{
    self, AlarmTrigger, DecideRequest, DecideResponse, Decision, ExecutionInput, Finding, Generation, ManualRequest,
    PreflightRequest, Region, RunPlan, Sample, Severity, StepCall, Timestamp, Trigger,
};
use failover::error::Error;
use failover::ledger::plan_item::{NewestFailover, Phase};
use failover::ledger::{Admission, PlanItem};
use failover::recovery_plan::RecoveryPlan;
use failover::telemetry::metrics::{self, Unit};

use crate::evidence::Lag;
use crate::judge::{self, Verdict};
use crate::look::{Look, look};
use crate::readiness::Checked;
use crate::route::{self, Route};
use crate::run_plan::{self, Decided};
use crate::{HealthProbe, decision_record, notice, preflight, readiness};

/// The longest history that is read. What [`judge::keep`] lets through is far shorter; more is nobody's answer.
const LONGEST_HISTORY: usize = 200;

/// Answers one look.
///
/// # Errors
/// [`Error::InvalidRequest`] that names the field, [`Error::Refused`] for a person's order that a gate holds back, and
/// the ledger's errors.
pub(crate) async fn decide(probe: &HealthProbe, request: DecideRequest) -> Result<DecideResponse, Error> {
    probe.tools.trace.annotate(request.failover_id.as_str());
    let plan = RecoveryPlan::parse(&request.plan_document)?;
    let input: ExecutionInput = contract::parse_at("input", request.input.clone())?;
    if input.plan != plan.name {
        return Err(Error::invalid(
            "input.plan",
            format!("is {}, but the plan that was loaded is {}", input.plan, plan.name),
        ));
    }
    if request.history.len() > LONGEST_HISTORY {
        let found = request.history.len();
        return Err(Error::invalid("history", format!("expected at most {LONGEST_HISTORY} samples, found {found}")));
    }
    check_order(&plan, &input.trigger)?;
    let item = probe.tools.ledger.plan_item(&plan.name).await?;
    let run = Run { probe, request: &request, plan: &plan, input: &input, item };
    if let Some(decided) = run.decided_before().await? {
        return run.go_on(decided).await;
    }
    match &input.trigger {
        Trigger::Alarm(alarm) => run.by_alarm(alarm).await,
        Trigger::Manual(order) => run.by_person(order).await,
        Trigger::Preflight(wish) => run.only_check(wish).await,
    }
}

/// What can be said of a person's order without looking at anything.
fn check_order(plan: &RecoveryPlan, trigger: &Trigger) -> Result<(), Error> {
    let target = match trigger {
        Trigger::Alarm(_) => None,
        Trigger::Manual(order) => {
            if order.reason.trim().is_empty() {
                return Err(Error::invalid("input.trigger.reason", "is empty: say why, it goes into the report"));
            }
            order.target_region.as_ref()
        }
        Trigger::Preflight(wish) => wish.target_region.as_ref(),
    };
    match target.filter(|target| !plan.has(target)) {
        Some(target) => {
            let problem = format!("{target} is not in plan {}, which has {}", plan.name, plan.regions_in_words());
            Err(Error::invalid("input.trigger.target_region", problem))
        }
        None => Ok(()),
    }
}

struct Run<'a> {
    probe: &'a HealthProbe,
    request: &'a DecideRequest,
    plan: &'a RecoveryPlan,
    input: &'a ExecutionInput,
    /// The plan's item, read before anything else.
    item: PlanItem,
}

/// What is known at the moment of a decision.
struct Known<'a> {
    source: &'a Region,
    target: &'a Region,
    sample: Sample,
    lag: Lag,
    history: Vec<Sample>,
}

/// What the checks say, once they are made.
enum Checks {
    /// They are to be made first, all of them.
    ToMake(Vec<StepCall>),
    Made(Vec<Finding>),
}

impl Run<'_> {
    async fn by_alarm(&self, alarm: &AlarmTrigger) -> Result<DecideResponse, Error> {
        let tools = &self.probe.tools;
        let route = route::away_from_the_active_region(self.plan, &self.item)?;
        let source = route.source;
        if *source == tools.config.dr_region {
            // An orchestrator in the Region that is lost could not be trusted to get to the end; and moving back is a
            // planned thing, for people (F14).
            let reason = format!(
                "alarm {} would move plan {} away from {source}, where the orchestrator itself stands: automatic \
                 failovers leave other Regions only, moving back is ordered by a person",
                alarm.alarm_name, self.plan.name
            );
            return Ok(self.stand_down(reason, None, self.request.history.clone()));
        }
        // A look costs seconds, and a person's attention: not for a run that would not be admitted anyway.
        let gate = |target: &Region| {
            let wish = self.admission(source, target);
            self.item.admit(&self.plan.name, &wish, tools.env.now()).map(drop)
        };
        let mut gates = route.targets.iter().map(|target| gate(target));
        if let Some(Err(error)) = gates.next()
            && gates.all(|gate| gate.is_err())
        {
            return self.refused(error, None, self.request.history.clone());
        }
        let Some(known) = self.look(&route).await else {
            return Err(no_target(self.plan));
        };
        let verdict = judge::judge(&self.plan.detection, &known.history, self.request.started_at);
        let claimed = self.has_claimed();
        if let (Verdict::StandDown(reason), false) = (&verdict, claimed) {
            return Ok(self.stand_down(reason.clone(), Some(&known.sample), known.history));
        }
        let findings = match self.checks(&known)? {
            Checks::ToMake(checks) => return Ok(check_first(checks, known.history)),
            Checks::Made(findings) => findings,
        };
        let objections: Vec<String> =
            [self.too_much_to_lose(&known.lag), would_fail(&findings)].into_iter().flatten().collect();
        match verdict {
            // The generation is ours already, so the answer that said so was lost: to decide anew could leave it claimed
            // and unused.
            _ if claimed => {
                let why = format!("decided before, after alarm {}", alarm.alarm_name);
                self.fail_over(&known, why, findings).await
            }
            // A person has seen evidence that lasted, and is answerable for going on.
            _ if self.request.approved => {
                let why = format!("approved by a person, after alarm {}", alarm.alarm_name);
                self.fail_over(&known, why, findings).await
            }
            Verdict::Wait(message) => Ok(self.wait(message, known.history)),
            Verdict::StandDown(reason) => Ok(self.stand_down(reason, Some(&known.sample), known.history)),
            Verdict::FailOver(reason) if objections.is_empty() => self.fail_over(&known, reason, findings).await,
            Verdict::Ask(reason) | Verdict::FailOver(reason) => Ok(self.ask(&reason, &objections, &known, findings)),
        }
    }

    /// A person's order needs no evidence. It is looked at all the same: for the report, and for what may be lost.
    async fn by_person(&self, order: &ManualRequest) -> Result<DecideResponse, Error> {
        let route = route::towards(self.plan, &self.item, order.target_region.as_ref())?;
        let Some(known) = self.look(&route).await else {
            return Err(no_target(self.plan));
        };
        self.item.admit(&self.plan.name, &self.wish(&known), self.probe.tools.env.now())?;
        let findings = match self.checks(&known)? {
            Checks::ToMake(checks) => return Ok(check_first(checks, vec![known.sample])),
            Checks::Made(findings) => findings,
        };
        if let Some(blockers) = would_fail(&findings).filter(|_| !order.force) {
            return Err(Error::Refused {
                reason: blockers,
                cure: "remove what blocks it and start again; or start again with \"force\": true, which goes on \
                       regardless and is written down with its reason"
                    .to_owned(),
            });
        }
        let known = Known { history: vec![known.sample.clone()], ..known };
        self.fail_over(&known, notice::ordered(order), findings).await
    }

    /// The preflight alone (X4): what it found is the whole answer.
    async fn only_check(&self, wish: &PreflightRequest) -> Result<DecideResponse, Error> {
        let route = route::towards(self.plan, &self.item, wish.target_region.as_ref())?;
        let Some(known) = self.look(&route).await else {
            return Err(no_target(self.plan));
        };
        let findings = match self.checks(&known)? {
            Checks::ToMake(checks) => return Ok(check_first(checks, vec![known.sample])),
            Checks::Made(findings) => findings,
        };
        let run = self.resolve(&known, self.item.generation)?;
        let own = readiness::checks(self.probe, &Checked { plan: self.plan, run: &run, lag: &known.lag }).await;
        let findings = preflight::sorted(findings.into_iter().chain(own).collect());
        let plan = self.plan.name.as_str();
        for (name, severity) in [
            ("ReadinessBlockers", Severity::Blocker),
            ("ReadinessUnknown", Severity::Unknown),
            ("ReadinessWarnings", Severity::Warning),
        ] {
            let found = preflight::count(&findings, severity) as u64;
            metrics::publish(self.probe.tools.env.now(), plan, name, Unit::Count, found);
        }
        let message = format!(
            "from {} to {}: {}{}",
            known.source,
            known.target,
            preflight::summary(&findings),
            preflight::in_words(&findings)
        );
        Ok(DecideResponse { findings, ..answer(Decision::Checked, message, vec![known.sample]) })
    }

    /// Looks at the evidence, and chooses the target.
    async fn look<'p>(&self, route: &Route<'p>) -> Option<Known<'p>> {
        let Look { sample, lags } = look(&self.probe.tools, self.plan, route.source, &route.targets).await;
        let (target, lag) = route::choose(&route.targets, &lags, self.plan.detection.max_rpo_ms)?;
        let mut history = self.request.history.clone();
        history.push(sample.clone());
        let history = judge::keep(&self.plan.detection, history);
        Some(Known { source: route.source, target, sample, lag, history })
    }

    /// What the checks of this very run found; which to make, if that is not known.
    fn checks(&self, known: &Known<'_>) -> Result<Checks, Error> {
        let run = self.resolve(known, self.item.generation)?;
        let checks = run_plan::checks(&run);
        match &self.request.checked {
            Some(ends) if preflight::answers(ends, &checks) => {
                let (own, now) = (&self.request.failover_id, self.probe.tools.env.now());
                let mut own = readiness::of_ledger(self.plan, &self.item, own, now);
                own.extend(readiness::agrees(self.plan, &self.probe.settings.watched));
                Ok(Checks::Made(preflight::findings(ends, own)))
            }
            Some(_) | None => Ok(Checks::ToMake(checks)),
        }
    }

    /// The run that this failover was decided to be, by an earlier answer or an earlier execution.
    async fn decided_before(&self) -> Result<Option<RunPlan>, Error> {
        let is_ours = |newest: &NewestFailover| newest.id == self.request.failover_id;
        if !self.item.newest.as_ref().is_some_and(is_ours) {
            return Ok(None);
        }
        decision_record::read(&self.probe.tools, &self.request.failover_id).await
    }

    /// Whether this failover has claimed the plan's generation and is not concluded.
    fn has_claimed(&self) -> bool {
        let is_ours = |newest: &NewestFailover| newest.id == self.request.failover_id && newest.phase == Phase::Active;
        self.item.newest.as_ref().is_some_and(is_ours)
    }

    /// Takes a decided run up again: with its generation, and with the requests that it had.
    async fn go_on(&self, run: RunPlan) -> Result<DecideResponse, Error> {
        let wish = self.admission(&run.source_region, &run.target_region);
        self.claim_generation(&wish).await?;
        tracing::info!(generation = run.generation, "going on with the run that was decided");
        let why = "decided before; the run goes on where it was left".to_owned();
        let notification = notice::resumed(&run);
        let history = self.request.history.clone();
        Ok(DecideResponse {
            run: Some(run),
            notification: Some(notification),
            ..answer(Decision::FailOver, why, history)
        })
    }

    /// The RPO gate (X3).
    fn too_much_to_lose(&self, lag: &Lag) -> Option<String> {
        let limit_ms = self.plan.detection.max_rpo_ms;
        match lag {
            Lag::NotReplicated => None,
            Lag::Reading { ms, .. } if *ms <= limit_ms => None,
            Lag::Reading { ms, .. } => {
                Some(format!("The replication lag is {ms} ms, and the plan lets no more than {limit_ms} ms be lost"))
            }
            Lag::Unknown(_) => Some(format!(
                "The replication lag cannot be read, and the plan lets no more than {limit_ms} ms be lost"
            )),
        }
    }

    async fn fail_over(&self, known: &Known<'_>, why: String, findings: Vec<Finding>) -> Result<DecideResponse, Error> {
        let generation = match self.claim_generation(&self.wish(known)).await {
            Ok(generation) => generation,
            Err(error) => return self.refused(error, Some(&known.sample), known.history.clone()),
        };
        let run = self.resolve(known, generation)?;
        if !run.dry_run {
            decision_record::write(&self.probe.tools, &run).await?;
        }
        let notification = notice::started(&run, &why, &known.sample, &findings);
        tracing::info!(
            generation,
            source = %run.source_region,
            target = %run.target_region,
            forced = run.forced,
            why,
            "failing over"
        );
        Ok(DecideResponse {
            findings,
            run: Some(run),
            notification: Some(notification),
            ..answer(Decision::FailOver, why, known.history.clone())
        })
    }

    fn resolve(&self, known: &Known<'_>, generation: Generation) -> Result<RunPlan, Error> {
        let decided = Decided {
            failover_id: &self.request.failover_id,
            input: self.input,
            source: known.source,
            target: known.target,
            generation,
            started_at: self.request.started_at,
            now: self.probe.tools.env.now(),
            lag_ms: known.lag.ms(),
        };
        run_plan::resolve(self.plan, &decided)
    }

    /// Claims the plan's next generation; a dry run asks the same rule and writes nothing.
    async fn claim_generation(&self, wish: &Admission) -> Result<Generation, Error> {
        let ledger = &self.probe.tools.ledger;
        if run_plan::is_dry_run(&self.input.trigger) {
            let item = ledger.plan_item(&self.plan.name).await?;
            item.admit(&self.plan.name, wish, self.probe.tools.env.now())?;
            // The present one: the steps' gates then let the rehearsal pass, until a real failover begins.
            return Ok(item.generation);
        }
        let rule = |item: &PlanItem, now| {
            let active_until = now_plus_seconds(now, self.plan.max_run_seconds);
            item.admit(&self.plan.name, &Admission { active_until, ..wish.clone() }, now)
        };
        Ok(ledger.change_plan_item(&self.plan.name, rule).await?.generation)
    }

    fn wish(&self, known: &Known<'_>) -> Admission {
        self.admission(known.source, known.target)
    }

    fn admission(&self, source: &Region, target: &Region) -> Admission {
        Admission {
            failover_id: self.request.failover_id.clone(),
            initiator: run_plan::initiator(&self.input.trigger),
            source: source.clone(),
            target: target.clone(),
            active_until: now_plus_seconds(self.probe.tools.env.now(), self.plan.max_run_seconds),
        }
    }

    /// A gate said no: for an alarm that is the end of it, a person gets the error with its cure.
    fn refused(&self, error: Error, sample: Option<&Sample>, history: Vec<Sample>) -> Result<DecideResponse, Error> {
        match (&self.input.trigger, error) {
            (Trigger::Alarm(_), Error::Refused { reason, cure }) => {
                Ok(self.stand_down(format!("{reason}. To go on: {cure}"), sample, history))
            }
            (Trigger::Alarm(_) | Trigger::Manual(_) | Trigger::Preflight(_), error) => Err(error),
        }
    }

    fn wait(&self, message: String, history: Vec<Sample>) -> DecideResponse {
        DecideResponse {
            ask_again_after_seconds: judge::pace_seconds(&self.plan.detection),
            ..answer(Decision::Wait, message, history)
        }
    }

    fn ask(&self, why: &str, objections: &[String], known: &Known<'_>, findings: Vec<Finding>) -> DecideResponse {
        let reason = std::iter::once(why).chain(objections.iter().map(String::as_str)).collect::<Vec<_>>().join(". ");
        let lag = notice::lag_in_words(&known.lag, self.probe.tools.env.now());
        let notification = notice::approval(&self.plan.name, &self.request.failover_id, &reason, &lag, &known.sample);
        DecideResponse {
            findings,
            notification: Some(notification),
            ..answer(Decision::Ask, reason, known.history.clone())
        }
    }

    fn stand_down(&self, reason: String, sample: Option<&Sample>, history: Vec<Sample>) -> DecideResponse {
        let notification = notice::stood_down(&self.plan.name, &self.request.failover_id, &reason, sample);
        DecideResponse { notification: Some(notification), ..answer(Decision::StandDown, reason, history) }
    }
}

/// The readiness gate (X4): a blocker means that the run would fail half way.
fn would_fail(findings: &[Finding]) -> Option<String> {
    let blockers = preflight::blockers(findings);
    if blockers.is_empty() {
        return None;
    }
    Some(format!("The failover would fail:{}", preflight::in_words(blockers)))
}

/// The checks take the time until the next look, and no more.
fn check_first(checks: Vec<StepCall>, history: Vec<Sample>) -> DecideResponse {
    let message = format!("{} checks are made before it is decided", checks.len());
    DecideResponse { checks, ..answer(Decision::Wait, message, history) }
}

fn no_target(plan: &RecoveryPlan) -> Error {
    Error::invalid("plan_document.standby_regions", format!("leaves no Region to go to: {}", plan.regions_in_words()))
}

fn answer(decision: Decision, message: String, history: Vec<Sample>) -> DecideResponse {
    tracing::info!(?decision, message, looks = history.len(), "decided");
    DecideResponse {
        decision,
        message,
        history,
        ask_again_after_seconds: 0,
        checks: Vec::new(),
        findings: Vec::new(),
        run: None,
        notification: None,
    }
}

fn now_plus_seconds(now: Timestamp, seconds: u32) -> Timestamp {
    now.plus_millis(u64::from(seconds) * 1000)
}
