//! `lab down`: takes the lab away; the records of runs stay.

use std::path::Path;

use crate::cli;
use crate::console::{Console, Tone, plural};
use crate::docker::Docker;
use crate::failure::{Exit, Result};
use crate::ledger::Ledger;
use crate::places::Places;
use crate::state::{LabDir, Lock, State, StateError};
use crate::step::Announced;
use crate::target::{Target, TargetError, gke, kind, local};

/// Runs the command.
///
/// # Errors
/// When somebody else has the lab, or something stays.
pub fn run(arguments: &cli::Down, console: &Console) -> Result<Exit> {
    let places = Places::find(None)?;
    let lab = LabDir::of(&places, &arguments.which.name);
    let announced = Announced::start("clean-up", "Clean-up", console, None);
    let ledger = arguments.book.ledger.as_deref();
    announced.finish(take_down(&lab, &places, ledger, arguments.patience, console))?;
    Ok(Exit::Green)
}

/// The ledger that was named, else the one that the lab says it is written down in, else this user's.
pub fn ledger_of(named: Option<&Path>, state: Option<&State>, places: &Places) -> Ledger {
    let known = state.and_then(|state| state.gke.as_ref()).map(|known| known.ledger.as_path());
    Ledger::find(named.or(known), places)
}

/// Takes a lab away, whatever there is of it, and says what there was.
///
/// # Errors
/// When somebody else has it, or something stays.
pub fn take_down(
    lab: &LabDir,
    places: &Places,
    ledger: Option<&Path>,
    patience: cli::Patience,
    console: &Console,
) -> Result<String> {
    if !lab.path().exists() && !gke::is_in(&Ledger::find(ledger, places), lab)? {
        // Its directory may have been removed by hand, or a `down` been killed with the last directory in its hands.
        let swept = lab.marker().sweep(None);
        let mut left: Vec<_> = (swept > 0).then(|| plural(swept, "process")).into_iter().collect();
        if let Some(docker) = docker_of(lab) {
            left.extend(kind::remove_from_docker(&docker, lab)?);
        }
        lab.remove_empty();
        let left = if left.is_empty() { String::new() } else { format!("; {} removed", left.join(", ")) };
        return Ok(format!("lab `{}` is not up{left}", lab.name()));
    }
    let lock = Lock::take(lab, patience.lock_wait(), console)?;
    let state = readable_state(lab, console)?;
    let ledger = ledger_of(ledger, state.as_ref(), places);
    let had = take_down_locked(lab, lock, state, &ledger, console)?;
    Ok(format!("lab `{}`: {had}", lab.name()))
}

/// The same with the lab in hand.
///
/// # Errors
/// When something stays.
pub fn take_down_locked(
    lab: &LabDir,
    lock: Lock,
    state: Option<State>,
    ledger: &Ledger,
    console: &Console,
) -> Result<String> {
    let target = state.as_ref().map(|state| Target::named(&state.target).ok_or_else(|| unknown_target(state)));
    match target.transpose()? {
        Some(Target::Kind) => kind::take_down(&Docker::find(Some(lab.marker()))?, lab, lock, state),
        Some(Target::Local) => local::take_down(lab, lock, state),
        Some(Target::Gke) => gke::take_down(lab, lock, state, ledger, console),
        // Its state is gone or damaged, and the ledger knows of things of its in the cloud.
        None if gke::is_in(ledger, lab)? => gke::take_down(lab, lock, None, ledger, console),
        // Its state is gone or damaged: what carries its mark is found on both.
        None => {
            let in_docker = docker_of(lab).map(|docker| kind::remove_from_docker(&docker, lab));
            let in_docker = in_docker.transpose()?.unwrap_or_default();
            let had = local::take_down(lab, lock, None)?;
            Ok(in_docker.iter().fold(had, |had, part| format!("{part} removed; {had}")))
        }
    }
}

/// Docker, if an engine answers.
pub fn docker_of(lab: &LabDir) -> Option<Docker> {
    let docker = Docker::find(Some(lab.marker())).ok()?;
    docker.versions().ok().map(|_| docker)
}

fn unknown_target(state: &State) -> TargetError {
    TargetError::Elsewhere { name: state.name.clone(), stands: state.target.clone(), asked: "local, kind or gke" }
}

/// The state, or nothing where it is damaged: the processes of a lab are found without it.
pub fn readable_state(lab: &LabDir, console: &Console) -> Result<Option<State>> {
    match lab.read() {
        Err(error @ StateError::Malformed { .. }) => {
            console.line(Tone::Note, "Note", &format!("{error}; going by the marks of its processes"));
            Ok(None)
        }
        other => Ok(other?),
    }
}
