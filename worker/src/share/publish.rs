//! How a file appears on the share: whole or not at all, and never by the hand of one whose time is over.
//!
//! A draft is a temporary file beside its target, `.NAME.SESSION.tmp`: written, fsynced, renamed, and the directory
//! fsynced. Whoever begins a draft first removes the drafts that others have of the same target. So a worker that was
//! frozen between its last look at its claim and the rename finds its draft gone when it wakes, and the rename fails:
//! it cannot overwrite what its successor has published since.
//!
//! On NFS no file is open under a name that is replaced or removed: the client would first rename it to `.nfs…`, and a
//! node that vanishes between the two renames would leave no file of the name at all.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, NFS_SUPER_MAGIC, OFlags, fstat, fstatfs, fsync, linkat, openat, renameat, unlinkat,
};
use rustix::io::Errno;

use super::ShareError;
use crate::kill::kill_point;

/// What a session's name and the marks of a draft add to the name of its target, in bytes.
const DRAFT_BYTES: usize = ".".len() + ".".len() + 36 + ".tmp".len();
/// What the session in the second name of a watched file ends with.
const WATCHED: &str = "-watched";
/// The longest name that file systems take.
const NAME_BYTES: usize = 255;

/// The directory that holds what the worker publishes, and nothing else.
#[derive(Debug)]
pub struct Output {
    directory: OwnedFd,
    path: PathBuf,
    session: String,
    /// The directory is on NFS, where a file that is open keeps a name.
    pub(super) is_nfs: bool,
}

/// A published file that is open, so that what comes to it after it was replaced can be seen.
#[derive(Debug)]
pub struct Watched {
    file: Option<File>,
    /// On NFS, the name that it has for us alone, and the directory that it is in.
    name: Option<(OwnedFd, String)>,
}

/// A file that is not published yet. Dropped, it vanishes.
#[derive(Debug)]
pub struct Draft<'a> {
    output: &'a Output,
    file: Option<File>,
    target: &'a str,
    name: String,
    is_published: bool,
}

impl Output {
    pub(super) fn new(directory: OwnedFd, path: PathBuf, session: &str) -> Self {
        let is_nfs = fstatfs(&directory).is_ok_and(|status| status.f_type == NFS_SUPER_MAGIC);
        Self { directory, path, session: session.into(), is_nfs }
    }

    /// Whether a file of this name can be published.
    pub fn has_room_for(name: &str) -> bool {
        name.len() + DRAFT_BYTES <= NAME_BYTES
    }

