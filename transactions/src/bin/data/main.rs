//! `data`: makes the tutorial's datasets, and says what is in a file without running it.

mod console;
mod generate;
mod inspect;
mod remedy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Makes the tutorial's datasets, and says what is in a file without running it.
#[derive(Parser)]
#[command(name = "data", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Generate(generate::Arguments),
    Inspect(inspect::Arguments),
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  a file could not be read or written
  2  wrong usage";

/// A file could not be read or written. A wrong command line ends with 2, which is clap's doing.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        // Who reads our output has seen enough of it, as in `data inspect … | head`: that is no failure.
        if console::is_broken_pipe(&error) {
            return ExitCode::SUCCESS;
        }
        console::error(&error);
        ExitCode::from(FAILED)
    })
}
