//! `decide`: should the plan's failover run now, and what exactly is to be done (F8)?
//!
//! Asked again and again by the state machine until it is no longer "wait". The decision to fail over claims the
//! plan's generation in the ledger (X5); asking again afterwards finds the same one.

use failover::contract::{
    self, AlarmTrigger, DecideRequest, DecideResponse, Decision, ExecutionInput, Generation, ManualRequest,
    Notification, Region, RunPlan, Sample, Timestamp, Trigger,
};
use failover::error::Error;
use failover::ledger::plan_item::{NewestFailover, Phase};
use failover::ledger::{Admission, PlanItem};
use failover::recovery_plan::RecoveryPlan;

use crate::evidence::Lag;
use crate::judge::{self, Verdict};
use crate::look::{Look, look};
use crate::run_plan::{self, Decided};
use crate::{HealthProbe, notice};

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
        return Err(invalid("input.plan", format!("is {}, but the plan that was loaded is {}", input.plan, plan.name)));
    }
    if request.history.len() > LONGEST_HISTORY {
        let found = request.history.len();
        return Err(invalid("history", format!("expected at most {LONGEST_HISTORY} samples, found {found}")));
    }
    let run = Run { probe, request: &request, plan: &plan, input: &input };
    match &input.trigger {
        Trigger::Alarm(alarm) => run.by_alarm(alarm).await,
        Trigger::Manual(order) => run.by_person(order).await,
    }
}

struct Run<'a> {
    probe: &'a HealthProbe,
    request: &'a DecideRequest,
    plan: &'a RecoveryPlan,
    input: &'a ExecutionInput,
}

