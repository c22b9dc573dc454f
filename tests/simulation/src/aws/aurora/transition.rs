//! What follows a promotion that was accepted, one event after the other.

use std::collections::BTreeSet;

use failover::contract::Timestamp;

use super::replication::draw;
use super::{AVAILABLE, Aurora, LAG_PERIOD_MS, Outcome, PromotionKind, Standing, UNSEEN_MS};

/// From the request until the target writes, in milliseconds, by failover or switchover.
pub(super) const TAKEOVER_MS: (u64, u64) = (5_000, 60_000);
/// From the request until a removed cluster writes, in milliseconds.
pub(super) const DETACH_MS: (u64, u64) = (5_000, 30_000);
/// For how long a promotion is `pending`, in milliseconds: what changes when that is over shows before the takeover.
const PENDING_MS: (u64, u64) = (0, TAKEOVER_MS.0 - UNSEEN_MS.1);
/// From the takeover until each part of it is in order, in milliseconds: `FailoverState`, the cluster, an instance.
const SETTLES_MS: (u64, u64) = (0, 8_000);
/// In how many of a thousand cases an attempt to block the old writer's writes succeeds, if its Region answers.
const BLOCKED_PERMILLE: u64 = 700;
/// From the takeover, or the return of its Region, until the old writer is being rebuilt and writes no more even if it
/// was not blocked, in milliseconds.
const REBUILD_BEGINS_MS: (u64, u64) = (1_000, 60_000);
/// How long the rebuilding takes, in milliseconds.
const REBUILD_MS: (u64, u64) = (60_000, 600_000);
/// How long a promotion that cannot go on hangs before it is cancelled, in milliseconds.
const HANGS_MS: (u64, u64) = (0, 60_000);
/// How long the cancelling takes, in milliseconds.
const CANCELLING_MS: (u64, u64) = (5_000, 30_000);
/// How long a switchover waits between two looks at whether the target has everything, in milliseconds.
const LOOKS_AGAIN_MS: u64 = 5_000;
/// How often it looks before it is cancelled.
const MOST_LOOKS: u32 = 24;
/// After how long something that needs a lost Region is tried again, in milliseconds.
const TRIED_AGAIN_MS: u64 = 30_000;

/// A switchover or failover under way.
#[derive(Debug)]
pub(super) struct Transition {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) allows_data_loss: bool,
    /// `FailoverState.Status`.
    pub(super) status: &'static str,
    looks: u32,
}

/// What is due at some moment. A number is the place of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A promotion is no longer `pending`.
    Begins,
    /// The attempt to block the old writer's writes has ended.
    BlockingEnds,
    /// The target takes over.
    TakesOver,
    /// `FailoverState` is empty.
    Settles,
    /// A promotion that cannot go on is given up.
    Cancels,
    /// That has ended.
    Cancelled,
    /// A cluster is available.
    ClusterAvailable(usize),
    /// An instance of a cluster is available.
    InstanceAvailable(usize, usize),
    /// A cluster that was taken over from is being rebuilt.
    RebuildBegins(usize),
    /// It follows the writer.
    RebuildEnds(usize),
    /// A removed cluster is on its own.
    Detaches(usize),
    /// A cluster's security groups are those that were asked for.
    GroupsInForce(usize),
    /// A period of the lag's metric ends.
    MinuteEnds,
}

impl Aurora {
    /// Takes a switchover or failover on: everything is drawn now, so that a run follows from its seed.
    pub(super) fn begin_transition(&mut self, kind: PromotionKind, from: usize, to: usize, now: Timestamp) {
        let allows_data_loss = kind == PromotionKind::Failover;
        self.transition = Some(Transition { from, to, allows_data_loss, status: "pending", looks: 0 });
        // The status may run ahead of the state.
        if self.chance.permille(500) {
            self.global_status = if allows_data_loss { "failing-over" } else { "switching-over" };
        }
        let takeover = draw(&mut self.chance, TAKEOVER_MS);
        let pending = draw(&mut self.chance, PENDING_MS);
        self.schedule(now.plus_millis(pending), Event::Begins);
        if allows_data_loss {
            let blocking = self.chance.between(pending + 1, takeover - 1);
            self.schedule(now.plus_millis(blocking), Event::BlockingEnds);
        }
        self.schedule(now.plus_millis(takeover), Event::TakesOver);
    }

