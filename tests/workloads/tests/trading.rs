//! W1, row by row: what the template of "trading" makes in each of its two Regions.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use serde_json::{Value, json};
use workloads::{ACCOUNT, Deployment, Resource, Role, Stack, holds};

const PRIMARY_REGION: &str = "eu-central-1";
const PRIMARY_SECRET: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:trading-dev-database-AbCdEf";
const PRIMARY_TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:trading-dev";

fn stack(role: Role) -> Stack {
    let deployment = Deployment::of("trading", role);
    let deployment = match role {
        Role::Primary => deployment,
        Role::Standby => deployment.with("PrimarySecretArn", PRIMARY_SECRET).with("PrimaryTopicArn", PRIMARY_TOPIC),
    };
    deployment.expand().expect("the template expands")
}

fn both() -> [Stack; 2] {
    Role::BOTH.map(stack)
}

/// The alarm on a metric, wherever it is; there may be one only.
fn alarm<'a>(stack: &'a Stack, metric: &str) -> &'a Resource {
    let found: Vec<_> =
        stack.all("AWS::CloudWatch::Alarm").into_iter().filter(|alarm| alarm.text("MetricName") == metric).collect();
    assert_eq!(found.len(), 1, "alarms on {metric} in {}", stack.region);
    found[0]
}

fn tells_the_topic(stack: &Stack, alarm: &Resource) -> bool {
    holds(alarm.get("AlarmActions"), &stack.only("AWS::SNS::Topic").reference())
}

#[test]
fn w1_1_the_password_is_generated_and_only_secrets_manager_has_it() {
    let primary = stack(Role::Primary);
    let secret = primary.only("AWS::SecretsManager::Secret");
    assert_eq!(secret.get("GenerateSecretString/PasswordLength"), &json!(32));
    let template: Value = serde_json::from_str(secret.text("GenerateSecretString/SecretStringTemplate")).expect("JSON");
    assert_eq!(template, json!({ "username": "dbadmin" }), "nothing but the user name is given");
    let excluded = secret.text("GenerateSecretString/ExcludeCharacters");
    let allowed: String =
        (b'!'..=b'~').map(char::from).filter(|c| c.is_ascii_punctuation() && !excluded.contains(*c)).collect();
    let mut wanted: Vec<char> = "!#$%&*()-_=+[]{}<>:?".chars().collect();
    wanted.sort_unstable();
    assert_eq!(allowed.chars().collect::<Vec<_>>(), wanted);

    let cluster = primary.only("AWS::RDS::DBCluster");
    let password = format!("{{{{resolve:secretsmanager:{}:SecretString:password}}}}", secret.reference());
    assert_eq!(cluster.text("MasterUserPassword"), password);
    let standby = stack(Role::Standby);
    let member = standby.only("AWS::RDS::DBCluster");
    assert!(member.get("MasterUserPassword").is_null() && member.get("MasterUsername").is_null());
    assert!(standby.all("AWS::SecretsManager::Secret").is_empty(), "the standby has the replica");
    assert_eq!(secret.text("ReplicaRegions/0/Region"), standby.region);
}

#[test]
fn w1_1_each_region_takes_the_password_from_its_own_copy_of_the_secret() {
    let task = |stack: &Stack| stack.only("AWS::ECS::TaskDefinition").properties["ContainerDefinitions"][0].clone();
    for (stack, secret) in
        both().iter().zip(["${Database/SecretAttachment}", &PRIMARY_SECRET.replace(PRIMARY_REGION, "eu-west-1")])
    {
        let application = task(stack);
        let names: Vec<_> = application["Environment"].as_array().expect("a list").iter().map(|v| &v["Name"]).collect();
        assert!(!names.iter().any(|name| name.as_str().is_some_and(|name| name.contains("PASSWORD"))), "{names:?}");
        assert_eq!(application["Secrets"][1]["Name"], "DATABASE_PASSWORD");
        assert_eq!(application["Secrets"][1]["ValueFrom"], format!("{secret}:password::"));
    }
}

