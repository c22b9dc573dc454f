//! The runs of an orchestrator: waiting for them, stopping them half way and continuing them.

use std::time::Duration;

use serde::Serialize;

use super::Stage;
use crate::error::{Error, Result};
use crate::execution::{self, Event, Execution};
use crate::listener::Message;
use crate::moment::Moment;
use crate::progress::Task;
use crate::world::Site;

/// How long a run may take.
const RUN_LIMIT: Duration = Duration::from_secs(120);
/// How often a run is looked at that is to be stopped in a state that may be short.
const STOP_POLL: Duration = Duration::from_millis(20);
/// How the names of executions begin that the product starts for an alarm.
const BY_ALARM: &str = "alarm-";

/// One run of the state machine, as seen from outside.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// What it is, in words.
    pub label: String,
    /// The Region that it is to move the workload to; none when it is to change nothing.
    pub target: Option<Site>,
    /// When the Region was lost or the order given.
    pub begins: Moment,
    /// When the alarm went off, or the order was given.
    pub ordered: Moment,
    /// The execution, at its end; of a run that was stopped and continued, the last one.
    pub execution: Execution,
    /// Its history.
    pub history: Vec<Event>,
    /// When clients were served from the target again, as the drill saw it; none if they were not.
    pub served_again: Option<Moment>,
    /// What an unplanned failover at `begins` would lose, in milliseconds of writes: the lag that the drill set.
    pub lag_ms: u64,
    /// Whether the Region was lost.
    pub unplanned: bool,
    /// When the drill answered its question, as a person; none if it asked none.
    pub answered: Option<Moment>,
    /// What people were told meanwhile.
    pub told: Vec<Message>,
}

impl Run {
    /// The failover's id.
    #[must_use]
    pub fn failover_id(&self) -> &str {
        self.execution.failover_id()
    }

    /// Whether an alarm started it, not a person.
    #[must_use]
    pub fn by_alarm(&self) -> bool {
        self.execution.name.starts_with(BY_ALARM)
    }
}

impl Stage {
    /// Waits for the run that an alarm or an order started, to its end.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it does not start or does not end.
    pub async fn await_run(&mut self, label: &str, ordered: Moment, target: Option<Site>) -> Result<()> {
        let begins = self.incident.unwrap_or(ordered);
        let task = self.progress.task(label);
        let arn = self.await_start(&task).await?;
        let execution = self.await_end(&arn, &task).await?;
        let took = execution.stopped.unwrap_or_else(Moment::now).since(ordered).as_secs_f64();
        task.done(format!("{} after {took:.1} s", execution.status));
        self.hear().await?;
        let told = std::mem::take(&mut self.desk_mut().heard);
        self.keep_run(label, (begins, ordered), target, execution, told).await
    }

    /// Keeps every execution that was not waited for as a run of its own, with the messages that name it, in the order in
    /// which they started. The first one and an alarm's were ordered at `began`.
    ///
    /// # Errors
    /// [`Error::Aws`] when a call fails.
    pub async fn keep_all_runs(&mut self, began: Moment, target: Site) -> Result<()> {
        self.watcher().look().await;
        self.hear().await?;
        let heard = std::mem::take(&mut self.desk_mut().heard);
        for execution in self.orchestrator().executions().await? {
            if self.desk().known.contains(&execution.arn) {
                continue;
            }
            let by_alarm = execution.name.starts_with(BY_ALARM);
            let label = if by_alarm { "the alarm's execution" } else { "a person's execution" };
            let ordered = if by_alarm || self.desk().runs.is_empty() { began } else { execution.started };
            let names_it = |message: &&Message| message.text.contains(execution.failover_id());
            let told = heard.iter().filter(names_it).cloned().collect();
            let target = execution.says_moved().then_some(target);
            self.keep_run(label, (ordered, ordered), target, execution, told).await?;
        }
        Ok(())
    }

    /// Hears what people were told since the last time.
    ///
    /// # Errors
    /// [`Error::Aws`] when a call fails.
    pub async fn hear(&mut self) -> Result<Vec<Message>> {
        let messages = self.orchestrator().notifications.all().await?;
        self.desk_mut().heard.extend(messages.iter().cloned());
        Ok(messages)
    }

