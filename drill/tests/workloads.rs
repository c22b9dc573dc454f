//! What the reference workloads need of the local AWS: their stacks, their databases and their data planes; and that the
//! command that deploys them can be repeated.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use drill::aws::{Aws, AwsError, xml_text, xml_texts};
use drill::deploy::infra_command;
use drill::dns::control_plane;
use drill::emulator::{LocalAws, LocalAwsOptions};
use drill::progress::Progress;
use drill::tools::{Tools, ensure_tools};
use serde_json::{Value, json};

const PRIMARY: &str = "eu-central-1";
const STANDBY: &str = "eu-west-1";
const STACK: &str = "drill-test";
/// The parent of the stack in `workload.yaml`, as `infra/workloads` have their modules.
const PARENT: &str = "
Parameters:
  RegionRole: { Type: String }
  PeerRegion: { Type: String }
  LeastTasks: { Type: Number }
  DeletionProtection: { Type: String }
Conditions:
  IsPrimary: !Equals [!Ref RegionRole, primary]
Resources:
  Workload:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: https://s3.eu-central-1.amazonaws.com/drill-test-templates/workload.yaml
      Parameters:
        RegionRole: !Ref RegionRole
        PeerRegion: !Ref PeerRegion
        LeastTasks: !Ref LeastTasks
        DeletionProtection: !Ref DeletionProtection
Outputs:
  SecretArn: { Condition: IsPrimary, Value: !GetAtt Workload.Outputs.SecretArn }
  EndpointGroupArn: { Condition: IsPrimary, Value: !GetAtt Workload.Outputs.EndpointGroupArn }
  ClusterArn: { Value: !GetAtt Workload.Outputs.ClusterArn }
  SwitchCheck: { Value: !GetAtt Workload.Outputs.SwitchCheck }
  RecordCheck: { Value: !GetAtt Workload.Outputs.RecordCheck }
  LoadBalancerName: { Value: !GetAtt Workload.Outputs.LoadBalancerName }
  TargetGroupArn: { Value: !GetAtt Workload.Outputs.TargetGroupArn }
";
/// How long a change of a stack may take.
const STACK_LIMIT: Duration = Duration::from_secs(30);
/// Any certificate does where no TLS is spoken.
const CERTIFICATE: &str = "certificate/11111111-2222-3333-4444-555555555555";
/// How long a command under `infra/` may take.
const COMMAND_LIMIT: Duration = Duration::from_mins(5);
/// Longer than the lag of the local AWS's replication, which is 150 ms before the last commit.
const LONGER_THAN_THE_LAG: Duration = Duration::from_millis(200);

async fn start_alone() -> (Tools, PathBuf, LocalAws, Aws) {
    let progress = Progress::silent();
    let tools = ensure_tools(&progress).await.unwrap();
    let run_dir = tools.new_run_dir().unwrap();
    let options = LocalAwsOptions { run_dir: run_dir.clone(), seed: 1, wait_scale: 0.01 };
    let local = LocalAws::start(&tools, options, &progress).await.unwrap();
    let aws = local.emulator.aws();
    (tools, run_dir, local, aws)
}

/// With the template of a stack within a stack.
async fn start() -> (LocalAws, Aws) {
    let (_tools, _run_dir, local, aws) = start_alone().await;
    create_bucket(&aws, PRIMARY, "drill-test-templates").await;
    let nested = include_bytes!("workload.yaml");
    aws.rest("s3", PRIMARY, "PUT", "/drill-test-templates/workload.yaml", "text/yaml", nested).await.unwrap();
    (local, aws)
}

async fn create_bucket(aws: &Aws, region: &str, name: &str) {
    let xml = format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    );
    aws.rest("s3", region, "PUT", &format!("/{name}"), "application/xml", xml.as_bytes()).await.unwrap();
}

