//! The workload payments-serverless, row by row (W2), in both Regions.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use serde_json::{Value, json};
use workloads::{ACCOUNT, Deployment, Resource, Role, Stack, holds, texts};

const NAME: &str = "payments-serverless-dev";
const HOME: &str = "us-east-1";
const STANDBY: &str = "us-east-2";
const HOME_KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/home";
const STANDBY_KEY: &str = "arn:aws:kms:us-east-2:123456789012:key/standby";

/// A stack as it stands when both are deployed: each knows the other's outputs.
fn stack(role: Role) -> Stack {
    let (peer, peer_key) = match role {
        Role::Primary => (STANDBY, STANDBY_KEY),
        Role::Standby => (HOME, HOME_KEY),
    };
    let deployment = Deployment::of("payments-serverless", role)
        .with("PeerRegion", peer)
        .with("RecordName", "pay.example.com")
        .with("PeerKeyArn", peer_key)
        .with("PeerEndpointCheckId", "peer-endpoint-check");
    let deployment = match role {
        Role::Primary => deployment,
        Role::Standby => {
            deployment.with("PrimaryTopicArn", "arn:aws:sns:us-east-1:123456789012:payments-serverless-dev")
        }
    };
    deployment.expand().expect("it expands")
}

/// The primary's stack at its first deployment, when there is no standby.
fn first_stack() -> Stack {
    Deployment::of("payments-serverless", Role::Primary)
        .with("PeerRegion", STANDBY)
        .with("RecordName", "pay.example.com")
        .with("PeerKeyArn", "")
        .with("PeerEndpointCheckId", "")
        .expand()
        .expect("it expands")
}

/// Both stacks, the primary's first.
fn both() -> [Stack; 2] {
    Role::BOTH.map(stack)
}

fn peer_of(region: &str) -> &'static str {
    if region == HOME { STANDBY } else { HOME }
}

fn function<'a>(stack: &'a Stack, name: &str) -> &'a Resource {
    let full_name = format!("{NAME}-{name}");
    let functions = stack.all("AWS::Lambda::Function");
    functions.into_iter().find(|found| found.text("FunctionName") == full_name).expect("the function is there")
}

fn queue<'a>(stack: &'a Stack, name: &str) -> &'a Resource {
    let full_name = format!("{NAME}-{name}");
    let queues = stack.all("AWS::SQS::Queue");
    queues.into_iter().find(|found| found.text("QueueName") == full_name).expect("the queue is there")
}

/// The resources that a role may do this to; of all its statements that allow it.
fn permitted<'a>(role: &'a Resource, action: &str) -> Vec<&'a str> {
    let statements = role.statements();
    let allowing = statements.iter().filter(|one| one["Effect"] == "Allow" && holds(&one["Action"], action));
    allowing.flat_map(|one| texts(&one["Resource"])).collect()
}

#[test]
fn w2_1_payments_and_health_are_two_routes_of_one_http_api() {
    for stack in both() {
        let api = stack.only("AWS::ApiGatewayV2::Api");
        assert_eq!(api.text("ProtocolType"), "HTTP");
        let routes = stack.all("AWS::ApiGatewayV2::Route");
        let mut keys: Vec<_> = routes.iter().map(|route| route.text("RouteKey")).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["GET /health", "POST /payment"]);

        let integration = stack.only("AWS::ApiGatewayV2::Integration");
        let payments = function(&stack, "payment-processor");
        assert_eq!(integration.text("IntegrationUri"), payments.attribute("Arn"));
        for route in routes {
            assert_eq!(route.text("Target"), format!("integrations/{}", integration.reference()));
        }
        let sources: Vec<_> = stack.all("AWS::Lambda::Permission").iter().map(|one| one.text("SourceArn")).collect();
        let api_arn = format!("arn:aws:execute-api:{}:{ACCOUNT}:{}/$default", stack.region, api.reference());
        assert_eq!(sources, [format!("{api_arn}/GET/health"), format!("{api_arn}/POST/payment")]);
    }
}

