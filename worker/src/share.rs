//! The share: datasets are read from it, checkpoints and the report are published on it.
//!
//! A path from the queue never leaves it: not by `..`, not absolute, not through a symbolic link. The kernel sees to
//! that ([`openat2`] with `RESOLVE_BENEATH`), so there is no moment between a check and its use.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2};
use rustix::io::Errno;

mod publish;

pub use publish::{Draft, Output, Watched};

/// How often a share is asked again that answers with what may pass, and how long after.
const HICCUPS: u32 = 5;
const HICCUP: Duration = Duration::from_millis(200);
/// A dataset beyond this is no day of transactions, but would cost the worker its memory.
const LARGEST_FILE_BYTES: u64 = 4 << 30;

/// The share does not do what a share must: the worker cannot go on, whatever the dataset.
#[derive(Debug, thiserror::Error)]
#[error("failed to {task} `{}`: {source}\n{}", path.display(), remedy(source))]
pub struct ShareError {
    /// What was to be done.
    pub task: &'static str,
    /// With what.
    pub path: PathBuf,
    /// Why it did not work.
    pub source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => "make room on the share, then start the worker again",
        Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => {
            "make the share writable for the worker, then start it again"
        }
        Some(Errno::NOENT | Errno::NOTDIR) => {
            "see that the share is mounted where FILESTORE_PATH says and holds the datasets"
        }
        _ => "see that the share is mounted and well, then start the worker again",
    }
}

/// Why a file on the share cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Something is wrong with this path or file; others may be fine.
    #[error("{0}")]
    Unfit(&'static str),
    /// Something is wrong with the share.
    #[error("{0}")]
    Share(#[from] ShareError),
}

/// The share, held open.
#[derive(Debug)]
pub struct Share {
    root: OwnedFd,
    path: PathBuf,
}

impl Share {
    /// Opens the directory where the share is mounted.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn open(path: &Path) -> Result<Self, ShareError> {
        match patiently(|| open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())) {
            Ok(root) => Ok(Self { root, path: path.into() }),
            Err(errno) => Err(ShareError { task: "open the share", path: path.into(), source: errno.into() }),
        }
    }

    /// Reads a whole regular file. Never waits on anything that is none: a pipe, a device, a socket.
    ///
    /// # Errors
    /// [`ReadError::Unfit`] where another path may still be fine, [`ReadError::Share`] where none will.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        patiently(|| self.read_once(path))
    }

    fn read_once(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        // Looked at before it is opened for reading: to open a device can already do something.
        let seen = self.open_beneath(path, OFlags::PATH).map_err(|errno| self.explain(path, errno))?;
        check_type(&seen).map_err(|errno| self.explain(path, errno))??;
        let file = self.open_beneath(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY);
        let file = file.map_err(|errno| self.explain(path, errno))?;
        let size_bytes = check_type(&file).map_err(|errno| self.explain(path, errno))??;
        if size_bytes > LARGEST_FILE_BYTES {
            return Err(ReadError::Unfit("it is larger than 4 GiB"));
        }
        let mut bytes = Vec::new();
        // One byte more, so that the end of the file is seen without growing the buffer.
        let room = usize::try_from(size_bytes + 1).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(room).map_err(|_| ReadError::Unfit("it is larger than the memory"))?;
        let read = File::from(file).take(LARGEST_FILE_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| self.explain(path, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        Ok(bytes)
    }

    /// The directory `output` of the share, made if it is not there yet.
    ///
    /// # Errors
    /// When it can be neither made nor opened.
    pub fn output(&self, session: &str) -> Result<Output, ShareError> {
        let name = Path::new("output");
        let failed = |task, errno: Errno| ShareError { task, path: self.path.join(name), source: errno.into() };
        match rustix::fs::mkdirat(&self.root, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => rustix::fs::fsync(&self.root).map_err(|errno| failed("make the directory", errno))?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed("make the directory", errno)),
        }
        let directory = patiently(|| self.open_beneath(name, OFlags::RDONLY | OFlags::DIRECTORY));
        let directory = directory.map_err(|errno| failed("open the directory", errno))?;
        Ok(Output::new(directory, self.path.join(name), session))
    }

    fn open_beneath(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.root, path, flags, Mode::empty(), resolve) {
                // Something was renamed meanwhile, and the kernel could not be sure.
                Err(Errno::AGAIN) => {}
                // Sandboxes and old kernels do not have the call.
                Err(Errno::NOSYS | Errno::PERM) => return self.walk_beneath(path, flags),
                result => return result,
            }
        }
    }

    /// What [`Share::open_beneath`] does, step by step, where the kernel cannot: it then follows no link at all.
    fn walk_beneath(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mut components = path.components().peekable();
        let mut directory = self.root.as_fd().try_clone_to_owned().map_err(|_| Errno::MFILE)?;
        while let Some(component) = components.next() {
            let Component::Normal(name) = component else {
                if component == Component::CurDir {
                    continue;
                }
                return Err(Errno::XDEV);
            };
            let last = components.peek().is_none();
            let flags = if last { flags } else { OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC };
            let next = openat(&directory, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
            if FileType::from_raw_mode(fstat(&next)?.st_mode) == FileType::Symlink {
                return Err(Errno::XDEV);
            }
            if last {
                return Ok(next);
            }
            directory = next;
        }
        Err(Errno::ISDIR)
    }

    /// Whether an error is the path's fault or the share's.
    fn explain(&self, path: &Path, errno: Errno) -> ReadError {
        ReadError::Unfit(match errno {
            Errno::NOENT | Errno::NOTDIR => "there is no such file",
            Errno::XDEV => "its path leaves the share",
            Errno::LOOP => "its symbolic links go round in a circle",
            Errno::ISDIR => "it is a directory",
            Errno::ACCESS | Errno::PERM => "permission denied",
            Errno::NAMETOOLONG => "its name is too long",
            Errno::INVAL | Errno::ILSEQ => "the share does not allow such a name",
            Errno::NOMEM => "it is larger than the memory",
            errno => {
                let (task, path) = ("read", self.path.join(path));
                return ReadError::Share(ShareError { task, path, source: errno.into() });
            }
        })
    }
}

/// What a client of NFS says that finds its server anew, whose session has run out, or whose file was replaced meanwhile:
/// a moment later it may have another answer, and a container that is started anew for it costs more than a second.
trait Passing {
    fn passes(&self) -> bool;
}

impl Passing for Errno {
    fn passes(&self) -> bool {
        matches!(*self, Errno::IO | Errno::STALE | Errno::AGAIN | Errno::TIMEDOUT)
    }
}

impl Passing for ReadError {
    fn passes(&self) -> bool {
        let Self::Share(error) = self else { return false };
        Errno::from_io_error(&error.source).is_some_and(|errno| errno.passes())
    }
}

/// Asks a few times, as long as the answer is one that may pass.
fn patiently<T, E: Passing>(mut ask: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    for _ in 0..HICCUPS {
        match ask() {
            Err(error) if error.passes() => std::thread::sleep(HICCUP),
            other => return other,
        }
    }
    ask()
}

/// The size of a regular file.
fn check_type(file: &OwnedFd) -> rustix::io::Result<Result<u64, ReadError>> {
    let status = fstat(file)?;
    Ok(match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => Ok(u64::try_from(status.st_size).unwrap_or_default()),
        FileType::Directory => Err(ReadError::Unfit("it is a directory")),
        _ => Err(ReadError::Unfit("it is neither a file nor a directory")),
    })
}

#[cfg(test)]
mod tests;
