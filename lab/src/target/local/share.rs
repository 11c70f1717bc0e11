//! The share of target `local`: a directory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use sha2::{Digest as _, Sha256};

use crate::interrupt;
use crate::job::program::hex;
use crate::plain_file;
use crate::record::OUTPUT_LIMIT_BYTES;
use crate::target::{Share, Upload};

/// Bytes copied at a time.
const PIECE_BYTES: usize = 1 << 20;

/// The directory.
#[derive(Debug)]
pub(super) struct HostShare(PathBuf);

impl HostShare {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Refuses a link that stands in place of the directory: what it leads to is not the lab's, neither to write to nor
    /// to empty. A directory that is not there is no fault of its own.
    pub(super) fn check(&self) -> std::io::Result<()> {
        match fs::symlink_metadata(&self.0) {
            Ok(found) if found.is_symlink() => {
                let to = fs::read_link(&self.0)?;
                Err(std::io::Error::other(Linked { path: self.0.clone(), to }))
            }
            _ => Ok(()),
        }
    }

    /// Does what the worker will do there: writes a file, makes it last, renames it, reads it, removes it.
    pub(super) fn probe(&self) -> std::io::Result<()> {
        self.check()?;
        let mut temporary = tempfile::NamedTempFile::new_in(&self.0)?;
        let word = temporary.path().as_os_str().as_encoded_bytes().to_owned();
        temporary.write_all(&word)?;
        temporary.as_file().sync_all()?;
        let path = self.0.join(format!(".probe-{}", std::process::id()));
        temporary.persist(&path).map_err(|error| error.error)?;
        let read = fs::read(&path);
        fs::remove_file(&path)?;
        if read? == word { Ok(()) } else { Err(std::io::Error::other("what was written is not what was read")) }
    }
}

/// What was to be copied cannot be read where it is now: the share has no part in that.
#[derive(Debug, thiserror::Error)]
#[error("failed to read `{}`: {error}", path.display())]
pub struct Unread {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub error: std::io::Error,
}

/// A link stands in place of the share.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is a link to `{}`, and the lab follows no link there", path.display(), to.display())]
struct Linked {
    path: PathBuf,
    to: PathBuf,
}

impl Share for HostShare {
    fn clear(&self) -> std::io::Result<usize> {
        self.check()?;
        let mut files = 0;
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                files += count(&entry.path())?;
                fs::remove_dir_all(entry.path())?;
            } else {
                files += 1;
                fs::remove_file(entry.path())?;
            }
        }
        Ok(files)
    }

    fn put(&self, files: &[Upload], progress: &dyn Fn(usize, u64)) -> std::io::Result<Vec<String>> {
        self.check()?;
        let mut digests = Vec::new();
        for (number, file) in files.iter().enumerate() {
            interrupt::check().map_err(std::io::Error::other)?;
            digests.push(copy(&file.source, &self.0.join(&file.path), &|bytes| progress(number, bytes))?);
        }
        Ok(digests)
    }

    fn digests(&self, folder: &str) -> std::io::Result<BTreeMap<String, String>> {
        let mut digests = BTreeMap::new();
        digest_tree(&self.0.join(folder), folder, &mut digests)?;
        Ok(digests)
    }

    fn listing(&self, folder: &str) -> std::io::Result<Option<String>> {
        let folder = self.0.join(folder);
        // A link in a folder's place is no folder: what it leads to is not the share's.
        if folder.is_symlink() {
            return Ok(None);
        }
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        // Hidden files are not shown; the copy of the folder has them.
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(Some(names.into_iter().map(|name| name + "\n").collect()))
    }

    fn fetch(&self, folder: &str, into: &Path) -> std::io::Result<usize> {
        let from = self.0.join(folder);
        if from.is_dir() && !from.is_symlink() { copy_tree(&from, into) } else { Ok(0) }
    }
}

/// Copies a file, makes its folder, and returns the digest of what was read.
pub(crate) fn copy(source: &Path, target: &Path, progress: &dyn Fn(u64)) -> std::io::Result<String> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    let unread = |error| std::io::Error::other(Unread { path: source.into(), error });
    let mut file = File::open(source).map_err(unread)?;
    let mut digest = Sha256::new();
    let mut out = fs::File::create(target)?;
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let length = file.read(&mut buffer).map_err(unread)?;
        if length == 0 {
            break;
        }
        digest.update(&buffer[..length]);
        out.write_all(&buffer[..length])?;
        progress(length as u64);
    }
    Ok(hex(&digest.finalize()))
}

/// The digest of each file below a folder, by its path.
fn digest_tree(folder: &Path, name: &str, digests: &mut BTreeMap<String, String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            digest_tree(&entry.path(), &name, digests)?;
            continue;
        }
        let mut digest = Sha256::new();
        pieces(fs::File::open(entry.path())?.into_file(), |piece| {
            digest.update(piece);
            Ok(())
        })?;
        digests.insert(name, hex(&digest.finalize()));
    }
    Ok(())
}

fn pieces(mut file: File, mut each: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            length => each(&buffer[..length])?,
        }
    }
}

/// Copies what is there: a link is copied as the link that it is, so that nothing outside the share comes along. Of a
/// pipe, a socket or a device the name is kept, as an empty file, which is also what a cluster's copy makes of it: nobody
/// who opens a file of a record shall wait for a writer. Of a file that is larger than any that counts, so much is copied
/// that its size can be seen.
fn copy_tree(from: &Path, into: &Path) -> std::io::Result<usize> {
    fs::create_dir_all(into)?;
    let mut files = 0;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), into.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files += copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
            files += 1;
        } else {
            let mut copy = fs::File::create(&target)?;
            if kind.is_file() {
                let file = plain_file::open(from, Path::new(&entry.file_name()))?;
                std::io::copy(&mut file.take(OUTPUT_LIMIT_BYTES + 1), &mut copy)?;
            }
            files += 1;
        }
    }
    Ok(files)
}