/// What the stack in a Region is, once nothing is under way: its status, and its outputs.
async fn settled(aws: &Aws, region: &str) -> (String, BTreeMap<String, String>) {
    let deadline = Instant::now() + STACK_LIMIT;
    loop {
        let xml = aws.query("cloudformation", region, "DescribeStacks", &[("StackName", STACK)]).await.unwrap();
        let status = xml_text(&xml, &["Stacks", "member", "StackStatus"]).unwrap();
        if !status.ends_with("_IN_PROGRESS") {
            let keys = xml_texts(&xml, &["Outputs", "member", "OutputKey"]);
            let values = xml_texts(&xml, &["Outputs", "member", "OutputValue"]);
            return (status, keys.into_iter().zip(values).collect());
        }
        assert!(Instant::now() < deadline, "{xml}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Creates or updates a Region's stack, and gives its status and outputs.
async fn change(
    aws: &Aws,
    operation: &str,
    region: &str,
    least_tasks: &str,
    protected: &str,
) -> (String, BTreeMap<String, String>) {
    let (role, peer) = if region == PRIMARY { ("primary", STANDBY) } else { ("standby", PRIMARY) };
    let input = [
        ("StackName", STACK),
        ("TemplateBody", PARENT),
        ("Parameters.member.1.ParameterKey", "RegionRole"),
        ("Parameters.member.1.ParameterValue", role),
        ("Parameters.member.2.ParameterKey", "PeerRegion"),
        ("Parameters.member.2.ParameterValue", peer),
        ("Parameters.member.3.ParameterKey", "LeastTasks"),
        ("Parameters.member.3.ParameterValue", least_tasks),
        ("Parameters.member.4.ParameterKey", "DeletionProtection"),
        ("Parameters.member.4.ParameterValue", protected),
    ];
    aws.query("cloudformation", region, operation, &input).await.unwrap();
    settled(aws, region).await
}

/// The same, where it succeeds.
async fn deploy(
    aws: &Aws,
    operation: &str,
    region: &str,
    least_tasks: &str,
    protected: &str,
) -> BTreeMap<String, String> {
    let (status, outputs) = change(aws, operation, region, least_tasks, protected).await;
    assert!(status == "CREATE_COMPLETE" || status == "UPDATE_COMPLETE", "{operation} in {region}: {status}");
    outputs
}

/// Whether the members of the global database write, by the Region.
async fn writers(aws: &Aws, region: &str) -> Result<BTreeMap<String, bool>, AwsError> {
    let which = [("GlobalClusterIdentifier", STACK)];
    let xml = aws.query("rds", region, "DescribeGlobalClusters", &which).await?;
    let member = |field| xml_texts(&xml, &["GlobalClusterMembers", "GlobalClusterMember", field]);
    let regions = member("DBClusterArn").into_iter().map(|arn| arn.split(':').nth(3).unwrap().to_owned());
    Ok(regions.zip(member("IsWriter").into_iter().map(|writes| writes == "true")).collect())
}

async fn health_check(aws: &Aws, id: &str) -> String {
    control_plane::get(aws, &format!("healthcheck/{id}")).await.unwrap()
}

async fn desired_tasks(aws: &Aws, region: &str) -> Value {
    let which = json!({ "cluster": STACK, "services": ["orders"] });
    aws.json("ecs", region, "DescribeServices", &which).await.unwrap()["services"][0]["desiredCount"].clone()
}

/// The properties of the one record of a type, and its identifier.
async fn recorded(aws: &Aws, region: &str, type_name: &str) -> (String, Value) {
    let which = json!({ "TypeName": type_name });
    let list = aws.json("cloudcontrolapi", region, "ListResources", &which).await.unwrap();
    let descriptions = list["ResourceDescriptions"].as_array().unwrap();
    assert_eq!(descriptions.len(), 1, "{list}");
    let properties = serde_json::from_str(descriptions[0]["Properties"].as_str().unwrap()).unwrap();
    (descriptions[0]["Identifier"].as_str().unwrap().to_owned(), properties)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stack_within_a_stack_makes_is_there_for_the_services_changes_with_it_and_goes_with_it() {
    let (_local, aws) = start().await;
    let outputs = deploy(&aws, "CreateStack", PRIMARY, "2", "false").await;
    deploy(&aws, "CreateStack", STANDBY, "1", "false").await;
    let roles = BTreeMap::from([(PRIMARY.to_owned(), true), (STANDBY.to_owned(), false)]);
    assert_eq!(writers(&aws, PRIMARY).await.unwrap(), roles);
    assert_eq!(writers(&aws, STANDBY).await.unwrap(), roles);
    let check = health_check(&aws, &outputs["SwitchCheck"]).await;
    assert_eq!(xml_text(&check, &["HealthCheckConfig", "Inverted"]).as_deref(), Some("true"), "{check}");
    let check = health_check(&aws, &outputs["RecordCheck"]).await;
    let child = xml_text(&check, &["ChildHealthChecks", "ChildHealthCheck"]);
    assert_eq!(child.as_ref(), Some(&outputs["SwitchCheck"]), "{check}");
    assert_eq!((desired_tasks(&aws, PRIMARY).await, desired_tasks(&aws, STANDBY).await), (json!(2), json!(1)));
    let (group, properties) = recorded(&aws, PRIMARY, "AWS::GlobalAccelerator::EndpointGroup").await;
    assert_eq!((&group, &properties["EndpointGroupRegion"]), (&outputs["EndpointGroupArn"], &json!(PRIMARY)));
    let which = [("TargetGroupArn", outputs["TargetGroupArn"].as_str())];
    let targets = aws.query("elasticloadbalancing", PRIMARY, "DescribeTargetHealth", &which).await.unwrap();
    assert_eq!(xml_text(&targets, &["Target", "Id"]).as_deref(), Some("10.0.0.1"), "{targets}");

    let again = deploy(&aws, "UpdateStack", PRIMARY, "3", "false").await;
    assert_eq!(again, outputs, "what did not change is the same");
    assert_eq!(desired_tasks(&aws, PRIMARY).await, 3);
    let (target, properties) = recorded(&aws, PRIMARY, "AWS::ApplicationAutoScaling::ScalableTarget").await;
    assert_eq!(
        (target.as_str(), &properties["MinCapacity"]),
        ("service/drill-test/orders|ecs:service:DesiredCount|ecs", &json!("3"))
    );

    deploy(&aws, "UpdateStack", PRIMARY, "3", "true").await;
    for (region, expected) in [(PRIMARY, "DELETE_FAILED"), (STANDBY, "DELETE_COMPLETE")] {
        let deleted = settled_after_deletion(&aws, region).await;
        assert_eq!(
            deleted, expected,
            "{region}: a global database is not deleted while it is protected or has a member"
        );
    }
    assert_eq!(writers(&aws, STANDBY).await.unwrap(), BTreeMap::from([(PRIMARY.to_owned(), true)]));
    let which = json!({ "TypeName": "AWS::ApplicationAutoScaling::ScalableTarget" });
    let left = aws.json("cloudcontrolapi", STANDBY, "ListResources", &which).await.unwrap();
    assert_eq!(left["ResourceDescriptions"], json!([]));
}

/// `sam deploy` passes over an event that is not later than the last one it saw; without the last one it never ends.
#[tokio::test(flavor = "multi_thread")]
async fn each_event_of_a_stack_is_later_than_the_one_before() {
    let (_local, aws) = start().await;
    assert_eq!(change(&aws, "CreateStack", PRIMARY, "1", "false").await.0, "CREATE_COMPLETE");
    assert_eq!(change(&aws, "UpdateStack", PRIMARY, "2", "false").await.0, "UPDATE_COMPLETE");
    let events = aws.query("cloudformation", PRIMARY, "DescribeStackEvents", &[("StackName", STACK)]).await.unwrap();
    let times = xml_texts(&events, &["StackEvents", "member", "Timestamp"]);
    assert!(times.len() > 5, "{events}");
    assert!(times.is_sorted_by(|one, before| one > before), "the newest comes first: {times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_within_a_stack_that_fails_leaves_nothing_behind_and_says_why() {
    let (_local, aws) = start().await;
    assert_eq!(change(&aws, "CreateStack", STANDBY, "1", "false").await.0, "ROLLBACK_COMPLETE");
    let events = aws.query("cloudformation", STANDBY, "DescribeStackEvents", &[("StackName", STACK)]).await.unwrap();
    let reasons = xml_texts(&events, &["StackEvents", "member", "ResourceStatusReason"]);
    assert!(reasons.iter().any(|reason| reason.contains("GlobalClusterNotFoundFault")), "{reasons:?}");
    let which = json!({ "cluster": STACK, "services": ["orders"] });
    let gone = aws.json("ecs", STANDBY, "DescribeServices", &which).await.unwrap_err();
    assert_eq!(gone.code, "ClusterNotFoundException");
    let checks = control_plane::get(&aws, "healthcheck").await.unwrap();
    assert!(xml_text(&checks, &["HealthCheck", "Id"]).is_none(), "{checks}");
}

/// Deletes a Region's stack, and gives the status that it ends in. A stack that is gone is known by its id only.
async fn settled_after_deletion(aws: &Aws, region: &str) -> String {
    aws.query("cloudformation", region, "DeleteStack", &[("StackName", STACK)]).await.unwrap();
    let deadline = Instant::now() + STACK_LIMIT;
    loop {
        match aws.query("cloudformation", region, "DescribeStacks", &[("StackName", STACK)]).await {
            Err(error) if error.code == "ValidationError" => return "DELETE_COMPLETE".to_owned(),
            Err(error) => panic!("{error}"),
            Ok(xml) => {
                let status = xml_text(&xml, &["Stacks", "member", "StackStatus"]).unwrap();
                if !status.ends_with("_IN_PROGRESS") {
                    return status;
                }
            }
        }
        assert!(Instant::now() < deadline, "the stack in {region} is not deleted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A cluster, as clients of the Data API have it.
struct Database<'a> {
    aws: &'a Aws,
    region: &'a str,
    cluster: String,
    secret: String,
}

impl Database<'_> {
    async fn execute(&self, sql: &str, parameters: &[(&str, &str)]) -> Result<Value, AwsError> {
        let value = |(name, value): &(&str, &str)| json!({ "name": name, "value": { "stringValue": value } });
        let input = json!({
            "resourceArn": self.cluster, "secretArn": self.secret, "database": "payments", "sql": sql,
            "parameters": parameters.iter().map(value).collect::<Vec<_>>(),
        });
        let body = input.to_string();
        let answer =
            self.aws.rest("rds-data", self.region, "POST", "/Execute", "application/json", body.as_bytes()).await?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    async fn pay(&self, id: &str) -> i64 {
        let sql = "INSERT INTO payments (transaction_id, processed_at) VALUES (:id, cast(:time AS timestamptz)) \
                   ON CONFLICT (transaction_id) DO NOTHING";
        let done = self.execute(sql, &[("id", id), ("time", "2026-05-04T12:00:00.25Z")]).await.unwrap();
        done["numberOfRecordsUpdated"].as_i64().unwrap()
    }

    async fn payments(&self) -> Vec<String> {
        let all = self.execute("SELECT transaction_id FROM payments ORDER BY transaction_id", &[]).await.unwrap();
        let rows = all["records"].as_array().unwrap().iter();
        rows.map(|row| row[0]["stringValue"].as_str().unwrap().to_owned()).collect()
    }
}

async fn move_writer(aws: &Aws, operation: &str, to: &Database<'_>, more: &[(&str, &str)]) {
    let mut input = vec![("GlobalClusterIdentifier", STACK), ("TargetDbClusterIdentifier", to.cluster.as_str())];
    input.extend_from_slice(more);
    aws.query("rds", to.region, operation, &input).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_forgets_the_last_payments_a_switchover_none_and_only_the_writer_runs_statements() {
    let (_local, aws) = start().await;
    let made = deploy(&aws, "CreateStack", PRIMARY, "1", "false").await;
    let secret = made["SecretArn"].clone();
    let old = Database { aws: &aws, region: PRIMARY, cluster: made["ClusterArn"].clone(), secret: secret.clone() };
    let made = deploy(&aws, "CreateStack", STANDBY, "1", "false").await;
    let secret = secret.replace(PRIMARY, STANDBY);
    let new = Database { aws: &aws, region: STANDBY, cluster: made["ClusterArn"].clone(), secret };

    let missing = old.execute("SELECT transaction_id FROM payments", &[]).await.unwrap_err();
    assert!(missing.code == "DatabaseErrorException" && missing.message.ends_with("SQLState: 42P01"), "{missing}");
    let create =
        "CREATE TABLE IF NOT EXISTS payments (transaction_id text PRIMARY KEY, processed_at timestamptz NOT NULL)";
    old.execute(create, &[]).await.unwrap();
    assert_eq!((old.pay("a").await, old.pay("a").await), (1, 0), "once");
    let twice = "INSERT INTO payments (transaction_id, processed_at) VALUES (:id, cast(:id AS timestamptz))";
    let unreadable = old.execute(twice, &[("id", "yesterday")]).await.unwrap_err();
    assert!(unreadable.message.ends_with("SQLState: 22007"), "{unreadable}");
    let again = "INSERT INTO payments SELECT transaction_id, processed_at FROM payments";
    let duplicate = old.execute(again, &[]).await.unwrap_err();
    assert!(duplicate.message.ends_with("SQLState: 23505"), "{duplicate}");
    let time = "SELECT to_char(processed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM payments";
    let time = old.execute(time, &[]).await.unwrap();
    assert_eq!(time["records"], json!([[{ "stringValue": "2026-05-04T12:00:00.250Z" }]]));
    let secondary = new.execute("SELECT transaction_id FROM payments", &[]).await.unwrap_err();
    assert_eq!(secondary.code, "DatabaseNotFoundException", "a secondary has no writer");

    tokio::time::sleep(LONGER_THAN_THE_LAG).await;
    old.pay("b").await;
    move_writer(&aws, "FailoverGlobalCluster", &new, &[("AllowDataLoss", "true")]).await;
    assert_eq!(new.payments().await, ["a"], "the last one had not been replicated");
    assert_eq!(old.execute("SELECT 1", &[]).await.unwrap_err().code, "DatabaseNotFoundException");
    new.pay("c").await;
    move_writer(&aws, "SwitchoverGlobalCluster", &old, &[]).await;
    assert_eq!(old.payments().await, ["a", "c"]);
}

/// What is answered to a client that signs nothing: status and body.
fn get(local: &LocalAws, host: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(local.emulator.endpoint().trim_start_matches("http://")).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_sign_nothing_reach_each_regions_load_balancer_and_the_public_object_of_a_bucket() {
    let (local, aws) = start().await;
    for region in [PRIMARY, STANDBY] {
        let outputs = deploy(&aws, "CreateStack", region, "1", "false").await;
        let (status, body) = get(&local, &outputs["LoadBalancerName"], "/health");
        assert!(status == 200 && body.contains(&format!("in {region}")), "{status} {body}");
    }

    create_bucket(&aws, STANDBY, "drill-test-switch").await;
    aws.rest("s3", STANDBY, "DELETE", "/drill-test-switch?publicAccessBlock", "", b"").await.unwrap();
    let statement = json!([
        { "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::drill-test-switch/failed-over" },
        {
            "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::drill-test-switch/*",
            "Condition": { "Bool": { "aws:SecureTransport": "false" } },
        },
    ]);
    let policy = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
    let path = "/drill-test-switch?policy";
    aws.rest("s3", STANDBY, "PUT", path, "application/json", policy.as_bytes()).await.unwrap();
    let host = "drill-test-switch.s3.eu-west-1.amazonaws.com";
    assert_eq!(get(&local, host, "/failed-over").0, 404);
    for key in ["failed-over", "secret"] {
        let path = format!("/drill-test-switch/{key}");
        aws.rest("s3", STANDBY, "PUT", &path, "text/plain", b"x").await.unwrap();
    }
    assert_eq!(get(&local, host, "/failed-over").0, 200);
    assert_eq!(get(&local, host, "/secret").0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_deployment_that_fails_can_be_repeated_and_no_later_one_swaps_the_regions_roles() {
    let (tools, run_dir, local, aws) = start_alone().await;
    let account_id = local.emulator.account_id();
    let deploy = async |[primary, standby]: [&str; 2], zone_id: &str| {
        let certificate = |region| format!("CertificateArn=arn:aws:acm:{region}:{account_id}:{CERTIFICATE}");
        let task = Progress::silent().task("infra/deploy");
        infra_command(&tools, &local.emulator, "deploy", &run_dir)
            .args(["trading", primary, standby, "RecordName=app.example.com"])
            .arg(format!("HostedZoneId={zone_id}"))
            .args([format!("primary.{}", certificate(PRIMARY)), format!("standby.{}", certificate(STANDBY))])
            .run(COMMAND_LIMIT, &task)
            .await
    };
    let refused = deploy([PRIMARY, STANDBY], "Z0NOTTHERE").await.unwrap_err();
    let stack = [("StackName", "trading-dev")];
    let gone = aws.query("cloudformation", PRIMARY, "DescribeStacks", &stack).await.unwrap_err();
    assert!(gone.message.contains("does not exist"), "{gone}");
    let log = std::fs::read_to_string(run_dir.join("infra-deploy.log")).unwrap();
    assert!(log.contains("Z0NOTTHERE"), "{refused}: it says why");

    let zone_id = control_plane::create_zone(&aws, "example.com").await.unwrap();
    deploy([PRIMARY, STANDBY], &zone_id).await.unwrap();
    let status = async |region| {
        let xml = aws.query("cloudformation", region, "DescribeStacks", &stack).await.unwrap();
        let of = |field| xml_text(&xml, &["Stacks", "member", field]).unwrap_or_default();
        (of("StackStatus"), of("LastUpdatedTime"))
    };
    let deployed = [status(PRIMARY).await, status(STANDBY).await];
    for (status, _) in &deployed {
        assert!(["CREATE_COMPLETE", "UPDATE_COMPLETE"].contains(&status.as_str()), "{status}");
    }

    deploy([STANDBY, PRIMARY], &zone_id).await.unwrap_err();
    let log = std::fs::read_to_string(run_dir.join("infra-deploy.log")).unwrap();
    assert!(log.contains("eu-west-1 is the standby of trading-dev and cannot become the primary"), "{log}");
    assert_eq!([status(PRIMARY).await, status(STANDBY).await], deployed, "nothing was changed");
}
