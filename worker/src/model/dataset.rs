//! A dataset made ready for the model: a table of transactions, checked, as features and labels.

use linfa::DatasetBase;
use ndarray::{Array1, Array2, ShapeBuilder as _};
use transactions::{Column, Table};

use super::{CLASSES, FEATURE_NAMES, FEATURES, LABEL_NAME};

/// The largest value of a feature, either way: its square and the sums of squares are still far from infinite.
pub const LARGEST: f64 = 1e30;

/// The features and labels of one day's transactions. Every feature is within [`LARGEST`], every label is 0 to 3, and there is at
/// least one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Features column by column in memory, in the order of [`FEATURE_NAMES`].
    inner: DatasetBase<Array2<f64>, Array1<u8>>,
}

/// Why a table is no dataset for the model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DatasetError {
    /// A column is missing.
    #[error("failed to find column `{name}`: the table has {found}")]
    Missing {
        /// Its name.
        name: &'static str,
        /// The names that the table has.
        found: String,
    },
    /// A column that does not belong to the tutorial's tables.
    #[error("failed to use column `{name}`: the model knows only {known}")]
    Unknown {
        /// Its name.
        name: String,
        /// The names that a table must have.
        known: String,
    },
    /// The right columns in a wrong order; models go by the place of a column.
    #[error("failed to use the columns {found}: their order must be {known}")]
    Order {
        /// The names that the table has.
        found: String,
        /// The names in their right order.
        known: String,
    },
    /// A missing, infinite or absurdly large value.
    #[error("failed to use column `{name}`: row {row} holds {value} ({count} such rows)")]
    Value {
        /// The column.
        name: String,
        /// The first such row, from 0.
        row: usize,
        /// What it holds: `NaN`, `NaT`, or a number beyond [`LARGEST`].
        value: String,
        /// How many rows are like that.
        count: usize,
    },
    /// A label that is no class.
    #[error("failed to use label {value} of row {row}: labels are the whole numbers 0 to 3")]
    Label {
        /// The row, from 0.
        row: usize,
        /// Its label.
        value: f64,
    },
    /// No rows at all.
    #[error("failed to use the table: it has no rows")]
    Empty,
}

impl Dataset {
    /// Checks a table of the tutorial's nine columns and takes the features and labels out of it.
    ///
    /// # Errors
    /// See [`DatasetError`]: the first thing that is wrong, named.
    pub fn from_table(table: &Table) -> Result<Dataset, DatasetError> {
        check_columns(table)?;
        if table.rows() == 0 {
            return Err(DatasetError::Empty);
        }
        let mut features = Vec::with_capacity(table.rows() * FEATURES);
        for column in &table.columns()[..FEATURES] {
            check_values(column)?;
            extend(&mut features, column);
        }
        let labels = labels(&table.columns()[FEATURES])?;
        let shape = (table.rows(), FEATURES).f();
        // A table's columns are all as long as the table, so the shape always fits.
        let features = Array2::from_shape_vec(shape, features).map_err(|_| DatasetError::Empty)?;
        Ok(Dataset { inner: DatasetBase::new(features, labels) })
    }

    /// One row a transaction, one column a feature.
    pub fn features(&self) -> &Array2<f64> {
        &self.inner.records
    }

    /// The class of each row, 0 to 3.
    pub fn labels(&self) -> &[u8] {
        // An owned one-dimensional array lies in one piece.
        self.inner.targets.as_slice().unwrap_or_default()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.inner.targets.len()
    }

    /// The dataset as linfa knows it.
    pub fn as_linfa(&self) -> &DatasetBase<Array2<f64>, Array1<u8>> {
        &self.inner
    }
}

fn check_columns(table: &Table) -> Result<(), DatasetError> {
    let known = || FEATURE_NAMES.into_iter().chain([LABEL_NAME]);
    let found = || table.columns().iter().map(Column::name);
    if found().eq(known()) {
        return Ok(());
    }
    if let Some(name) = known().find(|name| table.column(name).is_none()) {
        return Err(DatasetError::Missing { name, found: list(found()) });
    }
    match found().find(|name| !known().any(|known| known == *name)) {
        Some(name) => Err(DatasetError::Unknown { name: name.into(), known: list(known()) }),
        None => Err(DatasetError::Order { found: list(found()), known: list(known()) }),
    }
}

/// Names in backticks, at most the first twenty of them.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "no columns".into(),
        1..=20 => names.join(", "),
        more => format!("{} and {} more", names[..20].join(", "), more - 20),
    }
}

fn check_values(column: &Column) -> Result<(), DatasetError> {
    let error = |row, value: String, count| Err(DatasetError::Value { name: column.name().into(), row, value, count });
    if let Some(values) = column.values().as_float() {
        let fits = |value: &f64| value.abs() <= LARGEST;
        let mut bad = values.iter().enumerate().filter(|(_, value)| !fits(value));
        return bad.next().map_or(Ok(()), |(row, value)| error(row, format!("{value:?}"), 1 + bad.count()));
    }
    if column.nulls() > 0 {
        let row =
            column.values().as_int().and_then(|values| values.iter().position(|value| *value == transactions::NAT));
        return error(row.unwrap_or(0), "NaT".into(), column.nulls() as usize);
    }
    Ok(())
}

/// Appends a column's values as floats, as numpy converts them.
fn extend(features: &mut Vec<f64>, column: &Column) {
    match column.values() {
        transactions::Values::Int(values) => features.extend(values.iter().map(|value| *value as f64)),
        transactions::Values::Float(values) => features.extend_from_slice(values),
    }
}

fn labels(column: &Column) -> Result<Array1<u8>, DatasetError> {
    check_values(column)?;
    let label = |row| {
        let value = column.values().float(row).unwrap_or(f64::NAN);
        let class = value as u8;
        if f64::from(class) == value && usize::from(class) < CLASSES {
            Ok(class)
        } else {
            Err(DatasetError::Label { row, value })
        }
    };
    (0..column.len()).map(label).collect()
}

#[cfg(test)]
mod tests;
