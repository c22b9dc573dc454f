//! The workload edge, row by row (W4), in both Regions.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use serde_json::{Value, json};
use workloads::{ACCOUNT, Deployment, Resource, Role, Stack, holds, texts};

const NAME: &str = "edge-dev";
const HOME: &str = "us-east-1";
const STANDBY: &str = "us-east-2";
const HOME_KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/home";
const STANDBY_KEY: &str = "arn:aws:kms:us-east-2:123456789012:key/standby";
const LISTENER: &str = "arn:aws:globalaccelerator::123456789012:accelerator/a/listener/l";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:edge-dev-database-Ab12Cd";
const CERTIFICATE: &str = "arn:aws:acm:us-east-1:123456789012:certificate/c";

/// A deployment as it is when both stacks are there: each knows the other's outputs.
fn deployment(role: Role) -> Deployment {
    let (peer, peer_key) = match role {
        Role::Primary => (STANDBY, STANDBY_KEY),
        Role::Standby => (HOME, HOME_KEY),
    };
    let deployment = Deployment::of("edge", role)
        .with("PeerRegion", peer)
        .with("PeerKeyArn", peer_key)
        .with("PeerEndpointCheckId", "peer-endpoint-check")
        .with("CertificateArn", CERTIFICATE)
        .with("ApiDomainName", "api.example.com");
    match role {
        Role::Primary => deployment.with("PeeringConnectionId", "pcx-standby"),
        Role::Standby => deployment
            .with("PeerVpcId", "vpc-primary")
            .with("PrimaryTopicArn", "arn:aws:sns:us-east-1:123456789012:edge-dev")
            .with("PrimarySecretArn", SECRET)
            .with("PrimaryListenerArn", LISTENER),
    }
}

fn stack(role: Role) -> Stack {
    deployment(role).expand().expect("it expands")
}

/// Both stacks, the primary's first.
fn both() -> [Stack; 2] {
    Role::BOTH.map(stack)
}

/// The primary's stack at its first deployment, when there is no standby.
fn first_stack() -> Stack {
    let first = deployment(Role::Primary).with("PeerKeyArn", "").with("PeerEndpointCheckId", "");
    first.with("PeeringConnectionId", "").expand().expect("it expands")
}

fn peer_of(region: &str) -> &'static str {
    if region == HOME { STANDBY } else { HOME }
}

/// The resources that a policy lets somebody do this to.
fn permitted<'a>(policy: &'a Resource, action: &str) -> Vec<&'a str> {
    let statements = policy.statements();
    let allowing = statements.iter().filter(|one| one["Effect"] == "Allow" && holds(&one["Action"], action));
    allowing.flat_map(|one| texts(&one["Resource"])).collect()
}

#[test]
fn w4_1_one_accelerator_listens_on_tcp_443_with_an_endpoint_group_in_each_region() {
    let [primary, standby] = both();
    let accelerator = primary.only("AWS::GlobalAccelerator::Accelerator");
    let listener = primary.only("AWS::GlobalAccelerator::Listener");
    assert_eq!(listener.text("AcceleratorArn"), accelerator.reference());
    assert_eq!(listener.text("Protocol"), "TCP");
    assert_eq!(listener.get("PortRanges"), &json!([{ "FromPort": 443, "ToPort": 443 }]));
    assert!(standby.all("AWS::GlobalAccelerator::Accelerator").is_empty(), "the addresses are one resource");

    for (stack, listener) in [(&primary, listener.reference()), (&standby, LISTENER.to_owned())] {
        let group = stack.only("AWS::GlobalAccelerator::EndpointGroup");
        assert_eq!(group.text("ListenerArn"), listener);
        assert_eq!(group.text("EndpointGroupRegion"), stack.region);
        let endpoints = group.get("EndpointConfigurations").as_array().expect("endpoints");
        let load_balancer = stack.at("NetworkLoadBalancer/LoadBalancer").reference();
        assert_eq!(endpoints.len(), 1);
        assert_eq!(endpoints[0]["EndpointId"], load_balancer);
    }
}

