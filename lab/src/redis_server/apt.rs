//! The distribution's own Redis on Debian and Ubuntu, without root and without touching the system.
//!
//! apt's client fetches the package and the libraries that the system lacks into the lab's cache, with lists of its own;
//! they are unpacked there, and a small script starts the server with them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fs_err as fs;

use super::{PROGRAMS, RedisError};
use crate::console::{Console, Tone};
use crate::failure::{Failure, Result};
use crate::wait::{Look, Wait};

/// What is fetched: where the server is only a link into the package of the tools, both, whatever the system has.
const PACKAGES: [[&str; 2]; 2] = [["redis-server", "redis-tools"], ["valkey-server", "valkey-tools"]];
/// The script that starts what was fetched, in the folder below the cache.
const SCRIPT: &str = "redis-server";
/// How long another lab may take that is fetching the same.
const FETCH_LIMIT: Duration = Duration::from_secs(300);

/// The server that an earlier lab has fetched: its script, if the program that this names is still there.
pub fn fetched(cache: &Path) -> Option<PathBuf> {
    let script = folder(cache).join(SCRIPT);
    let text = fs::read_to_string(&script).ok()?;
    let program = unpacked(&folder(cache).join("root"))?;
    text.contains(&quote(&program.display().to_string())).then_some(script)
}

/// Whether this machine is one where it can be fetched.
pub fn is_possible() -> Result<(), String> {
    for tool in ["apt-get", "dpkg"] {
        which::which(tool).map_err(|_| format!("there is no `{tool}` to fetch the distribution's package with"))?;
    }
    Ok(())
}

/// Fetches and unpacks the server, and says where its script is.
pub fn fetch(cache: &Path, console: &Console) -> Result<PathBuf> {
    let folder = folder(cache);
    let _lock = lock(&folder, console)?;
    if let Some(script) = fetched(cache) {
        return Ok(script);
    }
    console.line(Tone::Note, "Fetching", &format!("the distribution's Redis into `{}`", folder.display()));
    let bar = console.spinner("Fetching");
    for part in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(folder.join(part)).map_err(RedisError::from)?;
    }
    bar.say("package lists");
    run(apt(&folder).arg("update"))?;
    bar.say("packages");
    let mut attempts = PACKAGES.iter().map(|names| {
        let install = ["--no-install-recommends", "--download-only", "--reinstall", "--yes", "install"];
        run(apt(&folder).args(install).args(names))
    });
    // The first name that the distribution knows; what is said of the first one if it knows neither.
    let mut outcome = attempts.next().unwrap_or(Ok(()));
    if outcome.is_err() && attempts.any(|attempt| attempt.is_ok()) {
        outcome = Ok(());
    }
    outcome?;
    bar.say("unpacking");
    Ok(unpack(&folder)?)
}

fn folder(cache: &Path) -> PathBuf {
    cache.join("redis-server")
}

