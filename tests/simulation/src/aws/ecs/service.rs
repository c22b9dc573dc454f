//! One ECS service with its scalable target: what becomes of its tasks over time.

use std::collections::VecDeque;

use failover::contract::Timestamp;

use super::{Act, Change};
use crate::chance::Chance;

/// How long a task takes from the decision to start it until it runs, least and most, in milliseconds.
const START_MS: (u64, u64) = (1_000, 10_000);
/// How long a task that is to stop is still RUNNING, least and most, in milliseconds.
const STOP_MS: (u64, u64) = (0, 5_000);
/// How long its process may live on after that, in milliseconds: until SIGKILL, unless it ends at SIGTERM before.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html> (`stopTimeout`)
const MOST_GRACE_MS: u64 = 30_000;
/// In how many of a thousand cases a start of tasks finds no capacity for a while.
const NO_CAPACITY_PERMILLE: u64 = 60;
/// For how long, least and most, in milliseconds.
const NO_CAPACITY_MS: (u64, u64) = (3_000, 60_000);
/// The time between two looks of a scaling policy, least and most, in milliseconds.
const POLICY_MS: (u64, u64) = (60_000, 300_000);
/// In how many of a thousand looks it changes the count.
const POLICY_PERMILLE: u64 = 300;
/// By how many tasks at most.
const POLICY_STEP: u64 = 2;
/// Until Application Auto Scaling has moved a count into limits that were registered, at most, in milliseconds.
const ADJUST_MS: u64 = 3_000;
/// How old what a description shows may be, in milliseconds.
const MOST_LAG_MS: u64 = 2_000;
/// In how many of a thousand cases a description shows something old.
const LAG_PERMILLE: u64 = 300;
/// So many events ECS keeps of a service.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages.html>
const MOST_EVENTS: usize = 100;
/// What a service's events say while its tasks cannot be started.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html>
const NO_CAPACITY: [&str; 4] = [
    "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different \
     availability zone.",
    "was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently.",
    "operations are being throttled. Will try again later.",
    "is unable to consistently start tasks successfully.",
];

/// The limits of Application Auto Scaling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The least number of tasks.
    pub min: u32,
    /// The most.
    pub max: u32,
    /// Whether policies remove no tasks.
    pub scale_in_suspended: bool,
    /// Whether policies add no tasks.
    pub scale_out_suspended: bool,
    /// Whether scheduled actions do nothing.
    pub scheduled_suspended: bool,
}

/// What a description shows of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) desired: u32,
    pub(super) running: u32,
    pub(super) pending: u32,
    pub(super) limits: Limits,
}

/// An event of a service.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) at: Timestamp,
    pub(super) message: String,
}

/// An ECS service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) region: &'static str,
    pub(super) name: &'static str,
    desired: u32,
    limits: Limits,
    /// Tasks that run and are to go on.
    running: u32,
    /// When each pending task will run.
    starting: Vec<Timestamp>,
    /// When each task that is to stop stops being RUNNING.
    leaving: Vec<Timestamp>,
    /// When the process of each task that is no longer RUNNING is gone.
    stopping: Vec<Timestamp>,
    no_capacity_until: Option<Timestamp>,
    adjusts_at: Option<Timestamp>,
    policy_looks_at: Option<Timestamp>,
    /// Whether its Region is there.
    there: bool,
    /// Newest first.
    pub(super) events: VecDeque<Event>,
    /// What could be seen since when, oldest first; as far back as a description may lag.
    views: VecDeque<(Timestamp, View)>,
}

impl Service {
    /// A service whose tasks all run.
    pub(super) fn new(region: &'static str, name: &'static str, tasks: u32, max: u32) -> Self {
        let limits = Limits {
            min: tasks,
            max,
            scale_in_suspended: false,
            scale_out_suspended: false,
            scheduled_suspended: false,
        };
        Self {
            region,
            name,
            desired: tasks,
            limits,
            running: tasks,
            starting: Vec::new(),
            leaving: Vec::new(),
            stopping: Vec::new(),
            no_capacity_until: None,
            adjusts_at: None,
            policy_looks_at: None,
            there: true,
            events: VecDeque::new(),
            views: VecDeque::new(),
        }
    }