#[test]
fn w1_2_roles_name_exact_arns() {
    for stack in both() {
        for role in stack.all("AWS::IAM::Role") {
            for statement in role.statements().into_iter().filter(|statement| !statement["Resource"].is_null()) {
                let resources = workloads::texts(&statement["Resource"]);
                assert!(!resources.is_empty(), "{} says {statement}", role.path);
                // "*" is allowed with its reason beside it, which every_workload.rs sees to; half an ARN is not.
                assert!(
                    resources.iter().all(|arn| *arn == "*" || !arn.contains('*')),
                    "{} reaches more than it names: {resources:?}",
                    role.path
                );
            }
        }
        let pulls = stack.at("Service/ExecutionRole").statements();
        let images = pulls.iter().find(|statement| statement["Sid"] == "Images").expect("it pulls images");
        assert_eq!(images["Resource"][0], format!("arn:aws:ecr:{}:{ACCOUNT}:repository/trading", stack.region));
    }
}

#[test]
fn w1_3_one_failover_alias_record_in_each_region_and_only_the_primarys_has_a_health_check() {
    let [primary, standby] = both();
    for (stack, failover) in [(&primary, "PRIMARY"), (&standby, "SECONDARY")] {
        let records = stack.all("AWS::Route53::RecordSet");
        let failovers: Vec<_> = records.iter().filter(|record| !record.get("Failover").is_null()).collect();
        assert_eq!(failovers.len(), 1);
        let record = failovers[0];
        assert_eq!(record.text("Failover"), failover);
        assert_eq!(record.text("Name"), "${RecordName}");
        assert_eq!(record.get("AliasTarget/EvaluateTargetHealth"), &json!(true));
        let balancer = stack.only("AWS::ElasticLoadBalancingV2::LoadBalancer");
        assert_eq!(record.text("AliasTarget/DNSName"), balancer.attribute("DNSName"));
        assert_eq!(record.text("AliasTarget/HostedZoneId"), balancer.attribute("CanonicalHostedZoneID"));
    }
    let check = primary.target(primary.at("Records/FailoverRecord").text("HealthCheckId")).expect("a health check");
    assert_eq!(check.get("HealthCheckConfig/Inverted"), &json!(true));
    assert!(standby.at("Records/FailoverRecord").get("HealthCheckId").is_null());
}

#[test]
fn w1_3_the_primarys_health_check_looks_at_the_one_public_object_in_the_standby() {
    let [primary, standby] = both();
    let check = primary.at("HealthCheck/SwitchCheck");
    let bucket = standby.at("Switch/Bucket");
    let host = format!("{}.s3.{}.amazonaws.com", bucket.text("BucketName"), standby.region);
    assert_eq!(check.text("HealthCheckConfig/FullyQualifiedDomainName"), host);
    assert_eq!(check.text("HealthCheckConfig/ResourcePath"), format!("/{}", text(&standby.outputs["SwitchKey"])));
    let policy = standby.at("Switch/BucketPolicy").statements();
    let allowed: Vec<_> = policy.iter().filter(|statement| statement["Effect"] == "Allow").collect();
    assert_eq!(allowed.len(), 1);
    assert_eq!(allowed[0]["Action"], "s3:GetObject");
    let object = format!("{}/{}", bucket.attribute("Arn"), text(&standby.outputs["SwitchKey"]));
    assert_eq!(allowed[0]["Resource"], object);
}

#[test]
fn w1_3_each_region_is_watched_under_a_name_that_never_answers_for_the_other() {
    for stack in both() {
        let own = stack.at("Records/EndpointRecord");
        assert_eq!(own.text("Name"), format!("{}.${{RecordName}}", stack.region));
        assert!(own.get("Failover").is_null());
        assert_eq!(own.get("AliasTarget/EvaluateTargetHealth"), &json!(false));
        let check = stack.at("HealthCheck/EndpointCheck");
        assert_eq!(check.text("HealthCheckConfig/FullyQualifiedDomainName"), own.text("Name"));
    }
}