fn count(folder: &Path) -> std::io::Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The listing is `ls -1`'s: sorted, and hidden files are not shown; the copy has them all.
    #[test]
    fn hidden_files_are_copied_and_not_listed() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let share = HostShare::new(dir.path().into());
        assert_eq!(share.listing("output").unwrap(), None);
        assert_eq!(share.fetch("output", copy.path()).unwrap(), 0);
        fs::create_dir_all(dir.path().join("output/deep")).unwrap();
        for name in ["output/b", "output/a", "output/.tmp", "output/deep/c"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        assert_eq!(share.listing("output").unwrap().unwrap(), "a\nb\ndeep\n");
        assert_eq!(share.fetch("output", &copy.path().join("output")).unwrap(), 4);
        assert_eq!(fs::read_to_string(copy.path().join("output/.tmp")).unwrap(), "output/.tmp");
        assert_eq!(share.clear().unwrap(), 4);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// A link that leads out of the share stays a link: a record never holds what the worker could not have written.
    #[test]
    fn a_link_is_copied_as_a_link() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(dir.path().join("output")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("output/leak")).unwrap();
        HostShare::new(dir.path().into()).fetch("output", copy.path()).unwrap();
        assert!(copy.path().join("leak").is_symlink());
    }

    /// A link in the place of the folder leads to nothing that is the share's.
    #[test]
    fn a_link_in_place_of_the_output_is_no_folder() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink("/", dir.path().join("output")).unwrap();
        let share = HostShare::new(dir.path().into());
        assert_eq!(share.listing("output").unwrap(), None);
        assert_eq!(share.fetch("output", &copy.path().join("output")).unwrap(), 0);
        assert!(!copy.path().join("output").exists());
    }

    /// However large a file is, a copy takes no more than shows that it is too large.
    #[test]
    fn a_large_file_is_copied_up_to_what_shows_its_size() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(dir.path().join("output")).unwrap();
        let file = fs::File::create(dir.path().join("output/report.txt")).unwrap();
        file.set_len(1 << 40).unwrap();
        HostShare::new(dir.path().into()).fetch("output", copy.path()).unwrap();
        assert_eq!(fs::metadata(copy.path().join("report.txt")).unwrap().len(), OUTPUT_LIMIT_BYTES + 1);
    }

    /// What is no file leaves its name in the copy, and so does a folder with nothing in it.
    #[test]
    fn a_pipe_and_an_empty_folder_are_copied_by_their_names() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(dir.path().join("output/.hidden")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("output/.socket")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("output/.pipe")).status();
        assert!(made.unwrap().success());
        assert_eq!(HostShare::new(dir.path().into()).fetch("output", copy.path()).unwrap(), 2);
        for name in [".pipe", ".socket"] {
            assert_eq!(fs::read(copy.path().join(name)).unwrap(), b"", "{name}");
        }
        assert!(copy.path().join(".hidden").is_dir());
    }

    /// A source that cannot be read is told from a share that cannot be written to.
    #[test]
    fn a_source_that_cannot_be_read_is_no_fault_of_the_share() {
        let (dir, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let unread = |source: &Path, target: &str| {
            let error = copy(source, &dir.path().join(target), &|_| {}).unwrap_err();
            error.get_ref().and_then(|inner| inner.downcast_ref::<Unread>()).map(|unread| unread.path.clone())
        };
        let (missing, day) = (from.path().join("missing"), from.path().join("day"));
        fs::write(&day, "day").unwrap();
        assert_eq!(unread(&missing, "copy"), Some(missing.clone()));
        // A directory can be opened and not read.
        assert_eq!(unread(from.path(), "copy"), Some(from.path().into()));
        fs::create_dir(dir.path().join("taken")).unwrap();
        assert_eq!(unread(&day, "taken"), None);
    }

    /// What a link in place of the share leads to is somebody else's: nothing is removed there, and nothing written.
    #[test]
    fn a_link_in_place_of_the_share_is_not_followed() {
        let (dir, precious) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (link, file) = (dir.path().join("share"), precious.path().join("file"));
        fs::write(&file, "precious").unwrap();
        std::os::unix::fs::symlink(precious.path(), &link).unwrap();
        let share = HostShare::new(link.clone());
        let upload = Upload { source: file.clone(), path: "datasets/day.pkl".into() };
        let refusals =
            [share.clear().map(drop), share.put(&[upload], &|_, _| {}).map(drop), share.probe(), share.check()];
        for refused in refusals {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains(&format!("`{}` is a link to `{}`", link.display(), precious.path().display())));
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert_eq!(fs::read_dir(precious.path()).unwrap().count(), 1);
    }

    /// A copy carries the digest of its source, and the digest of what lies there is read from there.
    #[test]
    fn a_damaged_copy_has_another_digest() {
        let (dir, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let share = HostShare::new(dir.path().into());
        let source = from.path().join("day.pkl");
        fs::write(&source, b"abc").unwrap();
        let upload = Upload { source, path: "datasets/day.pkl".into() };
        let digest = share.put(&[upload], &|_, _| {}).unwrap().remove(0);
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(share.digests("datasets").unwrap()["datasets/day.pkl"], digest);
        fs::write(dir.path().join("datasets/day.pkl"), b"abd").unwrap();
        assert_ne!(share.digests("datasets").unwrap()["datasets/day.pkl"], digest);
    }
}
