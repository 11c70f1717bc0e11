//! `cargo xtask test`: every test that needs no cluster; with `--cluster` those that need one, and no other.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::{build, peers};

/// Runs the tests through nextest where it is installed and through `cargo test` where it is not.
pub fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let (cluster, arguments): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| *argument == CLUSTER);
    if !cluster.is_empty() {
        return on_a_cluster(&arguments);
    }
    let programs = build::programs(false)?;
    let mut cargo = runner();
    // Whoever has set it for a run with `--cluster` does not mean this one.
    cargo.env_remove(CLUSTER_TESTS);
    cargo.args(["--workspace", "--all-features"]).args(arguments).envs(programs.environment());
    cargo.envs(peers::pythons());
    cargo.env(DEBUG_LAB, build::debug_lab()?);
    if let Some(server) = redis_server(&programs.lab) {
        cargo.env("LAB_REDIS_SERVER", server);
    }
    finish(cargo)
}

/// The option that asks for the tests on a cluster.
const CLUSTER: &str = "--cluster";
/// By which they know that they were asked for.
const CLUSTER_TESTS: &str = "LAB_CLUSTER_TESTS";

/// The lab whose kill points are compiled in: tests that kill it start this one.
const DEBUG_LAB: &str = "LAB_DEBUG_BIN";

/// Runs the tests on kind. What they need and is not there is an error: somebody has asked for them.
fn on_a_cluster(arguments: &[&String]) -> Result<ExitCode, String> {
    for (program, asked) in [("docker", "version"), ("kind", "version")] {
        let answers = Command::new(program).arg(asked).output().is_ok_and(|output| output.status.success());
        if !answers {
            return Err(format!(
                "failed to run `{program} {asked}`, and `cargo xtask test {CLUSTER}` needs it\n\
                 remedy: see what `cargo xtask lab doctor --target kind` says"
            ));
        }
    }
    let mut cargo = runner();
    cargo.args(["--package", "tests", "--test", "cluster", "--test", "gke"]).args(arguments);
    cargo.env(CLUSTER_TESTS, "1").env(DEBUG_LAB, build::debug_lab()?).env("LAB_WORKER", build::worker(false)?);
    finish(cargo)
}

/// nextest where it is installed, and `cargo test` where it is not.
fn runner() -> Command {
    let mut cargo = build::cargo();
    if has_nextest() {
        cargo.args(["nextest", "run"]);
        if std::env::var_os("CI").is_some() {
            cargo.args(["--profile", "ci"]);
        }
    } else {
        eprintln!("        Note cargo-nextest is not installed; using `cargo test`");
        cargo.arg("test");
    }
    cargo
}

fn finish(mut cargo: Command) -> Result<ExitCode, String> {
    let status = cargo.status().map_err(|error| format!("failed to start cargo: {error}"))?;
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
