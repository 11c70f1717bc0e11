//! The table: reading it beside pandas, and simulating it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use transactions::simulator::{Parameters, simulate as simulate_days};
use transactions::{Column, Index, Table, Values};

use crate::measure::{all_in_turn, in_turn, median, ms};
use crate::{Options, Promise, Row, bare};

/// The hidden command by which this program measures readings in a process of their own.
pub const READ: &str = "read-in-turn";

const ROWS: usize = 1_000_000;
/// What the promise about memory speaks of.
const MANY_ROWS: usize = 10_000_000;
const TURNS: usize = 5;
/// Readings in each process; the first, in which it warms up, does not count.
pub const READINGS: usize = 4;

/// 10^6 rows of the tutorial's table, as it is and with every column int64 or float64, against pandas, and beside what
/// the machine takes for the file alone; and what ten times as many take of memory.
pub fn read(_: &Options) -> anyhow::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let object = dir.path().join("object.pkl");
    let int64 = dir.path().join("int64.pkl");
    write_both(ROWS, &object, &int64)?;
    let object_what = ["read 10^6 rows, object columns, and sum", "the same beside a bare read of the file and a sum"];
    let int64_what = ["read 10^6 rows, int64 columns, and sum", "the same beside a bare read of the file and a sum"];
    let mut rows = Vec::from(read_beside(object_what, 20.0, &object)?);
    rows.extend(read_beside(int64_what, 5.0, &int64)?);
    rows.extend(read_memory()?);
    Ok(rows)
}

/// Reads a file, has pandas read it where there is one, and reads its bytes and nothing more, all in turn.
fn read_beside(what: [&'static str; 2], floor: f64, file: &Path) -> anyhow::Result<[Row; 2]> {
    let (ours, bare, peer) = match python() {
        // The file is pandas' own in what is measured: written by it, read by all.
        Some(python) => {
            rewrite_by_pandas(&python, file)?;
            let of_all: [&mut dyn FnMut() -> _; 3] =
                [&mut || ours(file), &mut || bare(file), &mut || peer(&python, file)];
            let [ours, bare, peer] = all_in_turn(TURNS, of_all)?;
            (ours, bare, Some(peer))
        }
        None => {
            let (ours, bare) = in_turn(TURNS, || ours(file), || bare(file))?;
            (ours, bare, None)
        }
    };
    let pandas = peer.map_or("skipped: no pandas; `cargo xtask peers`".into(), |s| format!("pandas {}", ms(s)));
    let promise = Promise::at_least(floor, "x", peer.map(|s| s / ours));
    let [what, what_bare] = what;
    Ok([
        Row { what, ours: ms(ours), peer: pandas, promise },
        Row { what: what_bare, ours: ms(ours), peer: ms(bare), promise: Promise::none("times it", Some(ours / bare)) },
    ])
}

/// What reading 10^7 rows holds at its peak beyond the table itself, which is 8 bytes a value.
fn read_memory() -> anyhow::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let object = dir.path().join("object.pkl");
    let int64 = dir.path().join("int64.pkl");
    let columns = write_both(MANY_ROWS, &object, &int64)?;
    let row = |what, file: &Path| -> anyhow::Result<Row> {
        let peak_bytes = read_in_a_process(Command::new(std::env::current_exe()?).arg(READ).arg(file), 2)?;
        let table_bytes = (8 * columns * MANY_ROWS) as f64;
        let beyond_mib = (peak_bytes - table_bytes) / f64::from(1 << 20);
        let ours = format!("{:.0} MB for a table of {:.0} MB", peak_bytes / 1e6, table_bytes / 1e6);
        Ok(Row { what, ours, peer: "none".into(), promise: Promise::at_most(64.0, " MiB beyond", Some(beyond_mib)) })
    };
    Ok(vec![
        row("read 10^7 rows, object columns, peak memory", &object)?,
        row("read 10^7 rows, int64 columns, peak memory", &int64)?,
    ])
}

/// The handbook's 183 days, in memory and written.
pub fn simulate(_: &Options) -> anyhow::Result<Vec<Row>> {
    let data = std::env::var("LAB_DATA").context("failed to find the `data` program: run `cargo xtask bench`")?;
    let in_memory = || -> anyhow::Result<f64> {
        let start = Instant::now();
        let rows: usize = simulate_days(&Parameters::default())?.days().map(|day| day.table.rows()).sum();
        let seconds = start.elapsed().as_secs_f64();
        anyhow::ensure!(rows == 1_754_155, "failed to simulate: {rows} rows instead of 1754155");
        Ok(seconds)
    };
    let written = || -> anyhow::Result<f64> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new(&data);
        command.args(["generate", "--quiet", "--days", "182", "--out"]).arg(dir.path());
        let start = Instant::now();
        let output = command.output().with_context(|| format!("failed to start `{data}`"))?;
        anyhow::ensure!(output.status.success(), "failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(start.elapsed().as_secs_f64())
    };
    let (memory_s, written_s) = in_turn(3, in_memory, written)?;
    let row = |what, seconds: f64, ceiling| Row {
        what,
        ours: format!("{seconds:.2} s"),
        peer: "none".into(),
        promise: Promise::at_most(ceiling, " s", Some(seconds)),
    };
    Ok(vec![row("183 days generated", memory_s, 1.0), row("183 days generated and written", written_s, 2.0)])
}

