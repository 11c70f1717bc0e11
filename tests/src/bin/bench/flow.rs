//! The whole flow on target `local`, as a person would run it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context as _;

use crate::measure::{cost_of, median};
use crate::{Options, Promise, Row};

const TURNS: usize = 5;

/// `e2e --target local` with everything built: preflight, up, flow, record, judge, down.
pub fn local(_: &Options) -> anyhow::Result<Vec<Row>> {
    let lab = std::env::var_os("LAB_BIN").context("failed to find the lab: run `cargo xtask bench`")?;
    let runs = tempfile::tempdir()?;
    let once = || -> anyhow::Result<f64> {
        let mut command = Command::new(&lab);
        command.args(["e2e", "--target", "local", "--quiet", "--name", "bench", "--runs"]).arg(runs.path());
        Ok(cost_of(command.stdout(Stdio::null()))?.wall_s)
    };
    once()?;
    let seconds = median((0..TURNS).map(|_| once()).collect::<anyhow::Result<_>>()?);
    Ok(vec![Row {
        what: "e2e --target local, built, whole",
        ours: format!("{seconds:.2} s"),
        peer: "none".into(),
        promise: Promise::at_most(2.0, " s", Some(seconds)),
    }])
}

/// What a stranger waits for: a fresh clone, then the README's first command on the embedded target, everything built anew.
/// Crates are downloaded already, Redis is not.
pub fn fresh_clone(_: &Options) -> anyhow::Result<Vec<Row>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let dir = tempfile::tempdir()?;
    let clone = dir.path().join("clone");
    run(Command::new("git").args(["clone", "--quiet"]).arg(&root).arg(&clone))?;
    let mut command = Command::new("cargo");
    command.args(["xtask", "e2e", "--target", "local"]).current_dir(&clone);
    // What the benchmark itself was started with would spare it the building.
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in
        inherited.filter(|name| ["LAB_", "CARGO", "RUST"].iter().any(|set| name.to_string_lossy().starts_with(set)))
    {
        if !["CARGO_HOME", "RUSTUP_HOME"].iter().any(|kept| name == *kept) {
            command.env_remove(name);
        }
    }
    command.env("XDG_STATE_HOME", dir.path().join("state")).env("XDG_CACHE_HOME", dir.path().join("cache"));
    let start = Instant::now();
    run(&mut command)?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(vec![Row {
        what: "fresh clone to verdict, crates downloaded",
        ours: format!("{:.0} min {:02.0} s", (seconds / 60.0).floor(), (seconds % 60.0).floor()),
        peer: "none".into(),
        promise: Promise::at_most(240.0, " s", Some(seconds)),
    }])
}

/// Runs a command to its end; what it says is of interest only if it fails.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("failed to start {:?}", command.get_program()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "failed to run {command:?}: {}\n{said}", output.status);
    Ok(())
}
