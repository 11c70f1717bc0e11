//! The simulated days, as a user of the library gets them: that they are the tutorial's, and stay what they are.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use transactions::simulator::{self, Date, Day, Parameters, ParametersError};
use transactions::{Dtype, IndexKind, Table, Values};

/// The tutorial's own files come out row for row. Only which of several transactions inside one second comes first,
/// and so their ids, is an accident of the sort that made them.
#[test]
fn the_days_are_the_tutorials_own() {
    let Some(datasets) = tutorial_datasets() else { return };
    let files = ["01", "02", "03", "04"].map(|day| format!("training/2018-04-{day}.pkl"));
    for (day, file) in generate(5, 0).iter().zip(files.iter().map(String::as_str).chain(["testing/test_dataset.pkl"])) {
        let (ours, theirs) = (&day.table, transactions::read(&datasets.join(file)).unwrap());
        let layout = |table: &Table| -> Vec<_> {
            table.columns().iter().map(|column| (column.name().to_owned(), column.dtype())).collect()
        };
        assert_eq!(layout(ours), layout(&theirs), "{file}");
        assert_eq!(ours.index().kind(), theirs.index().kind(), "{file}");
        assert!(theirs.index().iter().eq(ints(&theirs, "TRANSACTION_ID").iter().copied()), "{file}");
        assert!(sorted(rows(ours)) == sorted(rows(&theirs)), "{file}: the rows differ");
        assert!(seconds_by_id(ours) == seconds_by_id(&theirs), "{file}: ids differ beyond ties");
    }
}

/// The tutorial's days have the tutorial's layout: columns, dtypes, index, and ids that count through the days.
#[test]
fn the_layout_is_the_tutorials() {
    let mut next_id = 0;
    for (number, day) in (0..).zip(generate(5, 0)) {
        let columns: Vec<_> = day.table.columns().iter().map(|column| (column.name(), column.dtype())).collect();
        let expected = [
            ("TRANSACTION_ID", Dtype::Int64),
            ("TX_DATETIME", Dtype::Int64),
            ("CUSTOMER_ID", Dtype::Object),
            ("TERMINAL_ID", Dtype::Object),
            ("TX_AMOUNT", Dtype::Float64),
            ("TX_TIME_SECONDS", Dtype::Object),
            ("TX_TIME_DAYS", Dtype::Object),
            ("TX_FRAUD", Dtype::Int64),
            ("TX_FRAUD_SCENARIO", Dtype::Int64),
        ];
        assert_eq!(columns, expected);
        assert_eq!(day.table.index().kind(), IndexKind::Int64);
        let ids = ints(&day.table, "TRANSACTION_ID");
        assert!(ids.iter().copied().eq(next_id..next_id + day.table.rows() as i64));
        assert!(day.table.index().iter().eq(ids.iter().copied()));
        next_id += day.table.rows() as i64;
        assert_eq!(day.date, Date::new(2018, 4, 1 + number).unwrap());
    }
}

/// Rows are in the order of time, and within a second in the order of customers, so that the bytes are the same
/// everywhere.
#[test]
fn ties_stand_in_the_order_of_customers() {
    let mut ties = 0;
    for day in generate(5, 0) {
        let (seconds, customers) = (ints(&day.table, "TX_TIME_SECONDS"), ints(&day.table, "CUSTOMER_ID"));
        let keys: Vec<_> = seconds.iter().zip(customers).collect();
        assert!(keys.is_sorted());
        ties += seconds.windows(2).filter(|pair| pair[0] == pair[1]).count();
    }
    assert!(ties > 1000, "{ties} ties show nothing");
}

/// However many days are asked for, the first ones are the same: each is that of the whole run.
#[test]
fn fewer_days_are_the_beginning_of_more() {
    let whole = generate(183, 0);
    for days in [1, 2, 5, 13, 14, 15, 29, 60, 168, 169, 170, 181, 182] {
        assert!(generate(days, 0) == whole[..days as usize], "{days} days");
    }
}

/// The same in small worlds, where more coincides.
#[test]
fn fewer_days_are_the_beginning_of_more_in_small_worlds() {
    for (customers, terminals, radius, seed) in [(3, 2, 150.0, 0), (7, 40, 30.0, 1), (50, 900, 5.0, 65_535)] {
        let world = Parameters { customers, terminals, radius, seed, run_days: 40, ..Parameters::default() };
        let simulate = |days| simulator::simulate(&Parameters { days, ..world.clone() }).unwrap().days().collect();
        let whole: Vec<Day> = simulate(40);
        for days in 1..40 {
            let fewer: Vec<Day> = simulate(days);
            assert!(fewer == whole[..days as usize], "{days} days of {world:?}");
        }
    }
}

/// The five days of the tutorial are those whose rows were once compared with the tutorial's own files, to the bit.
#[test]
fn the_first_days_are_the_compared_ones() {
    let digests: Vec<_> = generate(5, 0).iter().map(|day| (day.date.to_string(), digest([&day.table]))).collect();
    let expected = [
        ("2018-04-01", "db2d3feed285dc1e5cd66faa32ea9dc247fc96c9d0832556e25ca6e417abb517"),
        ("2018-04-02", "b942d5e44f3fb0843c542fd23b3b7aba29c84523d87301a857a267de5ce8251b"),
        ("2018-04-03", "31bd3ef868e49af32f9a6cff0da6452db150409267accd29274d1833e8081eba"),
        ("2018-04-04", "1854e072ebffc909cdac730beeb7a32ba851878040b96d8cc7e8969be5a86069"),
        ("2018-04-05", "7e24bdc7a6cfbfe13c12f1a8b1a16b7b065da8f05022021cf8b1eced2f472c54"),
    ];
    assert_eq!(digests, expected.map(|(date, digest)| (date.to_string(), digest.to_string())));
}

