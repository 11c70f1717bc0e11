//! Which tables are datasets, and what is said of those that are not.

use transactions::{Index, NAT};

use super::*;
use crate::model::AMOUNT;

/// The columns of a good table of three rows.
fn columns() -> Vec<Column> {
    let mut columns: Vec<Column> = FEATURE_NAMES.iter().map(|name| Column::int64(*name, vec![1, 2, 3])).collect();
    columns[2] = Column::object("CUSTOMER_ID", vec![4, 5, 6]);
    columns[AMOUNT] = Column::float64("TX_AMOUNT", vec![0.5, 1.5, 2.5]);
    columns.push(Column::int64(LABEL_NAME, vec![0, 3, 1]));
    columns
}

fn dataset(columns: Vec<Column>) -> Result<Dataset, DatasetError> {
    let rows = columns.first().map_or(0, Column::len);
    Dataset::from_table(&Table::new(columns, Index::range(rows)).unwrap())
}

/// The error of the good table with one column replaced.
fn error_with(place: usize, column: Column) -> DatasetError {
    let mut columns = columns();
    columns[place] = column;
    dataset(columns).unwrap_err()
}

#[test]
fn a_good_table_keeps_its_values_column_by_column() {
    let dataset = dataset(columns()).unwrap();
    assert_eq!(dataset.labels(), [0, 3, 1]);
    assert_eq!((dataset.rows(), dataset.features().shape()), (3, &[3, 8][..]));
    assert_eq!(dataset.features().column(AMOUNT).to_vec(), [0.5, 1.5, 2.5]);
    assert_eq!(dataset.features().row(1).to_vec(), [2.0, 2.0, 5.0, 2.0, 1.5, 2.0, 2.0, 2.0]);
}

#[test]
fn datetimes_and_whole_floats_are_taken_too() {
    let mut columns = columns();
    columns[1] = Column::datetime_ns("TX_DATETIME", vec![7, 8, 9]);
    columns[8] = Column::float64(LABEL_NAME, vec![0.0, 3.0, 1.0]);
    assert_eq!(dataset(columns).unwrap().labels(), [0, 3, 1]);
}

#[test]
fn missing_unknown_and_misplaced_columns_are_named() {
    let mut missing = columns();
    missing.remove(AMOUNT);
    insta::assert_snapshot!(dataset(missing).unwrap_err(), @"failed to find column `TX_AMOUNT`: the table has `TRANSACTION_ID`, `TX_DATETIME`, `CUSTOMER_ID`, `TERMINAL_ID`, `TX_TIME_SECONDS`, `TX_TIME_DAYS`, `TX_FRAUD`, `TX_FRAUD_SCENARIO`");
    let mut unknown = columns();
    unknown.push(Column::int64("TX_DURING_NIGHT", vec![0, 0, 0]));
    insta::assert_snapshot!(dataset(unknown).unwrap_err(), @"failed to use column `TX_DURING_NIGHT`: the model knows only `TRANSACTION_ID`, `TX_DATETIME`, `CUSTOMER_ID`, `TERMINAL_ID`, `TX_AMOUNT`, `TX_TIME_SECONDS`, `TX_TIME_DAYS`, `TX_FRAUD`, `TX_FRAUD_SCENARIO`");
    let mut misplaced = columns();
    misplaced.swap(0, 1);
    insta::assert_snapshot!(dataset(misplaced).unwrap_err(), @"failed to use the columns `TX_DATETIME`, `TRANSACTION_ID`, `CUSTOMER_ID`, `TERMINAL_ID`, `TX_AMOUNT`, `TX_TIME_SECONDS`, `TX_TIME_DAYS`, `TX_FRAUD`, `TX_FRAUD_SCENARIO`: their order must be `TRANSACTION_ID`, `TX_DATETIME`, `CUSTOMER_ID`, `TERMINAL_ID`, `TX_AMOUNT`, `TX_TIME_SECONDS`, `TX_TIME_DAYS`, `TX_FRAUD`, `TX_FRAUD_SCENARIO`");
    insta::assert_snapshot!(dataset(vec![]).unwrap_err(), @"failed to find column `TRANSACTION_ID`: the table has no columns");
}

#[test]
fn values_that_are_no_numbers_to_learn_from_are_named_with_their_row() {
    let amounts = |values: [f64; 3]| error_with(AMOUNT, Column::float64("TX_AMOUNT", values.to_vec()));
    insta::assert_snapshot!(amounts([1.0, f64::NAN, f64::NAN]), @"failed to use column `TX_AMOUNT`: row 1 holds NaN (2 such rows)");
    insta::assert_snapshot!(amounts([f64::NEG_INFINITY, 1.0, 1.0]), @"failed to use column `TX_AMOUNT`: row 0 holds -inf (1 such rows)");
    insta::assert_snapshot!(amounts([1.0, 1.0, 1e31]), @"failed to use column `TX_AMOUNT`: row 2 holds 1e31 (1 such rows)");
    let dates = Column::datetime_ns("TX_DATETIME", vec![1, NAT, 3]);
    insta::assert_snapshot!(error_with(1, dates), @"failed to use column `TX_DATETIME`: row 1 holds NaT (1 such rows)");
}

#[test]
fn labels_must_be_classes() {
    let label = |value: i64| error_with(8, Column::int64(LABEL_NAME, vec![0, 0, value]));
    insta::assert_snapshot!(label(4), @"failed to use label 4 of row 2: labels are the whole numbers 0 to 3");
    insta::assert_snapshot!(label(-1), @"failed to use label -1 of row 2: labels are the whole numbers 0 to 3");
    assert_eq!(label(256), DatasetError::Label { row: 2, value: 256.0 });
    let halves = Column::float64(LABEL_NAME, vec![0.0, 0.5, 1.0]);
    assert_eq!(error_with(8, halves), DatasetError::Label { row: 1, value: 0.5 });
    let missing = Column::float64(LABEL_NAME, vec![0.0, f64::NAN, 1.0]);
    assert!(matches!(error_with(8, missing), DatasetError::Value { row: 1, .. }));
}

#[test]
fn a_table_without_rows_is_refused() {
    let none: Vec<Column> = columns().iter().map(|column| Column::int64(column.name(), vec![])).collect();
    assert_eq!(dataset(none), Err(DatasetError::Empty));
}
