//! The changes that are asked for: which are accepted, and with what the others are refused.

use failover::contract::Timestamp;
use failover::testing::wire::Request;

use super::describe::{no_db_cluster, no_global_cluster, site_of};
use super::transition::{DETACH_MS, Event};
use super::{
    AVAILABLE, Aurora, By, CLOSED_GROUP, Outcome, Promotion, PromotionKind, SERVING_GROUP, SecurityGroup, site_of_arn,
};
use crate::aws::Answer;
use crate::aws::parameters::only_of_form;
use crate::workload;

/// How long a cluster's security groups take to change, in milliseconds.
const GROUPS_CHANGE_MS: (u64, u64) = (1_000, 10_000);
/// In how many of a thousand cases the cluster is `modifying` meanwhile.
const SHOWS_MODIFYING_PERMILLE: u64 = 300;
/// The statuses in which a cluster takes changes.
const CHANGEABLE: [&str; 2] = [AVAILABLE, "backing-up"];

impl Aurora {
    pub(super) fn failover_global_cluster(&mut self, request: &Request, now: Timestamp) -> Answer {
        only_of_form(request, &["GlobalClusterIdentifier", "TargetDbClusterIdentifier", "AllowDataLoss", "Switchover"]);
        let flag = |name: &str| request.body[name].as_str() == Some("true");
        if flag("AllowDataLoss") && flag("Switchover") {
            let message = "AllowDataLoss and Switchover can't be specified together";
            return Answer::error("InvalidParameterCombination", message);
        }
        let kind = if flag("AllowDataLoss") { PromotionKind::Failover } else { PromotionKind::Switchover };
        self.asked_to_promote(request, kind, "TargetDbClusterIdentifier", now)
    }

    pub(super) fn switchover_global_cluster(&mut self, request: &Request, now: Timestamp) -> Answer {
        only_of_form(request, &["GlobalClusterIdentifier", "TargetDbClusterIdentifier"]);
        self.asked_to_promote(request, PromotionKind::Switchover, "TargetDbClusterIdentifier", now)
    }

    pub(super) fn remove_from_global_cluster(&mut self, request: &Request, now: Timestamp) -> Answer {
        only_of_form(request, &["GlobalClusterIdentifier", "DbClusterIdentifier"]);
        self.asked_to_promote(request, PromotionKind::Detach, "DbClusterIdentifier", now)
    }

    /// A promotion that came as a request: it has to come to the Region in which it works. That is the target's; for a
    /// switchover the writer's. What another Region answers is in no documentation; it changes nothing.
    /// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html>
    fn asked_to_promote(&mut self, request: &Request, kind: PromotionKind, parameter: &str, now: Timestamp) -> Answer {
        let global = request.body["GlobalClusterIdentifier"].as_str().unwrap_or_default();
        if global != workload::GLOBAL_CLUSTER {
            return no_global_cluster(global);
        }
        let arn = request.body[parameter].as_str().unwrap_or_default();
        let Some(target) = site_of_arn(self, arn) else {
            return no_db_cluster(arn);
        };
        let asked = site_of(request);
        let works_in = if kind == PromotionKind::Switchover { self.global_writer } else { target };
        if asked != works_in {
            return no_db_cluster(arn);
        }
        match self.promote(kind, target, By::Request, now) {
            Ok(()) => done(request),
            Err(refusal) => refusal,
        }
    }

    /// Begins a promotion, or refuses it.
    pub(super) fn promote(&mut self, kind: PromotionKind, to: usize, by: By, now: Timestamp) -> Result<(), Answer> {
        let target = &self.clusters[to];
        if !target.is_member {
            return Err(not_a_member(kind, &target.arn));
        }
        if let Some(transition) = &self.transition {
            return Err(invalid_global_state(&format!("is {}", transition.status)));
        }
        if to == self.global_writer {
            return Err(invalid_global_state(&format!("has {} as its primary cluster", target.arn)));
        }
        // Nothing else is under way by now but a detach, which may not show in the cluster's status.
        let is_ready = CHANGEABLE.contains(&target.described_status()) && target.synchronization == "connected";
        if self.promotion_is_pending() || !is_ready {
            return Err(invalid_cluster_state(target.id, target.described_status()));
        }
        let source = &self.clusters[self.global_writer];
        if kind == PromotionKind::Switchover && !CHANGEABLE.contains(&source.described_status()) {
            return Err(invalid_cluster_state(source.id, source.described_status()));
        }
        if kind == PromotionKind::Detach {
            self.begin_detach(to, now);
        } else {
            self.begin_transition(kind, self.global_writer, to, now);
        }
        let target = self.clusters[to].region;
        self.promotions.push(Promotion { at: now, target, kind, by, outcome: Outcome::UnderWay });
        self.show(now);
        Ok(())
    }