/// All 183 days of the handbook's world, and of the one whose seeds are shifted by 65536, are what numpy 2.3.5, pandas
/// 2.2.3 and CPython 3.11 make of the handbook's steps with a stable sort.
#[test]
fn whole_runs_are_what_python_makes() {
    for (seed, rows, labels, expected) in [
        (
            0,
            1_754_155,
            [1_739_474, 973, 9_077, 4_631],
            "b4f2a0ce98f361f59c10221a4207353d5a51f4d807be866209fb96ec7279539f",
        ),
        (
            1,
            1_779_952,
            [1_764_862, 977, 9_403, 4_710],
            "c7994db180bb573432cc5113c8a6b0f9278ece4375c0bf5cf8e078fb666529ee",
        ),
    ] {
        let days = generate(183, seed);
        let tables = || days.iter().map(|day| &day.table);
        assert_eq!(tables().map(Table::rows).sum::<usize>(), rows, "seed {seed}");
        let mut counts = [0; 4];
        tables().flat_map(|table| ints(table, "TX_FRAUD_SCENARIO")).for_each(|&label| counts[label as usize] += 1);
        assert_eq!(counts, labels, "seed {seed}");
        assert_eq!(digest(tables()), expected, "seed {seed}");
    }
}

/// A fraud is what has a scenario.
#[test]
fn a_fraud_is_what_has_a_scenario() {
    let mut seen = [false; 4];
    for day in generate(5, 0) {
        let (frauds, scenarios) = (ints(&day.table, "TX_FRAUD"), ints(&day.table, "TX_FRAUD_SCENARIO"));
        assert!(frauds.iter().zip(scenarios).all(|(&fraud, &scenario)| fraud == i64::from(scenario > 0)));
        scenarios.iter().for_each(|&scenario| seen[scenario as usize] = true);
    }
    assert_eq!(seen, [true; 4], "every label is seen");
}

/// Parameters out of range are refused, with their range.
#[test]
fn parameters_out_of_range_are_refused() {
    let refused = |parameters: Parameters| simulator::simulate(&parameters).err().map(|error| error.to_string());
    let base = Parameters::default;
    let expected = [
        (Parameters { days: 0, ..base() }, "failed to simulate with `days` 0: it goes from 1 to 183"),
        (Parameters { days: 184, ..base() }, "failed to simulate with `days` 184: it goes from 1 to 183"),
        (Parameters { run_days: 0, ..base() }, "failed to simulate with `run_days` 0: it goes from 1 to 65536"),
        (Parameters { customers: 2, ..base() }, "failed to simulate with `customers` 2: it goes from 3 to 65536"),
        (
            Parameters { customers: 65_537, ..base() },
            "failed to simulate with `customers` 65537: it goes from 3 to 65536",
        ),
        (Parameters { terminals: 1, ..base() }, "failed to simulate with `terminals` 1: it goes from 2 to 4294967295"),
    ];
    for (parameters, message) in expected {
        assert_eq!(refused(parameters).as_deref(), Some(message));
    }
    for radius in [f64::NAN, -1.0, f64::INFINITY] {
        let error = simulator::simulate(&Parameters { radius, ..base() }).err();
        assert!(matches!(error, Some(ParametersError { name: "radius", .. })), "radius {radius}");
    }
}

fn generate(days: u32, seed: u16) -> Vec<Day> {
    simulator::generate(days, seed).unwrap()
}

fn ints<'a>(table: &'a Table, column: &str) -> &'a [i64] {
    table.column(column).and_then(|column| column.values().as_int()).unwrap()
}

/// Every row but for its id, floats as their bits.
fn rows(table: &Table) -> Vec<[i64; 8]> {
    let names = ["TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_TIME_SECONDS", "TX_TIME_DAYS", "TX_FRAUD"];
    let columns = names.map(|name| ints(table, name));
    let (scenarios, amounts) = (ints(table, "TX_FRAUD_SCENARIO"), table.column("TX_AMOUNT").unwrap().values());
    let amounts = amounts.as_float().unwrap();
    let row = |at: usize| {
        let [a, b, c, d, e, f] = columns.map(|column| column[at]);
        [a, b, c, d, e, f, scenarios[at], amounts[at].to_bits() as i64]
    };
    (0..table.rows()).map(row).collect()
}

fn seconds_by_id(table: &Table) -> Vec<(i64, i64)> {
    let (ids, seconds) = (ints(table, "TRANSACTION_ID"), ints(table, "TX_TIME_SECONDS"));
    sorted(ids.iter().copied().zip(seconds.iter().copied()).collect())
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values
}

/// The tutorial's own files, which are not in the repository.
fn tutorial_datasets() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let datasets = std::env::var_os("LAB_SHARED").map_or_else(beside, PathBuf::from).join("tutorial/datasets");
    if !datasets.is_dir() {
        let (datasets, remedy) = (datasets.display(), "LAB_SHARED names the directory that `tutorial` is in");
        eprintln!("skipped: the tutorial's own files are not in `{datasets}` ({remedy})");
        return None;
    }
    Some(datasets)
}

/// SHA-256 of all values as 8-byte little-endian words, column after column.
fn digest<'a>(tables: impl IntoIterator<Item = &'a Table>) -> String {
    let mut digest = Sha256::new();
    for column in tables.into_iter().flat_map(Table::columns) {
        match column.values() {
            Values::Int(values) => values.iter().for_each(|value| digest.update(value.to_le_bytes())),
            Values::Float(values) => values.iter().for_each(|value| digest.update(value.to_le_bytes())),
        }
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
