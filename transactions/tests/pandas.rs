//! Tables and pandas: what it writes is read, what is written it reads, to the bit.

mod support;

use std::collections::HashMap;
use std::path::Path;

use support::{assert_all_read, newest_python, python, run};

/// Files of every layout, from versions of pandas from 1.0 to 3.1, are read as what those versions say they are.
#[test]
fn files_of_older_versions_are_read() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut count = 0;
    for version in std::fs::read_dir(fixtures).unwrap() {
        let directory = version.unwrap().path();
        if directory.is_dir() {
            count += assert_all_read(&directory);
        }
    }
    assert!(count >= 100, "only {count} files");
}

/// Files of every layout and protocol from the pandas at hand, compressed or not, are read as what it says they are.
#[test]
fn files_of_the_pandas_at_hand_are_read() {
    for python in [python(), newest_python()].into_iter().flatten() {
        read_files_of(&python);
    }
}

fn read_files_of(python: &Path) {
    let directory = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/make.py");
    run(python, &[script.to_str().unwrap(), directory.path().to_str().unwrap(), "2", "3", "4", "5"]);
    assert!(assert_all_read(directory.path()) >= 200);
}

/// The dtype that is told of a column is the one that pandas prints of the frame that it saves. (What it loads has the
/// machine's byte order below protocol 5.)
#[test]
fn dtypes_are_told_as_pandas_prints_them() {
    const PRINT: &str = "import json, sys
sys.path.append(sys.argv[1])
from make import layouts
print(json.dumps({name: [str(dtype) for dtype in frame.dtypes] for name, frame in layouts(True)}))";
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let (make, scripts) = (scripts.join("make.py"), scripts.to_str().unwrap());
    for python in [python(), newest_python()].into_iter().flatten() {
        let directory = tempfile::tempdir().unwrap();
        run(&python, &[make.to_str().unwrap(), directory.path().to_str().unwrap(), "2", "5", "--small"]);
        let printed = run(&python, &["-B", "-c", PRINT, scripts]);
        let printed: HashMap<String, Vec<String>> = serde_json::from_str(&printed).unwrap();
        assert!(printed.len() >= 20);
        for (layout, dtypes) in printed {
            for protocol in [2, 5] {
                let file = directory.path().join(format!("{layout}-p{protocol}.pkl"));
                let columns = transactions::inspect::inspect(&file).unwrap().columns;
                let told: Vec<_> = columns.into_iter().map(|column| column.dtype).collect();
                assert_eq!(told, dtypes, "{}", file.display());
            }
        }
    }
}

/// What is written of a table, pandas loads as the frame that the table was read from: columns, dtypes, index, values.
#[test]
fn what_is_written_is_the_same_frame_to_pandas() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let (make, check) = (scripts.join("make.py"), scripts.join("check.py"));
    let path = directory.path().to_str().unwrap();
    run(&python, &[make.to_str().unwrap(), path, "4"]);
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension != "json") {
            let table = transactions::read(&file).unwrap();
            let mut written = file.into_os_string();
            written.push(".written");
            transactions::write(Path::new(&written), &table).unwrap();
            count += 1;
        }
    }
    assert!(count >= 50);
    assert_eq!(run(&python, &["-B", check.to_str().unwrap(), path]).trim(), count.to_string());
}
