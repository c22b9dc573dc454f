//! The request, complete and checked.

use std::collections::BTreeSet;
use std::time::Duration;

use failover::contract::{self, Capacity, Region, RunContext, ScaleRequest, ServiceSelection};
use failover::digest::sha256_hex;
use failover::error::Error;
use failover::step::Step;
use serde::Serialize;

use crate::ScaleEcs;
use crate::plan::MOST_TASKS;

/// The most services that one request may be about. A cluster with more is scaled in several requests.
pub const MOST_SERVICES: usize = 200;
/// The longest name of a cluster or service.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html>
const LONGEST_NAME: usize = 255;
/// The percentages that make sense: at least a part, at most ten times the source's.
const PERCENT: std::ops::RangeInclusive<u32> = 1..=1000;

/// A complete and checked request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scaling {
    /// The failover this belongs to.
    pub run: RunContext,
    /// The Region to scale in.
    pub region: Region,
    /// The ECS cluster there.
    pub cluster: String,
    /// Which of its services.
    pub services: ServiceSelection,
    /// How many tasks each is to have.
    pub capacity: Capacity,
    /// Whether a service may end with fewer tasks than it has.
    pub allow_scale_down: bool,
    /// For how long one invocation may try; none for the function's step budget. No part of what is asked for.
    #[serde(skip)]
    pub budget: Option<Duration>,
}

impl Scaling {
    /// Fills in the Region and checks the rest.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] that names the field.
    pub fn complete(request: ScaleRequest, dr_region: &Region) -> Result<Self, Error> {
        let ScaleRequest { run, target_region, cluster, services, capacity, allow_scale_down, timeout_seconds } =
            request;
        let region = target_region.unwrap_or_else(|| dr_region.clone());
        check_name("cluster", &cluster)?;
        if let ServiceSelection::Named(names) = &services {
            check_services(names)?;
        }
        check_capacity(&capacity, &region, &cluster)?;
        let budget = timeout_seconds.map(contract::check_timeout).transpose()?;
        Ok(Self { run, region, cluster, services, capacity, allow_scale_down, budget })
    }

    /// Whether it keeps a Region from writing (X1), in which case that Region may not answer.
    #[must_use]
    pub fn is_fence(&self) -> bool {
        self.capacity == Capacity::Fenced
    }

    /// The id of the operation that fences the services of this request in another cluster in the same failover; none
    /// without a failover.
    pub(crate) fn fence_in(&self, region: &Region, cluster: &str) -> Option<String> {
        let failover = self.run.failover_id.as_ref()?;
        let fence =
            Self { region: region.clone(), cluster: cluster.to_owned(), capacity: Capacity::Fenced, ..self.clone() };
        Some(format!("{failover}#{}#{}", ScaleEcs::NAME, fence.resource()))
    }

    /// The cluster, for people.
    #[must_use]
    pub fn place(&self) -> String {
        format!("cluster {} in {}", self.cluster, self.region)
    }

    /// What the operation is about: a single service by its name, more by their number and a hash of their names, since
    /// a key of the ledger has an end. A fence is another operation than a scaling of the same services.
    pub(crate) fn resource(&self) -> String {
        let services = match &self.services {
            ServiceSelection::All => "*".to_owned(),
            ServiceSelection::Named(names) if names.len() == 1 => names.join(""),
            ServiceSelection::Named(names) => {
                let digest = sha256_hex(&names.join("\n"));
                format!("{}-services-{}", names.len(), &digest[..16])
            }
        };
        let fence = if self.is_fence() { "fence/" } else { "" };
        format!("{fence}{}/{}/{services}", self.region, self.cluster)
    }
}

fn check_services(names: &[String]) -> Result<(), Error> {
    if names.is_empty() {
        return Err(Error::invalid("services.named", "names no service; use \"all\" for every service of the cluster"));
    }
    if names.len() > MOST_SERVICES {
        let problem = format!("names {} services, at most {MOST_SERVICES} fit one request; split it", names.len());
        return Err(Error::invalid("services.named", problem));
    }
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let field = format!("services.named[{index}]");
        check_name(&field, name)?;
        if !seen.insert(name) {
            return Err(Error::invalid(field, format!("{name:?} is named twice")));
        }
    }
    Ok(())
}

fn check_capacity(capacity: &Capacity, region: &Region, cluster: &str) -> Result<(), Error> {
    match capacity {
        Capacity::Desired(count) => check_count("capacity.desired", *count),
        Capacity::Fenced => Ok(()),
        Capacity::PercentOfSource { percent, source_region, source_cluster, desired_if_unknown } => {
            let field = |name: &str| format!("capacity.percent_of_source.{name}");
            if !PERCENT.contains(percent) {
                let (least, most) = (PERCENT.start(), PERCENT.end());
                return Err(Error::invalid(field("percent"), format!("expected {least} to {most}, found {percent}")));
            }
            check_name(&field("source_cluster"), source_cluster)?;
            if source_region == region && source_cluster == cluster {
                return Err(Error::invalid(field("source_cluster"), "is the cluster that is to be scaled"));
            }
            desired_if_unknown.map_or(Ok(()), |count| check_count(&field("desired_if_unknown"), count))
        }
    }
}

fn check_count(field: &str, count: u32) -> Result<(), Error> {
    if count > MOST_TASKS {
        return Err(Error::invalid(field, format!("expected at most {MOST_TASKS} tasks, found {count}")));
    }
    Ok(())
}

fn check_name(field: &str, name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let problem = format!("expected a name of 1 to {LONGEST_NAME} letters, digits, '-' or '_', found {name:?}");
    Err(Error::invalid(field, problem))
}
