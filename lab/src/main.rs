//! `lab`: stands the tutorial's environment up, runs its flow, records and judges it, takes it down. A table of contents.

use std::process::ExitCode;

use clap::error::ErrorKind;
use lab::cli::{Cli, Command};
use lab::command::{doctor, down, e2e, explain, export_image, gc, logs, redis_server, status, up};
use lab::console::{Console, Form};
use lab::{failure::Exit, github, interrupt, wait};

/// The cause by name of what is wrong with a command line.
const USAGE: &str = "usage";

fn main() -> ExitCode {
    let cli = Cli::read().unwrap_or_else(|error| refuse(&error));
    let console = Console::new(cli.form());
    if wait::time_scale().is_none() {
        let error = format!("`{}` is not a number above 0, at most 10000", wait::TIME_SCALE);
        eprintln!("error: {error}");
        if matches!(cli.command, Command::E2e(_)) {
            github::report_refusal(USAGE, &error, "", &console);
        }
        return Exit::Usage.into();
    }
    if let Err(error) = interrupt::listen(cli.command.lab()) {
        eprintln!("error: failed to listen for signals: {error}");
        return Exit::Lab.into();
    }
    let outcome = match &cli.command {
        Command::E2e(arguments) => e2e::run(arguments, &console),
        Command::Up(arguments) => up::run(arguments, &console),
        Command::Status(arguments) => status::run(arguments, &console),
        Command::Logs(arguments) => logs::run(arguments, &console),
        Command::Down(arguments) => down::run(arguments, &console),
        Command::Doctor(arguments) => doctor::run(arguments, &console),
        Command::Explain(arguments) => explain::run(arguments, &console),
        Command::Gc(arguments) => gc::run(arguments, &console),
        Command::RedisServer(arguments) => redis_server::run(arguments, &console),
        Command::ExportImage(arguments) => export_image::run(arguments, &console),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let failure = failure.of_lab(cli.command.lab());
            console.failure(&failure);
            if matches!(cli.command, Command::E2e(_)) {
                github::report_refusal(&failure.cause, &failure.error, &failure.remedy, &console);
            }
            failure.exit.into()
        }
    }
}

/// Ends the process as clap does: with help, a version, or what is wrong with the command line. GitHub hears of a wrong
/// one of `e2e`, whose form may not be known: what says `--json` anywhere wants JSON.
fn refuse(error: &clap::Error) -> ! {
    let said = |word: &str| std::env::args_os().skip(1).any(|argument| argument == word);
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if said("e2e") && !is_help {
        let text = error.render().to_string();
        let (what, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let form = if said("--json") { Form::Json } else { Form::Human };
        let what = what.strip_prefix("error: ").unwrap_or(what);
        github::report_refusal(USAGE, what, rest.trim(), &Console::new(form));
    }
    error.exit()
}
