//! What a promotion does, and what Describe says of it.

use std::collections::BTreeSet;

use super::super::{By, Outcome, PromotionKind, Writes, order, transition, writers};
use super::{SEEDS, describe, events, promote, set_lost};
use crate::aws::Aws;
use crate::aws::lab::{at, code};
use crate::workload::{self, HOME, STANDBY};

use PromotionKind::{Detach, Failover, Switchover};

const KINDS: [PromotionKind; 3] = [Failover, Switchover, Detach];
/// When the promotions of these tests are asked for, in milliseconds.
const ASKED_MS: u64 = 130_000;
/// Long enough for any promotion that goes well, in milliseconds.
const THROUGH_MS: u64 = ASKED_MS + 90_000;

/// A world in which this was asked for at [`ASKED_MS`].
fn asked(seed: u64, kind: PromotionKind) -> Aws {
    let mut aws = Aws::new(seed);
    aws.advance(at(0));
    assert_eq!(code(&promote(&mut aws, kind, STANDBY, at(ASKED_MS))), "", "seed {seed} {kind:?}");
    aws
}

fn outcome(aws: &Aws) -> Outcome {
    aws.aurora.accepted_promotions().last().expect("a promotion").outcome
}

#[test]
fn before_any_change_home_writes_and_everything_is_available() {
    let mut aws = Aws::new(1);
    assert_eq!(writers(&mut aws, at(1_000)), [HOME]);
    let (home, standby) = (describe(&mut aws, HOME, at(1_000)), describe(&mut aws, STANDBY, at(1_000)));
    assert_eq!((home.pending.as_ref(), home.members.len()), (None, 2));
    assert_eq!(home.members, standby.members);
    assert!(home.is_promoted(Failover, HOME) && !standby.is_promoted(Failover, STANDBY));
    assert_eq!((standby.cluster.as_str(), standby.synchronization(STANDBY)), ("available", Some("connected")));
    assert!(!aws.aurora.promotion_is_pending() && aws.aurora.accepted_promotions().is_empty());
}

#[test]
fn every_promotion_ends_within_its_bounds_with_the_target_as_the_writer() {
    for seed in SEEDS {
        for kind in KINDS {
            let mut aws = asked(seed, kind);
            assert!(aws.aurora.promotion_is_pending(), "seed {seed} {kind:?}");
            aws.advance(at(THROUGH_MS));
            let Outcome::TookOver { at: took_over, .. } = outcome(&aws) else {
                panic!("seed {seed} {kind:?}: {:?}", outcome(&aws))
            };
            let (least, most) = if kind == Detach { transition::DETACH_MS } else { transition::TAKEOVER_MS };
            let took = took_over.millis_since(at(ASKED_MS));
            // A switchover may have to wait for the last writes.
            assert!((least..=most + 10_000).contains(&took), "seed {seed} {kind:?}: {took} ms");
            assert_eq!(aws.aurora.writer_of_record(), Some(STANDBY), "seed {seed} {kind:?}");
            assert!(aws.aurora.is_available(STANDBY) && !aws.aurora.promotion_is_pending(), "seed {seed} {kind:?}");
            let seen = describe(&mut aws, STANDBY, at(THROUGH_MS + 3_000));
            assert!(seen.is_promoted(kind, STANDBY), "seed {seed} {kind:?}: {seen:?}");
        }
    }
}

#[test]
fn whenever_describe_shows_a_promotion_as_through_the_target_takes_writes() {
    for seed in SEEDS {
        for kind in KINDS {
            let mut aws = asked(seed, kind);
            for now in (ASKED_MS..THROUGH_MS).step_by(1_000).map(at) {
                if describe(&mut aws, STANDBY, now).is_promoted(kind, STANDBY) {
                    assert!(writers(&mut aws, now).contains(&STANDBY), "seed {seed} {kind:?} at {now}");
                }
            }
        }
    }
}

#[test]
fn a_promotion_passes_through_states_that_are_not_its_end() {
    for kind in KINDS {
        let mut seen = BTreeSet::new();
        for seed in SEEDS {
            let mut aws = asked(seed, kind);
            for now in (ASKED_MS..THROUGH_MS).step_by(1_000).map(at) {
                let described = describe(&mut aws, STANDBY, now);
                seen.extend(described.pending);
                seen.insert(format!("cluster {}", described.cluster));
                seen.extend(described.writing.map(|status| format!("instance {status}")));
            }
        }
        let expected: &[&str] = match kind {
            Failover => &["pending", "failing-over", "cluster promoting", "instance rebooting"],
            Switchover => &["pending", "switching-over", "cluster promoting", "instance rebooting"],
            Detach => &["cluster promoting", "instance rebooting"],
        };
        for state in expected {
            assert!(seen.contains(*state), "{kind:?}: {state} not in {seen:?}");
        }
    }
}

