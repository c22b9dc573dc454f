//! The decision on the evidence. Pure: the plan's thresholds and the samples in, a verdict out.
//!
//! It is biased towards waiting, and never waits for ever:
//! - It takes two kinds of evidence that rest on two measurements, in every sample over the window, to fail over.
//! - Two kinds that rest on one measurement (the endpoint's probe, and the alarm on that very probe) are one witness
//!   heard twice: a person decides.
//! - A window without any agreement stands down; so does evidence that comes and goes, after `give_up_seconds`.

use std::collections::BTreeSet;

use failover::contract::{EvidenceKind, Health, Sample, Timestamp};
use failover::recovery_plan::Detection;

/// How many samples a window holds at most. Looks are spread out rather than dropped, so that the history stays within
/// the state machine's payload (256 KiB) and still covers the window.
const MOST_SAMPLES_IN_A_WINDOW: u32 = 40;
/// How many looks a run takes at most. The state machine bounds its loop as well, and this run is to end by a verdict.
const MOST_LOOKS: u32 = 200;
/// What two looks may be further apart than planned, for invocations that are retried, before what lies between them
/// counts as not looked at.
const GAP_ALLOWANCE_MS: u64 = 30_000;

/// What the evidence says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Two independent kinds agreed over the window.
    FailOver(String),
    /// Two kinds agreed over the window, and are one witness: a person has to decide.
    Ask(String),
    /// The evidence does not carry a failover.
    StandDown(String),
    /// Too early to tell.
    Wait(String),
}

/// How far a sample's kinds agree that the Region is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Agreement {
    /// At most one kind says so.
    None,
    /// Two kinds say so, by the same measurement.
    OneWitness,
    /// Two kinds say so, by two measurements.
    Independent,
}

/// Weighs the samples, the newest last. `started_at` is when the run began to look.
pub(crate) fn judge(detection: &Detection, samples: &[Sample], started_at: Timestamp) -> Verdict {
    let samples = unbroken(detection, samples);
    let Some(newest) = samples.last() else {
        return Verdict::Wait("nothing was looked at yet".to_owned());
    };
    let window_ms = u64::from(detection.window_seconds) * 1000;
    let lasted = |holds: fn(Agreement) -> bool| lasted_ms(samples, holds);
    let independent = lasted(|agreement| agreement == Agreement::Independent);
    let agreeing = lasted(|agreement| agreement >= Agreement::OneWitness);
    let quiet = lasted(|agreement| agreement == Agreement::None);
    let seconds = detection.window_seconds;
    let said = kinds_in_words(newest);
    if independent.is_some_and(|ms| ms >= window_ms) {
        return Verdict::FailOver(format!("{said}, in every look over {seconds} s, by independent measurements"));
    }
    match agreement(newest) {
        Agreement::Independent => Verdict::Wait(format!("{said}; it has to last for {seconds} s")),
        Agreement::OneWitness if agreeing.is_some_and(|ms| ms >= window_ms) => {
            Verdict::Ask(format!("{said}, in every look over {seconds} s, but by one and the same measurement"))
        }
        Agreement::OneWitness => Verdict::Wait(format!("{said}, by one measurement; it has to last for {seconds} s")),
        Agreement::None if quiet.is_some_and(|ms| ms >= window_ms) => {
            Verdict::StandDown(format!("{said}; two kinds of evidence have to agree, and did not for {seconds} s"))
        }
        Agreement::None if newest.at.millis_since(started_at) >= u64::from(detection.give_up_seconds) * 1000 => {
            Verdict::StandDown(format!(
                "{said}; the evidence did not agree for {seconds} s on end within {} s",
                detection.give_up_seconds
            ))
        }
        Agreement::None => Verdict::Wait(format!("{said}; two kinds of evidence have to agree")),
    }
}

/// The time between two looks, in seconds: the plan's, or more where that would make too many of them.
pub(crate) fn pace_seconds(detection: &Detection) -> u32 {
    let longest = detection.give_up_seconds.saturating_add(detection.window_seconds);
    detection
        .interval_seconds
        .max(detection.window_seconds.div_ceil(MOST_SAMPLES_IN_A_WINDOW))
        .max(longest.div_ceil(MOST_LOOKS))
}