/// apt's client with lists, cache and locks of our own.
fn apt(folder: &Path) -> Command {
    let mut apt = Command::new("apt-get");
    let option = |name: &str, path: &Path| format!("{name}={}", path.display());
    apt.args(["-o", &option("Dir::State::Lists", &folder.join("lists"))])
        .args(["-o", &option("Dir::Cache", folder), "-o", &option("Dir::Cache::archives", &folder.join("archives"))])
        .args(["-o", "Debug::NoLocking=1", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20"])
        // Lists that could not be fetched are a failure, not a warning.
        .args(["-o", "APT::Update::Error-Mode=any", "--quiet"])
        .envs([("DEBIAN_FRONTEND", "noninteractive"), ("LC_ALL", "C")]);
    if rustix::process::geteuid().is_root() {
        // apt's own user cannot write into a home of root's.
        apt.args(["-o", "APT::Sandbox::User=root"]);
    }
    apt
}

/// Unpacks every archive beside the others and writes the script, last and by rename: where it is, all is there.
fn unpack(folder: &Path) -> Result<PathBuf, RedisError> {
    let root = folder.join("root");
    let archives = fs::read_dir(folder.join("archives"))?.flatten().map(|entry| entry.path());
    for archive in archives.filter(|path| path.extension().is_some_and(|extension| extension == "deb")) {
        run(Command::new("dpkg").arg("-x").args([&archive, &root]))?;
    }
    let program = unpacked(&root).ok_or_else(|| RedisError::Fetch("the package holds no server".into()))?;
    let libraries = library_dirs(&root);
    let text = format!(
        "#!/bin/sh\n# Starts the server that lies beside this file with the libraries that were fetched with it.\n\
         LD_LIBRARY_PATH={libraries} exec {program} \"$@\"\n",
        libraries = quote(&libraries),
        program = quote(&program.display().to_string()),
    );
    let mut script = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut script, text.as_bytes())?;
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(script.path(), executable)?;
    let path = folder.join(SCRIPT);
    // Closed before it is run: a file that is open for writing cannot be executed.
    script.into_temp_path().persist(&path).map_err(|error| RedisError::Io(error.error))?;
    // What is unpacked is not needed packed.
    for part in ["archives", "lists"] {
        fs::remove_dir_all(folder.join(part))?;
    }
    Ok(path)
}

/// The program among what was unpacked.
fn unpacked(root: &Path) -> Option<PathBuf> {
    PROGRAMS.iter().map(|name| root.join("usr/bin").join(name)).find(|program| program.is_file())
}

/// The folders of shared libraries, e.g. `root/usr/lib/x86_64-linux-gnu`, joined for the loader.
fn library_dirs(root: &Path) -> String {
    let parents = [root.join("usr/lib"), root.join("lib")];
    let entries = parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().flatten();
    let dirs = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    let dirs = dirs.filter(|path| path.to_string_lossy().contains("-linux-gnu"));
    dirs.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
}

/// A word for the shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn run(command: &mut Command) -> Result<(), RedisError> {
    let line = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| RedisError::Fetch(format!("`{line}`: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<_> = text.lines().filter(|line| line.starts_with("E:") || line.starts_with("dpkg")).collect();
    let said = if complaints.is_empty() { text.trim().to_owned() } else { complaints.join(" | ") };
    Err(RedisError::Fetch(format!("`{line}` ended with {}: {said}", output.status)))
}

/// One lab at a time fetches; the others wait and find it there.
fn lock(folder: &Path, console: &Console) -> Result<std::fs::File> {
    fs::create_dir_all(folder).map_err(RedisError::from)?;
    let path = folder.join("lock");
    let file = std::fs::File::create(&path).map_err(RedisError::from)?;
    let poll = Duration::from_millis(50);
    let what = "fetch the distribution's Redis";
    let wait = Wait { what, limit: FETCH_LIMIT, poll, remedy: "stop the other lab, or wait for it" };
    let mut told = false;
    wait.until(|| match file.try_lock() {
        Ok(()) => Ok(Look::Done(())),
        Err(std::fs::TryLockError::WouldBlock) => {
            if !told {
                console.line(Tone::Note, "Blocking", "waiting for another lab that is fetching Redis");
                told = true;
            }
            Ok(Look::NotYet("another lab is fetching it".into()))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(Failure::from(RedisError::from(error))),
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script without its program, or with one of another place, counts for nothing: it is fetched again.
    #[test]
    fn what_was_fetched_is_there_with_its_program() {
        let cache = tempfile::tempdir().unwrap();
        let bin = folder(cache.path()).join("root/usr/bin");
        fs::create_dir_all(&bin).unwrap();
        let program = bin.join("valkey-server");
        fs::write(&program, "").unwrap();
        let script = folder(cache.path()).join(SCRIPT);
        assert_eq!(fetched(cache.path()), None);
        fs::write(&script, format!("exec {} \"$@\"\n", quote(&program.display().to_string()))).unwrap();
        assert_eq!(fetched(cache.path()), Some(script.clone()));
        fs::remove_file(&program).unwrap();
        assert_eq!(fetched(cache.path()), None);
        fs::write(&program, "").unwrap();
        fs::write(&script, "exec '/elsewhere/valkey-server' \"$@\"\n").unwrap();
        assert_eq!(fetched(cache.path()), None);
    }

    /// A folder may be named anything.
    #[test]
    fn a_word_survives_the_shell() {
        let word = "it's $HOME \"here\"";
        let output = Command::new("sh").args(["-c", &format!("printf %s {}", quote(word))]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), word);
    }
}