#[test]
fn w1_4_the_lag_alarm_watches_each_regions_own_cluster_in_its_own_region() {
    for stack in both() {
        let alarm = alarm(&stack, "AuroraGlobalDBReplicationLag");
        let cluster = stack.only("AWS::RDS::DBCluster");
        assert_eq!(
            alarm.get("Dimensions"),
            &json!([{ "Name": "DBClusterIdentifier", "Value": cluster.text("DBClusterIdentifier") }])
        );
        assert!(cluster.text("DBClusterIdentifier").ends_with(&stack.region), "so the two cannot be mixed up");
        assert_eq!(alarm.text("Namespace"), "AWS/RDS");
        assert_eq!(alarm.text("Statistic"), "Average");
        assert_eq!([alarm.get("Period"), alarm.get("EvaluationPeriods")], [&json!(60), &json!(2)]);
        assert_eq!(alarm.get("Threshold"), &json!(60_000), "milliseconds");
        assert_eq!(alarm.text("TreatMissingData"), "missing", "the writer has no such metric, which is no alarm");
        assert!(tells_the_topic(&stack, alarm));
    }
}

#[test]
fn w1_5_alarms_on_running_tasks_cpu_unhealthy_hosts_and_5xx() {
    for (stack, tasks) in both().iter().zip([2, 1]) {
        let running = alarm(stack, "RunningTaskCount");
        assert_eq!(running.text("Namespace"), "ECS/ContainerInsights");
        assert_eq!(running.get("Threshold"), &json!(tasks));
        assert_eq!(running.text("ComparisonOperator"), "LessThanThreshold");
        assert_eq!(running.text("TreatMissingData"), "breaching");
        let settings = stack.only("AWS::ECS::Cluster").get("ClusterSettings");
        assert_eq!(
            settings,
            &json!([{ "Name": "containerInsights", "Value": "enabled" }]),
            "where the metric comes from"
        );
        for metric in ["CPUUtilization", "UnHealthyHostCount", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"] {
            let alarm = alarm(stack, metric);
            assert_eq!(alarm.text("ComparisonOperator"), "GreaterThanThreshold");
            assert!(tells_the_topic(stack, alarm), "{metric}");
        }
        let hosts = alarm(stack, "UnHealthyHostCount");
        assert!(hosts.refers_to(stack.only("AWS::ElasticLoadBalancingV2::TargetGroup")));
    }
}

#[test]
fn w1_6_gateway_endpoints_for_s3_and_dynamodb_and_no_way_to_the_internet() {
    for stack in both() {
        let private = stack.at("Network/PrivateRouteTable");
        for service in ["s3", "dynamodb"] {
            let name = format!("com.amazonaws.{}.{service}", stack.region);
            let endpoints = stack.all("AWS::EC2::VPCEndpoint");
            let endpoint = endpoints.iter().find(|endpoint| endpoint.text("ServiceName") == name).expect("an endpoint");
            assert_eq!(endpoint.text("VpcEndpointType"), "Gateway");
            assert!(holds(endpoint.get("RouteTableIds"), &private.reference()));
        }
        assert!(stack.all("AWS::EC2::NatGateway").is_empty());
        let leads_out: Vec<_> =
            stack.all("AWS::EC2::Route").into_iter().filter(|route| route.refers_to(private)).collect();
        assert!(leads_out.is_empty(), "the private subnets have no route of their own: {leads_out:?}");
    }
}

