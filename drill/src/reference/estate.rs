//! A workload with everything around it: the local AWS with both Regions' stacks and the orchestrator, the front doors
//! and the DNS.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::plan::{Particulars, parameters};
use super::site::Site;
use super::{Doors, Reference, SUFFIX};
use crate::aws::Aws;
use crate::deploy::{infra_command, stack_outputs};
use crate::deployed::{Deployed, Place};
use crate::dns::{Change, Dns, Resolver, control_plane, zone};
use crate::emulator::{LocalAws, LocalAwsOptions};
use crate::error::{Error, Result};
use crate::gateway::{EndpointGroup, ScalableTarget, Suspended};
use crate::moment::Moment;
use crate::progress::Progress;
use crate::tools::{Tools, keep_functions};

/// How long deploying both Regions may take.
const DEPLOY_LIMIT: Duration = Duration::from_mins(8);
/// Any certificate does where no TLS is spoken.
const CERTIFICATE: &str = "certificate/11111111-2222-3333-4444-555555555555";

/// A workload in the local AWS. Everything stops when it is dropped.
#[derive(Debug)]
pub struct Estate {
    /// Which workload.
    pub workload: Reference,
    /// The local AWS.
    pub local: LocalAws,
    /// Where names lead.
    pub doors: Doors,
    /// What names mean.
    pub dns: Dns,
    /// The orchestrator.
    pub deployed: Deployed,
    /// The outputs of the workload's stacks, by Region.
    pub outputs: BTreeMap<String, BTreeMap<String, String>>,
    /// Logs of this run.
    pub run_dir: PathBuf,
    /// Where the drill tells what it does.
    pub progress: Progress,
}

impl Estate {
    /// Starts the local AWS and deploys the workload and its orchestrator as the workload's page says.
    ///
    /// # Errors
    /// Whatever keeps one of them from coming up.
    pub async fn set_up(tools: &Tools, workload: Reference, seed: u64, progress: &Progress) -> Result<Self> {
        let run_dir = tools.new_run_dir()?;
        let options = LocalAwsOptions { run_dir: run_dir.clone(), seed, wait_scale: 1.0 };
        let local = LocalAws::start(tools, options, progress).await?;
        let aws = local.emulator.aws();
        let zone_id = control_plane::create_zone(&aws, Reference::ZONE).await?;
        deploy_stacks(tools, &local, workload, &zone_id, &run_dir, progress).await?;
        let mut outputs = BTreeMap::new();
        for region in workload.regions() {
            outputs.insert(region.to_owned(), stack_outputs(&aws, region, &workload.stack_name()).await?);
        }
        let groups = fill_models(&local, workload).await?;
        if workload == Reference::Trading {
            open_data_api(&aws, &outputs).await?;
        }
        if workload == Reference::Edge {
            point_at_accelerator(&aws, &zone_id, &outputs).await?;
        }
        let records = zone::read(&aws, &zone_id).await?;
        let site = Site { workload, aws: &aws, outputs: &outputs };
        let (plates, endpoints) = (site.plates(&records, &groups).await?, site.endpoints(&records)?);
        let doors = Doors::open(local.emulator.endpoint(), aws.clone(), local.gateway.clone(), plates).await?;
        let dns = Dns::start(aws.clone(), &zone_id, doors.outside(), doors.port()).await?;
        let particulars = Particulars {
            endpoints: endpoints
                .into_iter()
                .map(|(region, name, path)| Ok((region, doors.url(&name, &path)?)))
                .collect::<Result<_>>()?,
            endpoint_groups: groups,
            hosted_zone_id: zone_id,
        };
        let deployed = deploy_orchestrator(tools, &local, workload, &particulars, &run_dir, progress).await?;
        Ok(Self { workload, local, doors, dns, deployed, outputs, run_dir, progress: progress.clone() })
    }

    /// A client with root credentials that goes past the gateway.
    #[must_use]
    pub fn aws(&self) -> Aws {
        self.local.emulator.aws()
    }