#[test]
fn the_global_clusters_status_runs_ahead_of_the_state_at_the_beginning_and_at_the_end() {
    let (mut at_first, mut at_last) = (0, 0);
    for seed in SEEDS {
        let mut aws = asked(seed, Failover);
        for now in (ASKED_MS..THROUGH_MS).step_by(250).map(at) {
            let seen = describe(&mut aws, STANDBY, now);
            at_first += u32::from(seen.global == "failing-over" && seen.pending.as_deref() == Some("pending"));
            at_last += u32::from(seen.global == "available" && seen.pending.as_deref() == Some("failing-over"));
        }
    }
    assert!(at_first > 0 && at_last > 0, "{at_first} {at_last}");
}

#[test]
fn a_change_may_not_show_for_three_seconds_and_shows_then() {
    let mut late = 0;
    for seed in SEEDS {
        let mut aws = asked(seed, Failover);
        late += u32::from(describe(&mut aws, STANDBY, at(ASKED_MS)).pending.is_none());
        let shown = describe(&mut aws, STANDBY, at(ASKED_MS + 3_000));
        assert!(shown.pending.is_some() || shown.is_writer(STANDBY), "seed {seed}: {shown:?}");
    }
    assert!(late > 0, "it always shows at once");
}

#[test]
fn a_switchover_loses_nothing_and_at_no_moment_two_regions_write() {
    for seed in SEEDS {
        let mut aws = asked(seed, Switchover);
        aws.advance(at(THROUGH_MS));
        let Writes { acknowledged, lost } = aws.aurora.writes();
        assert_eq!((lost, aws.aurora.overlapping_writers()), (0, &[][..]), "seed {seed}");
        assert!(acknowledged > ASKED_MS && acknowledged < THROUGH_MS, "seed {seed}: {acknowledged}");
        assert_eq!(writers(&mut aws, at(THROUGH_MS)), [STANDBY], "seed {seed}");
        let seen = describe(&mut aws, STANDBY, at(THROUGH_MS));
        assert_eq!(seen.synchronization(HOME), Some("connected"), "the old writer follows at once");
    }
}

#[test]
fn a_failover_with_the_old_region_there_blocks_its_writes_or_times_out_and_says_which() {
    let mut outcomes = BTreeSet::new();
    for seed in SEEDS {
        let mut aws = asked(seed, Failover);
        aws.advance(at(THROUGH_MS));
        let told = events(&mut aws, HOME, at(THROUGH_MS));
        let [blocking] = &told.iter().filter(|event| event.starts_with("Attempt to block")).collect::<Vec<_>>()[..]
        else {
            panic!("seed {seed}: {told:?}")
        };
        let blocked = blocking.ends_with("for DB cluster trading-primary in Region eu-central-1 succeeded.");
        assert!(blocked || blocking.ends_with("timed out."), "{blocking}");
        let overlaps = !aws.aurora.overlapping_writers().is_empty();
        assert_eq!(overlaps, !blocked, "seed {seed}: two may write only when it timed out");
        assert_eq!(aws.aurora.writers_may_overlap(), !blocked, "seed {seed}");
        assert_eq!(aws.aurora.writes().lost > 0, !blocked || missing(&aws) > 0, "seed {seed}");
        outcomes.insert(blocked);
    }
    assert_eq!(outcomes.len(), 2, "both happen");
}

fn missing(aws: &Aws) -> u64 {
    match outcome(aws) {
        Outcome::TookOver { missing_writes, .. } => missing_writes,
        Outcome::UnderWay | Outcome::Cancelled { .. } => 0,
    }
}