/// The part of the history that later looks need: those of one window, and the one before, which shows how the window
/// began.
pub(crate) fn keep(detection: &Detection, samples: Vec<Sample>) -> Vec<Sample> {
    let unbroken = unbroken(detection, &samples);
    let Some(newest) = unbroken.last() else {
        return samples;
    };
    let window_ms = u64::from(detection.window_seconds) * 1000;
    let first = unbroken.iter().rposition(|sample| newest.at.millis_since(sample.at) >= window_ms).unwrap_or(0);
    unbroken[first..].to_vec()
}

/// The newest samples, back to the first gap: what was not looked at cannot have agreed.
fn unbroken<'a>(detection: &Detection, samples: &'a [Sample]) -> &'a [Sample] {
    let allowed_ms = u64::from(pace_seconds(detection)) * 2000 + GAP_ALLOWANCE_MS;
    let gap = samples.windows(2).rposition(|pair| pair[1].at.millis_since(pair[0].at) > allowed_ms);
    &samples[gap.map_or(0, |before| before + 1)..]
}

/// For how long, up to the newest sample, all samples have held; none when the newest does not.
fn lasted_ms(samples: &[Sample], holds: fn(Agreement) -> bool) -> Option<u64> {
    let newest = samples.last()?;
    let held = samples.iter().rev().take_while(|sample| holds(agreement(sample))).last()?;
    Some(newest.at.millis_since(held.at))
}

fn agreement(sample: &Sample) -> Agreement {
    let unhealthy = || sample.evidence.iter().filter(|evidence| evidence.health == Health::Unhealthy);
    let kinds: BTreeSet<EvidenceKind> = unhealthy().map(|evidence| evidence.kind).collect();
    let measurements: BTreeSet<EvidenceKind> = unhealthy().flat_map(|evidence| evidence.rests_on.clone()).collect();
    match (kinds.len(), measurements.len()) {
        (2.., 2..) => Agreement::Independent,
        (2.., _) => Agreement::OneWitness,
        _ => Agreement::None,
    }
}

fn kinds_in_words(sample: &Sample) -> String {
    let of = |health| -> Vec<&str> {
        let such = sample.evidence.iter().filter(|evidence| evidence.health == health);
        such.map(|evidence| name(evidence.kind)).collect()
    };
    let (unhealthy, unknown) = (of(Health::Unhealthy), of(Health::Unknown));
    let unhealthy = if unhealthy.is_empty() {
        "nothing is unhealthy".to_owned()
    } else {
        format!("unhealthy: {}", unhealthy.join(", "))
    };
    if unknown.is_empty() { unhealthy } else { format!("{unhealthy}; unknown: {}", unknown.join(", ")) }
}

