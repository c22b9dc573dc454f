//! Every sample event of every function, run by hand with `cargo lambda watch` and `cargo lambda invoke` (F2): the good
//! ones come to their outcome, the bad ones end with an error that names what is wrong, and nothing is changed.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use drill::dns::control_plane;
use drill::emulator::LocalAws;
use drill::endpoints::Endpoint;
use drill::gateway::{Call, EndpointGroup, RoutingControl};
use drill::staging::Staging;
use drill::world::{Site, Workload, World};
use failover::env::Env;
use failover_tests::local_lambda::{Invocation, LocalLambda};
use failover_tests::{DR_REGION, LEDGER_TABLE, create_ledger_table, local_aws, project_root};
use serde_json::{Value, json};

const STATE_MACHINE: &str = "failover-test";
const TOPIC: &str = "failover-test";
/// The alarms that the samples know.
const ALARMS: [&str; 3] = ["endpoint", "replication-lag", "region-impaired"];
/// The workload of the world that the samples are run in.
const TRADING: Workload = Workload::Trading;

/// What the samples' routing controls and endpoint groups are called, but for the last part.
const CONTROLS: &str =
    "arn:aws:route53-recovery-control::123456789012:controlpanel/0123456bbbbbbb0123456bbbbbb0123456/routingcontrol/";
const GROUPS: &str = "arn:aws:globalaccelerator::123456789012:accelerator/1234abcd-abcd-1234-abcd-1234abcdefgh/listener/\
                      0123vxyz/endpoint-group/";

/// A sample event and what has to come of it.
struct Sample {
    function: &'static str,
    event: &'static str,
    /// The failover that is under way in the ledger, with generation 1.
    under_way: Option<&'static str>,
    /// Every change it makes, as `service:operation`, apart from the ledger's records.
    changes: &'static [&'static str],
    expected: Expected,
}

