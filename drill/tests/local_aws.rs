//! The emulator and the gateway together: every disturbance and every model, seen from a client and from a
//! deployed Lambda function.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use drill::aws::{Aws, AwsError};
use drill::deploy::{Deployment, deploy};
use drill::dns::control_plane;
use drill::emulator::{LocalAws, LocalAwsOptions};
use drill::gateway::{Call, Effect, Fault, KillPoint, Matcher, Outcome, Rule, ScalableTarget};
use drill::progress::Progress;
use drill::tools::{Tools, ensure_tools};
use serde_json::{Value, json};

const REGION: &str = "eu-west-1";
const OTHER_REGION: &str = "eu-central-1";

async fn start() -> (Tools, PathBuf, LocalAws) {
    let progress = Progress::silent();
    let tools = ensure_tools(&progress).await.unwrap();
    let run_dir = tools.new_run_dir().unwrap();
    let options = LocalAwsOptions { run_dir: run_dir.clone(), seed: 1, wait_scale: 0.01 };
    let local = LocalAws::start(&tools, options, &progress).await.unwrap();
    (tools, run_dir, local)
}

async fn create_table(aws: &Aws, region: &str) {
    let table = json!({
        "TableName": "drill-test",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "operation_id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "operation_id", "KeyType": "HASH" }],
    });
    aws.json("dynamodb", region, "CreateTable", &table).await.unwrap();
}

fn item(id: &str) -> Value {
    json!({ "TableName": "drill-test", "Item": { "operation_id": { "S": id }, "status": { "S": "claimed" } } })
}

async fn put(aws: &Aws, region: &str, id: &str) -> Result<Value, AwsError> {
    aws.json("dynamodb", region, "PutItem", &item(id)).await
}

async fn is_there(aws: &Aws, region: &str, id: &str) -> bool {
    let key = json!({ "TableName": "drill-test", "Key": { "operation_id": { "S": id } } });
    aws.json("dynamodb", region, "GetItem", &key).await.unwrap().get("Item").is_some()
}

fn puts(operation: &str) -> Matcher {
    Matcher::any().service("dynamodb").operation("PutItem").body_contains(operation)
}

