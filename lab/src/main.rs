//! `lab`: stands the tutorial's environment up, runs its flow, records and judges it, takes it down. A table of contents.

use std::process::ExitCode;

use clap::Parser as _;
use lab::cli::{Cli, Command};
use lab::command::{doctor, down, e2e, explain, gc, logs, redis_server, status, up};
use lab::console::Console;
use lab::{failure::Exit, interrupt, wait};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::new(cli.form());
    if wait::time_scale().is_none() {
        eprintln!("error: `{}` is not a number above 0, at most 10000", wait::TIME_SCALE);
        return Exit::Usage.into();
    }
    if let Err(error) = interrupt::listen() {
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
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            console.failure(&failure);
            failure.exit.into()
        }
    }
}
