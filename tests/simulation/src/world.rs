//! One run's world: AWS, what goes wrong, what is watched for, and what was written down of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use failover::contract::Timestamp;
use failover::testing::START;
use failover::testing::wire::Request;
use tokio::time::Instant;

use crate::aws::{Answer, Aws};
use crate::caller::Caller;
use crate::chance::Chance;
use crate::faults::{Fault, Kind};
use crate::network::{self, Fate, Mishap};
use crate::outage;
use crate::properties::{self, Monitor};
use crate::trace::Trace;
use crate::variant::Variant;
use crate::workload::{self, STANDBY};

/// A run's world, shared by everything in it.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// Shares a world.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world, for a moment. Nothing is awaited while it is held.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The world.
#[derive(Debug)]
pub struct World {
    /// AWS.
    pub aws: Aws,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// How often each of the faults struck.
    pub struck: Vec<u64>,
    /// What is watched for.
    pub monitor: Monitor,
    /// What happened.
    pub trace: Trace,
    /// What is broken on purpose.
    pub variant: Option<Variant>,
    /// How many calls were made.
    pub calls: u64,
    /// What happens to the call of this number, whatever the faults have for it; gone once it has happened.
    pub mishap_at: Option<(u64, Mishap)>,
    /// The changes of the workload that AWS accepted, in order; the same one sent again is the same text.
    pub accepted: Vec<String>,
    /// Regions that are cut off, beside those that a fault parts from the others.
    cut_off: BTreeSet<&'static str>,
    /// How often what ran in a Region has died with it.
    deaths: BTreeMap<&'static str, u64>,
    network: Chance,
    began: Instant,
    invocations: u64,
    answers: BTreeMap<String, (Timestamp, Answer)>,
}

impl World {
    /// The world of a seed, beginning now.
    #[must_use]
    pub fn new(seed: u64, faults: Vec<Fault>, variant: Option<Variant>) -> Self {
        Self {
            aws: Aws::new(seed),
            struck: vec![0; faults.len()],
            faults,
            monitor: Monitor::default(),
            trace: Trace::default(),
            variant,
            calls: 0,
            mishap_at: None,
            accepted: Vec::new(),
            cut_off: BTreeSet::new(),
            deaths: BTreeMap::new(),
            network: Chance::of(seed, "network"),
            began: Instant::now(),
            invocations: 0,
            answers: BTreeMap::new(),
        }
    }

    /// The moment by the true clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        START.plus_millis(self.since_ms())
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub fn since_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// When it began.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Writes something down.
    pub fn note(&mut self, who: &str, what: impl AsRef<str>) {
        let now = self.now();
        self.trace.note(now, who, what);
    }

    /// The number of the next invocation.
    pub const fn next_invocation(&mut self) -> u64 {
        self.invocations += 1;
        self.invocations
    }

    /// The first fault of those that strike now, among those that `about` picks; it counts as having struck.
    pub fn strikes<T>(&mut self, about: impl Fn(&Fault) -> Option<T>) -> Option<(usize, T)> {
        let at = self.since_ms();
        for (index, fault) in self.faults.iter().enumerate() {
            if !fault.is_on(at) {
                continue;
            }
            let Some(found) = about(fault) else { continue };
            if self.network.permille(fault.permille) {
                self.struck[index] += 1;
                return Some((index, found));
            }
        }
        None
    }

    /// Whether a Region can be reached from another one, or from within.
    #[must_use]
    pub fn reaches(&self, from: &str, to: &str) -> bool {
        let is_lost = |region| self.aws.lost.contains(region);
        let parted = from != to && (self.is_cut_off(from) || self.is_cut_off(to));
        !parted && !is_lost(from) && !is_lost(to)
    }

    fn is_cut_off(&self, region: &str) -> bool {
        self.cut_off.contains(region) || self.parted_by_faults().any(|parted| parted == region)
    }

    fn parted_by_faults(&self) -> impl Iterator<Item = &'static str> + '_ {
        let at = self.since_ms();
        self.faults.iter().filter_map(move |fault| match fault.kind {
            Kind::Partition(region) if fault.is_on(at) => Some(region),
            _ => None,
        })
    }

    /// A Region goes away like this, or is back.
    pub fn set_away(&mut self, region: &'static str, away: Option<outage::Kind>) {
        let now = self.now();
        // What was due while it was as before has happened.
        self.aws.advance(now);
        self.cut_off.remove(region);
        self.aws.lost.remove(region);
        let how = match away {
            None => "is back",
            Some(outage::Kind::CutOff) => {
                self.cut_off.insert(region);
                "is cut off"
            }
            Some(kind) => {
                self.aws.lost.insert(region.to_owned());
                if kind == outage::Kind::Dead {
                    *self.deaths.entry(region).or_default() += 1;
                }
                "is lost"
            }
        };
        self.tell_who_is_cut_off();
        self.note("the world", format!("{region} {how}"));
    }

    fn tell_who_is_cut_off(&mut self) {
        let cut_off = self.cut_off.iter().copied().chain(self.parted_by_faults());
        self.aws.cut_off = cut_off.map(str::to_owned).collect();
    }

    /// How often what ran in a Region has died with it.
    #[must_use]
    pub fn deaths_in(&self, region: &str) -> u64 {
        self.deaths.get(region).copied().unwrap_or(0)
    }