    /// Reads a published file; `None` where there is none, or something else that no worker ever published.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ShareError> {
        match self.open(name, OFlags::RDONLY) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).map_err(|source| self.error("read", name, source))?;
                Ok(Some(bytes))
            }
            Err(Errno::NOENT | Errno::LOOP | Errno::INVAL) => Ok(None),
            Err(errno) => Err(self.failed("read", name, errno)),
        }
    }

    /// Opens a file for one who reads it now and looks later whether somebody has added to it. Where there is none it
    /// begins, empty.
    ///
    /// # Errors
    /// When it is there and is no file, or when none can be made.
    pub fn watch(&self, name: &str) -> Result<Watched, ShareError> {
        let failed = |errno| self.failed("open", name, errno);
        let begin = || self.open(name, OFlags::RDWR | OFlags::CREATE);
        if !self.is_nfs {
            let file = self.open(name, OFlags::RDONLY).or_else(|errno| match errno {
                Errno::NOENT => begin(),
                errno => Err(errno),
            });
            return Ok(Watched { file: Some(file.map_err(failed)?), name: None });
        }
        let directory = self.directory.try_clone().map_err(|source| self.error("open", name, source))?;
        let second = self.draft_name(name, WATCHED);
        let link = || linkat(&directory, name, &directory, &second, AtFlags::empty());
        let linked = match link() {
            Err(Errno::NOENT) => begin().map(drop).and_then(|()| link()),
            // A server that was started again in between may be asked twice.
            Err(Errno::EXIST) => unlinkat(&directory, &second, AtFlags::empty()).and_then(|()| link()),
            result => result,
        };
        linked.map_err(failed)?;
        // From here on the name vanishes with it, whatever happens.
        let mut watched = Watched { file: None, name: Some((directory, second.clone())) };
        watched.file = Some(self.open(&second, OFlags::RDONLY).map_err(failed)?);
        Ok(watched)
    }

    fn open(&self, name: &str, flags: OFlags) -> rustix::io::Result<File> {
        // As one who publishes replaces a link and does not follow it, one who reads does not follow it either.
        let flags = flags | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.directory, name, flags, Mode::from_raw_mode(0o666))?;
        match FileType::from_raw_mode(fstat(&file)?.st_mode) {
            FileType::RegularFile => Ok(file.into()),
            _ => Err(Errno::INVAL),
        }
    }

    /// An error about one of the files here.
    pub fn error(&self, task: &'static str, name: &str, source: io::Error) -> ShareError {
        ShareError { task, path: self.path.join(name), source }
    }

    /// Begins a draft, and ends those that others have of the same target.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn draft<'a>(&'a self, target: &'a str) -> Result<Draft<'a>, ShareError> {
        let name = self.draft_name(target, "");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.directory, &name, flags, Mode::from_raw_mode(0o666));
        let file = file.map_err(|errno| self.failed("write", target, errno))?.into();
        let draft = Draft { output: self, file: Some(file), target, name, is_published: false };
        // After the draft's own creation, which makes a client of a network file system look at the directory anew.
        self.remove_drafts(|other, session| other == target && session != self.session)?;
        Ok(draft)
    }

    /// Removes what drafts there are of a target; for one who holds its claim and has nothing to publish.
    ///
    /// # Errors
    /// When the directory cannot be read or written to.
    pub fn remove_drafts_of(&self, target: &str) -> Result<(), ShareError> {
        self.remove_drafts(|other, _| other == target)
    }

    /// Removes this session's drafts; for one who is about to end.
    ///
    /// # Errors
    /// When the directory cannot be read or written to.
    pub fn remove_own_drafts(&self) -> Result<(), ShareError> {
        self.remove_drafts(|_, session| session.trim_end_matches(WATCHED) == self.session)
    }

    fn draft_name(&self, target: &str, mark: &str) -> String {
        format!(".{target}.{}{mark}.tmp", self.session)
    }

    /// Removes the drafts whose target and session are of concern.
    fn remove_drafts(&self, concerns: impl Fn(&str, &str) -> bool) -> Result<(), ShareError> {
        for entry in Dir::read_from(&self.directory).map_err(|errno| self.failed("list", ".", errno))? {
            let entry = entry.map_err(|errno| self.failed("list", ".", errno))?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let draft = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
            if draft.and_then(|draft| draft.rsplit_once('.')).is_some_and(|(target, session)| concerns(target, session))
            {
                match unlinkat(&self.directory, name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(errno) => return Err(self.failed("remove", name, errno)),
                }
            }
        }
        Ok(())
    }

    fn failed(&self, task: &'static str, name: &str, errno: Errno) -> ShareError {
        self.error(task, name, errno.into())
    }
}

impl Draft<'_> {
    /// Writes the whole content and sees it on the disk.
    ///
    /// # Errors
    /// When it does not fit, say.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ShareError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.map_err(|source| self.output.error("write", self.target, source))
    }

    /// Puts the draft in its target's place. `false` where somebody ended the draft meanwhile: then nothing changed.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn publish(mut self) -> Result<bool, ShareError> {
        let directory = &self.output.directory;
        match renameat(directory, &self.name, directory, self.target) {
            Ok(()) => self.is_published = true,
            Err(Errno::NOENT) => {
                // Nothing is left to remove.
                self.is_published = true;
                return Ok(false);
            }
            Err(errno) => return Err(self.output.failed("publish", self.target, errno)),
        }
        kill_point("renamed");
        fsync(directory).map_err(|errno| self.output.failed("publish", self.target, errno))?;
        Ok(true)
    }
}

impl Watched {
    /// The file, as long as it is watched.
    pub fn file(&mut self) -> Option<&mut File> {
        self.file.as_mut()
    }

    /// Ends the watch where it costs a name that others would see; elsewhere it goes on.
    pub fn settle(&mut self) {
        if let Some((directory, name)) = self.name.take() {
            self.file = None;
            // If this fails, the next one who drafts the file does it.
            let _ = unlinkat(directory, name, AtFlags::empty());
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.settle();
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.is_published {
            self.file = None;
            // If even this fails, the next one who drafts the target does it.
            let _ = unlinkat(&self.output.directory, &self.name, AtFlags::empty());
        }
    }
}
