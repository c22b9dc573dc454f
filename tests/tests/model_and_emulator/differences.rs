//! The differences that are known, each with its reason.

/// A difference between the simulation and the local AWS.
pub(crate) struct Difference {
    pub(crate) sequence: &'static str,
    pub(crate) call: &'static str,
    /// The fields that differ, each with what the simulation says of it and what the local AWS says.
    pub(crate) fields: &'static [(&'static str, &'static str, &'static str)],
    pub(crate) right: Right,
    /// Why they differ.
    pub(crate) why: &'static str,
    /// The page of AWS's documentation that tells which one is right, or that leaves it open.
    pub(crate) source: &'static str,
}

/// Which of the two does as AWS does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// The simulation.
    Simulation,
    /// The local AWS.
    LocalAws,
    /// AWS does not say.
    Unsaid,
}

const AURORA_GUIDE: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html";
const AURORA_SECONDARIES: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-getting-started.html";
const RDS_EVENTS: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_Events.Messages.html";
const DESCRIBE_SERVICES: &str = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html";
const CHANGE_RECORDS: &str =
    "https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html";
const RECORD_SET: &str = "https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html";
const BUCKET_OWNER: &str = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html";
const METRIC_DATA: &str = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html";
const POLICY_SIMULATOR: &str = "https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html";

const QUOTAS: &str = "https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html";

const INSTANT: &str = "the emulator's promotions are through at once; AWS's take a minute and show meanwhile";
const REPLICAS_ONLY: &str = "a secondary cluster has replicas only; the emulator calls its first instance a writer";
const ORDER_OF_DATAPOINTS: &str = "the newest datapoints come first unless a request says otherwise; the emulator knows \
                                   no order but the oldest first";
const ELSEWHERE: &str = "AWS tells where to ask, not what another Region answers; the simulation refuses it, so that \
                         whoever asks in the wrong place is seen; the emulator does it wherever it is asked";
const NOT_COMPARABLE: &str = "the emulator does not have it: not comparable";

/// What the preflight of a promotion says of the lag by the newest datapoint, and by the oldest one that was asked for.
const FRESH_LAG: &str = r#"{"check":"replication-lag","message":"896 ms, read 120 s ago","severity":"ok","subject":"arn:aws:rds:eu-west-1:123456789012:cluster:trading-standby"}"#;
const STALE_LAG: &str = r#"{"check":"replication-lag","cure":"see why the metric is no longer published","message":"896 ms, read 600 s ago","severity":"warning","subject":"arn:aws:rds:eu-west-1:123456789012:cluster:trading-standby"}"#;
/// What the preflight of a scaling says of the quota when it is told, and when it is not.
const QUOTA_KNOWN: &str = r#"{"check":"fargate-quota","message":"the tasks need 4 vCPUs, the quota is 100; the account's other tasks count against it too","severity":"ok","subject":"cluster trading in eu-west-1"}"#;
const QUOTA_UNKNOWN: &str = r#"{"check":"fargate-quota","cure":"let the function's role read task definitions and quotas, or compare them by hand","message":"servicequotas:GetServiceQuota answered UnknownError: no message","severity":"unknown","subject":"cluster trading in eu-west-1"}"#;