    /// A resolver of its own, as a client has one.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it cannot be made.
    pub fn resolver(&self) -> Result<Resolver> {
        Resolver::new(self.dns.address())
    }

    /// Whether clients are led to a Region now.
    #[must_use]
    pub fn leads_to(&self, region: &str) -> bool {
        self.led().last().is_some_and(|(_, to)| to == region)
    }

    /// When clients were led to a Region for the first time after a moment.
    #[must_use]
    pub fn led_to(&self, region: &str, after: Moment) -> Option<Moment> {
        self.led().into_iter().find(|(at, to)| *at >= after && to == region).map(|(at, _)| at)
    }

    /// To which Region clients were led, each time that it was another one: by DNS, or by the accelerator.
    fn led(&self) -> Vec<(Moment, String)> {
        if !self.workload.moves_by_dns() {
            return self.doors.routed();
        }
        let region = |change: &Change| self.doors.region_at(*change.addresses.first()?).map(str::to_owned);
        let changes = self.dns.changes(self.workload.record_name());
        changes.iter().filter_map(|change| Some((change.at, region(change)?))).collect()
    }

    /// An output of a Region's stack.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when there is none of that name.
    pub fn output(&self, region: &str, name: &str) -> Result<&str> {
        output(&self.outputs, region, name)
    }
}

pub(super) fn output<'a>(
    outputs: &'a BTreeMap<String, BTreeMap<String, String>>,
    region: &str,
    name: &str,
) -> Result<&'a str> {
    let value = outputs.get(region).and_then(|of_region| of_region.get(name)).map(String::as_str);
    value.ok_or_else(|| Error::Unexpected(format!("the stack in {region} has no output {name}")))
}

/// Runs `infra/deploy`, the command that users deploy with.
async fn deploy_stacks(
    tools: &Tools,
    local: &LocalAws,
    workload: Reference,
    zone_id: &str,
    run_dir: &Path,
    progress: &Progress,
) -> Result<()> {
    let [primary, standby] = workload.regions();
    let task = progress.task(format!("deploying {workload} into {primary} and {standby}"));
    let outcome = async {
        let _functions = keep_functions(tools, &task).await?;
        infra_command(tools, &local.emulator, "deploy", run_dir)
            .args([workload.name(), primary, standby])
            .args(deploy_parameters(workload, local.emulator.account_id(), zone_id))
            .run(DEPLOY_LIMIT, &task)
            .await
    };
    let outcome = outcome.await;
    match &outcome {
        Ok(()) => task.done("infra/deploy"),
        Err(_) => task.failed("see below"),
    }
    outcome
}

fn deploy_parameters(workload: Reference, account_id: &str, zone_id: &str) -> Vec<String> {
    let mut parameters = vec![format!("EnvironmentSuffix={SUFFIX}")];
    for (role, region) in ["primary", "standby"].into_iter().zip(workload.regions()) {
        parameters.push(format!("{role}.CertificateArn=arn:aws:acm:{region}:{account_id}:{CERTIFICATE}"));
    }
    if workload.moves_by_dns() {
        parameters.push(format!("HostedZoneId={zone_id}"));
        parameters.push(format!("RecordName={}", workload.record_name()));
    }
    parameters
}

/// Tells the gateway's models of scalable targets and endpoint groups what the stacks have, and answers the endpoint
/// groups' ARNs by Region.
async fn fill_models(local: &LocalAws, workload: Reference) -> Result<Vec<(String, String)>> {
    let mut groups = Vec::new();
    for region in workload.regions() {
        for target in recorded(local, region, "AWS::ApplicationAutoScaling::ScalableTarget").await? {
            local.gateway.put_scalable_target(scalable_target(region, &target)?);
        }
        for group in recorded(local, region, "AWS::GlobalAccelerator::EndpointGroup").await? {
            let arn = text(&group, "EndpointGroupArn")?.to_owned();
            // As a new group has it; the standby's is turned off, as the workload's page says.
            let dial = if region == workload.primary() { 100.0 } else { 0.0 };
            local.gateway.put_endpoint_group(EndpointGroup { arn: arn.clone(), region: region.to_owned(), dial });
            groups.push((region.to_owned(), arn));
        }
    }
    Ok(groups)
}