enum Expected {
    /// An answer that has these values at these JSON pointers.
    Answer(&'static [(&'static str, Field)]),
    /// An error with this code, and these words in its message.
    Error(&'static str, &'static [&'static str]),
}

/// What a field of an answer has to be.
enum Field {
    Is(&'static str),
    Contains(&'static str),
    IsTrue,
    IsNull,
}

use Expected::{Answer, Error};
use Field::{Contains, Is, IsNull, IsTrue};

/// A sample that changes nothing.
const fn sample(function: &'static str, event: &'static str, expected: Expected) -> Sample {
    Sample { function, event, under_way: None, changes: &[], expected }
}

impl Sample {
    const fn that_calls(self, changes: &'static [&'static str]) -> Self {
        Self { changes, ..self }
    }

    const fn in_failover(self, failover: &'static str) -> Self {
        Self { under_way: Some(failover), ..self }
    }
}

const DONE: (&str, Field) = ("/status", Is("done"));
const WOULD_ACT: (&str, Field) = ("/status", Is("would_act"));
const CHECKED: (&str, Field) = ("/status", Is("checked"));
const FIRST_CHECK: (&str, Field) = ("/findings/0/check", Is("step-can-run"));
const STARTED: (&str, Field) = ("/records/0/outcome", Is("started"));
const IGNORED: (&str, Field) = ("/records/0/outcome", Is("ignored"));
/// What `decide` answers first: the checks to make before it decides (X4).
const CHECK_FIRST: (&str, Field) = ("/message", Contains("checks are made before it is decided"));
const INVALID: &str = "Failover.InvalidRequest";
const REFUSED: &str = "Failover.Refused";
const INCIDENT: &str = "alarm-0123456789abcdef01234567";
/// Starting an execution and telling people.
const START: &[&str] = &["sns:Publish", "states:StartExecution"];
const REGISTER: &str = "application-autoscaling:RegisterScalableTarget";
const UPDATE: &str = "ecs:UpdateService";
const MODIFY: &str = "rds:ModifyDBCluster";
const TURN: &str = "globalaccelerator:UpdateEndpointGroup";

const PROMOTE_AURORA: &[Sample] = &[
    sample("promote-aurora", "switchover", Answer(&[DONE, ("/message", Contains("is the writer"))]))
        .that_calls(&["rds:SwitchoverGlobalCluster"]),
    sample("promote-aurora", "failover", Answer(&[DONE, ("/message", Contains("is the writer"))]))
        .that_calls(&["rds:FailoverGlobalCluster"]),
    sample("promote-aurora", "detach", Answer(&[DONE, ("/message", Contains("is detached"))]))
        .that_calls(&["rds:RemoveFromGlobalCluster"]),
    sample("promote-aurora", "security-groups", Answer(&[DONE, ("/message", Contains("is the writer"))]))
        .that_calls(&[MODIFY, "rds:SwitchoverGlobalCluster"]),
    sample("promote-aurora", "dry-run", Answer(&[WOULD_ACT])),
    sample("promote-aurora", "preflight", Answer(&[CHECKED, FIRST_CHECK])),
    sample("promote-aurora", "isolate", Answer(&[DONE, ("/message", Contains("no security group but"))]))
        .that_calls(&[MODIFY]),
    sample("promote-aurora", "isolate-dry-run", Answer(&[WOULD_ACT, ("/action/region", Is("eu-central-1"))])),
    sample("promote-aurora", "isolate-preflight", Answer(&[CHECKED, FIRST_CHECK])),
    sample("promote-aurora", "region-switch-activate", Answer(&[DONE, ("/message", Contains("is the writer"))]))
        .that_calls(&["rds:SwitchoverGlobalCluster"]),
    sample("promote-aurora", "region-switch-missing-field", Error(INVALID, &["missing field `action`", "planArn"])),
    sample("promote-aurora", "bad-unknown-field", Error(INVALID, &["unknown field `allow_data_loss`"])),
    sample("promote-aurora", "bad-missing-field", Error(INVALID, &["missing field `mode`"])),
    sample("promote-aurora", "bad-region", Error(INVALID, &["target_cluster_arn: ", "rds:Ireland:"])),
    sample("promote-aurora", "bad-cluster", Error(REFUSED, &["cluster:somebody-elses", "trading"])),
    sample("promote-aurora", "bad-security-group", Error(INVALID, &["isolate.security_group_ids[0]: ", "closed"])),
    sample("promote-aurora", "bad-isolated-cluster", Error(REFUSED, &["cluster:somebody-elses"])),
];

const SCALE_ECS: &[Sample] = &[
    sample("scale-ecs", "one-service", Answer(&[DONE, ("/message", Contains("orders: 3"))]))
        .that_calls(&[REGISTER, UPDATE]),
    sample("scale-ecs", "percent-of-source", Answer(&[DONE, ("/message", Contains("orders: 4; quotes: 4"))]))
        .that_calls(&[REGISTER, REGISTER, UPDATE, UPDATE]),
    sample("scale-ecs", "scale-down", Answer(&[DONE, ("/message", Contains("orders: 1"))])),
    sample("scale-ecs", "region-switch-activate", Answer(&[DONE, ("/message", Contains("orders: 3"))]))
        .that_calls(&[REGISTER, UPDATE]),
    sample(
        "scale-ecs",
        "region-switch-deactivate",
        Answer(&[DONE, ("/operation_id", Contains("#fence/eu-central-1/"))]),
    )
    .that_calls(&[REGISTER, UPDATE]),
    sample("scale-ecs", "dry-run", Answer(&[WOULD_ACT, ("/action/services/0/service", Is("orders"))])),
    sample("scale-ecs", "preflight", Answer(&[CHECKED, FIRST_CHECK])),
    sample("scale-ecs", "fence", Answer(&[DONE, ("/message", Contains("none of 3 services has a task"))]))
        .that_calls(&[REGISTER, REGISTER, REGISTER, UPDATE, UPDATE, UPDATE]),
    sample("scale-ecs", "fence-dry-run", Answer(&[WOULD_ACT, ("/action/services/0/service", Is("orders"))])),
    sample("scale-ecs", "fence-preflight", Answer(&[CHECKED, FIRST_CHECK])),
    sample("scale-ecs", "bad-timeout", Error(INVALID, &["timeout_seconds: ", "found 0"])),
    sample("scale-ecs", "bad-unknown-field", Error(INVALID, &["unknown field `alow_scale_down`"])),
    sample("scale-ecs", "bad-missing-field", Error(INVALID, &["missing field `capacity`"])),
    sample("scale-ecs", "bad-region", Error(REFUSED, &["trading-ireland", "eu-central-1"])),
    sample("scale-ecs", "bad-service", Error(REFUSED, &["odrers"])),
];

const SHIFT_DNS: &[Sample] = &[
    sample("shift-dns", "shift-to-standby", Answer(&[DONE, ("/message", Contains("is INSYNC"))]))
        .that_calls(&["route53:ChangeResourceRecordSets"]),
    sample("shift-dns", "dry-run", Answer(&[WOULD_ACT, ("/action/changes/0/routing/failover", Is("PRIMARY"))])),
    sample("shift-dns", "preflight", Answer(&[CHECKED, ("/findings/0/check", Is("step-can-run"))])),
    sample("shift-dns", "weighted-records", Answer(&[DONE, ("/message", Contains("has all the weight"))]))
        .that_calls(&["route53:ChangeResourceRecordSets"]),
    sample("shift-dns", "standby-object", Answer(&[DONE, ("/message", Contains("is there for 10 s or more"))]))
        .that_calls(&["s3:PutObject"]),
    sample("shift-dns", "routing-control", Answer(&[DONE, ("/message", Contains("of eu-west-1 is On"))]))
        .that_calls(&["route53-recovery-cluster:UpdateRoutingControlStates"]),
    sample("shift-dns", "traffic-dial", Answer(&[DONE, ("/message", Contains("the accelerator is DEPLOYED"))]))
        .that_calls(&[TURN, TURN]),
    // The variable is set before the zone of the world is there.
    sample("shift-dns", "region-switch-activate", Error(INVALID, &["there is no hosted zone ZNOBODYS"])),
    sample("shift-dns", "region-switch-deactivate", Error(INVALID, &["action: ", "\"deactivate\""])),
    sample("shift-dns", "bad-unknown-field", Error(INVALID, &["records[0].ttl: unknown field `ttl`"])),
    sample("shift-dns", "bad-missing-field", Error(INVALID, &["missing field `hosted_zone_id`"])),
    sample("shift-dns", "bad-region", Error(INVALID, &["records[0].set_identifiers: ", "us-east-1"])),
    sample("shift-dns", "bad-record", Error(REFUSED, &["records[1].set_identifiers.", "has simple routing"])),
    sample("shift-dns", "bad-zone", Error(INVALID, &["hosted_zone_id: there is no hosted zone ZNOBODYS"])),
    sample("shift-dns", "bad-strategy", Error(INVALID, &["traffic", "unknown variant `latency_records`"])),
    sample("shift-dns", "bad-weight", Error(INVALID, &["traffic.weighted_records.weight: expected 1 to 255"])),
    sample("shift-dns", "bad-bucket", Error(INVALID, &["there is no bucket somebody-elses-switch"])),
    sample("shift-dns", "bad-control", Error(INVALID, &["traffic.routing_control.controls: ", "0000000000000000"])),
    sample("shift-dns", "bad-endpoint-group", Error(INVALID, &["endpoint_groups.eu-west-1: ", "ab00000example"])),
];

const HEALTH_PROBE: &[Sample] = &[
    sample(
        "health-probe",
        "watch",
        Answer(&[
            ("/healthy", IsTrue),
            ("/region_answers", IsTrue),
            ("/detail", Contains("200")),
            ("/writer_lease", Contains("eu-central-1 may write until")),
        ]),
    ),
    sample("health-probe", "region-switch-activate", Answer(&[("/healthy", IsTrue), ("/region", Is("eu-central-1"))])),
    sample("health-probe", "trigger-metric-alarm", Answer(&[STARTED])).that_calls(START),
    sample("health-probe", "trigger-composite-alarm", Answer(&[STARTED])).that_calls(START),
    sample(
        "health-probe",
        "trigger-several-records",
        Answer(&[STARTED, ("/records/1/outcome", Is("ignored")), ("/records/2/outcome", Is("started"))]),
    )
    .that_calls(&["sns:Publish", "sns:Publish", "states:StartExecution", "states:StartExecution"]),
    sample("health-probe", "trigger-ok-transition", Answer(&[IGNORED])),
    sample(
        "health-probe",
        "trigger-unknown-alarm",
        Answer(&[IGNORED, ("/records/0/reason", Contains("TRIGGER_ALARM_ARNS"))]),
    ),
    // An alarm in good order is not held up by a malformed one beside it.
    sample("health-probe", "trigger-malformed", Error(INVALID, &["Records[1].Sns.Message"])).that_calls(START),
    sample("health-probe", "trigger-not-an-alarm", Error(INVALID, &["Records[0].Sns.Message"])),
    sample("health-probe", "decide-alarm", Answer(&[("/decision", Is("wait")), ("/run", IsNull)])),
    sample("health-probe", "decide-switchover", Answer(&[CHECK_FIRST, ("/checks/0/request/run/preflight", IsTrue)])),
    sample("health-probe", "decide-failback", Answer(&[CHECK_FIRST, ("/checks/0/request/run/preflight", IsTrue)])),
    sample("health-probe", "decide-dry-run", Answer(&[CHECK_FIRST, ("/checks/0/request/run/preflight", IsTrue)])),
    sample("health-probe", "decide-broken-plan", Error(INVALID, &["plan_document.detection.endpoints", "eu-west-1"])),
    sample("health-probe", "decide-wrong-region", Error(INVALID, &["input.trigger.target_region", "us-east-1"])),
    sample("health-probe", "conclude-succeeded", Answer(&[DONE, ("/report/target_healthy", IsTrue)]))
        .in_failover(INCIDENT),
    sample("health-probe", "conclude-failed", Answer(&[DONE, ("/report/failure", Contains("Failover.Refused"))]))
        .in_failover(INCIDENT),
    sample("health-probe", "conclude-before-decision", Answer(&[DONE, ("/report/run", IsNull)])),
    sample("health-probe", "acknowledge", Answer(&[("/done", Contains("no cooldown")), ("/under_way", IsNull)])),
    sample("health-probe", "acknowledge-without-reason", Error(INVALID, &["reason: "])),
    sample("health-probe", "acknowledge-other-plan", Error(INVALID, &["plan: ", "tradng", "trading"])),
    sample("health-probe", "kill-switch-set", Answer(&[("/kill_switch_set", IsTrue), ("/under_way", Is(INCIDENT))]))
        .in_failover(INCIDENT),
    sample("health-probe", "kill-switch-clear", Answer(&[("/done", Contains("clear already"))])),
    sample("health-probe", "kill-switch-missing-field", Error(INVALID, &["missing field `set`"])),
    sample("health-probe", "kill-switch-unknown-field", Error(INVALID, &["unknown field `until`"])),
    sample("health-probe", "unknown-command", Error(INVALID, &["command: ", "\"failover\""])),
    sample("health-probe", "bad-unknown-field", Error(INVALID, &["url: "])),
    sample("health-probe", "bad-missing-field", Error(INVALID, &["missing field `outcome`"])),
];

fn samples() -> impl Iterator<Item = &'static Sample> {
    [PROMOTE_AURORA, SCALE_ECS, SHIFT_DNS, HEALTH_PROBE].into_iter().flatten()
}

/// Files of sample events, as `function/event`.
fn sample_files() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for function in ["promote-aurora", "scale-ecs", "shift-dns", "health-probe"] {
        let folder = project_root().join("functions").join(function).join("events");
        for file in fs::read_dir(folder).expect("sample events") {
            let path = file.expect("readable").path();
            let event = path.file_stem().expect("a name").to_string_lossy();
            found.insert(format!("{function}/{event}"));
        }
    }
    found
}