#[test]
fn w1_6_a_task_reaches_what_it_needs_to_start_without_the_internet() {
    for stack in both() {
        let service = stack.only("AWS::ECS::Service");
        let subnets = service.get("NetworkConfiguration/AwsvpcConfiguration/Subnets");
        assert_eq!(subnets, &json!(["${Network/PrivateSubnetA}", "${Network/PrivateSubnetB}"]));
        assert_eq!(service.text("NetworkConfiguration/AwsvpcConfiguration/AssignPublicIp"), "DISABLED");
        for needed in ["ecr.api", "ecr.dkr", "logs", "secretsmanager", "xray"] {
            let name = format!("com.amazonaws.{}.{needed}", stack.region);
            let endpoints = stack.all("AWS::EC2::VPCEndpoint");
            let endpoint = endpoints.iter().find(|endpoint| endpoint.text("ServiceName") == name).expect(needed);
            assert_eq!(endpoint.get("PrivateDnsEnabled"), &json!(true), "{needed}");
            let nested = endpoint.path.split('/').next().unwrap_or_default();
            assert!(service.depends_on.contains(nested), "the service waits for {needed}");
        }
        let registry = format!("{ACCOUNT}.dkr.ecr.{}.amazonaws.com/", stack.region);
        let task = stack.only("AWS::ECS::TaskDefinition");
        for container in task.get("ContainerDefinitions").as_array().expect("containers") {
            assert!(text(&container["Image"]).starts_with(&registry), "no other registry can be reached");
        }
    }
}

#[test]
fn w1_7_what_the_primarys_topic_says_is_published_in_the_standby_too() {
    let [primary, standby] = both();
    assert_eq!(primary.all("AWS::SNS::Topic").len(), 1);
    assert!(primary.all("AWS::SNS::Subscription").is_empty(), "nothing comes back: no circle");
    let subscription = standby.only("AWS::SNS::Subscription");
    assert_eq!(subscription.text("TopicArn"), PRIMARY_TOPIC);
    assert_eq!(subscription.text("Region"), PRIMARY_REGION);
    let queue = standby.only("AWS::SQS::Queue");
    assert_eq!(subscription.text("Endpoint"), queue.attribute("Arn"));
    let policy = standby.only("AWS::SQS::QueuePolicy");
    let statements = policy.statements();
    assert_eq!(statements.len(), 1);
    assert_eq!(statements[0]["Condition"]["ArnEquals"]["aws:SourceArn"], PRIMARY_TOPIC);
    let pipe = standby.only("AWS::Pipes::Pipe");
    assert_eq!(pipe.text("Source"), queue.attribute("Arn"));
    assert_eq!(pipe.text("Target"), standby.only("AWS::SNS::Topic").reference());
}

#[test]
fn w1_7_only_this_workloads_alarms_may_publish() {
    for stack in both() {
        let policy = stack.only("AWS::SNS::TopicPolicy");
        let statements = policy.statements();
        let allowed: Vec<_> = statements.iter().filter(|statement| statement["Effect"] == "Allow").collect();
        assert_eq!(allowed.len(), 1);
        let alarms = format!("arn:aws:cloudwatch:{}:{ACCOUNT}:alarm:trading-dev-*", stack.region);
        assert_eq!(allowed[0]["Condition"]["ArnLike"]["aws:SourceArn"], alarms);
        for alarm in stack.all("AWS::CloudWatch::Alarm") {
            assert!(alarm.text("AlarmName").starts_with("trading-dev-"), "{} could not publish", alarm.path);
        }
    }
}

#[test]
fn w1_8_the_database_has_a_group_of_its_own_that_admits_the_service_only() {
    for stack in both() {
        let cluster = stack.only("AWS::RDS::DBCluster");
        let group = stack.at("Database/SecurityGroup");
        assert_eq!(cluster.get("VpcSecurityGroupIds"), &json!([group.reference()]));
        let ingress = group.get("SecurityGroupIngress").as_array().expect("rules");
        assert_eq!(ingress.len(), 1);
        let service = stack.only("AWS::ECS::Service").get("NetworkConfiguration/AwsvpcConfiguration/SecurityGroups");
        assert!(holds(service, text(&ingress[0]["SourceSecurityGroupId"])));
        assert_eq!([&ingress[0]["FromPort"], &ingress[0]["ToPort"]], [&json!(5432), &json!(5432)]);
        let added = stack.all("AWS::EC2::SecurityGroupIngress");
        assert!(!added.iter().any(|rule| rule.text("GroupId") == group.reference()), "nobody else is let in");
        for instance in stack.all("AWS::RDS::DBInstance") {
            assert_eq!(instance.get("PubliclyAccessible"), &json!(false));
        }
    }
}