#[test]
fn w4_1_no_template_turns_a_traffic_dial_or_a_weight() {
    // What a failover turned stays, since an update sends neither.
    for stack in both() {
        let group = stack.only("AWS::GlobalAccelerator::EndpointGroup");
        assert!(group.get("TrafficDialPercentage").is_null());
        assert!(group.get("EndpointConfigurations/0/Weight").is_null());
    }
}

#[test]
fn w4_1_a_redeploy_sends_nothing_about_the_endpoint_group() {
    // CloudFormation touches a resource when its properties have changed.
    let [before, after] = [first_stack(), stack(Role::Primary)];
    for path in ["EndpointGroup/EndpointGroup", "Accelerator/Accelerator", "Accelerator/Listener"] {
        assert_eq!(before.at(path).properties, after.at(path).properties, "{path}");
    }
}

#[test]
fn w4_1_the_published_plan_turns_the_dials_of_both_regions_and_promotes_these_clusters() {
    let plan = std::fs::read_to_string(workloads::project_root().join("infra/plans/edge.json")).expect("the plan");
    let plan: Value = serde_json::from_str(&plan).expect("JSON");
    assert_eq!((plan["home_region"].as_str(), &plan["standby_regions"]), (Some(HOME), &json!([STANDBY])));
    for role in Role::BOTH {
        let stack = deployment(role).with("EnvironmentSuffix", "prod").expand().expect("it expands");
        let group = &plan["traffic"][0]["traffic_dial"]["endpoint_groups"][&stack.region];
        assert!(group.as_str().is_some_and(|arn| arn.contains("/endpoint-group/")), "{group}");
        let cluster = stack.only("AWS::RDS::DBCluster").text("DBClusterIdentifier");
        let arn = format!("arn:aws:rds:{}:{ACCOUNT}:cluster:{cluster}", stack.region);
        assert_eq!(plan["aurora"][0]["clusters"][&stack.region], arn);
        assert_eq!(plan["aurora"][0]["global_cluster_id"], stack.outputs["GlobalClusterId"]);
        let probe = plan["detection"]["endpoints"][&stack.region].as_str().expect("an endpoint");
        assert!(probe.ends_with(&format!(".execute-api.{}.amazonaws.com/live/health", stack.region)), "{probe}");
    }
}

#[test]
fn w4_2_each_region_has_public_and_private_subnets_and_the_networks_are_apart() {
    let blocks = both().map(|stack| {
        let subnets = stack.all("AWS::EC2::Subnet");
        let count = |kind: &str| subnets.iter().filter(|subnet| subnet.path.contains(kind)).count();
        assert_eq!((count("Public"), count("Private")), (2, 2));
        stack.only("AWS::EC2::VPC").text("CidrBlock").to_owned()
    });
    assert_eq!(blocks, ["10.30.0.0/16", "10.40.0.0/16"]);
}

#[test]
fn w4_2_the_two_vpcs_are_peered_and_each_has_a_route_to_the_other() {
    let [primary, standby] = both();
    let connection = standby.only("AWS::EC2::VPCPeeringConnection");
    assert_eq!(connection.text("VpcId"), standby.only("AWS::EC2::VPC").reference());
    assert_eq!(connection.text("PeerVpcId"), "vpc-primary");
    assert_eq!(connection.text("PeerRegion"), HOME);
    assert!(primary.all("AWS::EC2::VPCPeeringConnection").is_empty(), "it is one resource");

    for (stack, other, connection) in
        [(&primary, &standby, "pcx-standby".to_owned()), (&standby, &primary, connection.reference())]
    {
        let route = stack.at("Peering/RouteToPeer");
        assert_eq!(route.text("VpcPeeringConnectionId"), connection);
        assert_eq!(route.text("DestinationCidrBlock"), other.only("AWS::EC2::VPC").text("CidrBlock"));
        assert_eq!(route.text("RouteTableId"), stack.at("Network/PrivateRouteTable").reference());
    }
    assert!(first_stack().find("Peering/RouteToPeer").is_none(), "there is nothing to be routed to yet");
}

