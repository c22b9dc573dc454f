//! Flips routing controls: one action is one atomic `UpdateRoutingControlStates`.

use std::time::Duration;

use aws_sdk_route53recoverycluster::error::BuildError;
use aws_sdk_route53recoverycluster::types::{RoutingControlState, UpdateRoutingControlStateEntry};
use failover::aws_call::{CallError, Meaning, Sent};
use failover::env::Deadline;
use failover::retry;

use super::Controls;
use super::cluster::{ENDPOINT_TIMEOUT, Endpoint};
use super::plan::{Action, Entry, State};

/// How long a conflict is given to pass: a safety rule refuses all changes for a while after one, 5 s unless configured.
/// Source: <https://docs.aws.amazon.com/recovery-cluster/latest/api/safetyrule.html> (`WaitPeriodMs`)
const CONFLICT_PAUSE: Duration = Duration::from_secs(6);
/// Refusals of what the request says, which no repetition cures.
const REFUSALS: [&str; 3] = ["ConflictException", "ValidationException", "ServiceLimitExceededException"];

impl Controls<'_> {
    /// Makes the change; gives the Region of the endpoint that took it.
    ///
    /// Each round asks every endpoint at most once. An endpoint that gave no answer may have done it: the next one is
    /// asked all the same, since both set the same states.
    ///
    /// # Errors
    /// Those of the call. What a safety rule refuses, still after [`CONFLICT_PAUSE`], is [`Meaning::Forbidden`].
    pub(super) async fn change(&self, action: &Action, deadline: Deadline) -> Result<String, CallError> {
        let ask = async |endpoint: &Endpoint| {
            // A round of silent endpoints takes longer than the lease goes beyond the deadline.
            retry::in_time(&self.tools.env, deadline)?;
            self.update(endpoint, action).await
        };
        let round = || async { self.cluster.first_answer(ask).await };
        let mut outcome = retry::change(&self.tools.env, deadline, round).await;
        if matches!(&outcome, Err(error) if error.meaning == Meaning::Conflict && error.sent == Sent::Rejected)
            && deadline.left(self.tools.env.now()) > CONFLICT_PAUSE + ENDPOINT_TIMEOUT
        {
            self.tools.env.sleep(CONFLICT_PAUSE).await;
            outcome = retry::change(&self.tools.env, deadline, round).await;
        }
        match outcome {
            Ok((region, ())) => Ok(region.to_string()),
            Err(error) if error.sent == Sent::Rejected && REFUSALS.contains(&error.code.as_str()) => {
                Err(CallError { meaning: Meaning::Forbidden, ..error })
            }
            Err(error) => Err(error),
        }
    }

    async fn update(&self, endpoint: &Endpoint, action: &Action) -> Result<(), CallError> {
        let entries = action.entries.iter().map(entry).collect::<Result<_, _>>().map_err(|error| CallError {
            service: "route53-recovery-cluster",
            operation: "UpdateRoutingControlStates",
            code: String::new(),
            message: error.to_string(),
            meaning: Meaning::Invalid,
            sent: Sent::NotSent,
        })?;
        let rules = &action.safety_rules_to_override;
        let change = endpoint
            .client
            .update_routing_control_states()
            .set_update_routing_control_state_entries(Some(entries))
            .set_safety_rules_to_override(Some(rules.clone()).filter(|rules| !rules.is_empty()));
        self.tools.calls.call("route53-recovery-cluster", "UpdateRoutingControlStates", change.send()).await.map(drop)
    }
}

fn entry(entry: &Entry) -> Result<UpdateRoutingControlStateEntry, BuildError> {
    let state = match entry.state {
        State::On => RoutingControlState::On,
        State::Off => RoutingControlState::Off,
    };
    UpdateRoutingControlStateEntry::builder().routing_control_arn(&entry.control).routing_control_state(state).build()
}
