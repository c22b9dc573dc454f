//! One action: for each service its limits first, then its count. Every call sets absolute values.

use aws_sdk_applicationautoscaling::Client as AutoScaling;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace};
use aws_sdk_ecs::Client as Ecs;
use failover::aws_call::{CallError, Meaning, Sent};
use failover::contract::Region;
use failover::retry::is_safe_to_repeat;
use failover::runtime::Toolbox;
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::observe::resource_id;
use crate::plan::{Action, Limits, ServiceChange};

/// So many services are changed at the same time.
const CONCURRENT: usize = 4;

/// Makes the change, to every service that needs it even if one fails.
///
/// # Errors
/// The most severe of the services' errors.
pub(crate) async fn act(tools: &Toolbox, action: &Action) -> Result<(), CallError> {
    let services = Services::new(tools, &action.region, &action.cluster);
    let needed = action.services.iter().filter(|change| change.is_needed());
    let outcomes: Vec<Result<(), CallError>> =
        stream::iter(needed).map(|change| services.change(change)).buffer_unordered(CONCURRENT).collect().await;
    conclude(outcomes)
}

struct Services<'a> {
    tools: &'a Toolbox,
    cluster: &'a str,
    ecs: Ecs,
    autoscaling: AutoScaling,
}

impl<'a> Services<'a> {
    fn new(tools: &'a Toolbox, region: &Region, cluster: &'a str) -> Self {
        let config = tools.clients.once(region);
        Self { tools, cluster, ecs: Ecs::new(&config), autoscaling: AutoScaling::new(&config) }
    }

    async fn change(&self, change: &ServiceChange) -> Result<(), CallError> {
        // The limits first: a policy would move a count outside them back.
        if let Some(limits) = change.register {
            self.register(&change.service, limits).await?;
        }
        if change.update {
            self.set_count(&change.service, change.target).await?;
        }
        Ok(())
    }

    async fn register(&self, service: &str, limits: Limits) -> Result<(), CallError> {
        let change = self
            .autoscaling
            .register_scalable_target()
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .resource_id(resource_id(self.cluster, service))
            .min_capacity(whole(limits.min))
            .max_capacity(whole(limits.max));
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

/// The outcome of the whole: the most severe error.
fn conclude(outcomes: Vec<Result<(), CallError>>) -> Result<(), CallError> {
    let applied = outcomes.iter().any(Result::is_ok);
    match outcomes.into_iter().filter_map(Result::err).max_by_key(severity) {
        None => Ok(()),
        // Repeating it as it is would set the counts again that were set already, and undo what a policy did meanwhile.
        // As a conflict it is decided anew, on a new look.
        Some(error) if applied && is_safe_to_repeat(&error) => Err(CallError { meaning: Meaning::Conflict, ..error }),
        Some(error) => Err(error),
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
        Meaning::NotFound | Meaning::Conflict => 2,
        Meaning::Unavailable | Meaning::Unreachable => 1,
        Meaning::Throttled => 0,
    }
}

#[cfg(test)]
mod tests {
    use failover::retry;

    use super::*;

    fn error(code: &str) -> CallError {
        CallError::rejected("ecs", "UpdateService", code, "for a test")
    }

    #[test]
    fn an_error_that_may_hide_an_applied_change_beats_every_other() {
        let unknown = CallError { sent: Sent::PossiblyApplied, ..error("ServerException") };
        let outcomes =
            vec![Err(error("AccessDeniedException")), Err(unknown.clone()), Err(error("ThrottlingException"))];
        assert_eq!(conclude(outcomes), Err(unknown));
    }

    #[test]
    fn what_cannot_succeed_beats_what_can_be_sent_again() {
        let outcomes = vec![Err(error("ThrottlingException")), Err(error("AccessDeniedException"))];
        assert_eq!(conclude(outcomes).expect_err("two failed").code, "AccessDeniedException");
    }

    #[test]
    fn throttling_of_every_service_is_sent_again_as_it_is() {
        let failed = conclude(vec![Err(error("ThrottlingException"))]).expect_err("throttled");
        assert!(retry::is_safe_to_repeat(&failed));
    }

    #[test]
    fn throttling_of_some_services_is_not_sent_again_without_a_new_look() {
        let failed = conclude(vec![Ok(()), Err(error("ThrottlingException"))]).expect_err("throttled");
        assert!(!retry::is_safe_to_repeat(&failed));
        assert_eq!(failed.code, "ThrottlingException");
    }

    #[test]
    fn without_errors_it_succeeded() {
        assert_eq!(conclude(vec![Ok(()), Ok(())]), Ok(()));
    }
}
