//! What the workloads' pages say is what the templates and the tests have.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use workloads::{Deployment, Role, Stack, project_root};

/// The pages whose tables name one test for each row.
const PAGES: [(&str, &str, u32); 4] =
    [("trading", "W1", 10), ("payments-serverless", "W2", 9), ("payments-alb", "W3", 11), ("edge", "W4", 10)];

fn read(path: &str) -> String {
    std::fs::read_to_string(project_root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A workload as it is deployed in earnest, that is, with a certificate.
fn stacks(workload: &str) -> [Stack; 2] {
    let certificate = "arn:aws:acm:us-east-1:123456789012:certificate/c";
    let deployment = |role| Deployment::of(workload, role).with("CertificateArn", certificate);
    Role::BOTH.map(|role| deployment(role).expand().expect("the template expands"))
}

/// The cells of each row of a page's tables.
fn rows(page: &str) -> Vec<Vec<String>> {
    let lines = page.lines().filter(|line| line.starts_with('|'));
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The words of a text that stand in backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn each_row_of_the_requirements_is_in_the_pages_table_with_a_test_and_resources_that_are_there() {
    let tests: String = ["trading", "payments_serverless", "payments_alb", "edge", "deployment"]
        .map(|name| read(&format!("tests/workloads/tests/{name}.rs")))
        .concat();
    for (workload, prefix, count) in PAGES {
        let page = read(&format!("docs/workloads/{workload}.md"));
        let stacks = stacks(workload);
        for row in (1..=count).map(|row| format!("{prefix}.{row}")) {
            let cells =
                rows(&page).into_iter().find(|cells| cells[0] == row).unwrap_or_else(|| panic!("{row} is not there"));
            let test = code(&cells[2]).next().expect("a test");
            assert!(tests.contains(&format!("fn {test}(")), "{row}: there is no test {test}");
            let logical = |word: &&str| {
                word.chars().all(char::is_alphanumeric) && !["Handover", "LogGroup", "DeletionPolicy"].contains(word)
            };
            for name in code(&cells[1]).filter(logical) {
                let there = stacks
                    .iter()
                    .flat_map(|stack| &stack.resources)
                    .any(|resource| resource.path.ends_with(&format!("/{name}")));
                assert!(there, "{row}: no template makes a {name}");
            }
        }
    }
}

#[test]
fn the_costs_are_added_up_and_their_alarms_are_those_of_the_templates() {
    for (workload, ..) in PAGES {
        let page = read(&format!("docs/workloads/{workload}.md"));
        let (_, costs) = page.split_once("## What it costs").expect("a chapter");
        let cents = |cell: &str| {
            let digits: String = cell.chars().filter(char::is_ascii_digit).collect();
            digits.parse::<u64>().unwrap_or_default()
        };
        let table: Vec<_> = rows(costs).into_iter().skip(2).take_while(|cells| !cells[1].is_empty()).collect();
        let sum: u64 = table.iter().map(|cells| cents(&cells[2])).sum();
        let said = rows(costs).into_iter().find(|cells| cells[0] == "**sum**").expect("a sum");
        assert_eq!(sum, cents(&said[2]), "{workload}");

        let alarms = table.iter().find(|cells| cells[0] == "alarms").expect("alarms");
        let stacks = stacks(workload);
        let count: usize = stacks.iter().map(|stack| stack.all("AWS::CloudWatch::Alarm").len()).sum();
        assert!(alarms[1].starts_with(&format!("{count} × ")), "{workload} has {count} alarms");
    }
}

#[test]
fn every_link_of_a_workloads_page_leads_to_a_file() {
    let folder = project_root().join("docs/workloads");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a page");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let file = target.split('#').next().unwrap_or_default();
            assert!(folder.join(file).exists(), "{}: {target}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} links");
}
