//! The table as the rest of the workspace sees it: named columns of 8-byte numbers of one length, and a row index.

use std::fmt;

use thiserror::Error;

use crate::pickle::element::FileDtype;
use crate::pickle::error::printable;
use crate::pool;

/// A data frame of numbers: columns of equal length under unique names, and an index with one label a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    index: Index,
    columns_name: Option<String>,
}

impl Table {
    /// Joins columns and index.
    ///
    /// # Errors
    /// When two columns share a name, or a column's length differs from the index's.
    pub fn new(columns: Vec<Column>, index: Index) -> Result<Table, TableError> {
        let mut names = std::collections::HashSet::with_capacity(columns.len());
        for column in &columns {
            if !names.insert(column.name()) {
                return Err(TableError::Duplicate { name: column.name.clone() });
            }
            if column.len() != index.len() {
                return Err(TableError::Length {
                    name: column.name.clone(),
                    rows: column.len(),
                    index_rows: index.len(),
                });
            }
        }
        drop(names);
        Ok(Table { columns, index, columns_name: None })
    }

    /// The same table with a name for its axis of columns, as `DataFrame.columns.name` is.
    #[must_use]
    pub fn with_columns_name(mut self, name: Option<String>) -> Table {
        self.columns_name = name;
        self
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.index.len()
    }

    /// The columns in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The labels of the rows.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The name of the axis of columns, which is seldom given.
    pub fn columns_name(&self) -> Option<&str> {
        self.columns_name.as_deref()
    }

    /// Gives the columns and the index away.
    pub fn into_parts(self) -> (Vec<Column>, Index) {
        (self.columns, self.index)
    }
}

/// A column: a name, what pandas calls its dtype, and its values in row order.
#[derive(Clone, Debug)]
pub struct Column {
    name: String,
    dtype: Dtype,
    /// Only of a column that was read.
    file_dtype: Option<FileDtype>,
    values: Values,
}

impl Column {
    /// A column of the given dtype.
    ///
    /// # Errors
    /// When the dtype cannot hold such values: `int64` and `datetime64[ns]` hold integers, `float64` holds floats,
    /// `object` holds either.
    pub fn new(name: impl Into<String>, dtype: Dtype, values: Values) -> Result<Column, TableError> {
        let name = name.into();
        match (dtype, &values) {
            (Dtype::Int64 | Dtype::DatetimeNs, Values::Float(_)) | (Dtype::Float64, Values::Int(_)) => {
                Err(TableError::Dtype { name, dtype })
            }
            _ => Ok(Column::of(name, dtype, values)),
        }
    }

    /// A column of dtype `int64`.
    pub fn int64(name: impl Into<String>, values: Vec<i64>) -> Column {
        Column::of(name.into(), Dtype::Int64, Values::Int(values))
    }

    /// A column of dtype `float64`; NaN is a null.
    pub fn float64(name: impl Into<String>, values: Vec<f64>) -> Column {
        Column::of(name.into(), Dtype::Float64, Values::Float(values))
    }

    /// A column of dtype `object` that holds Python ints.
    pub fn object(name: impl Into<String>, values: Vec<i64>) -> Column {
        Column::of(name.into(), Dtype::Object, Values::Int(values))
    }

    /// A column of dtype `datetime64[ns]`: ns since 1970 UTC; `i64::MIN` is NaT, a null.
    pub fn datetime_ns(name: impl Into<String>, values: Vec<i64>) -> Column {
        Column::of(name.into(), Dtype::DatetimeNs, Values::Int(values))
    }

    fn of(name: String, dtype: Dtype, values: Values) -> Column {
        Column { name, dtype, file_dtype: None, values }
    }

