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

/// The time between two looks, in seconds.
pub(crate) fn pace_seconds(detection: &Detection) -> u32 {
    detection.interval_seconds.max(detection.window_seconds.div_ceil(MOST_SAMPLES_IN_A_WINDOW))
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
