//! Makes the workload of the simulation in the local AWS, as it is there in the beginning.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{AlarmType, ComparisonOperator, Dimension, MetricDatum, Statistic};
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, HealthCheckConfig, HealthCheckType};
use drill::aws::{Aws, AwsError};
use drill::emulator::LocalAws;
use drill::gateway::{EndpointGroup, RoutingControl, ScalableTarget, Suspended};
use failover::contract::Timestamp;
use failover_tests::create_ledger_table;
use serde_json::json;
use simulation::aws::ecs::{MAX_AT_HOME, MAX_IN_STANDBY};
use simulation::aws::{ACCOUNT, accelerator, aurora, cloudwatch, routing_control, s3, sns};
use simulation::workload::{
    COMPOSITE_ALARM, ECS_CLUSTER, GLOBAL_CLUSTER, HOME, HOSTED_ZONE, SERVICES, STANDBY, TASKS_AT_HOME,
    TASKS_IN_STANDBY, db_cluster,
};

use crate::ask::records::{CONTROL_PLANE, record_set};
use crate::sides::Side;

/// The role that may do something with RDS, and nothing else.
pub(crate) const ROLE: &str = "failover-prod-promote-aurora";

/// Forgets everything in the local AWS and makes the workload anew.
///
/// Gives what is called otherwise than in the simulation: its name there, and here.
pub(crate) async fn create(local: &LocalAws, began: Timestamp) -> Result<Vec<(String, String)>, AwsError> {
    let aws = local.emulator.aws();
    aws.rest("s3", STANDBY, "POST", "/_ministack/reset", "application/json", b"").await?;
    // By the simulation's own word, so that both begin alike.
    let example = Side::simulated(1, began);
    create_ledger_table(&aws).await?;
    database(&aws).await?;
    for (region, tasks, max) in [(HOME, TASKS_AT_HOME, MAX_AT_HOME), (STANDBY, TASKS_IN_STANDBY, MAX_IN_STANDBY)] {
        services(local, region, tasks, max).await?;
    }
    topics(&aws).await?;
    alarms(&aws, &example).await?;
    role_and_state_machine(&aws).await?;
    let bucket = format!("/{}", s3::BUCKET);
    let constraint = format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <LocationConstraint>{STANDBY}</LocationConstraint></CreateBucketConfiguration>"
    );
    aws.rest("s3", STANDBY, "PUT", &bucket, "application/xml", constraint.as_bytes()).await?;
    for region in [HOME, STANDBY] {
        let on = region == HOME;
        let (name, arn) = (region.to_owned(), routing_control::control(region));
        local.gateway.put_routing_control(RoutingControl { arn, name, on });
        let (region, arn) = (region.to_owned(), accelerator::endpoint_group(region));
        local.gateway.put_endpoint_group(EndpointGroup { arn, region, dial: if on { 100.0 } else { 0.0 } });
    }
    let maker = Side::local(local, local.emulator.endpoint(), 1, began, Vec::new());
    lag(&maker, &example).await;
    Ok(zone(&maker, &example).await)
}

async fn database(aws: &Aws) -> Result<(), AwsError> {
    let global = ("GlobalClusterIdentifier", GLOBAL_CLUSTER);
    let engine = [("Engine", "aurora-postgresql"), ("EngineVersion", "16.8")];
    aws.query("rds", HOME, "CreateGlobalCluster", &[[global].as_slice(), &engine].concat()).await?;
    for region in [HOME, STANDBY] {
        let id = ("DBClusterIdentifier", db_cluster(region));
        let group = ("VpcSecurityGroupIds.VpcSecurityGroupId.1", aurora::SERVING_GROUP);
        let parameter_group = "DBClusterParameterGroupName";
        let family =
            [(parameter_group, "trading"), ("DBParameterGroupFamily", "aurora-postgresql16"), ("Description", "d")];
        aws.query("rds", region, "CreateDBClusterParameterGroup", &family).await?;
        let mut cluster = vec![global, id, group, (parameter_group, "trading")];
        cluster.extend(engine);
        if region == HOME {
            cluster.extend([("MasterUsername", "dbadmin"), ("ManageMasterUserPassword", "true")]);
        }
        aws.query("rds", region, "CreateDBCluster", &cluster).await?;
        for number in 1..=2 {
            let name = format!("{}-{number}", db_cluster(region));
            let instance = [id, engine[0], ("DBInstanceIdentifier", &name), ("DBInstanceClass", "db.r6g.large")];
            aws.query("rds", region, "CreateDBInstance", &instance).await?;
        }
    }
    Ok(())
}