#[test]
fn every_sample_event_has_its_outcome_in_the_table() {
    let table: BTreeSet<String> = samples().map(|sample| format!("{}/{}", sample.function, sample.event)).collect();
    assert_eq!(sample_files(), table);
}

/// Where the samples are run: a world like the one they speak of.
struct Bench {
    local: LocalAws,
    lambda: LocalLambda,
    /// What `watch` watches, in all worlds.
    _watched: Endpoint,
    folder: PathBuf,
}

impl Bench {
    async fn start(seed: u64) -> Self {
        let (tools, local) = local_aws(seed).await.expect("the local AWS starts");
        let watched = Endpoint::start(Site::Primary.region()).await.expect("an endpoint starts");
        let folder = tools.new_run_dir().expect("a folder");
        let account = local.emulator.account_id();
        let credentials = local.emulator.credentials();
        let alarm = |name| format!("arn:aws:cloudwatch:{DR_REGION}:{account}:alarm:failover-dev-{TRADING}-{name}");
        let environment = [
            ("AWS_ACCOUNT_ID", account.to_owned()),
            ("DR_REGION", DR_REGION.to_owned()),
            ("ENVIRONMENT_SUFFIX", "test".to_owned()),
            ("PLAN_NAME", TRADING.name().to_owned()),
            ("GLOBAL_CLUSTER_ID", TRADING.name().to_owned()),
            ("DR_CLUSTER_ID", TRADING.cluster_id(Site::Standby)),
            ("STATE_MACHINE_ARN", format!("arn:aws:states:{DR_REGION}:{account}:stateMachine:{STATE_MACHINE}")),
            ("NOTIFICATION_TOPIC_ARN", format!("arn:aws:sns:{DR_REGION}:{account}:{TOPIC}")),
            ("TRIGGER_ALARM_ARNS", ALARMS.map(alarm).join(",")),
            ("WATCHED_ENDPOINTS", format!("{}={}", Site::Primary.region(), watched.url())),
            ("WATCHED_CLUSTERS", format!("{}={}", Site::Primary.region(), TRADING.cluster_id(Site::Primary))),
            ("WRITER_LEASE_SECONDS", "150".to_owned()),
            ("FUNCTION_ROLES", "health-probe=arn:aws:iam::123456789012:role/health-probe".to_owned()),
            ("REGION_SWITCH_REQUEST", region_switch(account)),
            ("AWS_REGION", DR_REGION.to_owned()),
            ("AWS_ENDPOINT_URL", local.gateway.endpoint().to_owned()),
            ("AWS_ACCESS_KEY_ID", credentials.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key),
        ];
        let lambda = LocalLambda::start(&tools, &folder.join("watch.log"), environment).await.expect("watch listens");
        Self { local, lambda, _watched: watched, folder }
    }