    /// Whether a Region is lost or cut off.
    #[must_use]
    pub fn is_away(&self, region: &str) -> bool {
        self.aws.lost.contains(region) || self.is_cut_off(region)
    }

    /// A call leaves; says what will become of it.
    pub fn send(&mut self, caller: &Caller, request: &Request) -> Fate {
        self.calls += 1;
        let now = self.now();
        let of_fault = self.strikes(|fault| network::mishap(fault, caller, request));
        let of_this_call = self.mishap_at.take_if(|(number, _)| *number == self.calls);
        let mishap = of_this_call.map(|(_, mishap)| (self.faults.len(), mishap)).or(of_fault);
        let (least, most) = network::transit(caller, request, self.aws.dynamodb.consistency);
        let leaves = self.reaches(caller.region, caller.region)
            && (caller.region == region_of(request) || !self.is_cut_off(caller.region));
        let (there_ms, back_ms) = (self.network.between(least, most), self.network.between(least, most));
        let mut fate = Fate { leaves, there_ms, back_ms, mishap };
        if let Some((index, Mishap::Slow)) = fate.mishap
            && let Some(Fault { kind: Kind::Delayed(_, ms), .. }) = self.faults.get(index)
        {
            fate.there_ms = (*ms).min(network::LONGEST_TRANSIT_MS);
        }
        if network::changes(request) {
            self.monitor.sent(&self.aws, caller, request, now);
        }
        fate
    }

    /// A call arrives: AWS's answer, none when there is nobody to answer.
    pub fn arrive(&mut self, caller: &Caller, request: &Request, fate: &Fate) -> Option<Answer> {
        let region = region_of(request);
        // Its sender's Region may be gone by now: what has left arrives.
        let gets_in = !self.aws.lost.contains(region) && (caller.region == region || !self.is_cut_off(region));
        if !fate.leaves || !gets_in {
            self.note(&caller.to_string(), format!("{} in {region}: silence", request.name()));
            return None;
        }
        let answer = match &fate.mishap {
            Some((_, Mishap::Instead(answer))) => answer.clone(),
            Some((_, Mishap::Stale)) => self.answer_as_before(caller, request),
            Some((_, Mishap::After(answer))) => {
                self.apply(caller, request);
                answer.clone()
            }
            Some((_, Mishap::Refused | Mishap::Reset | Mishap::Lost | Mishap::Slow)) | None => {
                self.apply(caller, request)
            }
        };
        let mishap = fate.mishap.as_ref().map_or(String::new(), |(index, _)| format!(" [fault {index}]"));
        let line = format!("{} in {region}: {}{mishap}", request.name(), self.in_short(caller, request, &answer));
        self.note(&caller.to_string(), line);
        Some(answer)
    }

    fn apply(&mut self, caller: &Caller, request: &Request) -> Answer {
        let now = self.now();
        if request.service == "dynamodb" {
            self.tell_who_is_cut_off();
        }
        let answer = match self.variant {
            Some(variant) => variant.answer(&mut self.aws, caller, request, now),
            None => self.aws.answer(request, now),
        };
        self.monitor.applied(&mut self.aws, caller, request, &answer, now);
        if network::changes(request) {
            if answer.is_success() {
                self.accepted.push(properties::call(request));
            }
        } else {
            self.answers.insert(question(request), (now, answer.clone()));
        }
        answer
    }

    /// The answer that was given to the same question some seconds ago, if there was one.
    fn answer_as_before(&mut self, caller: &Caller, request: &Request) -> Answer {
        let now = self.now();
        match self.answers.get(&question(request)) {
            Some((at, answer)) if now.millis_since(*at) <= network::STALEST_MS => answer.clone(),
            _ => self.apply(caller, request),
        }
    }

    /// An answer in a few words. Not the request itself: the SDK writes maps in no fixed order.
    fn in_short(&self, caller: &Caller, request: &Request, answer: &Answer) -> String {
        let outcome = match answer {
            Answer::Body(_) | Answer::Headers(_) | Answer::NoContent => "ok".to_owned(),
            Answer::Error { code, .. } => code.clone(),
            Answer::ErrorBody { body, .. } => {
                body["__type"].as_str().and_then(|kind| kind.rsplit('#').next()).unwrap_or("error").to_owned()
            }
        };
        match request.body["Key"]["operation_id"]["S"].as_str() {
            Some(key) => {
                let item = self.aws.dynamodb.seen_from(caller.region).item(key).unwrap_or_default();
                let text =
                    |field: &str| item[field]["S"].as_str().or(item[field]["N"].as_str()).unwrap_or("-").to_owned();
                let (status, attempt, generation) = (text("status"), text("attempt"), text("generation"));
                format!("{outcome}; {key} is {status}, attempt {attempt}, generation {generation}")
            }
            None => outcome,
        }
    }
}

/// Two requests with the same are the same question.
fn question(request: &Request) -> String {
    format!("{} {} {} {}", request.region, request.name(), request.path, request.body)
}

/// The Region that a request goes to.
#[must_use]
pub fn region_of(request: &Request) -> &str {
    match request.service.as_str() {
        "http" => workload::region_of_endpoint(&request.host).unwrap_or(STANDBY),
        _ => &request.region,
    }
}

/// Milliseconds as a duration.
#[must_use]
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
