//! Aurora Global Databases: the workload's, with a cluster of two instances in each Region.
//!
//! What the API's model and the guides leave open is left to chance, within the bounds that stand here as constants: how
//! long things take, in which order the parts of a promotion show, and how soon an answer shows a change at all. What a
//! cluster does and what the API says of it are two things: [`writers`] and the other accessors tell the first, without
//! delay.
//!
//! Regions are lost and come back in [`Aws::lost`]. Call [`advance`] right before that changes, so that the time until
//! then passes as it was.
//!
//! Sources: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html>,
//! <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/accessing-monitoring.html>

mod change;
mod describe;
mod replication;
mod shown;
#[cfg(test)]
mod tests;
mod transition;

use std::collections::{BTreeMap, BTreeSet};

use failover::contract::Timestamp;
use failover::testing::wire::Request;

pub use replication::Datapoint;

use super::{Answer, Aws};
use crate::chance::Chance;
use crate::workload;
use replication::{Replica, draw};
use shown::Shown;
use transition::{Event, Transition};

/// The security group with which the workload's clusters let its applications in.
pub const SERVING_GROUP: &str = "sg-5e5e5e5e5e5e5e5e5";
/// The security group that lets nobody in.
pub const CLOSED_GROUP: &str = "sg-0c105ed0c105ed0c1";
/// The period of the lag's metric, in milliseconds.
pub const LAG_PERIOD_MS: u64 = 60_000;

/// The status in which a cluster or an instance can be used.
const AVAILABLE: &str = "available";
/// The Regions, by their place in [`Aurora::clusters`].
const REGIONS: [&str; 2] = [workload::HOME, workload::STANDBY];
/// How long an answer may not show a change, in milliseconds.
const UNSEEN_MS: (u64, u64) = (0, 3_000);

/// The workload's global database.
#[derive(Debug)]
pub struct Aurora {
    clusters: Vec<Cluster>,
    /// The member that is its writer.
    global_writer: usize,
    /// `GlobalCluster.Status`.
    global_status: &'static str,
    transition: Option<Transition>,
    due: BTreeMap<(Timestamp, u64), Event>,
    scheduled: u64,
    promotions: Vec<Promotion>,
    events: Vec<RdsEvent>,
    /// What each Region shows of the global cluster.
    shown: Vec<Shown>,
    advanced_to: Option<Timestamp>,
    overlaps: Vec<(Timestamp, Timestamp)>,
    /// See [`Aurora::writers_may_overlap`].
    left_unfenced: bool,
    /// Writes that were acknowledged by a cluster that another one had taken over from.
    stray_writes: u64,
    chance: Chance,
}

#[derive(Debug)]
struct Cluster {
    region: &'static str,
    id: &'static str,
    arn: String,
    /// Of the global cluster.
    is_member: bool,
    standing: Standing,
    status: &'static str,
    /// A change of the security groups under way shows as `modifying`.
    shows_modifying: bool,
    synchronization: &'static str,
    instances: Vec<Instance>,
    security_groups: Vec<SecurityGroup>,
    /// Whether its storage takes writes, whatever the API says.
    takes_writes: bool,
    /// When clients' writes were acknowledged.
    acknowledged: Vec<(Timestamp, Timestamp)>,
    replica: Replica,
    shown: Shown,
    shown_instances: Shown,
}

/// What a cluster is to the workload's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Its data counts.
    Writer,
    /// It follows the writer.
    Secondary,
    /// A managed failover took over from it, and it is not yet rebuilt; `rebuild_is_due` once that is on its way.
    Overtaken { rebuild_is_due: bool },
    /// A secondary was detached from it; nobody tells it.
    LeftBehind,
}

#[derive(Debug)]
struct Instance {
    id: String,
    status: &'static str,
    /// `IsClusterWriter`.
    writes: bool,
}

#[derive(Debug)]
struct SecurityGroup {
    id: String,
    status: &'static str,
}

#[derive(Debug)]
struct RdsEvent {
    region: &'static str,
    source: String,
    at: Timestamp,
    readable: Timestamp,
    message: String,
}

/// How a cluster is made the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PromotionKind {
    /// `FailoverGlobalCluster` with `AllowDataLoss`.
    Failover,
    /// `SwitchoverGlobalCluster`, or `FailoverGlobalCluster` without `AllowDataLoss`.
    Switchover,
    /// `RemoveFromGlobalCluster`.
    Detach,
}

/// Who asked for a promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A request that came over the network.
    Request,
    /// A person at the console.
    Person,
}

