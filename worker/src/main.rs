//! The worker as a program: no arguments, all it needs is in its environment.

use std::process::ExitCode;

use worker::config::{Config, VARIABLES};
use worker::worker::{Failure, Outcome, run};

/// What an exit code means; `--help` prints this table.
const EXIT_CODES: &[(u8, &str)] = &[
    (0, "the queue is empty"),
    (1, "the system gave no thread or signal handler"),
    (2, "the command line or the environment makes no sense"),
    (3, "the queue is empty, but this session set datasets aside: `HGETALL datasets:failed` says which and why"),
    (4, "Redis could not be used, for as long as WORKER_REDIS_RETRY_S says, or has lost its data"),
    (5, "the share, or a file on it, could not be used; what was claimed is back in the queue"),
    (130, "SIGINT; what was claimed is back in the queue"),
    (143, "SIGTERM; what was claimed is back in the queue"),
];

fn main() -> ExitCode {
    let argument = std::env::args_os().nth(1);
    match argument.as_ref().map(|argument| argument.to_string_lossy()).as_deref() {
        None => work(),
        Some("--help" | "-h") => say(&help()),
        Some("--version" | "-V") => say(concat!("worker ", env!("CARGO_PKG_VERSION"), "\n")),
        Some(other) => {
            worker::note!("failed to understand `{other}`\nit takes no arguments but --help and --version");
            ExitCode::from(2)
        }
    }
}

fn work() -> ExitCode {
    match Config::from_env().map_err(Failure::from).and_then(|config| run(&config)) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SetAside(count)) => {
            worker::note!("{count} datasets were set aside; `HGETALL datasets:failed` says which and why");
            ExitCode::from(3)
        }
        Err(failure) => {
            worker::note!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn say(text: &str) -> ExitCode {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn help() -> String {
    let mut text = String::from(
        "Claims datasets from the Redis queue `datasets`, trains a fraud model on each, and leaves\n\
         checkpoints and a report in the directory `output` of the share.\n\n\
         Usage: worker [--help | --version]\n\nEnvironment:\n",
    );
    for (name, meaning) in VARIABLES {
        text.push_str(&format!("  {name:<22}{meaning}\n"));
    }
    text.push_str("\nExit codes:\n");
    for (code, meaning) in EXIT_CODES {
        text.push_str(&format!("  {code:<6}{meaning}\n"));
    }
    text
}
