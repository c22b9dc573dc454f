//! What a scenario plays on: the local AWS with the world and the orchestrators in it, the means to break
//! and mend it, and the record of what came of it.

mod evidence;
mod orders;
mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use evidence::Evidence;
pub use orders::{Asks, Order};
pub use runs::Run;

use crate::aws::Aws;
use crate::deployed::Deployed;
use crate::emulator::{LocalAws, LocalAwsOptions};
use crate::endpoints::Condition;
use crate::error::{Error, Result};
use crate::gateway::{Rule, RuleId};
use crate::listener::Message;
use crate::logs;
use crate::moment::Moment;
use crate::orchestrator::Orchestrator;
use crate::progress::Progress;
use crate::staging::Staging;
use crate::state::WorldState;
use crate::story::{Note, Story};
use crate::tools::Tools;
use crate::watcher::Watcher;
use crate::world::{self, Site, Workload, World};

/// What the subject of a question says.
pub const QUESTION: &str = "needs your approval";
/// How long deliveries that came late may still be at work after a run's end.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);
/// When the gateway saw no call for this long, nothing is at work any more.
const QUIET: Duration = Duration::from_millis(400);
/// What the system says of a port that nobody listens on (`ECONNREFUSED`).
const CONNECTION_REFUSED: &str = "Connection refused";
/// Replication lag in milliseconds, of which a seed picks one: what Aurora typically has.
const LAG_MS: std::ops::Range<u64> = 120..900;

/// A stage. Everything on it stops when it is dropped.
#[derive(Debug)]
pub struct Stage {
    /// The local AWS.
    pub local: LocalAws,
    /// The workloads.
    pub world: Arc<World>,
    /// Where the drill tells what it does.
    pub progress: Progress,
    /// The source of every random choice of a scenario.
    pub random: fastrand::Rng,
    /// Logs of this run.
    pub run_dir: PathBuf,
    /// The orchestrators, each with the course of its runs.
    desks: Vec<Desk>,
    /// The one that alarms and orders go to.
    present: usize,
    watchers: BTreeMap<Workload, Watcher>,
    story: Story,
    lag_ms: u64,
    blackouts: BTreeMap<Site, RuleId>,
    incident: Option<Moment>,
}

/// An orchestrator, and what its runs have come to.
#[derive(Debug)]
struct Desk {
    orchestrator: Orchestrator,
    deployed: Deployed,
    runs: Vec<Run>,
    /// The executions that were waited for or stopped, by ARN.
    known: BTreeSet<String>,
    answered: Option<Moment>,
    /// When the writer lease runs out, once the drill has set that.
    lease_ends: Option<Moment>,
    heard: Vec<Message>,
}

impl Stage {
    /// Starts the local AWS, creates the world and deploys the orchestrators.
    ///
    /// # Errors
    /// Whatever keeps one of them from coming up.
    pub async fn set_up(tools: &Tools, seed: u64, staging: Staging, progress: &Progress) -> Result<Self> {
        let run_dir = tools.new_run_dir()?;
        let options = LocalAwsOptions { run_dir: run_dir.clone(), seed, wait_scale: 1.0 };
        let local = LocalAws::start(tools, options, progress).await?;
        let task = progress.task("creating the world");
        let world = Arc::new(World::create(&local, staging).await?);
        let regions: Vec<&str> = world.staging.sites.iter().map(|site| site.region()).collect();
        task.done(format!("Aurora, ECS, DNS and endpoints in {}", regions.join(", ")));
        if world.staging.orchestrators.is_empty() {
            return Err(Error::Unexpected("a stage without an orchestrator".to_owned()));
        }
        let mut desks = Vec::new();
        for orchestrator in &world.staging.orchestrators {
            let (place, parameters) = (orchestrator.place(), orchestrator.parameters(&world.staging, &world));
            let deployed = Deployed::new(tools, &local, place, &parameters, &run_dir, progress).await?;
            let (runs, known, heard) = (Vec::new(), BTreeSet::new(), Vec::new());
            desks.push(Desk {
                orchestrator: *orchestrator,
                deployed,
                runs,
                known,
                answered: None,
                lease_ends: None,
                heard,
            });
        }
        let mut random = fastrand::Rng::with_seed(seed);
        let lag_ms = random.u64(LAG_MS);
        let mut stage = Self {
            local,
            world,
            progress: progress.clone(),
            random,
            run_dir,
            desks,
            present: 0,
            watchers: BTreeMap::new(),
            story: Story::new(progress),
            lag_ms,
            blackouts: BTreeMap::new(),
            incident: None,
        };
        stage.publish_lag(Site::Primary).await?;
        stage.begin_to_watch().await;
        Ok(stage)
    }

