//! What a person can do about an error of this program.

use std::io;

use transactions::pickle::{Fault, PickleError};
use transactions::{ContentError, ReadError};

const SAVE_AGAIN: &str = "save the table again, with pandas' DataFrame.to_pickle";
const SAVE_UNCOMPRESSED: &str = "save the table uncompressed, with pandas' DataFrame.to_pickle(PATH, compression=None)";

/// The remedy; `None` where the message says it itself.
pub fn of(error: &anyhow::Error) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref() {
        return Some(of_reading(error));
    }
    // Everything else that fails is writing.
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>())?;
    Some(match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room there, or write elsewhere",
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "move away what is in its place, or write elsewhere"
        }
        _ => "see that this user may write there, or write elsewhere",
    })
}

fn of_reading(error: &ReadError) -> &'static str {
    match error {
        ReadError::Open { source, .. } => of_access(source),
        ReadError::NotAFile { .. } => "name the files themselves, a directory's as `DIR/*.pkl`",
        ReadError::Pickle { source, .. } => of_pickle(source),
        ReadError::Content { source, .. } => of_content(source),
        _ => SAVE_AGAIN,
    }
}

fn of_access(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "name a file that is there",
        io::ErrorKind::PermissionDenied => "let this user read it",
        _ => "see whether its disk or server is well, and try again",
    }
}

fn of_pickle(error: &PickleError) -> &'static str {
    match error.fault() {
        Fault::Io(source) => of_access(source),
        Fault::Truncated => "get the whole file from where it was made, or save the table again",
        Fault::TooLarge => SAVE_UNCOMPRESSED,
        Fault::Refused { .. } => "nothing was run; save the table alone, with pandas' DataFrame.to_pickle",
        _ => SAVE_AGAIN,
    }
}

fn of_content(error: &ContentError) -> &'static str {
    match error {
        ContentError::NotAFrame(_) => "save a DataFrame, with pandas' DataFrame.to_pickle",
        ContentError::Column { .. } | ContentError::Value { .. } => {
            "leave the column out or make numbers of it, and save the table again"
        }
        ContentError::Dtype { .. } => {
            "leave such columns out or make float64 of them, with pandas' DataFrame.astype, and save the table again"
        }
        ContentError::Duplicate { .. } => "rename columns until no two are alike, and save the table again",
        ContentError::TooLarge => SAVE_UNCOMPRESSED,
        ContentError::Axis { .. } => "name columns by text and rows by number, and save the table again",
        _ => SAVE_AGAIN,
    }
}
