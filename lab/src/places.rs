//! Where things lie: state, cache and records, by the XDG base directories.

use std::path::{Path, PathBuf};

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
    Ok(base.ok_or(PlacesError { what, variable })?.join(FOLDER))
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
