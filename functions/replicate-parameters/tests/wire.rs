//! The real SDK client against a model of the Parameter Store: what is written, and what is left alone.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use common::{Model, PREFIX, REGIONS, Version, aws, function, record, role};
use failover::config::{Access, Variables};
use failover::contract::Timestamp;
use failover::error::ErrorCode;
use failover::testing::{FakeAws, Reply, START};
use replicate_parameters::plan::{Kind, Secret};
use replicate_parameters::{Answer, Settings, Synced};
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::fmt::MakeWriter;

const HERE: &str = REGIONS[0];
const THERE: &str = REGIONS[1];
const NAME: &str = "/edge/dev/api-key";
const VALUE: &str = "hunter2";

fn by_person(kind: &str, value: &str, second: u64) -> Version {
    Version {
        kind: kind.to_owned(),
        value: value.to_owned(),
        tier: "Standard".to_owned(),
        key: None,
        user: "arn:aws:iam::123456789012:user/person".to_owned(),
        at: START.plus_millis(second * 1_000),
    }
}

/// The changes that were made, by operation.
fn changes(aws: &FakeAws) -> Vec<String> {
    let changes = aws.requests().into_iter().filter(|request| !request.operation.starts_with("Get"));
    changes.map(|request| request.operation).collect()
}

async fn failures(aws: &FakeAws, event: Value) -> Vec<String> {
    match function(aws, HERE, 0).answer(event).await.expect("answered") {
        Answer::Batch(answer) => answer.batch_item_failures.into_iter().map(|item| item.item_identifier).collect(),
        Answer::Sync(synced) => panic!("{synced:?}"),
    }
}

fn event(operation: &'static str, at: Timestamp) -> Value {
    json!({ "Records": [record("m", &(NAME.to_owned(), operation, at))] })
}

