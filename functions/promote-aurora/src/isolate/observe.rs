//! What AWS says about the cluster that is to be isolated, in its own Region.

use failover::aws_call::Meaning;
use failover::error::Error;
use failover::runtime::Toolbox;

use super::plan::{Cluster, Isolating, Observation};
use crate::observe::security_groups;

/// Looks at AWS, once: the Region may be gone, and several looks have to fit into the step's time.
///
/// # Errors
/// What another look cannot cure. A Region that does not answer is an observation.
pub(crate) async fn observe(tools: &Toolbox, request: &Isolating) -> Result<Observation, Error> {
    let rds = aws_sdk_rds::Client::new(&tools.clients.once(&request.cluster.region()));
    let read = rds.describe_db_clusters().db_cluster_identifier(request.cluster.cluster_id().as_str()).send();
    match tools.calls.call("rds", "DescribeDBClusters", read).await {
        Ok(answer) => {
            let cluster = answer.db_clusters().first().map(|cluster| Cluster {
                status: cluster.status().unwrap_or_default().to_owned(),
                security_groups: security_groups(cluster),
            });
            Ok(Observation { cluster, silent: None })
        }
        Err(error) if error.meaning == Meaning::NotFound => Ok(Observation { cluster: None, silent: None }),
        Err(error) if error.is_silence() => Ok(Observation { cluster: None, silent: Some(error.to_string()) }),
        Err(error) => Err(Error::from_read(format!("reading DB cluster {}", request.cluster), error)),
    }
}