#[test]
fn w4_2_the_network_load_balancer_passes_443_on_to_a_load_balancer_that_ends_tls() {
    for stack in both() {
        let load_balancer = stack.at("NetworkLoadBalancer/LoadBalancer");
        assert_eq!(load_balancer.text("Type"), "network");
        let listener = stack.at("NetworkLoadBalancer/Listener");
        assert_eq!(listener.text("LoadBalancerArn"), load_balancer.reference());
        assert_eq!((listener.text("Protocol"), listener.get("Port")), ("TCP", &json!(443)));
        let targets = stack.at("NetworkLoadBalancer/TargetGroup");
        assert_eq!(listener.text("DefaultActions/0/TargetGroupArn"), targets.reference());
        assert_eq!(targets.text("TargetType"), "alb");
        let behind = stack.at("LoadBalancer/LoadBalancer");
        assert_eq!(targets.get("Targets"), &json!([{ "Id": behind.reference(), "Port": 443 }]));
        assert_eq!(behind.text("Scheme"), "internal");
        let tls = stack.at("LoadBalancer/Listener");
        assert_eq!(tls.text("Protocol"), "HTTPS");
        assert!(tls.text("SslPolicy").contains("1-2"), "TLS 1.2 or newer");
    }
}

#[test]
fn w4_2_the_load_balancer_may_call_the_function_before_it_has_it_as_a_target() {
    for stack in both() {
        let targets = stack.at("LoadBalancer/TargetGroup");
        let function = stack.at("Payments/Function");
        assert_eq!(targets.get("Targets"), &json!([{ "Id": function.attribute("Arn") }]));
        let group = targets.text("Name");
        let source = format!("arn:aws:elasticloadbalancing:{}:{ACCOUNT}:targetgroup/{group}/*", stack.region);
        let permission = stack.at("Payments/LoadBalancerPermission");
        assert_eq!(permission.text("SourceArn"), source);
        assert_eq!(permission.text("FunctionName"), function.reference());
    }
}

#[test]
fn w4_2_without_a_certificate_nothing_is_served_in_the_clear() {
    for role in Role::BOTH {
        let stack = deployment(role).with("CertificateArn", "").expand().expect("it expands");
        assert!(stack.find("LoadBalancer/LoadBalancer").is_none());
        assert!(stack.at("NetworkLoadBalancer/TargetGroup").get("Targets").is_null());
    }
}

#[test]
fn w4_3_each_load_balancer_is_checked_by_its_own_name() {
    for stack in both() {
        let check = stack.only("AWS::Route53::HealthCheck");
        let config = check.get("HealthCheckConfig");
        let own_name = stack.at("NetworkLoadBalancer/LoadBalancer").attribute("DNSName");
        assert_eq!(config["FullyQualifiedDomainName"], own_name);
        assert_eq!((&config["Type"], &config["Port"]), (&json!("TCP"), &json!(443)));
        assert_eq!((&config["RequestInterval"], &config["FailureThreshold"]), (&json!(30), &json!(3)));
        let placeholders: Vec<_> = stack
            .resources
            .iter()
            .flat_map(|resource| texts(&resource.properties))
            .filter(|text| text.contains("example.com") && *text != "api.example.com")
            .collect();
        assert_eq!(placeholders, [""; 0]);
    }
}

#[test]
fn w4_4_a_rest_api_in_each_region_has_a_health_resource() {
    for stack in both() {
        let api = stack.only("AWS::ApiGateway::RestApi");
        let health = stack.at("Api/HealthResource");
        assert_eq!(health.text("PathPart"), "health");
        let method = stack.at("Api/HealthMethod");
        assert_eq!(method.text("ResourceId"), health.reference());
        assert_eq!((method.text("HttpMethod"), method.text("AuthorizationType")), ("GET", "NONE"));
        let function = stack.at("Payments/Function");
        assert!(method.text("Integration/Uri").contains(&function.attribute("Arn")));
        let permission = stack.at("Api/HealthPermission");
        let source = format!("arn:aws:execute-api:{}:{ACCOUNT}:{}/live/GET/health", stack.region, api.reference());
        assert_eq!(permission.text("SourceArn"), source);
        assert_eq!(stack.at("Api/Stage").text("StageName"), "live");
        assert!(stack.at("Api/Deployment").depends_on.contains("Api/HealthMethod"), "it is a copy of the methods");
        let url =
            format!("https://{}.execute-api.{}.amazonaws.com/${{Api/Stage}}/health", api.reference(), stack.region);
        assert_eq!(stack.outputs["HealthUrl"], url);
    }
}

