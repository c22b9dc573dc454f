//! What holds for all workloads, in both Regions.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use workloads::{
    Deployment, Resource, Role, Stack, WORKLOADS, holds, project_root, resources_with_their_text, template,
    template_files, texts, workload_template,
};

/// Every workload in every role.
fn stacks() -> Vec<(&'static str, Role, Stack)> {
    let mut all = Vec::new();
    for (workload, ..) in WORKLOADS {
        for role in Role::BOTH {
            let stack = Deployment::of(workload, role).expand().unwrap_or_else(|error| panic!("{workload}: {error}"));
            all.push((workload, role, stack));
        }
    }
    all
}

/// Every resource of a type, with the place to look for it.
fn each(kind: &str, check: impl Fn(&str, &Stack, &Resource)) {
    let mut seen = 0;
    for (workload, role, stack) in stacks() {
        for resource in stack.all(kind) {
            check(&format!("{workload}, {}: {}", role.name(), resource.path), &stack, resource);
            seen += 1;
        }
    }
    assert!(seen > 0, "no workload has a {kind}");
}

/// The fields' names within a value, at any depth.
fn fields(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::Object(inner) => inner
            .iter()
            .flat_map(|(name, value)| {
                let mut names = fields(value);
                names.insert(name);
                names
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(fields).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeSet::new(),
    }
}

// === A redeploy after a failover changes nothing ===================================================================

#[test]
fn no_template_names_what_a_failover_changes() {
    // How many tasks run; which cluster writes; where and how much traffic goes.
    let changed =
        ["DesiredCount", "SourceDBClusterIdentifier", "ReplicationSourceIdentifier", "TrafficDialPercentage", "Weight"];
    for (workload, _, stack) in stacks() {
        for resource in &stack.resources {
            let own = fields(&resource.properties);
            // A dial is said once, when its group is made: `edge.rs` sees to it that a redeploy does not say it again.
            let found: Vec<_> = changed.iter().filter(|name| own.contains(*name)).collect();
            assert!(found.is_empty(), "{workload}: {} says {found:?}", resource.path);
        }
    }
}

#[test]
fn a_failover_record_points_at_its_own_region_and_its_role_is_the_stacks() {
    each("AWS::Route53::RecordSet", |place, stack, record| {
        let Some(failover) = record.get("Failover").as_str() else { return };
        let primary =
            WORKLOADS.iter().any(|(name, home, _)| place.starts_with(&format!("{name},")) && *home == stack.region);
        assert_eq!(failover, if primary { "PRIMARY" } else { "SECONDARY" }, "{place}");
        let targets = [record.text("AliasTarget/DNSName"), record.text("ResourceRecords/0")].concat();
        assert!(!targets.contains("${peer."), "{place} points at the other Region: {targets}");
    });
}

#[test]
fn the_switchs_object_is_nobodys_but_the_orchestrators() {
    for (workload, role, stack) in stacks() {
        let switches: Vec<_> = stack.resources.iter().filter(|resource| resource.path.starts_with("Switch/")).collect();
        assert!(
            role == Role::Standby || switches.is_empty(),
            "{workload}: the switch stands in the Region that is left"
        );
        let kinds: BTreeSet<_> = switches.iter().map(|resource| resource.kind.as_str()).collect();
        assert!(
            kinds.is_subset(&BTreeSet::from(["AWS::S3::Bucket", "AWS::S3::BucketPolicy"])),
            "{workload}: {kinds:?}"
        );
        let writers = stack.resources.iter().flat_map(Resource::statements).filter(|statement| {
            statement["Effect"] == "Allow"
                && texts(&statement["Resource"]).iter().any(|arn| arn.contains("-switch-") || arn.contains("Switch/"))
        });
        for statement in writers {
            assert_eq!(statement["Action"], "s3:GetObject", "{workload}: {statement}");
        }
    }
}

#[test]
fn both_regions_may_grow_to_the_same_number_of_tasks() {
    // Otherwise a redeploy would push a standby that took over back to its everyday size.
    let most = |role| {
        let stack = Deployment::of("trading", role).expand().expect("it expands");
        stack.only("AWS::ApplicationAutoScaling::ScalableTarget").get("MaxCapacity").clone()
    };
    assert_eq!(most(Role::Primary), most(Role::Standby));
}

#[test]
fn the_two_members_of_a_global_database_join_it_by_one_name_that_no_promotion_changes() {
    for (workload, ..) in WORKLOADS {
        let [primary, standby] = Role::BOTH.map(|role| Deployment::of(workload, role).expand().expect("it expands"));
        let (Some(global), Some(member)) =
            (primary.all("AWS::RDS::GlobalCluster").pop(), standby.all("AWS::RDS::DBCluster").pop())
        else {
            continue;
        };
        assert_eq!(member.text("GlobalClusterIdentifier"), global.text("GlobalClusterIdentifier"), "{workload}");
        assert!(!member.text("GlobalClusterIdentifier").is_empty(), "an empty one would detach the cluster");
        assert!(!fields(&member.properties).contains("EngineVersion"), "{workload}: it is the global cluster's");
    }
}

// === What each Region needs of the other ===========================================================================

#[test]
fn what_is_handed_over_is_an_output_there_and_a_parameter_here() {
    for (workload, ..) in WORKLOADS {
        let file = template(&workload_template(workload)).expect("the template");
        let [primary, standby] = Role::BOTH.map(|role| Deployment::of(workload, role).expand().expect("it expands"));
        for (side, other) in [("Standby", &primary), ("Primary", &standby)] {
            for (parameter, output) in file["Metadata"]["Handover"][side].as_object().into_iter().flatten() {
                let declared = &file["Parameters"][parameter];
                assert!(declared.get("Default").is_some(), "{workload}: {parameter} is needed before it can be known");
                let output = output.as_str().expect("a name");
                assert!(other.outputs.contains_key(output), "{workload}: the other Region has no output {output}");
            }
        }
    }
}

#[test]
fn the_primary_can_be_deployed_before_there_is_a_standby() {
    for (workload, ..) in WORKLOADS {
        let file = template(&workload_template(workload)).expect("the template");
        let mut first = Deployment::of(workload, Role::Primary);
        for (parameter, _) in file["Metadata"]["Handover"]["Primary"].as_object().into_iter().flatten() {
            first = first.with(parameter, file["Parameters"][parameter]["Default"].as_str().expect("text"));
        }
        let stack = first.expand().unwrap_or_else(|error| panic!("{workload}: {error}"));
        let waits = stack
            .resources
            .iter()
            .find(|resource| texts(&resource.properties).iter().any(|text| text.contains("${peer.")));
        assert!(waits.is_none(), "{workload}: {waits:?}");
    }
}

#[test]
fn both_regions_have_an_endpoint_with_a_health_check_of_its_own() {
    for (workload, role, stack) in stacks() {
        let checks = stack.all("AWS::Route53::HealthCheck");
        let own = checks.iter().find(|check| check.path == "HealthCheck/EndpointCheck");
        let config =
            own.unwrap_or_else(|| panic!("{workload}, {}: no health check", role.name())).get("HealthCheckConfig");
        assert_eq!(config["MeasureLatency"], json!(true), "{workload}");
        assert!(!config["FullyQualifiedDomainName"].as_str().unwrap_or_default().is_empty(), "{workload}");
    }
}

// === Encrypted, at rest and on the way =============================================================================

#[test]
fn what_is_stored_is_encrypted() {
    each("AWS::RDS::DBCluster", |place, _, cluster| {
        assert_eq!(cluster.get("StorageEncrypted"), &json!(true), "{place}");
    });
    each("AWS::RDS::GlobalCluster", |place, _, global| {
        assert_eq!(global.get("StorageEncrypted"), &json!(true), "{place}");
    });
    each("AWS::SNS::Topic", |place, _, topic| assert!(!topic.text("KmsMasterKeyId").is_empty(), "{place}"));
    each("AWS::SQS::Queue", |place, _, queue| {
        let encrypted = !queue.text("KmsMasterKeyId").is_empty() || queue.get("SqsManagedSseEnabled") == &json!(true);
        assert!(encrypted, "{place}");
    });
    each("AWS::S3::Bucket", |place, _, bucket| {
        let algorithm = bucket
            .text("BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault/SSEAlgorithm");
        // What others than this account's roles read or write: unsigned health checkers, and load balancers' logs.
        let only_s3s_own = ["Switch/Bucket", "AccessLogBucket"].iter().any(|name| bucket.path.ends_with(name));
        assert_eq!(algorithm, if only_s3s_own { "AES256" } else { "aws:kms" }, "{place}");
    });
    each("AWS::DynamoDB::GlobalTable", |place, _, table| {
        assert_eq!(table.get("SSESpecification/SSEEnabled"), &json!(true), "{place}");
    });
    each("AWS::KMS::Key", |place, _, key| assert_eq!(key.get("EnableKeyRotation"), &json!(true), "{place}"));
}

#[test]
fn what_travels_is_encrypted_with_tls_1_2_at_least() {
    each("AWS::ElasticLoadBalancingV2::Listener", |place, _, listener| match listener.text("Protocol") {
        "HTTPS" | "TLS" => assert!(listener.text("SslPolicy").contains("-TLS13-1-2-"), "{place}"),
        other => assert_eq!(other, "TCP", "{place} passes on what its target decrypts"),
    });
    each("AWS::RDS::DBClusterParameterGroup", |place, _, group| {
        assert_eq!(group.text("Parameters/rds.force_ssl"), "1", "{place}");
        assert_eq!(group.text("Parameters/ssl_min_protocol_version"), "TLSv1.2", "{place}");
    });
    each("AWS::S3::Bucket", |place, stack, bucket| {
        let policies = stack.all("AWS::S3::BucketPolicy");
        let policy = policies.iter().find(|policy| policy.text("Bucket") == bucket.reference()).expect("a policy");
        let refuses = policy.statements().into_iter().any(|statement| {
            statement["Effect"] == "Deny" && statement["Condition"]["Bool"]["aws:SecureTransport"] == json!(false)
        });
        assert!(refuses, "{place} is served in the clear");
    });
    for kind in ["AWS::ApiGateway::DomainName", "AWS::ApiGatewayV2::DomainName"] {
        for (workload, _, stack) in stacks() {
            for domain in stack.all(kind) {
                let policy =
                    [domain.text("SecurityPolicy"), domain.text("DomainNameConfigurations/0/SecurityPolicy")].concat();
                assert!(
                    policy.contains("TLS_1_2") || policy.contains("TLS13"),
                    "{workload}: {} has {policy}",
                    domain.path
                );
            }
        }
    }
}

// === Nothing public that need not be ===============================================================================

#[test]
fn the_internet_reaches_load_balancers_on_443_and_nothing_else() {
    let world = ["0.0.0.0/0", "::/0"];
    let check = |place: &str, rule: &Value| {
        let open = world.iter().any(|all| rule["CidrIp"] == *all || rule["CidrIpv6"] == *all);
        assert!(!open || (rule["FromPort"] == 443 && rule["ToPort"] == 443), "{place}: {rule}");
        assert!(!open || place.to_lowercase().contains("loadbalancer"), "{place}: {rule}");
    };
    each("AWS::EC2::SecurityGroup", |place, _, group| {
        group.get("SecurityGroupIngress").as_array().into_iter().flatten().for_each(|rule| check(place, rule));
    });
    each("AWS::EC2::SecurityGroupIngress", |place, _, rule| check(place, &rule.properties));
    each("AWS::EC2::Subnet", |place, _, subnet| assert_ne!(subnet.get("MapPublicIpOnLaunch"), &json!(true), "{place}"));
    each("AWS::RDS::DBInstance", |place, _, instance| {
        assert_eq!(instance.get("PubliclyAccessible"), &json!(false), "{place}");
    });
    for (workload, _, stack) in stacks() {
        assert!(stack.all("AWS::EC2::NatGateway").is_empty(), "{workload} has a NAT gateway");
    }
}

#[test]
fn buckets_are_closed_but_for_the_one_object_of_the_switch() {
    each("AWS::S3::Bucket", |place, stack, bucket| {
        let blocked = bucket.get("PublicAccessBlockConfiguration");
        let all = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];
        if bucket.path == "Switch/Bucket" {
            assert!(
                all.iter().filter(|name| name.ends_with("Acls")).all(|name| blocked[name] == json!(true)),
                "{place}"
            );
        } else {
            assert!(all.iter().all(|name| blocked[name] == json!(true)), "{place}");
        }
        for policy in
            stack.all("AWS::S3::BucketPolicy").iter().filter(|policy| policy.text("Bucket") == bucket.reference())
        {
            for statement in policy.statements().into_iter().filter(|statement| statement["Effect"] == "Allow") {
                let anybody = statement["Principal"] == "*" || holds(&statement["Principal"]["AWS"], "*");
                let one_object = !texts(&statement["Resource"]).iter().any(|arn| arn.ends_with('*'));
                assert!(!anybody || (bucket.path == "Switch/Bucket" && one_object), "{place}: {statement}");
            }
        }
    });
}