impl Run<'_> {
    async fn by_alarm(&self, alarm: &AlarmTrigger) -> Result<DecideResponse, Error> {
        let tools = &self.probe.tools;
        let item = tools.ledger.plan_item(&self.plan.name).await?;
        let (source, target) = self.away_from_the_active_region(&item)?;
        if *target != tools.config.dr_region {
            // An orchestrator in the Region that is lost could not be trusted to get to the end; and moving back is a
            // planned thing, for people (F14).
            let reason = format!(
                "alarm {} would move plan {} from {source} to {target}, but the orchestrator stands in {}: automatic \
                 failovers go to its own Region only, moving back is ordered by a person",
                alarm.alarm_name, self.plan.name, tools.config.dr_region
            );
            return Ok(self.stand_down(reason, None, self.request.history.clone()));
        }
        // A look costs seconds, and a person's attention: not for a run that would not be admitted anyway.
        if let Err(error) = item.admit(&self.plan.name, &self.wish(), tools.env.now()) {
            return self.refused(error, None, self.request.history.clone());
        }
        let Look { sample, lag } = look(tools, self.plan, source, target).await;
        let mut history = self.request.history.clone();
        history.push(sample.clone());
        let history = judge::keep(&self.plan.detection, history);
        match judge::judge(&self.plan.detection, &history, self.request.started_at) {
            // The generation is ours already, so the answer that said so was lost: to decide anew could leave it claimed
            // and unused.
            _ if self.has_claimed(&item) => {
                let why = format!("decided before, after alarm {}", alarm.alarm_name);
                self.fail_over(target, why, sample, &lag, history).await
            }
            // A person has seen evidence that lasted, and is answerable for going on.
            _ if self.request.approved => {
                let why = format!("approved by a person, after alarm {}", alarm.alarm_name);
                self.fail_over(target, why, sample, &lag, history).await
            }
            Verdict::Wait(message) => Ok(self.wait(message, history)),
            Verdict::StandDown(reason) => Ok(self.stand_down(reason, Some(&sample), history)),
            Verdict::Ask(reason) => Ok(self.ask(reason, &sample, &lag, history)),
            Verdict::FailOver(reason) => match self.too_much_to_lose(&lag) {
                Some(exposure) => Ok(self.ask(format!("{reason}. {exposure}"), &sample, &lag, history)),
                None => self.fail_over(target, reason, sample, &lag, history).await,
            },
        }
    }

    /// A person's order needs no evidence. It is looked at all the same: for the report, and for what may be lost.
    async fn by_person(&self, order: &ManualRequest) -> Result<DecideResponse, Error> {
        let target = &order.target_region;
        let source = self.plan.source_for(target).map_err(|_| {
            let RecoveryPlan { name, home_region, standby_region, .. } = self.plan;
            let problem = format!("{target} is not in plan {name}, which has {home_region} and {standby_region}");
            invalid("input.trigger.target_region", problem)
        })?;
        let Look { sample, lag } = look(&self.probe.tools, self.plan, source, target).await;
        self.fail_over(target, notice::ordered(order), sample.clone(), &lag, vec![sample]).await
    }

    /// Where the plan is active, and where an alarm would move it.
    fn away_from_the_active_region<'p>(&'p self, item: &'p PlanItem) -> Result<(&'p Region, &'p Region), Error> {
        let active = item.active_region.as_ref().unwrap_or(&self.plan.home_region);
        let target = self.plan.source_for(active).map_err(|_| {
            let problem = format!(
                "has the Regions {} and {}, but by the ledger plan {} is active in {active}",
                self.plan.home_region, self.plan.standby_region, self.plan.name
            );
            invalid("plan_document", problem)
        })?;
        Ok((active, target))
    }

    fn has_claimed(&self, item: &PlanItem) -> bool {
        let is_ours = |newest: &NewestFailover| newest.id == self.request.failover_id && newest.phase == Phase::Active;
        item.newest.as_ref().is_some_and(is_ours)
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

    async fn fail_over(
        &self,
        target: &Region,
        why: String,
        sample: Sample,
        lag: &Lag,
        history: Vec<Sample>,
    ) -> Result<DecideResponse, Error> {
        let generation = match self.claim_generation().await {
            Ok(generation) => generation,
            Err(error) => return self.refused(error, Some(&sample), history),
        };
        let decided = Decided {
            failover_id: &self.request.failover_id,
            input: self.input,
            target,
            generation,
            started_at: self.request.started_at,
            now: self.probe.tools.env.now(),
            lag_ms: lag.ms(),
        };
        let run = run_plan::resolve(self.plan, &decided)?;
        let notification = notice::started(&run, &why, &sample);
        tracing::info!(generation, source = %run.source_region, target = %run.target_region, why, "failing over");
        Ok(answer(Decision::FailOver, why, history, Some(run), Some(notification)))
    }

    /// Claims the plan's next generation; a dry run asks the same rule and writes nothing.
    async fn claim_generation(&self) -> Result<Generation, Error> {
        let ledger = &self.probe.tools.ledger;
        let wish = self.wish();
        if self.is_dry_run() {
            let item = ledger.plan_item(&self.plan.name).await?;
            item.admit(&self.plan.name, &wish, self.probe.tools.env.now())?;
            // The present one: the steps' gates then let the rehearsal pass, until a real failover begins.
            return Ok(item.generation);
        }
        let rule = |item: &PlanItem, now| {
            let active_until = now_plus_seconds(now, self.plan.max_run_seconds);
            item.admit(&self.plan.name, &Admission { active_until, ..wish.clone() }, now)
        };
        Ok(ledger.change_plan_item(&self.plan.name, rule).await?.generation)
    }

    fn wish(&self) -> Admission {
        Admission {
            failover_id: self.request.failover_id.clone(),
            initiator: run_plan::initiator(&self.input.trigger),
            active_until: now_plus_seconds(self.probe.tools.env.now(), self.plan.max_run_seconds),
        }
    }

    fn is_dry_run(&self) -> bool {
        matches!(&self.input.trigger, Trigger::Manual(order) if order.dry_run)
    }

    /// A gate said no: for an alarm that is the end of it, a person gets the error with its cure.
    fn refused(&self, error: Error, sample: Option<&Sample>, history: Vec<Sample>) -> Result<DecideResponse, Error> {
        match (&self.input.trigger, error) {
            (Trigger::Alarm(_), Error::Refused { reason, cure }) => {
                Ok(self.stand_down(format!("{reason}. To go on: {cure}"), sample, history))
            }
            (Trigger::Alarm(_) | Trigger::Manual(_), error) => Err(error),
        }
    }

    fn wait(&self, message: String, history: Vec<Sample>) -> DecideResponse {
        DecideResponse {
            ask_again_after_seconds: judge::pace_seconds(&self.plan.detection),
            ..answer(Decision::Wait, message, history, None, None)
        }
    }

    fn ask(&self, reason: String, sample: &Sample, lag: &Lag, history: Vec<Sample>) -> DecideResponse {
        let lag = notice::lag_in_words(lag, self.probe.tools.env.now());
        let notification = notice::approval(&self.plan.name, &self.request.failover_id, &reason, &lag, sample);
        answer(Decision::Ask, reason, history, None, Some(notification))
    }

    fn stand_down(&self, reason: String, sample: Option<&Sample>, history: Vec<Sample>) -> DecideResponse {
        let notification = notice::stood_down(&self.plan.name, &self.request.failover_id, &reason, sample);
        answer(Decision::StandDown, reason, history, None, Some(notification))
    }
}

fn answer(
    decision: Decision,
    message: String,
    history: Vec<Sample>,
    run: Option<RunPlan>,
    notification: Option<Notification>,
) -> DecideResponse {
    tracing::info!(?decision, message, looks = history.len(), "decided");
    DecideResponse { decision, message, history, ask_again_after_seconds: 0, run, notification }
}

fn now_plus_seconds(now: Timestamp, seconds: u32) -> Timestamp {
    now.plus_millis(u64::from(seconds) * 1000)
}

fn invalid(field: &str, problem: String) -> Error {
    Error::InvalidRequest { field: field.to_owned(), problem }
}