#[test]
fn w2_1_clients_reach_it_under_one_name_by_tls_1_2_or_newer() {
    for stack in both() {
        let domain = stack.only("AWS::ApiGatewayV2::DomainName");
        assert_eq!(domain.text("DomainName"), "pay.example.com");
        assert_eq!(domain.text("DomainNameConfigurations/0/SecurityPolicy"), "TLS_1_2");
        let mapping = stack.only("AWS::ApiGatewayV2::ApiMapping");
        assert_eq!(mapping.text("ApiId"), stack.only("AWS::ApiGatewayV2::Api").reference());
        assert_eq!(mapping.text("DomainName"), domain.reference());
    }
}

#[test]
fn w2_2_the_payment_function_is_told_its_table_and_may_only_put_there() {
    for stack in both() {
        let payments = function(&stack, "payment-processor");
        let role_name = stack.outputs["TableName"].as_str().expect("a table");
        assert_eq!(payments.text("Environment/Variables/STORE"), "dynamodb");
        assert_eq!(payments.text("Environment/Variables/TRANSACTIONS_TABLE"), role_name);

        let role = stack.target(payments.text("Role")).expect("its role");
        let table = format!("arn:aws:dynamodb:{}:{ACCOUNT}:table/transactions-dev", stack.region);
        assert_eq!(permitted(role, "dynamodb:PutItem"), [table.as_str()]);
        let on_tables = role.statements().into_iter().flat_map(|one| texts(&one["Action"]));
        let on_tables: Vec<_> = on_tables.filter(|action| action.starts_with("dynamodb:")).collect();
        assert_eq!(on_tables, ["dynamodb:PutItem"]);
    }
}

#[test]
fn w2_2_a_condition_on_a_payment_holds_in_both_regions() {
    // With eventual consistency, a payment that was not replicated yet could be charged again after a failover.
    let primary = stack(Role::Primary);
    let table = primary.only("AWS::DynamoDB::GlobalTable");
    assert_eq!(table.text("MultiRegionConsistency"), "STRONG");
    assert_eq!(table.get("GlobalTableWitnesses"), &json!([{ "Region": "us-west-2" }]));
}