// === Logs, traces, tags, removal ===================================================================================

#[test]
fn every_log_group_ends_and_every_function_writes_to_one_and_is_traced() {
    each("AWS::Logs::LogGroup", |place, _, group| {
        assert!(group.get("RetentionInDays").as_u64().is_some_and(|days| days <= 30), "{place}");
    });
    each("AWS::Lambda::Function", |place, stack, function| {
        assert_eq!(function.text("TracingConfig/Mode"), "Active", "{place}");
        let log = stack.target(function.text("LoggingConfig/LogGroup"));
        assert!(log.is_some_and(|log| log.kind == "AWS::Logs::LogGroup"), "{place} has no log group of its own");
        let role = stack.target(function.text("Role")).expect("a role");
        let traces =
            role.statements().into_iter().any(|statement| holds(&statement["Action"], "xray:PutTraceSegments"));
        assert!(traces, "{place} may not send what it traces");
    });
}

#[test]
fn everything_is_tagged_with_environment_role_tier_and_workload() {
    for (workload, role, stack) in stacks() {
        for resource in &stack.resources {
            let place = format!("{workload}: {}", resource.path);
            let tag = |name: &str| resource.tags.get(name).map(String::as_str);
            assert_eq!(tag("Environment"), Some("dev"), "{place}");
            assert_eq!(tag("Region-Role"), Some(role.name()), "{place}");
            assert!(tag("DR-Tier").is_some(), "{place}");
            assert_eq!(tag("Workload"), Some(workload), "{place}");
        }
        // CloudFormation hands a stack's tags down, but not to these.
        for check in stack.all("AWS::Route53::HealthCheck") {
            let own: Vec<_> =
                check.get("HealthCheckTags").as_array().into_iter().flatten().map(|tag| &tag["Key"]).collect();
            for name in ["Environment", "Region-Role", "DR-Tier"] {
                assert!(own.contains(&&json!(name)), "{workload}: {} has no {name} of its own", check.path);
            }
        }
    }
}

