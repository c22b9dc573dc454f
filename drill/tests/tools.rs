//! The tools that the drill installs, and what it builds with them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use drill::progress::Progress;
use drill::tools::{build_functions, ensure_tools};

#[tokio::test]
async fn drills_that_start_at_the_same_time_share_one_installation() {
    let progress = Progress::silent();
    let (one, other) = tokio::join!(ensure_tools(&progress), ensure_tools(&progress));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.python, other.python);
    for program in ["sam", "cargo-lambda", "cfn-lint"] {
        assert!(one.program(program).exists(), "{program}");
    }
}

/// `cargo lambda` reads its settings from another file name on its own, and says nothing when it finds none.
#[tokio::test]
async fn the_functions_are_built_with_the_settings_of_the_project() {
    let progress = Progress::silent();
    let tools = ensure_tools(&progress).await.unwrap();
    build_functions(&tools, &progress).await.unwrap();
    let log = fs::read_to_string(tools.drill_dir.join("build.log")).unwrap();
    assert!(log.contains("Finished `release` profile"), "{log}");
    for function in ["promote-aurora", "scale-ecs", "shift-dns", "health-probe"] {
        let bootstrap = tools.workspace.join("target/lambda").join(function).join("bootstrap");
        assert_eq!(fs::metadata(bootstrap).unwrap().permissions().mode() & 0o111, 0o111, "{function}");
    }
}
