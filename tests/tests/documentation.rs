//! What the documentation shows is what the program reads, and where it points to is something.
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;
use std::path::Path;

use drill::scenarios;
use failover::contract::{self, ExecutionInput, ProbeRequest, Traffic};
use failover::recovery_plan::RecoveryPlan;
use failover::region_switch::Event;
use failover_tests::markdown::{Block, blocks, files, links, short_path};
use failover_tests::{project_root, runbook, rust_files};
use serde_json::Value;

const FOLDERS: [&str; 2] = ["docs", runbook::FOLDER];

/// Each file's path and text.
fn pages() -> Vec<(std::path::PathBuf, String)> {
    let paths = FOLDERS.iter().flat_map(|folder| files(folder).expect("the folder is there"));
    paths.map(|path| (path.clone(), std::fs::read_to_string(path).expect("a text"))).collect()
}

/// Each block of JSON, as a value, with the place it stands at.
fn json_blocks() -> Vec<(String, Value)> {
    let place = |path: &Path, block: &Block| format!("{}, line {}", short_path(path), block.line);
    let mut found = Vec::new();
    for (path, text) in pages() {
        for block in blocks(&text).iter().filter(|block| block.language == "json") {
            let at = place(&path, block);
            let value = serde_json::from_str(&block.text).unwrap_or_else(|error| panic!("{at}: {error}"));
            found.push((at, value));
        }
    }
    found
}

/// The sample plan with this traffic in the place of its own.
fn plan_with(traffic: &Value) -> Value {
    let text = std::fs::read_to_string(project_root().join("infra/plans/trading.json")).expect("the sample plan");
    let mut plan: Value = serde_json::from_str(&text).expect("JSON");
    plan["traffic"] = traffic.clone();
    plan
}

#[test]
fn every_json_of_the_documentation_is_what_the_program_reads() {
    let mut ways = BTreeSet::new();
    for (at, value) in json_blocks() {
        let has = |field: &str| value.get(field).is_some();
        let read = if has("home_region") {
            RecoveryPlan::parse(&value.to_string()).map(drop)
        } else if has("traffic") {
            let plan = RecoveryPlan::parse(&plan_with(&value["traffic"]).to_string());
            plan.map(|plan| ways.extend(plan.traffic.iter().map(way)))
        } else if has("trigger") {
            contract::parse::<ExecutionInput>(value.clone()).map(drop)
        } else if has("command") {
            contract::parse::<ProbeRequest>(value.clone()).map(drop)
        } else if has("planArn") {
            Event::of(&value).map(|event| assert!(event.is_some(), "{at} is no event of Region switch"))
        } else {
            assert!(has("Statement"), "{at} is nothing that a test knows to read: {value}");
            continue;
        };
        read.unwrap_or_else(|error| panic!("{at}: {error}"));
    }
    let all = ["failover_records", "routing_control", "standby_object", "traffic_dial", "weighted_records"];
    assert_eq!(ways.into_iter().collect::<Vec<_>>(), all, "each way of moving traffic is shown");
}

fn way(traffic: &Traffic) -> &'static str {
    match traffic {
        Traffic::FailoverRecords(_) => "failover_records",
        Traffic::WeightedRecords(_) => "weighted_records",
        Traffic::StandbyObject(_) => "standby_object",
        Traffic::RoutingControl(_) => "routing_control",
        Traffic::TrafficDial(_) => "traffic_dial",
    }
}

#[test]
fn the_permission_to_read_the_writer_lease_is_the_one_call_that_the_library_makes() {
    let policies: Vec<Value> =
        json_blocks().into_iter().map(|(_, value)| value).filter(|value| value.get("Statement").is_some()).collect();
    let [policy] = policies.as_slice() else { panic!("{policies:?}") };
    assert_eq!(policy["Statement"][0]["Action"], "dynamodb:GetItem");
    let library = std::fs::read_to_string(project_root().join("shared/src/writer_lease.rs")).expect("the library");
    assert_eq!(library.matches(".send()").count(), 1);
    assert!(library.contains(".get_item()"));
}