#[test]
fn w4_4_the_custom_domain_is_there_with_its_name_and_certificate_and_not_without() {
    for role in Role::BOTH {
        let domain = stack(role);
        let domain = domain.only("AWS::ApiGateway::DomainName");
        assert_eq!(domain.text("DomainName"), "api.example.com");
        assert_eq!(domain.text("RegionalCertificateArn"), CERTIFICATE);
        assert_eq!(domain.text("SecurityPolicy"), "TLS_1_2");
        for missing in ["CertificateArn", "ApiDomainName"] {
            let without = deployment(role).with(missing, "").expand().expect("it expands");
            assert!(without.all("AWS::ApiGateway::DomainName").is_empty(), "without {missing}");
            assert!(without.all("AWS::ApiGateway::BasePathMapping").is_empty(), "without {missing}");
        }
    }
}

#[test]
fn w4_5_the_primary_has_endpoint_and_flags_and_nothing_secret_stands_in_a_template() {
    let [primary, standby] = both();
    let mut parameters: Vec<_> =
        primary.all("AWS::SSM::Parameter").iter().map(|one| (one.text("Name"), one.text("Type"))).collect();
    parameters.sort_unstable();
    assert_eq!(parameters, [("/edge/dev/database-endpoint", "String"), ("/edge/dev/feature-flags", "String")]);
    let endpoint = primary.at("Parameters/DatabaseEndpointParameter");
    assert_eq!(endpoint.text("Value"), primary.at("Database/Cluster").attribute("Endpoint.Address"));
    assert!(standby.all("AWS::SSM::Parameter").is_empty(), "they are replicated, not described twice");
}

#[test]
fn w4_5_each_change_under_the_prefix_goes_to_a_function_that_changes_the_other_region() {
    for stack in both() {
        let peer = peer_of(&stack.region);
        let changes = stack.at("ParameterReplication/ChangeRule");
        let pattern = changes.get("EventPattern");
        assert!(changes.get("EventBusName").is_null(), "the Parameter Store's events come on the default bus");
        assert_eq!(pattern["source"], json!(["aws.ssm"]));
        assert_eq!(pattern["detail"]["name"], json!([{ "prefix": "/edge/dev/" }]));
        assert_eq!(pattern["detail"]["operation"], json!(["Create", "Update", "Delete"]));
        let queue = stack.at("ParameterReplication/ChangeQueue");
        assert_eq!(changes.get("Targets/0/Arn"), &json!(queue.attribute("Arn")));
        assert_eq!(
            permitted(stack.at("ParameterReplication/ChangeQueuePolicy"), "sqs:SendMessage"),
            [queue.attribute("Arn")]
        );
        let source = stack.at("ParameterReplication/ReplicateParametersSource");
        assert_eq!(source.text("EventSourceArn"), queue.attribute("Arn"));
        assert_eq!(source.get("FunctionResponseTypes"), &json!(["ReportBatchItemFailures"]));

        let function = stack.at("ParameterReplication/ReplicateParametersFunction");
        let variables = function.get("Environment/Variables");
        assert_eq!(variables["DESTINATION_REGION"], peer);
        assert_eq!(variables["PARAMETER_PREFIX"], "/edge/dev");
        let peer_key = if peer == HOME { HOME_KEY } else { STANDBY_KEY };
        assert_eq!(variables["DESTINATION_KMS_KEY_ARN"], peer_key);
        let role = stack.target(function.text("Role")).expect("its role");
        let there = format!("arn:aws:ssm:{peer}:{ACCOUNT}:parameter/edge/dev/*");
        assert_eq!(permitted(role, "ssm:PutParameter"), [there.as_str()]);
        assert_eq!(permitted(role, "ssm:DeleteParameter"), [there.as_str()]);
        assert_eq!(permitted(role, "kms:Encrypt"), [peer_key]);
    }
}

