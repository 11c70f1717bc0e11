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
#[error("failed to find a place for the lab's {what}: neither `{variable}` nor `HOME` is set to an absolute path")]
pub struct PlacesError {
    what: &'static str,
    variable: &'static str,
}

impl Places {
    /// Finds them. `runs` is what the command line says of the records' directory, if it does.
    ///
    /// # Errors
    /// When the environment names no home.
    pub fn find(runs: Option<&Path>) -> Result<Self, PlacesError> {
        Ok(Self {
            state: base("XDG_STATE_HOME", ".local/state", "state")?,
            cache: base("XDG_CACHE_HOME", ".cache", "cache")?,
            runs: absolute(runs.map_or_else(default_runs, Path::to_owned)),
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
    Ok(canonical(&base.ok_or(PlacesError { what, variable })?.join(FOLDER)))
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
        "no-home"
    }

    fn remedy(&self) -> String {
        format!("export HOME, or {}", self.variable)
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