    /// The same column as one that a file has under this dtype.
    pub(crate) fn with_file_dtype(mut self, file_dtype: FileDtype) -> Column {
        self.file_dtype = Some(file_dtype);
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What pandas calls the kind of the values.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// What pandas calls the dtype in the file that the column was read from, before its values were widened: `int8`,
    /// say, or `datetime64[us]`. Of a column that was made here, it is [`Column::dtype`].
    pub fn file_dtype(&self) -> String {
        self.file_dtype.map_or_else(|| self.dtype.to_string(), |file_dtype| file_dtype.to_string())
    }

    /// The values in row order.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Gives the values away.
    pub fn into_values(mut self) -> Values {
        std::mem::replace(&mut self.values, Values::Int(Vec::new()))
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values are missing: NaN in floats, NaT in datetimes.
    pub fn nulls(&self) -> u64 {
        let count = match &self.values {
            Values::Float(values) => values.iter().filter(|value| value.is_nan()).count(),
            Values::Int(values) if self.dtype == Dtype::DatetimeNs => {
                values.iter().filter(|&&value| value == NAT).count()
            }
            Values::Int(_) => 0,
        };
        count as u64
    }
}

/// The memory of a large column is kept for the next one.
impl Drop for Column {
    fn drop(&mut self) {
        pool::give(std::mem::replace(&mut self.values, Values::Int(Vec::new())));
    }
}

/// Equal names, dtypes and values, floats by their bits: a table read back equals the one written, NaN included. What
/// the dtype was in a file is no matter.
impl PartialEq for Column {
    fn eq(&self, other: &Column) -> bool {
        self.name == other.name && self.dtype == other.dtype && self.values == other.values
    }
}

/// The missing datetime, pandas' NaT.
pub const NAT: i64 = i64::MIN;

/// What pandas calls the kind of a column. Narrower numbers in a file (int32, bool, float32, …) are widened as they
/// are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// 64-bit integers.
    Int64,
    /// 64-bit floats.
    Float64,
    /// Python objects: ints if the values are [`Values::Int`], else ints, floats and `None` as floats.
    Object,
    /// Nanoseconds since 1970 UTC.
    DatetimeNs,
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::Int64 => "int64",
            Dtype::Float64 => "float64",
            Dtype::Object => "object",
            Dtype::DatetimeNs => "datetime64[ns]",
        })
    }
}

/// A column's values. Integers of an object column and datetimes (ns since 1970 UTC) are [`Values::Int`].
#[derive(Clone, Debug)]
pub enum Values {
    /// Integers, or datetimes in ns.
    Int(Vec<i64>),
    /// Floats; missing values are NaN.
    Float(Vec<f64>),
}

impl Values {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Values::Int(values) => values.len(),
            Values::Float(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The integers, if these are integers.
    pub fn as_int(&self) -> Option<&[i64]> {
        match self {
            Values::Int(values) => Some(values),
            Values::Float(_) => None,
        }
    }

    /// The floats, if these are floats.
    pub fn as_float(&self) -> Option<&[f64]> {
        match self {
            Values::Float(values) => Some(values),
            Values::Int(_) => None,
        }
    }

    /// The value of a row as a float, whatever the kind. Integers beyond 2^53 are rounded.
    pub fn float(&self, row: usize) -> Option<f64> {
        match self {
            Values::Int(values) => values.get(row).map(|&value| value as f64),
            Values::Float(values) => values.get(row).copied(),
        }
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Values) -> bool {
        match (self, other) {
            (Values::Int(a), Values::Int(b)) => a == b,
            (Values::Float(a), Values::Float(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
            }
            _ => false,
        }
    }
}

/// The labels of the rows: integers. Evenly spaced labels take no memory, whatever their kind.
#[derive(Clone, Debug)]
pub struct Index {
    kind: IndexKind,
    name: Option<String>,
    labels: Labels,
}

/// Which index pandas has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IndexKind {
    /// `RangeIndex`: start, stop and step only.
    Range,
    /// An index of dtype `int64`: `Int64Index` in pandas 1, `Index` in pandas 2.
    Int64,
    /// A plain `Index` of dtype `object` that holds Python ints.
    Object,
}

impl fmt::Display for IndexKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IndexKind::Range => "RangeIndex",
            IndexKind::Int64 => "Int64Index",
            IndexKind::Object => "Index",
        })
    }
}

#[derive(Clone, Debug)]
enum Labels {
    /// Row `i` is `start + i * step`; the last label fits an i64 by construction.
    Even {
        start: i64,
        step: i64,
        len: usize,
    },
    Values(Vec<i64>),
}

