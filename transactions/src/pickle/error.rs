//! Why bytes are not a pickle that is read here.

use std::io;

use thiserror::Error;

/// Why a pickle was refused, and where.
#[derive(Debug, Error)]
#[error("failed to read the pickle at byte {offset}: {fault}")]
pub struct PickleError {
    offset: u64,
    fault: Fault,
}

/// What is the matter with a pickle.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes cannot be had.
    #[error("{0}")]
    Io(io::Error),
    /// The bytes end before the pickle does.
    #[error("it is cut off")]
    Truncated,
    /// A byte that is no opcode of protocols 2 to 5, or one that needs something from outside the file.
    #[error("opcode {opcode:#04x} is not one that is read here: {why}")]
    Opcode {
        /// The byte.
        opcode: u8,
        /// Why it is not read.
        why: &'static str,
    },
    /// A constructor that is not a known one.
    #[error("it asks for `{name}`, which is not run and not needed")]
    Refused {
        /// Module and name.
        name: String,
    },
    /// It asks for more memory than a file of its size may.
    #[error("it unpacks to more than a file of its size may")]
    TooLarge,
    /// Values nested too deep, or one that contains itself.
    #[error("its values are nested more than {limit} deep")]
    TooDeep {
        /// The depth that is allowed.
        limit: usize,
    },
    /// The opcodes make no sense together.
    #[error("{0}")]
    Damaged(&'static str),
}

impl PickleError {
    pub(crate) fn new(offset: u64, fault: Fault) -> PickleError {
        PickleError { offset, fault }
    }

    /// The same with an offset, where the place that failed did not know it.
    pub(crate) fn at(mut self, offset: u64) -> PickleError {
        if matches!(self.fault, Fault::Io(_)) || self.offset == 0 {
            self.offset = offset;
        }
        self
    }

    /// How many bytes into the pickle it happened.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What is the matter.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }
}

impl From<io::Error> for PickleError {
    /// A gzip stream that ends early is a file cut off. The offset is filled in where it is known.
    fn from(error: io::Error) -> PickleError {
        let fault = if error.kind() == io::ErrorKind::UnexpectedEof { Fault::Truncated } else { Fault::Io(error) };
        PickleError { offset: 0, fault }
    }
}

/// A name from a file, fit for one line of a terminal: what would move the cursor is escaped, what is long is cut.
pub fn printable(name: &str) -> String {
    const LONGEST_CHARS: usize = 120;
    let mut chars = name.chars();
    let mut text: String = chars.by_ref().take(LONGEST_CHARS).flat_map(escaped).collect();
    if chars.next().is_some() {
        text.push('…');
    }
    text
}

/// Escapes what moves a terminal's cursor or cannot be seen; quotation marks and letters of any script stay.
fn escaped(c: char) -> impl Iterator<Item = char> {
    let (plain, escape) = match c {
        '\'' | '"' => (Some(c), None),
        _ => (None, Some(c.escape_debug())),
    };
    plain.into_iter().chain(escape.into_iter().flatten())
}