    /// A new world for each sample, so that none depends on another.
    async fn world(&self, under_way: Option<&str>) -> World {
        let aws = self.local.emulator.aws();
        aws.rest("s3", DR_REGION, "POST", "/_ministack/reset", "application/json", b"").await.expect("reset");
        create_ledger_table(&aws).await.expect("the table is created");
        aws.query("sns", DR_REGION, "CreateTopic", &[("Name", TOPIC)]).await.expect("a topic");
        let definition = json!({ "StartAt": "End", "States": { "End": { "Type": "Succeed" } } }).to_string();
        let trust = ("AssumeRolePolicyDocument", "{\"Version\":\"2012-10-17\",\"Statement\":[]}");
        aws.query("iam", DR_REGION, "CreateRole", &[("RoleName", STATE_MACHINE), trust]).await.expect("a role");
        let role = format!("arn:aws:iam::{}:role/{STATE_MACHINE}", self.local.emulator.account_id());
        let machine = json!({ "name": STATE_MACHINE, "definition": definition, "roleArn": role });
        aws.json("states", DR_REGION, "CreateStateMachine", &machine).await.expect("a state machine");
        if let Some(failover) = under_way {
            let item = json!({
                "operation_id": { "S": format!("plan#{TRADING}") },
                "generation": { "N": "1" },
                "failover_id": { "S": failover },
                "phase": { "S": "active" },
                "active_until_ms": { "N": "4102444800000" },
            });
            let put = json!({ "TableName": LEDGER_TABLE, "Item": item });
            aws.json("dynamodb", DR_REGION, "PutItem", &put).await.expect("the plan's item");
        }
        let world = World::create(&self.local, Staging::default()).await.expect("the world is created");
        self.create_switches(&world.zone_id).await;
        world
    }