    /// Time begins.
    pub(super) fn begin(&mut self, now: Timestamp, chance: &mut Chance) {
        self.policy_looks_at = Some(later(now, POLICY_MS, chance));
        self.views.push_back((now, self.view()));
    }

    pub(super) fn desired(&self) -> u32 {
        self.desired
    }

    /// As many as ECS counts as RUNNING.
    pub(super) fn running(&self) -> u32 {
        self.running + count(&self.leaving)
    }

    /// As many as have a process, those included that were sent SIGTERM and are not counted as RUNNING any more.
    pub(super) fn processes(&self) -> u32 {
        self.running() + count(&self.stopping)
    }

    pub(super) fn is_there(&self) -> bool {
        self.there
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether Application Auto Scaling has not moved the count into its new limits yet.
    pub(super) fn is_being_adjusted(&self) -> bool {
        self.adjusts_at.is_some()
    }

    pub(super) fn view(&self) -> View {
        View { desired: self.desired, running: self.running(), pending: count(&self.starting), limits: self.limits }
    }

    /// What a description shows: what is, or what was a moment ago.
    pub(super) fn seen(&self, now: Timestamp, chance: &mut Chance) -> View {
        let lag = if chance.permille(LAG_PERMILLE) { chance.between(1, MOST_LAG_MS) } else { 0 };
        let moment = now.minus_millis(lag);
        let seen = self.views.iter().rev().find(|(since, _)| *since <= moment).or_else(|| self.views.front());
        seen.map_or_else(|| self.view(), |(_, view)| *view)
    }

    /// Sets the count.
    pub(super) fn set_count(&mut self, count: u32, act: Act, now: Timestamp, chance: &mut Chance) -> Change {
        self.desired = count;
        self.reconcile(now, chance);
        Change { at: now, region: self.region, service: self.name, act, desired: count, limits: self.limits }
    }

    /// Sets the limits; the count follows where it is outside of them.
    /// Source: <https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html>
    pub(super) fn set_limits(&mut self, limits: Limits, now: Timestamp, chance: &mut Chance) -> Change {
        self.limits = limits;
        if self.desired != self.desired.clamp(limits.min, limits.max) {
            self.adjusts_at = Some(now.plus_millis(chance.between(0, ADJUST_MS)));
        }
        self.note(now);
        let (region, service, desired) = (self.region, self.name, self.desired);
        Change { at: now, region, service, act: Act::Register, desired, limits }
    }

    /// The Region is gone with whatever ran in it, or there again.
    pub(super) fn set_there(&mut self, there: bool, now: Timestamp, chance: &mut Chance) {
        self.there = there;
        if there {
            self.policy_looks_at = Some(later(now, POLICY_MS, chance));
            self.adjusts_at = self.adjusts_at.map(|moment| moment.max(now));
            self.reconcile(now, chance);
            return;
        }
        self.running = 0;
        self.starting.clear();
        self.leaving.clear();
        self.stopping.clear();
        self.no_capacity_until = None;
        self.note(now);
    }

    /// The moment of what happens next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        if !self.there {
            return None;
        }
        let tasks = self.starting.iter().chain(&self.leaving).chain(&self.stopping).copied();
        tasks.chain(self.adjusts_at).chain(self.policy_looks_at).min()
    }

    /// What is due at this moment happens; gives what Application Auto Scaling changed.
    pub(super) fn happen(&mut self, now: Timestamp, policies: bool, chance: &mut Chance) -> Option<Change> {
        self.start_tasks(now, chance);
        let grace = take_due(&mut self.leaving, now);
        self.stopping.extend((0..grace).map(|_| now.plus_millis(chance.between(0, MOST_GRACE_MS))));
        take_due(&mut self.stopping, now);
        let steady = self.starting.is_empty() && self.leaving.is_empty() && self.running == self.desired;
        if steady && self.views.back().is_some_and(|(_, view)| view.pending > 0 || view.running != self.desired) {
            self.tell(now, "has reached a steady state.");
        }
        self.note(now);
        if self.adjusts_at.is_some_and(|moment| moment <= now) {
            self.adjusts_at = None;
            let count = self.desired.clamp(self.limits.min, self.limits.max);
            return (count != self.desired).then(|| self.set_count(count, Act::Adjust, now, chance));
        }
        if self.policy_looks_at.is_some_and(|moment| moment <= now) {
            self.policy_looks_at = Some(later(now, POLICY_MS, chance));
            let count = self.by_policy(chance);
            return (policies && count != self.desired).then(|| self.set_count(count, Act::Policy, now, chance));
        }
        None
    }

    /// The count that a policy wants: a little more or less, within the limits, as far as it is not suspended.
    fn by_policy(&self, chance: &mut Chance) -> u32 {
        if !chance.permille(POLICY_PERMILLE) {
            return self.desired;
        }
        let step = u32::try_from(chance.between(1, POLICY_STEP)).unwrap_or(1);
        let wanted = if chance.permille(500) { self.desired + step } else { self.desired.saturating_sub(step) };
        let wanted = wanted.clamp(self.limits.min, self.limits.max);
        let suspended =
            if wanted > self.desired { self.limits.scale_out_suspended } else { self.limits.scale_in_suspended };
        if suspended { self.desired } else { wanted }
    }

    fn start_tasks(&mut self, now: Timestamp, chance: &mut Chance) {
        if let Some(until) = self.no_capacity_until
            && now < until
        {
            for moment in self.starting.iter_mut().filter(|moment| **moment <= now) {
                *moment = later(until, START_MS, chance);
            }
            return;
        }
        self.no_capacity_until = None;
        self.running += take_due(&mut self.starting, now);
    }

    /// Starts or stops as many tasks as the count asks for.
    fn reconcile(&mut self, now: Timestamp, chance: &mut Chance) {
        let have = self.running + count(&self.starting);
        if self.there && have < self.desired {
            if chance.permille(NO_CAPACITY_PERMILLE) {
                self.no_capacity_until = Some(later(now, NO_CAPACITY_MS, chance));
                let why: &str = chance.one_of::<&str>(&NO_CAPACITY);
                self.tell(now, why);
            }
            self.starting.extend((have..self.desired).map(|_| later(now, START_MS, chance)));
        }
        for _ in self.desired..have {
            // What does not run yet is given up first.
            if self.starting.pop().is_none() {
                self.running -= 1;
                self.leaving.push(later(now, STOP_MS, chance));
            }
        }
        self.note(now);
    }

    fn tell(&mut self, at: Timestamp, what: &str) {
        self.events.push_front(Event { at, message: format!("(service {}) {what}", self.name) });
        self.events.truncate(MOST_EVENTS);
    }

    /// Writes down what can be seen from now on, and forgets what cannot be seen any more.
    fn note(&mut self, now: Timestamp) {
        let view = self.view();
        if self.views.back().is_none_or(|(_, last)| *last != view) {
            self.views.push_back((now, view));
        }
        let oldest = now.minus_millis(MOST_LAG_MS);
        while self.views.get(1).is_some_and(|(since, _)| *since <= oldest) {
            self.views.pop_front();
        }
    }
}

fn later(now: Timestamp, (least, most): (u64, u64), chance: &mut Chance) -> Timestamp {
    now.plus_millis(chance.between(least, most))
}

fn count(tasks: &[Timestamp]) -> u32 {
    u32::try_from(tasks.len()).unwrap_or(u32::MAX)
}

/// Takes out those that are due; gives how many.
fn take_due(tasks: &mut Vec<Timestamp>, now: Timestamp) -> u32 {
    let before = count(tasks);
    tasks.retain(|moment| *moment > now);
    before - count(tasks)
}