#[test]
fn w4_5_each_function_knows_the_other_ones_changes_for_copies() {
    let [primary, standby] = both();
    for (stack, other) in [(&primary, &standby), (&standby, &primary)] {
        let function = stack.at("ParameterReplication/ReplicateParametersFunction");
        let others_role = other.at("ParameterReplication/ReplicateParametersRole").text("RoleName");
        assert_eq!(function.text("Environment/Variables/PEER_ROLE_NAME"), others_role);
    }
}

#[test]
fn w4_5_a_change_waits_for_hours_for_the_other_region() {
    for stack in both() {
        let queue = stack.at("ParameterReplication/ChangeQueue");
        let timeout = stack.at("ParameterReplication/ReplicateParametersFunction").get("Timeout").as_u64();
        let visibility = queue.get("VisibilityTimeout").as_u64().expect("a visibility timeout");
        let attempts = queue.get("RedrivePolicy/maxReceiveCount").as_u64().expect("a number of attempts");
        assert!(visibility >= 6 * timeout.expect("a timeout"), "Lambda's own advice");
        assert!(attempts * visibility >= 4 * 3600);
        let dead_letters = stack.at("ParameterReplication/DeadLetterQueue");
        assert_eq!(queue.text("RedrivePolicy/deadLetterTargetArn"), dead_letters.attribute("Arn"));
        assert!(stack.at("ParameterReplication/DeadLettersAlarm").refers_to(dead_letters));
    }
}

#[test]
fn w4_6_the_buckets_replicate_within_15_minutes_and_the_table_is_global() {
    for stack in both() {
        let rule = stack.at("Storage/Bucket").get("ReplicationConfiguration/Rules/0");
        assert_eq!(rule["Status"], "Enabled");
        let destination = &rule["Destination"];
        assert_eq!(destination["Bucket"], format!("arn:aws:s3:::{NAME}-{ACCOUNT}-{}", peer_of(&stack.region)));
        assert_eq!(destination["ReplicationTime"], json!({ "Status": "Enabled", "Time": { "Minutes": 15 } }));
    }
    let [primary, standby] = both();
    let table = primary.only("AWS::DynamoDB::GlobalTable");
    let replicas = table.get("Replicas").as_array().expect("replicas");
    let regions: Vec<_> = replicas.iter().map(|replica| &replica["Region"]).collect();
    assert_eq!(regions, [HOME, STANDBY]);
    assert!(standby.all("AWS::DynamoDB::GlobalTable").is_empty());
    for stack in [&primary, &standby] {
        let variables = stack.at("Payments/Function").get("Environment/Variables");
        assert_eq!(variables["TRANSACTIONS_TABLE"], table.text("TableName"));
    }
}

#[test]
fn w4_6_the_global_database_runs_serverless_between_half_an_acu_and_one() {
    let [primary, standby] = both();
    assert_eq!(primary.all("AWS::RDS::GlobalCluster").len(), 1);
    assert!(standby.all("AWS::RDS::GlobalCluster").is_empty());
    for stack in [&primary, &standby] {
        let cluster = stack.only("AWS::RDS::DBCluster");
        let scaling = cluster.get("ServerlessV2ScalingConfiguration");
        assert_eq!(scaling, &json!({ "MinCapacity": 0.5, "MaxCapacity": 1 }));
        assert!(
            !stack.all("AWS::RDS::DBInstance").is_empty(),
            "a member without an instance could not be promoted at once"
        );
        for instance in stack.all("AWS::RDS::DBInstance") {
            assert_eq!(instance.text("DBInstanceClass"), "db.serverless");
        }
    }
}

