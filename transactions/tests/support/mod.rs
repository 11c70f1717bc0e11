//! What several of these tests need: a Python with pandas, and a comparison with what pandas says is in a file.

#![allow(dead_code)]

pub mod child;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use transactions::inspect::column_sha256;
use transactions::{Column, Table};

/// The workspace's root.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace")
}

/// A Python that has pandas; else says on stderr why the test is skipped.
pub fn python() -> Option<PathBuf> {
    with_pandas("LAB_PYTHON", "peers", Some("python3"))
}

/// The same with the newest pandas.
pub fn newest_python() -> Option<PathBuf> {
    with_pandas("LAB_PYTHON_NEWEST", "peers-newest", None)
}

/// The Python that is named, else the one that `cargo xtask peers` has made, else any.
fn with_pandas(variable: &str, own: &str, other: Option<&str>) -> Option<PathBuf> {
    let own = workspace().join("target").join(own).join("bin/python");
    let named = env::var_os(variable).map(PathBuf::from);
    let python = named.or_else(|| own.exists().then_some(own)).or_else(|| other.map(PathBuf::from));
    let has_pandas = |python: &PathBuf| {
        let asked = Command::new(python).args(["-c", "import pandas"]).output();
        asked.is_ok_and(|output| output.status.success())
    };
    let found = python.filter(has_pandas);
    if found.is_none() {
        eprintln!("skipped: no pandas by {variable}; `cargo xtask peers` makes a Python that has one");
    }
    found
}

/// Runs a script and returns what it prints.
pub fn run(python: &Path, arguments: &[&str]) -> String {
    let output = Command::new(python).args(arguments).output().expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("python prints UTF-8")
}

/// Asserts that a table is what `make.py` says of a file.
pub fn assert_is(table: &Table, expected: &Value, file: &str) {
    assert_eq!(table.rows() as u64, expected["rows"].as_u64().unwrap(), "rows of {file}");
    let columns: Vec<Value> = table
        .columns()
        .iter()
        .map(|column| {
            serde_json::json!({
                "name": column.name(), "dtype": column.dtype().to_string(),
                "nulls": column.nulls(), "sha256": column_sha256(column),
            })
        })
        .collect();
    assert_eq!(&Value::Array(columns), &expected["columns"], "columns of {file}");
    assert_eq!(table.columns_name(), expected["columns_name"].as_str(), "name of the columns of {file}");
    let index = table.index();
    let labels = Column::int64("labels", index.iter().collect());
    let index = serde_json::json!({
        "kind": index.kind().to_string(), "name": index.name(), "first": index.first(), "last": index.last(),
        "sha256": column_sha256(&labels),
    });
    assert_eq!(&index, &expected["index"], "index of {file}");
}

/// Reads every file that `make.py` said something about, and compares.
pub fn assert_all_read(directory: &Path) -> usize {
    let expected = std::fs::read_to_string(directory.join("expected.json")).expect("make.py wrote it");
    let expected: serde_json::Map<String, Value> = serde_json::from_str(&expected).expect("make.py writes JSON");
    for (file, expected) in &expected {
        let path = directory.join(file);
        let table = transactions::read(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_is(&table, expected, file);
        let bytes = std::fs::read(&path).unwrap();
        let from_bytes = transactions::read_bytes(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(from_bytes, table, "{file} from memory");
        let again = transactions::read_bytes(&transactions::to_bytes(&table)).unwrap();
        assert_eq!(again, table, "{file} written and read again");
    }
    expected.len()
}