    pub(super) fn happen(&mut self, lost: &BTreeSet<String>, event: Event, now: Timestamp) {
        match event {
            Event::Begins => self.begins(),
            Event::BlockingEnds => self.blocking_ends(lost, now),
            Event::TakesOver => self.takes_over(lost, now),
            Event::Settles => {
                self.transition = None;
                self.global_status = AVAILABLE;
            }
            Event::Cancels => self.cancels(now),
            Event::Cancelled => self.cancelled(now),
            Event::ClusterAvailable(site) => self.clusters[site].status = AVAILABLE,
            Event::InstanceAvailable(site, instance) => self.clusters[site].instances[instance].status = AVAILABLE,
            Event::RebuildBegins(site) => self.rebuild_begins(lost, site, now),
            Event::RebuildEnds(site) => self.rebuild_ends(lost, site, now),
            Event::Detaches(site) => self.detaches(lost, site, now),
            Event::GroupsInForce(site) => self.groups_in_force(site),
            Event::MinuteEnds => {
                for cluster in &mut self.clusters {
                    cluster.replica.minute_ends(now, &mut self.chance);
                }
                self.schedule(now.plus_millis(LAG_PERIOD_MS), Event::MinuteEnds);
            }
        }
    }

    fn begins(&mut self) {
        let Some(transition) = &mut self.transition else { return };
        let (from, to) = (transition.from, transition.to);
        transition.status = if transition.allows_data_loss { "failing-over" } else { "switching-over" };
        self.global_status = transition.status;
        let switchover = !transition.allows_data_loss;
        self.prepares(to);
        if switchover {
            self.clusters[from].takes_writes = false;
            if self.chance.permille(700) {
                self.clusters[from].status = "modifying";
            }
        } else {
            self.clusters[from].status = "failing-over";
        }
    }

    /// A cluster is made ready to be the writer. Not each is seen to leave `available`, or to restart.
    pub(super) fn prepares(&mut self, site: usize) {
        let cluster = &mut self.clusters[site];
        if self.chance.permille(700) {
            cluster.status = "promoting";
        }
        if self.chance.permille(700) {
            for instance in &mut cluster.instances {
                instance.status = "rebooting";
            }
        }
    }

    /// Best effort: a failover goes on without. The old writer's Region records the outcome if it answers, otherwise the
    /// new one's.
    fn blocking_ends(&mut self, lost: &BTreeSet<String>, now: Timestamp) {
        let Some(transition) = &self.transition else { return };
        let (from, to) = (transition.from, transition.to);
        let (old, new) = (self.clusters[from].region, self.clusters[to].region);
        let answers = !lost.contains(old);
        let blocked = self.chance.permille(BLOCKED_PERMILLE) && answers;
        if blocked {
            self.clusters[from].takes_writes = false;
        } else {
            self.left_unfenced = true;
        }
        let outcome = if blocked { "succeeded" } else { "timed out" };
        let id = self.clusters[from].id;
        let message = format!("Attempt to block writes for DB cluster {id} in Region {old} {outcome}.");
        self.record(if answers { old } else { new }, id.to_owned(), message, now);
    }

    fn takes_over(&mut self, lost: &BTreeSet<String>, now: Timestamp) {
        let Some(transition) = &mut self.transition else { return };
        let (from, to, allows_data_loss) = (transition.from, transition.to, transition.allows_data_loss);
        let is_lost = |site: usize| lost.contains(self.clusters[site].region);
        if is_lost(to) || (!allows_data_loss && is_lost(from)) {
            self.schedule_within(now, HANGS_MS, Event::Cancels);
            return;
        }
        let has_until = self.clusters[to].replica.has_until;
        let wrote_until = self.clusters[from].wrote_until();
        if !allows_data_loss && wrote_until.is_some_and(|wrote_until| has_until < wrote_until) {
            transition.looks += 1;
            let next = if transition.looks < MOST_LOOKS { Event::TakesOver } else { Event::Cancels };
            self.schedule(now.plus_millis(LOOKS_AGAIN_MS), next);
            return;
        }
        let missing_writes = self.clusters[from].writes_between(has_until, now);
        self.decide(to, Outcome::TookOver { at: now, missing_writes });
        self.becomes_writer(to, now);
        self.global_writer = to;
        let old = &mut self.clusters[from];
        for instance in &mut old.instances {
            instance.writes = false;
        }
        if allows_data_loss {
            old.standing = Standing::Overtaken { rebuild_is_due: false };
            old.synchronization = "pending-resync";
            self.rebuild_what_came_back(lost, now);
        } else {
            old.standing = Standing::Secondary;
            old.replica.synchronised(now);
            self.schedule_within(now, SETTLES_MS, Event::ClusterAvailable(from));
        }
        // The status may run ahead of the state.
        if self.chance.permille(500) {
            self.global_status = AVAILABLE;
        }
        self.schedule_within(now, SETTLES_MS, Event::Settles);
    }