impl Index {
    /// The `RangeIndex` of `len` labels 0, 1, 2, …
    pub fn range(len: usize) -> Index {
        Index { kind: IndexKind::Range, name: None, labels: Labels::Even { start: 0, step: 1, len } }
    }

    /// `len` evenly spaced labels from `start` on, of any kind. `None` when the last one exceeds an i64, or when a
    /// range's step is 0.
    pub fn even(kind: IndexKind, start: i64, step: i64, len: usize) -> Option<Index> {
        if kind == IndexKind::Range && step == 0 {
            return None;
        }
        // One past the last label must fit too, for that is what a range's `stop` says.
        let span = i64::try_from(len).ok()?.checked_mul(step)?;
        start.checked_add(span)?;
        Some(Index { kind, name: None, labels: Labels::Even { start, step, len } })
    }

    /// An index of dtype `int64`.
    pub fn int64(values: Vec<i64>) -> Index {
        Index { kind: IndexKind::Int64, name: None, labels: Labels::Values(values) }
    }

    /// An index of dtype `object` that holds Python ints.
    pub fn object(values: Vec<i64>) -> Index {
        Index { kind: IndexKind::Object, name: None, labels: Labels::Values(values) }
    }

    /// The same index under a name, as `DataFrame.index.name` is.
    #[must_use]
    pub fn with_name(mut self, name: Option<String>) -> Index {
        self.name = name;
        self
    }

    /// Which index pandas has.
    pub fn kind(&self) -> IndexKind {
        self.kind
    }

    /// The name, which is seldom given.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The number of labels.
    pub fn len(&self) -> usize {
        match &self.labels {
            Labels::Even { len, .. } => *len,
            Labels::Values(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The label of a row.
    pub fn get(&self, row: usize) -> Option<i64> {
        match &self.labels {
            Labels::Even { start, step, len } => (row < *len).then(|| start + step * row as i64),
            Labels::Values(values) => values.get(row).copied(),
        }
    }

    /// The first label.
    pub fn first(&self) -> Option<i64> {
        self.get(0)
    }

    /// The last label.
    pub fn last(&self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The labels in row order.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        (0..self.len()).map_while(|row| self.get(row))
    }

    /// The labels, unless they are kept as start and step.
    pub fn values(&self) -> Option<&[i64]> {
        match &self.labels {
            Labels::Even { .. } => None,
            Labels::Values(values) => Some(values),
        }
    }

    /// Start and step, if the labels are kept as such.
    pub fn start_and_step(&self) -> Option<(i64, i64)> {
        match self.labels {
            Labels::Even { start, step, .. } => Some((start, step)),
            Labels::Values(_) => None,
        }
    }
}

/// Equal kinds, names and labels, however they are kept.
impl PartialEq for Index {
    fn eq(&self, other: &Index) -> bool {
        if self.kind != other.kind || self.name != other.name || self.len() != other.len() {
            return false;
        }
        match (&self.labels, &other.labels) {
            (Labels::Values(a), Labels::Values(b)) => a == b,
            (Labels::Even { start, step, len }, Labels::Even { start: s, step: t, .. }) => {
                *len == 0 || (start == s && (step == t || *len == 1))
            }
            _ => self.iter().eq(other.iter()),
        }
    }
}

/// Why columns and an index make no table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TableError {
    /// Two columns of one name.
    #[error("failed to make a table: two columns are named `{}`", printable(name))]
    Duplicate {
        /// That name.
        name: String,
    },
    /// A column whose length is not the index's.
    #[error("failed to make a table: column `{}` has {rows} rows, its index {index_rows}", printable(name))]
    Length {
        /// The column.
        name: String,
        /// Its length.
        rows: usize,
        /// The index's.
        index_rows: usize,
    },
    /// Values that the dtype cannot hold.
    #[error("failed to make column `{}`: its values are not of dtype {dtype}", printable(name))]
    Dtype {
        /// The column.
        name: String,
        /// The dtype asked for.
        dtype: Dtype,
    },
}
