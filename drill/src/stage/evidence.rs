//! Everything that a verdict is made from.

use std::collections::BTreeMap;

use super::{Desk, Run, Stage};
use crate::error::Result;
use crate::execution::Execution;
use crate::gateway::{Call, TraceSegment};
use crate::moment::Moment;
use crate::orchestrator::Orchestrator;
use crate::staging::{Fencing, Traffic};
use crate::state::{LedgerItem, WorldState};
use crate::world::Site;

/// What is left of an orchestrator and its workload.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Which orchestrator.
    pub orchestrator: Orchestrator,
    /// The workload's Regions.
    pub sites: Vec<Site>,
    /// What sends clients to a Region.
    pub traffic: Vec<Traffic>,
    /// How the plan keeps the Region that is left from writing.
    pub fencing: Fencing,
    /// Whether the plan has its ECS services in several waves.
    pub waves: bool,
    /// When the lease of the applications that may write ran out, as the drill set it.
    pub lease_ends: Option<Moment>,
    /// The account.
    pub account_id: String,
    /// The workload before.
    pub before: WorldState,
    /// The workload after.
    pub after: WorldState,
    /// What lets nobody in, in each Region.
    pub isolated: BTreeMap<Site, String>,
    /// The ledger after.
    pub ledger: Vec<LedgerItem>,
    /// All executions of the state machine.
    pub executions: Vec<Execution>,
    /// The runs that the scenario waited for.
    pub runs: Vec<Run>,
    /// Every call that its functions made.
    pub calls: Vec<Call>,
    /// Whether each Region's endpoint answers, by the drill's own request.
    pub endpoint_answers: BTreeMap<Site, bool>,
    /// Messages in the dead-letter queues.
    pub dead_letters: u64,
    /// What the functions sent to X-Ray.
    pub traces: Vec<TraceSegment>,
    /// The same of the other orchestrators on the stage.
    pub beside: Vec<Evidence>,
}

impl Stage {
    /// Gathers everything that the verdict needs, from the emulator itself.
    ///
    /// # Errors
    /// [`Error::Aws`](crate::Error::Aws) when a call fails.
    pub async fn evidence(&self) -> Result<Evidence> {
        self.settle().await?;
        let mut each = Vec::new();
        for desk in &self.desks {
            each.push(self.evidence_of(desk).await?);
        }
        let mut first = each.remove(0);
        first.beside = each;
        Ok(first)
    }

    async fn evidence_of(&self, desk: &Desk) -> Result<Evidence> {
        let (world, gateway, deployed) = (&self.world, &self.local.gateway, &desk.deployed);
        let orchestrator = desk.orchestrator;
        let mut endpoint_answers = BTreeMap::new();
        for site in &world.staging.sites {
            endpoint_answers.insert(*site, world.endpoint(*site).answers().await);
        }
        let isolated = world.staging.sites.iter().map(|site| (*site, world.security_groups(*site).isolated.clone()));
        Ok(Evidence {
            orchestrator,
            sites: world.staging.sites.clone(),
            traffic: world.staging.traffic.clone(),
            fencing: world.staging.fencing,
            waves: world.staging.waves,
            lease_ends: desk.lease_ends,
            account_id: world.account_id.clone(),
            before: world.before(orchestrator.workload).clone(),
            after: world.read(orchestrator.workload, &self.aws(), gateway).await?,
            isolated: isolated.collect(),
            ledger: deployed.ledger().await?,
            executions: deployed.executions().await?,
            runs: desk.runs.clone(),
            calls: gateway.calls().into_iter().filter(|call| orchestrator.made(call)).collect(),
            endpoint_answers,
            dead_letters: deployed.dead_letters().await?,
            traces: gateway.trace_segments(),
            beside: Vec::new(),
        })
    }
}