#[test]
fn after_a_failover_the_old_writer_is_rebuilt_and_follows() {
    for seed in SEEDS {
        let mut aws = asked(seed, Failover);
        aws.advance(at(THROUGH_MS));
        let seen = describe(&mut aws, STANDBY, at(THROUGH_MS));
        assert_eq!(seen.synchronization(HOME), Some("pending-resync"), "seed {seed}");
        assert_eq!(code(&promote(&mut aws, Failover, HOME, at(THROUGH_MS))), "InvalidDBClusterStateFault");
        let later = at(THROUGH_MS + 700_000);
        let seen = describe(&mut aws, STANDBY, later);
        assert_eq!(seen.synchronization(HOME), Some("connected"), "seed {seed}");
        assert_eq!(writers(&mut aws, later), [STANDBY], "seed {seed}");
        assert_eq!(code(&promote(&mut aws, Switchover, HOME, later)), "", "seed {seed}");
        aws.advance(later.plus_millis(90_000));
        assert_eq!(aws.aurora.global_writer(), HOME, "seed {seed}: the way back");
    }
}

#[test]
fn out_of_a_lost_region_a_failover_cannot_block_and_the_new_region_says_so() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        set_lost(&mut aws, HOME, true, at(100_000));
        assert_eq!(writers(&mut aws, at(100_000)), [""; 0], "nobody reaches it");
        let lag = aws.aurora.lag_ms(STANDBY, at(100_000)).expect("a secondary");
        assert_eq!(code(&promote(&mut aws, Failover, STANDBY, at(ASKED_MS))), "", "seed {seed}");
        aws.advance(at(THROUGH_MS));
        let told = events(&mut aws, STANDBY, at(THROUGH_MS));
        assert!(told.iter().any(|event| event.ends_with("in Region eu-central-1 timed out.")), "seed {seed}: {told:?}");
        assert_eq!(writers(&mut aws, at(THROUGH_MS)), [STANDBY], "seed {seed}");
        assert_eq!(missing(&aws), lag, "seed {seed}: what had not been replicated");
        assert_eq!(aws.aurora.writes().lost, lag, "seed {seed}");
    }
}

#[test]
fn an_old_writer_that_was_not_blocked_writes_again_when_its_region_is_back_until_it_is_rebuilt() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        set_lost(&mut aws, HOME, true, at(100_000));
        promote(&mut aws, Failover, STANDBY, at(ASKED_MS));
        let before = {
            aws.advance(at(400_000));
            aws.aurora.writes().lost
        };
        set_lost(&mut aws, HOME, false, at(400_000));
        assert_eq!(writers(&mut aws, at(400_500)), [HOME, STANDBY], "seed {seed}");
        assert_eq!(writers(&mut aws, at(461_000)), [STANDBY], "seed {seed}");
        let stray = aws.aurora.writes().lost - before;
        let [(from, to)] = aws.aurora.overlapping_writers() else { panic!("seed {seed}: one stretch") };
        assert_eq!(stray, to.millis_since(*from), "seed {seed}: what it took is lost");
        let seen = describe(&mut aws, STANDBY, at(1_100_000));
        assert_eq!(seen.synchronization(HOME), Some("connected"), "seed {seed}");
    }
}

#[test]
fn a_detached_cluster_stands_alone_and_the_old_writer_is_not_told() {
    for seed in SEEDS {
        let mut aws = asked(seed, Detach);
        aws.advance(at(THROUGH_MS));
        assert_eq!(writers(&mut aws, at(THROUGH_MS)), [HOME, STANDBY], "seed {seed}: nothing is fenced");
        assert!(aws.aurora.writers_may_overlap() && !aws.aurora.is_member(STANDBY));
        assert_eq!(aws.aurora.global_writer(), HOME);
        let seen = describe(&mut aws, STANDBY, at(THROUGH_MS));
        assert_eq!(seen.members, [(workload::db_cluster_arn(HOME), true, "connected".to_owned())], "seed {seed}");
        assert_eq!(code(&promote(&mut aws, Detach, STANDBY, at(THROUGH_MS))), "InvalidParameterValue");
        assert_eq!(code(&promote(&mut aws, Switchover, STANDBY, at(THROUGH_MS))), "DBClusterNotFoundFault");
        assert_eq!(describe(&mut aws, STANDBY, at(3_600_000)), seen, "nothing rejoins");
    }
}

