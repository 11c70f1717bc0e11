//! `lab gc`: cleans up what labs that died have left; on request old records and the cache, too.

use std::time::Duration;

use fs_err as fs;

use super::down;
use crate::cli;
use crate::console::{Console, Tone, plural};
use crate::evidence;
use crate::failure::{Exit, Result};
use crate::ledger::Ledger;
use crate::places::Places;
use crate::process::marked_below;
use crate::redis_server::Server;
use crate::state::{Holder, LabDir, Lock, Phase, StateError};
use crate::target::{Target, gke, kind};

/// Runs the command.
///
/// # Errors
/// When something cannot be removed.
pub fn run(arguments: &cli::Gc, console: &Console) -> Result<Exit> {
    let places = Places::find(arguments.runs.runs.as_deref())?;
    super::up::complain(&Ledger::find(arguments.book.ledger.as_deref(), &places), console)?;
    // One lab that cannot be removed keeps no other one: each may cost money.
    let mut failed = Ok(());
    for (name, what) in leftovers(&places) {
        failed = console.last_failure(failed, remove_leftover(arguments, &places, &name, what, console))?;
    }
    let orphans: Vec<_> = marked_below(&places.state).into_iter().filter(|(_, lab)| !lab.exists()).collect();
    for (process, lab) in &orphans {
        process.signal(rustix::process::Signal::KILL);
        console.line(Tone::Good, "Removed", &format!("pid {} of `{}`, which is gone", process.pid, lab.display()));
    }
    clean_docker(&places, arguments.cache, console)?;
    failed = console.last_failure(failed, gke::collect(arguments, &places, console))?;
    failed?;
    if let Some(kept) = arguments.keep_runs {
        remove_runs(&places, kept, console)?;
    }
    if arguments.cache && places.cache.exists() {
        fs::remove_dir_all(&places.cache).map_err(|source| StateError::Io { name: "any".into(), source })?;
        console.line(Tone::Good, "Removed", &format!("cache {}", places.cache.display()));
    }
    console.line(Tone::Good, "Clean", &format!("{} up", plural(LabDir::all(&places).len(), "lab")));
    Ok(Exit::Green)
}

fn remove_leftover(arguments: &cli::Gc, places: &Places, name: &str, what: &str, console: &Console) -> Result<()> {
    let lab = LabDir::of(places, name);
    // Whoever takes it up meanwhile may have it.
    let lock = match Lock::take(&lab, Duration::ZERO, console) {
        Err(failure) if failure.cause == "lab-locked" => return Ok(()),
        other => other?,
    };
    let state = down::readable_state(&lab, console)?;
    let ledger = down::ledger_of(arguments.book.ledger.as_deref(), state.as_ref(), places);
    let had = down::take_down_locked(&lab, lock, state, &ledger, console)?;
    console.line(Tone::Good, "Removed", &format!("lab `{name}` ({what}): {had}"));
    Ok(())
}

/// What is in Docker of labs that are gone, and with the cache the images that labs have made.
fn clean_docker(places: &Places, cache: bool, console: &Console) -> Result<()> {
    let any = LabDir::at(&places.state);
    let Some(docker) = down::docker_of(&any) else { return Ok(()) };
    for (lab, what) in kind::remove_orphans(&docker, &places.state)? {
        let what = what.join(", ");
        console.line(Tone::Good, "Removed", &format!("{what} of `{}`, which is gone", lab.display()));
    }
    if cache {
        for image in kind::cached_images(&docker)? {
            if docker.remove_unused_image(&image)? {
                console.line(Tone::Good, "Removed", &format!("image {image}"));
            } else {
                console.line(Tone::Good, "Kept", &format!("image {image}, which a container uses"));
            }
        }
    }
    Ok(())
}

/// What labs that nobody holds have left behind: each one's name, and what it is in a few words.
pub fn leftovers(places: &Places) -> Vec<(String, &'static str)> {
    LabDir::all(places).iter().filter_map(|lab| Some((lab.name().to_owned(), what_is_left(lab)?))).collect()
}

/// What a dead lab has left, in a few words; `None` for one that stands or that somebody works on.
fn what_is_left(lab: &LabDir) -> Option<&'static str> {
    if Holder::of(lab).is_some() {
        return None;
    }
    match lab.read() {
        Err(_) => Some("its state is damaged"),
        Ok(None) => Some("a directory without a state"),
        Ok(Some(state)) if state.target == Target::Kind.name() => kind::leftover(lab, &state),
        Ok(Some(state)) if state.target == Target::Gke.name() => gke::leftover(&state),
        Ok(Some(state)) if state.target != Target::Local.name() => None,
        Ok(Some(state)) => match (state.phase, state.redis) {
            (Phase::Creating, _) => Some("half made"),
            (Phase::Removing, _) => Some("half removed"),
            (Phase::Up, Some(redis)) if Server::known(&redis, &lab.redis()).is_some() => None,
            (Phase::Up, _) => Some("its Redis is gone"),
        },
    }
}

fn remove_runs(places: &Places, kept: usize, console: &Console) -> Result<()> {
    let old = evidence::newest_first(places).into_iter().skip(kept).map(|record| record.dir().to_owned());
    let old: Vec<_> = old.chain(evidence::never_begun(places)).collect();
    for record in &old {
        fs::remove_dir_all(record).map_err(crate::record::RecordError::from)?;
    }
    console.line(Tone::Good, "Removed", &plural(old.len(), "record"));
    Ok(())
}