#[test]
fn w2_3_the_table_has_a_replica_in_each_region_and_belongs_to_one_stack() {
    let [primary, standby] = both();
    let table = primary.only("AWS::DynamoDB::GlobalTable");
    assert_eq!(table.text("TableName"), "transactions-dev");
    assert_eq!(table.get("KeySchema"), &json!([{ "AttributeName": "transaction_id", "KeyType": "HASH" }]));
    assert_eq!(table.text("BillingMode"), "PAY_PER_REQUEST");
    assert_eq!(table.text("StreamSpecification/StreamViewType"), "NEW_AND_OLD_IMAGES");
    assert_eq!(table.get("SSESpecification/SSEEnabled"), &json!(true));
    let replicas = table.get("Replicas").as_array().expect("replicas");
    let regions: Vec<_> = replicas.iter().map(|replica| replica["Region"].as_str().unwrap_or_default()).collect();
    assert_eq!(regions, [HOME, STANDBY]);
    for replica in replicas {
        assert_eq!(replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    }
    assert!(standby.all("AWS::DynamoDB::GlobalTable").is_empty(), "it would be described twice");
}

/// The bucket for data; the other is the switch.
fn data_bucket(stack: &Stack) -> &Resource {
    stack.at("Storage/Bucket")
}

#[test]
fn w2_4_each_bucket_replicates_to_the_other_within_15_minutes() {
    for stack in both() {
        let peer = peer_of(&stack.region);
        let bucket = data_bucket(&stack);
        assert_eq!(bucket.text("BucketName"), format!("{NAME}-{ACCOUNT}-{}", stack.region));
        assert_eq!(bucket.text("VersioningConfiguration/Status"), "Enabled");
        let rules = bucket.get("ReplicationConfiguration/Rules").as_array().expect("replication rules");
        assert_eq!(rules.len(), 1);
        let destination = &rules[0]["Destination"];
        assert_eq!(rules[0]["Status"], "Enabled");
        assert_eq!(rules[0]["Filter"], json!({ "Prefix": "" }), "all objects");
        assert_eq!(destination["Bucket"], format!("arn:aws:s3:::{NAME}-{ACCOUNT}-{peer}"));
        assert_eq!(destination["ReplicationTime"], json!({ "Status": "Enabled", "Time": { "Minutes": 15 } }));
        assert_eq!(destination["Metrics"]["EventThreshold"]["Minutes"], 15);
        let replica_key = if peer == HOME { HOME_KEY } else { STANDBY_KEY };
        assert_eq!(destination["EncryptionConfiguration"]["ReplicaKmsKeyID"], replica_key);
        assert_eq!(rules[0]["SourceSelectionCriteria"]["SseKmsEncryptedObjects"]["Status"], "Enabled");
    }
}

#[test]
fn w2_4_the_replication_role_reaches_the_two_buckets_and_their_keys_and_nothing_else() {
    for stack in both() {
        let bucket = data_bucket(&stack);
        let role = stack.target(bucket.text("ReplicationConfiguration/Role")).expect("its role");
        let peer_key = if stack.region == HOME { STANDBY_KEY } else { HOME_KEY };
        let own = format!("arn:aws:s3:::{NAME}-{ACCOUNT}-{}", stack.region);
        let other = format!("arn:aws:s3:::{NAME}-{ACCOUNT}-{}", peer_of(&stack.region));
        let own_key = stack.at("Key/Key").attribute("Arn");
        let expected = [own.clone(), format!("{own}/*"), format!("{other}/*"), own_key, peer_key.to_owned()];
        for resource in role.statements().into_iter().flat_map(|one| texts(&one["Resource"])) {
            assert!(expected.iter().any(|known| known == resource), "{resource} is not its business");
        }
        assert_eq!(permitted(role, "s3:ReplicateObject"), [format!("{other}/*")]);
    }
}

#[test]
fn w2_4_nothing_of_the_data_is_public_or_unencrypted() {
    for stack in both() {
        let bucket = data_bucket(&stack);
        let blocked = bucket.get("PublicAccessBlockConfiguration");
        for block in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
            assert_eq!(blocked[block], true, "{block}");
        }
        let encryption =
            bucket.get("BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault");
        assert_eq!(encryption["SSEAlgorithm"], "aws:kms");
        assert_eq!(encryption["KMSMasterKeyID"], stack.at("Key/Key").attribute("Arn"));
        let policy = stack.at("Storage/BucketPolicy");
        assert_eq!(policy.text("Bucket"), bucket.reference());
        let denied: Vec<_> = policy.statements().into_iter().filter(|one| one["Effect"] == "Deny").collect();
        assert!(denied.iter().any(|one| one["Condition"]["Bool"]["aws:SecureTransport"] == false));
        assert!(denied.iter().any(|one| one["Condition"]["NumericLessThan"]["s3:TlsVersion"] == json!(1.2)));
    }
}

#[test]
fn w2_4_the_first_deployment_replicates_nowhere_since_there_is_no_other_bucket_yet() {
    let first = first_stack();
    assert_eq!(data_bucket(&first).get("ReplicationConfiguration"), &Value::Null);
    assert!(first.find("Storage/ReplicationRole").is_none());
}