/// A promotion that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// When it was accepted.
    pub at: Timestamp,
    /// The Region of the cluster that is to be the writer.
    pub target: &'static str,
    /// How.
    pub kind: PromotionKind,
    /// Who asked for it.
    pub by: By,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not decided yet.
    UnderWay,
    /// The target takes writes.
    TookOver {
        /// Since when.
        at: Timestamp,
        /// How many acknowledged writes the target did not have by then: one for each millisecond in which they were
        /// acknowledged.
        missing_writes: u64,
    },
    /// Aurora gave it up; the writer stayed.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// Acknowledged writes, one for each millisecond in which a cluster took writes from clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// All.
    pub acknowledged: u64,
    /// Those which the cluster that writes now does not have: what it missed when it took over, and what a cluster took
    /// that another one had taken over from.
    pub lost: u64,
}

impl Aurora {
    /// The home Region writes, the standby Region follows, and all is well.
    #[must_use]
    pub fn new(chance: &mut Chance) -> Self {
        let mut chance = Chance::new(chance.bits());
        let clusters = REGIONS.iter().map(|region| Cluster::new(region, &mut chance)).collect();
        let mut aurora = Self {
            clusters,
            global_writer: site(workload::HOME).unwrap_or(0),
            global_status: AVAILABLE,
            transition: None,
            due: BTreeMap::new(),
            scheduled: 0,
            promotions: Vec::new(),
            events: Vec::new(),
            shown: Vec::new(),
            advanced_to: None,
            overlaps: Vec::new(),
            left_unfenced: false,
            stray_writes: 0,
            chance,
        };
        let global = aurora.global_xml();
        aurora.shown = REGIONS.iter().map(|_| Shown::new(global.clone())).collect();
        aurora
    }

    /// Every promotion that was accepted, in order.
    #[must_use]
    pub fn accepted_promotions(&self) -> &[Promotion] {
        &self.promotions
    }

    /// Whether a switchover, a failover or a detach is under way.
    #[must_use]
    pub fn promotion_is_pending(&self) -> bool {
        self.promotions.iter().any(|promotion| promotion.outcome == Outcome::UnderWay)
    }

