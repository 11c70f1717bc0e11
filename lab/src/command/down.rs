//! `lab down`: takes the lab away; the records of runs stay.

use crate::cli;
use crate::console::{Console, Tone, plural};
use crate::failure::{Exit, Result};
use crate::places::Places;
use crate::state::{LabDir, Lock, State, StateError};
use crate::step::Announced;
use crate::target::local;

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
        lab.remove_empty();
        let left = if swept > 0 { format!("; {} removed", plural(swept, "process")) } else { String::new() };
        return Ok(format!("lab `{}` is not up{left}", lab.name()));
    }
    let lock = Lock::take(lab, patience.lock_wait(), console)?;
    let state = readable_state(lab, console)?;
    if let Some(state) = &state {
        local::check_target(state)?;
    }
    let had = local::take_down(lab, lock, state)?;
    Ok(format!("lab `{}`: {had}", lab.name()))
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