    async fn keep_run(
        &mut self,
        label: &str,
        (begins, ordered): (Moment, Moment),
        target: Option<Site>,
        execution: Execution,
        told: Vec<Message>,
    ) -> Result<()> {
        let history = execution::history(&self.aws(), &execution.arn).await?;
        let served_again = target.and_then(|target| self.watcher().served_from_since(target, begins));
        let (lag_ms, unplanned) = (self.lag_ms, self.incident.is_some());
        let desk = self.desk_mut();
        desk.known.insert(execution.arn.clone());
        desk.runs.push(Run {
            label: label.to_owned(),
            target,
            begins,
            ordered,
            execution,
            history,
            served_again,
            lag_ms,
            unplanned,
            answered: desk.answered.take(),
            told,
        });
        Ok(())
    }

    /// Stops the run that is under way, as a person does in the console, once it is in `state`, and answers the
    /// execution.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it does not get there, [`Error::Unexpected`] when it ended before.
    pub async fn stop_in(&mut self, state: &str) -> Result<Execution> {
        let task = self.progress.task(format!("waiting for {state}"));
        let arn = self.await_start(&task).await?;
        let deadline = tokio::time::Instant::now() + RUN_LIMIT;
        while !is_in(&execution::history(&self.aws(), &arn).await?, state) {
            let execution = execution::describe(&self.aws(), &arn).await?;
            if execution.has_ended() {
                let (name, status) = (execution.name, execution.status);
                return Err(Error::Unexpected(format!("{name} ended before it got to {state}: {status}")));
            }
            if tokio::time::Instant::now() > deadline {
                return Err(Error::TimedOut { what: format!("{arn} getting to {state}"), limit: RUN_LIMIT });
            }
            tokio::time::sleep(STOP_POLL).await;
        }
        task.done("there");
        self.stop(&arn, &format!("in {state}")).await
    }

    /// Stops the run as soon as it has started.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it does not start.
    pub async fn stop_at_once(&mut self) -> Result<Execution> {
        let task = self.progress.task("waiting for the execution to start");
        let arn = self.await_start(&task).await?;
        task.done("there");
        self.stop(&arn, "as soon as it has started").await
    }

    async fn stop(&mut self, arn: &str, when: &str) -> Result<Execution> {
        self.orchestrator().stop(arn).await?;
        let execution = execution::describe(&self.aws(), arn).await?;
        self.tell(format!("a person stops {} {when}", execution.name));
        self.desk_mut().known.insert(arn.to_owned());
        Ok(execution)
    }

    /// Continues a run that was stopped: the same input, under the next name (X7).
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn resume(&mut self, stopped: &Execution) -> Result<()> {
        let name = stopped.next_name();
        self.tell(format!("a person continues it as {name}"));
        self.orchestrator().start(&name, &stopped.input).await
    }

    async fn await_start(&self, task: &Task) -> Result<String> {
        let desk = self.desk();
        task.update("waiting for the execution to start");
        desk.deployed.await_start(&desk.known).await
    }

    async fn await_end(&self, arn: &str, task: &Task) -> Result<Execution> {
        let tell = |state: &str| {
            let served = self.watcher().served_from().map_or("nowhere".to_owned(), |site| site.to_string());
            task.update(format!("{state}; clients are served from {served}"));
        };
        let execution = self.orchestrator().await_end(arn, RUN_LIMIT, tell).await?;
        // The watcher's last look may have been just before the last change.
        self.watcher().look().await;
        Ok(execution)
    }
}

/// Whether an execution with this history is in a state now.
fn is_in(history: &[Event], state: &str) -> bool {
    let times = |ending: &str| {
        let of_state = history.iter().filter(|event| event.state.as_deref() == Some(state));
        of_state.filter(|event| event.kind.ends_with(ending)).count()
    };
    times("StateEntered") > times("StateExited")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_in_a_state_that_it_entered_once_more_than_it_left_it() {
        let event = |kind: &str, state: &str| Event {
            kind: kind.to_owned(),
            state: Some(state.to_owned()),
            ..Event::default()
        };
        let mut history = vec![event("TaskStateEntered", "Decide")];
        assert!(is_in(&history, "Decide") && !is_in(&history, "Conclude"));
        history.push(event("TaskStateExited", "Decide"));
        assert!(!is_in(&history, "Decide"));
        history.push(event("TaskStateEntered", "Decide"));
        assert!(is_in(&history, "Decide"));
    }
}
