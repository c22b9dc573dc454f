//! What is refused, and how security groups change.

use super::super::{CLOSED_GROUP, PromotionKind, SERVING_GROUP, answer, writers};
use super::{SEEDS, describe, promote, set_lost};
use crate::aws::lab::{at, code, form};
use crate::aws::{Answer, Aws};
use crate::workload::{self, HOME, STANDBY};

use PromotionKind::{Detach, Failover, Switchover};

fn change(aws: &mut Aws, region: &str, operation: &str, fields: &[(&str, &str)]) -> Answer {
    aws.advance(at(0));
    answer(aws, &form("rds", region, operation, fields), at(0))
}

#[test]
fn what_cannot_be_done_is_refused_with_the_code_of_the_apis_model_and_changes_nothing() {
    let (home, standby) = (workload::db_cluster_arn(HOME), workload::db_cluster_arn(STANDBY));
    let other = standby.replace("trading-standby", "other");
    let (global, target, member) = ("GlobalClusterIdentifier", "TargetDbClusterIdentifier", "DbClusterIdentifier");
    let group = "VpcSecurityGroupIds.VpcSecurityGroupId.1";
    for (region, operation, fields, expected) in [
        (STANDBY, "FailoverGlobalCluster", vec![(global, "other"), (target, &standby)], "GlobalClusterNotFoundFault"),
        (STANDBY, "FailoverGlobalCluster", vec![(global, "trading"), (target, &other)], "DBClusterNotFoundFault"),
        (STANDBY, "RemoveFromGlobalCluster", vec![(global, "trading"), (member, &other)], "DBClusterNotFoundFault"),
        (HOME, "SwitchoverGlobalCluster", vec![(global, "trading"), (target, &home)], "InvalidGlobalClusterStateFault"),
        (HOME, "RemoveFromGlobalCluster", vec![(global, "trading"), (member, &home)], "InvalidGlobalClusterStateFault"),
        // In the wrong Region.
        (STANDBY, "SwitchoverGlobalCluster", vec![(global, "trading"), (target, &standby)], "DBClusterNotFoundFault"),
        (HOME, "RemoveFromGlobalCluster", vec![(global, "trading"), (member, &standby)], "DBClusterNotFoundFault"),
        (
            HOME,
            "ModifyDBCluster",
            vec![("DBClusterIdentifier", "other"), (group, SERVING_GROUP)],
            "DBClusterNotFoundFault",
        ),
        (
            HOME,
            "ModifyDBCluster",
            vec![("DBClusterIdentifier", "trading-primary"), (group, "sg-00000001")],
            "InvalidParameterCombination",
        ),
    ] {
        let fields: Vec<(&str, &str)> = fields;
        let mut aws = Aws::new(1);
        let answer = change(&mut aws, region, operation, &fields);
        assert_eq!(code(&answer), expected, "{operation} in {region} {fields:?}");
        assert!(aws.aurora.accepted_promotions().is_empty() && aws.aurora.is_available(HOME));
    }
}

#[test]
#[should_panic(expected = "SkipFinalSnapshot is not simulated")]
fn a_parameter_that_is_not_simulated_is_not_ignored() {
    let fields = [("DBClusterIdentifier", "trading-primary"), ("SkipFinalSnapshot", "true")];
    change(&mut Aws::new(1), HOME, "ModifyDBCluster", &fields);
}

#[test]
#[should_panic(expected = "rds:DeleteDBCluster")]
fn an_operation_that_is_not_simulated_is_named() {
    change(&mut Aws::new(1), HOME, "DeleteDBCluster", &[]);
}