#[test]
fn a_promotion_that_loses_a_region_it_needs_is_cancelled_and_the_writer_writes_again() {
    for seed in SEEDS {
        for (kind, region) in [(Switchover, HOME), (Switchover, STANDBY), (Failover, STANDBY)] {
            let what = format!("seed {seed}: {kind:?} without {region}");
            let mut aws = asked(seed, kind);
            set_lost(&mut aws, region, true, at(ASKED_MS + 4_000));
            let mut states = BTreeSet::new();
            let there = if region == HOME { STANDBY } else { HOME };
            let end = at(ASKED_MS + 160_000);
            for now in (ASKED_MS..ASKED_MS + 160_000).step_by(1_000).map(at) {
                states.extend(describe(&mut aws, there, now).pending);
            }
            assert!(states.contains("cancelling"), "{what}: {states:?}");
            assert!(matches!(outcome(&aws), Outcome::Cancelled { .. }), "{what}");
            assert_eq!(aws.aurora.global_writer(), HOME);
            set_lost(&mut aws, region, false, end);
            assert_eq!(writers(&mut aws, end), [HOME], "{what}");
            assert_eq!(aws.aurora.writes().lost, 0, "{what}");
            assert_eq!(code(&promote(&mut aws, kind, STANDBY, end)), "", "{what}: it can be asked for again");
        }
    }
}

#[test]
fn a_switchover_of_a_writer_whose_region_is_lost_is_taken_on_and_never_comes_about() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        set_lost(&mut aws, HOME, true, at(10_000));
        order(&mut aws, Switchover, STANDBY, at(20_000)).expect("accepted");
        aws.advance(at(200_000));
        assert!(matches!(outcome(&aws), Outcome::Cancelled { .. }), "seed {seed}");
        assert_eq!(code(&promote(&mut aws, Failover, STANDBY, at(200_000))), "", "seed {seed}");
        assert_eq!(writers(&mut aws, at(300_000)), [STANDBY], "seed {seed}");
    }
}

#[test]
fn a_switchover_waits_for_a_target_that_is_behind() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        aws.aurora.hold_replication(STANDBY, true);
        assert_eq!(code(&promote(&mut aws, Switchover, STANDBY, at(60_000))), "", "seed {seed}");
        aws.advance(at(125_000));
        assert_eq!(aws.aurora.global_writer(), HOME, "seed {seed}: it does not have everything");
        aws.aurora.hold_replication(STANDBY, false);
        aws.advance(at(170_000));
        assert_eq!((aws.aurora.global_writer(), aws.aurora.writes().lost), (STANDBY, 0), "seed {seed}");
    }
}

#[test]
fn events_are_told_from_the_moment_that_is_asked_for_and_in_their_region_only() {
    let mut aws = asked(1, Failover);
    let told = |aws: &mut Aws, region: &str, since: u64| {
        let since = at(since).to_string();
        super::asked(aws, region, "DescribeEvents", &[("StartTime", &since)], at(THROUGH_MS))
    };
    assert!(told(&mut aws, HOME, ASKED_MS).contains("Attempt to block writes"));
    assert!(!told(&mut aws, STANDBY, ASKED_MS).contains("Attempt to block writes"));
    assert!(!told(&mut aws, HOME, ASKED_MS + 60_000).contains("Attempt to block writes"));
}

#[test]
fn what_a_person_orders_at_the_console_is_a_promotion_like_any_other() {
    let mut aws = Aws::new(3);
    aws.advance(at(0));
    order(&mut aws, Failover, STANDBY, at(1_000)).expect("accepted");
    let refusal = order(&mut aws, Switchover, STANDBY, at(1_500)).expect_err("one is under way");
    assert_eq!(code(&refusal), "InvalidGlobalClusterStateFault");
    assert_eq!(code(&promote(&mut aws, Failover, STANDBY, at(2_000))), "InvalidGlobalClusterStateFault");
    let [only] = aws.aurora.accepted_promotions() else { panic!("one promotion") };
    assert_eq!((only.by, only.kind, only.target, only.at), (By::Person, Failover, STANDBY, at(1_000)));
}

#[test]
fn equal_seeds_give_equal_worlds_and_others_differ() {
    let history = |seed| {
        let mut aws = asked(seed, Failover);
        let mut seen = Vec::new();
        for now in (ASKED_MS..THROUGH_MS).step_by(1_000).map(at) {
            seen.push(describe(&mut aws, STANDBY, now));
        }
        (seen, events(&mut aws, HOME, at(THROUGH_MS)), outcome(&aws))
    };
    assert_eq!(history(5), history(5));
    assert_ne!(history(5), history(6));
}