    /// The cluster takes writes from now on; that it is available, and its instances are, shows later.
    fn becomes_writer(&mut self, site: usize, now: Timestamp) {
        let cluster = &mut self.clusters[site];
        cluster.standing = Standing::Writer;
        cluster.takes_writes = true;
        cluster.synchronization = "connected";
        for (number, instance) in cluster.instances.iter_mut().enumerate() {
            instance.writes = number == 0;
        }
        let (region, instances, first) = (cluster.region, cluster.instances.len(), cluster.instances[0].id.clone());
        self.record(region, first, "DB instance restarted".to_owned(), now);
        self.schedule_within(now, SETTLES_MS, Event::ClusterAvailable(site));
        for instance in 0..instances {
            self.schedule_within(now, SETTLES_MS, Event::InstanceAvailable(site, instance));
        }
    }

    fn cancels(&mut self, now: Timestamp) {
        let Some(transition) = &mut self.transition else { return };
        transition.status = "cancelling";
        self.global_status = "cancelling";
        self.schedule_within(now, CANCELLING_MS, Event::Cancelled);
    }

    /// The writer stays, and writes again.
    fn cancelled(&mut self, now: Timestamp) {
        let Some(transition) = self.transition.take() else { return };
        self.global_status = AVAILABLE;
        for site in [transition.from, transition.to] {
            let cluster = &mut self.clusters[site];
            cluster.status = AVAILABLE;
            for instance in &mut cluster.instances {
                instance.status = AVAILABLE;
            }
        }
        self.clusters[transition.from].takes_writes = true;
        self.decide(transition.to, Outcome::Cancelled { at: now });
    }

    /// An old writer is rebuilt once its Region answers.
    pub(super) fn rebuild_what_came_back(&mut self, lost: &BTreeSet<String>, now: Timestamp) {
        for site in 0..self.clusters.len() {
            let cluster = &mut self.clusters[site];
            let waits = cluster.standing == Standing::Overtaken { rebuild_is_due: false };
            if waits && !lost.contains(cluster.region) {
                cluster.standing = Standing::Overtaken { rebuild_is_due: true };
                self.schedule_within(now, REBUILD_BEGINS_MS, Event::RebuildBegins(site));
            }
        }
    }

    fn rebuild_begins(&mut self, lost: &BTreeSet<String>, site: usize, now: Timestamp) {
        let cluster = &mut self.clusters[site];
        if lost.contains(cluster.region) {
            cluster.standing = Standing::Overtaken { rebuild_is_due: false };
            return;
        }
        cluster.takes_writes = false;
        cluster.status = "modifying";
        for instance in &mut cluster.instances {
            instance.status = "rebooting";
        }
        self.schedule_within(now, REBUILD_MS, Event::RebuildEnds(site));
    }

    fn rebuild_ends(&mut self, lost: &BTreeSet<String>, site: usize, now: Timestamp) {
        let writer = self.clusters.iter().find(|cluster| cluster.standing == Standing::Writer);
        let writer_is_lost = writer.is_none_or(|writer| lost.contains(writer.region));
        let cluster = &mut self.clusters[site];
        if writer_is_lost || lost.contains(cluster.region) {
            self.schedule(now.plus_millis(TRIED_AGAIN_MS), Event::RebuildEnds(site));
            return;
        }
        cluster.standing = Standing::Secondary;
        cluster.status = AVAILABLE;
        cluster.synchronization = "connected";
        cluster.replica.synchronised(now);
        for instance in &mut cluster.instances {
            instance.status = AVAILABLE;
        }
    }

    fn detaches(&mut self, lost: &BTreeSet<String>, site: usize, now: Timestamp) {
        if lost.contains(self.clusters[site].region) {
            self.schedule(now.plus_millis(TRIED_AGAIN_MS), Event::Detaches(site));
            return;
        }
        let has_until = self.clusters[site].replica.has_until;
        let mut missing_writes = 0;
        for writer in self.clusters.iter_mut().filter(|cluster| cluster.standing == Standing::Writer) {
            missing_writes = writer.writes_between(has_until, now);
            writer.standing = Standing::LeftBehind;
        }
        self.decide(site, Outcome::TookOver { at: now, missing_writes });
        self.clusters[site].is_member = false;
        self.left_unfenced = true;
        self.becomes_writer(site, now);
    }

    /// Writes down what became of the promotion of this cluster.
    fn decide(&mut self, target: usize, outcome: Outcome) {
        let target = self.clusters[target].region;
        let mut open = self.promotions.iter_mut().rev();
        if let Some(promotion) = open.find(|one| one.target == target && one.outcome == Outcome::UnderWay) {
            promotion.outcome = outcome;
        }
    }
}
