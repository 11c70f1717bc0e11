//! `cargo xtask peers`: the Python programs that ours are compared with, in a virtual environment under target/.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::build;

/// Makes the virtual environment, or leaves it as it is when it is complete.
pub fn make() -> Result<ExitCode, String> {
    let dir = build::target_directory().join("peers");
    let requirements = build::root().join("tests/peers.txt");
    let wanted = std::fs::read_to_string(&requirements)
        .map_err(|error| format!("failed to read `{}`: {error}", requirements.display()))?;
    let stamp = dir.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        eprintln!("       Peers {} is up to date", dir.display());
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("       Peers installing into {}", dir.display());
    let dir_text = dir.to_string_lossy();
    finish(Command::new("python3").args(["-m", "venv", &dir_text]), "install Python 3 with its `venv` module")?;
    let mut pip = Command::new(dir.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&requirements);
    finish(&mut pip, "check that PyPI can be reached and try again")?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("failed to write `{}`: {error}", stamp.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The environment's Python, if it was made.
pub fn python() -> Option<PathBuf> {
    let python = build::target_directory().join("peers/bin/python");
    python.is_file().then_some(python)
}

fn finish(command: &mut Command, remedy: &str) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |why: String| format!("failed to run `{name}`: {why}\n{remedy}");
    let status = command.status().map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}
