//! Carries a schedule out on a stage, and watches what the product makes of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::schedule::{Act, Fault, Function, Incident, Schedule, Spell, What};
use super::{FAULTS_CEASE_AFTER, RUNS_END_WITHIN};
use crate::delivery::{Alarm, Alarms};
use crate::error::Result;
use crate::execution::Execution;
use crate::gateway::RuleId;
use crate::moment::Moment;
use crate::question::Question;
use crate::stage::{Order, QUESTION, Stage};
use crate::state::{LedgerItem, WorldState};
use crate::world::Site;

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(100);
/// How often the ledger, the executions and the messages to people are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What came of a schedule.
#[derive(Clone, Debug)]
pub struct Course {
    /// When it began.
    pub began: Moment,
    /// When every fault had ceased.
    pub ceased: Moment,
    /// When nobody was at work any more, at the end.
    pub rested: Moment,
    /// When the undisturbed run was ordered; none when the disturbed one needed none after it.
    pub ordered_again: Option<Moment>,
    /// When what is not about calls was carried out, by the fault's number.
    pub carried_out: BTreeMap<usize, Moment>,
    /// The ledger in the course of time.
    pub looks: Vec<LedgerLook>,
    /// The workload after the disturbed part.
    pub disturbed: WorldState,
    /// The plan's generation then.
    pub disturbed_generation: u64,
    /// How often a function logged that its connection was refused.
    pub refused_connections: usize,
}

/// The ledger at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerLook {
    /// The plan's generation.
    pub generation: u64,
    /// The keys of all operations.
    pub operations: BTreeSet<String>,
}

impl LedgerLook {
    /// Takes down what of the ledger must never shrink.
    #[must_use]
    pub fn of(ledger: &[LedgerItem]) -> Self {
        let operations = ledger.iter().filter(|item| !item.is_plan()).map(|item| item.operation_id.clone());
        Self { generation: generation(ledger), operations: operations.collect() }
    }
}

/// The plan's generation; zero before the first failover.
#[must_use]
pub fn generation(ledger: &[LedgerItem]) -> u64 {
    of_plan(ledger, "generation").and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn of_plan<'a>(ledger: &'a [LedgerItem], attribute: &str) -> Option<&'a str> {
    let plan = ledger.iter().find(|item| item.is_plan())?;
    plan.attributes.get(attribute).map(String::as_str)
}

/// Whether somebody may still be at work on an operation: it is not finished, and its lease has not run out.
#[must_use]
pub fn is_held(item: &LedgerItem, now: Moment) -> bool {
    let unfinished = ["claimed", "intent", "unknown"].contains(&item.status.as_str());
    let expires = item.attributes.get("lease_expires_ms").and_then(|text| text.parse().ok()).map(Moment::from_millis);
    unfinished && expires.is_some_and(|expires| expires > now)
}

/// Plays it: the incident with its faults, and then, where that did not move the workload, a person's order without any.
///
/// # Errors
/// [`Error::Aws`](crate::Error::Aws) when a call of the drill itself fails.
pub async fn play(stage: &mut Stage, schedule: &Schedule) -> Result<Course> {
    let mut director = Director::begin(stage, schedule).await?;
    director.cause_incident().await?;
    let task = director.stage.progress.task("disturbing it");
    director.go_on(FAULTS_CEASE_AFTER + RUNS_END_WITHIN).await?;
    director.cease().await?;
    task.done("at rest");
    director.course.disturbed = director.stage.state().await?;
    director.course.disturbed_generation = generation(&director.ledger);
    director.bring_to_end().await?;
    director.course.rested = Moment::now();
    director.course.refused_connections = director.stage.refused_connections().await;
    let begins = director.course.began;
    let course = director.course;
    stage.keep_all_runs(begins, Site::Standby).await?;
    Ok(course)
}

/// What ends a fault that lasts.
#[derive(Debug)]
enum End {
    RemoveRule(RuleId),
    ReturnRegion,
    AcceptConnections,
    ClearKillSwitch,
}

