//! The program `judge`: its exit codes, what it prints and where, and the verdict that it writes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::record::{Record, Verdict};

/// A copy of a golden record: the judge writes its verdict into the record.
fn copy(name: &str) -> (tempfile::TempDir, PathBuf) {
    let from = tests::golden::dir().join("records").join(name);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let to = dir.path().join(name);
    copy_tree(&from, &to);
    (dir, to)
}

fn copy_tree(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).expect("a writable directory");
    for entry in fs_err::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_tree(&from, &to);
        } else {
            fs_err::copy(from, to).expect("a readable file");
        }
    }
}

fn judge(arguments: &[&str]) -> Output {
    let mut judge = Command::new(env!("CARGO_BIN_EXE_judge"));
    judge.args(arguments).output().expect("the judge starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Green is 0, with one line on standard error, nothing on standard output, and the verdict in the record.
#[test]
fn green_is_0() {
    let (_dir, record) = copy("good");
    let output = judge(&[record.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "     Verdict green: 9 judges heard, no finding\n");
    assert_eq!(text(&output.stdout), "");
    let verdict = Record::open(record).expect("a record").verdict().expect("verdict.json");
    assert!(verdict.green && verdict.findings.is_empty());
    let heard: Vec<_> = tests::judges::JUDGES.iter().map(|judge| judge.name).collect();
    assert_eq!(verdict.judges, heard);
}

/// A record may lie wherever a file system lets it: its path need not be UTF-8.
#[test]
fn a_record_may_lie_at_a_path_that_is_not_utf8() {
    let (dir, record) = copy("good");
    let odd = dir.path().join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"odd-\xff"));
    fs_err::rename(record, &odd).expect("a record");
    let output = Command::new(env!("CARGO_BIN_EXE_judge")).arg(&odd).output().expect("the judge starts");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// Red is 6: the cause by name, the evidence with its line, the remedy; the last line names the first cause again.
#[test]
fn red_is_6_and_names_the_cause() {
    let (_dir, record) = copy("bad-report-torn-report");
    let output = judge(&[record.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(6));
    let said = text(&output.stderr);
    assert!(said.starts_with("error[torn-report]: "), "{said}");
    assert!(said.contains(&format!("  --> {}/output/report.txt:30\n", record.display())), "{said}");
    assert!(said.contains("   = remedy: publish the report by rename"), "{said}");
    assert!(said.ends_with("     Verdict red: torn-report; 1 finding, 9 judges heard\n"), "{said}");
}

/// `--json` prints the very verdict that it writes, on standard output, and nothing else; `--quiet` only the last line.
#[test]
fn json_and_quiet_say_the_same_in_their_form() {
    let (_dir, record) = copy("bad-queue-lost-dataset");
    let path = record.to_str().expect("UTF-8");
    let output = judge(&["--json", path]);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(6), ""));
    let printed: Verdict = serde_json::from_slice(&output.stdout).expect("a verdict");
    assert_eq!(printed, Record::open(&record).expect("a record").verdict().expect("verdict.json"));
    let output = judge(&[path, "--quiet"]);
    assert_eq!(text(&output.stderr), "     Verdict red: lost-dataset; 1 finding, 9 judges heard\n");
}

/// A verdict that cannot be written is told all the same, with its own exit code, and then a warning.
#[test]
fn a_verdict_that_cannot_be_written_is_told() {
    for (name, code, says) in
        [("good", 0, "Verdict green: "), ("bad-queue-lost-dataset", 6, "Verdict red: lost-dataset")]
    {
        let (_dir, record) = copy(name);
        // No file replaces a folder, whoever's it is.
        fs_err::create_dir(record.join("verdict.json")).expect("a writable directory");
        let output = judge(&[record.to_str().expect("UTF-8"), "--quiet"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        let (verdict, warning) = said.split_once("warning: ").expect("a warning");
        assert!(verdict.contains(says), "{said}");
        assert!(warning.starts_with("failed to write `") && warning.contains("\nremedy: "), "{said}");
    }
}

/// What is no record, and a command line that makes no sense, is 2, with the remedy.
#[test]
fn usage_and_no_record_are_2() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let empty = dir.path().to_str().expect("UTF-8");
    for (arguments, says) in [
        (&[empty][..], "name the directory of a run"),
        (&["--green", empty], "`--green`"),
        (&[], "usage: judge RECORD"),
        (&[empty, empty], "more than one record"),
    ] {
        let output = judge(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.starts_with("error: failed to ") && said.contains(says), "{arguments:?}: {said}");
        assert!(!dir.path().join("verdict.json").exists());
    }
    assert_eq!(judge(&["--help"]).status.code(), Some(0));
}

/// `--rules` prints each judge's rule in one sentence.
#[test]
fn each_judge_says_its_rule() {
    let said = text(&judge(&["--rules"]).stdout);
    assert_eq!(said.lines().count(), tests::judges::JUDGES.len());
    assert!(said.lines().all(|line| line.ends_with('.') && line.matches(". ").count() == 0), "{said}");
}
