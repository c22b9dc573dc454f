//! Calls to S3, ARC's routing controls and Global Accelerator, as `shift-dns` makes them.

use aws_sdk_globalaccelerator::Client as Accelerator;
use aws_sdk_globalaccelerator::types::EndpointGroup;
use aws_sdk_route53recoverycluster::Client as Cluster;
use aws_sdk_route53recoverycluster::config::Builder as ClusterConfig;
use aws_sdk_route53recoverycluster::types::{RoutingControlState, UpdateRoutingControlStateEntry};
use aws_sdk_s3::Client as S3;
use aws_sdk_s3::config::Builder as S3Config;
use aws_sdk_s3::primitives::ByteStream;
use failover::aws_call::CallError;
use serde_json::{Value, json};

use crate::sides::Side;

/// Global Accelerator's control plane.
const CONTROL_PLANE: &str = "us-west-2";

/// A call.
#[derive(Debug)]
pub(crate) enum Call {
    Object(OfBucket),
    Control(OfCluster),
    Dial(OfAccelerator),
}

/// What S3 is asked for.
#[derive(Debug)]
pub(crate) enum OfBucket {
    HeadBucket {
        region: &'static str,
        bucket: &'static str,
        owner: &'static str,
    },
    HeadObject {
        region: &'static str,
        bucket: &'static str,
        key: &'static str,
    },
    /// Unless it is there.
    PutObject {
        region: &'static str,
        bucket: &'static str,
        key: &'static str,
        owner: &'static str,
    },
    DeleteObject {
        region: &'static str,
        bucket: &'static str,
        key: &'static str,
    },
}

/// What a cluster of ARC is asked for, at its endpoint in a Region.
#[derive(Debug)]
pub(crate) enum OfCluster {
    GetRoutingControlState { endpoint: &'static str, control: String },
    UpdateRoutingControlStates { endpoint: &'static str, states: Vec<(String, bool)> },
}

/// What Global Accelerator is asked for.
#[derive(Debug)]
pub(crate) enum OfAccelerator {
    DescribeAccelerator { arn: String },
    DescribeEndpointGroup { arn: String },
    UpdateEndpointGroup { arn: String, dial: f32 },
}

impl Call {
    pub(crate) async fn ask(&self, side: &Side) -> Result<Value, CallError> {
        match self {
            Self::Object(call) => call.ask(side).await,
            Self::Control(call) => call.ask(side).await,
            Self::Dial(call) => call.ask(side).await,
        }
    }
}

fn s3(side: &Side, region: &str) -> S3 {
    // A local AWS has one address for all buckets, so the bucket has to stand in the path there.
    let local = side.tools.config.access.endpoint_url.is_some();
    S3::from_conf(S3Config::from(&side.config(region)).force_path_style(local).build())
}

impl OfBucket {
    async fn ask(&self, side: &Side) -> Result<Value, CallError> {
        let calls = &side.tools.calls;
        match self {
            Self::HeadBucket { region, bucket, owner } => {
                let question = s3(side, region).head_bucket().bucket(*bucket).expected_bucket_owner(*owner).send();
                calls.call("s3", "ListBucket", question).await.map(|_| Value::Null)
            }
            Self::HeadObject { region, bucket, key } => {
                let question = s3(side, region).head_object().bucket(*bucket).key(*key).send();
                let answer = calls.call("s3", "GetObject", question).await?;
                Ok(json!({ "has_a_time": answer.last_modified().is_some() }))
            }
            Self::PutObject { region, bucket, key, owner } => {
                let change = s3(side, region).put_object().bucket(*bucket).key(*key).if_none_match("*");
                let change = change.expected_bucket_owner(*owner).body(ByteStream::from_static(b"{}")).send();
                calls.call("s3", "PutObject", change).await.map(|_| Value::Null)
            }
            Self::DeleteObject { region, bucket, key } => {
                let change = s3(side, region).delete_object().bucket(*bucket).key(*key).send();
                calls.call("s3", "DeleteObject", change).await.map(|_| Value::Null)
            }
        }
    }
}

fn cluster(side: &Side, endpoint: &str) -> Cluster {
    let config = ClusterConfig::from(&side.config(endpoint));
    let local = side.tools.config.access.endpoint_url.is_some();
    let of_its_own = format!("https://host-{endpoint}.{endpoint}.example.com/v1");
    Cluster::from_conf(if local { config } else { config.endpoint_url(of_its_own) }.build())
}

impl OfCluster {
    async fn ask(&self, side: &Side) -> Result<Value, CallError> {
        let calls = &side.tools.calls;
        match self {
            Self::GetRoutingControlState { endpoint, control } => {
                let question = cluster(side, endpoint).get_routing_control_state().routing_control_arn(control).send();
                let answer = calls.call("route53-recovery-cluster", "GetRoutingControlState", question).await?;
                Ok(json!({ "state": answer.routing_control_state().as_str() }))
            }
            Self::UpdateRoutingControlStates { endpoint, states } => {
                let entry = |(control, on): &(String, bool)| {
                    let state = if *on { RoutingControlState::On } else { RoutingControlState::Off };
                    let entry = UpdateRoutingControlStateEntry::builder().routing_control_arn(control);
                    entry.routing_control_state(state).build().expect("complete")
                };
                let entries = states.iter().map(entry).collect();
                let change = cluster(side, endpoint).update_routing_control_states();
                let change = change.set_update_routing_control_state_entries(Some(entries)).send();
                calls.call("route53-recovery-cluster", "UpdateRoutingControlStates", change).await.map(|_| Value::Null)
            }
        }
    }
}

impl OfAccelerator {
    async fn ask(&self, side: &Side) -> Result<Value, CallError> {
        let (client, calls) = (Accelerator::new(&side.config(CONTROL_PLANE)), &side.tools.calls);
        match self {
            Self::DescribeAccelerator { arn } => {
                let question = client.describe_accelerator().accelerator_arn(arn).send();
                let answer = calls.call("globalaccelerator", "DescribeAccelerator", question).await?;
                let status = answer.accelerator().and_then(|accelerator| accelerator.status());
                Ok(json!({ "status": status.map(|status| status.as_str().to_owned()) }))
            }
            Self::DescribeEndpointGroup { arn } => {
                let question = client.describe_endpoint_group().endpoint_group_arn(arn).send();
                let answer = calls.call("globalaccelerator", "DescribeEndpointGroup", question).await?;
                let group = answer.endpoint_group();
                Ok(json!({
                    "region": group.and_then(|group| group.endpoint_group_region()),
                    "dial": group.and_then(EndpointGroup::traffic_dial_percentage),
                }))
            }
            Self::UpdateEndpointGroup { arn, dial } => {
                let change = client.update_endpoint_group().endpoint_group_arn(arn).traffic_dial_percentage(*dial);
                let change = change.send();
                calls.call("globalaccelerator", "UpdateEndpointGroup", change).await.map(|_| Value::Null)
            }
        }
    }
}
