//! Files that a worker or a person has left: read only where they are files, and only up to a size.
//!
//! No link is followed, and no device, pipe or socket is read: a link may lead out of the share or nowhere, a device has
//! no end, and a pipe waits for a writer.

use std::fs::{File, FileType};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, openat};

/// Opens the file `path` below the folder `root`. The root may be reached by a link, and nothing below it.
///
/// # Errors
/// When it is not there or is no file, which the error says; and what the system says.
pub fn open(root: &Path, path: &Path) -> io::Result<File> {
    let mut parts: Vec<_> = path.components().collect();
    let Some(Component::Normal(name)) = parts.pop() else { return Err(io::ErrorKind::InvalidInput.into()) };
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at: OwnedFd = rustix::fs::open(root, folder, Mode::empty())?;
    for part in parts {
        let Component::Normal(part) = part else { return Err(io::ErrorKind::InvalidInput.into()) };
        at = openat(&at, part, folder | OFlags::NOFOLLOW, Mode::empty())?;
    }
    // Opened so, neither a pipe without a writer nor a terminal keeps us waiting.
    let file = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file: File = match openat(&at, name, file, Mode::empty()) {
        Err(rustix::io::Errno::LOOP) => return Err(io::Error::other("it is a link, not a file")),
        Err(rustix::io::Errno::NXIO) => return Err(io::Error::other("it is a socket, not a file")),
        opened => opened?.into(),
    };
    match file.metadata()?.file_type() {
        found if found.is_file() => Ok(file),
        found => Err(io::Error::other(format!("it is {}, not a file", kind(found)))),
    }
}

/// Reads the file `path` below the folder `root`, which may have so many bytes.
///
/// # Errors
/// Those of [`open`], and that it is larger.
pub fn read(root: &Path, path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(root, path)?.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(io::Error::other(format!("it is larger than {} MiB", limit_bytes >> 20)));
    }
    Ok(bytes)
}

/// What something is, for a message: `a link`.
pub fn kind(found: FileType) -> &'static str {
    match found {
        found if found.is_file() => "a file",
        found if found.is_dir() => "a folder",
        found if found.is_symlink() => "a link",
        found if found.is_fifo() => "a pipe",
        found if found.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(test)]
pub(crate) fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Only a file is read, and none by way of a link; whatever else stands there is named, and nobody waits for it.
    #[test]
    fn only_a_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs_err::create_dir_all(root.join("deep")).unwrap();
        fs_err::write(root.join("deep/file"), "text").unwrap();
        symlink("root", dir.path().join("linked")).unwrap();
        symlink("deep", root.join("short")).unwrap();
        symlink("deep/file", root.join("link")).unwrap();
        symlink("/dev/zero", root.join("zero")).unwrap();
        make_pipe(&root.join("pipe"));
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let read = |path: &str| read(&root, Path::new(path), 4).map_err(|error| error.to_string());
        assert_eq!(read("deep/file"), Ok(b"text".to_vec()));
        let by_a_linked_root = super::read(&dir.path().join("linked"), Path::new("deep/file"), 4);
        assert_eq!(by_a_linked_root.unwrap(), b"text");
        for (path, what) in
            [("link", "a link"), ("zero", "a link"), ("pipe", "a pipe"), ("socket", "a socket"), ("deep", "a folder")]
        {
            assert_eq!(read(path), Err(format!("it is {what}, not a file")), "{path}");
        }
        for path in ["short/file", "../root/deep/file", "/dev/zero", "", "nowhere"] {
            assert!(read(path).is_err(), "{path}");
        }
    }

    /// A file may have as many bytes as the limit says, and none more.
    #[test]
    fn a_file_beyond_its_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = fs_err::File::create(dir.path().join("file")).unwrap();
        let read = || read(dir.path(), Path::new("file"), 1 << 20).map(|bytes| bytes.len());
        file.set_len(1 << 20).unwrap();
        assert_eq!(read().unwrap(), 1 << 20);
        file.set_len((1 << 20) + 1).unwrap();
        assert_eq!(read().unwrap_err().to_string(), "it is larger than 1 MiB");
    }
}
