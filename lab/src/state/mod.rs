//! What is up, on disk: one directory a lab, with the state file, the lock, and on `local` the share and Redis's data.
//!
//! The state file is written before each creation, whole or not at all. Whatever instant a kill hits, the next command
//! finds either the old word or the new one, and can finish or undo what it says.

mod lock;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

pub use lock::{Holder, Lock};

use crate::failure::{Exit, Explain};
use crate::places::Places;
use crate::process::{Identity, Marker};
use crate::target::gke::settings::Settings;
use crate::target::kind::plan::{NfsVersion, Volume};

/// The version of the state file that this code writes.
const SCHEMA: u32 = 1;
/// The state file, in the lab's directory.
const STATE_FILE: &str = "state.json";

/// The directory of one lab.
#[derive(Debug, Clone)]
pub struct LabDir {
    name: String,
    path: PathBuf,
}

/// `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`SCHEMA`] of the lab that wrote it.
    pub schema: u32,
    /// The lab's name.
    pub name: String,
    /// Where it stands: `local`, `kind` or `gke`.
    pub target: String,
    /// How far it is.
    pub phase: Phase,
    /// When it was begun, RFC 3339.
    pub created: String,
    /// The lab's own version.
    pub lab_version: String,
    /// The Redis server of target `local`.
    pub redis: Option<RedisState>,
    /// What target `kind` stands with.
    #[serde(default)]
    pub kind: Option<KindState>,
    /// What target `gke` stands with.
    #[serde(default)]
    pub gke: Option<GkeState>,
    /// The directory of the last run's record.
    pub last_run: Option<PathBuf>,
}

/// How far a lab is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// `up` has begun, and was not done when this was written.
    Creating,
    /// All of it stands.
    Up,
    /// `down` has begun.
    Removing,
}

/// A Redis server that was, or was about to be, started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisState {
    /// The program.
    pub program: PathBuf,
    /// What it calls itself, e.g. `7.0.15`.
    pub version: String,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// Absent between the announcement and the start.
    pub process: Option<Identity>,
}

/// A lab on kind that was, or was about to be, made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindState {
    /// kind's cluster.
    pub cluster: String,
    /// The nodes' image.
    pub node_image: String,
    /// Redis's image.
    pub redis_image: String,
    /// Nodes with the Spot label.
    pub spot_nodes: u32,
    /// How pods reach the export.
    pub volume: Volume,
    /// The version of NFS, where it was asked for.
    pub nfs_version: Option<NfsVersion>,
    /// kind came to its end; before, whatever there is of the cluster is half made.
    pub cluster_made: bool,
}

/// A lab on GKE that was, or was about to be, made. What it has created is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GkeState {
    /// The value of its label, unlike any other lab's.
    pub lab_id: String,
    /// What it stands with.
    pub settings: Settings,
    /// Until when it is meant to live, RFC 3339.
    pub until: String,
    /// The ledger that it is written down in.
    pub ledger: PathBuf,
}