struct Director<'a> {
    stage: &'a mut Stage,
    schedule: &'a Schedule,
    start: Instant,
    /// What has not begun, in the order in which it does.
    upcoming: VecDeque<&'a Fault>,
    /// Acts whose occasion has not come.
    waiting: Vec<&'a Fault>,
    /// What lasts, and until when.
    lasting: Vec<(Duration, End)>,
    /// Invocations and deliveries that nobody waits for.
    acting: JoinSet<()>,
    alarm: Option<Alarm>,
    ledger: Vec<LedgerItem>,
    course: Course,
}

impl<'a> Director<'a> {
    async fn begin(stage: &'a mut Stage, schedule: &'a Schedule) -> Result<Self> {
        let now = Moment::now();
        let disturbed = stage.state().await?;
        let course = Course {
            began: now,
            ceased: now,
            rested: now,
            ordered_again: None,
            carried_out: BTreeMap::new(),
            looks: Vec::new(),
            disturbed,
            disturbed_generation: 0,
            refused_connections: 0,
        };
        Ok(Self {
            stage,
            schedule,
            start: Instant::now(),
            upcoming: schedule.faults.iter().collect(),
            waiting: Vec::new(),
            lasting: Vec::new(),
            acting: JoinSet::new(),
            alarm: None,
            ledger: Vec::new(),
            course,
        })
    }

    /// Faults that begin at once are there before the product acts.
    async fn cause_incident(&mut self) -> Result<()> {
        let alarms = Alarms::listen(self.stage.orchestrator(), self.stage.aws()).await?;
        (self.start, self.course.began) = (Instant::now(), Moment::now());
        self.begin_what_is_due().await?;
        match self.schedule.incident {
            Incident::Lost => self.stage.lose(Site::Primary),
            Incident::LostAndBack(after) => {
                self.stage.lose(Site::Primary);
                self.lasting.push((after, End::ReturnRegion));
            }
            Incident::Switchover => {
                self.stage.order(Order::Switchover, Site::Standby, "maintenance").await?;
            }
            Incident::FalseAlarm => {}
        }
        if self.schedule.incident.by_alarm() {
            self.stage.raise_alarm().await?;
            if self.schedule.incident == Incident::FalseAlarm {
                // After the other one, whose change made CloudWatch evaluate this one anew.
                self.stage.raise_evidence_alarm().await?;
            }
            self.alarm = Some(alarms.first().await?);
        }
        Ok(())
    }

