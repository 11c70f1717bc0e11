//! `lab explain`: the steps, and what a person would type for each: in the tutorial, and on a target.

use serde::Serialize;

use crate::cli;
use crate::console::{Console, Form};
use crate::failure::{Exit, Result};
use crate::flow::TUTORIAL;
use crate::target::Target;

/// A step, explained.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    step: &'a str,
    tutorial: Vec<&'a str>,
    target: &'a str,
    typed: Vec<&'a str>,
}

/// Runs the command.
///
/// # Errors
/// When the target cannot be had.
pub fn run(arguments: &cli::Explain, console: &Console) -> Result<Exit> {
    let (target, _) = Target::choose(arguments.target)?;
    for (number, step) in (1..).zip(TUTORIAL) {
        let commands = target.commands().iter().find(|commands| commands.step == step.name);
        let typed: Vec<_> = commands.map(|commands| commands.typed.lines().collect()).unwrap_or_default();
        let tutorial: Vec<_> = step.tutorial.lines().collect();
        if console.form() != Form::Json {
            let block = |lines: &[&str]| lines.iter().map(|line| format!("      {line}\n")).collect::<String>();
            let (theirs, ours) = (block(&tutorial), block(&typed));
            console.raw(&format!("{number:>2}. {}\n    tutorial:\n{theirs}    {}:\n{ours}", step.name, target.name()));
        }
        console.json(&Line { event: "step", step: step.name, tutorial, target: target.name(), typed });
    }
    Ok(Exit::Green)
}