#[tokio::test(start_paused = true)]
async fn a_change_is_written_with_the_key_of_the_other_region_and_a_name_outside_the_prefix_is_refused() {
    let model = Model::default();
    model.world().put(HERE, NAME, by_person("SecureString", VALUE, 0));
    let aws = aws(&model);
    let batch = serde_json::from_str(include_str!("../events/changes.json")).expect("an event");
    assert_eq!(failures(&aws, batch).await, ["2e1424d4-f796-459a-8184-9c92662be6da"]);
    let world = model.world();
    let copy = world.newest(THERE, NAME).expect("copied");
    assert_eq!((copy.kind.as_str(), copy.value.as_str()), ("SecureString", VALUE));
    assert_eq!(copy.key.as_deref(), Some("arn:aws:kms:us-east-2:123456789012:key/there"));
    assert_eq!(changes(&aws), ["PutParameter"], "once, and nothing for the other name");
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_not_copied_back_and_what_is_equal_is_not_written() {
    let model = Model::default();
    model.world().put(THERE, NAME, by_person("String", "x", 0));
    let user = format!("arn:aws:sts::123456789012:assumed-role/{}/function", role(THERE));
    model.world().put(HERE, NAME, Version { user, ..by_person("String", "x", 1) });
    let aws = aws(&model);
    assert_eq!(failures(&aws, event("Create", START)).await, Vec::<String>::new());
    assert_eq!(changes(&aws), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_newer_of_two_changes_stays() {
    for (here, there, expected) in [(5, 9, "there"), (9, 5, "here")] {
        let model = Model::default();
        model.world().put(HERE, NAME, by_person("String", "here", here));
        model.world().put(THERE, NAME, by_person("String", "there", there));
        assert_eq!(failures(&aws(&model), event("Update", START)).await, Vec::<String>::new());
        assert_eq!(model.world().newest(THERE, NAME).expect("there").value, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_repeated_unless_it_is_there_again_or_was_changed_there_since() {
    let deleted = START.plus_millis(10_000);
    for (there_since, stays) in [(9, false), (10, false), (11, true)] {
        let model = Model::default();
        model.world().put(THERE, NAME, by_person("String", "x", there_since));
        assert_eq!(failures(&aws(&model), event("Delete", deleted)).await, Vec::<String>::new());
        assert_eq!(model.world().newest(THERE, NAME).is_some(), stays, "changed at {there_since} s");
    }
    let model = Model::default();
    model.world().put(HERE, NAME, by_person("String", "anew", 12));
    model.world().put(THERE, NAME, by_person("String", "old", 1));
    assert_eq!(failures(&aws(&model), event("Delete", deleted)).await, Vec::<String>::new());
    assert_eq!(model.world().newest(THERE, NAME).expect("there").value, "anew");
}

#[tokio::test(start_paused = true)]
async fn another_type_replaces_and_a_higher_tier_is_never_lowered() {
    let model = Model::default();
    model.world().put(HERE, NAME, by_person("StringList", "a,b", 5));
    model.world().put(THERE, NAME, Version { tier: "Advanced".to_owned(), ..by_person("String", "a", 1) });
    let aws = aws(&model);
    assert_eq!(failures(&aws, event("Update", START)).await, Vec::<String>::new());
    assert_eq!(changes(&aws), ["DeleteParameter", "PutParameter"]);
    let world = model.world();
    let copy = world.newest(THERE, NAME).expect("there");
    assert_eq!((copy.kind.as_str(), copy.value.as_str(), copy.tier.as_str()), ("StringList", "a,b", "Advanced"));
}

#[tokio::test(start_paused = true)]
async fn sync_goes_through_all_parameters_and_on_from_where_it_ended() {
    let model = Model::default();
    for number in 0..5 {
        model.world().put(HERE, &format!("{PREFIX}/{number}"), by_person("String", "x", 0));
    }
    let sync: Value = serde_json::from_str(include_str!("../events/sync.json")).expect("a command");
    let last = Some(format!("{PREFIX}/4"));
    for (command, done) in [(sync, 5), (json!({ "command": "sync", "after": format!("{PREFIX}/2") }), 2)] {
        let answer = function(&aws(&model), HERE, 0).answer(command).await.expect("answered");
        assert_eq!(answer, Answer::Sync(Synced { done, failed: Vec::new(), left: 0, last: last.clone() }));
    }
    assert_eq!(model.world().stores.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn sync_says_what_there_was_no_time_for() {
    let model = Model::default();
    for number in 0..100 {
        model.world().put(HERE, &format!("{PREFIX}/{number:03}"), by_person("String", "x", 0));
    }
    let answer = function(&aws(&model), HERE, 1_000).answer(json!({ "command": "sync" })).await.expect("answered");
    let Answer::Sync(synced) = answer else { panic!("{answer:?}") };
    assert!(synced.left > 0 && synced.done > 0, "{synced:?}");
    assert_eq!(synced.done + synced.failed.len() + synced.left, 100);
    let last: usize = synced.last.expect("some").rsplit('/').next().expect("a number").parse().expect("a number");
    assert_eq!(last + 1 + synced.left, 100);
}

#[tokio::test(start_paused = true)]
async fn what_is_neither_a_batch_nor_a_command_is_refused() {
    let bad: Value = serde_json::from_str(include_str!("../events/bad-command.json")).expect("JSON");
    for event in [bad, json!({}), json!({ "Records": [{ "body": "{}" }] })] {
        let error = function(&aws(&Model::default()), HERE, 0).answer(event).await.expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
    }
    let unreadable = json!({ "Records": [{ "messageId": "m", "body": "no event" }] });
    assert_eq!(failures(&aws(&Model::default()), unreadable).await, ["m"]);
}

/// What was logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Logged {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_value_is_in_no_log_no_error_and_no_debug_output() {
    let model = Model::default();
    model.world().put(HERE, NAME, by_person("SecureString", VALUE, 0));
    let aws = aws(&model);
    let refusal = format!("Parameter value {VALUE} cannot be validated");
    aws.on("ssm", "PutParameter", [Reply::error("ParameterPatternMismatchException", &refusal)]);
    let logged = Logged::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(logged.clone()).finish();
    let failed = failures(&aws, event("Update", START)).with_subscriber(subscriber).await;
    assert_eq!(failed, ["m"]);
    let texts = String::from_utf8(logged.0.lock().expect("nobody panicked").clone()).expect("text");
    assert!(texts.contains("ParameterPatternMismatchException") && texts.contains(NAME), "{texts}");
    assert!(!texts.contains(VALUE), "{texts}");
    assert_eq!(format!("{:?}", (Kind::Secure, Secret::new(VALUE))), "(Secure, Secret)");
}

/// An environment in which everything is set, and which remembers what was asked for.
struct Remembering(RefCell<BTreeSet<String>>);

impl Variables for Remembering {
    fn get(&self, name: &str) -> Option<String> {
        self.0.borrow_mut().insert(name.to_owned());
        let value = match name {
            "DESTINATION_REGION" | "AWS_REGION" => "us-east-2",
            "AWS_CALL_TIMEOUT_SECONDS" => "5",
            _ => "/edge/dev",
        };
        Some(value.to_owned())
    }
}

#[test]
fn the_variables_that_are_read_are_those_that_the_template_sets_and_lambda() {
    let variables = Remembering(RefCell::default());
    Settings::read(&variables).expect("complete");
    let file = workloads::project_root().join("infra/modules/parameter-replication.yaml");
    let template = workloads::template(&file).expect("readable");
    let set = &template["Resources"]["ReplicateParametersFunction"]["Properties"]["Environment"]["Variables"];
    let mut set: BTreeSet<String> = set.as_object().expect("variables").keys().cloned().collect();
    set.insert("AWS_REGION".to_owned());
    assert_eq!(variables.0.take(), set);
    Access::read(&variables, "replicate-parameters").expect("complete");
    assert!(variables.0.take().iter().all(|name| name.starts_with("AWS_")));
}
