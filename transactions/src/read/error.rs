//! Why a file is no table that is read here.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::pickle::error::printable;
use crate::pickle::{Fault, PickleError};

/// Why a table could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be opened.
    #[error("failed to open `{}`: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is something, but no regular file.
    #[error("failed to read `{}`: it is not a regular file", path.display())]
    NotAFile {
        /// What was to be read.
        path: PathBuf,
    },
    /// The file is no pickle, is cut off, or asks for something that a table does not need.
    #[error("failed to read {of} at byte {}: {}", source.offset(), source.fault())]
    Pickle {
        /// The file, in backticks, or what else was read.
        of: String,
        /// Where and why.
        source: PickleError,
    },
    /// The file is a pickle, but not of a table of numbers.
    #[error("failed to read {of}: {source}")]
    Content {
        /// The file, in backticks, or what else was read.
        of: String,
        /// Why.
        source: ContentError,
    },
}

/// Why a pickle is no table of numbers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContentError {
    /// Something other than a data frame.
    #[error("it holds {0}, not a pandas DataFrame")]
    NotAFrame(String),
    /// A column of something other than numbers.
    #[error("column `{}` {what}; columns of numbers and datetimes are read", printable(name))]
    Column {
        /// The column.
        name: String,
        /// What is the matter with it.
        what: String,
    },
    /// Columns of numbers of a kind that is not read.
    #[error("it has {columns} of dtype {dtype}; int, uint, bool, float32, float64, datetime64 and object are read")]
    Dtype {
        /// Which ones, such as "columns `A`, `B`, `C` and 2 more".
        columns: String,
        /// What numpy calls it.
        dtype: String,
    },
    /// Two columns of one name.
    #[error("two of its columns are named `{}`", printable(name))]
    Duplicate {
        /// That name.
        name: String,
    },
    /// A value that is no number, in a column of objects.
    #[error("column `{}` holds {what} in row {row}; numbers and missing values are read", printable(name))]
    Value {
        /// The column.
        name: String,
        /// The row, counted from 0.
        row: usize,
        /// What is there.
        what: String,
    },
    /// An index that is not one of integers, or columns that are not named by strings.
    #[error("its {axis} {what}")]
    Axis {
        /// `index` or `columns`.
        axis: &'static str,
        /// What is the matter with it.
        what: String,
    },
    /// It asks for more memory than a file of its size may.
    #[error("{}", Fault::TooLarge)]
    TooLarge,
    /// Its parts contradict each other.
    #[error("{0}")]
    Damaged(String),
}

impl From<PickleError> for ContentError {
    /// The evaluation is over, so there is no place in the file to name.
    fn from(error: PickleError) -> ContentError {
        match error.fault() {
            Fault::TooLarge => ContentError::TooLarge,
            fault => ContentError::Damaged(fault.to_string()),
        }
    }
}

impl ContentError {
    pub(crate) fn damaged(what: &str) -> ContentError {
        ContentError::Damaged(what.to_owned())
    }
}
