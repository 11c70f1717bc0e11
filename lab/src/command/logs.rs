//! `lab logs`: what the workers of a run printed, while it goes on as well as after it.

use std::path::PathBuf;

use crate::cli;
use crate::console::{Console, Form, Tone};
use crate::evidence;
use crate::failure::{Exit, Explain, Result};
use crate::places::Places;
use crate::record::{Record, Stream};
use crate::state::LabDir;

/// There is no such run.
#[derive(Debug, thiserror::Error)]
enum LogsError {
    #[error("failed to find a run of lab `{lab}`: no record in `{}` is of that lab", runs.display())]
    NoRun { lab: String, runs: PathBuf },
    #[error("failed to find run `{}`: there is no such record", run.display())]
    NotFound { run: PathBuf },
}

/// A log as a JSON line.
#[derive(serde::Serialize)]
struct Line<'a> {
    event: &'static str,
    file: &'a str,
    text: &'a str,
}

/// Runs the command.
///
/// # Errors
/// When there is no such run.
pub fn run(arguments: &cli::Logs, console: &Console) -> Result<Exit> {
    let places = Places::find(arguments.runs.runs.as_deref())?;
    let lab = LabDir::of(&places, &arguments.which.name);
    // The living server's log is newer than any record's copy.
    let living = (arguments.redis && arguments.run.is_none()).then(|| fs_err::read(lab.redis().join("redis.log")));
    if let Some(Ok(log)) = living {
        show(console, "redis.log", &String::from_utf8_lossy(&log), false);
        return Ok(Exit::Green);
    }
    let record = find(arguments, &places, &lab)?;
    console.line(Tone::Note, "Record", &record.dir().display().to_string());
    let files = if arguments.redis {
        vec!["logs/redis.log".into()]
    } else if arguments.events {
        vec!["events.jsonl".into()]
    } else {
        containers(&record, if arguments.stderr { Stream::Err } else { Stream::Out })
    };
    for file in &files {
        // A container that was announced and not yet started has no file.
        let text = record.text(file).unwrap_or_default();
        show(console, file, &text, files.len() > 1);
    }
    Ok(Exit::Green)
}

fn find(arguments: &cli::Logs, places: &Places, lab: &LabDir) -> Result<Record> {
    if let Some(run) = &arguments.run {
        let there = [places.runs.join(run), run.clone()].into_iter().find_map(|dir| Record::open(dir).ok());
        return Ok(there.ok_or_else(|| LogsError::NotFound { run: run.clone() })?);
    }
    let last = lab.read().ok().flatten().and_then(|state| state.last_run).and_then(|dir| Record::open(dir).ok());
    let is_ours = |record: &Record| record.summary().is_ok_and(|summary| summary.lab == lab.name());
    let record = last.or_else(|| evidence::newest_first(places).into_iter().find(is_ours));
    Ok(record.ok_or_else(|| LogsError::NoRun { lab: lab.name().into(), runs: places.runs.clone() })?)
}

fn containers(record: &Record, stream: Stream) -> Vec<String> {
    let pods = record.job().map(|job| job.pods).unwrap_or_default();
    let runs = pods.iter().flat_map(|pod| (0..pod.containers.len()).map(|run| record.log_path(&pod.name, run, stream)));
    runs.collect()
}

fn show(console: &Console, file: &str, text: &str, headed: bool) {
    if headed {
        console.line(Tone::Note, "Log", file);
    }
    if console.form() != Form::Json {
        console.raw(text);
    }
    console.json(&Line { event: "log", file, text });
}

impl Explain for LogsError {
    fn exit(&self) -> Exit {
        Exit::Lab
    }

    fn cause_name(&self) -> &'static str {
        "no-run"
    }

    fn remedy(&self) -> String {
        "`cargo xtask e2e` makes one; --runs names another directory of records".into()
    }
}
