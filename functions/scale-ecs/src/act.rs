//! One action: for each service its limits first, then its count. Every call sets absolute values.

use aws_sdk_applicationautoscaling::Client as AutoScaling;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace, SuspendedState};
use aws_sdk_ecs::Client as Ecs;
use failover::aws_call::{CallError, Meaning, Sent};
use failover::contract::Region;
use failover::env::Deadline;
use failover::retry::{self, is_safe_to_repeat};
use failover::runtime::Toolbox;
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::observe::resource_id;
use crate::plan::{Action, Registration, ServiceChange};

/// So many services are changed at the same time.
const CONCURRENT: usize = 4;

/// Makes the change, to every service that needs it even if one fails. What certainly was not applied is sent again,
/// each call for itself, so that no count is set twice: in between a policy may have raised it.
///
/// # Errors
/// The most severe of the services' errors.
pub(crate) async fn act(tools: &Toolbox, action: &Action, deadline: Deadline) -> Result<(), CallError> {
    let services = Services::new(tools, &action.region, &action.cluster, deadline);
    let needed = action.services.iter().filter(|change| change.is_needed());
    let changes = stream::iter(needed).map(|change| services.change(change)).buffer_unordered(CONCURRENT);
    changes.fold(Outcome::default(), async |all, one| all.and(one)).await.conclude()
}

struct Services<'a> {
    tools: &'a Toolbox,
    cluster: &'a str,
    deadline: Deadline,
    ecs: Ecs,
    autoscaling: AutoScaling,
}

impl<'a> Services<'a> {
    fn new(tools: &'a Toolbox, region: &Region, cluster: &'a str, deadline: Deadline) -> Self {
        let config = tools.clients.once(region);
        Self { tools, cluster, deadline, ecs: Ecs::new(&config), autoscaling: AutoScaling::new(&config) }
    }

    async fn change(&self, change: &ServiceChange) -> Outcome {
        let mut outcome = Outcome::default();
        // The limits first: a policy would move a count outside them back.
        if let Some(limits) = change.register {
            let registered = retry::change(&self.tools.env, self.deadline, || self.register(&change.service, limits));
            outcome.add(registered.await);
        }
        if change.update && outcome.error.is_none() {
            let set = retry::change(&self.tools.env, self.deadline, || self.set_count(&change.service, change.target));
            outcome.add(set.await);
        }
        outcome
    }

    async fn register(&self, service: &str, limits: Registration) -> Result<(), CallError> {
        // Left out, what is suspended stays so.
        let suspended = limits.suspend.map(|all| {
            SuspendedState::builder()
                .dynamic_scaling_in_suspended(all)
                .dynamic_scaling_out_suspended(all)
                .scheduled_scaling_suspended(all)
                .build()
        });
        let change = self
            .autoscaling
            .register_scalable_target()
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .resource_id(resource_id(self.cluster, service))
            .min_capacity(whole(limits.min))
            .max_capacity(whole(limits.max))
            .set_suspended_state(suspended);
        let sent = change.send();
        self.tools.calls.call("application-autoscaling", "RegisterScalableTarget", sent).await.map(drop)
    }

    async fn set_count(&self, service: &str, count: u32) -> Result<(), CallError> {
        // Nothing but the count, so that no deployment starts.
        let change = self.ecs.update_service().cluster(self.cluster).service(service).desired_count(whole(count));
        self.tools.calls.call("ecs", "UpdateService", change.send()).await.map(drop)
    }
}

fn whole(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// What became of several calls.
#[derive(Debug, Default)]
struct Outcome {
    /// Whether one of them was applied.
    applied: bool,
    /// The most severe error.
    error: Option<CallError>,
}

impl Outcome {
    fn add(&mut self, call: Result<(), CallError>) {
        match call {
            Ok(()) => self.applied = true,
            Err(error) => self.error = self.error.take().into_iter().chain([error]).max_by_key(severity),
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.applied |= other.applied;
        if let Some(error) = other.error {
            self.add(Err(error));
        }
        self
    }

    /// The outcome of the whole.
    fn conclude(self) -> Result<(), CallError> {
        let Some(error) = self.error else {
            return Ok(());
        };
        let hopeless = matches!(error.meaning, Meaning::Denied | Meaning::Invalid | Meaning::NotFound);
        Err(if hopeless {
            // A person has to know, whatever was applied beside it.
            error
        } else if self.applied {
            // The next look tells what was applied, and the rest is decided on it.
            CallError { sent: Sent::PossiblyApplied, ..error }
        } else if is_safe_to_repeat(&error) {
            // It was tried again here, so not once more by the caller.
            CallError { meaning: Meaning::Conflict, ..error }
        } else {
            error
        })
    }
}

/// What may have been applied comes first, then what cannot succeed, last what only has to be sent again.
fn severity(error: &CallError) -> u8 {
    if error.sent == Sent::PossiblyApplied {
        return 5;
    }
    match error.meaning {
        Meaning::Denied => 4,
        Meaning::Invalid => 3,
        Meaning::NotFound | Meaning::Conflict | Meaning::Forbidden => 2,
        Meaning::Unavailable | Meaning::Unreachable => 1,
        Meaning::Throttled => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> CallError {
        CallError::rejected("ecs", "UpdateService", code, "for a test")
    }

    fn conclude(calls: impl IntoIterator<Item = Result<(), CallError>>) -> Result<(), CallError> {
        let mut outcome = Outcome::default();
        for call in calls {
            outcome.add(call);
        }
        Outcome::default().and(outcome).conclude()
    }

    #[test]
    fn an_error_that_may_hide_an_applied_change_beats_every_other() {
        let unknown = CallError { sent: Sent::PossiblyApplied, ..error("ServiceNotActiveException") };
        for others in [["AccessDeniedException", "ThrottlingException"], ["ThrottlingException", "ClientException"]] {
            let [before, after] = others.map(|code| Err(error(code)));
            assert_eq!(conclude([before, Err(unknown.clone()), after]), Err(unknown.clone()));
        }
    }

    #[test]
    fn what_cannot_succeed_beats_what_can_be_sent_again() {
        let failed = conclude([Err(error("ThrottlingException")), Err(error("AccessDeniedException"))]);
        assert_eq!(failed.expect_err("two failed").code, "AccessDeniedException");
    }

    #[test]
    fn throttling_of_every_service_is_not_tried_again_by_the_caller() {
        let failed = conclude([Err(error("ThrottlingException"))]).expect_err("throttled");
        assert_eq!((failed.code.as_str(), failed.sent), ("ThrottlingException", Sent::Rejected));
        assert!(!is_safe_to_repeat(&failed));
    }

    #[test]
    fn throttling_of_some_services_leaves_the_action_partly_applied() {
        let failed = conclude([Ok(()), Err(error("ThrottlingException"))]).expect_err("throttled");
        assert_eq!((failed.code.as_str(), failed.sent), ("ThrottlingException", Sent::PossiblyApplied));
    }

    #[test]
    fn a_denial_stays_one_whatever_was_applied_beside_it() {
        let failed = conclude([Ok(()), Err(error("AccessDeniedException"))]).expect_err("denied");
        assert_eq!((failed.meaning, failed.sent), (Meaning::Denied, Sent::Rejected));
    }

    #[test]
    fn without_errors_it_succeeded() {
        assert_eq!(conclude([Ok(()), Ok(())]), Ok(()));
    }
}
