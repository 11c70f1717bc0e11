//! `cargo xtask test`: every test that needs no cluster.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::{build, peers};

/// Runs the tests through nextest where it is installed and through `cargo test` where it is not.
pub fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let programs = build::programs(false)?;
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
    cargo.args(["--workspace", "--all-features"]).args(arguments).envs(programs.environment());
    cargo.envs(peers::pythons());
    if let Some(server) = redis_server(&programs.lab) {
        cargo.env("LAB_REDIS_SERVER", server);
    }
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
