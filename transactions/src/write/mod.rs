//! Writing a table: the pickle that pandas 2.2 loads as the same DataFrame, published whole.

mod emitter;
mod frame;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use crate::table::Table;

/// Writes a table to a file as `DataFrame.to_pickle` would, in protocol 4. The same table gives the same bytes.
///
/// The file appears whole or not at all: it is written beside its place, synced, and renamed; then the directory is
/// synced. A file that is there already is replaced.
///
/// # Errors
/// When the file cannot be written; what was there before is then still there.
pub fn write(path: &Path, table: &Table) -> Result<(), WriteError> {
    let temporary = temporary_beside(path);
    let written = write_temporary(&temporary, table).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What is left of a failed attempt is of no use; that it cannot be removed adds nothing to the first error.
        let _ = fs::remove_file(&temporary);
    }
    let synced = written.and_then(|()| File::open(directory_of(path))?.sync_all());
    synced.map_err(|source| WriteError { path: path.to_owned(), source })
}

/// The bytes that [`write`] puts into a file.
pub fn to_bytes(table: &Table) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A vector takes all that is written to it.
    let _: io::Result<()> = frame::write(&mut bytes, table);
    bytes
}

/// Writes the same bytes to anywhere, in pieces of 64 KiB and more.
///
/// # Errors
/// When the writer has one.
pub fn write_to(mut out: impl Write, table: &Table) -> io::Result<()> {
    frame::write(&mut out, table)
}

/// Why a table could not be written.
#[derive(Debug, Error)]
#[error("failed to write `{}`: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

impl WriteError {
    /// The file that was to be written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why it was not.
    pub fn io_error(&self) -> &io::Error {
        &self.source
    }
}

fn write_temporary(path: &Path, table: &Table) -> io::Result<()> {
    let file = File::create_new(path)?;
    let mut out = BufWriter::with_capacity(256 << 10, file);
    frame::write(&mut out, table)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// How many temporary files this process has named.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A name in the same directory that no other writer takes, in this process or another.
fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// Removes what writers that were killed have left in a directory beside the files that `is_ours` knows by name. What a
/// process of this machine may be writing stays. Where it cannot be removed it does no harm, so that is no failure.
pub(crate) fn remove_leftovers(directory: &Path, is_ours: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some((file, writer, number)) = name.to_str().and_then(parts_of_temporary) else { continue };
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_ours(file) && is_gone(writer, number) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What [`temporary_beside`] made a name of: the file that was to be written, the process and its count.
fn parts_of_temporary(name: &str) -> Option<(&str, u32, u64)> {
    let (file, writer) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
    let (process, number) = writer.split_once('-')?;
    let (process, number) = (process.parse().ok()?, number.parse().ok()?);
    (format!("{process}-{number}") == writer).then_some((file, process, number))
}

/// Whether nobody writes to a temporary file any more. In a container, a process often has the number of the one that
/// was killed before it; what it has not counted to is not its own.
fn is_gone(process: u32, number: u64) -> bool {
    if process == std::process::id() {
        return number >= COUNT.load(Ordering::Relaxed);
    }
    !Path::new("/proc").join(process.to_string()).exists()
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a container, who was killed may have had this process's number.
    #[test]
    fn what_this_process_writes_stays_and_what_a_namesake_left_goes() {
        let directory = tempfile::tempdir().unwrap();
        let own = temporary_beside(&directory.path().join("a.pkl"));
        let left = directory.path().join(format!(".a.pkl.{}-{}.tmp", std::process::id(), u64::MAX));
        for path in [&own, &left] {
            fs::write(path, "").unwrap();
        }
        remove_leftovers(directory.path(), |file| file == "b.pkl");
        assert!(own.exists() && left.exists());
        remove_leftovers(directory.path(), |file| file == "a.pkl");
        assert!(own.exists() && !left.exists());
    }
}
