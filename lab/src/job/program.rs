//! The worker's program: the project's own, or any other that keeps the contract.

use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;
use sha2::{Digest as _, Sha256};

use crate::failure::{Exit, Explain};
use crate::record::InputFile;

/// What a person's shell sets and a program may need to find its parts; everything else is the Job's to say.
const KEPT: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/// Settings of the worker itself, which anybody may set from outside.
const WORKER_PREFIX: &str = "WORKER_";

/// What runs as the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A program file, with a container's clean environment.
    File(PathBuf),
    /// A command line for `sh -c`, in the person's own environment and directory.
    Shell(String),
    /// An image, where there is a cluster to run it.
    Image(String),
}

/// There is no worker to run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// None was named, and none lies beside the lab.
    #[error("failed to find the worker: neither --worker-bin nor LAB_WORKER names it, and `{}` is not there", beside.display())]
    NotFound {
        /// Where it would have been.
        beside: PathBuf,
    },
    /// What was named cannot be run.
    #[error("failed to use `{}` as the worker: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl Program {
    /// The worker that was asked for: a command, else a file, else the file `worker` beside the lab's own.
    ///
    /// # Errors
    /// [`ProgramError`].
    pub fn find(command: Option<&str>, file: Option<&Path>) -> Result<Self, ProgramError> {
        if let Some(command) = command {
            return Ok(Self::Shell(command.into()));
        }
        let path = match file {
            Some(file) => crate::places::absolute(file.into()),
            None => {
                let beside = beside_lab("worker");
                if !beside.is_file() {
                    return Err(ProgramError::NotFound { beside });
                }
                beside
            }
        };
        check_executable(&path).map_err(|why| ProgramError::Unusable { path: path.clone(), why })?;
        Ok(Self::File(path))
    }

    /// What the record calls this worker: `rust`, or the command that replaced it.
    pub fn name(&self) -> &str {
        match self {
            Self::File(_) => "rust",
            Self::Shell(command) => command,
            Self::Image(reference) => reference,
        }
    }

    /// The program as an input: the file's digest, or that of the command line or reference itself.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn as_input(&self) -> std::io::Result<InputFile> {
        let (path, bytes) = match self {
            Self::File(path) => (path.display().to_string(), fs::read(path)?),
            Self::Shell(word) | Self::Image(word) => (word.clone(), word.clone().into_bytes()),
        };
        Ok(InputFile { path, bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(&bytes)) })
    }

    /// The command, without the Job's environment. An image has none: it is no process of this machine.
    pub fn command(&self) -> Command {
        match self {
            Self::Image(reference) => Command::new(reference),
            Self::File(path) => {
                let mut command = Command::new(path);
                command.env_clear().current_dir("/");
                let kept = |(name, _): &(std::ffi::OsString, _)| {
                    let name = name.to_string_lossy();
                    KEPT.contains(&name.as_ref()) || name.starts_with(WORKER_PREFIX)
                };
                command.envs(std::env::vars_os().filter(kept));
                command
            }
            Self::Shell(line) => {
                let mut command = Command::new("sh");
                command.args(["-c", line]);
                command
            }
        }
    }

    /// Whether this exit code says that the program could not be started at all.
    pub fn is_not_started(&self, exit_code: i32) -> bool {
        // The shell's words for "cannot be executed" and "not found".
        matches!(self, Self::Shell(_)) && (exit_code == 126 || exit_code == 127)
    }
}

/// The file of this name in the directory of the lab's own program.
pub fn beside_lab(name: &str) -> PathBuf {
    std::env::current_exe().ok().and_then(|lab| Some(lab.parent()?.join(name))).unwrap_or_else(|| name.into())
}

/// Says why a file cannot be run.
pub fn check_executable(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".into());
    }
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).map_err(|_| "it is not executable".into())
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Explain for ProgramError {
    fn exit(&self) -> Exit {
        Exit::Preflight
    }

    fn cause_name(&self) -> &'static str {
        "worker-missing"
    }

    fn remedy(&self) -> String {
        "start the lab by `cargo xtask`, which builds the worker, or name one with --worker-bin or --worker-cmd".into()
    }
}