#[test]
fn nothing_outlives_its_stack_unless_deletion_protection_is_asked_for() {
    for (workload, _, stack) in stacks() {
        for resource in &stack.resources {
            for policy in [&resource.deletion_policy, &resource.update_replace_policy] {
                assert!(matches!(policy.as_deref(), None | Some("Delete")), "{workload}: {} is kept", resource.path);
            }
            let protection = resource.get("DeletionProtection");
            assert!(
                protection.is_null() || protection == "false" || protection == &json!(false),
                "{workload}: {}",
                resource.path
            );
        }
        // CloudFormation keeps a snapshot of a cluster unless it is told not to.
        for cluster in stack.all("AWS::RDS::DBCluster") {
            assert_eq!(cluster.deletion_policy.as_deref(), Some("Delete"), "{workload}");
        }
    }
    let production =
        Deployment::of("trading", Role::Primary).with("DeletionProtection", "true").expand().expect("it expands");
    for kind in ["AWS::RDS::DBCluster", "AWS::RDS::GlobalCluster"] {
        assert_eq!(production.only(kind).text("DeletionProtection"), "true");
    }
    let balancer = production.only("AWS::ElasticLoadBalancingV2::LoadBalancer");
    assert!(holds_attribute(balancer, "deletion_protection.enabled", "true"));
}