/// Reads and sums several times, and prints the median of the seconds but for the first, the sum, and the bytes at the
/// peak of all.
pub fn read_in_turn(file: &Path) -> anyhow::Result<()> {
    let (mut seconds, mut total) = (Vec::new(), 0.0);
    for _ in 0..READINGS {
        let start = Instant::now();
        let table = transactions::read(file)?;
        total = sum(&table);
        seconds.push(start.elapsed().as_secs_f64());
    }
    let seconds = median(seconds.split_off(1));
    let status = std::fs::read_to_string("/proc/self/status").context("failed to read `/proc/self/status`")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let peak_kib: u64 = peak.context("failed to find `VmHWM` in `/proc/self/status`")?.parse()?;
    println!("{seconds} {total} {}", peak_kib * 1024);
    Ok(())
}

/// Writes the handbook's world with the tutorial's columns and dtypes to `object`, and with every column int64 or
/// float64 to `int64`. Says how many columns there are.
fn write_both(rows: usize, object: &Path, int64: &Path) -> anyhow::Result<usize> {
    let table = handbook_rows(rows)?;
    transactions::write(object, &table)?;
    transactions::write(int64, &without_objects(&table)?)?;
    Ok(table.columns().len())
}

/// The first transactions of the handbook's world, and when they are all there, from the first on again.
fn handbook_rows(rows: usize) -> anyhow::Result<Table> {
    let days: Vec<Table> = simulate_days(&Parameters::default())?.days().map(|day| day.table).collect();
    let first = days.first().context("failed to simulate: no days")?;
    let columns = first.columns().iter().enumerate().map(|(place, column)| {
        let of_days = days.iter().filter_map(|day| day.columns().get(place)).map(Column::values);
        let values = match column.values() {
            Values::Int(_) => {
                Values::Int(of_days.filter_map(Values::as_int).flatten().copied().cycle().take(rows).collect())
            }
            Values::Float(_) => {
                Values::Float(of_days.filter_map(Values::as_float).flatten().copied().cycle().take(rows).collect())
            }
        };
        Column::new(column.name(), column.dtype(), values)
    });
    Ok(Table::new(columns.collect::<Result<_, _>>()?, Index::range(rows))?)
}

/// The same with every object column as int64.
fn without_objects(table: &Table) -> anyhow::Result<Table> {
    let columns = table.columns().iter().map(|column| match column.values() {
        Values::Int(values) => Column::int64(column.name(), values.clone()),
        Values::Float(values) => Column::float64(column.name(), values.clone()),
    });
    Ok(Table::new(columns.collect(), Index::range(table.rows()))?)
}

fn sum(table: &Table) -> f64 {
    let of_column = |column: &Column| match column.values() {
        Values::Int(values) => values.iter().fold(0_i64, |total, value| total.wrapping_add(*value)) as f64,
        // Four sums side by side: one alone would wait for each addition to end.
        Values::Float(values) => {
            let chunks = values.chunks_exact(4);
            let rest: f64 = chunks.remainder().iter().sum();
            let sums = chunks.fold([0.0; 4], |t, v| [t[0] + v[0], t[1] + v[1], t[2] + v[2], t[3] + v[3]]);
            sums.iter().sum::<f64>() + rest
        }
    };
    table.columns().iter().map(of_column).sum()
}

fn ours(file: &Path) -> anyhow::Result<f64> {
    read_in_a_process(Command::new(std::env::current_exe()?).arg(READ).arg(file), 0)
}

fn bare(file: &Path) -> anyhow::Result<f64> {
    read_in_a_process(Command::new(std::env::current_exe()?).arg(bare::READ).arg(file), 0)
}

fn peer(python: &Path, file: &Path) -> anyhow::Result<f64> {
    read_in_a_process(
        Command::new(python).args(["-c", include_str!("peer_read.py")]).arg(file).arg(READINGS.to_string()),
        0,
    )
}

/// The figure in this place of what the process prints.
fn read_in_a_process(command: &mut Command, place: usize) -> anyhow::Result<f64> {
    let output = command.env("OMP_NUM_THREADS", "1").output()?;
    anyhow::ensure!(output.status.success(), "failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    text.split_whitespace().nth(place).context("failed to read a figure from nothing")?.parse().context(text)
}

fn rewrite_by_pandas(python: &Path, file: &Path) -> anyhow::Result<()> {
    let script = "import sys, pandas; pandas.read_pickle(sys.argv[1]).to_pickle(sys.argv[1])";
    let output = Command::new(python).args(["-c", script]).arg(file).output()?;
    anyhow::ensure!(output.status.success(), "failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The Python that `cargo xtask peers` made.
pub fn python() -> Option<PathBuf> {
    let made = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/bin/python");
    let python = std::env::var_os("LAB_PYTHON").map_or_else(made, PathBuf::from);
    let pandas = Command::new(&python).args(["-c", "import pandas, sklearn"]).output();
    pandas.is_ok_and(|output| output.status.success()).then_some(python)
}