fn last_call(local: &LocalAws) -> Call {
    local.gateway.calls().pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_blacked_out_answers_nothing_and_the_other_one_does() {
    let (_tools, _run_dir, local) = start().await;
    let (direct, aws) = (local.emulator.aws(), local.gateway.aws());
    create_table(&direct, REGION).await;
    create_table(&direct, OTHER_REGION).await;

    let blackout = local.gateway.add_rule(Rule::blackout(OTHER_REGION));
    let error = put(&aws, OTHER_REGION, "f-1#step#x").await.unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (0, "NoAnswer"));
    put(&aws, REGION, "f-1#step#x").await.unwrap();
    assert!(!is_there(&direct, OTHER_REGION, "f-1#step#x").await, "a refused call is not carried out");

    let calls = local.gateway.calls();
    assert_eq!(calls.iter().map(|call| call.region.as_str()).collect::<Vec<_>>(), [OTHER_REGION, REGION]);
    assert_eq!(calls[0].outcome, Outcome::NoAnswer);
    assert_eq!(calls[0].rules, ["blackout of eu-central-1"]);
    assert_eq!(calls[1].outcome, Outcome::Ok { status: 200 });
    assert_eq!(calls[1].iam_action, "dynamodb:PutItem");
    assert_eq!(calls[1].caller.app.as_deref(), Some("drill"));
    assert_eq!(calls[1].failover_id.as_deref(), Some("f-1"));

    assert!(local.gateway.remove_rule(blackout));
    put(&aws, OTHER_REGION, "f-1#step#x").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_or_cut_leaves_the_call_carried_out() {
    let (_tools, _run_dir, local) = start().await;
    let (direct, aws) = (local.emulator.aws(), local.gateway.aws());
    create_table(&direct, REGION).await;
    local.gateway.add_rule(Rule::new("dropped", puts("dropped"), Effect::DropAnswer).times(1));
    local.gateway.add_rule(Rule::new("cut", puts("cut"), Effect::CutAnswer).times(1));

    assert_eq!(put(&aws, REGION, "dropped").await.unwrap_err().code, "NoAnswer");
    assert_eq!(last_call(&local).outcome, Outcome::AnswerLost);
    assert!(is_there(&direct, REGION, "dropped").await);
    put(&aws, REGION, "dropped").await.unwrap();

    assert_eq!(put(&aws, REGION, "cut").await.unwrap_err().code, "NoAnswer", "half an answer is none");
    assert!(is_there(&direct, REGION, "cut").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_may_be_answered_although_the_call_was_carried_out() {
    let (_tools, _run_dir, local) = start().await;
    let (direct, aws) = (local.emulator.aws(), local.gateway.aws());
    create_table(&direct, REGION).await;
    let effect = Effect::AnswerAfterwards(Fault::Unavailable);
    local.gateway.add_rule(Rule::new("done, but", puts("done"), effect).times(1));

    let error = put(&aws, REGION, "done").await.unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (503, "ServiceUnavailableException"));
    assert!(is_there(&direct, REGION, "done").await);
    let call = last_call(&local);
    assert!(call.applied && !call.outcome.is_ok() && call.rules == ["done, but"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_closed_refuses_connections_until_it_is_opened_again() {
    let (_tools, _run_dir, local) = start().await;
    let aws = local.gateway.aws();
    create_table(&local.emulator.aws(), REGION).await;
    put(&aws, REGION, "before").await.unwrap();
    let address = local.gateway.endpoint().trim_start_matches("http://").to_owned();

    local.gateway.refuse_connections();
    // The listener and idle connections are closed a moment later, by tasks of their own.
    let refused = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.expect("connections are refused");
    assert_eq!(tokio::net::TcpStream::connect(&address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(put(&aws, REGION, "meanwhile").await.unwrap_err().status, 0, "nor does an old connection serve");

    local.gateway.accept_connections();
    let accepted = async {
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), accepted).await.expect("connections are accepted");
    put(&aws, REGION, "after").await.unwrap();
    assert!(!is_there(&local.emulator.aws(), REGION, "meanwhile").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_have_the_form_of_the_services_protocol_and_delays_pass() {
    let (_tools, _run_dir, local) = start().await;
    let aws = local.gateway.aws();
    create_table(&local.emulator.aws(), REGION).await;
    local.gateway.add_rule(Rule::new("slow", puts("slow"), Effect::Delay(Duration::from_millis(300))));
    local.gateway.add_rule(Rule::new("busy", puts("busy"), Effect::Answer(Fault::Throttled)).skip(1).times(1));
    let rds = Matcher::any().service("rds");
    let fault = Fault::error(400, "InvalidGlobalClusterStateFault", "busy");
    local.gateway.add_rule(Rule::new("state", rds, Effect::Answer(fault)));
    let route53 = Matcher::any().service("route53");
    local.gateway.add_rule(Rule::new("down", route53, Effect::Answer(Fault::Unavailable)));

    let start = Instant::now();
    put(&aws, REGION, "slow").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));
    put(&aws, REGION, "busy").await.unwrap();
    let busy = put(&aws, REGION, "busy").await.unwrap_err();
    assert_eq!((busy.status, busy.code.as_str()), (400, "ThrottlingException"));
    put(&aws, REGION, "busy").await.unwrap();
    let rds = aws.query("rds", REGION, "DescribeGlobalClusters", &[]).await.unwrap_err();
    assert_eq!((rds.code.as_str(), rds.message.as_str()), ("InvalidGlobalClusterStateFault", "busy"));
    let zones = aws.rest("route53", "us-east-1", "GET", "/2013-04-01/hostedzone", "text/xml", b"").await;
    assert_eq!(zones.unwrap_err().code, "ServiceUnavailable");
    let recorded = last_call(&local).outcome;
    assert_eq!(recorded, Outcome::Error { status: 503, code: "ServiceUnavailable".to_owned() });
}

#[tokio::test(flavor = "multi_thread")]
async fn raising_a_scalable_targets_minimum_raises_the_services_count() {
    let (_tools, _run_dir, local) = start().await;
    let (direct, aws) = (local.emulator.aws(), local.gateway.aws());
    let ecs = async |operation: &str, input: Value| direct.json("ecs", REGION, operation, &input).await.unwrap();
    ecs("CreateCluster", json!({ "clusterName": "trading" })).await;
    let container = json!([{ "name": "app", "image": "app" }]);
    ecs("RegisterTaskDefinition", json!({ "family": "api", "containerDefinitions": container })).await;
    let service = json!({ "cluster": "trading", "serviceName": "api", "taskDefinition": "api", "desiredCount": 1 });
    ecs("CreateService", service).await;

    let mut target = json!({
        "ServiceNamespace": "ecs", "ResourceId": "service/trading/api",
        "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 3, "MaxCapacity": 6,
    });
    let register =
        async |target: &Value| aws.json("application-autoscaling", REGION, "RegisterScalableTarget", target).await;
    register(&target).await.unwrap();
    let described = ecs("DescribeServices", json!({ "cluster": "trading", "services": ["api"] })).await;
    assert_eq!(described["services"][0]["desiredCount"], 3);
    let expected = ScalableTarget {
        region: REGION.to_owned(),
        namespace: "ecs".to_owned(),
        resource_id: "service/trading/api".to_owned(),
        dimension: "ecs:service:DesiredCount".to_owned(),
        min: 3,
        max: 6,
        suspended: drill::gateway::Suspended::default(),
    };
    assert_eq!(local.gateway.scalable_targets(), [expected]);
    target["ResourceId"] = json!("service/trading/missing");
    assert_eq!(register(&target).await.unwrap_err().code, "ValidationException");
    assert!(last_call(&local).answered_by_model);
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_metrics_can_be_published_and_read_back() {
    let (_tools, _run_dir, local) = start().await;
    let aws = local.gateway.aws();
    let datum = [
        ("Namespace", "AWS/RDS"),
        ("MetricData.member.1.MetricName", "AuroraGlobalDBReplicationLag"),
        ("MetricData.member.1.Dimensions.member.1.Name", "DBClusterIdentifier"),
        ("MetricData.member.1.Dimensions.member.1.Value", "trading-dr"),
        ("MetricData.member.1.Unit", "Milliseconds"),
        ("MetricData.member.1.Value", "750"),
    ];
    aws.query("monitoring", REGION, "PutMetricData", &datum).await.unwrap();
    let query = [
        ("StartTime", "2020-01-01T00:00:00Z"),
        ("EndTime", "2100-01-01T00:00:00Z"),
        ("MetricDataQueries.member.1.Id", "lag"),
        ("MetricDataQueries.member.1.MetricStat.Metric.Namespace", "AWS/RDS"),
        ("MetricDataQueries.member.1.MetricStat.Metric.MetricName", "AuroraGlobalDBReplicationLag"),
        ("MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Name", "DBClusterIdentifier"),
        ("MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Value", "trading-dr"),
        ("MetricDataQueries.member.1.MetricStat.Period", "60"),
        ("MetricDataQueries.member.1.MetricStat.Stat", "Average"),
    ];
    let xml = aws.query("monitoring", REGION, "GetMetricData", &query).await.unwrap();
    assert_eq!(drill::aws::xml_text(&xml, &["Values", "member"]).as_deref(), Some("750.0"), "{xml}");
}

/// The function in `tests/function`, with the virtual environment's Python as its interpreter.
async fn deploy_caller(tools: &Tools, run_dir: &Path, local: &LocalAws) -> BTreeMap<String, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/function");
    let package = run_dir.join("function");
    fs::create_dir_all(&package).unwrap();
    let template = package.join("template.yaml");
    fs::copy(source.join("template.yaml"), &template).unwrap();
    let code = fs::read_to_string(source.join("bootstrap.py")).unwrap();
    let bootstrap = package.join("bootstrap");
    fs::write(&bootstrap, format!("#!{}\n{code}", tools.python.display())).unwrap();
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
    let parameters = BTreeMap::from([("Greeting".to_owned(), r#"{"a": "b c", "d": [1, 2]}"#.to_owned())]);
    let deployment =
        Deployment { template: &template, region: REGION, stack_name: "drill-test", parameters: &parameters, run_dir };
    deploy(tools, &local.emulator, &deployment, &Progress::silent()).await.unwrap()
}

async fn invoke(aws: &Aws, event: &Value) -> Value {
    let path = "/2015-03-31/functions/drill-test-caller/invocations";
    let body = event.to_string();
    let answer = aws.rest("lambda", REGION, "POST", path, "application/json", body.as_bytes()).await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

fn put_event(id: &str) -> Value {
    json!({
        "service": "dynamodb", "region": REGION, "operation": "put_item",
        "parameters": { "TableName": "drill-test", "Item": { "operation_id": { "S": id } } },
    })
}

async fn run_machine(aws: &Aws, machine: &str, event: &Value) -> Value {
    let start = json!({ "stateMachineArn": machine, "input": event.to_string() });
    let execution = aws.json("states", REGION, "StartExecution", &start).await.unwrap();
    let which = json!({ "executionArn": execution["executionArn"] });
    for _ in 0..600 {
        let state = aws.json("states", REGION, "DescribeExecution", &which).await.unwrap();
        if state["status"] != "RUNNING" {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the execution did not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployed_functions_calls_go_through_the_gateway_under_its_role() {
    let (tools, run_dir, local) = start().await;
    let aws = local.emulator.aws();
    let outputs = deploy_caller(&tools, &run_dir, &local).await;
    assert_eq!(outputs["FunctionName"], "drill-test-caller");
    assert_eq!(outputs["Greeting"], r#"{"a": "b c", "d": [1, 2]}"#, "parameters arrive as they are");

    let answer = invoke(&aws, &put_event("f-1#step#x")).await;
    assert_eq!(answer["region"], REGION, "{answer}");
    let call = last_call(&local);
    assert_eq!((call.caller.app.as_deref(), call.operation.as_str()), (Some("caller"), "PutItem"));
    assert!(call.caller.access_key_id.unwrap().starts_with("ASIA"));

    let denied = json!({
        "service": "dynamodb", "region": REGION, "operation": "delete_item",
        "parameters": { "TableName": "drill-test", "Key": { "operation_id": { "S": "f-1#step#x" } } },
    });
    assert_eq!(invoke(&aws, &denied).await["code"], "AccessDeniedException");
    let document = json!({
        "id": "70de5b6f19ff9a0a", "trace_id": "1-581cf771-a006649127e371903a2de979", "name": "step",
        "type": "subsegment", "parent_id": "53995c3f42cd8ad8", "start_time": 1.5, "end_time": 2.5,
    });
    let trace = json!({
        "service": "xray", "region": REGION, "operation": "put_trace_segments",
        "parameters": { "TraceSegmentDocuments": [document.to_string()] },
    });
    assert_eq!(invoke(&aws, &trace).await["answer"]["UnprocessedTraceSegments"], json!([]));
    assert_eq!(local.gateway.trace_segments()[0].document, document);
    let describe = json!({
        "service": "application-autoscaling", "region": REGION, "operation": "describe_scalable_targets",
        "parameters": { "ServiceNamespace": "ecs" },
    });
    assert_eq!(invoke(&aws, &describe).await["code"], "AccessDeniedException", "models enforce the role too");
    let register = json!({
        "service": "application-autoscaling", "region": REGION, "operation": "register_scalable_target",
        "parameters": {
            "ServiceNamespace": "ecs", "ResourceId": "service/none/none",
            "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1, "MaxCapacity": 2,
        },
    });
    assert_eq!(invoke(&aws, &register).await["code"], "ValidationException", "allowed, but there is no such service");
}

fn pair(first: &str, second: &str) -> Vec<String> {
    let half = |record_type: &str, city: &str, role: &str, data: &str| {
        format!(
            "<Name>app.example.com</Name><Type>{record_type}</Type><SetIdentifier>{city}</SetIdentifier>\
             <Failover>{role}</Failover>{data}"
        )
    };
    let alias = |city: &str| {
        format!(
            "<AliasTarget><HostedZoneId>Z215JYRZR1TBD5</HostedZoneId><DNSName>{city}.elb.amazonaws.com</DNSName>\
             <EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>"
        )
    };
    let values = |address: &str| {
        format!(
            "<TTL>60</TTL><ResourceRecords><ResourceRecord><Value>{address}</Value></ResourceRecord></ResourceRecords>"
        )
    };
    vec![
        half("A", "frankfurt", first, &alias("frankfurt")),
        half("A", "ireland", second, &alias("ireland")),
        half("AAAA", "frankfurt", first, &values("2001:db8::c")),
        half("AAAA", "ireland", second, &values("2001:db8::1e")),
    ]
}

/// More than one page of records that come before everything else in the zone.
fn many_records() -> Vec<String> {
    let record = |number: u32| {
        format!(
            "<Name>a{number:03}.example.com</Name><Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord>\
             <Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>"
        )
    };
    (0..300).map(record).collect()
}

async fn create_zone(aws: &Aws) -> String {
    let zone_id = control_plane::create_zone(aws, "example.com").await.unwrap();
    control_plane::change_record_sets(aws, &zone_id, "CREATE", &many_records()).await.unwrap();
    control_plane::change_record_sets(aws, &zone_id, "CREATE", &pair("PRIMARY", "SECONDARY")).await.unwrap();
    zone_id
}

/// Gives the deployed function's role one more permission.
async fn allow(aws: &Aws, action: &str) {
    let path = "/2015-03-31/functions/drill-test-caller/configuration";
    let function = aws.rest("lambda", REGION, "GET", path, "application/json", b"").await.unwrap();
    let function: Value = serde_json::from_str(&function).unwrap();
    let role = function["Role"].as_str().unwrap().rsplit('/').next().unwrap();
    let statement = json!({ "Effect": "Allow", "Action": action, "Resource": "*" });
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    let parameters = [("RoleName", role), ("PolicyName", "one-more"), ("PolicyDocument", policy.as_str())];
    aws.query("iam", "us-east-1", "PutRolePolicy", &parameters).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dns_question_is_answered_from_the_primary_records_when_the_callers_role_may_ask() {
    let (tools, run_dir, local) = start().await;
    let aws = local.emulator.aws();
    deploy_caller(&tools, &run_dir, &local).await;
    let zone_id = create_zone(&aws).await;
    let ask = async |zone_id: &str, name: &str, record_type: &str| {
        let parameters = json!({ "HostedZoneId": zone_id, "RecordName": name, "RecordType": record_type });
        let event =
            json!({ "service": "route53", "region": REGION, "operation": "test_dns_answer", "parameters": parameters });
        invoke(&aws, &event).await
    };

    assert_eq!(ask(&zone_id, "app.example.com", "A").await["code"], "AccessDenied");
    allow(&aws, "route53:TestDNSAnswer").await;
    let answer = ask(&zone_id, "app.example.com", "A").await["answer"].take();
    let expected = json!({
        "Nameserver": "ns-1.awsdns-1.com", "RecordName": "app.example.com", "RecordType": "A",
        "RecordData": ["frankfurt.elb.amazonaws.com."], "ResponseCode": "NOERROR", "Protocol": "UDP",
    });
    assert_eq!(answer, expected);
    let call = last_call(&local);
    assert!(call.answered_by_model);
    assert_eq!((call.outcome, call.iam_action.as_str()), (Outcome::Ok { status: 200 }, "route53:TestDNSAnswer"));

    control_plane::change_record_sets(&aws, &zone_id, "UPSERT", &pair("SECONDARY", "PRIMARY")).await.unwrap();
    let moved = [("A", "ireland.elb.amazonaws.com."), ("AAAA", "2001:db8::1e")];
    for (record_type, value) in moved {
        assert_eq!(ask(&zone_id, "app.example.com", record_type).await["answer"]["RecordData"], json!([value]));
    }
    assert_eq!(ask(&zone_id, "none.example.com", "A").await["answer"]["ResponseCode"], "NXDOMAIN");
    assert_eq!(ask("Z0123456789EXAMPLE", "app.example.com", "A").await["code"], "NoSuchHostedZone");
    assert_eq!(ask(&zone_id, "app.example.com", "B").await["code"], "InvalidInput");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_every_protocol_are_understood_by_an_aws_sdk() {
    let (tools, run_dir, local) = start().await;
    let aws = local.emulator.aws();
    deploy_caller(&tools, &run_dir, &local).await;
    let fault = Fault::error(400, "SomethingDrilled", "as <told>");
    local.gateway.add_rule(Rule::new("fault", Matcher::any().caller("caller"), Effect::Answer(fault)));
    let calls = [
        ("cloudwatch", "describe_alarms", json!({}), "cloudwatch:DescribeAlarms"),
        ("rds", "describe_global_clusters", json!({}), "rds:DescribeGlobalClusters"),
        ("ecs", "describe_services", json!({ "services": ["api"] }), "ecs:DescribeServices"),
        ("route53", "get_change", json!({ "Id": "C1" }), "route53:GetChange"),
        ("stepfunctions", "start_execution", json!({ "stateMachineArn": "arn" }), "states:StartExecution"),
        ("sns", "publish", json!({ "TopicArn": "arn", "Message": "m" }), "sns:Publish"),
        ("xray", "put_trace_segments", json!({ "TraceSegmentDocuments": [] }), "xray:PutTraceSegments"),
    ];
    for (service, operation, parameters, action) in calls {
        let event = json!({ "service": service, "region": REGION, "operation": operation, "parameters": parameters });
        assert_eq!(invoke(&aws, &event).await, json!({ "code": "SomethingDrilled" }), "{service}");
        assert_eq!(last_call(&local).iam_action, action);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_function_fails_its_execution_and_starts_again_for_the_next_one() {
    let (tools, run_dir, local) = start().await;
    let aws = local.emulator.aws();
    let outputs = deploy_caller(&tools, &run_dir, &local).await;
    let machine = &outputs["MachineArn"];
    for (point, id, applied) in
        [(KillPoint::BeforeForwarding, "before", false), (KillPoint::AfterForwarding, "after", true)]
    {
        local.gateway.add_rule(Rule::new(id, puts(id), Effect::KillCaller(point)).times(1));
        let failed = run_machine(&aws, machine, &put_event(id)).await;
        assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("Runtime.ExitError")));
        assert_eq!(last_call(&local).outcome, Outcome::Killed { point });
        assert_eq!(is_there(&aws, REGION, id).await, applied);
        let succeeded = run_machine(&aws, machine, &put_event(id)).await;
        assert_eq!(succeeded["status"], "SUCCEEDED", "{succeeded}");
        assert!(is_there(&aws, REGION, id).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_reaches_a_function_by_its_arn_and_again_when_the_function_was_killed() {
    let (tools, run_dir, local) = start().await;
    let aws = local.emulator.aws();
    deploy_caller(&tools, &run_dir, &local).await;
    let arn = format!("arn:aws:cloudwatch:{REGION}:{}:alarm:drill-test-alarm", local.emulator.account_id());
    let kill = Effect::KillCaller(KillPoint::BeforeForwarding);
    let killing = local.gateway.add_rule(Rule::new("killed", puts(&arn), kill).times(1));
    let state = [("AlarmName", "drill-test-alarm"), ("StateValue", "ALARM"), ("StateReason", "test")];
    aws.query("monitoring", REGION, "SetAlarmState", &state).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_there(&aws, REGION, &arn).await {
        assert!(Instant::now() < deadline, "the second delivery did not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(local.gateway.rule_hits(killing), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_execution_stays_stopped_and_schedules_nothing_more_within_a_map() {
    let (_tools, _run_dir, local) = start().await;
    let aws = local.emulator.aws();
    create_table(&aws, REGION).await;
    let put = |id: &str| {
        json!({
            "Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem",
            "Arguments": { "TableName": "drill-test", "Item": { "operation_id": { "S": id } } },
        })
    };
    let mut first = put("first");
    first["Next"] = "Pause".into();
    let mut second = put("second");
    second["End"] = true.into();
    let pause = json!({ "Type": "Wait", "Seconds": 60, "Next": "Second" });
    let items = json!({ "StartAt": "First", "States": { "First": first, "Pause": pause, "Second": second } });
    let map = json!({ "Type": "Map", "Items": [1], "ItemProcessor": items, "End": true });
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "Each", "States": { "Each": map } });
    let trust = ("AssumeRolePolicyDocument", "{\"Version\":\"2012-10-17\",\"Statement\":[]}");
    aws.query("iam", "us-east-1", "CreateRole", &[("RoleName", "test"), trust]).await.unwrap();
    let role = format!("arn:aws:iam::{}:role/test", local.emulator.account_id());
    let machine = json!({ "name": "stopped", "definition": definition.to_string(), "roleArn": role });
    let machine = aws.json("states", REGION, "CreateStateMachine", &machine).await.unwrap();
    let start = json!({ "stateMachineArn": machine["stateMachineArn"], "input": "{}" });
    let execution = aws.json("states", REGION, "StartExecution", &start).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_there(&aws, REGION, "first").await {
        assert!(Instant::now() < deadline, "it never began");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let arn = json!({ "executionArn": execution["executionArn"] });
    aws.json("states", REGION, "StopExecution", &arn).await.unwrap();
    // The wait is a hundredth of what it says.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(!is_there(&aws, REGION, "second").await);
    assert_eq!(aws.json("states", REGION, "DescribeExecution", &arn).await.unwrap()["status"], "ABORTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_global_table_of_a_stack_has_its_replicas_and_a_condition_sees_writes_of_the_other_region() {
    let (_tools, _run_dir, local) = start().await;
    let aws = local.emulator.aws();
    let table = json!({
        "Type": "AWS::DynamoDB::GlobalTable",
        "Properties": {
            "TableName": "drill-test", "BillingMode": "PAY_PER_REQUEST", "MultiRegionConsistency": "STRONG",
            "AttributeDefinitions": [{ "AttributeName": "operation_id", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "operation_id", "KeyType": "HASH" }],
            "GlobalTableWitnesses": [{ "Region": "eu-north-1" }],
            "Replicas": [{ "Region": REGION }, { "Region": "eu-central-1" }],
        },
    });
    let template = json!({ "Resources": { "Table": table } }).to_string();
    let stack = [("StackName", "tables"), ("TemplateBody", template.as_str())];
    aws.query("cloudformation", REGION, "CreateStack", &stack).await.unwrap();
    let item = json!({
        "TableName": "drill-test", "Item": { "operation_id": { "S": "once" } },
        "ConditionExpression": "attribute_not_exists(operation_id)",
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = aws.json("dynamodb", REGION, "PutItem", &item).await {
        assert!(error.code == "ResourceNotFoundException" && Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let again = aws.json("dynamodb", "eu-central-1", "PutItem", &item).await.unwrap_err();
    assert_eq!(again.code, "ConditionalCheckFailedException");
}
