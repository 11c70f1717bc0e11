//! Reading a table: from a file of pandas, compressed or not, straight into its columns.

mod arrow;
mod axis;
mod error;
mod frame;
mod host;
mod memory;
mod objects;
mod rows;
mod runs;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::pickle::machine;
use crate::pickle::source::Source;
use crate::pool;
use crate::table::Table;

pub use error::{ContentError, ReadError};

/// Reads a table from a file that pandas wrote with `DataFrame.to_pickle`: protocols 2 to 5, pandas 1 to 3, gzipped
/// or not.
///
/// Nothing in the file is run; a file that names anything but what a table needs is refused. Memory peaks at the
/// table's own size and a few MiB, and never exceeds 16 times the file's size and 64 MiB. Integers narrower than 64
/// bits and booleans become `int64`, `float32` becomes `float64`, datetimes of other units become ns.
///
/// # Errors
/// When there is no such file, it is cut off or no pickle, names something else, or holds no table of numbers.
pub fn read(path: &Path) -> Result<Table, ReadError> {
    let open_error = |source| ReadError::Open { path: path.to_owned(), source };
    // A pipe that nobody writes to would keep `open` waiting; to a regular file the flag is nothing.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(open_error)?;
    let metadata = file.metadata().map_err(open_error)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile { path: path.to_owned() });
    }
    let source = Source::file(file, metadata.len()).map_err(open_error)?;
    read_source(source, || format!("`{}`", path.display()))
}

/// Reads a table from memory, as [`read`] does from a file.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(bytes: &[u8]) -> Result<Table, ReadError> {
    read_source(Source::slice(bytes), || "the table".to_owned())
}

fn read_source(mut source: Source, of: impl Fn() -> String) -> Result<Table, ReadError> {
    pool::before_reading(source.size_bytes());
    let mut arrays = host::Arrays::default();
    let (state, value) =
        machine::run(&mut arrays, &mut source).map_err(|source| ReadError::Pickle { of: of(), source })?;
    frame::table(&state.heap, &mut arrays, value).map_err(|source| ReadError::Content { of: of(), source })
}
