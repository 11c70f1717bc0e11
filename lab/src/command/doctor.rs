//! `lab doctor`: what each target needs, what was found, and what mends what is missing.

use serde::Serialize;

use crate::cli;
use crate::console::{Console, Tone};
use crate::failure::{Exit, Result};
use crate::places::Places;
use crate::preflight::{self, Check, Needs, Place, RunNeeds};
use crate::redis_server::Fetch;
use crate::target::{Asked, Target};

/// A check as a JSON line.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    target: &'a str,
    check: &'a str,
    ok: bool,
    found: &'a str,
    remedy: &'a str,
}

/// Runs the command. It looks at the target that was asked for; at all of them for `auto`, which is content with any.
///
/// # Errors
/// When this user has no home.
pub fn run(arguments: &cli::Doctor, console: &Console) -> Result<Exit> {
    let places = Places::find(arguments.runs.runs.as_deref())?;
    let redis = arguments.redis.redis_server.as_deref();
    let local = Place::Local { redis, fetch: Fetch::Refused };
    let kind = Place::Kind { options: &arguments.kind, pull: false };
    let redis_image = arguments.kind.redis_image.as_deref();
    let gke = Place::Gke { options: &arguments.gke, redis_image, name: cli::DEFAULT_NAME };
    let mut told: Vec<String> = Vec::new();
    let mut is_fit = |target: Target, place| {
        let run = RunNeeds {
            worker_command: None,
            worker_image: None,
            worker_file: arguments.worker_bin.as_deref(),
            judge: arguments.judge.as_deref(),
            datasets: None,
        };
        let (checks, _) = preflight::look(&Needs { places: &places, place, run: Some(run) }, console);
        let fit = checks.iter().all(|check| check.found.is_ok());
        console.result(
            if fit { Tone::Good } else { Tone::Note },
            "Target",
            &format!("`{}`: {}", target.name(), word(fit)),
        );
        // What is the same for both is told once.
        for check in checks.iter().filter(|check| !told.contains(&check.name.to_owned())) {
            tell(target, check, console);
        }
        told.extend(checks.iter().map(|check| check.name.to_owned()));
        fit
    };
    let wants = |target| arguments.target == Asked::Auto || arguments.target == target;
    let fit_local = wants(Asked::Local) && is_fit(Target::Local, local);
    let fit_kind = wants(Asked::Kind) && is_fit(Target::Kind, kind);
    // Only on request: it asks Google, and costs a person's patience.
    let fit_gke = arguments.target == Asked::Gke && is_fit(Target::Gke, gke);
    for (name, what) in super::gc::leftovers(&places) {
        let found = format!("lab `{name}`: {what}");
        console.result(Tone::Note, "leftover", &found);
        console.result(Tone::Note, "remedy", "cargo xtask lab gc");
        let remedy = "cargo xtask lab gc";
        console.json(&Line { event: "leftover", target: "", check: &name, ok: true, found: &found, remedy });
    }
    Ok(if fit_local || fit_kind || fit_gke { Exit::Green } else { Exit::Preflight })
}

fn word(fit: bool) -> &'static str {
    if fit { "everything is there" } else { "something is missing" }
}

fn tell(target: Target, check: &Check, console: &Console) {
    let (ok, found, remedy) = match &check.found {
        Ok(found) => (true, found.as_str(), ""),
        Err(failure) => (false, failure.error.as_str(), failure.remedy.as_str()),
    };
    console.result(if ok { Tone::Good } else { Tone::Bad }, check.name, found);
    if !remedy.is_empty() {
        console.result(Tone::Note, "remedy", remedy);
    }
    console.json(&Line { event: "check", target: target.name(), check: check.name, ok, found, remedy });
}
