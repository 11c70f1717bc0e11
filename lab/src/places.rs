//! Where things lie: state, cache and records, by the XDG base directories.

use std::path::{Component, Path, PathBuf};

use crate::failure::{Exit, Explain};

/// The lab's own folder below each of the base directories.
const FOLDER: &str = "batch-ml-lab";

/// The directories of this user.
#[derive(Debug, Clone)]
pub struct Places {
    /// One directory a lab: what is up. `$XDG_STATE_HOME/batch-ml-lab`.
    pub state: PathBuf,
    /// What was fetched or generated, and can be again. `$XDG_CACHE_HOME/batch-ml-lab`.
    pub cache: PathBuf,
    /// The runs' records.
    pub runs: PathBuf,
}

/// There is no place to keep anything.
#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    /// Nothing names one.
    #[error("failed to find a place for the lab's {what}: neither `{variable}` nor `HOME` is set to an absolute path")]
    Nowhere {
        /// What it is for.
        what: &'static str,
        /// The variable that names it.
        variable: &'static str,
    },
    /// Its path cannot be written into a state file, a record or Redis's settings.
    #[error("failed to use `{}` for the lab's {what}: the path is not UTF-8", path.display())]
    NotUtf8 {
        /// What it is for.
        what: &'static str,
        /// What names it.
        variable: &'static str,
        /// The path, spelt out.
        path: PathBuf,
    },
}

impl Places {
    /// Finds them. `runs` is what the command line says of the records' directory, if it does.
    ///
    /// # Errors
    /// When the environment names no home, or a place by a path that is not UTF-8.
    pub fn find(runs: Option<&Path>) -> Result<Self, PlacesError> {
        Ok(Self {
            state: base("XDG_STATE_HOME", ".local/state", "state")?,
            cache: base("XDG_CACHE_HOME", ".cache", "cache")?,
            runs: utf8(absolute(runs.map_or_else(default_runs, Path::to_owned)), "--runs or LAB_RUNS", "records")?,
        })
    }
}

/// A path as it is seen from everywhere; the same one if the current directory is gone.
pub fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn base(variable: &'static str, below_home: &str, what: &'static str) -> Result<PathBuf, PlacesError> {
    // The specification has relative paths ignored.
    let get = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = get(variable).or_else(|| Some(get("HOME")?.join(below_home)));
    utf8(canonical(&base.ok_or(PlacesError::Nowhere { what, variable })?.join(FOLDER)), variable, what)
}

/// Paths are kept as text, in JSON and in Redis: one that is none would come out as another one.
fn utf8(path: PathBuf, variable: &'static str, what: &'static str) -> Result<PathBuf, PlacesError> {
    if path.to_str().is_some() { Ok(path) } else { Err(PlacesError::NotUtf8 { what, variable, path }) }
}

/// The one spelling of an absolute path, whether it is there yet or not: processes and containers are found by it, byte
/// by byte. What is there of it is resolved by the system; below, no link can be in the way.
fn canonical(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|there| Some((there, std::fs::canonicalize(there).ok()?)));
    let Some((there, mut canonical)) = there else { return path.into() };
    for part in path.strip_prefix(there).unwrap_or(Path::new("")).components() {
        match part {
            Component::ParentDir => drop(canonical.pop()),
            part => canonical.push(part),
        }
    }
    canonical
}

/// `target/lab/runs` of the workspace that the lab was built in; of the current directory where that is gone.
fn default_runs() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().filter(|root| root.join("Cargo.toml").is_file());
    workspace.unwrap_or(Path::new(".")).join("target/lab/runs")
}

impl Explain for PlacesError {
    fn exit(&self) -> Exit {
        Exit::Preflight
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Nowhere { .. } => "no-home",
            Self::NotUtf8 { .. } => "path-not-utf8",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Nowhere { variable, .. } => format!("export HOME, or {variable}"),
            Self::NotUtf8 { variable, .. } => format!("name a directory by a path that is UTF-8 with {variable}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However it is spelt, it is one place, before it is made and after.
    #[test]
    fn a_place_has_one_spelling() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("there")).unwrap();
        std::os::unix::fs::symlink("there", root.join("link")).unwrap();
        let expected = root.join("there/state/lab");
        for made in [false, true] {
            for spelt in ["there/state/lab", "there//state/./lab/", "link/state/lab", "there/state/x/../lab"] {
                // A folder that is not there cannot be gone through once its neighbour is: the last is for before alone.
                if !(made && spelt.contains("..")) {
                    assert_eq!(canonical(&root.join(spelt)).as_os_str(), expected.as_os_str(), "`{spelt}`");
                }
            }
            std::fs::create_dir_all(&expected).unwrap();
        }
        assert_eq!(canonical(Path::new("//")).as_os_str(), "/");
    }
}
