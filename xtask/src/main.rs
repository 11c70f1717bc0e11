//! `cargo xtask`: the project's commands.
//!
//! A table of contents, and thin: each command builds the programs it needs and starts them. The heavy ones live in
//! programs of their own (`lab`, `judge`, `data`, `bench`), whose arguments, `--help` included, are passed on as typed.

mod build;
mod ci;
mod peers;
mod run;
mod skipped;
mod test;
mod tidy;

use std::ffi::OsString;
use std::process::ExitCode;

/// What a person can ask for; [`COMMANDS`] says what each does.
#[derive(Clone, Copy)]
enum Command {
    E2e,
    Lab,
    Data,
    Test,
    Ci,
    Bench,
    Peers,
    Tidy,
}

const COMMANDS: [(&str, Command, &str); 8] = [
    ("e2e", Command::E2e, "stand the lab up, run the flow, judge it, take the lab down"),
    ("lab", Command::Lab, "the lab alone: up, status, logs, down, doctor, explain, gc"),
    ("data", Command::Data, "generate datasets; inspect a file without running it"),
    ("test", Command::Test, "every test that needs no cluster; --cluster: those that need one"),
    ("ci", Command::Ci, "exactly what CI runs"),
    ("bench", Command::Bench, "the benchmarks, each with its peer"),
    ("peers", Command::Peers, "a Python with pandas and scikit-learn for the tests that compare with them"),
    ("tidy", Command::Tidy, "the house rules that no compiler checks"),
];

/// The exit code for a wrong command line, the same as the lab's.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // What is no text is passed on as it is: the program that it is for says what is wrong with it.
    let mut arguments = std::env::args_os().skip(1);
    let name = arguments.next().unwrap_or_default().to_string_lossy().into_owned();
    let rest: Vec<OsString> = arguments.collect();
    if ["-h", "--help", "help"].contains(&name.as_str()) {
        println!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some((_, command, about)) = COMMANDS.iter().find(|(known, ..)| *known == name) else {
        let problem = if name.is_empty() { "no command given".into() } else { format!("no command `{name}`") };
        eprintln!("error: {problem}\n\n{}", help());
        return ExitCode::from(USAGE);
    };
    if let (Command::Ci | Command::Peers | Command::Tidy, Some(argument)) = (command, rest.first()) {
        if ["-h", "--help"].iter().any(|help| argument == help) {
            println!("Usage: cargo xtask {name}\n\n{about}");
            return ExitCode::SUCCESS;
        }
        eprintln!("error: `cargo xtask {name}` takes no argument, but was given `{}`", argument.display());
        return ExitCode::from(USAGE);
    }
    let outcome = match command {
        Command::E2e => run::e2e(&rest),
        Command::Lab => run::lab(&rest),
        Command::Data => run::data(&rest),
        Command::Test => test::run(&rest),
        Command::Ci => ci::run(),
        Command::Bench => run::bench(&rest),
        Command::Peers => peers::make(),
        Command::Tidy => tidy::run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask COMMAND [ARGUMENTS]\n\nCommands:\n");
    for (name, _, about) in COMMANDS {
        text.push_str(&format!("  {name:<6} {about}\n"));
    }
    text.push_str("\n`cargo xtask COMMAND --help` tells more.");
    text
}
