//! `cargo xtask ci`: what CI runs, command for command as the README has it.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::{build, run};

/// Runs every check, says what each was and how long it took, and names all that failed.
pub fn run() -> Result<ExitCode, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut failed = Vec::new();
    for check in checks() {
        let typed = format!("cargo {}", check.join(" "));
        println!("          Ci {typed}");
        let start = Instant::now();
        let passed = run::and_wait(Path::new(&cargo), &check)?;
        let outcome = if passed { "passed" } else { "FAILED" };
        println!("          Ci {typed}: {outcome} in {:.1}s", start.elapsed().as_secs_f64());
        if !passed {
            failed.push(typed);
        }
    }
    if failed.is_empty() {
        println!("          Ci green");
        return Ok(ExitCode::SUCCESS);
    }
    println!("          Ci red: {}", failed.join("; "));
    Ok(ExitCode::FAILURE)
}

/// The checks, cheapest first.
fn checks() -> Vec<Vec<&'static str>> {
    let mut checks = vec![
        vec!["fmt", "--all", "--check"],
        vec!["xtask", "tidy"],
        vec!["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"],
        // Without libFuzzer, which is C++: that the targets still fit what they fuzz is what can rot.
        vec!["check", "--manifest-path", "fuzz/Cargo.toml", "--no-default-features", "--locked"],
        vec!["xtask", "peers"],
        vec!["xtask", "test"],
        vec!["xtask", "e2e", "--target", "local"],
        vec!["xtask", "e2e", "--target", "local", "--preempt", "SIGKILL"],
    ];
    // The cluster is built once, used twice, and then everything once more from nothing.
    if std::env::var_os(WITH_KIND).is_some_and(|value| value == "1") {
        checks.extend([
            vec!["xtask", "e2e", "--target", "kind", "--keep"],
            vec!["xtask", "e2e", "--target", "kind", "--keep"],
            vec!["xtask", "lab", "down"],
            vec!["xtask", "e2e", "--target", "kind"],
        ]);
    } else {
        println!("          Ci target kind is left out: {WITH_KIND}=1 has it checked, too");
    }
    // The tutorial's own five files are not ours to ship; where they lie beside the checkout, the flow runs on them too.
    if build::root().join(TUTORIAL_DATASETS).is_dir() {
        checks.push(vec!["xtask", "e2e", "--target", "local", "--datasets", TUTORIAL_DATASETS]);
    }
    checks
}

/// Set to 1 where Docker, kind and the images are there.
const WITH_KIND: &str = "LAB_CI_KIND";

const TUTORIAL_DATASETS: &str = "../shared/tutorial/datasets";