#[test]
fn w2_5_messages_go_to_the_queue_here_and_by_the_function_to_the_queue_there() {
    for stack in both() {
        let peer = peer_of(&stack.region);
        let topic = stack.at("Queues/EntranceTopic");
        let subscriptions = ["Queues/ToQueue", "Queues/ToReplicationQueue"].map(|path| stack.at(path));
        let targets = [queue(&stack, "queue"), queue(&stack, "replication")].map(|queue| queue.attribute("Arn"));
        for (subscription, target) in subscriptions.into_iter().zip(targets) {
            assert_eq!(subscription.text("TopicArn"), topic.reference());
            assert_eq!(subscription.text("Endpoint"), target);
            assert_eq!(subscription.get("RawMessageDelivery"), &json!(true), "attributes are kept");
        }
        let replicate = function(&stack, "replicate-queue");
        assert_eq!(replicate.text("Environment/Variables/DESTINATION_REGION"), peer);
        let destination = format!("https://sqs.{peer}.amazonaws.com/{ACCOUNT}/{NAME}-queue");
        assert_eq!(replicate.text("Environment/Variables/DESTINATION_QUEUE_URL"), destination);
        let role = stack.target(replicate.text("Role")).expect("its role");
        assert_eq!(permitted(role, "sqs:SendMessage"), [format!("arn:aws:sqs:{peer}:{ACCOUNT}:{NAME}-queue")]);
    }
}

#[test]
fn w2_5_what_arrives_from_the_other_region_is_not_sent_back() {
    for stack in both() {
        // What the other Region sends to is neither what the function reads, nor does it feed that.
        let arrives_at = queue(&stack, "queue");
        let source = stack.at("Queues/ReplicateQueueSource");
        assert_eq!(source.text("EventSourceArn"), queue(&stack, "replication").attribute("Arn"));
        assert!(!source.refers_to(arrives_at));
        for subscription in stack.all("AWS::SNS::Subscription") {
            assert_ne!(subscription.text("TopicArn"), arrives_at.attribute("Arn"));
        }
        let mappings = stack.all("AWS::Lambda::EventSourceMapping");
        assert!(mappings.iter().all(|mapping| !mapping.refers_to(arrives_at)), "nobody forwards what arrived");
    }
}

#[test]
fn w2_5_no_message_is_lost_when_some_of_a_batch_or_the_other_region_fails() {
    for stack in both() {
        let source = stack.at("Queues/ReplicateQueueSource");
        assert_eq!(source.get("FunctionResponseTypes"), &json!(["ReportBatchItemFailures"]));
        let replicate = function(&stack, "replicate-queue");
        let timeout = replicate.get("Timeout").as_u64().expect("a timeout");
        let waiting = queue(&stack, "replication");
        let visibility = waiting.get("VisibilityTimeout").as_u64().expect("a visibility timeout");
        assert!(visibility >= 6 * timeout, "Lambda's own advice");
        let attempts = waiting.get("RedrivePolicy/maxReceiveCount").as_u64().expect("a number of attempts");
        assert!(attempts * visibility >= 4 * 3600, "an outage of hours is waited for");
        let dead_letters = queue(&stack, "replication-dead-letters");
        assert_eq!(waiting.text("RedrivePolicy/deadLetterTargetArn"), dead_letters.attribute("Arn"));
        for queue in stack.all("AWS::SQS::Queue").into_iter().filter(|queue| queue.path.starts_with("Queues/")) {
            assert_eq!(queue.get("MessageRetentionPeriod"), &json!(1_209_600), "{}", queue.path);
        }
        let alarms = stack.all("AWS::CloudWatch::Alarm");
        assert!(alarms.iter().any(|alarm| alarm.refers_to(dead_letters)), "somebody is told");
    }
}

fn endpoint_check(stack: &Stack) -> &Resource {
    stack.at("HealthCheck/EndpointCheck")
}

#[test]
fn w2_6_each_endpoint_is_checked_by_https_every_30_s_with_threshold_3() {
    for stack in both() {
        let config = endpoint_check(&stack).get("HealthCheckConfig");
        let api = stack.only("AWS::ApiGatewayV2::Api").reference();
        assert_eq!(config["Type"], "HTTPS");
        assert_eq!(config["Port"], 443);
        assert_eq!(config["ResourcePath"], "/health");
        assert_eq!(config["RequestInterval"], 30);
        assert_eq!(config["FailureThreshold"], 3);
        let own_name = format!("{api}.execute-api.{}.amazonaws.com", stack.region);
        assert_eq!(config["FullyQualifiedDomainName"], own_name, "never the name that fails over");
    }
}

