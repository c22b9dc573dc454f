//! The step matrix: every step, crashed at each await, repeated, its answers lost, raced by a late twin (X10, F3, F4).
#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]
#![allow(clippy::print_stdout, reason = "how many cells were played belongs into the report, and a failed one's trace")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use simulation::matrix::rows::{self, Row};
use simulation::matrix::{self, Outcome};

/// Plays each row, on as many threads as there are processors.
fn play(rows: &[Row]) -> BTreeMap<&'static str, Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = matrix::play_row(row);
                    outcomes.lock().expect("no thread has panicked").insert(row.name, outcome);
                }
            });
        }
    });
    outcomes.into_inner().expect("no thread has panicked")
}

#[test]
fn every_step_ends_where_it_ends_undisturbed_wherever_it_is_crashed_repeated_and_raced() {
    // MATRIX_ROW=fences: the rows of such a name alone, while they are looked into.
    let only = std::env::var("MATRIX_ROW").unwrap_or_default();
    let rows: Vec<Row> = rows::table().into_iter().filter(|row| row.name.contains(&only)).collect();
    let outcomes = play(&rows);
    let mut failed = Vec::new();
    let mut cells = 0;
    for row in &rows {
        let outcome = &outcomes[row.name];
        cells += outcome.played.values().sum::<u64>();
        println!("{}, seed {}: cells played {:?}", row.name, row.seed, outcome.played);
        for cell in &outcome.failed {
            println!("{}", cell.trace.join("\n"));
            failed.push(format!("({}, {:?}, {}): {:#?}", cell.row, cell.column, cell.point, cell.problems));
        }
    }
    println!("{cells} cells played");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is readable");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => rust_files(&path),
            Some(extension) if extension == "rs" => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

#[test]
fn every_step_of_the_sources_has_a_row() {
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions");
    let in_sources: BTreeSet<String> = rust_files(&functions)
        .iter()
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).expect("readable");
            let lines = text.lines().filter(|line| line.starts_with("impl") && line.contains(" Step for "));
            let steps =
                lines.filter_map(|line| line.split(" Step for ").nth(1)?.split(['<', ' ']).next().map(str::to_owned));
            steps.collect::<Vec<_>>()
        })
        .collect();
    assert!(in_sources.len() >= 7, "{in_sources:?}");
    assert_eq!(in_sources, steps_with_rows(|row| row.function != "health-probe"));
}

/// The steps and commands of these rows.
fn steps_with_rows(of: impl Fn(&Row) -> bool) -> BTreeSet<String> {
    rows::table().iter().filter(|row| of(row)).map(|row| row.step.to_owned()).collect()
}

#[test]
fn every_command_that_writes_has_a_row() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/health-probe/src/lib.rs");
    let text = std::fs::read_to_string(path).expect("readable");
    let arms = text.lines().filter_map(|line| line.trim().strip_prefix("Some(\"")?.split('"').next());
    let mut commands: BTreeSet<String> = arms.map(str::to_owned).collect();
    assert!(commands.remove("watch"), "it writes nothing: {commands:?}");
    // An event of SNS names no command.
    commands.insert("trigger".to_owned());
    assert_eq!(commands, steps_with_rows(|row| row.function == "health-probe"));
}
