//! The lock of one lab: who works on it, and that nobody else does.
//!
//! The lock itself is the kernel's (`flock`), so that it goes with its holder however that ends. The file only says who
//! the holder is, for the one who waits.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{LabDir, StateError};
use crate::console::{Console, Tone};
use crate::failure::{Failure, Result};
use crate::process::{self, Identity};
use crate::wait::{Look, Wait, scaled};

/// The lock file, in the lab's directory.
pub(super) const LOCK_FILE: &str = "lock";

/// A lab that is ours until this is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// Who works on a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub process: Identity,
    /// Its command line.
    pub command: String,
    /// RFC 3339.
    pub since: String,
}

impl Lock {
    /// Takes the lab, making its directory if need be. Waits for whoever has it, and says who that is.
    ///
    /// # Errors
    /// [`StateError::Locked`] after `patience`, or what the file system says.
    pub fn take(lab: &LabDir, patience: Duration, console: &Console) -> Result<Self> {
        let mut told = false;
        let poll = Duration::from_millis(10);
        let wait = Wait { what: "lock the lab", limit: patience, poll, remedy: "" };
        let outcome = wait.until(|| {
            let Some(lock) = Self::attempt(lab).map_err(|source| lab.io(source))? else {
                let holder = holder_text(lab);
                if !told && !patience.is_zero() {
                    console.line(Tone::Note, "Blocking", &format!("waiting for lab `{}`: {holder}", lab.name()));
                    told = true;
                }
                return Ok(Look::NotYet(holder));
            };
            Ok(Look::Done(lock))
        });
        outcome.map_err(|failure| match failure.cause.as_str() {
            "timeout" => {
                let (name, holder) = (lab.name().into(), holder_text(lab));
                Failure::from(StateError::Locked { name, holder, waited_s: scaled(patience).as_secs_f64() })
            }
            _ => failure,
        })
    }

    /// Removes the lock file and with it, if nothing else is in there, the lab's directory and the one above.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove(self, lab: &LabDir) -> Result<(), StateError> {
        lab.remove(&self.path)?;
        lab.remove_empty();
        Ok(())
    }

    /// `None` if somebody else has it.
    fn attempt(lab: &LabDir) -> std::io::Result<Option<Self>> {
        let path = lab.path().join(LOCK_FILE);
        fs::create_dir_all(lab.path())?;
        let file = match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path) {
            // The holder has just removed the whole directory: look again.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => {
                other.map_err(|error| std::io::Error::other(format!("failed to open `{}`: {error}", path.display())))?
            }
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // A `down` may have removed the file while we waited for it: then we hold a lock that nobody else can see.
        if !is_same_file(&file, &path) {
            return Ok(None);
        }
        let mut lock = Self { file, path };
        // A full disk keeps nobody from taking the lab, and with it what fills the disk, away.
        let _ = lock.sign();
        Ok(Some(lock))
    }

    fn sign(&mut self) -> std::io::Result<()> {
        let Some(process) = process::this() else { return Ok(()) };
        let command =
            std::env::args_os().skip(1).fold(String::from("lab"), |line, word| line + " " + &word.to_string_lossy());
        let text = serde_json::to_vec(&Holder { process, command, since: crate::record::now() })?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&text)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Signed off for those who only look; the kernel's lock goes with the file.
        let _ = self.file.set_len(0);
    }
}

impl Holder {
    /// Who works on the lab now; `None` if nobody does.
    pub fn of(lab: &LabDir) -> Option<Self> {
        let mut text = String::new();
        File::open(lab.path().join(LOCK_FILE)).ok()?.read_to_string(&mut text).ok()?;
        let holder: Self = serde_json::from_str(&text).ok()?;
        holder.process.is_alive().then_some(holder)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "held by pid {} (`{}`) since {}", self.process.pid, self.command, self.since)
    }
}

fn holder_text(lab: &LabDir) -> String {
    Holder::of(lab).map_or_else(|| "its holder has not said who it is".into(), |holder| holder.to_string())
}

fn is_same_file(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}