#[test]
fn w2_6_two_cname_records_fail_over_with_a_ttl_of_60_s() {
    let [primary, standby] = both();
    for (stack, failover) in [(&primary, "PRIMARY"), (&standby, "SECONDARY")] {
        let record = stack.only("AWS::Route53::RecordSet");
        assert_eq!(record.text("Type"), "CNAME");
        assert_eq!(record.text("Name"), "pay.example.com");
        assert_eq!(record.text("TTL"), "60");
        assert_eq!(record.text("Failover"), failover);
        let domain = stack.only("AWS::ApiGatewayV2::DomainName");
        assert_eq!(record.get("ResourceRecords"), &json!([domain.attribute("RegionalDomainName")]));
    }
    let sets = [&primary, &standby].map(|stack| stack.only("AWS::Route53::RecordSet").text("SetIdentifier"));
    assert_ne!(sets[0], sets[1]);
    let secondary = standby.only("AWS::Route53::RecordSet");
    assert!(secondary.get("HealthCheckId").is_null(), "it is answered whenever the primary is not");
}

#[test]
fn w2_6_dns_leaves_the_primary_when_its_endpoint_dies_and_when_the_orchestrator_says_so() {
    let [primary, standby] = both();
    let record = primary.only("AWS::Route53::RecordSet");
    let calculated = primary.target(record.text("HealthCheckId")).expect("the record's check");
    assert_eq!(calculated.text("HealthCheckConfig/Type"), "CALCULATED");
    let children = calculated.get("HealthCheckConfig/ChildHealthChecks").as_array().expect("children");
    assert_eq!(calculated.get("HealthCheckConfig/HealthThreshold"), &json!(children.len()), "all have to be well");
    let endpoint = endpoint_check(&primary).reference();
    assert!(children.iter().any(|child| child == &endpoint));
    let others = children.iter().filter_map(Value::as_str).filter(|child| *child != endpoint);
    let switches: Vec<_> = others.filter_map(|child| primary.target(child)).collect();
    assert_eq!(switches.len(), 1);
    let switch = switches[0].get("HealthCheckConfig");
    assert_eq!(switch["Inverted"], true, "healthy while the object is not there");

    // What is looked at is the one object that the standby's bucket shows to everybody.
    let bucket = standby.at("Switch/Bucket");
    let name = bucket.text("BucketName");
    assert_eq!(switch["FullyQualifiedDomainName"], format!("{name}.s3.{STANDBY}.amazonaws.com"));
    let policy = standby.at("Switch/BucketPolicy");
    let path = switch["ResourcePath"].as_str().expect("a path");
    assert_eq!(permitted(policy, "s3:GetObject"), [format!("{}{path}", bucket.attribute("Arn"))]);
    assert!(primary.find("Switch/Bucket").is_none(), "the switch stands in the Region that is left");
}

#[test]
fn w2_6_the_published_plan_moves_this_switch() {
    let plan = std::fs::read_to_string(workloads::project_root().join("infra/plans/payments-serverless.json"));
    let plan: Value = serde_json::from_str(&plan.expect("the plan")).expect("JSON");
    let [primary, standby] = Role::BOTH
        .map(|role| {
            Deployment::of("payments-serverless", role).with("EnvironmentSuffix", "prod").with("PeerRegion", HOME)
        })
        .map(|deployment| deployment.expand().expect("it expands"));
    assert_eq!((plan["home_region"].as_str(), &plan["standby_regions"]), (Some(HOME), &json!([STANDBY])));
    let traffic = &plan["traffic"][0]["standby_object"];
    assert_eq!(traffic["region"], standby.region);
    assert_eq!(traffic["bucket"], standby.at("Switch/Bucket").text("BucketName"));
    let switch = primary.at("HealthCheck/SwitchCheck").get("HealthCheckConfig");
    assert_eq!(format!("/{}", traffic["key"].as_str().expect("a key")), switch["ResourcePath"]);
    let notice = switch["RequestInterval"].as_u64().zip(switch["FailureThreshold"].as_u64());
    assert_eq!(traffic["notice_seconds"].as_u64(), notice.map(|(interval, threshold)| interval * threshold));
}

