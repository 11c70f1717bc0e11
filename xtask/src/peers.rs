//! `cargo xtask peers`: the Python programs that ours are compared with, in virtual environments under target/.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::build;

/// The environments: `tests/NAME.txt` says what is in one, `target/NAME` is where it is made. The first is what a
/// checkpoint is written for; the second, the newest that there was, shows that later versions take it as well.
const ENVIRONMENTS: [&str; 2] = ["peers", "peers-newest"];

/// Makes the virtual environments, or leaves them as they are when they are complete.
pub fn make() -> Result<ExitCode, String> {
    let [first, newest] = ENVIRONMENTS;
    make_one(first)?;
    // The newest packages ask for a Python that not every system has.
    if let Err(error) = make_one(newest) {
        eprintln!("        Note {error}\n        Note tests with the newest packages will say that they are skipped");
    }
    Ok(ExitCode::SUCCESS)
}

fn make_one(name: &str) -> Result<(), String> {
    let dir = build::target_directory().join(name);
    let requirements = build::root().join(format!("tests/{name}.txt"));
    let wanted = std::fs::read_to_string(&requirements)
        .map_err(|error| format!("failed to read `{}`: {error}", requirements.display()))?;
    let stamp = dir.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        eprintln!("       Peers {} is up to date", dir.display());
        return Ok(());
    }
    eprintln!("       Peers installing into {}", dir.display());
    let dir_text = dir.to_string_lossy();
    finish(Command::new("python3").args(["-m", "venv", &dir_text]), "install Python 3 with its `venv` module")?;
    let mut pip = Command::new(dir.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&requirements);
    finish(&mut pip, "check that PyPI can be reached and try again")?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("failed to write `{}`: {error}", stamp.display()))
}

/// The Pythons that were made, each with the variable by which the tests find it, unless a person has set that one.
pub fn pythons() -> impl Iterator<Item = (&'static str, PathBuf)> {
    let python = |name| build::target_directory().join(name).join("bin/python");
    let found = ["LAB_PYTHON", "LAB_PYTHON_NEWEST"].into_iter().zip(ENVIRONMENTS.map(python));
    found.filter(|(variable, python)| std::env::var_os(variable).is_none() && python.is_file())
}

fn finish(command: &mut Command, remedy: &str) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |why: String| format!("failed to run `{name}`: {why}\n{remedy}");
    let status = command.status().map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}
