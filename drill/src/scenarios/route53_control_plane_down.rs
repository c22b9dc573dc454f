//! Traffic moves without Route 53's control plane in us-east-1 (X6).

use super::{Play, Scenario, failover_changes, moved_to};
use crate::gateway::{Effect, Matcher, Rule};
use crate::stage::{Evidence, Stage};
use crate::staging::{Staging, Traffic};
use crate::verdict::{self, Check};
use crate::world::Site;

/// The primary Region is lost, and no call to Route 53 is answered either.
pub(super) struct Route53ControlPlaneDown;

impl Scenario for Route53ControlPlaneDown {
    fn name(&self) -> &'static str {
        "route53-control-plane-down"
    }

    fn does(&self) -> &'static str {
        "Loses the primary Region and the whole API of Route 53; the plan moves traffic by an object and by ARC."
    }

    fn expects(&self) -> &'static str {
        "The traffic moves all the same: the object is created in the standby Region, and the routing controls flip."
    }

    fn staging(&self) -> Staging {
        Staging { traffic: vec![Traffic::StandbyObject, Traffic::RoutingControl], ..Staging::default() }
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            let route53 = Rule::new("Route 53 is down", Matcher::any().service("route53"), Effect::Refuse);
            stage.local.gateway.add_rule(route53);
            stage.tell("Route 53 answers no API call any more");
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            stage.await_run("failing over", ordered, Some(Site::Standby)).await
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        let mut changes = failover_changes();
        changes.retain(|(action, _)| !action.starts_with("route53:"));
        changes.extend([("s3:PutObject", 1), ("route53-recovery-cluster:UpdateRoutingControlStates", 1)]);
        let mut checks = vec![verdict::executions_succeeded(evidence, 1)];
        checks.extend(moved_to(evidence, Site::Standby));
        checks.push(verdict::unanswered(evidence, "route53"));
        checks.push(verdict::changes_made(evidence, &changes));
        checks.push(verdict::plan_concluded(evidence, 1, Site::Standby));
        // Two ways of moving the traffic, an operation each. The recovery time is not compared: the report counts until
        // the slower one was seen to hold, while clients follow the faster one.
        let steps = ["decide", "fences", "promote-aurora", "scale-ecs", "shift-dns", "shift-dns", "trigger"];
        for run in &evidence.runs {
            checks.extend([
                verdict::ledger_complete(evidence, run, &steps),
                verdict::people_told(run, &["considered", "started", "succeeded"]),
                verdict::traced(evidence, run, &["promote-aurora", "scale-ecs", "shift-dns"]),
                verdict::rpo_is_true(run),
            ]);
        }
        checks
    }
}
