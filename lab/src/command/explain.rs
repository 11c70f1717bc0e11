//! `lab explain`: the steps, and what a person would type for each: in the tutorial, and on a target.

use serde::Serialize;

use crate::cli;
use crate::console::{Console, Form};
use crate::failure::{Exit, Result};
use crate::flow::TUTORIAL;
use crate::manifests::EDITS;
use crate::preflight;
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

/// An edit of a manifest, explained.
#[derive(Serialize)]
struct EditLine {
    event: &'static str,
    name: &'static str,
    file: &'static str,
    path: &'static str,
    why: &'static str,
    when: &'static str,
}

/// Runs the command.
///
/// # Errors
/// When the target cannot be had.
pub fn run(arguments: &cli::Explain, console: &Console) -> Result<Exit> {
    let (target, _) = Target::choose(arguments.target, || preflight::kind_lacks(&arguments.kind));
    Ok(print(target, console))
}

/// Prints the steps and, where there are manifests, the edits that they get.
pub fn print(target: Target, console: &Console) -> Exit {
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
    if target != Target::Local {
        print_edits(target, console);
    }
    Exit::Green
}

fn print_edits(target: Target, console: &Console) {
    if console.form() != Form::Json {
        console.raw("\nThe manifests are applied as they stand under manifests/, but for these named edits:\n");
    }
    for edit in EDITS.iter().filter(|edit| edit.when.contains(target.name())) {
        if console.form() != Form::Json {
            console.raw(&format!(
                "  {} ({}, {})\n      why:  {}\n      when: {}\n",
                edit.name, edit.file, edit.path, edit.why, edit.when
            ));
        }
        console.json(&EditLine {
            event: "edit",
            name: edit.name,
            file: edit.file,
            path: edit.path,
            why: edit.why,
            when: edit.when,
        });
    }
}
