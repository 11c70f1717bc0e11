//! Any table comes back: written, and read from a file, from memory and through gzip.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::collection::vec;
use proptest::prelude::*;
use transactions::{Column, Dtype, Index, IndexKind, Table, Values, read, read_bytes, to_bytes, write};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Columns, dtypes, values to the bit, index and names are those of the table that was written, however it is read.
    #[test]
    fn what_was_written_is_read(table in table()) {
        let bytes = to_bytes(&table);
        prop_assert_eq!(&read_bytes(&bytes).unwrap(), &table);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&bytes).unwrap();
        prop_assert_eq!(&read_bytes(&encoder.finish().unwrap()).unwrap(), &table);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.pkl");
        write(&path, &table).unwrap();
        prop_assert_eq!(&std::fs::read(&path).unwrap(), &bytes);
        prop_assert_eq!(&read(&path).unwrap(), &table);
    }

    /// What lacks its last byte is refused, and so is what lacks any number of them.
    #[test]
    fn what_was_cut_off_is_refused(table in table(), missing in prop_oneof![Just(1), 1_usize..5000]) {
        let bytes = to_bytes(&table);
        let length = bytes.len().saturating_sub(missing);
        prop_assert!(read_bytes(&bytes[..length]).is_err(), "{} bytes of {}", length, bytes.len());
    }
}

/// A table of any columns and index, long enough now and then that a batch, a frame or a window ends within it.
fn table() -> impl Strategy<Value = Table> {
    let rows = prop_oneof![8 => 1_usize..20, 1 => 900_usize..3000, 1 => Just(6000)];
    rows.prop_flat_map(|rows| (vec(column(rows), 0..6), index(rows), any::<Option<String>>())).prop_map(
        |(columns, index, name)| {
            // The number in front makes each name its own.
            let named = columns.into_iter().enumerate().map(|(at, (name, dtype, values))| {
                Column::new(format!("{at}{name}"), dtype, values).expect("the dtype holds such values")
            });
            Table::new(named.collect(), index).expect("all have as many rows").with_columns_name(name)
        },
    )
}

fn column(rows: usize) -> impl Strategy<Value = (String, Dtype, Values)> {
    let int_dtypes = proptest::sample::select(vec![Dtype::Int64, Dtype::Object, Dtype::DatetimeNs]);
    let float_dtypes = proptest::sample::select(vec![Dtype::Float64, Dtype::Object]);
    let floats = vec(any::<u64>().prop_map(f64::from_bits), rows).prop_map(Values::Float);
    prop_oneof![
        (any::<String>(), int_dtypes, vec(int(), rows).prop_map(Values::Int)),
        (any::<String>(), float_dtypes, floats),
    ]
}

/// An integer of any of the lengths in which a pickle has it.
fn int() -> impl Strategy<Value = i64> {
    (any::<i64>(), 0_u32..64).prop_map(|(value, shift)| value >> shift)
}

fn index(rows: usize) -> impl Strategy<Value = Index> {
    let kinds = proptest::sample::select(vec![IndexKind::Range, IndexKind::Int64, IndexKind::Object]);
    let even = (kinds, any::<i32>(), 1..1000_i64, any::<bool>()).prop_map(move |(kind, start, step, down)| {
        let step = if down { -step } else { step };
        Index::even(kind, start.into(), step, rows).expect("no label exceeds an i64")
    });
    let labels = prop_oneof![even, vec(int(), rows).prop_map(Index::int64), vec(int(), rows).prop_map(Index::object),];
    (labels, any::<Option<String>>()).prop_map(|(index, name)| index.with_name(name))
}
