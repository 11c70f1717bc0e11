//! `lab down`: takes the lab away; the records of runs stay.

use crate::cli;
use crate::console::{Console, Tone, plural};
use crate::docker::Docker;
use crate::failure::{Exit, Result};
use crate::places::Places;
use crate::state::{LabDir, Lock, State, StateError};
use crate::step::Announced;
use crate::target::{Target, TargetError, kind, local};

/// Runs the command.
///
/// # Errors
/// When somebody else has the lab, or something stays.
pub fn run(arguments: &cli::Down, console: &Console) -> Result<Exit> {
    let places = Places::find(None)?;
    let lab = LabDir::of(&places, &arguments.which.name);
    let announced = Announced::start("clean-up", "Clean-up", console, None);
    announced.finish(take_down(&lab, arguments.patience, console))?;
    Ok(Exit::Green)
}

/// Takes a lab away, whatever there is of it, and says what there was.
///
/// # Errors
/// When somebody else has it, or something stays.
pub fn take_down(lab: &LabDir, patience: cli::Patience, console: &Console) -> Result<String> {
    if !lab.path().exists() {
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
    let had = take_down_locked(lab, lock, state)?;
    Ok(format!("lab `{}`: {had}", lab.name()))
}

/// The same with the lab in hand.
///
/// # Errors
/// When something stays.
pub fn take_down_locked(lab: &LabDir, lock: Lock, state: Option<State>) -> Result<String> {
    let target = state.as_ref().map(|state| Target::named(&state.target).ok_or_else(|| unknown_target(state)));
    match target.transpose()? {
        Some(Target::Kind) => kind::take_down(&Docker::find(Some(lab.marker()))?, lab, lock, state),
        Some(Target::Local) => local::take_down(lab, lock, state),
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
    TargetError::Elsewhere { name: state.name.clone(), stands: state.target.clone(), asked: "local or kind" }
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