/// Why the lab's state could not be read, written or locked.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refused.
    #[error("failed to keep the state of lab `{name}`: {source}")]
    Io {
        /// The lab.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The state file is not what this code or an older one wrote.
    #[error("failed to read the state of lab `{name}`: `{}` is damaged: {source}", path.display())]
    Malformed {
        /// The lab.
        name: String,
        /// The state file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A newer lab wrote it.
    #[error("failed to read the state of lab `{name}`: it has layout {found}, and this lab knows {SCHEMA}")]
    Newer {
        /// The lab.
        name: String,
        /// The layout's number.
        found: u32,
    },
    /// Somebody else works on the lab.
    #[error("failed to lock lab `{name}` within {waited_s} s: {holder}")]
    Locked {
        /// The lab.
        name: String,
        /// Who has it.
        holder: String,
        /// How long we waited.
        waited_s: f64,
    },
}

impl LabDir {
    /// The directory of the lab with this name; it need not exist.
    pub fn of(places: &Places, name: &str) -> Self {
        Self { name: name.into(), path: places.state.join(name) }
    }

    /// The lab of this directory, which need not exist any more.
    pub fn at(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, path: path.to_owned() }
    }

    /// Every lab that has a directory, by name.
    pub fn all(places: &Places) -> Vec<Self> {
        let entries = fs::read_dir(&places.state).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut labs: Vec<_> = names.map(|name| Self::of(places, &name)).filter(|lab| lab.path.is_dir()).collect();
        labs.sort_by(|one, other| one.name.cmp(&other.name));
        labs
    }

    /// The lab's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What every process of this lab carries in its environment.
    pub fn marker(&self) -> Marker {
        Marker::new(&self.path)
    }

    /// The share of target `local`.
    pub fn share(&self) -> PathBuf {
        self.path.join("share")
    }

    /// Redis's own directory on target `local`.
    pub fn redis(&self) -> PathBuf {
        self.path.join("redis")
    }

    /// The cluster's kubeconfig on targets `kind` and `gke`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    /// What the export serves on target `kind`.
    pub fn export(&self) -> PathBuf {
        self.path.join("export")
    }

    /// Reads the state file; `None` where there is none, that is, where nothing was ever begun.
    ///
    /// # Errors
    /// When there is one and it cannot be read.
    pub fn read(&self) -> Result<Option<State>, StateError> {
        let path = self.path.join(STATE_FILE);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|source| self.io(source))?,
        };
        let malformed = |source| StateError::Malformed { name: self.name.clone(), path: path.clone(), source };
        let version: Version = serde_json::from_slice(&bytes).map_err(malformed)?;
        if version.schema > SCHEMA {
            return Err(StateError::Newer { name: self.name.clone(), found: version.schema });
        }
        serde_json::from_slice(&bytes).map(Some).map_err(malformed)
    }

    /// Writes the state file, whole or not at all, and lasting.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, state: &State) -> Result<(), StateError> {
        let write = || -> std::io::Result<()> {
            let mut temporary = tempfile::NamedTempFile::new_in(&self.path)?;
            serde_json::to_writer_pretty(&mut temporary, state)?;
            temporary.write_all(b"\n")?;
            temporary.as_file().sync_all()?;
            temporary.persist(self.path.join(STATE_FILE)).map_err(|error| error.error)?;
            fs::File::open(&self.path)?.sync_all()
        };
        write().map_err(|source| self.io(source))
    }

    /// Removes one entry of the directory, whatever it is; nothing if it is not there.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove(&self, entry: &Path) -> Result<(), StateError> {
        let removed =
            if entry.is_dir() && !entry.is_symlink() { fs::remove_dir_all(entry) } else { fs::remove_file(entry) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.io(error)),
            _ => Ok(()),
        }
    }

    /// Removes the lab's directory and the one of all labs, as far as they are empty.
    pub fn remove_empty(&self) {
        for dir in self.path.ancestors().take(2) {
            // Somebody else's lab beside it, or a new one in its place, is a reason to leave it, not an error.
            let _ = fs::remove_dir(dir);
        }
    }

    /// Removes everything in the directory but the lock, which goes last.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn clear(&self) -> Result<(), StateError> {
        let lock_file = self.path.join(lock::LOCK_FILE);
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.path() != lock_file {
                self.remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes the state file.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove_state(&self) -> Result<(), StateError> {
        self.remove(&self.path.join(STATE_FILE))
    }

    fn io(&self, source: std::io::Error) -> StateError {
        StateError::Io { name: self.name.clone(), source }
    }
}

impl State {
    /// The state of a lab that is being begun now.
    pub fn begin(name: &str, target: &str) -> Self {
        Self {
            schema: SCHEMA,
            name: name.into(),
            target: target.into(),
            phase: Phase::Creating,
            created: crate::record::now(),
            lab_version: env!("CARGO_PKG_VERSION").into(),
            redis: None,
            kind: None,
            gke: None,
            last_run: None,
        }
    }
}

#[derive(Deserialize)]
struct Version {
    schema: u32,
}

impl Explain for StateError {
    fn exit(&self) -> Exit {
        Exit::Lab
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Io { .. } => "state-unwritable",
            Self::Malformed { .. } | Self::Newer { .. } => "state-damaged",
            Self::Locked { .. } => "lab-locked",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Io { .. } => "make the directory writable and give it room, or set XDG_STATE_HOME to another".into(),
            Self::Malformed { name, .. } => {
                format!("`cargo xtask lab down --name {name}` finds what it started without that file; then start anew")
            }
            Self::Newer { name, .. } => {
                format!("take it down with the lab that made it, or use another --name than `{name}`")
            }
            Self::Locked { .. } => "wait for it, stop it, or use another lab with --name".into(),
        }
    }
}
