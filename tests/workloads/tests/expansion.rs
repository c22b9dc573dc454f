//! What the other tests rely on: an expansion is what CloudFormation would create.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::path::Path;

use serde_json::json;
use workloads::{Deployment, Stack};

fn expanded(role: &str) -> Stack {
    deployment("outer.yaml").with("RegionRole", role).expand().expect("it expands")
}

fn deployment(file: &str) -> Deployment {
    Deployment::of_template(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates").join(file), "eu-west-1")
}

#[test]
fn functions_are_evaluated_and_what_only_aws_knows_stays_a_symbol() {
    let stack = expanded("standby");
    let topic = stack.at("Topic");
    assert_eq!(topic.text("Note"), "b-eu-west-1-123456789012-${Literal}-${CertificateArn}");
    assert_eq!(topic.get("Blocks"), &json!(["10.0.0.0/24", "10.0.1.0/24"]));
    assert_eq!(topic.text("Zone"), "eu-west-1a");
    assert_eq!(stack.at("Reader").text("QueueName"), "${Inner/Queue.QueueName}");
    assert_eq!(stack.outputs["Queue"], "${Inner/Queue.QueueName}");
}

#[test]
fn a_nested_stack_gets_its_parameters_in_their_types_and_hands_tags_and_dependencies_down() {
    let stack = expanded("primary");
    let queue = stack.at("Inner/Queue");
    assert_eq!(queue.get("DelaySeconds"), &json!(3));
    assert_eq!(queue.get("Topics"), &json!(["${Topic}", "arn:other"]));
    assert!(queue.refers_to(stack.at("Topic")));
    assert_eq!(queue.tags["Environment"], "primary");
    assert_eq!(queue.tags["Owner"], "inner", "a resource's own tag wins");
    assert!(queue.depends_on.contains("Topic"));
    assert_eq!(queue.deletion_policy.as_deref(), Some("Delete"));
}

#[test]
fn what_a_condition_excludes_is_not_there() {
    let primary = expanded("primary");
    let standby = expanded("standby");
    assert!(primary.find("Reader").is_none());
    assert!(primary.at("Topic").get("KmsMasterKeyId").is_null(), "AWS::NoValue leaves the property out");
    assert_eq!(standby.at("Topic").text("KmsMasterKeyId"), "alias/standby");
    assert!(primary.outputs.contains_key("OnlyPrimary"));
    assert!(!standby.outputs.contains_key("OnlyPrimary"));
}

#[test]
fn what_cloudformation_would_refuse_is_an_error() {
    let unknown = deployment("outer.yaml").with("RegionRole", "primary").with("Nonsense", "1").expand();
    assert!(unknown.expect_err("no such parameter").contains("Nonsense"));
    let wrong = deployment("outer.yaml").with("RegionRole", "third").expand();
    assert!(wrong.expect_err("not allowed").contains("third"));
}
