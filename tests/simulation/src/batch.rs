//! Many runs at once, and what they reached together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::play::Play;
use crate::run;

/// What a batch of runs came to.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// How many runs there were.
    pub runs: u64,
    /// The runs that violated something, by their seeds, with what they violated.
    pub failed: BTreeMap<u64, Vec<String>>,
    /// How often each kind of fault struck.
    pub struck: BTreeMap<&'static str, u64>,
    /// In how many runs each end, code and status was reached.
    pub reached: BTreeMap<String, u64>,
    /// How many calls were made to AWS.
    pub calls: u64,
    /// How long the runs took, in milliseconds of their own time.
    pub virtual_ms: u64,
}

/// Plays the runs of these seeds, on as many threads as there are processors; stops early once `enough` says so of what
/// there is.
#[must_use]
pub fn play(seeds: Range<u64>, of: impl Fn(u64) -> Play + Sync, enough: impl Fn(&Batch) -> bool + Sync) -> Batch {
    let next = AtomicU64::new(seeds.start);
    let batch = Mutex::new(Batch::default());
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let verdict = run::play(&of(seed));
                    let mut batch = batch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    batch.add(seed, verdict);
                    if enough(&batch) {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    batch.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Batch {
    fn add(&mut self, seed: u64, verdict: run::Verdict) {
        self.runs += 1;
        self.calls += verdict.calls;
        self.virtual_ms += verdict.virtual_ms;
        for (kind, times) in verdict.struck {
            *self.struck.entry(kind).or_default() += times;
        }
        for end in verdict.reached {
            *self.reached.entry(end).or_default() += 1;
        }
        if !verdict.violations.is_empty() {
            self.failed.insert(seed, verdict.violations);
        }
    }

    /// Which of these were never reached.
    #[must_use]
    pub fn missing<'a>(&self, expected: &[&'a str]) -> BTreeSet<&'a str> {
        expected.iter().copied().filter(|end| !self.reached.contains_key(*end)).collect()
    }
}