    /// What the samples of `shift-dns` move traffic by besides the world's failover records: all of it in the primary
    /// Region.
    async fn create_switches(&self, zone: &str) {
        let (aws, gateway) = (self.local.emulator.aws(), &self.local.gateway);
        let sets =
            [("frankfurt", 100, "192.0.2.1"), ("ireland", 0, "192.0.2.2")].map(|(identifier, weight, address)| {
                format!(
                    "<Name>quotes.trading.example.com</Name><Type>A</Type><SetIdentifier>{identifier}</SetIdentifier>\
                 <Weight>{weight}</Weight><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>{address}</Value>\
                 </ResourceRecord></ResourceRecords>"
                )
            });
        control_plane::change_record_sets(&aws, zone, "CREATE", &sets).await.expect("weighted records");
        let bucket = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>\
                      eu-west-1</LocationConstraint></CreateBucketConfiguration>";
        let created =
            aws.rest("s3", DR_REGION, "PUT", "/trading-failover-switch", "application/xml", bucket.as_bytes());
        created.await.expect("a bucket");
        for (name, on) in [("a1b2c3d4e5f60718", true), ("f2c6b2a1b2c3d4e5", false)] {
            gateway.put_routing_control(RoutingControl { arn: format!("{CONTROLS}{name}"), name: name.to_owned(), on });
        }
        for (name, site, dial) in [("ab77777example", Site::Primary, 100.0), ("ab88888example", Site::Standby, 0.0)] {
            let region = site.region().to_owned();
            gateway.put_endpoint_group(EndpointGroup { arn: format!("{GROUPS}{name}"), region, dial });
        }
    }