#[test]
fn while_one_promotion_is_under_way_no_other_is_taken_on() {
    for first in [Failover, Switchover] {
        for second in [Failover, Switchover, Detach] {
            let mut aws = Aws::new(2);
            aws.advance(at(0));
            assert_eq!(code(&promote(&mut aws, first, STANDBY, at(1_000))), "");
            assert_eq!(code(&promote(&mut aws, second, STANDBY, at(1_001))), "InvalidGlobalClusterStateFault");
        }
    }
    // A detach does not always show in the cluster's status.
    for seed in SEEDS {
        for second in [Failover, Switchover, Detach] {
            let mut aws = Aws::new(seed);
            aws.advance(at(0));
            assert_eq!(code(&promote(&mut aws, Detach, STANDBY, at(1_000))), "");
            let refusal = promote(&mut aws, second, STANDBY, at(1_001));
            assert_eq!(code(&refusal), "InvalidDBClusterStateFault", "seed {seed}");
            assert_eq!(aws.aurora.accepted_promotions().len(), 1);
        }
    }
}

#[test]
fn a_writer_is_promoted_no_second_time() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        promote(&mut aws, Failover, STANDBY, at(1_000));
        let answer = promote(&mut aws, Failover, STANDBY, at(100_000));
        assert_eq!(code(&answer), "InvalidGlobalClusterStateFault", "seed {seed}");
    }
}

fn set_groups(aws: &mut Aws, region: &str, group: &str, ms: u64) -> Answer {
    let id = workload::db_cluster(region);
    let fields = [
        ("DBClusterIdentifier", id),
        ("VpcSecurityGroupIds.VpcSecurityGroupId.1", group),
        ("ApplyImmediately", "true"),
    ];
    aws.advance(at(ms));
    answer(aws, &form("rds", region, "ModifyDBCluster", &fields), at(ms))
}

#[test]
fn a_cluster_is_closed_only_once_its_old_group_is_gone() {
    let mut transitional = 0;
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        assert_eq!(code(&set_groups(&mut aws, HOME, CLOSED_GROUP, 10_000)), "");
        assert_eq!(writers(&mut aws, at(10_001)), [HOME], "seed {seed}: not yet");
        for now in (10_000..24_000).step_by(250).map(at) {
            let groups = describe(&mut aws, HOME, now).groups;
            if groups == [(CLOSED_GROUP.to_owned(), "active".to_owned())] {
                assert_eq!(writers(&mut aws, now), [""; 0], "seed {seed} at {now}");
                assert!(aws.aurora.has_only_security_group(HOME, CLOSED_GROUP));
            }
            transitional += u32::from(groups.len() == 2);
        }
        assert_eq!(writers(&mut aws, at(24_000)), [""; 0], "seed {seed}");
        assert_eq!(code(&set_groups(&mut aws, HOME, SERVING_GROUP, 30_000)), "");
        assert_eq!(writers(&mut aws, at(30_001)), [""; 0], "seed {seed}: nor is it opened at once");
        assert_eq!(writers(&mut aws, at(41_000)), [HOME], "seed {seed}: and it can be opened again");
    }
    assert!(transitional > 0, "the way there shows");
}

#[test]
fn a_later_change_of_the_groups_replaces_one_that_is_under_way() {
    let mut replaced = 0;
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        set_groups(&mut aws, HOME, CLOSED_GROUP, 10_000);
        if !set_groups(&mut aws, HOME, SERVING_GROUP, 10_500).is_success() {
            // A cluster that is `modifying` takes no change.
            continue;
        }
        replaced += 1;
        aws.advance(at(22_000));
        assert!(aws.aurora.has_only_security_group(HOME, SERVING_GROUP), "seed {seed}");
        assert_eq!(writers(&mut aws, at(22_000)), [HOME]);
    }
    assert!(replaced > 0);
}

#[test]
fn a_lost_region_writes_again_when_it_is_back_and_nothing_was_promoted() {
    let mut aws = Aws::new(1);
    aws.advance(at(0));
    set_lost(&mut aws, HOME, true, at(10_000));
    assert_eq!(writers(&mut aws, at(50_000)), [""; 0]);
    set_lost(&mut aws, HOME, false, at(60_000));
    assert_eq!(writers(&mut aws, at(61_000)), [HOME]);
    let writes = aws.aurora.writes();
    assert_eq!((writes.acknowledged, writes.lost), (11_000, 0));
}
