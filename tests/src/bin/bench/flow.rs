//! The whole flow on target `local`, as a person would run it.

use std::process::{Command, Stdio};

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
