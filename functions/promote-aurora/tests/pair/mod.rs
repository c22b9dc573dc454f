//! A global database of two Regions as the pure tests see it: Frankfurt writes, Ireland follows.

#![allow(dead_code, reason = "each test file uses its own part")]

use failover::contract::{ClusterArn, ClusterId, PromotionMode, RunContext, Timestamp};
use promote_aurora::plan::{
    Global, Instance, Lag, LagReport, Member, Observation, Promotion, SecurityGroup, Source, Target,
};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_233_600_000);
/// The security group that Ireland serves with.
pub(crate) const SERVING: &str = "sg-5e5e5e5e";

pub(crate) fn arn(region: &str, id: &str) -> ClusterArn {
    ClusterArn::parse(&format!("arn:aws:rds:{region}:123456789012:cluster:{id}")).expect("an ARN")
}

pub(crate) fn frankfurt() -> ClusterArn {
    arn("eu-central-1", "trading")
}

pub(crate) fn ireland() -> ClusterArn {
    arn("eu-west-1", "trading-dr")
}

/// The promotion of Ireland, without a word on security groups.
pub(crate) fn to_ireland(mode: PromotionMode) -> Promotion {
    Promotion {
        run: RunContext::default(),
        global_cluster: ClusterId::parse("trading-global").expect("an id"),
        target: ireland(),
        source: None,
        mode,
        security_groups: None,
    }
}

/// The same, with the group it serves with.
pub(crate) fn serving(mode: PromotionMode) -> Promotion {
    Promotion { security_groups: Some([SERVING.to_owned()].into()), ..to_ireland(mode) }
}

pub(crate) fn member(arn: ClusterArn, is_writer: bool) -> Member {
    Member { arn, is_writer, synchronization: Some("connected".to_owned()) }
}

pub(crate) fn instance(status: &str, is_writer: bool) -> Instance {
    let parameters = Some("in-sync".to_owned());
    Instance { id: "trading-dr-1".to_owned(), status: status.to_owned(), is_writer, parameters }
}

pub(crate) fn source(status: &str, version: &str, parameter_group: &str) -> Source {
    Source::Answers {
        status: status.to_owned(),
        engine_version: Some(version.to_owned()),
        parameter_group: Some(parameter_group.to_owned()),
    }
}

/// Frankfurt writes, Ireland follows a quarter of a second behind, nothing is pending.
pub(crate) fn in_order() -> Observation {
    Observation {
        global: Some(Global {
            status: "available".to_owned(),
            members: vec![member(frankfurt(), true), member(ireland(), false)],
            transition: None,
        }),
        target: Some(Target {
            status: "available".to_owned(),
            engine_version: Some("16.6".to_owned()),
            parameter_group: Some("trading".to_owned()),
            security_groups: vec![SecurityGroup { id: SERVING.to_owned(), status: "active".to_owned() }],
            instances: vec![instance("available", false)],
        }),
        source: Some(source("available", "16.6", "trading")),
        lag: Some(Lag { ms: 250, at: NOW }),
        our_change: None,
        restored_at: None,
        write_fencing: None,
        report: LagReport { lag_ms_before: Some(250), data_loss_exposure_ms: None, writer_before: Some(frankfurt()) },
    }
}

pub(crate) fn members(seen: &mut Observation) -> &mut Vec<Member> {
    &mut seen.global.as_mut().expect("a global cluster").members
}

pub(crate) fn target(seen: &mut Observation) -> &mut Target {
    seen.target.as_mut().expect("a target")
}