fn holds_attribute(balancer: &Resource, key: &str, value: &str) -> bool {
    let attributes = balancer.get("LoadBalancerAttributes").as_array();
    attributes.is_some_and(|all| all.contains(&json!({ "Key": key, "Value": value })))
}

// === Permissions and secrets =======================================================================================

/// Whether it is `*`, or an ARN of which nothing but its service is said.
fn is_only_a_wildcard(arn: &str) -> bool {
    let plain = arn.replace("${AWS::", "${");
    let resource = if plain == "*" { Some("*") } else { plain.splitn(6, ':').nth(5) };
    resource.is_some_and(|resource| resource.contains('*') && resource.chars().all(|part| "*/:".contains(part)))
}

/// The lines of a template whose value is only a wildcard, as a resource or as one of a list, with the line above each.
fn wildcards(text: &str) -> Vec<(&str, &str)> {
    let value_of = |line: &str| -> String {
        let written = line.split(" #").next().unwrap_or_default().trim().trim_start_matches("- ");
        written.trim_start_matches("Resource: ").trim_start_matches("!Sub ").trim_matches('"').to_owned()
    };
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.windows(2).map(|pair| (pair[0], pair[1]));
    pairs.filter(|(_, line)| is_only_a_wildcard(&value_of(line))).collect()
}

