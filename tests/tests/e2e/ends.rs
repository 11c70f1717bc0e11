//! How `lab e2e` ends: each of its exit codes, and what is left of a run that was broken off. Green and red by a judge,
//! 0 and 6, are shown beside; so is a livelock, another 5.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::record::{Outcome, Record, Verdict};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Place, judge};
use crate::or_skip;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
/// A worker that is in the middle of something for good, and says so.
const BUSY: [&str; 2] = ["--worker-cmd", "echo busy; exec sleep 600"];

fn code(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let output = place.command(arguments).output().expect("the lab starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// A command line that makes no sense is 2, and nothing is begun.
#[test]
fn usage_is_2() {
    let place = or_skip!(Place::new());
    for arguments in [&["--days", "0"][..], &["--colour"], &["--seed", "1", "--datasets", "."]] {
        let (code, said) = code(&place, arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(arguments[0]), "{said}");
    }
    assert!(!place.runs().exists() && !place.path("state").exists());
}

/// What is needed and missing is 3, by name and with its remedy, and nothing is begun.
#[test]
fn preflight_is_3() {
    let place = or_skip!(Place::new());
    let cases = [
        ["--redis-server", "/nowhere/redis-server", "/nowhere/redis-server"],
        ["--datasets", "/nowhere/datasets", "/nowhere/datasets"],
        ["--worker-bin", "/nowhere/worker", "/nowhere/worker"],
        ["--judge", "/nowhere/judge", "/nowhere/judge"],
    ];
    for [option, value, named] in cases {
        let (code, said) = code(&place, &[option, value]);
        assert_eq!(code, Some(3), "{option}: {said}");
        assert!(said.contains(named) && said.contains("failed to "), "{option}: {said}");
    }
    assert!(place.only_record().is_none());
}

/// A lab that cannot be stood up is 4: here because somebody else has the port of its Redis.
#[test]
fn a_lab_that_cannot_be_stood_up_is_4() {
    let place = or_skip!(Place::new());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (code, said) = code(&place, &["--redis-port", &port]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains(&format!("127.0.0.1:{port}: the port is taken")), "{said}");
}

/// A step that fails is 5: here a Job whose worker never comes up.
#[test]
fn a_step_that_fails_is_5() {
    let place = or_skip!(Place::new());
    let (code, said) = code(&place, &["--worker-cmd", "exit 7", "--job-time-scale", "0.01"]);
    assert_eq!(code, Some(5), "{said}");
    let record = place.only_record().expect("the record");
    let Outcome::Failed { step, .. } = record.summary().expect("record.json").outcome else { panic!("{said}") };
    assert_eq!(step, "watch");
}

/// Ctrl-C is 130 and SIGTERM 143; the record is ended and judged, and the worker is gone.
#[test]
fn a_signal_is_128_and_its_number() {
    for (signal, expected) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let place = or_skip!(Place::new());
        let (mut lab, record) = busy(&place);
        kill_process(Pid::from_child(&lab), signal).expect("a process to signal");
        let status = lab.wait().expect("a child");
        assert_eq!(status.code(), Some(expected));
        assert!(!record.verdict().expect("verdict.json").green);
        assert!(record.summary().expect("record.json").ended.is_some(), "the end of the run is in its record");
        assert!(record.job().is_ok(), "what became of the Job is in the record");
    }
}

/// A lab that is killed without warning leaves a record as far as it got, which the judges can read and object to.
#[test]
fn a_lab_that_is_killed_leaves_a_record_that_can_be_judged() {
    let place = or_skip!(Place::new());
    let (mut lab, record) = busy(&place);
    lab.kill().expect("a process to kill");
    lab.wait().expect("a child");
    assert_eq!(record.summary().expect("record.json").outcome, Outcome::Interrupted);
    let steps: Vec<String> = record.steps().expect("steps.jsonl").into_iter().map(|step| step.name).collect();
    assert_eq!(steps.last().map(String::as_str), Some("job"), "{steps:?}");
    assert_eq!(record.inputs().expect("inputs.json").files.len(), 5);
    let judged = Command::new(judge()).arg("--json").arg(record.dir()).output().expect("the judge starts");
    assert_eq!(judged.status.code(), Some(6));
    let verdict: Verdict = serde_json::from_slice(&judged.stdout).expect("a verdict");
    assert_eq!(verdict.findings[0].cause, "unfinished-run", "{:#?}", verdict.findings);
}

/// A run whose worker is in the middle of something.
fn busy(place: &Place) -> (Child, Record) {
    let mut lab = place.command(&BUSY).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the lab starts");
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        match place.only_record().filter(is_busy) {
            Some(record) => return (lab, record),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    lab.kill().and_then(|()| lab.wait()).expect("the lab can be ended");
    panic!("the worker must start");
}

fn is_busy(record: &Record) -> bool {
    let logs = fs_err::read_dir(record.dir().join("logs")).into_iter().flatten();
    let mut logs = logs.map(|entry| entry.expect("an entry").path());
    let has_begun = |log: std::path::PathBuf| fs_err::read(log).is_ok_and(|text| text == b"busy\n");
    logs.any(has_begun) && record.steps().is_ok_and(|steps| steps.iter().any(|step| step.name == "job"))
}
