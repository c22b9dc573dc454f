//! The variables that the function reads against those that its two templates set.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use failover::config::Variables;
use payment_processor::settings::Settings;

const DYNAMODB: &str = include_str!("../../../infra/modules/payment-processor.yaml");
const AURORA: &str = include_str!("../../../infra/modules/payment-processor-aurora.yaml");

/// An environment that remembers what was asked for.
struct Remembering(BTreeMap<&'static str, &'static str>, RefCell<BTreeSet<String>>);

impl Variables for Remembering {
    fn get(&self, name: &str) -> Option<String> {
        self.1.borrow_mut().insert(name.to_owned());
        Variables::get(&self.0, name)
    }
}

fn read_in(environment: BTreeMap<&'static str, &'static str>) -> BTreeSet<String> {
    let variables = Remembering(environment, RefCell::default());
    Settings::read(&variables).expect("complete");
    let mut read = variables.1.take();
    // Lambda sets it.
    assert!(read.remove("AWS_REGION"));
    read
}

/// The names under `Variables:` of the template's one function.
fn set_by(template: &str) -> BTreeSet<String> {
    let mut lines = template.lines().skip_while(|line| !line.trim_start().starts_with("Variables:"));
    let head = lines.next().expect("the template sets variables");
    let depth = |line: &str| line.len() - line.trim_start().len();
    lines
        .take_while(|line| depth(line) > depth(head))
        .map(str::trim_start)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn the_function_reads_what_its_template_sets_and_metrics_are_the_only_choice() {
    let optional = BTreeSet::from(["METRIC_NAMESPACE".to_owned()]);
    let with_dynamodb = set_by(DYNAMODB);
    assert!(!with_dynamodb.is_empty());
    assert_eq!(read_in(common::dynamodb()), &with_dynamodb | &optional);
    assert_eq!(read_in(common::aurora()), set_by(AURORA));
}

/// The actions on the store's service that a template permits.
fn permitted_by<'a>(template: &'a str, service: &str) -> Vec<&'a str> {
    let words = template.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_whitespace);
    words.filter(|word| word.strip_prefix(service).is_some_and(|action| action.starts_with(':'))).collect()
}

#[test]
fn the_role_permits_the_one_call_to_its_store_that_the_function_makes() {
    assert_eq!(permitted_by(DYNAMODB, "dynamodb"), ["dynamodb:PutItem"]);
    assert_eq!(permitted_by(AURORA, "rds-data"), ["rds-data:ExecuteStatement"]);
    let calls = |source: &str| source.matches("CallError::from_sdk(").count();
    let dynamodb = include_str!("../src/store/dynamodb.rs");
    let aurora = include_str!("../src/store/aurora.rs");
    assert!(dynamodb.contains("from_sdk(\"dynamodb\", \"PutItem\"") && calls(dynamodb) == 1);
    assert!(aurora.contains("from_sdk(\"rds-data\", \"ExecuteStatement\"") && calls(aurora) == 1);
}
