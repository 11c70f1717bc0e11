//! Honest tables: reading one peaks at the table's own size, 8 bytes a value, and 64 MiB.

mod support;

use std::fs::File;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use support::child::{Reading, read_in_a_child};
use support::{python, run};
use transactions::{Column, Index, Table};

/// The promise speaks of so many rows.
const ROWS: usize = 10_000_000;

/// A table of 10^7 rows with a column of each kind.
#[test]
fn ten_million_rows_peak_at_their_own_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.pkl");
    let table = sample(ROWS);
    transactions::write(&path, &table).unwrap();
    // The labels of this index are as many values more.
    assert_peak(&path, ROWS, table.columns().len() + 1);
}

/// The same compressed, where nothing can be skipped and looked at later.
#[test]
fn a_compressed_table_peaks_at_its_own_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.pkl.gz");
    let rows = 2_000_000;
    let table = sample(rows);
    let mut encoder = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
    transactions::write_to(&mut encoder, &table).unwrap();
    encoder.finish().unwrap();
    assert_peak(&path, rows, table.columns().len() + 1);
}

/// The files of pandas: of each protocol another way of saying an array, protocol 5's with its shape after its elements.
#[test]
fn the_tables_of_pandas_peak_at_their_own_size() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let script = r#"
import sys, numpy, pandas
rows = int(sys.argv[2])
ints = numpy.random.RandomState(0).randint(0, 2**62, rows)
frame = pandas.DataFrame({"A": ints, "B": ints, "C": ints / 7, "D": pandas.Series(ints % 5000, dtype=object)})
frame.index = ints
for protocol in 2, 3, 4, 5:
    frame.to_pickle(f"{sys.argv[1]}/p{protocol}.pkl", protocol=protocol)
frame.to_pickle(f"{sys.argv[1]}/p5.pkl.gz", protocol=5, compression={"method": "gzip", "compresslevel": 1})
"#;
    let rows = 3_000_000;
    run(&python, &["-c", script, directory.path().to_str().unwrap(), &rows.to_string()]);
    for file in ["p2.pkl", "p3.pkl", "p4.pkl", "p5.pkl", "p5.pkl.gz"] {
        assert_peak(&directory.path().join(file), rows, 4 + 1);
    }
}

/// Not a test of its own: what the tests above start in a process of its own.
#[test]
fn child() {
    support::child::child();
}

fn assert_peak(path: &Path, rows: usize, values_a_row: usize) {
    let Reading { said, peak_bytes, .. } = read_in_a_child(path);
    assert_eq!(said, format!("read {rows} rows"), "{}", path.display());
    let table_bytes = (values_a_row * rows * 8) as u64;
    let beyond = peak_bytes.saturating_sub(table_bytes);
    assert!(beyond <= 64 << 20, "{}: {peak_bytes} bytes for a table of {table_bytes}", path.display());
}

fn sample(rows: usize) -> Table {
    let ints = |high: i64| (0..rows as i64).map(|row| row * 7919 % high).collect::<Vec<_>>();
    let columns = vec![
        Column::int64("TRANSACTION_ID", ints(1 << 40)),
        Column::object("TX_TIME_SECONDS", ints(86_400_000)),
        Column::float64("TX_AMOUNT", ints(10_000).into_iter().map(|cents| cents as f64 / 100.0).collect()),
    ];
    Table::new(columns, Index::int64(ints(1 << 30))).unwrap()
}
