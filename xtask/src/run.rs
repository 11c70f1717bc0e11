//! Starts the project's programs with the arguments as typed, and ends as they end.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::{build, peers, test};

/// `lab COMMAND …`, with the worker and the judge that it needs.
pub fn lab(command: &str, arguments: &[String]) -> Result<ExitCode, String> {
    let programs = build::programs(wants_quiet(arguments))?;
    let mut lab = Command::new(&programs.lab);
    lab.arg(command).args(arguments).envs(programs.environment());
    replace_by(lab)
}

/// `lab …`, the command being the first argument.
pub fn lab_command(arguments: &[String]) -> Result<ExitCode, String> {
    match arguments.split_first() {
        Some((command, rest)) => lab(command, rest),
        None => lab("--help", &[]),
    }
}

/// `data …`.
pub fn data(arguments: &[String]) -> Result<ExitCode, String> {
    let data = build::data(wants_quiet(arguments))?;
    let mut command = Command::new(data);
    command.args(arguments);
    replace_by(command)
}

/// `bench …`.
pub fn bench(arguments: &[String]) -> Result<ExitCode, String> {
    let programs = build::programs(false)?;
    let bench = build::bench()?;
    let data = build::data(false)?;
    let mut command = Command::new(bench);
    command.args(arguments).envs(programs.environment()).env("LAB_DATA", data).envs(peers::pythons());
    if let Some(server) = test::redis_server(&programs.lab) {
        command.env("LAB_REDIS_SERVER", server);
    }
    replace_by(command)
}

/// Starts `program` from the workspace's root and takes its exit code as ours.
pub fn and_wait(program: &Path, arguments: &[&str]) -> Result<bool, String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(build::root());
    let status = command.status().map_err(|error| format!("failed to start `{}`: {error}", program.display()))?;
    Ok(status.success())
}

/// Becomes the program: signals then reach it and nobody else, and its exit code is ours.
fn replace_by(mut command: Command) -> Result<ExitCode, String> {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    Err(format!("failed to start `{}`: {error}", command.get_program().to_string_lossy()))
}

fn wants_quiet(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| ["--quiet", "-q", "--json"].contains(&argument.as_str()))
}