    /// Lets things take their course until nobody is at work any more, for `limit` at most.
    async fn go_on(&mut self, limit: Duration) -> Result<()> {
        let (began, mut looked) = (Instant::now(), None::<Instant>);
        while began.elapsed() < limit {
            self.begin_what_is_due().await?;
            self.end_what_is_over().await?;
            if looked.is_none_or(|at| at.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                self.answer_questions().await?;
                if self.look().await? {
                    return Ok(());
                }
            }
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }

    async fn begin_what_is_due(&mut self) -> Result<()> {
        while let Some(fault) = self.upcoming.pop_front_if(|fault| fault.from <= self.start.elapsed()) {
            match fault.what {
                What::Calls(..) => self.add_rule(fault),
                What::Spell(spell) => self.begin_spell(fault, spell).await?,
                What::Act(_) => self.waiting.push(fault),
            }
        }
        for fault in std::mem::take(&mut self.waiting) {
            if fault.until > self.start.elapsed() && !self.try_act(fault).await? {
                self.waiting.push(fault);
            }
        }
        Ok(())
    }

    fn add_rule(&mut self, fault: &Fault) {
        if let Some(rule) = fault.rule() {
            let rule = self.stage.local.gateway.add_rule(rule);
            self.lasting.push((fault.until, End::RemoveRule(rule)));
        }
    }

    async fn begin_spell(&mut self, fault: &Fault, spell: Spell) -> Result<()> {
        match spell {
            Spell::LedgerDown | Spell::Partition(_) => {
                self.stage.tell(fault.to_string());
                self.add_rule(fault);
            }
            Spell::RegionLost => {
                self.add_rule(fault);
                self.stage.lose(Site::Primary);
                self.lasting.push((fault.until, End::ReturnRegion));
            }
            Spell::ConnectionsRefused => {
                self.stage.tell(fault.to_string());
                self.stage.local.gateway.refuse_connections();
                self.lasting.push((fault.until, End::AcceptConnections));
            }
            Spell::KillSwitch => {
                let at = self.stage.set_kill_switch(true).await?;
                self.course.carried_out.insert(fault.number, at);
                self.lasting.push((fault.until, End::ClearKillSwitch));
            }
        }
        Ok(())
    }

    async fn end_what_is_over(&mut self) -> Result<()> {
        let elapsed = self.start.elapsed();
        let (over, lasting) = std::mem::take(&mut self.lasting).into_iter().partition(|(until, _)| *until <= elapsed);
        self.lasting = lasting;
        for (_, end) in over {
            self.end(end).await?;
        }
        Ok(())
    }

    async fn end(&mut self, end: End) -> Result<()> {
        match end {
            End::RemoveRule(rule) => drop(self.stage.local.gateway.remove_rule(rule)),
            End::ReturnRegion => self.stage.bring_back(Site::Primary),
            End::AcceptConnections => self.stage.local.gateway.accept_connections(),
            End::ClearKillSwitch => drop(self.stage.set_kill_switch(false).await?),
        }
        Ok(())
    }

    /// Acts, if there is an occasion; whether there was.
    async fn try_act(&mut self, fault: &Fault) -> Result<bool> {
        let What::Act(act) = fault.what else { return Ok(true) };
        let occasion = match act {
            Act::AlarmAgain(copies) => self.deliver_again(copies),
            Act::OrderBeside => {
                self.stage.order(self.order(), Site::Standby, "somebody was told by phone").await?;
                true
            }
            Act::Twin(function) => match self.sent_request(function) {
                Some(request) => self.invoke(function, &request)?,
                None => false,
            },
            Act::ByHand(function) => match self.decided_request(function) {
                Some(mut request) => {
                    if let Some(fields) = request.as_object_mut() {
                        fields.remove("run");
                    }
                    self.invoke(function, &request)?
                }
                None => false,
            },
        };
        if occasion {
            let at = self.stage.tell(fault.to_string());
            self.course.carried_out.insert(fault.number, at);
        }
        Ok(occasion)
    }

    fn deliver_again(&mut self, copies: usize) -> bool {
        let Some(alarm) = self.alarm.clone() else { return false };
        self.acting.spawn(async move {
            // What becomes of each is seen in the ledger and in the executions.
            let _some_failed = alarm.deliver_again(copies).await;
        });
        true
    }

    fn invoke(&mut self, function: Function, request: &Value) -> Result<bool> {
        let deployed = self.stage.orchestrator().clone();
        let name = match function {
            Function::HealthProbe => "HealthProbeFunctionArn",
            Function::PromoteAurora => "PromoteAuroraFunctionArn",
            Function::ScaleEcs => "ScaleEcsFunctionArn",
            Function::ShiftDns => "ShiftDnsFunctionArn",
        };
        let (arn, event) = (deployed.output(name)?.to_owned(), request.to_string());
        self.acting.spawn(async move {
            // It may well be refused; what it did is seen in the ledger and in the calls.
            let _refused = deployed.invoke(&arn, &event).await;
        });
        Ok(true)
    }

    /// What a person would order now.
    fn order(&self) -> Order {
        if self.stage.is_lost(Site::Primary) { Order::Failover } else { Order::Switchover }
    }

    /// A step's request of the newest run that was decided.
    fn decided_request(&self, function: Function) -> Option<Value> {
        let newest = of_plan(&self.ledger, "failover_id")?;
        let decided = self.ledger.iter().find(|item| item.operation_id == format!("{newest}#decide"))?;
        let run: Value = serde_json::from_str(decided.attributes.get("result")?).ok()?;
        let requests = match function {
            Function::HealthProbe => return None,
            Function::PromoteAurora => &run["waves"][0]["promotions"],
            Function::ScaleEcs => &run["waves"][0]["scalings"],
            Function::ShiftDns => &run["shifts"],
        };
        requests.get(0).cloned()
    }

    /// The same, once the state machine has sent it: a request cannot be repeated before.
    fn sent_request(&self, function: Function) -> Option<Value> {
        let newest = of_plan(&self.ledger, "failover_id")?;
        let prefix = format!("{newest}#{}#", function.name());
        let is_sent = |item: &LedgerItem| item.operation_id.starts_with(&prefix) && !item.is_fence();
        self.ledger.iter().any(is_sent).then(|| self.decided_request(function)).flatten()
    }

    /// Says what a person says who is asked.
    async fn answer_questions(&mut self) -> Result<()> {
        for message in self.stage.hear().await? {
            if !message.subject.contains(QUESTION) {
                continue;
            }
            let question = Question::parse(&message.text)?;
            let answer = if self.schedule.approves { &question.approve } else { &question.decline };
            if self.stage.answer(answer).await.is_err() {
                self.stage.tell("the answer came too late");
            }
        }
        Ok(())
    }

    /// Looks at ledger and executions; whether nobody is at work, and nothing more will happen.
    async fn look(&mut self) -> Result<bool> {
        self.ledger = self.stage.orchestrator().ledger().await?;
        self.course.looks.push(LedgerLook::of(&self.ledger));
        while self.acting.try_join_next().is_some() {}
        let now = Moment::now();
        let executions = self.stage.orchestrator().executions().await?;
        let is_triggered = |item: &LedgerItem| item.operation_id.contains("#trigger#") && item.status == "completed";
        let triggered = !self.schedule.incident.by_alarm() || self.ledger.iter().any(is_triggered);
        let nothing_more = self.upcoming.is_empty() && self.waiting.is_empty() && !self.lasts_by_itself();
        Ok(nothing_more
            && self.acting.is_empty()
            && triggered
            && !executions.is_empty()
            && executions.iter().all(Execution::has_ended)
            && !self.ledger.iter().any(|item| is_held(item, now)))
    }

    /// Whether something lasts that does not wait for calls.
    fn lasts_by_itself(&self) -> bool {
        self.lasting.iter().any(|(_, end)| !matches!(end, End::RemoveRule(_)))
    }

    /// Ends everything that disturbs; a Region that is lost for good stays lost.
    async fn cease(&mut self) -> Result<()> {
        for (_, end) in std::mem::take(&mut self.lasting) {
            self.end(end).await?;
        }
        self.upcoming.clear();
        self.waiting.clear();
        self.course.ceased = self.course.began.plus(FAULTS_CEASE_AFTER).min(Moment::now());
        Ok(())
    }

    /// What a person does who was told that the workload was not moved: goes on with what was not concluded, or orders it.
    async fn bring_to_end(&mut self) -> Result<()> {
        let executions = self.stage.orchestrator().executions().await?;
        if executions.iter().any(Execution::says_moved) {
            return Ok(());
        }
        let unconcluded = of_plan(&self.ledger, "phase") == Some("active");
        let newest = of_plan(&self.ledger, "failover_id").unwrap_or_default();
        let last = executions.iter().rev().find(|execution| execution.failover_id() == newest);
        let ordered = match last.filter(|_| unconcluded) {
            Some(last) => {
                self.stage.resume(last).await?;
                Moment::now()
            }
            None => self.stage.order(self.order(), Site::Standby, "the workload was not moved").await?,
        };
        self.course.ordered_again = Some(ordered);
        let task = self.stage.progress.task("without faults");
        self.go_on(RUNS_END_WITHIN).await?;
        task.done("at rest");
        Ok(())
    }
}
