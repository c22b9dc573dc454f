//! What starts and stops an orchestrator's runs, and the questions that they ask.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::{QUESTION, Stage};
use crate::deployed::Deployed;
use crate::error::{Error, Result};
use crate::moment::Moment;
use crate::question::{Answer, Question};
use crate::world::Site;

/// How long a run may take to ask a person.
const QUESTION_LIMIT: Duration = Duration::from_secs(60);

/// What a person may order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A planned move.
    Switchover,
    /// A planned move, rehearsed.
    RehearsedSwitchover,
    /// An unplanned one.
    Failover,
}

/// What people are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Whether to fail over.
    Failover,
    /// Whether to promote although fences are not known to hold.
    Fencing,
}

impl Asks {
    /// How the question's subject ends.
    const fn ending(self) -> &'static str {
        match self {
            Self::Failover => QUESTION,
            Self::Fencing => "needs your approval: fencing",
        }
    }
}

impl Order {
    const fn mode(self) -> &'static str {
        match self {
            Self::Switchover | Self::RehearsedSwitchover => "switchover",
            Self::Failover => "failover",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Switchover => "a switchover",
            Self::RehearsedSwitchover => "a dry run of a switchover",
            Self::Failover => "a failover",
        }
    }
}

impl Stage {
    /// Sets the alarm on the endpoint to ALARM, as CloudWatch does when its metric says so.
    ///
    /// # Errors
    /// [`Error::Aws`](crate::Error::Aws) when the emulator refuses it.
    pub async fn raise_alarm(&mut self) -> Result<Moment> {
        let at = self.tell("the alarm on the endpoint goes to ALARM; from here on the product acts");
        let deployed = self.orchestrator();
        deployed.set_alarm(deployed.output("EndpointAlarmName")?, "ALARM").await?;
        Ok(at)
    }

    /// Sets the alarm on the endpoint to OK, which starts nothing.
    ///
    /// # Errors
    /// [`Error::Aws`](crate::Error::Aws) when the emulator refuses it.
    pub async fn clear_alarm(&mut self) -> Result<()> {
        self.tell("the alarm on the endpoint goes to OK");
        let deployed = self.orchestrator();
        deployed.set_alarm(deployed.output("EndpointAlarmName")?, "OK").await
    }

    /// Sets the alarm that the plan takes for evidence to ALARM; it starts nothing.
    ///
    /// # Errors
    /// [`Error::Aws`](crate::Error::Aws) when the emulator refuses it.
    pub async fn raise_evidence_alarm(&mut self) -> Result<()> {
        let name = self.desk().orchestrator.workload.evidence_alarm_name();
        self.tell(format!("{name}, the alarm that counts as evidence, goes to ALARM without a reason"));
        self.orchestrator().set_alarm(&name, "ALARM").await
    }

    /// Starts an execution by hand, as `aws stepfunctions start-execution` does.
    ///
    /// # Errors
    /// [`Error::Aws`](crate::Error::Aws) when the emulator refuses it.
    pub async fn order(&mut self, order: Order, target: Site, reason: &str) -> Result<Moment> {
        self.tell(format!("a person starts {} to {target}: {reason}", order.in_words()));
        let name = self.name_of_order(target);
        let at = Moment::now();
        self.orchestrator().start(&name, &input(self.orchestrator(), order, target, reason)).await?;
        Ok(at)
    }

    /// The same with every orchestrator, all at once.
    ///
    /// # Errors
    /// [`Error::Aws`](crate::Error::Aws) when the emulator refuses one of them.
    pub async fn order_everywhere(&mut self, order: Order, target: Site, reason: &str) -> Result<Moment> {
        let regions: Vec<&str> = self.orchestrators().map(Deployed::region).collect();
        let regions = regions.join(" and ");
        self.tell(format!("in {regions} people start {} to {target}: {reason}", order.in_words()));
        let names: Vec<String> = (0..self.desks.len()).map(|_| self.name_of_order(target)).collect();
        let at = Moment::now();
        let starts = self
            .orchestrators()
            .zip(&names)
            .map(async |(deployed, name)| deployed.start(name, &input(deployed, order, target, reason)).await);
        join_all(starts).await.into_iter().collect::<Result<Vec<()>>>()?;
        Ok(at)
    }