/// The resources of a type that stacks in the Region have and the emulator has no service for, by their properties.
async fn recorded(local: &LocalAws, region: &str, type_name: &str) -> Result<Vec<Value>> {
    let input = json!({ "TypeName": type_name });
    let answer = local.emulator.aws().json("cloudcontrolapi", region, "ListResources", &input).await?;
    let found = answer["ResourceDescriptions"].as_array().map(Vec::as_slice).unwrap_or_default();
    found
        .iter()
        .map(|one| serde_json::from_str(text(one, "Properties")?).map_err(|error| Error::Unexpected(error.to_string())))
        .collect()
}

fn scalable_target(region: &str, properties: &Value) -> Result<ScalableTarget> {
    let count = |name: &str| {
        let value = &properties[name];
        let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
        number.ok_or_else(|| Error::Unexpected(format!("a scalable target without {name}: {properties}")))
    };
    Ok(ScalableTarget {
        region: region.to_owned(),
        namespace: text(properties, "ServiceNamespace")?.to_owned(),
        resource_id: text(properties, "ResourceId")?.to_owned(),
        dimension: text(properties, "ScalableDimension")?.to_owned(),
        min: count("MinCapacity")?,
        max: count("MaxCapacity")?,
        suspended: Suspended::default(),
    })
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().ok_or_else(|| Error::Unexpected(format!("no {name} in {value}")))
}

/// The application of trading, which the drill plays, has no other way to the database.
async fn open_data_api(aws: &Aws, outputs: &BTreeMap<String, BTreeMap<String, String>>) -> Result<()> {
    for region in Reference::Trading.regions() {
        let cluster = [("ResourceArn", output(outputs, region, "ClusterArn")?)];
        aws.query("rds", region, "EnableHttpEndpoint", &cluster).await?;
    }
    Ok(())
}

/// The name that clients use, as a user of an accelerator makes it: an alias of the accelerator's.
async fn point_at_accelerator(
    aws: &Aws,
    zone_id: &str,
    outputs: &BTreeMap<String, BTreeMap<String, String>>,
) -> Result<()> {
    /// Global Accelerator's own hosted zone.
    /// Source: <https://docs.aws.amazon.com/general/latest/gr/global_accelerator.html>
    const ACCELERATOR_ZONE: &str = "Z2BJ6XQ5FK7U4H";
    let workload = Reference::Edge;
    let (name, accelerator) = (workload.record_name(), output(outputs, workload.primary(), "AcceleratorDnsName")?);
    let set = format!(
        "<Name>{name}</Name><Type>A</Type><AliasTarget><HostedZoneId>{ACCELERATOR_ZONE}</HostedZoneId>\
         <DNSName>{accelerator}</DNSName><EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>"
    );
    control_plane::change_record_sets(aws, zone_id, "CREATE", &[set]).await
}

async fn deploy_orchestrator(
    tools: &Tools,
    local: &LocalAws,
    workload: Reference,
    particulars: &Particulars,
    run_dir: &Path,
    progress: &Progress,
) -> Result<Deployed> {
    let file = tools.workspace.join(format!("infra/plans/{workload}.parameters.yaml"));
    let written = std::fs::read_to_string(&file).map_err(Error::io(format!("reading {}", file.display())))?;
    let place = Place {
        region: workload.standby().to_owned(),
        stack_name: format!("failover-{SUFFIX}"),
        suffix: SUFFIX.to_owned(),
        plan: workload.name().to_owned(),
    };
    Deployed::new(tools, local, place, &parameters(&written, particulars)?, run_dir, progress).await
}