#[test]
fn w4_7_each_region_backs_up_daily_and_copies_to_the_other_for_7_days() {
    for stack in both() {
        let peer = peer_of(&stack.region);
        let vault = stack.only("AWS::Backup::BackupVault");
        assert_eq!(vault.text("EncryptionKeyArn"), stack.at("Key/Key").attribute("Arn"));
        let plan = stack.only("AWS::Backup::BackupPlan");
        let rule = plan.get("BackupPlan/BackupPlanRule/0");
        assert_eq!(rule["TargetBackupVault"], vault.reference());
        assert_eq!(rule["ScheduleExpression"], "cron(0 5 * * ? *)", "every day");
        assert_eq!(rule["Lifecycle"]["DeleteAfterDays"], 7);
        let there = format!("arn:aws:backup:{peer}:{ACCOUNT}:backup-vault:{}", vault.text("BackupVaultName"));
        let copy = json!([{ "DestinationBackupVaultArn": there, "Lifecycle": { "DeleteAfterDays": 7 } }]);
        assert_eq!(rule["CopyActions"], copy);
        let selection = stack.only("AWS::Backup::BackupSelection");
        assert_eq!(selection.text("BackupPlanId"), plan.reference());
        let table = format!("arn:aws:dynamodb:{}:{ACCOUNT}:table/edge-transactions-dev", stack.region);
        let cluster = stack.at("Database/Cluster").attribute("DBClusterArn");
        assert_eq!(selection.get("BackupSelection/Resources"), &json!([table, cluster]));
    }
    let first = first_stack();
    let rule = first.only("AWS::Backup::BackupPlan").get("BackupPlan/BackupPlanRule/0");
    assert!(rule["CopyActions"].is_null(), "there is no other vault yet");
}

#[test]
fn w4_8_each_region_has_a_bus_and_a_rule_that_pays_by_the_regions_own_api() {
    let names = both().map(|stack| {
        let bus = stack.only("AWS::Events::EventBus");
        let rule = stack.at("Events/PaymentRule");
        assert_eq!(rule.text("EventBusName"), bus.reference());
        let target = rule.text("Targets/0/Arn");
        assert!(target.starts_with(&format!("arn:aws:execute-api:{}:", stack.region)), "{target}");
        assert!(target.contains(&stack.only("AWS::ApiGateway::RestApi").reference()), "{target}");
        assert!(target.ends_with("/POST/payment"), "{target}");
        let caller = stack.target(rule.text("Targets/0/RoleArn")).expect("its role");
        assert_eq!(permitted(caller, "execute-api:Invoke"), [target]);
        let dead_letters = stack.at("Events/UndeliveredQueue").attribute("Arn");
        assert_eq!(rule.text("Targets/0/DeadLetterConfig/Arn"), dead_letters);
        bus.text("Name").to_owned()
    });
    assert_eq!(names[0], names[1], "a global endpoint wants one name");
}

#[test]
fn w4_8_a_global_endpoint_stands_over_both_buses_and_replicates() {
    let [primary, standby] = both();
    let endpoint = primary.only("AWS::Events::Endpoint");
    let there = format!("arn:aws:events:{STANDBY}:{ACCOUNT}:event-bus/{NAME}");
    let buses = json!([
        { "EventBusArn": primary.only("AWS::Events::EventBus").attribute("Arn") },
        { "EventBusArn": there },
    ]);
    assert_eq!(endpoint.get("EventBuses"), &buses);
    let routing = endpoint.get("RoutingConfig/FailoverConfig");
    let check = primary.only("AWS::Route53::HealthCheck").reference();
    assert_eq!(routing["Primary"]["HealthCheck"], format!("arn:aws:route53:::healthcheck/{check}"));
    assert_eq!(routing["Secondary"]["Route"], STANDBY);
    assert_eq!(endpoint.text("ReplicationConfig/State"), "ENABLED");
    let role = primary.target(endpoint.text("RoleArn")).expect("its role");
    assert!(permitted(role, "events:PutEvents").contains(&there.as_str()));
    assert!(standby.all("AWS::Events::Endpoint").is_empty());
    assert!(first_stack().all("AWS::Events::Endpoint").is_empty(), "the other bus is not there yet");
}