    async fn begin_to_watch(&mut self) {
        for workload in self.world.staging.workloads() {
            let watcher = Watcher::start(Arc::clone(&self.world), workload, self.aws(), self.local.gateway.clone());
            // What clients see at first is no news.
            watcher.look().await;
            self.watchers.insert(workload, watcher);
        }
    }

    /// A client with root credentials that goes past the gateway.
    #[must_use]
    pub fn aws(&self) -> Aws {
        self.local.emulator.aws()
    }

    /// The orchestrators, in the order of the staging.
    pub fn orchestrators(&self) -> impl Iterator<Item = &Deployed> {
        self.desks.iter().map(|desk| &desk.deployed)
    }

    /// The orchestrator that alarms, orders and answers go to, and whose runs are waited for.
    #[must_use]
    pub fn orchestrator(&self) -> &Deployed {
        &self.desk().deployed
    }

    /// From here on, alarms, orders and answers go to the orchestrator at this place of the staging; at first, that is
    /// the one at 0.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the staging has no such place.
    pub fn turn_to(&mut self, place: usize) -> Result<()> {
        if place >= self.desks.len() {
            return Err(Error::Unexpected(format!("the staging has no orchestrator at {place}")));
        }
        self.present = place;
        Ok(())
    }

    fn desk(&self) -> &Desk {
        &self.desks[self.present]
    }

    fn desk_mut(&mut self) -> &mut Desk {
        &mut self.desks[self.present]
    }

    fn watcher(&self) -> &Watcher {
        &self.watchers[&self.desk().orchestrator.workload]
    }

    /// One of the outputs of the orchestrator's stack.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the template has no such output.
    pub fn output(&self, name: &str) -> Result<&str> {
        self.orchestrator().output(name)
    }

    /// What was done so far, and what clients saw of it.
    #[must_use]
    pub fn story(&self) -> Vec<Note> {
        let mut story = self.story.notes().to_vec();
        if let Some(first) = self.story.notes().first() {
            story.extend(self.watchers.values().flat_map(|watcher| watcher.notes(first.at)));
        }
        story.sort_by_key(|note| note.at);
        story
    }

    /// Tells the reader something, now and in the report.
    pub fn tell(&mut self, text: impl Into<String>) -> Moment {
        self.story.tell(text)
    }

    /// Loses a Region: its endpoint no longer answers, nor does any AWS API there.
    pub fn lose(&mut self, site: Site) {
        let condition = self.break_endpoint(site);
        self.blackouts.insert(site, self.local.gateway.add_rule(Rule::blackout(site.region())));
        let lag_ms = self.lag_ms;
        let at = self.tell(format!(
            "{site} is lost: no AWS API answers there, its endpoint {condition}; replication was {lag_ms} ms behind"
        ));
        self.incident = Some(at);
    }

    /// Loses what a Region serves, but not its AWS APIs.
    pub fn lose_half(&mut self, site: Site) {
        let condition = self.break_endpoint(site);
        let at = self.tell(format!("{site} is half alive: its endpoint {condition}, and its AWS APIs still answer"));
        self.incident = Some(at);
    }

    fn break_endpoint(&mut self, site: Site) -> Condition {
        let condition = if self.random.bool() { Condition::Unavailable } else { Condition::HangingUp };
        self.world.endpoint(site).set_condition(condition);
        condition
    }