    /// The Region of the global cluster's writer.
    #[must_use]
    pub fn global_writer(&self) -> &'static str {
        self.clusters[self.global_writer].region
    }

    /// The Region of the cluster whose data counts: the global cluster's writer, or a cluster that was detached.
    #[must_use]
    pub fn writer_of_record(&self) -> Option<&'static str> {
        self.clusters.iter().find(|cluster| cluster.standing == Standing::Writer).map(|cluster| cluster.region)
    }

    /// Whether the Region's cluster belongs to the global cluster.
    #[must_use]
    pub fn is_member(&self, region: &str) -> bool {
        self.clusters.iter().any(|cluster| cluster.region == region && cluster.is_member)
    }

    /// Whether the Region's cluster can be used, and so can its instance that writes if it has one; lost Regions aside.
    #[must_use]
    pub fn is_available(&self, region: &str) -> bool {
        let ready = |cluster: &Cluster| {
            let mut writing = cluster.instances.iter().filter(|instance| instance.writes);
            cluster.status == AVAILABLE && writing.all(|instance| instance.status == AVAILABLE)
        };
        self.clusters.iter().any(|cluster| cluster.region == region && ready(cluster))
    }

    /// Whether the Region's cluster has no other security group than this one in force.
    #[must_use]
    pub fn has_only_security_group(&self, region: &str, group: &str) -> bool {
        let cluster = self.clusters.iter().find(|cluster| cluster.region == region);
        cluster.is_some_and(|cluster| {
            let mut groups = cluster.security_groups.iter();
            groups.all(|other| other.id == group && other.status == "active")
        })
    }

    /// Whether Aurora has ever left two clusters that may write: by a failover whose attempt to block the old writer timed
    /// out, or by a detach, which attempts nothing. It promises no more.
    #[must_use]
    pub const fn writers_may_overlap(&self) -> bool {
        self.left_unfenced
    }

    /// The stretches of time in which clients could write in two Regions, until the newest [`advance`].
    #[must_use]
    pub fn overlapping_writers(&self) -> &[(Timestamp, Timestamp)] {
        &self.overlaps
    }

    /// What was written until the newest [`advance`].
    #[must_use]
    pub fn writes(&self) -> Writes {
        let acknowledged = self.clusters.iter().flat_map(|cluster| &cluster.acknowledged);
        let missing = self.promotions.iter().map(|promotion| match promotion.outcome {
            Outcome::TookOver { missing_writes, .. } => missing_writes,
            Outcome::UnderWay | Outcome::Cancelled { .. } => 0,
        });
        Writes {
            acknowledged: acknowledged.map(|(from, to)| to.millis_since(*from)).sum(),
            lost: missing.sum::<u64>() + self.stray_writes,
        }
    }

    /// How far the Region's secondary is behind, in milliseconds; none if it is no secondary that is copied to.
    #[must_use]
    pub fn lag_ms(&self, region: &str, now: Timestamp) -> Option<u64> {
        let cluster = self.clusters.iter().find(|cluster| cluster.region == region)?;
        (cluster.standing == Standing::Secondary).then(|| now.millis_since(cluster.replica.has_until))
    }

    /// Holds up the replication into a Region, or lets it go on; a fault.
    ///
    /// # Panics
    /// For a Region without a cluster.
    pub fn hold_replication(&mut self, region: &str, held: bool) {
        let site = site(region).expect("a Region with a cluster");
        self.clusters[site].replica.held = held;
    }

    /// The datapoints of `AuroraGlobalDBReplicationLag` that can be read at `now` of this cluster in this Region, the
    /// oldest first.
    #[must_use]
    pub fn lag_datapoints(&self, region: &str, cluster: &str, now: Timestamp) -> Vec<Datapoint> {
        let cluster = self.clusters.iter().find(|known| known.region == region && known.id == cluster);
        cluster.map(|cluster| cluster.replica.datapoints(now).copied().collect()).unwrap_or_default()
    }

    fn advance(&mut self, lost: &BTreeSet<String>, now: Timestamp) {
        if self.advanced_to.is_none() {
            self.begin(now);
        }
        self.rebuild_what_came_back(lost, now);
        while let Some(entry) = self.due.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            let event = entry.remove();
            self.pass(lost, at);
            self.happen(lost, event, at);
            self.show(at);
        }
        self.pass(lost, now);
    }

    /// The first moment: the metric has a history, as of a database that has long been there.
    fn begin(&mut self, now: Timestamp) {
        self.advanced_to = Some(now);
        for cluster in &mut self.clusters {
            cluster.replica.synchronised(now);
            if cluster.standing == Standing::Secondary {
                cluster.replica.invent_history(now);
            }
        }
        let ends = now.as_millis().rem_euclid(i64::try_from(LAG_PERIOD_MS).unwrap_or(i64::MAX));
        let first = now.plus_millis(LAG_PERIOD_MS).minus_millis(u64::try_from(ends).unwrap_or(0));
        self.schedule(first, Event::MinuteEnds);
    }

    /// Lets time pass in which nothing changes.
    fn pass(&mut self, lost: &BTreeSet<String>, to: Timestamp) {
        let from = self.advanced_to.unwrap_or(to);
        if to <= from {
            return;
        }
        self.advanced_to = Some(to);
        let writer = self.clusters.iter().find(|cluster| cluster.standing == Standing::Writer);
        let writer_answers = writer.is_some_and(|writer| writer.is_member && !lost.contains(writer.region));
        let mut writing = 0;
        for cluster in &mut self.clusters {
            if cluster.serves_writes(lost) {
                writing += 1;
                add(&mut cluster.acknowledged, from, to);
                if matches!(cluster.standing, Standing::Overtaken { .. } | Standing::LeftBehind) {
                    self.stray_writes += to.millis_since(from);
                }
            }
            if cluster.replicates() && !lost.contains(cluster.region) {
                cluster.replica.pass(from, to, writer_answers);
            }
        }
        if writing > 1 {
            add(&mut self.overlaps, from, to);
        }
    }

    fn schedule(&mut self, at: Timestamp, event: Event) {
        self.scheduled += 1;
        self.due.insert((at, self.scheduled), event);
    }

    /// Schedules after a time that is left to chance.
    fn schedule_within(&mut self, now: Timestamp, after_ms: (u64, u64), event: Event) {
        let after = draw(&mut self.chance, after_ms);
        self.schedule(now.plus_millis(after), event);
    }

    /// What changed at `now` shows after a moment, in each answer after one of its own.
    fn show(&mut self, now: Timestamp) {
        let global = self.global_xml();
        for shown in &mut self.shown {
            shown.change(global.clone(), now.plus_millis(draw(&mut self.chance, UNSEEN_MS)));
        }
        for cluster in &mut self.clusters {
            let (of_cluster, of_instances) = (cluster.xml(), cluster.instances_xml());
            cluster.shown.change(of_cluster, now.plus_millis(draw(&mut self.chance, UNSEEN_MS)));
            cluster.shown_instances.change(of_instances, now.plus_millis(draw(&mut self.chance, UNSEEN_MS)));
        }
    }

    /// An event in the Region's list, readable after a moment.
    fn record(&mut self, region: &'static str, source: String, message: String, at: Timestamp) {
        let readable = at.plus_millis(draw(&mut self.chance, UNSEEN_MS));
        self.events.push(RdsEvent { region, source, at, readable, message });
    }
}

