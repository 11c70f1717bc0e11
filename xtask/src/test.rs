//! `cargo xtask test`: every test that needs no cluster; with `--cluster` those that need one, and no other.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::{build, peers, skipped};

/// Runs the tests through nextest where it is installed and through `cargo test` where it is not.
pub fn run(arguments: &[OsString]) -> Result<ExitCode, String> {
    let (cluster, arguments): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| *argument == CLUSTER);
    if !cluster.is_empty() {
        return on_a_cluster(&arguments);
    }
    let programs = build::programs(false)?;
    let (mut cargo, runner) = runner();
    // Whoever has set it for a run with `--cluster` does not mean this one.
    cargo.env_remove(CLUSTER_TESTS);
    cargo.args(["--workspace", "--all-features"]).args(arguments).envs(programs.environment());
    cargo.envs(peers::pythons());
    cargo.env(DEBUG_LAB, build::debug_lab()?);
    if let Some(server) = redis_server(&programs.lab) {
        cargo.env("LAB_REDIS_SERVER", server);
    }
    finish(cargo, runner)
}

/// The option that asks for the tests on a cluster.
const CLUSTER: &str = "--cluster";
/// By which they know that they were asked for.
const CLUSTER_TESTS: &str = "LAB_CLUSTER_TESTS";

/// The lab whose kill points are compiled in: tests that kill it start this one.
const DEBUG_LAB: &str = "LAB_DEBUG_BIN";

/// Runs the tests on kind. What they need and is not there is an error: somebody has asked for them.
fn on_a_cluster(arguments: &[&OsString]) -> Result<ExitCode, String> {
    for (program, asked) in [("docker", "version"), ("kind", "version")] {
        let answers = Command::new(program).arg(asked).output().is_ok_and(|output| output.status.success());
        if !answers {
            return Err(format!(
                "failed to run `{program} {asked}`, and `cargo xtask test {CLUSTER}` needs it\n\
                 remedy: see what `cargo xtask lab doctor --target kind` says"
            ));
        }
    }
    let (mut cargo, runner) = runner();
    cargo.args(["--package", "tests", "--test", "cluster", "--test", "gke"]).args(arguments);
    cargo.env(CLUSTER_TESTS, "1").env(DEBUG_LAB, build::debug_lab()?).env("LAB_WORKER", build::worker(false)?);
    finish(cargo, runner)
}

/// What runs the tests.
enum Runner {
    /// nextest, with the report that it writes under this profile.
    Nextest { profile: &'static str },
    /// `cargo test`, where nextest is not installed.
    CargoTest,
}

fn runner() -> (Command, Runner) {
    let mut cargo = build::cargo();
    if has_nextest() {
        let profile = if std::env::var_os("CI").is_some() { "ci" } else { "default" };
        cargo.args(["nextest", "run", "--profile", profile]);
        return (cargo, Runner::Nextest { profile });
    }
    eprintln!("        Note cargo-nextest is not installed; using `cargo test`");
    cargo.arg("test");
    (cargo, Runner::CargoTest)
}

fn finish(mut cargo: Command, runner: Runner) -> Result<ExitCode, String> {
    let start = std::time::SystemTime::now();
    let status = cargo.status().map_err(|error| format!("failed to start cargo: {error}"))?;
    match runner {
        Runner::Nextest { profile } => {
            // nextest's own place, below the workspace's root wherever cargo builds.
            let report = build::root().join("target/nextest").join(profile).join("junit.xml");
            // One that an earlier run left says nothing of this one.
            let written = std::fs::metadata(&report).and_then(|metadata| metadata.modified());
            if written.is_ok_and(|written| written >= start) {
                skipped::print(&report);
            }
        }
        Runner::CargoTest => {
            eprintln!(
                "        Note `cargo test` hides which tests were skipped, and why: cargo xtask test -- --show-output"
            );
        }
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn has_nextest() -> bool {
    build::cargo().args(["nextest", "--version"]).output().is_ok_and(|output| output.status.success())
}

/// The Redis server that the lab would use: what the tests run against is what the lab runs.
pub fn redis_server(lab: &Path) -> Option<String> {
    let output = Command::new(lab).args(["redis-server", "--quiet"]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    if output.status.success() {
        return Some(path);
    }
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("        Note tests that need Redis will say that they are skipped");
    None
}
