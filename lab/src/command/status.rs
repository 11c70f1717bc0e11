//! `lab status`: what is up, and what the queue holds. Looks and touches nothing.

use std::path::Path;

use serde::Serialize;

use super::down;
use crate::cli;
use crate::console::{Console, Tone, plural, size};
use crate::failure::{Exit, Result, name_flag};
use crate::ledger::Ledger;
use crate::places::Places;
use crate::redis_server::{Server, connect};
use crate::state::{Holder, LabDir, Phase, RedisState, State};
use crate::target::local::is_directory;
use crate::target::{Target, gke, kind};

/// All that there is to say, also as JSON.
#[derive(Debug, Serialize)]
struct Status {
    event: &'static str,
    name: String,
    /// `up`, `partial` or `down`.
    state: &'static str,
    target: Option<String>,
    since: Option<String>,
    redis: Option<Redis>,
    share: Option<Share>,
    /// Where the share should be and no directory is.
    #[serde(skip)]
    lost_share: Option<String>,
    queue: Option<Queue>,
    kind: Option<kind::Seen>,
    gke: Option<gke::Seen>,
    holder: Option<Holder>,
    last_run: Option<String>,
}

#[derive(Debug, Serialize)]
struct Redis {
    version: String,
    pid: Option<u32>,
    port: u16,
    serves: bool,
}

#[derive(Debug, Serialize)]
struct Share {
    path: String,
    files: usize,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Queue {
    waiting: u64,
    processing: u64,
    failed: u64,
}

/// Runs the command.
///
/// # Errors
/// When the state cannot be read.
pub fn run(arguments: &cli::Status, console: &Console) -> Result<Exit> {
    let places = Places::find(None)?;
    let lab = LabDir::of(&places, &arguments.which.name);
    let ledger = down::ledger_of(arguments.book.ledger.as_deref(), lab.read()?.as_ref(), &places);
    let status = look(&lab, &ledger)?;
    status.print(console);
    for told in gke::overdue(&ledger)? {
        console.result(Tone::Bad, "Overdue", &told);
    }
    console.json(&status);
    Ok(Exit::Green)
}

fn look(lab: &LabDir, ledger: &Ledger) -> Result<Status> {
    let state = lab.read()?;
    let holder = Holder::of(lab);
    let there = if lab.path().exists() && holder.is_none() { "partial" } else { "down" };
    let (target, since, redis, share, lost_share, queue, kind, gke, last_run) = Default::default();
    let name = lab.name().to_owned();
    let nothing = Status {
        event: "status",
        name,
        state: there,
        target,
        since,
        redis,
        share,
        lost_share,
        queue,
        kind,
        gke,
        holder,
        last_run,
    };
    let Some(state) = state else { return Ok(nothing) };
    let seen = match Target::named(&state.target) {
        Some(Target::Kind) => look_at_kind(lab, &state, nothing),
        Some(Target::Gke) => look_at_gke(lab, &state, ledger, nothing),
        _ => look_at_local(lab, &state, nothing),
    };
    let last_run = state.last_run.map(|run| run.display().to_string());
    Ok(Status { target: Some(state.target), since: Some(state.created), last_run, ..seen })
}

fn look_at_local(lab: &LabDir, state: &State, status: Status) -> Status {
    let redis = state.redis.as_ref().map(|redis| look_at_redis(redis, lab));
    let serves = redis.as_ref().is_some_and(|redis| redis.serves);
    let queue = redis.as_ref().filter(|redis| redis.serves).and_then(|redis| look_at_queue(redis.port));
    let (path, is_up) = (lab.share(), state.phase == Phase::Up);
    // A link in its place is no share either: the lab does not follow one.
    let lacks_share = is_up && !is_directory(&path);
    let there = if is_up && serves && !lacks_share { "up" } else { "partial" };
    let share = look_at_share(&path).filter(|_| !lacks_share);
    let lost_share = lacks_share.then(|| path.display().to_string());
    Status { state: there, redis, share, lost_share, queue, ..status }
}

fn look_at_kind(lab: &LabDir, state: &State, status: Status) -> Status {
    let seen = kind::look(lab, state);
    let queue = seen.queue.map(|(waiting, processing, failed)| Queue { waiting, processing, failed });
    let there = if state.phase == Phase::Up && seen.serves { "up" } else { "partial" };
    Status { state: there, share: look_at_share(&lab.export()), queue, kind: Some(seen), ..status }
}

fn look_at_gke(lab: &LabDir, state: &State, ledger: &Ledger, status: Status) -> Status {
    let seen = gke::look(lab, state, ledger);
    let queue = seen.queue.map(|(waiting, processing, failed)| Queue { waiting, processing, failed });
    let there = if state.phase == Phase::Up && seen.serves { "up" } else { "partial" };
    Status { state: there, queue, gke: Some(seen), ..status }
}

fn look_at_redis(redis: &RedisState, lab: &LabDir) -> Redis {
    let serves = Server::known(redis, &lab.redis()).is_some();
    let pid = redis.process.as_ref().map(|process| process.pid);
    Redis { version: redis.version.clone(), pid, port: redis.port, serves }
}

fn look_at_queue(port: u16) -> Option<Queue> {
    let mut lengths = redis::pipe();
    lengths.cmd("LLEN").arg("datasets").cmd("LLEN").arg("datasets:processing").cmd("HLEN").arg("datasets:failed");
    let (waiting, processing, failed) = lengths.query(&mut connect(port).ok()?).ok()?;
    Some(Queue { waiting, processing, failed })
}

fn look_at_share(path: &Path) -> Option<Share> {
    let (mut files, mut bytes, mut folders) = (0, 0, vec![path.to_owned()]);
    while let Some(folder) = folders.pop() {
        // A worker may remove what we are about to look at; what is gone is not counted.
        for entry in fs_err::read_dir(&folder).ok().into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                files += 1;
                bytes += metadata.len();
            }
        }
    }
    path.is_dir().then(|| Share { path: path.display().to_string(), files, bytes })
}

