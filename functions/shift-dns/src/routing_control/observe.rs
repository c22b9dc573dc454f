//! Reads routing controls from the cluster. An endpoint may lag behind another one: what does not show yet is looked for
//! again, at the next endpoint of another round.

use std::collections::BTreeMap;

use aws_sdk_route53recoverycluster::types::RoutingControlState;
use failover::aws_call::{CallError, Meaning};
use failover::contract::Region;
use failover::error::Error;
use failover::step::LastChange;

use super::Controls;
use super::cluster::Endpoint;
use super::plan::{Action, ControlShift, FIELD, Observation, State};
use crate::checks::Reading;

impl Controls<'_> {
    /// Looks at everything the plan needs.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for a routing control that does not exist, and errors of the calls.
    pub(super) async fn look(
        &self,
        request: &ControlShift,
        last: Option<&LastChange<Action>>,
    ) -> Result<Observation, Error> {
        // All from one endpoint, so that they fit together.
        let read = self.cluster.first_answer(async |endpoint| {
            let mut states = BTreeMap::new();
            for (region, arn) in &request.controls {
                let state = self.state(endpoint, arn).await;
                states.insert(region.clone(), state.map_err(|error| named(error, region))?);
            }
            Ok(states)
        });
        let (endpoint, states) = read.await.map_err(unreadable)?;
        let overridden = last.map(|last| last.action.safety_rules_to_override.clone()).unwrap_or_default();
        Ok(Observation { endpoint, states, overridden })
    }

    /// Which endpoints answer for the target's control.
    pub(super) async fn ask_every_endpoint(&self, request: &ControlShift) -> Vec<(Region, Reading<State>)> {
        let mut answers = Vec::new();
        for endpoint in self.cluster.round() {
            let state = self.state(endpoint, request.target_control()).await;
            answers.push((endpoint.region.clone(), Reading::of(state)));
        }
        answers.sort_by(|(first, _), (second, _)| first.cmp(second));
        answers
    }

    /// Each control's state, from the first endpoint that was seen to answer.
    pub(super) async fn ask_for_every_control(
        &self,
        request: &ControlShift,
        answers: &[(Region, Reading<State>)],
    ) -> BTreeMap<Region, Reading<State>> {
        let answering = answers.iter().find(|(_, answer)| !matches!(answer, Reading::Unknown(_)));
        let endpoint = answering.and_then(|(region, _)| self.cluster.endpoint_in(region));
        let mut states = BTreeMap::new();
        for (region, arn) in &request.controls {
            let reading = match endpoint {
                Some(endpoint) => Reading::of(self.state(endpoint, arn).await),
                None => Reading::Unknown("no endpoint of the cluster answers".to_owned()),
            };
            states.insert(region.clone(), reading);
        }
        states
    }

    async fn state(&self, endpoint: &Endpoint, arn: &str) -> Result<State, CallError> {
        let question = endpoint.client.get_routing_control_state().routing_control_arn(arn).send();
        let answer = self.tools.calls.call("route53-recovery-cluster", "GetRoutingControlState", question).await?;
        let on = answer.routing_control_state == RoutingControlState::On;
        Ok(if on { State::On } else { State::Off })
    }
}

/// The error with the control it is about.
fn named(error: CallError, region: &Region) -> CallError {
    CallError { message: format!("{} (the routing control of {region})", error.message), ..error }
}

fn unreadable(error: CallError) -> Error {
    match error.meaning {
        Meaning::NotFound | Meaning::Invalid => Error::invalid(format!("{FIELD}.controls"), error.to_string()),
        Meaning::Throttled
        | Meaning::Denied
        | Meaning::Conflict
        | Meaning::Forbidden
        | Meaning::Unavailable
        | Meaning::Unreachable => Error::from_read("reading routing controls", error),
    }
}
