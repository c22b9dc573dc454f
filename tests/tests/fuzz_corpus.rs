//! Whatever the fuzzer found worth keeping, held against the same properties by the ordinary test command.
#![expect(clippy::expect_used, clippy::print_stderr, reason = "a failed property is a failed test, with its input")]

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

use failover_tests::hostile::KINDS;
use failover_tests::project_root;

/// The least number of inputs of each kind: fewer means that the corpus was lost.
const LEAST_INPUTS: usize = 5;

fn inputs(kind: &str) -> Vec<PathBuf> {
    let folder = project_root().join("fuzz/corpus").join(kind);
    let entries = fs::read_dir(&folder).expect("each kind has a corpus");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn every_input_that_the_fuzzer_kept_holds_the_properties_of_its_kind() {
    for (kind, exercise) in KINDS {
        let inputs = inputs(kind);
        assert!(inputs.len() >= LEAST_INPUTS, "{kind} has {} inputs", inputs.len());
        for path in inputs {
            let bytes = fs::read(&path).expect("readable");
            if let Err(panic) = catch_unwind(|| exercise(&bytes)) {
                eprintln!("a property does not hold for {}", path.display());
                std::panic::resume_unwind(panic);
            }
        }
    }
}