/// A kind of evidence in words.
pub(crate) fn name(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::Alarms => "alarms",
        EvidenceKind::Endpoint => "endpoint",
        EvidenceKind::Aurora => "aurora",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use failover::contract::Evidence;
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000_000);
    const HEALTHS: [Health; 3] = [Health::Healthy, Health::Unhealthy, Health::Unknown];

    /// A window of a minute with a look every ten seconds; after five minutes it gives up.
    fn detection() -> Detection {
        Detection {
            alarm_names: Vec::new(),
            endpoints: BTreeMap::new(),
            max_lag_ms: 60_000,
            max_rpo_ms: 5_000,
            window_seconds: 60,
            interval_seconds: 10,
            give_up_seconds: 300,
        }
    }

    fn one(kind: EvidenceKind, health: Health, rests_on: &[EvidenceKind]) -> Evidence {
        Evidence { kind, health, rests_on: rests_on.to_vec(), detail: String::new() }
    }

    fn sample(seconds: u64, [alarms, endpoint, aurora]: [Health; 3], alarms_rest_on: &[EvidenceKind]) -> Sample {
        let evidence = vec![
            one(EvidenceKind::Alarms, alarms, alarms_rest_on),
            one(EvidenceKind::Endpoint, endpoint, &[EvidenceKind::Endpoint]),
            one(EvidenceKind::Aurora, aurora, &[EvidenceKind::Aurora]),
        ];
        Sample { at: START.plus_millis(seconds * 1000), evidence }
    }

    const LOST: [Health; 3] = [Health::Healthy, Health::Unhealthy, Health::Unhealthy];
    const WELL: [Health; 3] = [Health::Healthy; 3];
    const ENDPOINT_ONLY: [Health; 3] = [Health::Unhealthy, Health::Unhealthy, Health::Healthy];

    /// Samples ten seconds apart, from the start.
    fn every_ten_seconds(healths: &[[Health; 3]], alarms_rest_on: &[EvidenceKind]) -> Vec<Sample> {
        (0u64..).zip(healths).map(|(index, healths)| sample(index * 10, *healths, alarms_rest_on)).collect()
    }

    fn verdict(samples: &[Sample]) -> Verdict {
        judge(&detection(), samples, START)
    }

    #[test]
    fn two_kinds_fail_over_when_they_agreed_for_the_whole_window_and_not_a_look_earlier() {
        let samples = every_ten_seconds(&[LOST; 7], &[]);
        assert!(matches!(verdict(&samples), Verdict::FailOver(_)));
        for shorter in 1..7 {
            assert!(matches!(verdict(&samples[..shorter]), Verdict::Wait(_)), "{shorter} looks");
        }
    }

    #[test]
    fn every_combination_of_three_kinds_fails_over_exactly_when_two_are_unhealthy() {
        for alarms in HEALTHS {
            for endpoint in HEALTHS {
                for aurora in HEALTHS {
                    let healths = [alarms, endpoint, aurora];
                    let unhealthy = healths.iter().filter(|health| **health == Health::Unhealthy).count();
                    let samples = every_ten_seconds(&[healths; 7], &[EvidenceKind::Alarms]);
                    let verdict = verdict(&samples);
                    assert_eq!(matches!(verdict, Verdict::FailOver(_)), unhealthy >= 2, "{healths:?}: {verdict:?}");
                    assert_eq!(matches!(verdict, Verdict::StandDown(_)), unhealthy < 2, "{healths:?}: {verdict:?}");
                }
            }
        }
    }

    #[test]
    fn an_alarm_on_the_probe_and_the_probe_are_one_witness_and_a_person_is_asked() {
        let samples = every_ten_seconds(&[ENDPOINT_ONLY; 7], &[EvidenceKind::Endpoint]);
        assert!(matches!(verdict(&samples), Verdict::Ask(_)), "{:?}", verdict(&samples));
        assert!(matches!(verdict(&samples[..6]), Verdict::Wait(_)));
    }

    #[test]
    fn one_witness_that_becomes_two_gets_another_window_and_no_more() {
        let mut samples = every_ten_seconds(&[ENDPOINT_ONLY; 6], &[EvidenceKind::Endpoint]);
        samples.extend((6..=12).map(|index| sample(index * 10, LOST, &[])));
        for shorter in 1..samples.len() {
            assert!(matches!(verdict(&samples[..shorter]), Verdict::Wait(_)), "{shorter} looks");
        }
        assert!(matches!(verdict(&samples), Verdict::FailOver(_)));
    }

    #[test]
    fn two_looks_may_be_two_intervals_and_half_a_minute_apart_and_no_millisecond_more() {
        let at = |ms: u64| Sample { at: START.plus_millis(ms), ..sample(0, LOST, &[]) };
        let seen = |pause_ms| verdict(&[at(0), at(pause_ms), at(pause_ms + 10_000)]);
        assert!(matches!(seen(50_000), Verdict::FailOver(_)), "{:?}", seen(50_000));
        assert!(matches!(seen(50_001), Verdict::Wait(_)), "what lies between was not looked at: {:?}", seen(50_001));
    }

    #[test]
    fn an_alarm_on_another_measurement_makes_a_second_witness() {
        for rests_on in [&[EvidenceKind::Alarms][..], &[EvidenceKind::Endpoint, EvidenceKind::Aurora]] {
            let samples = every_ten_seconds(&[ENDPOINT_ONLY; 7], rests_on);
            assert!(matches!(verdict(&samples), Verdict::FailOver(_)), "{rests_on:?}");
        }
    }

    #[test]
    fn a_second_witness_that_joins_late_has_the_window_to_itself() {
        let mut samples = every_ten_seconds(&[ENDPOINT_ONLY; 5], &[EvidenceKind::Endpoint]);
        samples.extend((5..11).map(|index| sample(index * 10, LOST, &[])));
        assert!(matches!(verdict(&samples), Verdict::Wait(_)));
        samples.push(sample(110, LOST, &[]));
        assert!(matches!(verdict(&samples), Verdict::FailOver(_)));
    }

    #[test]
    fn one_healthy_look_within_the_window_starts_it_anew() {
        for healthy in 0..7 {
            let mut healths = [LOST; 7];
            healths[healthy] = WELL;
            assert!(matches!(verdict(&every_ten_seconds(&healths, &[])), Verdict::Wait(_)), "look {healthy}");
        }
    }

    #[test]
    fn a_false_alarm_stands_down_after_the_window() {
        let alarm_only = [Health::Unhealthy, Health::Healthy, Health::Healthy];
        let samples = every_ten_seconds(&[alarm_only; 7], &[EvidenceKind::Alarms]);
        assert!(matches!(verdict(&samples), Verdict::StandDown(_)));
        assert!(matches!(verdict(&samples[..6]), Verdict::Wait(_)));
    }

    #[test]
    fn evidence_that_comes_and_goes_is_given_up() {
        let flapping: Vec<[Health; 3]> = (0..31).map(|index| if index % 3 == 0 { WELL } else { LOST }).collect();
        let samples = every_ten_seconds(&flapping, &[]);
        assert!(matches!(verdict(&samples[..30]), Verdict::Wait(_)));
        assert!(matches!(verdict(&samples), Verdict::StandDown(_)));
    }

    #[test]
    fn evidence_that_agrees_when_the_time_is_up_may_finish_its_window() {
        let late: Vec<[Health; 3]> =
            (0..35).map(|index| if index >= 28 || index % 3 == 0 { LOST } else { WELL }).collect();
        let samples = every_ten_seconds(&late, &[]);
        assert!(matches!(verdict(&samples[..31]), Verdict::Wait(_)), "300 s, and it agrees since 280 s");
        assert!(matches!(verdict(&samples), Verdict::FailOver(_)));
    }

    #[test]
    fn what_lies_before_a_gap_does_not_count() {
        let before = sample(0, LOST, &[]);
        let after = sample(51, LOST, &[]);
        assert!(matches!(verdict(&[before.clone(), after]), Verdict::Wait(_)));
        let hour_later = sample(3600, LOST, &[]);
        assert!(matches!(verdict(&[before, hour_later]), Verdict::Wait(_)));
    }

    #[test]
    fn nothing_seen_waits() {
        assert!(matches!(verdict(&[]), Verdict::Wait(_)));
    }

    #[test]
    fn a_window_of_zero_decides_at_the_first_look() {
        let at_once = Detection { window_seconds: 0, give_up_seconds: 0, ..detection() };
        assert!(matches!(judge(&at_once, &[sample(0, LOST, &[])], START), Verdict::FailOver(_)));
        assert!(matches!(judge(&at_once, &[sample(0, WELL, &[])], START), Verdict::StandDown(_)));
    }

    #[test]
    fn a_long_window_with_a_short_interval_is_looked_at_less_often() {
        let long = Detection { window_seconds: 900, interval_seconds: 5, ..detection() };
        assert_eq!(pace_seconds(&long), 23);
        assert_eq!(pace_seconds(&detection()), 10);
        let patient = Detection { give_up_seconds: 3600, ..detection() };
        assert_eq!(pace_seconds(&patient), 19, "no more looks than the state machine makes");
    }

    fn any_samples(longest_pause: u64) -> impl Strategy<Value = Vec<Sample>> {
        let health = || proptest::sample::select(HEALTHS.to_vec());
        let rests_on = proptest::sample::subsequence(
            vec![EvidenceKind::Alarms, EvidenceKind::Endpoint, EvidenceKind::Aurora],
            0..=3,
        );
        let look = (1..=longest_pause, [health(), health(), health()], rests_on);
        proptest::collection::vec(look, 1..60).prop_map(|looks| {
            let mut seconds = 0;
            looks
                .into_iter()
                .map(|(pause, healths, rests_on)| {
                    seconds += pause;
                    sample(seconds, healths, &rests_on)
                })
                .collect()
        })
    }

    /// How little a verdict does.
    fn caution(verdict: &Verdict) -> u8 {
        match verdict {
            Verdict::FailOver(_) => 0,
            Verdict::Ask(_) => 1,
            Verdict::Wait(_) | Verdict::StandDown(_) => 2,
        }
    }

    fn with(samples: &[Sample], change: impl Fn(&Evidence) -> Health) -> Vec<Sample> {
        let change_one = |evidence: &Evidence| Evidence { health: change(evidence), ..evidence.clone() };
        let change_all =
            |sample: &Sample| Sample { at: sample.at, evidence: sample.evidence.iter().map(change_one).collect() };
        samples.iter().map(change_all).collect()
    }

    proptest! {
        #[test]
        fn no_single_kind_ever_fails_over_or_asks(samples in any_samples(70), kind in 0usize..3) {
            let kind = [EvidenceKind::Alarms, EvidenceKind::Endpoint, EvidenceKind::Aurora][kind];
            let alone = with(&samples, |evidence| if evidence.kind == kind { evidence.health } else { Health::Unknown });
            prop_assert_eq!(caution(&verdict(&alone)), 2);
        }

        #[test]
        fn unknown_in_place_of_unhealthy_never_makes_it_do_more(samples in any_samples(70), kind in 0usize..3) {
            let kind = [EvidenceKind::Alarms, EvidenceKind::Endpoint, EvidenceKind::Aurora][kind];
            let less = with(&samples, |evidence| {
                let is_it = evidence.health == Health::Unhealthy && evidence.kind == kind;
                if is_it { Health::Unknown } else { evidence.health }
            });
            prop_assert!(caution(&verdict(&less)) >= caution(&verdict(&samples)));
        }

        #[test]
        fn unknown_counts_exactly_as_healthy_does(samples in any_samples(70)) {
            let well = with(&samples, |evidence| {
                if evidence.health == Health::Unknown { Health::Healthy } else { evidence.health }
            });
            prop_assert_eq!(caution(&verdict(&samples)), caution(&verdict(&well)));
        }

        #[test]
        fn a_failover_has_two_unhealthy_kinds_in_every_look_of_a_window_without_gaps(samples in any_samples(70)) {
            if let Verdict::FailOver(_) = verdict(&samples) {
                let newest = samples.last().expect("at least one").at;
                let first = samples.iter().rposition(|sample| newest.millis_since(sample.at) >= 60_000);
                let window = &samples[first.expect("the window is covered")..];
                for sample in window {
                    let unhealthy = sample.evidence.iter().filter(|evidence| evidence.health == Health::Unhealthy);
                    prop_assert!(unhealthy.count() >= 2);
                }
                for pair in window.windows(2) {
                    prop_assert!(pair[1].at.millis_since(pair[0].at) <= 50_000);
                }
            }
        }

        #[test]
        fn what_is_not_kept_changes_no_later_verdict(samples in any_samples(70)) {
            let mut kept: Vec<Sample> = Vec::new();
            for (index, sample) in samples.iter().enumerate() {
                kept.push(sample.clone());
                kept = keep(&detection(), kept);
                prop_assert_eq!(verdict(&kept), verdict(&samples[..=index]));
            }
        }

        #[test]
        fn at_the_given_pace_the_history_stays_short(window in 0u32..4000, interval in 1u32..120, looks in 1u64..300) {
            let detection = Detection { window_seconds: window, interval_seconds: interval, ..detection() };
            let pace = u64::from(pace_seconds(&detection));
            let samples = (0..looks).map(|look| sample(look * pace, LOST, &[])).collect();
            prop_assert!(keep(&detection, samples).len() <= 42);
        }

        #[test]
        fn it_never_waits_longer_than_the_time_to_give_up_two_windows_and_a_look(samples in any_samples(50)) {
            // What one witness says may turn into two just before it has lasted for a window, and is given another one.
            let longest_ms = u64::from(detection().give_up_seconds + 2 * detection().window_seconds) * 1000 + 50_000;
            if let Some(late) = samples.iter().position(|sample| sample.at.millis_since(START) > longest_ms) {
                let decided = (0..=late).any(|index| !matches!(verdict(&samples[..=index]), Verdict::Wait(_)));
                prop_assert!(decided);
            }
        }
    }
}
