//! ECS services, their scalable targets and quotas.
//!
//! A Region that is lost keeps what was set in it and runs nothing; when it is there again, its tasks are started again.
//! A loss holds from the moment up to which time had passed when it was written into [`Aws::lost`].

mod api;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use failover::contract::Timestamp;
use failover::testing::wire::Request;

pub use self::service::Limits;
use self::service::Service;
use super::{Answer, Aws};
use crate::chance::Chance;
use crate::workload::{HOME, SERVICES, STANDBY, TASKS_AT_HOME, TASKS_IN_STANDBY};

/// The maximum of each scalable target at home.
pub const MAX_AT_HOME: u32 = 8;
/// The maximum of each scalable target in the standby Region, as low as standbys often have it.
pub const MAX_IN_STANDBY: u32 = 3;

/// Who or what changed a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// `UpdateService` set the count.
    Update,
    /// `RegisterScalableTarget` set the limits.
    Register,
    /// Application Auto Scaling moved the count into the limits that were registered.
    Adjust,
    /// A scaling policy changed the count.
    Policy,
    /// A person changed the count in the console.
    Person,
}

/// A change that was made to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// In which Region.
    pub region: &'static str,
    /// To which service.
    pub service: &'static str,
    /// By whom or what.
    pub act: Act,
    /// The count afterwards.
    pub desired: u32,
    /// The limits afterwards.
    pub limits: Limits,
}

/// That a Region began or stopped to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When.
    pub at: Timestamp,
    /// Which Region.
    pub region: &'static str,
    /// Whether it serves from then on.
    pub serves: bool,
}

/// ECS services, their scalable targets and quotas.
#[derive(Debug)]
pub struct Ecs {
    /// Whether scaling policies change counts at times.
    pub policies: bool,
    services: Vec<Service>,
    serving: BTreeSet<&'static str>,
    turns: Vec<Turn>,
    changes: Vec<Change>,
    /// Up to when time has passed.
    passed: Option<Timestamp>,
    chance: Chance,
}

impl Ecs {
    /// As the workload has it.
    #[must_use]
    pub fn new(chance: &mut Chance) -> Self {
        let places = [(HOME, TASKS_AT_HOME, MAX_AT_HOME), (STANDBY, TASKS_IN_STANDBY, MAX_IN_STANDBY)];
        let services = places
            .into_iter()
            .flat_map(|(region, tasks, max)| SERVICES.map(|name| Service::new(region, name, tasks, max)))
            .collect();
        Self {
            policies: true,
            services,
            serving: BTreeSet::from([HOME, STANDBY]),
            turns: Vec::new(),
            changes: Vec::new(),
            passed: None,
            chance: Chance::new(chance.bits()),
        }
    }

    /// Whether every service of the workload has running tasks in this Region.
    #[must_use]
    pub fn serves(&self, region: &str) -> bool {
        self.serving.contains(region)
    }

    /// When Regions began and stopped to serve, in order; in the beginning all do.
    #[must_use]
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// How many tasks of a service ECS counts as running.
    ///
    /// # Panics
    /// For a service that is not the workload's, as all accessors.
    #[must_use]
    pub fn running(&self, region: &str, service: &str) -> u32 {
        self.service(region, service).running()
    }

    /// How many tasks of a service have a process that can still write: those that run, and those that were told to stop,
    /// are not counted as running any more, and have not ended yet.
    #[must_use]
    pub fn processes(&self, region: &str, service: &str) -> u32 {
        self.service(region, service).processes()
    }

    /// How many tasks a service is to have.
    #[must_use]
    pub fn desired(&self, region: &str, service: &str) -> u32 {
        self.service(region, service).desired()
    }

    /// The limits of a service's scalable target.
    #[must_use]
    pub fn limits(&self, region: &str, service: &str) -> Limits {
        self.service(region, service).limits()
    }

    /// Every change that was made, in order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    fn service(&self, region: &str, name: &str) -> &Service {
        let found = self.services.iter().find(|service| service.region == region && service.name == name);
        found.unwrap_or_else(|| panic!("no service {name} in {region}"))
    }

    fn index(&self, region: &str, name: &str) -> Option<usize> {
        self.services.iter().position(|service| service.region == region && service.name == name)
    }

    fn set_count(&mut self, index: usize, count: u32, act: Act, now: Timestamp) {
        let change = self.services[index].set_count(count, act, now, &mut self.chance);
        self.changes.push(change);
        self.note_turns(now);
    }

    fn set_limits(&mut self, index: usize, limits: Limits, now: Timestamp) {
        let change = self.services[index].set_limits(limits, now, &mut self.chance);
        self.changes.push(change);
    }

    fn note_turns(&mut self, now: Timestamp) {
        for region in [HOME, STANDBY] {
            let mut services = self.services.iter().filter(|service| service.region == region);
            let serves = services.all(|service| service.running() > 0);
            if serves != self.serving.contains(region) {
                if serves {
                    self.serving.insert(region)
                } else {
                    self.serving.remove(region)
                };
                self.turns.push(Turn { at: now, region, serves });
            }
        }
    }

    fn note_losses(&mut self, lost: &BTreeSet<String>, at: Timestamp) {
        for service in &mut self.services {
            let there = !lost.contains(service.region);
            if there != service.is_there() {
                service.set_there(there, at, &mut self.chance);
            }
        }
        self.note_turns(at);
    }
}

/// Lets time pass.
pub fn advance(aws: &mut Aws, now: Timestamp) {
    let Aws { ecs, lost, .. } = aws;
    let passed = *ecs.passed.get_or_insert_with(|| {
        for service in &mut ecs.services {
            service.begin(now, &mut ecs.chance);
        }
        now
    });
    ecs.note_losses(lost, passed);
    let next = |ecs: &Ecs| {
        let each = ecs.services.iter().enumerate().filter_map(|(index, service)| Some((service.next()?, index)));
        each.min().filter(|(moment, _)| *moment <= now)
    };
    while let Some((moment, index)) = next(ecs) {
        let change = ecs.services[index].happen(moment, ecs.policies, &mut ecs.chance);
        ecs.changes.extend(change);
        ecs.note_turns(moment);
    }
    ecs.passed = Some(passed.max(now));
}

/// A person sets a service's count in the console.
///
/// # Panics
/// For a service that is not the workload's.
pub fn set_count_by_hand(aws: &mut Aws, region: &str, service: &str, count: u32, now: Timestamp) {
    advance(aws, now);
    let index = aws.ecs.index(region, service).expect("a service of the workload");
    aws.ecs.set_count(index, count, Act::Person, now);
}

/// Answers a request.
///
/// # Panics
/// On an operation or a parameter that is not simulated.
pub fn answer(aws: &mut Aws, request: &Request, now: Timestamp) -> Answer {
    api::answer(&mut aws.ecs, request, now)
}