#[test]
fn what_the_page_on_the_writer_lease_shows_is_what_the_library_compiles() {
    let page = std::fs::read_to_string(project_root().join("docs/writer-lease.md")).expect("the page");
    let library = std::fs::read_to_string(project_root().join("shared/src/writer_lease.rs")).expect("the library");
    let compiled: BTreeSet<&str> = library.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let shown = blocks(&page).into_iter().find(|block| block.language == "rust").expect("an example");
    for line in shown.text.lines() {
        assert!(compiled.contains(line.trim()), "not in the library's own example: {line}");
    }
}

#[test]
fn every_link_leads_to_a_file() {
    for (path, text) in pages() {
        let folder = path.parent().expect("a folder");
        for link in links(&text) {
            assert!(folder.join(&link).exists(), "{}: {link}", short_path(&path));
        }
    }
}

#[test]
fn the_index_leads_to_every_runbook() {
    let index = std::fs::read_to_string(project_root().join(runbook::FOLDER).join("README.md")).expect("the index");
    let linked = links(&index);
    for path in files(runbook::FOLDER).expect("the folder") {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(name == "README.md" || linked.contains(&name), "{name} is not in the index");
    }
}

fn semantics() -> String {
    std::fs::read_to_string(project_root().join("SEMANTICS.md")).expect("the semantics")
}

/// All of the project's own Rust, as one text.
fn sources() -> String {
    let folders = ["shared", "functions", "drill", "tests"].map(|name| project_root().join(name));
    let files = folders.iter().flat_map(|folder| rust_files(folder));
    files.map(|path| std::fs::read_to_string(path).expect("a text")).collect()
}

#[test]
fn every_test_file_and_scenario_that_the_semantics_name_exists() {
    let (text, sources) = (semantics(), sources());
    let mut tests = 0;
    for name in text.split('`').skip(1).step_by(2) {
        let is_test = name.split('_').count() > 4
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
        if is_test {
            assert!(sources.contains(&format!("fn {name}(")), "no test has the name {name}");
            tests += 1;
        } else if Path::new(name).extension().is_some_and(|end| end == "rs") || name.ends_with('/') {
            assert!(project_root().join(name).exists(), "{name}");
        }
    }
    assert!(tests > 20, "only {tests} tests are named");
    for named in text.split("drill: `").skip(1) {
        // Until the bracket closes, or words follow.
        let names = named.split([')', ';', '.']).next().unwrap_or_default();
        for name in names.split('`').step_by(2).filter(|name| name.contains('-')) {
            assert!(scenarios::by_name(name).is_some(), "no scenario has the name {name}");
        }
    }
}

#[test]
fn every_guarantee_and_every_answer_of_a_gate_names_what_holds_it() {
    let text = semantics();
    let (_, guarantees) = text.split_once("## Guarantees").expect("a chapter");
    let (guarantees, gates) = guarantees.split_once("## The gates").expect("the next chapter");
    let paragraphs: Vec<&str> = guarantees.split("\n\n").map(str::trim).filter(|text| !text.is_empty()).collect();
    assert!(paragraphs.len() > 20, "{} guarantees", paragraphs.len());
    for paragraph in paragraphs {
        let (_, named) = paragraph.rsplit_once(" (").unwrap_or_default();
        assert!(named.contains('`') && named.ends_with(')'), "nothing holds: {paragraph}");
    }
    let (gates, _) = gates.split_once("## Assumptions").expect("the next chapter");
    let rows: Vec<&str> = gates.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() >= 10, "{} gates", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let held = |cell: &&str| cell.contains('`') || cell.contains("(the same)");
        assert!(cells.len() == 4 && cells.iter().skip(1).all(held), "nothing holds a part of: {row}");
    }
}