#[test]
fn w4_9_both_regions_have_a_dashboard_and_a_topic_and_every_alarm_speaks() {
    for stack in both() {
        let body = stack.only("AWS::CloudWatch::Dashboard").text("DashboardBody");
        let body: Value = serde_json::from_str(body).expect("JSON");
        let check = stack.only("AWS::Route53::HealthCheck").reference();
        assert!(texts(&body).contains(&check.as_str()) && texts(&body).contains(&"peer-endpoint-check"));
        let topic = stack.only("AWS::SNS::Topic").reference();
        for alarm in stack.all("AWS::CloudWatch::Alarm") {
            assert_eq!(alarm.get("AlarmActions"), &json!([topic]), "{}", alarm.path);
            assert!(alarm.text("AlarmName").starts_with("edge-dev-"), "{}: its topic would refuse it", alarm.path);
            assert!(!alarm.text("TreatMissingData").is_empty(), "{}", alarm.path);
        }
    }
}

#[test]
fn w4_9_every_health_check_has_an_alarm_where_its_metric_is() {
    let [primary, standby] = both();
    let watched = |stack: &Stack| -> Vec<String> {
        let alarms = stack.all("AWS::CloudWatch::Alarm").into_iter();
        let on_checks = alarms.filter(|alarm| alarm.text("Namespace") == "AWS/Route53");
        on_checks.map(|alarm| alarm.text("Dimensions/0/Value").to_owned()).collect()
    };
    let own = primary.only("AWS::Route53::HealthCheck").reference();
    assert_eq!(watched(&primary), [own, "peer-endpoint-check".to_owned()]);
    assert!(watched(&standby).is_empty(), "there is no metric in {STANDBY}");
}

#[test]
fn w4_10_nothing_outlives_its_stack_outside_production() {
    for role in Role::BOTH {
        let stack = stack(role);
        for resource in &stack.resources {
            let outlives = |policy: &Option<String>| policy.as_deref().is_some_and(|policy| policy != "Delete");
            assert!(!outlives(&resource.deletion_policy), "{}: {:?}", resource.path, resource.deletion_policy);
            assert!(!outlives(&resource.update_replace_policy), "{}", resource.path);
        }
        // These leave a snapshot when nothing is said.
        for kind in ["AWS::RDS::DBCluster", "AWS::RDS::DBInstance"] {
            for resource in stack.all(kind) {
                assert_eq!(resource.deletion_policy.as_deref(), Some("Delete"), "{}", resource.path);
            }
        }
        assert_eq!(protected(&stack), [""; 0], "no deletion protection");
        assert!(stack.only("AWS::Backup::BackupVault").get("LockConfiguration").is_null());
        // Otherwise Global Accelerator leaves a security group behind, and the VPC stays.
        let group = stack.only("AWS::GlobalAccelerator::EndpointGroup");
        assert_eq!(group.get("EndpointConfigurations/0/ClientIPPreservationEnabled"), &json!(false));
    }
}

#[test]
fn w4_10_in_production_what_holds_data_or_traffic_is_protected() {
    let [primary, standby] = Role::BOTH.map(|role| {
        let stack = deployment(role).with("DeletionProtection", "true").expand().expect("it expands");
        protected(&stack).into_iter().map(str::to_owned).collect::<Vec<_>>()
    });
    let in_both = ["Database/Cluster", "LoadBalancer/LoadBalancer", "NetworkLoadBalancer/LoadBalancer"];
    for path in in_both {
        assert!(primary.iter().any(|one| one == path) && standby.iter().any(|one| one == path), "{path}");
    }
    assert!(primary.iter().any(|path| path == "Table/Table"));
}

/// What cannot be deleted, by path.
fn protected(stack: &Stack) -> Vec<&str> {
    let is_protected = |resource: &&Resource| {
        let attributes = resource.get("LoadBalancerAttributes").as_array().cloned().unwrap_or_default();
        let replicas = resource.get("Replicas").as_array().cloned().unwrap_or_default();
        is_true(resource.get("DeletionProtection"))
            || attributes.iter().any(|one| one["Key"] == "deletion_protection.enabled" && is_true(&one["Value"]))
            || replicas.iter().any(|replica| is_true(&replica["DeletionProtectionEnabled"]))
    };
    stack.resources.iter().filter(is_protected).map(|resource| resource.path.as_str()).collect()
}

fn is_true(value: &Value) -> bool {
    value == "true" || value == &Value::Bool(true)
}
