//! Turns dials: each is one `UpdateEndpointGroup` that sets nothing but the dial, to an absolute value.

use failover::aws_call::{CallError, Meaning, Sent};
use failover::env::Deadline;
use failover::retry;

use super::Dials;
use super::plan::{Action, DialChange};

impl Dials<'_> {
    /// Turns the dials in order and stops at the first that does not turn: those after it go down, and must not while the
    /// one before them is not up.
    ///
    /// # Errors
    /// That of the dial that did not turn. When others did before it, the whole counts as possibly applied: the next look
    /// tells, and the rest is decided on it.
    pub(super) async fn turn(&self, action: &Action, deadline: Deadline) -> Result<(), CallError> {
        for (turned, change) in action.changes.iter().enumerate() {
            let outcome = retry::change(&self.tools.env, deadline, || self.update(change)).await;
            outcome.map_err(|error| if turned > 0 && is_curable(&error) { partly_applied(error) } else { error })?;
        }
        Ok(())
    }

    async fn update(&self, change: &DialChange) -> Result<(), CallError> {
        let request = self
            .once
            .update_endpoint_group()
            .endpoint_group_arn(&change.endpoint_group)
            .traffic_dial_percentage(change.to);
        self.tools.calls.call("globalaccelerator", "UpdateEndpointGroup", request.send()).await.map(drop)
    }
}

/// Whether another look can help. Otherwise a person has to know, whatever was applied before.
fn is_curable(error: &CallError) -> bool {
    !matches!(error.meaning, Meaning::Denied | Meaning::Invalid | Meaning::NotFound | Meaning::Forbidden)
}

fn partly_applied(error: CallError) -> CallError {
    CallError { sent: Sent::PossiblyApplied, ..error }
}
