//! `lab doctor`: what a lab needs, what was found, and what mends what is missing.

use serde::Serialize;

use crate::cli;
use crate::console::{Console, Tone};
use crate::failure::{Exit, Result};
use crate::places::Places;
use crate::preflight::{self, Needs, RunNeeds};
use crate::redis_server::Fetch;

/// A check as a JSON line.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    check: &'a str,
    ok: bool,
    found: &'a str,
    remedy: &'a str,
}

/// Runs the command.
///
/// # Errors
/// When this user has no home.
pub fn run(arguments: &cli::Doctor, console: &Console) -> Result<Exit> {
    let places = Places::find(arguments.runs.runs.as_deref())?;
    let needs = RunNeeds {
        worker_command: None,
        worker_file: arguments.worker_bin.as_deref(),
        judge: arguments.judge.as_deref(),
        datasets: None,
    };
    let redis = arguments.redis.redis_server.as_deref();
    let needs = Needs { places: &places, redis, fetch: Fetch::Refused, run: Some(needs) };
    let (checks, _) = preflight::look(&needs, console);
    for check in &checks {
        let (ok, found, remedy) = match &check.found {
            Ok(found) => (true, found.as_str(), ""),
            Err(failure) => (false, failure.error.as_str(), failure.remedy.as_str()),
        };
        console.result(if ok { Tone::Good } else { Tone::Bad }, check.name, found);
        if !remedy.is_empty() {
            console.result(Tone::Note, "remedy", remedy);
        }
        console.json(&Line { event: "check", check: check.name, ok, found, remedy });
    }
    for (name, what) in super::gc::leftovers(&places) {
        let found = format!("lab `{name}`: {what}");
        console.result(Tone::Note, "leftover", &found);
        console.result(Tone::Note, "remedy", "cargo xtask lab gc");
        console.json(&Line { event: "leftover", check: &name, ok: true, found: &found, remedy: "cargo xtask lab gc" });
    }
    for target in ["kind", "gke"] {
        console.result(Tone::Note, target, "not in this version of the lab");
    }
    let good = checks.iter().all(|check| check.found.is_ok());
    Ok(if good { Exit::Green } else { Exit::Preflight })
}