impl Cluster {
    fn new(region: &'static str, chance: &mut Chance) -> Self {
        let is_writer = region == workload::HOME;
        let id = workload::db_cluster(region);
        let instance =
            |number| Instance { id: format!("{id}-{number}"), status: AVAILABLE, writes: is_writer && number == 1 };
        let mut cluster = Self {
            region,
            id,
            arn: workload::db_cluster_arn(region),
            is_member: true,
            standing: if is_writer { Standing::Writer } else { Standing::Secondary },
            status: AVAILABLE,
            shows_modifying: false,
            synchronization: "connected",
            instances: vec![instance(1), instance(2)],
            security_groups: vec![SecurityGroup { id: SERVING_GROUP.to_owned(), status: "active" }],
            takes_writes: is_writer,
            acknowledged: Vec::new(),
            replica: Replica::new(chance),
            shown: Shown::new(String::new()),
            shown_instances: Shown::new(String::new()),
        };
        cluster.shown = Shown::new(cluster.xml());
        cluster.shown_instances = Shown::new(cluster.instances_xml());
        cluster
    }

    /// Whether clients can write to it by a connection that they open now.
    fn serves_writes(&self, lost: &BTreeSet<String>) -> bool {
        let open = || self.security_groups.iter().any(|group| group.id == SERVING_GROUP && group.status != "adding");
        self.takes_writes && !lost.contains(self.region) && open()
    }

    fn replicates(&self) -> bool {
        self.standing == Standing::Secondary && self.is_member
    }

    /// How many writes it acknowledged in that time.
    fn writes_between(&self, from: Timestamp, to: Timestamp) -> u64 {
        self.acknowledged.iter().map(|(began, ended)| (*ended).min(to).millis_since((*began).max(from))).sum()
    }

    /// When it last acknowledged a write.
    fn wrote_until(&self) -> Option<Timestamp> {
        self.acknowledged.last().map(|(_, ended)| *ended)
    }
}

/// Adds a stretch of time, to the last one if it goes on.
fn add(stretches: &mut Vec<(Timestamp, Timestamp)>, from: Timestamp, to: Timestamp) {
    match stretches.last_mut() {
        Some((_, ended)) if *ended == from => *ended = to,
        _ => stretches.push((from, to)),
    }
}

fn site(region: &str) -> Option<usize> {
    REGIONS.iter().position(|known| *known == region)
}

fn site_of_arn(aurora: &Aurora, arn: &str) -> Option<usize> {
    aurora.clusters.iter().position(|cluster| cluster.arn == arn)
}

/// The Regions in which clients can write at `now`, by a connection that they open then: neither lost, nor isolated, nor
/// blocked by Aurora. More than one is a split brain.
pub fn writers(aws: &mut Aws, now: Timestamp) -> Vec<&'static str> {
    advance(aws, now);
    let writing = aws.aurora.clusters.iter().filter(|cluster| cluster.serves_writes(&aws.lost));
    writing.map(|cluster| cluster.region).collect()
}

/// What a person at the console asks for: a cluster of this Region is to be promoted in this way.
///
/// # Errors
/// Aurora's refusal.
///
/// # Panics
/// For a Region without a cluster.
pub fn order(aws: &mut Aws, kind: PromotionKind, target: &str, now: Timestamp) -> Result<(), Answer> {
    advance(aws, now);
    let target = site(target).expect("a Region with a cluster");
    aws.aurora.promote(kind, target, By::Person, now)
}

/// The Region's cluster lets nobody in, as a person left it who isolated it before.
///
/// # Panics
/// For a Region without a cluster.
pub fn isolate_by_hand(aws: &mut Aws, region: &str, now: Timestamp) {
    advance(aws, now);
    let site = site(region).expect("a Region with a cluster");
    aws.aurora.clusters[site].security_groups = vec![SecurityGroup { id: CLOSED_GROUP.to_owned(), status: "active" }];
    aws.aurora.show(now);
}

/// Lets time pass.
pub fn advance(aws: &mut Aws, now: Timestamp) {
    aws.aurora.advance(&aws.lost, now);
}

/// Answers a request, in the Region it was sent to.
///
/// # Panics
/// On an operation or a parameter that is not simulated.
pub fn answer(aws: &mut Aws, request: &Request, now: Timestamp) -> Answer {
    let aurora = &mut aws.aurora;
    match request.operation.as_str() {
        "DescribeGlobalClusters" => aurora.describe_global_clusters(request, now),
        "DescribeDBClusters" => aurora.describe_db_clusters(request, now),
        "DescribeDBInstances" => aurora.describe_db_instances(request, now),
        "DescribeEvents" => aurora.describe_events(request, now),
        "FailoverGlobalCluster" => aurora.failover_global_cluster(request, now),
        "SwitchoverGlobalCluster" => aurora.switchover_global_cluster(request, now),
        "RemoveFromGlobalCluster" => aurora.remove_from_global_cluster(request, now),
        "ModifyDBCluster" => aurora.modify_db_cluster(request, now),
        _ => panic!("not simulated: {} in {}", request.name(), request.region),
    }
}
