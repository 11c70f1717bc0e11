//! Reading in a process of its own, so that its peak of memory is what the system says it was.
//!
//! The process is the test program again, with one test to run: each program that uses this has a test `child`, which
//! calls [`child`].

use std::path::Path;
use std::process::Command;

use transactions::pickle::decode;
use transactions::read;

/// The variable by which the test program, started again, knows the file that it is to read.
const CHILD_FILE: &str = "TRANSACTIONS_CHILD_FILE";

/// Reads the file in a process of its own: what that said, and the most bytes that it held.
pub fn read_in_a_child(path: &Path) -> (String, u64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(CHILD_FILE, path);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {}\n{text}", path.display(), String::from_utf8_lossy(&output.stderr));
    let line =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).expect("the child says it").to_owned();
    (line("said "), line("peak ").parse::<u64>().unwrap() * 1024)
}

/// What the test program does when it is started again.
pub fn child() {
    let Some(path) = std::env::var_os(CHILD_FILE) else { return };
    let path = Path::new(&path);
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
    println!("\nsaid {said}\npeak {}", peak.trim().trim_end_matches(" kB"));
}
