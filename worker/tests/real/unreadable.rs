//! A file that the share names and does not give (EIO): it is tried a few times, by as many workers, then set aside; the
//! others are finished.

use std::process::Stdio;

use crate::harness::{Stage, or_skip, unshare};

/// Puts a file that cannot be read over one of the datasets, and runs the worker as the Job does: until it ends well, or
/// has failed as often as a backoffLimit allows.
const SCRIPT: &str = r#"
    mount --bind "/proc/$$/mem" "$FILESTORE_PATH/$1" || exit 77
    cat "$FILESTORE_PATH/$1" 2>&1 > /dev/null | grep -q "Input/output error" || exit 77
    for attempt in 1 2 3 4 5 6; do
        "$WORKER" > /dev/null 2>> "$FILESTORE_PATH/notes"
        code=$?
        echo "$code"
        case $code in 0 | 3) break;; esac
    done
"#;

#[test]
fn a_file_that_cannot_be_read_holds_nobody_up() {
    let stage = or_skip!(Stage::filled());
    let mut command = or_skip!(unshare("m"));
    command.args(["sh", "-c", SCRIPT, "sh", "datasets/training/2018-04-03.pkl"]);
    for (name, value) in stage.command().get_envs() {
        command.env(name, value.unwrap());
    }
    command.env("WORKER", env!("CARGO_BIN_EXE_worker")).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().unwrap();
    if output.status.code() == Some(77) {
        return eprintln!("skipped: no file can be made unreadable here, not even in a namespace");
    }
    let notes = std::fs::read_to_string(stage.path("notes")).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "5\n5\n5\n3\n", "{notes}");
    assert!(notes.contains("`datasets/training/2018-04-03.pkl` is back in the queue, for attempt 2"), "{notes}");
    assert_eq!(
        stage.redis.ask::<Vec<String>>(&["HGETALL", "datasets:failed"]),
        [
            "datasets/training/2018-04-03.pkl",
            "the share does not give it, after attempt 4: Input/output error (os error 5)"
        ]
    );
    assert_eq!(stage.redis.keys(), ["datasets:failed"]);
    assert_eq!(stage.reported(), ["2018-04-04.pkl", "2018-04-02.pkl", "2018-04-01.pkl"]);
}