async fn services(local: &LocalAws, region: &str, tasks: u32, max: u32) -> Result<(), AwsError> {
    let aws = local.emulator.aws();
    aws.json("ecs", region, "CreateCluster", &json!({ "clusterName": ECS_CLUSTER })).await?;
    for service in SERVICES {
        let container = json!({ "name": service, "image": format!("example.com/{service}:1") });
        let definition = json!({
            "family": service, "containerDefinitions": [container], "cpu": "512", "memory": "1024",
            "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        });
        aws.json("ecs", region, "RegisterTaskDefinition", &definition).await?;
        let service_there = json!({
            "cluster": ECS_CLUSTER, "serviceName": service, "taskDefinition": service, "desiredCount": tasks,
            "launchType": "FARGATE",
        });
        aws.json("ecs", region, "CreateService", &service_there).await?;
        local.gateway.put_scalable_target(ScalableTarget {
            region: region.to_owned(),
            namespace: "ecs".to_owned(),
            resource_id: format!("service/{ECS_CLUSTER}/{service}"),
            dimension: "ecs:service:DesiredCount".to_owned(),
            min: tasks.into(),
            max: max.into(),
            suspended: Suspended::default(),
        });
    }
    Ok(())
}

async fn topics(aws: &Aws) -> Result<(), AwsError> {
    for (topic, protocol, endpoint) in
        [(sns::ALARM_TOPIC, "lambda", sns::HEALTH_PROBE_ARN), (sns::NOTIFICATION_TOPIC, "email", "oncall@example.com")]
    {
        let name = topic.rsplit(':').next().unwrap_or_default();
        aws.query("sns", STANDBY, "CreateTopic", &[("Name", name)]).await?;
        let subscription = [("TopicArn", topic), ("Protocol", protocol), ("Endpoint", endpoint)];
        aws.query("sns", STANDBY, "Subscribe", &subscription).await?;
    }
    Ok(())
}

/// The alarms as the simulation describes them.
async fn alarms(aws: &Aws, example: &Side) -> Result<(), AwsError> {
    let client = aws_sdk_cloudwatch::Client::new(&example.config(STANDBY));
    let types = [AlarmType::MetricAlarm, AlarmType::CompositeAlarm];
    let described = client.describe_alarms().set_alarm_types(Some(types.into())).send().await.expect("described");
    for alarm in described.metric_alarms() {
        let threshold = alarm.threshold().unwrap_or_default().to_string();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let parameters = [
            ("AlarmName", text(alarm.alarm_name())),
            ("Namespace", text(alarm.namespace())),
            ("MetricName", text(alarm.metric_name())),
            ("Statistic", text(alarm.statistic().map(Statistic::as_str))),
            ("ComparisonOperator", text(alarm.comparison_operator().map(ComparisonOperator::as_str))),
            ("Threshold", threshold),
            ("Period", "60".to_owned()),
            ("EvaluationPeriods", "2".to_owned()),
            ("AlarmActions.member.1", sns::ALARM_TOPIC.to_owned()),
        ];
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        aws.query("monitoring", STANDBY, "PutMetricAlarm", &parameters).await?;
    }
    for alarm in described.composite_alarms() {
        let rule = alarm.alarm_rule().unwrap_or_default();
        let topic = sns::NOTIFICATION_TOPIC;
        let parameters = [
            ("AlarmName", COMPOSITE_ALARM),
            ("AlarmRule", rule),
            ("AlarmActions.member.1", topic),
            ("OKActions.member.1", topic),
        ];
        aws.query("monitoring", STANDBY, "PutCompositeAlarm", &parameters).await?;
    }
    let names = cloudwatch::METRIC_ALARMS.iter().map(|alarm| alarm.name).chain([COMPOSITE_ALARM]);
    for name in names {
        let state = [("AlarmName", name), ("StateValue", "OK"), ("StateReason", "in the beginning")];
        aws.query("monitoring", STANDBY, "SetAlarmState", &state).await?;
    }
    Ok(())
}

async fn role_and_state_machine(aws: &Aws) -> Result<(), AwsError> {
    let trust = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
    let role = ("RoleName", ROLE);
    aws.query("iam", STANDBY, "CreateRole", &[role, ("AssumeRolePolicyDocument", &trust)]).await?;
    let statement = json!({ "Effect": "Allow", "Action": "rds:DescribeGlobalClusters", "Resource": "*" });
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    aws.query("iam", STANDBY, "PutRolePolicy", &[role, ("PolicyName", "p"), ("PolicyDocument", &policy)]).await?;
    let waits = json!({
        "StartAt": "Wait", "States": { "Wait": { "Type": "Wait", "Seconds": 600, "End": true } },
    });
    let machine = json!({
        "name": "failover-prod", "definition": waits.to_string(), "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/{ROLE}"),
    });
    aws.json("states", STANDBY, "CreateStateMachine", &machine).await.map(drop)
}

/// The lag as the simulation has measured it.
async fn lag(maker: &Side, example: &Side) {
    let cluster = db_cluster(STANDBY);
    let now = example.now();
    let measured = example.simulation(|aws| aws.aurora.lag_datapoints(STANDBY, cluster, now)).expect("the simulation");
    let dimension = Dimension::builder().name("DBClusterIdentifier").value(cluster).build();
    let data = measured.iter().map(|one| {
        let datum = MetricDatum::builder().metric_name("AuroraGlobalDBReplicationLag").dimensions(dimension.clone());
        datum.timestamp(DateTime::from_millis(one.start.as_millis())).value(one.maximum).build()
    });
    let client = aws_sdk_cloudwatch::Client::new(&maker.config(STANDBY));
    client.put_metric_data().namespace("AWS/RDS").set_metric_data(Some(data.collect())).send().await.expect("taken");
}

/// The hosted zone with the record sets and health checks of the simulation.
async fn zone(maker: &Side, example: &Side) -> Vec<(String, String)> {
    let client = aws_sdk_route53::Client::new(&maker.config(CONTROL_PLANE));
    let zone = client.create_hosted_zone().name("example.com").caller_reference("compared").send().await;
    let zone = zone.expect("created").hosted_zone.expect("a zone").id.trim_start_matches("/hostedzone/").to_owned();
    let sets = example.simulation(|aws| aws.route53.sets().to_vec()).expect("the simulation");
    let mut checks = BTreeMap::new();
    for check in sets.iter().filter_map(|set| set.health_check.as_deref()) {
        if !checks.contains_key(check) {
            let config = HealthCheckConfig::builder().r#type(HealthCheckType::Https);
            let config = config.fully_qualified_domain_name("example.com").port(443).build().expect("complete");
            let created = client.create_health_check().caller_reference(check).health_check_config(config).send().await;
            let created = created.expect("created").health_check.expect("a health check");
            checks.insert(check.to_owned(), created.id);
        }
    }
    // The zone has NS records of its own.
    let to_create = sets.iter().filter(|set| set.record_type != "NS").map(|set| {
        let set = record_set(set, |check| checks[check].clone());
        Change::builder().action(ChangeAction::Create).resource_record_set(set).build().expect("complete")
    });
    let batch = ChangeBatch::builder().set_changes(Some(to_create.collect())).build().expect("some changes");
    let changed = client.change_resource_record_sets().hosted_zone_id(&zone).change_batch(batch).send().await;
    changed.expect("created");
    checks.into_iter().chain([(HOSTED_ZONE.to_owned(), zone)]).collect()
}