#[test]
fn w2_6_a_redeploy_undoes_no_failover() {
    // What a failover changes is the switch's object, which no stack has. The primary's record and checks are the same
    // whatever the standby's stack says of itself, and whether or not it was there at the first deployment.
    let [before, after] = [first_stack(), stack(Role::Primary)];
    for path in ["Record/Record", "HealthCheck/EndpointCheck", "HealthCheck/SwitchCheck", "HealthCheck/RecordCheck"] {
        assert_eq!(before.at(path).properties, after.at(path).properties, "{path}");
    }
}

#[test]
fn w2_7_the_payment_function_has_60_s_and_256_mb_and_no_vpc_and_logs_for_7_days() {
    for stack in both() {
        let payments = function(&stack, "payment-processor");
        assert_eq!(payments.get("Timeout"), &json!(60));
        assert_eq!(payments.get("MemorySize"), &json!(256));
        assert!(payments.get("VpcConfig").is_null());
        assert_eq!(payments.text("Runtime"), "provided.al2023");
        let logs = stack.target(payments.text("LoggingConfig/LogGroup")).expect("its log group");
        assert_eq!(logs.get("RetentionInDays"), &json!(7));
        for function in stack.all("AWS::Lambda::Function") {
            assert_eq!(function.text("TracingConfig/Mode"), "Active", "{}", function.path);
            let role = stack.target(function.text("Role")).expect("its role");
            assert_eq!(permitted(role, "xray:PutTraceSegments"), ["*"], "{}", function.path);
        }
    }
}

#[test]
fn w2_8_the_dashboard_shows_the_health_of_both_regions() {
    for stack in both() {
        let dashboard = stack.only("AWS::CloudWatch::Dashboard");
        assert!(dashboard.text("DashboardName").ends_with(&stack.region), "one name space for all Regions");
        let body: Value = serde_json::from_str(dashboard.text("DashboardBody")).expect("JSON");
        let shown = texts(&body);
        let own = endpoint_check(&stack).reference();
        assert!(shown.contains(&own.as_str()) && shown.contains(&"peer-endpoint-check"));
        for widget in body["widgets"].as_array().expect("widgets") {
            let metrics = widget["properties"]["metrics"].as_array().expect("metrics");
            if metrics.iter().any(|metric| metric[0] == "AWS/Route53") {
                assert_eq!(widget["properties"]["region"], "us-east-1", "their metrics are nowhere else");
            } else {
                assert!(texts(widget).contains(&HOME) && texts(widget).contains(&STANDBY), "{widget}");
            }
        }
    }
}

#[test]
fn w2_8_people_are_told_of_a_failed_health_check_and_of_a_failover() {
    let [primary, standby] = both();
    let alarms = primary.all("AWS::CloudWatch::Alarm");
    let record = primary.only("AWS::Route53::RecordSet").text("HealthCheckId");
    for check in [endpoint_check(&primary).reference().as_str(), "peer-endpoint-check", record] {
        let watches_it = |alarm: &&&Resource| alarm.text("Dimensions/0/Value") == check;
        let alarm = alarms.iter().find(watches_it).expect("each check has an alarm");
        assert_eq!(alarm.text("Namespace"), "AWS/Route53");
        assert_eq!(alarm.get("AlarmActions"), &json!([primary.at("Notifications/Topic").reference()]));
    }
    let health_check_alarms = standby.all("AWS::CloudWatch::Alarm").into_iter();
    assert_eq!(
        health_check_alarms.filter(|alarm| alarm.text("Namespace") == "AWS/Route53").count(),
        0,
        "no metric there"
    );

    let failed_over = standby.at("Api/FailoverAlarm");
    assert_eq!(failed_over.get("AlarmActions"), &json!([standby.at("Notifications/Topic").reference()]));
    let dimensions = texts(failed_over.get("Dimensions"));
    assert!(dimensions.contains(&"POST") && dimensions.contains(&"/payment"), "health checks are no payments");
    assert!(primary.find("Api/FailoverAlarm").is_none());
}

