//! Reading in a process of its own, so that its peak of memory and its time are what the system says they were.
//!
//! The process is the test program again, with one test to run: each program that uses this has a test `child`, which
//! calls [`child`].

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use transactions::pickle::decode;
use transactions::{Column, read};

/// The variable by which the test program, started again, knows the file that it is to read.
const CHILD_FILE: &str = "TRANSACTIONS_CHILD_FILE";

/// What a process that read a file did.
pub struct Reading {
    /// `read … rows` or `refused: …`.
    pub said: String,
    /// The most memory that it held at a time.
    pub peak_bytes: u64,
    /// Its time on a processor.
    pub cpu: Duration,
}

/// Reads the file in a process of its own.
pub fn read_in_a_child(path: &Path) -> Reading {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(CHILD_FILE, path);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {}\n{text}", path.display(), String::from_utf8_lossy(&output.stderr));
    let line =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).expect("the child says it").to_owned();
    Reading {
        said: line("said "),
        peak_bytes: line("peak ").parse::<u64>().unwrap() * 1024,
        cpu: Duration::from_nanos(line("cpu ").parse().unwrap()),
    }
}

/// What the test program does when it is started again.
pub fn child() {
    let Some(path) = std::env::var_os(CHILD_FILE) else { return };
    let path = Path::new(&path);
    // What is kept of tables that are gone counts, too: 128 MiB, of which a file that is small may find no more than 48.
    let large = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 64 << 20);
    let gone = if large { 16 } else { 6 };
    (0..gone).for_each(|_| drop(Column::int64("GONE", vec![1; 1 << 20])));
    let said = match read(path) {
        Ok(table) => format!("read {} rows", table.rows()),
        Err(error) => format!("refused: {error}"),
    };
    // The evaluator of any values has the same bounds; it reads what is in memory already.
    if said.starts_with("refused") {
        let bytes = std::fs::read(path).unwrap();
        drop(decode(&bytes));
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    // The nanoseconds on a processor of this thread, which is the one that read.
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let cpu = times.split(' ').next().unwrap();
    println!("\nsaid {said}\npeak {}\ncpu {cpu}", peak.trim().trim_end_matches(" kB"));
}
