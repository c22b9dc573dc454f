//! W3, row by row: what the template of "payments-alb" makes in each of its two Regions.
#![allow(clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use serde_json::{Value, json};
use workloads::{ACCOUNT, Deployment, Resource, Role, Stack, holds, template, texts, workload_template};

const PRIMARY_SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:payments-alb-dev-database-AbCdEf";

fn deployment(role: Role) -> Deployment {
    let deployment = Deployment::of("payments-alb", role);
    match role {
        Role::Primary => deployment,
        Role::Standby => deployment.with("PrimarySecretArn", PRIMARY_SECRET),
    }
}

fn stack(role: Role) -> Stack {
    deployment(role).expand().expect("the template expands")
}

fn both() -> [Stack; 2] {
    Role::BOTH.map(stack)
}

fn alarm<'a>(stack: &'a Stack, metric: &str) -> &'a Resource {
    let alarms = stack.all("AWS::CloudWatch::Alarm");
    let found: Vec<_> = alarms.into_iter().filter(|alarm| alarm.text("MetricName") == metric).collect();
    assert_eq!(found.len(), 1, "alarms on {metric} in {}", stack.region);
    found[0]
}

fn statement<'a>(role: &'a Resource, sid: &str) -> &'a Value {
    let found = role.statements().into_iter().find(|statement| statement["Sid"] == sid);
    found.unwrap_or_else(|| panic!("{} has no statement {sid}", role.path))
}

#[test]
fn w3_1_what_each_region_needs_of_the_other_is_an_output_of_the_others_stack() {
    let [primary, standby] = both();
    let file = template(&workload_template("payments-alb")).expect("the template");
    for (side, other) in [("Standby", &primary), ("Primary", &standby)] {
        let handover = file["Metadata"]["Handover"][side].as_object().expect("a handover");
        for (parameter, output) in handover {
            assert!(file["Parameters"].get(parameter).is_some(), "{parameter} is no parameter");
            assert!(other.outputs.contains_key(output.as_str().expect("text")), "{output} is no output");
        }
    }
    // The first deployment has nothing of the other Region yet.
    let first = deployment(Role::Primary).with("PeerKeyArn", "").with("PeerEndpointCheckId", "").expand();
    let first = first.expect("it expands alone");
    assert!(first.at("Documents/Bucket").get("ReplicationConfiguration").is_null());
    assert!(primary.at("Documents/Bucket").get("ReplicationConfiguration").is_object());
}

#[test]
fn w3_1_the_standby_refuses_to_be_deployed_without_the_primarys_outputs() {
    let file = template(&workload_template("payments-alb")).expect("the template");
    let rule = &file["Rules"]["StandbyKnowsThePrimary"];
    assert_eq!(rule["RuleCondition"], json!({ "Fn::Equals": [{ "Ref": "RegionRole" }, "standby"] }));
    for parameter in ["PrimarySecretArn", "PeerKeyArn"] {
        let given = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": parameter }, ""] }] });
        let assertions = rule["Assertions"].as_array().expect("assertions");
        assert!(assertions.iter().any(|assertion| assertion["Assert"] == given), "{parameter}");
    }
}

#[test]
fn w3_2_https_only_with_the_given_certificate_tls_1_2_and_an_access_log() {
    for stack in both() {
        let listener = stack.only("AWS::ElasticLoadBalancingV2::Listener");
        assert_eq!([listener.get("Port"), listener.get("Protocol")], [&json!(443), &json!("HTTPS")]);
        assert_eq!(listener.text("SslPolicy"), "ELBSecurityPolicy-TLS13-1-2-2021-06");
        assert_eq!(listener.text("Certificates/0/CertificateArn"), "${CertificateArn}");
        let balancer = stack.only("AWS::ElasticLoadBalancingV2::LoadBalancer");
        let attributes = balancer.get("LoadBalancerAttributes").as_array().expect("attributes");
        assert!(attributes.contains(&json!({ "Key": "access_logs.s3.enabled", "Value": "true" })));
        let log = stack.at("LoadBalancer/AccessLogBucket");
        assert!(attributes.contains(&json!({ "Key": "access_logs.s3.bucket", "Value": log.reference() })));
        let writes = statement(stack.at("LoadBalancer/AccessLogPolicy"), "LoadBalancersLog");
        assert_eq!(writes["Principal"]["Service"], "logdelivery.elasticloadbalancing.amazonaws.com");
        assert!(balancer.depends_on.contains("LoadBalancer/AccessLogPolicy"), "or its first write would be refused");
    }
}