#[test]
fn w2_8_every_alarm_tells_somebody_and_says_what_missing_data_means() {
    for stack in both() {
        let prefix = format!("{NAME}-");
        for alarm in stack.all("AWS::CloudWatch::Alarm") {
            assert!(alarm.text("AlarmName").starts_with(&prefix), "{}: the topic's policy would refuse it", alarm.path);
            assert!(!alarm.text("TreatMissingData").is_empty(), "{}", alarm.path);
            let topic = stack.at("Notifications/Topic").reference();
            assert_eq!(alarm.get("AlarmActions"), &json!([topic]), "{}", alarm.path);
        }
    }
}

/// Types that have no tags, or get none from a stack.
const WITHOUT_TAGS: [&str; 11] = [
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::DynamoDB::GlobalTable", // Its replicas have them.
    "AWS::KMS::Alias",
    "AWS::Lambda::Permission",
    "AWS::Route53::RecordSet",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
];

#[test]
fn w2_9_everything_carries_the_three_tags() {
    for (stack, role) in both().iter().zip(Role::BOTH) {
        let taggable = stack.resources.iter().filter(|resource| !WITHOUT_TAGS.contains(&resource.kind.as_str()));
        for resource in taggable {
            assert_eq!(resource.tags["Environment"], "dev", "{}", resource.path);
            assert_eq!(resource.tags["Region-Role"], role.name(), "{}", resource.path);
            assert_eq!(resource.tags["DR-Tier"], "1", "{}", resource.path);
        }
        // These do not get what a stack hands down when they are made.
        for check in stack.all("AWS::Route53::HealthCheck") {
            let own = texts(check.get("HealthCheckTags"));
            assert!(["Environment", "Region-Role", "DR-Tier"].iter().all(|key| own.contains(key)), "{}", check.path);
        }
    }
    let primary = stack(Role::Primary);
    let table = primary.only("AWS::DynamoDB::GlobalTable");
    for (replica, role) in table.get("Replicas").as_array().expect("replicas").iter().zip(["primary", "standby"]) {
        let tags = texts(&replica["Tags"]);
        assert!(["Environment", "dev", "Region-Role", role, "DR-Tier"].iter().all(|text| tags.contains(text)));
    }
}

#[test]
fn w2_9_the_outputs_name_endpoints_table_buckets_queues_and_dashboard() {
    for stack in both() {
        let api = stack.only("AWS::ApiGatewayV2::Api").reference();
        let expected = [
            ("ApiEndpoint", format!("https://{api}.execute-api.{}.amazonaws.com", stack.region)),
            ("Endpoint", "https://pay.example.com".to_owned()),
            ("TableName", "transactions-dev".to_owned()),
            ("BucketName", data_bucket(&stack).reference()),
            ("QueueUrl", queue(&stack, "queue").reference()),
            ("ReplicationQueueUrl", queue(&stack, "replication").reference()),
            ("EntranceTopicArn", stack.at("Queues/EntranceTopic").reference()),
            ("DashboardName", stack.only("AWS::CloudWatch::Dashboard").reference()),
        ];
        for (output, value) in expected {
            assert_eq!(stack.outputs[output], value, "{output}");
        }
    }
}