    /// Runs a sample in a new world; gives the calls to AWS it made, too.
    async fn run(&self, sample: &Sample) -> (Invocation, Vec<Call>) {
        let world = self.world(sample.under_way).await;
        let name = format!("functions/{}/events/{}.json", sample.function, sample.event);
        let mut event = fs::read_to_string(project_root().join(name)).expect("the sample");
        for (placeholder, actual) in names(&world) {
            event = event.replace(placeholder, &actual);
        }
        let file = self.folder.join(format!("{}-{}.json", sample.function, sample.event));
        fs::write(&file, event).expect("written");
        self.local.gateway.clear_calls();
        let ended = self.lambda.invoke(sample.function, &file).await.expect("invoked");
        (ended, self.local.gateway.calls())
    }
}

/// What the functions do for ARC Region switch. One environment serves all of them here.
fn region_switch(account: &str) -> String {
    let (primary, standby) = (Site::Primary, Site::Standby);
    let cluster = |site: Site| format!("arn:aws:rds:{}:{account}:cluster:{}", site.region(), TRADING.cluster_id(site));
    json!({
        "aurora": {
            "global_cluster_id": TRADING.name(), "unplanned_mode": "failover",
            "clusters": { primary.region(): cluster(primary), standby.region(): cluster(standby) },
        },
        "ecs": {
            "clusters": { primary.region(): "trading-frankfurt", standby.region(): "trading-ireland" },
            "services": { "named": ["orders"] }, "capacity": { "desired": 3 },
        },
        "fence_timeout_seconds": 10,
        "traffic": { "failover_records": { "hosted_zone_id": "ZNOBODYS", "records": [{
            "name": "app.trading.example.com", "type": "A",
            "set_identifiers": { primary.region(): "frankfurt", standby.region(): "ireland" },
        }] } },
    })
    .to_string()
}