/// All of them.
pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        sequence: "a failover of Aurora",
        call: "the cluster in the standby Region",
        fields: &[("0.instances.0.is_writer", "false", "true")],
        right: Right::Simulation,
        why: REPLICAS_ONLY,
        source: AURORA_SECONDARIES,
    },
    Difference {
        sequence: "a failover of Aurora",
        call: "the global cluster a moment later",
        fields: &[
            ("0.status", "failing-over", "available"),
            ("0.members.0.is_writer", "true", "false"),
            ("0.members.1.is_writer", "false", "true"),
            ("0.transition", "-", "null"),
            ("0.transition.status", "failing-over", "-"),
            ("0.transition.to", "arn:aws:rds:eu-west-1:123456789012:cluster:trading-standby", "-"),
            ("0.transition.data_loss_allowed", "true", "-"),
        ],
        right: Right::Simulation,
        why: INSTANT,
        source: AURORA_GUIDE,
    },
    Difference {
        sequence: "a failover of Aurora",
        call: "the cluster at home afterwards",
        fields: &[("0.instances.0.is_writer", "false", "true")],
        right: Right::Simulation,
        why: REPLICAS_ONLY,
        source: AURORA_SECONDARIES,
    },
    Difference {
        sequence: "a failover of Aurora",
        call: "the events at home",
        fields: &[
            ("count", "1", "0"),
            ("0", "Attempt to block writes for DB cluster trading-primary in Region eu-central-1 succeeded.", "-"),
        ],
        right: Right::Simulation,
        why: "the emulator records no events",
        source: RDS_EVENTS,
    },
    Difference {
        sequence: "a failover of Aurora",
        call: "the events in the standby Region",
        fields: &[("count", "1", "0"), ("0", "DB instance restarted", "-")],
        right: Right::Simulation,
        why: "the emulator records no events",
        source: RDS_EVENTS,
    },
    Difference {
        sequence: "a switchover of Aurora and back",
        call: "the global cluster a moment later",
        fields: &[
            ("0.status", "switching-over", "available"),
            ("0.members.0.is_writer", "true", "false"),
            ("0.members.1.is_writer", "false", "true"),
            ("0.transition", "-", "null"),
            ("0.transition.status", "switching-over", "-"),
            ("0.transition.to", "arn:aws:rds:eu-west-1:123456789012:cluster:trading-standby", "-"),
            ("0.transition.data_loss_allowed", "false", "-"),
        ],
        right: Right::Simulation,
        why: INSTANT,
        source: AURORA_GUIDE,
    },
    Difference {
        sequence: "a switchover of Aurora and back",
        call: "the cluster at home afterwards",
        fields: &[("0.instances.0.is_writer", "false", "true")],
        right: Right::Simulation,
        why: REPLICAS_ONLY,
        source: AURORA_SECONDARIES,
    },
    Difference {
        sequence: "a detach from the global cluster",
        call: "once more",
        fields: &[(
            "outcome",
            "400 InvalidParameterValue Invalid Rejected",
            "404 DBClusterNotFoundFault NotFound Rejected",
        )],
        right: Right::Simulation,
        why: "AWS models no error for a cluster that is no member any more; this is what others met",
        source: "https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/rds/global_cluster.go",
    },
    Difference {
        sequence: "a detach from the global cluster",
        call: "a failover to what is no member",
        fields: &[(
            "outcome",
            "404 DBClusterNotFoundFault NotFound Rejected",
            "400 InvalidGlobalClusterStateFault Conflict Rejected",
        )],
        right: Right::Unsaid,
        why: "AWS models both errors and does not say which one a cluster gets that is no member",
        source: "https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_FailoverGlobalCluster.html",
    },
    Difference {
        sequence: "a failover asked for in the writer's Region",
        call: "it",
        fields: &[("outcome", "404 DBClusterNotFoundFault NotFound Rejected", "200")],
        right: Right::Unsaid,
        why: ELSEWHERE,
        source: AURORA_GUIDE,
    },
    Difference {
        sequence: "a switchover asked for in the target's Region",
        call: "it",
        fields: &[("outcome", "404 DBClusterNotFoundFault NotFound Rejected", "200")],
        right: Right::Unsaid,
        why: ELSEWHERE,
        source: AURORA_GUIDE,
    },
    Difference {
        sequence: "a detach asked for in the writer's Region",
        call: "it",
        fields: &[("outcome", "404 DBClusterNotFoundFault NotFound Rejected", "200")],
        right: Right::Unsaid,
        why: ELSEWHERE,
        source: AURORA_GUIDE,
    },
    Difference {
        sequence: "security groups of a cluster",
        call: "an unknown group",
        fields: &[("outcome", "400 InvalidParameterCombination Invalid Rejected", "200")],
        right: Right::Unsaid,
        why: "the emulator takes any group; AWS models no error for one that does not exist",
        source: "https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBCluster.html",
    },
    Difference {
        sequence: "security groups of a cluster",
        call: "the isolated cluster",
        fields: &[("0.instances.0.is_writer", "false", "true")],
        right: Right::Simulation,
        why: REPLICAS_ONLY,
        source: AURORA_SECONDARIES,
    },
    Difference {
        sequence: "security groups of a cluster",
        call: "the cluster in the end",
        fields: &[("0.instances.0.is_writer", "false", "true")],
        right: Right::Simulation,
        why: REPLICAS_ONLY,
        source: AURORA_SECONDARIES,
    },
    Difference {
        sequence: "counts of services",
        call: "the services of an unknown cluster",
        fields: &[("outcome", "400 ClusterNotFoundException NotFound Rejected", "200")],
        right: Right::Simulation,
        why: "the emulator answers with no services",
        source: "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServices.html",
    },
    Difference {
        sequence: "counts of services",
        call: "none",
        fields: &[("outcome", "400 InvalidParameterException Invalid Rejected", "200")],
        right: Right::Simulation,
        why: "the list is required; the emulator answers with no services",
        source: DESCRIBE_SERVICES,
    },
    Difference {
        sequence: "counts of services",
        call: "more than ten",
        fields: &[("outcome", "400 InvalidParameterException Invalid Rejected", "200")],
        right: Right::Simulation,
        why: "ten are the most; the emulator describes any number",
        source: DESCRIBE_SERVICES,
    },
    Difference {
        sequence: "counts of services",
        call: "a count in an unknown cluster",
        fields: &[(
            "outcome",
            "400 ClusterNotFoundException NotFound Rejected",
            "400 ServiceNotFoundException NotFound Rejected",
        )],
        right: Right::Simulation,
        why: "the emulator looks for the service only",
        source: "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html",
    },
    Difference {
        sequence: "changes that do not fit the zone",
        call: "with an unknown health check",
        fields: &[("outcome", "404 NoSuchHealthCheck NotFound Rejected", "200")],
        right: Right::Simulation,
        why: "the emulator does not look for the health check",
        source: CHANGE_RECORDS,
    },
    Difference {
        sequence: "changes that do not fit the zone",
        call: "creates a second primary",
        fields: &[("outcome", "400 InvalidChangeBatch Conflict Rejected", "200")],
        right: Right::Simulation,
        why: "the emulator does not hold the record sets of one name and type against each other",
        source: RECORD_SET,
    },
    Difference {
        sequence: "changes that do not fit the zone",
        call: "creates a weighted one beside a failover pair",
        fields: &[("outcome", "400 InvalidChangeBatch Conflict Rejected", "200")],
        right: Right::Simulation,
        why: "the emulator does not hold the record sets of one name and type against each other",
        source: RECORD_SET,
    },
    Difference {
        sequence: "changes that do not fit the zone",
        call: "creates a simple one beside a failover pair",
        fields: &[("outcome", "400 InvalidChangeBatch Conflict Rejected", "200")],
        right: Right::Simulation,
        why: "the emulator does not hold the record sets of one name and type against each other",
        source: RECORD_SET,
    },
    Difference {
        sequence: "the standby object",
        call: "the bucket of another owner",
        fields: &[("outcome", "403 UnknownError Denied Rejected", "200")],
        right: Right::Simulation,
        why: "the emulator does not look at the expected owner",
        source: BUCKET_OWNER,
    },
    Difference {
        sequence: "the standby object",
        call: "written to another owner's bucket",
        fields: &[("outcome", "403 AccessDenied Denied Rejected", "200")],
        right: Right::Simulation,
        why: "the emulator does not look at the expected owner",
        source: BUCKET_OWNER,
    },
    Difference {
        sequence: "routing controls",
        call: "none is on",
        fields: &[("outcome", "409 ConflictException Conflict Rejected", "200")],
        right: Right::Simulation,
        why: "the gateway's model knows no safety rules; a drill's rule of the gateway stands in for one",
        source: "https://docs.aws.amazon.com/r53recovery/latest/dg/routing-control.safety-rules.html",
    },
    Difference {
        sequence: "alarms and the lag",
        call: "the lag, the newest first",
        fields: &[("newest_first", "true", "false")],
        right: Right::Simulation,
        why: ORDER_OF_DATAPOINTS,
        source: METRIC_DATA,
    },
    Difference {
        sequence: "alarms and the lag",
        call: "the lag, in no order that was asked for",
        fields: &[("newest_first", "true", "false")],
        right: Right::Simulation,
        why: ORDER_OF_DATAPOINTS,
        source: METRIC_DATA,
    },
    Difference {
        sequence: "permissions",
        call: "what it may not",
        fields: &[("0", "allowed", "implicitDeny")],
        right: Right::LocalAws,
        why: "the simulation has no policies and allows the functions' roles everything; tests of the template and every \
              drill hold the policies against what the functions ask",
        source: POLICY_SIMULATOR,
    },
    Difference {
        sequence: "permissions",
        call: "what an unknown role may",
        fields: &[("outcome", "404 NoSuchEntity Invalid Rejected", "200")],
        right: Right::Simulation,
        why: "the emulator takes an unknown role for one without policies",
        source: POLICY_SIMULATOR,
    },
    Difference {
        sequence: "executions",
        call: "once more while it runs",
        fields: &[("outcome", "200", "400 ExecutionAlreadyExists Conflict Rejected")],
        right: Right::Simulation,
        why: "the same name and input while the execution runs is success; the emulator looks at the name only",
        source: "https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html",
    },
    Difference {
        sequence: "promote-aurora by failover",
        call: "preflight",
        fields: &[
            ("findings.4", FRESH_LAG, STALE_LAG),
            ("message", "10 checks, 0 with something to say", "10 checks, 1 with something to say"),
        ],
        right: Right::Simulation,
        why: ORDER_OF_DATAPOINTS,
        source: METRIC_DATA,
    },
    Difference {
        sequence: "promote-aurora by switchover",
        call: "preflight",
        fields: &[
            ("findings.4", FRESH_LAG, STALE_LAG),
            ("message", "10 checks, 0 with something to say", "10 checks, 1 with something to say"),
        ],
        right: Right::Simulation,
        why: ORDER_OF_DATAPOINTS,
        source: METRIC_DATA,
    },
    Difference {
        sequence: "promote-aurora by detach",
        call: "preflight",
        fields: &[
            ("findings.4", FRESH_LAG, STALE_LAG),
            ("message", "10 checks, 0 with something to say", "10 checks, 1 with something to say"),
        ],
        right: Right::Simulation,
        why: ORDER_OF_DATAPOINTS,
        source: METRIC_DATA,
    },
    Difference {
        sequence: "promote-aurora gives security groups back",
        call: "preflight",
        fields: &[
            ("findings.4", FRESH_LAG, STALE_LAG),
            ("message", "10 checks, 0 with something to say", "10 checks, 1 with something to say"),
        ],
        right: Right::Simulation,
        why: ORDER_OF_DATAPOINTS,
        source: METRIC_DATA,
    },
    Difference {
        sequence: "scale-ecs scales out",
        call: "preflight",
        fields: &[
            ("findings.2", QUOTA_KNOWN, QUOTA_UNKNOWN),
            ("message", "7 checks, 1 with something to say", "7 checks, 2 with something to say"),
        ],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: QUOTAS,
    },
    Difference {
        sequence: "scale-ecs scales out",
        call: "preflight afterwards",
        fields: &[
            ("findings.2", QUOTA_KNOWN, QUOTA_UNKNOWN),
            ("message", "7 checks, 0 with something to say", "7 checks, 1 with something to say"),
        ],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: QUOTAS,
    },
    Difference {
        sequence: "what the emulator lacks",
        call: "limits",
        fields: &[("outcome", "200", "400 UnknownError Invalid Rejected")],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: "https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DescribeScalableTargets.html",
    },
    Difference {
        sequence: "what the emulator lacks",
        call: "a change of limits",
        fields: &[("outcome", "200", "400 UnknownError Invalid Rejected")],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: "https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html",
    },
    Difference {
        sequence: "what the emulator lacks",
        call: "a quota",
        fields: &[("outcome", "200", "400 UnknownError Invalid Rejected")],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: QUOTAS,
    },
    Difference {
        sequence: "what the emulator lacks",
        call: "an unknown quota",
        fields: &[("outcome", "400 NoSuchResourceException Invalid Rejected", "400 UnknownError Invalid Rejected")],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: QUOTAS,
    },
    Difference {
        sequence: "what the emulator lacks",
        call: "an answer of name servers",
        fields: &[("outcome", "200", "400 InvalidInput Invalid Rejected")],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: "https://docs.aws.amazon.com/Route53/latest/APIReference/API_TestDNSAnswer.html",
    },
    Difference {
        sequence: "what the emulator lacks",
        call: "a routing control",
        fields: &[("outcome", "200", "400 UnknownError Invalid Rejected")],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: "https://docs.aws.amazon.com/routing-control/latest/APIReference/API_GetRoutingControlState.html",
    },
    Difference {
        sequence: "what the emulator lacks",
        call: "a change of routing controls",
        fields: &[("outcome", "200", "400 UnknownError Invalid Rejected")],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: "https://docs.aws.amazon.com/routing-control/latest/APIReference/API_UpdateRoutingControlStates.html",
    },
    Difference {
        sequence: "what the emulator lacks",
        call: "an accelerator",
        fields: &[("outcome", "200", "400  Unreachable PossiblyApplied")],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: "https://docs.aws.amazon.com/global-accelerator/latest/api/API_DescribeAccelerator.html",
    },
    Difference {
        sequence: "what the emulator lacks",
        call: "an endpoint group",
        fields: &[("outcome", "200", "400  Unreachable PossiblyApplied")],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: "https://docs.aws.amazon.com/global-accelerator/latest/api/API_DescribeEndpointGroup.html",
    },
    Difference {
        sequence: "what the emulator lacks",
        call: "a traffic dial",
        fields: &[("outcome", "200", "400  Unreachable PossiblyApplied")],
        right: Right::Simulation,
        why: NOT_COMPARABLE,
        source: "https://docs.aws.amazon.com/global-accelerator/latest/api/API_UpdateEndpointGroup.html",
    },
];