#[test]
fn w3_3_the_documents_are_encrypted_private_and_replicated_to_the_other_region() {
    let [primary, standby] = both();
    for (stack, other) in [(&primary, &standby), (&standby, &primary)] {
        let bucket = stack.at("Documents/Bucket");
        let blocked = bucket.get("PublicAccessBlockConfiguration").as_object().expect("all four");
        assert_eq!((blocked.len(), blocked.values().all(|block| *block == json!(true))), (4, true));
        let encryption =
            bucket.get("BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault");
        let key = stack.only("AWS::KMS::Key").attribute("Arn");
        assert_eq!(encryption, &json!({ "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key }));
        let destination = bucket.text("ReplicationConfiguration/Rules/0/Destination/Bucket");
        assert_eq!(destination, format!("arn:aws:s3:::{}", other.at("Documents/Bucket").text("BucketName")));
    }
}

#[test]
fn w3_3_the_buckets_policy_lets_the_payment_functions_role_in_and_nobody_else() {
    for stack in both() {
        let policy = stack.at("Documents/BucketPolicy");
        let allowed: Vec<_> =
            policy.statements().into_iter().filter(|statement| statement["Effect"] == "Allow").collect();
        assert_eq!(allowed.len(), 1);
        assert_eq!(allowed[0]["Principal"]["AWS"], stack.at("Payments/Role").attribute("Arn"));
    }
}

#[test]
fn w3_4_the_password_rotates_by_itself_and_keeps_the_characters_it_may_have() {
    let [primary, standby] = both();
    let rotation = primary.only("AWS::SecretsManager::RotationSchedule");
    assert_eq!(
        rotation.text("SecretId"),
        primary.at("Database/SecretAttachment").reference(),
        "with host and port in it"
    );
    assert_eq!(rotation.get("RotationRules/AutomaticallyAfterDays"), &json!(30));
    let excluded = primary.only("AWS::SecretsManager::Secret").text("GenerateSecretString/ExcludeCharacters");
    assert_eq!(rotation.text("HostedRotationLambda/ExcludeCharacters"), excluded);
    assert_eq!(
        rotation.text("HostedRotationLambda/VpcSubnetIds"),
        "${Network/PrivateSubnetA},${Network/PrivateSubnetB}"
    );
    let group = rotation.text("HostedRotationLambda/VpcSecurityGroupIds");
    assert_eq!(primary.at("Database/SecurityGroup").text("SecurityGroupIngress/0/SourceSecurityGroupId"), group);
    assert!(rotation.depends_on.contains("SecretsEndpoint"), "through which it reaches Secrets Manager");
    assert!(standby.all("AWS::SecretsManager::RotationSchedule").is_empty(), "a replica follows the original");
}

#[test]
fn w3_4_the_function_may_read_this_one_secret() {
    let secrets = ["${Database/SecretAttachment}", &PRIMARY_SECRET.replace("us-east-1", "us-west-2")];
    for (stack, secret) in both().iter().zip(secrets) {
        let role = stack.at("Payments/Role");
        let reads: Vec<_> = role
            .statements()
            .into_iter()
            .filter(|statement| texts(&statement["Action"]).iter().any(|action| action.starts_with("secretsmanager:")))
            .collect();
        assert_eq!(reads.len(), 1);
        assert_eq!(reads[0]["Action"], "secretsmanager:GetSecretValue");
        assert_eq!(reads[0]["Resource"], secret);
        let function = stack.only("AWS::Lambda::Function");
        assert_eq!(function.text("Environment/Variables/DATABASE_SECRET_ARN"), secret);
    }
}

#[test]
fn w3_5_the_global_cluster_comes_first_then_the_primary_cluster_then_its_instance() {
    let [primary, standby] = both();
    let global = primary.only("AWS::RDS::GlobalCluster");
    let cluster = primary.only("AWS::RDS::DBCluster");
    assert_eq!(cluster.text("GlobalClusterIdentifier"), global.reference());
    assert!(primary.at("Database/InstanceA").depends_on.contains("Database/Cluster"));
    assert!(primary.at("Database/InstanceB").depends_on.contains("Database/InstanceA"));
    // The standby joins the same one by its name, and makes none.
    assert!(standby.all("AWS::RDS::GlobalCluster").is_empty());
    let member = standby.only("AWS::RDS::DBCluster");
    assert_eq!(member.text("GlobalClusterIdentifier"), global.text("GlobalClusterIdentifier"));
    assert!(standby.at("Database/InstanceA").depends_on.contains("Database/Cluster"));
}

#[test]
fn w3_6_alarms_on_lag_over_5000_ms_target_health_and_function_errors_reach_people_in_both_regions() {
    for role in Role::BOTH {
        let stack = deployment(role).with("NotificationEmail", "oncall@example.com").expand().expect("it expands");
        let topic = stack.only("AWS::SNS::Topic");
        let lag = alarm(&stack, "AuroraGlobalDBReplicationLag");
        assert_eq!([lag.get("Threshold"), lag.get("EvaluationPeriods")], [&json!(5000), &json!(2)]);
        let cluster = stack.only("AWS::RDS::DBCluster").text("DBClusterIdentifier");
        assert_eq!(lag.text("Dimensions/0/Value"), cluster);
        for metric in ["AuroraGlobalDBReplicationLag", "UnHealthyHostCount", "HealthyHostCount", "Errors"] {
            assert!(holds(alarm(&stack, metric).get("AlarmActions"), &topic.reference()), "{metric}");
        }
        let errors = alarm(&stack, "Errors");
        assert!(errors.refers_to(stack.only("AWS::Lambda::Function")));
        let email = stack.only("AWS::SNS::Subscription");
        assert_eq!((email.text("Protocol"), email.text("Endpoint")), ("email", "oncall@example.com"));
        assert_eq!(email.text("TopicArn"), topic.reference());
    }
}

#[test]
fn w3_7_the_payment_function_has_its_memory_time_concurrency_network_and_dead_letter_queue() {
    for stack in both() {
        let function = stack.only("AWS::Lambda::Function");
        assert_eq!(function.get("MemorySize"), &json!(512));
        assert_eq!(function.get("Timeout"), &json!(30));
        assert_eq!(function.get("ReservedConcurrentExecutions"), &json!(10));
        assert_eq!(function.text("TracingConfig/Mode"), "Active");
        let private = json!(["${Network/PrivateSubnetA}", "${Network/PrivateSubnetB}"]);
        assert_eq!(function.get("VpcConfig/SubnetIds"), &private);
        let queue = stack.target(function.text("DeadLetterConfig/TargetArn")).expect("a queue");
        assert_eq!(queue.kind, "AWS::SQS::Queue");
        assert_eq!(statement(stack.at("Payments/Role"), "KeepFailedPayments")["Resource"], queue.attribute("Arn"));
        let log = stack.target(function.text("LoggingConfig/LogGroup")).expect("a log group");
        assert_eq!(log.get("RetentionInDays"), &json!(30));
        assert_eq!(function.text("Environment/Variables/METRIC_NAMESPACE"), "Payments");
    }
}

#[test]
fn w3_7_the_function_stores_in_its_own_regions_database_through_the_data_api() {
    for stack in both() {
        let cluster = stack.only("AWS::RDS::DBCluster");
        assert_eq!(cluster.text("EnableHttpEndpoint"), "true");
        let function = stack.only("AWS::Lambda::Function");
        let variable = |name: &str| function.text(&format!("Environment/Variables/{name}")).to_owned();
        assert_eq!(variable("STORE"), "aurora");
        assert_eq!(variable("DATABASE_CLUSTER_ARN"), cluster.attribute("DBClusterArn"));
        assert_eq!(variable("DATABASE_NAME"), "payments");
        assert_eq!(statement(stack.at("Payments/Role"), "Sql")["Resource"], cluster.attribute("DBClusterArn"));
        let permission = stack.only("AWS::Lambda::Permission");
        let balancers = stack.only("AWS::ElasticLoadBalancingV2::TargetGroup");
        let group =
            format!("arn:aws:elasticloadbalancing:{}:{ACCOUNT}:targetgroup/{}/*", stack.region, balancers.text("Name"));
        assert_eq!(permission.text("SourceArn"), group, "no other load balancer may call it");
        assert_eq!(balancers.text("Targets/0/Id"), function.attribute("Arn"));
    }
}

#[test]
fn w3_8_public_and_private_subnets_and_endpoints_for_what_the_function_calls_but_no_nat_gateway() {
    for stack in both() {
        let mut zones: Vec<_> =
            stack.all("AWS::EC2::Subnet").iter().map(|subnet| subnet.text("AvailabilityZone")).collect();
        zones.sort_unstable();
        zones.dedup();
        assert_eq!((stack.all("AWS::EC2::Subnet").len(), zones.len()), (4, 2));
        let endpoints: Vec<_> =
            stack.all("AWS::EC2::VPCEndpoint").iter().map(|endpoint| endpoint.text("ServiceName")).collect();
        for service in ["s3", "rds-data", "secretsmanager", "xray"] {
            assert!(endpoints.contains(&format!("com.amazonaws.{}.{service}", stack.region).as_str()), "{service}");
        }
        assert!(stack.all("AWS::EC2::NatGateway").is_empty());
        let private = stack.at("Network/PrivateRouteTable");
        assert!(!stack.all("AWS::EC2::Route").iter().any(|route| route.refers_to(private)));
    }
}

#[test]
fn w3_9_a_health_check_with_latency_on_each_regions_own_name() {
    for stack in both() {
        let check = stack.at("HealthCheck/EndpointCheck").get("HealthCheckConfig");
        let wanted = json!({
            "Type": "HTTPS", "FullyQualifiedDomainName": format!("{}.${{RecordName}}", stack.region), "Port": 443,
            "ResourcePath": "/health", "EnableSNI": true, "RequestInterval": 30, "FailureThreshold": 3,
            "MeasureLatency": true
        });
        assert_eq!(check, &wanted);
    }
    // Its metrics are in us-east-1 only, where both Regions' checks are watched.
    let [primary, standby] = both();
    let watched: Vec<_> = primary
        .all("AWS::CloudWatch::Alarm")
        .iter()
        .filter(|alarm| alarm.text("Namespace") == "AWS/Route53")
        .map(|alarm| alarm.text("Dimensions/0/Value").to_owned())
        .collect();
    for check in ["${HealthCheck/EndpointCheck}", "${peer.EndpointCheckId}", "${HealthCheck/SwitchCheck}"] {
        assert!(watched.contains(&check.to_owned()), "{check} is not in {watched:?}");
    }
    assert!(!standby.all("AWS::CloudWatch::Alarm").iter().any(|alarm| alarm.text("Namespace") == "AWS/Route53"));
}

#[test]
fn w3_10_dns_moves_within_a_minute_of_the_orchestrators_word_and_back_by_taking_it_back() {
    let [primary, standby] = both();
    let record = primary.at("Records/FailoverRecord");
    let check = primary.target(record.text("HealthCheckId")).expect("a health check");
    let seconds = check
        .get("HealthCheckConfig/RequestInterval")
        .as_u64()
        .zip(check.get("HealthCheckConfig/FailureThreshold").as_u64());
    let notice = seconds.map(|(interval, threshold)| interval * threshold).expect("both are numbers");
    assert!(notice < 60, "{notice} s until the checkers agree");
    assert_eq!(check.get("HealthCheckConfig/Inverted"), &json!(true), "while the object is there, it is unhealthy");
    let host = format!("{}.s3.{}.amazonaws.com", standby.at("Switch/Bucket").text("BucketName"), standby.region);
    assert_eq!(check.text("HealthCheckConfig/FullyQualifiedDomainName"), host);
    assert_eq!(standby.at("Records/FailoverRecord").text("Failover"), "SECONDARY");
    assert!(
        standby.at("Records/FailoverRecord").get("HealthCheckId").is_null(),
        "answered whenever the primary is not"
    );
}

#[test]
fn w3_11_everything_is_tagged_for_the_bill() {
    for (role, stack) in Role::BOTH.into_iter().zip(both()) {
        for resource in &stack.resources {
            let tag = |name: &str| resource.tags.get(name).map(String::as_str);
            assert_eq!(tag("Workload"), Some("payments-alb"), "{}", resource.path);
            assert_eq!(tag("Environment"), Some("dev"), "{}", resource.path);
            assert_eq!(tag("Region-Role"), Some(role.name()), "{}", resource.path);
        }
    }
}

#[test]
fn w3_11_the_page_says_which_requirement_of_pci_dss_each_control_serves() {
    let page =
        std::fs::read_to_string(workloads::project_root().join("docs/workloads/payments-alb.md")).expect("the page");
    let table: Vec<_> = page.lines().filter(|line| line.starts_with('|')).collect();
    for requirement in ["4.1", "1.2.1", "10", "8"] {
        let row = table.iter().find(|row| row.split('|').nth(1).is_some_and(|first| first.trim() == requirement));
        assert!(row.is_some_and(|row| row.contains(".yaml")), "{requirement} names no template");
    }
}
