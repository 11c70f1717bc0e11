//! What is in a table's file, told without running anything of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

pub use crate::pickle::error::printable;
use crate::read::{ReadError, read};
use crate::table::{Column, Table, Values};

/// The column whose values are counted as labels.
pub const LABEL: &str = "TX_FRAUD_SCENARIO";

/// More different labels than this are no labels.
const MOST_LABELS: usize = 1000;

/// What [`inspect`] found. Serialised (feature `cli`), its fields are the keys of `data inspect --json`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
pub struct Inspection {
    /// The path that was inspected.
    pub file: String,
    /// The file's size.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// The number of rows.
    pub rows: u64,
    /// The columns in their order.
    pub columns: Vec<InspectedColumn>,
    /// The row index.
    pub index: InspectedIndex,
    /// Rows for each value of [`LABEL`], if there is that column and it holds a few integers.
    pub labels: Option<BTreeMap<i64, u64>>,
}

/// A column of an [`Inspection`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
pub struct InspectedColumn {
    /// The name.
    pub name: String,
    /// What pandas calls the kind of the values in the file, where they may be narrower than once they are read.
    pub dtype: String,
    /// How many values are missing.
    pub nulls: u64,
    /// SHA-256, in hex, of the values as 8-byte little-endian words in row order: floats by their bits, datetimes as
    /// ns since 1970 UTC.
    pub sha256: String,
}

/// The index of an [`Inspection`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
pub struct InspectedIndex {
    /// `RangeIndex`, `Int64Index` (an `Index` of int64 in pandas 2) or `Index` (of objects).
    pub kind: String,
    /// The first label, if there are rows.
    pub first: Option<i64>,
    /// The last label.
    pub last: Option<i64>,
}

/// Reads a table's file and says what is in it.
///
/// # Errors
/// When it cannot be read, see [`read`].
pub fn inspect(path: &Path) -> Result<Inspection, ReadError> {
    let table = read(path)?;
    let digest = digest_of(path);
    let (bytes, sha256) = digest.map_err(|source| ReadError::Open { path: path.to_owned(), source })?;
    let index = table.index();
    Ok(Inspection {
        file: path.display().to_string(),
        bytes,
        sha256,
        rows: table.rows() as u64,
        columns: table.columns().iter().map(inspect_column).collect(),
        index: InspectedIndex { kind: index.kind().to_string(), first: index.first(), last: index.last() },
        labels: labels(&table),
    })
}

fn inspect_column(column: &Column) -> InspectedColumn {
    InspectedColumn {
        name: column.name().to_owned(),
        dtype: column.file_dtype(),
        nulls: column.nulls(),
        sha256: column_sha256(column),
    }
}

/// SHA-256, in hex, of a column's values as 8-byte little-endian words in row order: floats by their bits, datetimes
/// as ns since 1970 UTC.
pub fn column_sha256(column: &Column) -> String {
    let mut hasher = Sha256::new();
    match column.values() {
        Values::Int(values) => hash_words(&mut hasher, values, |value| value.to_le_bytes()),
        Values::Float(values) => hash_words(&mut hasher, values, |value| value.to_le_bytes()),
    }
    hex(&hasher.finalize())
}

fn hash_words<T: Copy>(hasher: &mut Sha256, values: &[T], bytes: impl Fn(T) -> [u8; 8]) {
    let mut buffer = [[0; 8]; 512];
    for values in values.chunks(buffer.len()) {
        for (space, &value) in buffer.iter_mut().zip(values) {
            *space = bytes(value);
        }
        hasher.update(buffer[..values.len()].as_flattened());
    }
}

fn digest_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((bytes, hex(&hasher.finalize()))),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn labels(table: &Table) -> Option<BTreeMap<i64, u64>> {
    let values = table.column(LABEL)?.values().as_int()?;
    let mut labels = BTreeMap::new();
    for &value in values {
        *labels.entry(value).or_insert(0) += 1;
        if labels.len() > MOST_LABELS {
            return None;
        }
    }
    Some(labels)
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Index, Table};

    #[test]
    fn a_column_is_digested_as_little_endian_words() {
        // `printf '\1\0\0\0\0\0\0\0' | sha256sum`
        let expected = "7c9fa136d4413fa6173637e883b6998d32e1d675f88cddff9dcbcf331820f4b8";
        assert_eq!(column_sha256(&Column::int64("a", vec![1])), expected);
        assert_eq!(column_sha256(&Column::object("a", vec![1])), expected);
        assert_eq!(column_sha256(&Column::float64("a", vec![f64::from_bits(1)])), expected);
    }

    #[test]
    fn labels_are_counted_where_there_are_some() {
        let table = |name, values: Vec<i64>| {
            let index = Index::range(values.len());
            Table::new(vec![Column::int64(name, values)], index).unwrap()
        };
        assert_eq!(labels(&table(LABEL, vec![3, 0, 0])), Some(BTreeMap::from([(0, 2), (3, 1)])));
        assert_eq!(labels(&table("OTHER", vec![3, 0, 0])), None);
        assert_eq!(labels(&table(LABEL, (0..2000).collect())), None);
    }
}