    pub(super) fn modify_db_cluster(&mut self, request: &Request, now: Timestamp) -> Answer {
        const GROUP: &str = "VpcSecurityGroupIds.VpcSecurityGroupId.";
        only_of_form(request, &["DBClusterIdentifier", "ApplyImmediately", GROUP]);
        let site = site_of(request);
        let cluster = &mut self.clusters[site];
        let asked = request.body["DBClusterIdentifier"].as_str().unwrap_or_default();
        if asked != cluster.id && asked != cluster.arn {
            return no_db_cluster(asked);
        }
        let fields = request.body.as_object().expect("a form");
        let groups = fields.iter().filter(|(name, _)| name.starts_with(GROUP));
        let wanted: Vec<&str> = groups.filter_map(|(_, group)| group.as_str()).collect();
        assert!(!wanted.is_empty(), "not simulated: {} without security groups", request.name());
        if let Some(unknown) = wanted.iter().find(|group| ![SERVING_GROUP, CLOSED_GROUP].contains(group)) {
            let message = format!("Invalid security group , groupId= {unknown}, groupName=.");
            return Answer::error("InvalidParameterCombination", message);
        }
        if !CHANGEABLE.contains(&cluster.described_status()) {
            return invalid_cluster_state(cluster.id, cluster.described_status());
        }
        cluster.security_groups.retain(|group| group.status != "adding" || wanted.contains(&group.id.as_str()));
        for group in &mut cluster.security_groups {
            match (wanted.contains(&group.id.as_str()), group.status) {
                (true, "removing") => group.status = "active",
                (false, _) => group.status = "removing",
                (true, _) => {}
            }
        }
        for group in wanted {
            if !cluster.security_groups.iter().any(|present| present.id == group) {
                cluster.security_groups.push(SecurityGroup { id: group.to_owned(), status: "adding" });
            }
        }
        cluster.shows_modifying = self.chance.permille(SHOWS_MODIFYING_PERMILLE);
        // A later change replaces one that is under way.
        self.due.retain(|_, event| *event != Event::GroupsInForce(site));
        self.schedule_within(now, GROUPS_CHANGE_MS, Event::GroupsInForce(site));
        self.show(now);
        done(request)
    }

    /// The security groups are what was asked for last.
    pub(super) fn groups_in_force(&mut self, site: usize) {
        let cluster = &mut self.clusters[site];
        cluster.shows_modifying = false;
        cluster.security_groups.retain(|group| group.status != "removing");
        for group in &mut cluster.security_groups {
            group.status = "active";
        }
    }

    /// Nothing is fenced and nothing rejoins: the cluster leaves, and the writer does not learn of it.
    fn begin_detach(&mut self, leaving: usize, now: Timestamp) {
        self.prepares(leaving);
        self.schedule_within(now, DETACH_MS, Event::Detaches(leaving));
    }
}

fn done(request: &Request) -> Answer {
    let operation = &request.operation;
    Answer::xml(format!("<{operation}Response><{operation}Result/></{operation}Response>"))
}

/// For a removal RDS has no modelled error.
fn not_a_member(kind: PromotionKind, arn: &str) -> Answer {
    let message = format!("DB cluster {arn} is not found in global cluster {}", workload::GLOBAL_CLUSTER);
    match kind {
        PromotionKind::Detach => Answer::error("InvalidParameterValue", message),
        PromotionKind::Failover | PromotionKind::Switchover => {
            Answer::Error { status: 404, code: "DBClusterNotFoundFault".to_owned(), message }
        }
    }
}

fn invalid_global_state(state: &str) -> Answer {
    let message = format!("Global cluster {} {state}", workload::GLOBAL_CLUSTER);
    Answer::error("InvalidGlobalClusterStateFault", message)
}

fn invalid_cluster_state(id: &str, status: &str) -> Answer {
    Answer::error(
        "InvalidDBClusterStateFault",
        format!("DB cluster {id} takes no such change now, its status is {status}"),
    )
}
