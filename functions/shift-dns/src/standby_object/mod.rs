//! Moves traffic by an object in the standby Region ("standby takes over primary"): an inverted health check on the
//! PRIMARY record looks at it over HTTPS. While the object is there, the checkers see success, the inverted check counts
//! as unhealthy, and Route 53 answers with the SECONDARY record. While it is not there, the primary counts as healthy.
//!
//! So a bucket that cannot be reached means "stay": only an object that is there and answers takes traffic away, and a
//! lost standby Region never does. Nothing is asked of Route 53's control plane: S3 in the bucket's Region is all.
//! The health check itself is not signed, so the one object has to be readable by everybody; see its bucket's policy.
//!
//! Sources: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html> (`Inverted`),
//! <https://aws.amazon.com/blogs/networking-and-content-delivery/creating-disaster-recovery-mechanisms-using-amazon-route-53/>

mod act;
pub mod checks;
mod observe;
pub mod plan;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use failover::aws_call::CallError;
use failover::contract::{Finding, RunContext, StandbyObject, Timestamp};
use failover::env::Deadline;
use failover::error::Error;
use failover::retry;
use failover::runtime::Toolbox;
use failover::step::{LastChange, Plan, Step};

pub use self::plan::ObjectShift;
use self::plan::{Action, Observation};
use crate::checks::{Reading, independent_of_the_lost_region};

/// The step.
#[derive(Debug)]
pub struct Object<'a> {
    tools: &'a Toolbox,
    reading: Client,
    once: Client,
}

impl<'a> Object<'a> {
    /// Puts it together: the calls go to S3 in the bucket's Region.
    ///
    /// A local AWS has one address for all buckets, so the bucket has to stand in the path there. On AWS it stands in the
    /// host name, as AWS wants it.
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>
    #[must_use]
    pub fn new(tools: &'a Toolbox, object: &StandbyObject) -> Self {
        let local = tools.config.access.endpoint_url.is_some();
        let client = |config| Client::from_conf(Builder::from(&config).force_path_style(local).build());
        let reading = client(tools.clients.reading(&object.region));
        let once = client(tools.clients.once(&object.region));
        Self { tools, reading, once }
    }
}

impl Step for Object<'_> {
    const NAME: &'static str = crate::NAME;
    type Request = ObjectShift;
    type Observation = Observation;
    type Action = Action;

    fn run_of(request: &ObjectShift) -> &RunContext {
        &request.common.run
    }

    fn resource(request: &ObjectShift) -> String {
        request.common.resource.clone()
    }

    async fn preflight(&self, request: &ObjectShift, decision: Finding, _: Option<&Observation>) -> Vec<Finding> {
        let mut findings = vec![decision];
        let left = request.common.left([&request.object.region].into_iter());
        findings.extend(independent_of_the_lost_region(&request.common.depends_on, &left));
        let bucket = Reading::of(self.look_at_bucket(request).await);
        findings.push(checks::bucket_reachable(request, &bucket));
        let object = Reading::of(self.look_at_object(request).await);
        findings.push(checks::object_not_there_yet(request, &object));
        findings
    }

    async fn observe(&self, request: &ObjectShift, last: Option<&LastChange<Action>>) -> Result<Observation, Error> {
        self.look(request, last).await
    }

    fn plan(request: &ObjectShift, seen: &Observation, now: Timestamp) -> Plan<Action> {
        plan::plan(request, seen, now)
    }

    async fn act(
        &self,
        request: &ObjectShift,
        action: &Action,
        deadline: Deadline,
    ) -> Result<Option<String>, CallError> {
        retry::change(&self.tools.env, deadline, || self.change(request, action)).await?;
        Ok(Some(self.tools.env.now().to_string()))
    }
}
