//! The architecture's invariants that can be read off the source (see ARCHITECTURE.md).
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::fs;
use std::path::Path;

use failover_tests::{project_root, rust_files};

const FUNCTIONS: [&str; 4] = ["promote-aurora", "scale-ecs", "shift-dns", "health-probe"];
/// Where decisions are made, beside every `plan.rs` and `checks.rs` of a function.
const PURE: [&str; 12] = [
    "functions/health-probe/src/judge.rs",
    "functions/health-probe/src/preflight.rs",
    "functions/health-probe/src/report.rs",
    "functions/health-probe/src/route.rs",
    "functions/health-probe/src/run_plan.rs",
    "functions/payment-processor/src/payment.rs",
    "functions/promote-aurora/src/rebuild.rs",
    "functions/promote-aurora/src/versions.rs",
    "shared/src/ledger/plan_item.rs",
    "shared/src/ledger/record.rs",
    "shared/src/ledger/writer.rs",
    "shared/src/recovery_plan.rs",
];
/// The operations that change something, as they stand in calls.
const CHANGES: [&str; 14] = [
    "\"SwitchoverGlobalCluster\"",
    "\"FailoverGlobalCluster\"",
    "\"RemoveFromGlobalCluster\"",
    "\"ModifyDBCluster\"",
    "\"UpdateService\"",
    "\"RegisterScalableTarget\"",
    "\"ChangeResourceRecordSets\"",
    "\"PutObject\"",
    "\"DeleteObject\"",
    "\"UpdateRoutingControlStates\"",
    "\"UpdateEndpointGroup\"",
    "\"StartExecution\"",
    "\"Publish\"",
    "\"UpdateItem\"",
];
/// The only files that may make them, beside every `act.rs` of a function.
const MAY_CHANGE: [&str; 2] = ["functions/health-probe/src/trigger.rs", "shared/src/ledger/store.rs"];

fn read(path: &str) -> String {
    fs::read_to_string(project_root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A file without its tests and its comments.
fn code(path: &str) -> String {
    let text = read(path);
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// A path from the project's root on.
fn relative(path: &Path) -> String {
    path.strip_prefix(project_root()).expect("within the project").to_string_lossy().into_owned()
}

/// Every source file of the functions.
fn function_files() -> Vec<String> {
    let folders = FUNCTIONS.iter().map(|function| project_root().join("functions").join(function).join("src"));
    folders.flat_map(|folder| rust_files(&folder)).map(|path| relative(&path)).collect()
}

fn is_named(path: &str, names: &[&str]) -> bool {
    names.iter().any(|name| path.ends_with(&format!("/{name}")))
}

#[test]
fn decisions_hold_no_async_code_no_sdk_type_no_clock_and_no_environment() {
    let of_functions = function_files().into_iter().filter(|path| is_named(path, &["plan.rs", "checks.rs"]));
    let pure: Vec<String> = of_functions.chain(PURE.map(str::to_owned)).collect();
    assert!(pure.len() > PURE.len() + 3, "each step function decides in files of its own: {pure:?}");
    for path in pure {
        let code = code(&path);
        for forbidden in ["async ", ".await", "aws_sdk_", "aws_smithy_", "SystemTime", "Instant", "std::env", "Toolbox"]
        {
            assert!(!code.contains(forbidden), "{path} contains {forbidden:?}");
        }
    }
}

#[test]
fn only_the_acting_files_change_anything_in_aws() {
    let root = project_root();
    let shared = rust_files(&root.join("shared/src")).into_iter().map(|path| relative(&path));
    for name in function_files().into_iter().chain(shared) {
        let acts = name.starts_with("functions/") && is_named(&name, &["act.rs"]);
        if acts || MAY_CHANGE.contains(&name.as_str()) || name.starts_with("shared/src/testing") {
            continue;
        }
        let code = code(&name);
        for change in CHANGES {
            assert!(!code.contains(&format!(", {change}")), "{name} makes {change}");
        }
    }
}

#[test]
fn functions_never_depend_on_each_other() {
    for function in FUNCTIONS {
        let manifest = read(&format!("functions/{function}/Cargo.toml"));
        for other in FUNCTIONS.into_iter().filter(|other| *other != function) {
            assert!(!manifest.lines().any(|line| line.starts_with(other)), "{function} depends on {other}");
        }
    }
}

#[test]
fn a_function_depends_on_no_service_crate_that_it_does_not_call() {
    for function in FUNCTIONS {
        let manifest = read(&format!("functions/{function}/Cargo.toml"));
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        let sources: String = rust_files(&project_root().join("functions").join(function).join("src"))
            .iter()
            .map(|path| fs::read_to_string(path).expect("readable"))
            .collect();
        for line in dependencies.lines().filter(|line| line.starts_with("aws-sdk-")) {
            let package = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(sources.contains(&package.replace('-', "_")), "{function} does not use {package}");
        }
    }
}