    fn name_of_order(&mut self, target: Site) -> String {
        format!("manual-to-{target}-{:08x}", self.random.u32(..))
    }

    /// Sets or clears the plan's kill switch in the ledger.
    ///
    /// # Errors
    /// [`Error::Aws`](crate::Error::Aws) when the emulator refuses it.
    pub async fn set_kill_switch(&mut self, on: bool) -> Result<Moment> {
        let at = self.tell(format!("a person {} the plan's kill switch", if on { "sets" } else { "clears" }));
        self.orchestrator().set_kill_switch(on).await?;
        Ok(at)
    }

    /// Has the orchestrator look at the active Region, as it does every minute; that renews the writer lease.
    ///
    /// # Errors
    /// [`Error::Unexpected`](crate::Error::Unexpected) when it does not renew it.
    pub async fn renew_lease(&mut self) -> Result<()> {
        let answer = self.orchestrator().watch().await?;
        let renewed = answer["writer_lease"].as_str().filter(|text| text.contains("may write until"));
        let text = renewed.ok_or_else(|| Error::Unexpected(format!("the writer lease was not renewed: {answer}")))?;
        let text = text.to_owned();
        self.tell(text);
        Ok(())
    }

    /// Lets time pass for the writer lease alone, until so much of it is left.
    ///
    /// # Errors
    /// [`Error::Aws`](crate::Error::Aws) when there is no lease.
    pub async fn let_lease_age(&mut self, left: Duration) -> Result<()> {
        let ends = Moment::now().plus(left);
        self.orchestrator().end_lease_at(ends).await?;
        self.tell(format!("time passes, and nothing renews the lease: it has {} s left", left.as_secs()));
        self.desk_mut().lease_ends = Some(ends);
        Ok(())
    }

    /// Waits until the run that is under way asks people this, and reads the question.
    ///
    /// # Errors
    /// [`Error::TimedOut`](crate::Error::TimedOut) when it does not ask,
    /// [`Error::Unexpected`](crate::Error::Unexpected) when it asks something else, or the message can't be answered.
    pub async fn await_question(&mut self, asks: Asks) -> Result<Question> {
        let task = self.progress.task("waiting to be asked");
        let deadline = tokio::time::Instant::now() + QUESTION_LIMIT;
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let message = self.orchestrator().notifications.next(left).await?;
            self.desk_mut().heard.push(message.clone());
            if message.subject.contains(QUESTION) {
                if !message.subject.ends_with(asks.ending()) {
                    return Err(Error::Unexpected(format!("not the question {asks:?}: {}", message.text)));
                }
                task.done(&message.subject);
                return Question::parse(&message.text);
            }
        }
    }

    /// Answers a question as its message says, with `aws stepfunctions send-task-success`.
    ///
    /// # Errors
    /// [`Error::Aws`](crate::Error::Aws) when the emulator refuses it.
    pub async fn answer(&mut self, answer: &Answer) -> Result<()> {
        let at = self.tell(format!("a person answers {}", answer.output));
        self.desk_mut().answered = Some(at);
        let input = json!({ "taskToken": answer.task_token, "output": answer.output });
        self.aws().json("states", &answer.region, "SendTaskSuccess", &input).await?;
        Ok(())
    }
}

/// The input of an execution that a person starts.
fn input(deployed: &Deployed, order: Order, target: Site, reason: &str) -> String {
    let mut trigger =
        json!({ "kind": "manual", "mode": order.mode(), "target_region": target.region(), "reason": reason });
    if order == Order::RehearsedSwitchover {
        trigger["dry_run"] = true.into();
    }
    json!({ "plan": deployed.place.plan, "trigger": trigger }).to_string()
}