    /// Lets replication to the standby Regions fall behind.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn fall_behind(&mut self, lag_ms: u64) -> Result<()> {
        self.lag_ms = lag_ms;
        self.publish_lag(Site::Primary).await?;
        self.tell(format!("replication falls {lag_ms} ms behind"));
        Ok(())
    }

    /// Lets replication to one standby Region fall behind.
    ///
    /// # Errors
    /// [`Error::Aws`] when the emulator refuses it.
    pub async fn fall_behind_at(&mut self, site: Site, lag_ms: u64) -> Result<()> {
        for workload in self.world.staging.workloads() {
            world::publish_lag(&self.aws(), workload, site, lag_ms).await?;
        }
        self.tell(format!("replication to {site} falls {lag_ms} ms behind"));
        Ok(())
    }

    /// Brings a lost Region back; the databases' clusters there rejoin as secondaries.
    ///
    /// # Errors
    /// [`Error::Aws`] when the lag of the new secondaries can't be published.
    pub async fn restore(&mut self, site: Site) -> Result<()> {
        self.mend(site);
        self.lag_ms = self.random.u64(LAG_MS);
        for workload in self.world.staging.workloads() {
            world::publish_lag(&self.aws(), workload, site, self.lag_ms).await?;
        }
        for desk in &self.desks {
            desk.deployed.set_alarm(desk.deployed.output("EndpointAlarmName")?, "OK").await?;
        }
        self.incident = None;
        self.tell(format!("{site} is back; its databases are secondaries now"));
        Ok(())
    }

    /// Brings a lost Region back while nobody knows what has become of it: neither alarms nor databases are touched.
    pub fn bring_back(&mut self, site: Site) {
        self.mend(site);
        self.tell(format!("{site} is back"));
    }

    fn mend(&mut self, site: Site) {
        if let Some(rule) = self.blackouts.remove(&site) {
            self.local.gateway.remove_rule(rule);
        }
        self.world.endpoint(site).set_condition(Condition::Serving);
    }

    /// Whether a Region is lost at present.
    #[must_use]
    pub fn is_lost(&self, site: Site) -> bool {
        self.blackouts.contains_key(&site)
    }

    /// The workload of the present orchestrator as it is now, by the emulator's own API.
    ///
    /// # Errors
    /// [`Error::Aws`] when a call fails.
    pub async fn state(&self) -> Result<WorldState> {
        self.world.read(self.desk().orchestrator.workload, &self.aws(), &self.local.gateway).await
    }

    /// How often one of the present orchestrator's functions logged that a connection was refused.
    pub async fn refused_connections(&self) -> usize {
        let logs = self.orchestrator().logs().await;
        logs.values().flat_map(|text| text.lines()).filter(|line| line.contains(CONNECTION_REFUSED)).count()
    }

    /// Publishes the lag of all databases that replicate from `writer`.
    async fn publish_lag(&self, writer: Site) -> Result<()> {
        for workload in self.world.staging.workloads() {
            for site in self.world.staging.sites.iter().filter(|site| **site != writer) {
                world::publish_lag(&self.aws(), workload, *site, self.lag_ms).await?;
            }
        }
        Ok(())
    }

    /// Waits until no function calls anything any more.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when they don't come to rest.
    pub async fn settle(&self) -> Result<()> {
        let deadline = tokio::time::Instant::now() + SETTLE_LIMIT;
        let mut seen = usize::MAX;
        while tokio::time::Instant::now() < deadline {
            let calls = self.local.gateway.calls().len();
            if calls == seen {
                return Ok(());
            }
            seen = calls;
            tokio::time::sleep(QUIET).await;
        }
        Err(Error::TimedOut { what: "the functions coming to rest".to_owned(), limit: SETTLE_LIMIT })
    }

    /// Keeps the logs of this run, for whoever has to find out what went wrong.
    pub async fn save_logs(&self) {
        logs::save(&self.run_dir, self.orchestrators(), &self.local.gateway, &self.progress).await;
    }
}