/// How many resources of a template's policies are only a wildcard, however they are written.
fn wildcard_resources(value: &Value) -> usize {
    let inner: usize = match value {
        Value::Object(fields) => fields.values().map(wildcard_resources).sum(),
        Value::Array(items) => items.iter().map(wildcard_resources).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    let own = value
        .get("Effect")
        .map_or(0, |_| texts(&value["Resource"]).into_iter().filter(|resource| is_only_a_wildcard(resource)).count());
    inner + own
}

#[test]
fn a_wildcard_is_told_from_a_part_of_a_name() {
    for wildcard in ["*", "arn:aws:s3:::*", "arn:aws:s3:::*/*", "arn:${AWS::Partition}:sqs:${AWS::Region}:*:*"] {
        assert!(is_only_a_wildcard(wildcard), "{wildcard}");
    }
    for narrower in ["arn:aws:rds:eu-west-1:123456789012:db:*", "${Bucket.Arn}/*", "arn:aws:s3:::documents", "/*"] {
        assert!(!is_only_a_wildcard(narrower), "{narrower}");
    }
}

#[test]
fn every_wildcard_resource_has_its_reason_beside_it() {
    let mut seen = 0;
    for file in template_files().expect("the templates") {
        let text = std::fs::read_to_string(&file).expect("a template");
        let (written, there) = (wildcards(&text).len(), wildcard_resources(&template(&file).expect("the template")));
        assert_eq!(written, there, "{}: a wildcard is written in a way that this test does not know", file.display());
        for (above, line) in wildcards(&text) {
            let reason =
                line.split_once('#').map(|(_, reason)| reason).or_else(|| above.trim_start().strip_prefix('#'));
            assert!(
                reason.is_some_and(|reason| reason.trim().len() > 20),
                "{}: {line} gives no reason",
                file.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen} wildcards: are they written in another way?");
}

#[test]
fn no_role_may_do_everything_of_a_service() {
    for (workload, _, stack) in stacks() {
        for role in stack.all("AWS::IAM::Role") {
            for statement in role.statements().into_iter().filter(|statement| statement["Effect"] == "Allow") {
                let actions = texts(&statement["Action"]);
                assert!(
                    !actions.iter().any(|action| action.ends_with('*')),
                    "{workload}: {} may {actions:?}",
                    role.path
                );
            }
        }
    }
}

#[test]
fn no_password_stands_in_a_template() {
    for file in template_files().expect("the templates") {
        let template = template(&file).expect("the template");
        for (name, declaration) in template["Parameters"].as_object().into_iter().flatten() {
            let secret = ["password", "apikey", "token"].iter().any(|word| name.to_lowercase().contains(word));
            assert!(!secret, "{}: the parameter {name} would be in every stack's description", file.display());
            assert!(declaration.get("NoEcho").is_none(), "{}: {name}", file.display());
        }
    }
    each("AWS::RDS::DBCluster", |place, _, cluster| {
        let password = cluster.get("MasterUserPassword");
        assert!(
            password.is_null() || cluster.text("MasterUserPassword").starts_with("{{resolve:secretsmanager:"),
            "{place}"
        );
    });
}

#[test]
fn every_global_database_has_its_lag_alarm_in_both_regions() {
    each("AWS::RDS::DBCluster", |place, stack, cluster| {
        let alarms = stack.all("AWS::CloudWatch::Alarm");
        let lag =
            alarms.iter().find(|alarm| alarm.text("MetricName") == "AuroraGlobalDBReplicationLag").expect("an alarm");
        assert_eq!(lag.text("Dimensions/0/Value"), cluster.text("DBClusterIdentifier"), "{place}");
    });
}

// === Where each row is served ======================================================================================

#[test]
fn every_row_stands_beside_a_resource() {
    let mut beside = BTreeSet::new();
    for file in template_files().expect("the templates") {
        for resource in resources_with_their_text(&file).expect("the template") {
            for comment in resource.lines.iter().filter_map(|line| line.split_once('#')).map(|(_, comment)| comment) {
                let words = comment.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
                beside.extend(
                    words.map(|word| word.trim_end_matches('.').to_owned()).filter(|word| word.starts_with('W')),
                );
            }
        }
    }
    let rows = [("W1", 10), ("W2", 9), ("W3", 11), ("W4", 10)];
    for (workload, count) in rows {
        for row in (1..=count).map(|row| format!("{workload}.{row}")) {
            assert!(beside.contains(&row), "no resource says that it serves {row}");
        }
    }
}

#[test]
fn every_row_has_a_test_that_names_it() {
    let folder = project_root().join("tests/workloads/tests");
    let rows =
        [("trading", "w1", 10), ("payments_serverless", "w2", 9), ("payments_alb", "w3", 11), ("edge", "w4", 10)];
    for (file, workload, count) in rows {
        let text = std::fs::read_to_string(folder.join(format!("{file}.rs"))).expect("the tests");
        for row in 1..=count {
            assert!(text.contains(&format!("\nfn {workload}_{row}_")), "{file}.rs has no test of {workload}.{row}");
        }
    }
}