/// The samples' own names, and what they are called in the world.
fn names(world: &World) -> [(&'static str, String); 7] {
    let (primary, standby) = (Site::Primary, Site::Standby);
    let now = Env::system().now();
    [
        ("Z0123456789EXAMPLE", world.zone_id.clone()),
        ("Z0000000EXAMPLE", world.zone_id.clone()),
        ("cluster:trading-primary", format!("cluster:{}", TRADING.cluster_id(primary))),
        ("cluster:trading-dr", format!("cluster:{}", TRADING.cluster_id(standby))),
        ("https://app.eu-central-1.example.com/health", world.endpoint(primary).url()),
        ("https://app.eu-west-1.example.com/health", world.endpoint(standby).url()),
        // A decision depends on how long ago its execution has started.
        ("\"started_at\": \"2026-11-21T03:59:50Z\"", format!("\"started_at\": \"{now}\"")),
    ]
}

/// Without blanks and the frame that `cargo lambda` draws around messages, which it wraps anywhere.
fn bare(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace() && *letter != '│').collect()
}

/// What is wrong with how a sample ended.
fn faults(sample: &Sample, ended: &Invocation) -> Vec<String> {
    match &sample.expected {
        Answer(fields) => {
            let Some(answer) = ended.answer().filter(|_| ended.succeeded) else {
                return vec!["it gave no answer".to_owned()];
            };
            let wrong = fields.iter().filter(|(pointer, expected)| !expected.holds(answer.pointer(pointer)));
            wrong.map(|(pointer, _)| format!("{pointer} is {:?}", answer.pointer(pointer))).collect()
        }
        Error(code, words) => {
            let mut faults = Vec::new();
            if ended.succeeded || !ended.output.trim().is_empty() {
                faults.push("it did not fail".to_owned());
            }
            let messages = bare(&ended.messages);
            let missing = words.iter().chain([code]).filter(|expected| !messages.contains(&bare(expected)));
            faults.extend(missing.map(|expected| format!("it does not say {expected:?}")));
            faults
        }
    }
}

impl Field {
    fn holds(&self, found: Option<&Value>) -> bool {
        let found = found.unwrap_or(&Value::Null);
        match self {
            Is(text) => found == text,
            Contains(part) => found.as_str().is_some_and(|text| text.contains(part)),
            IsTrue => *found == Value::Bool(true),
            IsNull => found.is_null(),
        }
    }
}

/// Whether a call may have changed anything beyond the ledger's own records and the traces.
fn is_change(call: &Call) -> bool {
    let reads = ["Describe", "Get", "Head", "List", "Test"];
    !["dynamodb", "xray"].contains(&call.service.as_str()) && !reads.iter().any(|read| call.operation.starts_with(read))
}

fn name(call: &Call) -> String {
    format!("{}:{}", call.service, call.operation)
}

/// Runs the samples that are `chosen`; all that went wrong, one line for each.
async fn run_samples(seed: u64, chosen: impl Fn(&Sample) -> bool) -> Vec<String> {
    let bench = Bench::start(seed).await;
    let mut wrong = Vec::new();
    for sample in samples().filter(|sample| chosen(sample)) {
        let (ended, calls) = bench.run(sample).await;
        let mut faults = faults(sample, &ended);
        let mut changes: Vec<String> = calls.iter().filter(|call| is_change(call)).map(name).collect();
        changes.sort_unstable();
        if changes != sample.changes {
            faults.push(format!("it called {changes:?}"));
        }
        if !faults.is_empty() {
            let Sample { function, event, .. } = sample;
            wrong.push(format!("{function}/{event}: {}\n{}{}", faults.join(", "), ended.output, ended.messages));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_good_sample_event_run_by_hand_comes_to_its_outcome() {
    let wrong = run_samples(11, |sample| matches!(sample.expected, Answer(_))).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bad_sample_event_run_by_hand_is_an_error_that_names_it_and_changes_nothing() {
    let wrong = run_samples(12, |sample| matches!(sample.expected, Error(..))).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
