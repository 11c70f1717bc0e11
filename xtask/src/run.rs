//! Starts the project's programs with the arguments as typed, and ends as they end.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::{build, peers, test};

/// `lab e2e …`.
pub fn e2e(arguments: &[OsString]) -> Result<ExitCode, String> {
    lab(&[&["e2e".into()], arguments].concat())
}

/// `lab …`, with the judge and the worker for a command that has to do with them. The others do without: what is wrong
/// with a worker keeps no lab from being taken down.
pub fn lab(arguments: &[OsString]) -> Result<ExitCode, String> {
    let quiet = wants_quiet(arguments);
    let mut lab = Command::new(build::lab(quiet)?);
    lab.args(arguments);
    if arguments.is_empty() {
        lab.arg("--help");
    }
    let command = command(arguments);
    if OF_THE_WORKER.contains(&command) {
        for (variable, build) in build::OF_A_RUN {
            if let Some(program) = std::env::var_os(variable).filter(|program| !program.is_empty()) {
                if !quiet {
                    eprintln!("        Note `{}` is taken as it is: {variable} names it", program.display());
                }
                continue;
            }
            match build(quiet) {
                Ok(program) => {
                    lab.env(variable, program);
                }
                // The doctor says what is missing, be it this.
                Err(error) if command == "doctor" => eprintln!("        Note {error}"),
                Err(error) => return Err(error),
            }
        }
    }
    replace_by(lab)
}

/// The lab's commands that start the worker and the judge, or look whether they are there.
const OF_THE_WORKER: [&str; 2] = ["e2e", "doctor"];

/// The lab's command: options that stand before it have no values.
fn command(arguments: &[OsString]) -> &str {
    let is_option = |argument: &&OsString| argument.as_encoded_bytes().starts_with(b"-");
    arguments.iter().find(|argument| !is_option(argument)).and_then(|argument| argument.to_str()).unwrap_or_default()
}

/// `data …`.
pub fn data(arguments: &[OsString]) -> Result<ExitCode, String> {
    let data = build::data(wants_quiet(arguments))?;
    let mut command = Command::new(data);
    command.args(arguments);
    replace_by(command)
}

/// `bench …`.
pub fn bench(arguments: &[OsString]) -> Result<ExitCode, String> {
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

fn wants_quiet(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| ["--quiet", "-q", "--json"].iter().any(|quiet| argument == quiet))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker that does not build keeps nobody from looking at a lab and from taking it down.
    #[test]
    fn the_worker_is_built_for_what_has_to_do_with_it() {
        let needs = |typed: &str| {
            let arguments: Vec<_> = typed.split_whitespace().map(OsString::from).collect();
            OF_THE_WORKER.contains(&command(&arguments))
        };
        for typed in ["down", "--quiet status", "logs e2e", "gc", "up --target local", "--help", ""] {
            assert!(!needs(typed), "{typed}");
        }
        let no_text: OsString = std::os::unix::ffi::OsStringExt::from_vec(b"--runs=\xff".to_vec());
        assert_eq!(command(&[no_text, "e2e".into()]), "e2e");
        for typed in ["e2e --keep", "--json e2e", "doctor"] {
            assert!(needs(typed), "{typed}");
        }
    }
}