#[test]
fn w1_8_each_region_encrypts_its_storage_with_its_own_key() {
    for stack in both() {
        let key = stack.only("AWS::KMS::Key");
        assert_eq!(key.get("EnableKeyRotation"), &json!(true));
        let cluster = stack.only("AWS::RDS::DBCluster");
        assert_eq!(cluster.get("StorageEncrypted"), &json!(true));
        assert_eq!(cluster.text("KmsKeyId"), key.attribute("Arn"));
    }
    assert_eq!(stack(Role::Primary).only("AWS::RDS::GlobalCluster").get("StorageEncrypted"), &json!(true));
}

#[test]
fn w1_9_an_xray_daemon_stands_beside_the_application_which_has_its_address() {
    for stack in both() {
        let task = stack.only("AWS::ECS::TaskDefinition");
        let containers = task.get("ContainerDefinitions").as_array().expect("containers");
        let daemon = containers.iter().find(|container| container["Name"] == "xray-daemon").expect("a daemon");
        assert_eq!(daemon["PortMappings"], json!([{ "ContainerPort": 2000, "Protocol": "udp" }]));
        let address = json!({ "Name": "AWS_XRAY_DAEMON_ADDRESS", "Value": "127.0.0.1:2000" });
        assert!(containers[0]["Environment"].as_array().expect("a list").contains(&address));
        assert_eq!(task.text("NetworkMode"), "awsvpc", "in which a task's containers share their addresses");
        let role = stack.target(task.text("TaskRoleArn")).expect("a role");
        let actions: Vec<_> =
            role.statements().into_iter().flat_map(|statement| workloads::texts(&statement["Action"])).collect();
        assert!(actions.contains(&"xray:PutTraceSegments"), "{actions:?}");
    }
}

#[test]
fn w1_10_logs_are_kept_for_seven_days_and_everything_carries_the_environment_suffix() {
    for role in Role::BOTH {
        let deployment = Deployment::of("trading", role).with("EnvironmentSuffix", "blue");
        let stack = deployment.with("PrimaryTopicArn", PRIMARY_TOPIC).expand().expect("the template expands");
        let groups = stack.all("AWS::Logs::LogGroup");
        assert!(groups.len() >= 3, "service, database, network");
        for group in groups {
            assert_eq!(group.get("RetentionInDays"), &json!(7), "{}", group.path);
        }
        let names = ["LogGroupName", "AlarmName", "ClusterName", "Name", "BucketName", "TopicName", "QueueName"];
        for resource in stack.resources.iter().filter(|resource| resource.kind != "AWS::Route53::RecordSet") {
            for name in
                names.iter().map(|name| resource.text(name)).filter(|name| !name.is_empty() && !name.starts_with("${"))
            {
                assert!(name.contains("trading-blue"), "{} is called {name}", resource.path);
            }
            assert_eq!(resource.tags.get("Environment").map(String::as_str), Some("blue"), "{}", resource.path);
        }
    }
}

#[test]
fn w1_10_everything_goes_with_the_stack() {
    for stack in both() {
        for resource in &stack.resources {
            assert_ne!(resource.deletion_policy.as_deref(), Some("Retain"), "{}", resource.path);
            assert_ne!(resource.deletion_policy.as_deref(), Some("Snapshot"), "{}", resource.path);
            assert!(["", "false"].contains(&resource.text("DeletionProtection")), "{}", resource.path);
        }
        // Without a policy, CloudFormation would keep a snapshot of it.
        assert_eq!(stack.only("AWS::RDS::DBCluster").deletion_policy.as_deref(), Some("Delete"));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}
