//! The lag, and its metric.

use super::super::PromotionKind;
use super::{SEEDS, promote, set_lost};
use crate::aws::Aws;
use crate::aws::lab::at;
use crate::workload::{self, HOME, STANDBY};

/// The maxima that can be read, the oldest first, with the seconds at which their periods begin.
fn readings(aws: &mut Aws, region: &str, ms: u64) -> Vec<(i64, f64)> {
    aws.advance(at(ms));
    let found = aws.aurora.lag_datapoints(region, workload::db_cluster(region), at(ms));
    found.iter().map(|one| ((one.start.as_millis() - at(0).as_millis()) / 1000, one.maximum)).collect()
}

#[test]
fn the_standby_has_a_small_lag_of_every_minute_and_the_writer_none() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        let at_first = readings(&mut aws, STANDBY, 1);
        assert!(at_first.len() >= 10, "it has a history");
        let later = readings(&mut aws, STANDBY, 600_000);
        let (newest, _) = *later.last().expect("readings");
        assert!((480..=540).contains(&newest), "seed {seed}: {newest}");
        assert!(later.windows(2).all(|pair| pair[1].0 - pair[0].0 == 60), "seed {seed}: one of every minute");
        assert!(later.iter().all(|(_, lag)| (50.0..3_000.0).contains(lag)), "seed {seed}: {later:?}");
        assert!(readings(&mut aws, HOME, 600_000).is_empty(), "seed {seed}");
        assert_eq!(aws.aurora.lag_datapoints(HOME, workload::db_cluster(STANDBY), at(600_000)), []);
    }
}

#[test]
fn while_the_writer_is_lost_the_lag_grows_or_is_not_published_and_ends_up_not_published() {
    let (mut grew, mut silent) = (0, 0);
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        set_lost(&mut aws, HOME, true, at(60_000));
        assert!(aws.aurora.lag_ms(STANDBY, at(160_000)).is_some_and(|lag| lag >= 100_000), "seed {seed}");
        let (newest, lag) = *readings(&mut aws, STANDBY, 240_000).last().expect("readings");
        if lag > 60_000.0 {
            grew += 1;
        } else if newest < 60 {
            silent += 1;
        }
        let before = readings(&mut aws, STANDBY, 900_000);
        assert_eq!(readings(&mut aws, STANDBY, 1_500_000), before, "seed {seed}: nothing new");
    }
    assert!(grew > 0 && silent > 0, "{grew} grew, {silent} were silent");
}

#[test]
fn a_standby_whose_writer_is_back_catches_up() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        set_lost(&mut aws, HOME, true, at(60_000));
        set_lost(&mut aws, HOME, false, at(180_000));
        aws.advance(at(200_000));
        let lag = aws.aurora.lag_ms(STANDBY, at(200_000)).expect("a secondary");
        assert!(lag < 2_000, "seed {seed}: {lag}");
    }
}

#[test]
fn a_replication_that_is_held_up_lags_by_the_time_and_that_is_what_a_failover_loses() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        aws.advance(at(60_000));
        aws.aurora.hold_replication(STANDBY, true);
        let readings = readings(&mut aws, STANDBY, 240_000);
        assert!(readings.last().is_some_and(|(_, lag)| *lag > 60_000.0), "seed {seed}: {readings:?}");
        set_lost(&mut aws, HOME, true, at(240_000));
        let lag = aws.aurora.lag_ms(STANDBY, at(240_000)).expect("a secondary");
        assert!((180_000..182_000).contains(&lag), "seed {seed}: {lag}");
        promote(&mut aws, PromotionKind::Failover, STANDBY, at(250_000));
        aws.advance(at(340_000));
        assert_eq!(aws.aurora.writes().lost, lag, "seed {seed}");
    }
}

#[test]
fn after_a_failover_the_metric_moves_to_the_old_writer_once_that_follows() {
    for seed in SEEDS {
        let mut aws = Aws::new(seed);
        aws.advance(at(0));
        promote(&mut aws, PromotionKind::Failover, STANDBY, at(60_000));
        aws.advance(at(150_000));
        let of_target = readings(&mut aws, STANDBY, 240_000);
        assert_eq!(readings(&mut aws, STANDBY, 1_200_000), of_target, "seed {seed}: the writer has none");
        let of_old = readings(&mut aws, HOME, 1_200_000);
        assert!(of_old.last().is_some_and(|(begins, lag)| *begins > 1_000 && *lag < 3_000.0), "seed {seed}");
    }
}