impl Status {
    fn print(&self, console: &Console) {
        let Self { name, state, target, since, .. } = self;
        let tone = if *state == "up" { Tone::Good } else { Tone::Note };
        let place = target.as_ref().map_or_else(String::new, |target| format!(" on {target}"));
        let since = since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
        console.result(tone, "Lab", &format!("`{name}` is {state}{place}{since}"));
        if let Some(Redis { version, pid, port, serves }) = &self.redis {
            let pid = pid.map_or_else(|| "never started".into(), |pid| format!("pid {pid}"));
            let tone = if *serves { Tone::Good } else { Tone::Bad };
            let serves = if *serves { "serves" } else { "does not answer" };
            console.result(tone, "Redis", &format!("{version}, {pid}, on 127.0.0.1:{port}, {serves}"));
        }
        if let Some(seen) = &self.kind {
            for (node, state) in &seen.nodes {
                let tone = if state == "Ready" { Tone::Good } else { Tone::Bad };
                console.result(tone, "Node", &format!("{node}: {state}"));
            }
            console.result(Tone::Note, "Export", &seen.export);
            console.result(Tone::Note, "Volume", seen.volume.trim_start_matches("volume: "));
            console.result(Tone::Note, "Redis", &seen.redis);
            console.result(Tone::Note, "Look", &seen.kubectl);
        }
        if let Some(seen) = &self.gke {
            print_gke(seen, console);
        }
        if let Some(Share { path, files, bytes }) = &self.share {
            console.result(Tone::Good, "Share", &format!("{path}, {}, {}", plural(*files, "file"), size(*bytes)));
        }
        if let Some(path) = &self.lost_share {
            console.result(Tone::Bad, "Share", &format!("{path} is not there, or no directory"));
        }
        if let Some(Queue { waiting, processing, failed }) = &self.queue {
            console.result(
                Tone::Good,
                "Queue",
                &format!("{waiting} waiting, {processing} processing, {failed} set aside"),
            );
        }
        if let Some(holder) = &self.holder {
            console.result(Tone::Note, "Lock", &holder.to_string());
        }
        if let Some(run) = &self.last_run {
            console.result(Tone::Note, "Last run", run);
        }
        if *state == "partial" {
            let flag = name_flag(name);
            let remedy = format!("`cargo xtask lab up{flag}` finishes it, `cargo xtask lab down{flag}` removes it");
            console.result(Tone::Note, "Remedy", &remedy);
        }
    }
}

fn print_gke(seen: &gke::Seen, console: &Console) {
    console.result(Tone::Note, "Project", &format!("{} ({})", seen.project, seen.lab_id));
    for (name, word) in &seen.things {
        console.result(Tone::Note, "Cloud", &format!("{name}: {word}"));
    }
    for (node, state) in &seen.nodes {
        let tone = if state == "Ready" { Tone::Good } else { Tone::Bad };
        console.result(tone, "Node", &format!("{node}: {state}"));
    }
    console.result(Tone::Note, "Redis", &seen.redis);
    for resource in &seen.ledger {
        console.result(Tone::Note, "Ledger", &format!("{resource} may exist"));
    }
    let tone = if seen.overdue { Tone::Bad } else { Tone::Note };
    console.result(tone, "Cost", &format!("{}, until {}", seen.price(), seen.until));
    console.result(Tone::Note, "Look", &seen.kubectl);
}
