//! Which front doors a workload has, and what is behind each: from the stacks' outputs and the hosted zone's records.

use std::collections::BTreeMap;

use super::application::Application;
use super::{Behind, Plate, Reference};
use crate::aws::{Aws, xml_texts};
use crate::dns::zone::{Data, RecordSet, normal};
use crate::error::{Error, Result};

/// The roles of the Regions, which are the set identifiers of their records, in the order of
/// [`Reference::regions`].
const ROLES: [&str; 2] = ["primary", "standby"];

/// A deployed workload.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) workload: Reference,
    pub(super) aws: &'a Aws,
    /// The stacks' outputs, by Region.
    pub(super) outputs: &'a BTreeMap<String, BTreeMap<String, String>>,
}

impl Site<'_> {
    /// All doors. `groups` are the accelerator's endpoint groups, by Region.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when something that the workload has is not there.
    pub(super) async fn plates(&self, records: &[RecordSet], groups: &[(String, String)]) -> Result<Vec<Plate>> {
        let mut plates = Vec::new();
        for (role, region) in ROLES.into_iter().zip(self.workload.regions()) {
            plates.extend(self.plates_of(role, region, records).await?);
        }
        match self.workload {
            Reference::Trading | Reference::PaymentsAlb => plates.push(self.switch("SwitchBucket")?),
            Reference::PaymentsServerless => plates.push(self.switch("SwitchBucketName")?),
            Reference::Edge => plates.push(self.accelerator(groups)?),
        }
        Ok(plates)
    }

    /// Each Region's health endpoint: the Region, the name and the path.
    ///
    /// # Errors
    /// Those of [`Site::plates`].
    pub(super) fn endpoints(&self, records: &[RecordSet]) -> Result<Vec<(String, String, String)>> {
        let of = |(role, region): (&str, &str)| {
            let (name, path) = match self.workload {
                Reference::Trading | Reference::PaymentsAlb => (target(records, role)?, "/health".to_owned()),
                Reference::PaymentsServerless => (host(self.output(region, "ApiEndpoint")?).0, "/health".to_owned()),
                Reference::Edge => host(self.output(region, "HealthUrl")?),
            };
            Ok((region.to_owned(), name, path))
        };
        ROLES.into_iter().zip(self.workload.regions()).map(of).collect()
    }

    async fn plates_of(&self, role: &str, region: &str, records: &[RecordSet]) -> Result<Vec<Plate>> {
        let plate = |name: String, behind| Plate { name, region: Some(region.to_owned()), behind };
        match self.workload {
            Reference::Trading => {
                let application = Application::new(region, self.output(region, "ClusterArn")?, self.secret(region)?);
                Ok(vec![plate(target(records, role)?, Behind::Application(application))])
            }
            Reference::PaymentsAlb => {
                let name = target(records, role)?;
                Ok(vec![plate(name.clone(), Behind::LoadBalancer(name))])
            }
            Reference::PaymentsServerless => {
                let (api, _) = host(self.output(region, "ApiEndpoint")?);
                let path = api_path(&api);
                Ok(vec![plate(target(records, role)?, Behind::Path(path.clone())), plate(api, Behind::Path(path))])
            }
            Reference::Edge => {
                let (api, _) = host(self.output(region, "HealthUrl")?);
                let api_path = api_path(&api);
                let outer = normal(self.output(region, "NetworkLoadBalancerDnsName")?);
                // What the network load balancer passes on to, the only other one in the Region.
                let inner = self.load_balancers(region).await?;
                let inner = inner.into_iter().find(|dns_name| *dns_name != outer);
                let inner = inner.ok_or_else(|| missing("internal load balancer", region))?;
                Ok(vec![plate(outer, Behind::LoadBalancer(inner)), plate(api, Behind::Path(api_path))])
            }
        }
    }

    /// The bucket of the switch, by the name at which Route 53's checkers ask for its object.
    fn switch(&self, bucket_output: &str) -> Result<Plate> {
        let region = self.workload.standby();
        let bucket = self.output(region, bucket_output)?;
        Ok(Plate {
            name: format!("{bucket}.s3.{region}.amazonaws.com"),
            region: Some(region.to_owned()),
            behind: Behind::Path(format!("/{bucket}")),
        })
    }

    fn accelerator(&self, groups: &[(String, String)]) -> Result<Plate> {
        let name = normal(self.output(self.workload.primary(), "AcceleratorDnsName")?);
        let group = |(region, arn): &(String, String)| {
            Ok((normal(self.output(region, "NetworkLoadBalancerDnsName")?), arn.clone()))
        };
        let groups = groups.iter().map(group).collect::<Result<_>>()?;
        Ok(Plate { name, region: None, behind: Behind::Groups(groups) })
    }

    fn secret(&self, region: &str) -> Result<&str> {
        self.output(region, "SecretArn")
    }

    fn output(&self, region: &str, name: &str) -> Result<&str> {
        super::estate::output(self.outputs, region, name)
    }

    /// The DNS names of the Region's load balancers.
    async fn load_balancers(&self, region: &str) -> Result<Vec<String>> {
        let answer = self.aws.query("elasticloadbalancing", region, "DescribeLoadBalancers", &[]).await?;
        let names = xml_texts(&answer, &["LoadBalancers", "member", "DNSName"]);
        Ok(names.iter().map(|name| normal(name)).collect())
    }
}

fn missing(what: &str, place: &str) -> Error {
    Error::Unexpected(format!("there is no {what} in {place}"))
}

/// What the failover record of a role points to.
fn target(records: &[RecordSet], role: &str) -> Result<String> {
    let record = records.iter().find(|record| record.set_identifier.as_deref() == Some(role));
    match record.map(|record| &record.data) {
        Some(Data::Alias { dns_name, .. }) => Ok(normal(dns_name)),
        Some(Data::Values(values)) => values.first().map(|value| normal(value)).ok_or_else(|| missing("value", role)),
        None => Err(missing("record", role)),
    }
}

/// Where the emulator serves an API, whose id its host begins with.
fn api_path(host: &str) -> String {
    let id = host.split('.').next().unwrap_or(host);
    format!("/_aws/execute-api/{id}")
}

/// Host and path of a URL.
fn host(url: &str) -> (String, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.split_once('/') {
        Some((host, path)) => (normal(host), format!("/{path}")),
        None => (normal(rest), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_a_path() {
        assert_eq!(host("https://A.example.com/live/health"), ("a.example.com".to_owned(), "/live/health".to_owned()));
        assert_eq!(host("https://a.example.com"), ("a.example.com".to_owned(), String::new()));
        assert_eq!(api_path("abc.execute-api.us-east-1.amazonaws.com"), "/_aws/execute-api/abc");
    }
}
