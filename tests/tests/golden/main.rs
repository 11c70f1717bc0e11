//! The golden records: every judge accepts the good one, and each bad one is rejected by the judge and by the cause that
//! it is named after.
//!
//! The bad ones are made from the good one by the table in `doctorings.rs`. After a change of either,
//! `UPDATE_GOLDEN=1 cargo xtask test golden` makes them anew.

mod doctorings;
mod faults;
mod parity;
mod patient;
mod variations;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use doctorings::{DOCTORINGS, Doctoring};
use fs_err as fs;
use lab::record::{Finding, Verdict};
use patient::{Patient, files};
use tests::evidence::Evidence;
use tests::{causes, console, filters, golden, judges};
use variations::VARIATIONS;

fn records() -> PathBuf {
    golden::dir().join("records")
}

fn good() -> PathBuf {
    records().join("good")
}

/// The same run on target `kind`.
fn good_on_kind() -> PathBuf {
    records().join("good-kind")
}

/// The records of real runs; the others are made.
const REAL: [&str; 2] = ["good", "good-kind"];

fn judge(record: &Path) -> Verdict {
    judges::verdict(&Evidence::read(record).expect("a record"))
}

/// The record that a doctoring makes, in a directory of its own.
fn doctored(doctoring: &Doctoring) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let record = dir.path().join(doctoring.name());
    (doctoring.apply)(&Patient::copy(&good(), &record));
    (dir, record)
}

/// Every judge accepts the good records, wherever the run was.
#[test]
fn the_good_records_are_green() {
    for good in [good(), good_on_kind()] {
        let verdict = judge(&good);
        assert!(verdict.green, "{}", console::render(&verdict, &good, false));
        assert_eq!((verdict.judges.len(), &verdict.notes[..]), (judges::JUDGES.len(), &[][..]));
    }
}

/// Each bad record is rejected by the judge that it is named after, and by that cause, before anything else is said.
#[test]
fn each_bad_record_is_rejected_by_the_name_it_bears() {
    let mut wrong = Vec::new();
    for doctoring in DOCTORINGS {
        let record = records().join(doctoring.name());
        let verdict = judge(&record);
        let named = verdict
            .findings
            .first()
            .is_some_and(|first| first.judge == doctoring.judge && first.cause == doctoring.cause);
        if verdict.green || !named {
            wrong.push(format!("{}:\n{}", doctoring.name(), console::render(&verdict, &record, false)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The committed bad records are those of the table, to the byte.
#[test]
fn the_bad_records_are_what_the_table_makes_of_the_good_one() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let committed = || {
        fs::read_dir(records())
            .expect("golden/records")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
    };
    let expected: BTreeSet<_> = DOCTORINGS.iter().map(Doctoring::name).chain(REAL.map(Into::into)).collect();
    assert_eq!(expected.len(), DOCTORINGS.len() + REAL.len(), "two rows of the table make the same record");
    if update {
        for stale in committed().filter(|name| !REAL.contains(&name.as_str())) {
            fs::remove_dir_all(records().join(stale)).expect("a removable record");
        }
    } else {
        assert_eq!(committed().collect::<BTreeSet<_>>(), expected, "run with UPDATE_GOLDEN=1");
    }
    for doctoring in DOCTORINGS {
        let (_dir, made) = doctored(doctoring);
        let kept = records().join(doctoring.name());
        if update {
            Patient::copy(&made, &kept);
        }
        assert_eq!(
            contents(&made),
            contents(&kept),
            "{} is not what the table makes of the good record: run with UPDATE_GOLDEN=1",
            doctoring.name()
        );
    }
}

fn contents(record: &Path) -> BTreeMap<PathBuf, String> {
    let digest = |file: PathBuf| {
        let bytes = fs::read(record.join(&file)).expect("a readable file");
        (file, tests::datasets::sha256(&bytes))
    };
    files(record).into_iter().map(digest).collect()
}

/// Each cause that a judge can name has a bad record, and each judge has one.
#[test]
fn each_cause_has_a_bad_record() {
    // The table of thresholds is compiled in; that a vacuous one is refused is tested with the loader.
    let elsewhere = [causes::VACUOUS_THRESHOLD.name];
    let shown: BTreeSet<_> = DOCTORINGS.iter().map(|doctoring| doctoring.cause).collect();
    let missing: Vec<_> = causes::ALL
        .iter()
        .map(|cause| cause.name)
        .filter(|name| !shown.contains(name) && !elsewhere.contains(name))
        .collect();
    assert!(missing.is_empty(), "no bad record shows {missing:?}");
    let silent: Vec<_> = judges::JUDGES
        .iter()
        .map(|judge| judge.name)
        .filter(|name| !DOCTORINGS.iter().any(|doctoring| doctoring.judge == *name))
        .collect();
    assert!(silent.is_empty(), "no bad record for {silent:?}");
}

/// The evidence of a finding is a file of the record (or one that should be there), and its line is a line of it.
#[test]
fn each_finding_points_at_its_evidence() {
    for doctoring in DOCTORINGS {
        let record = records().join(doctoring.name());
        for finding in judge(&record).findings {
            let text = fs::read(record.join(&finding.file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let lines = text.map(|text| text.lines().count() as u32);
            match (finding.line, lines) {
                (Some(line), Ok(lines)) => {
                    assert!((1..=lines.max(1)).contains(&line), "{}: {finding:?}", doctoring.name())
                }
                (Some(_), Err(error)) => panic!("{}: {finding:?}: {error}", doctoring.name()),
                (None, _) => {}
            }
            assert!(!finding.remedy.is_empty() && !finding.message.is_empty(), "{}: {finding:?}", doctoring.name());
        }
    }
}

/// What a user reads of each bad record.
#[test]
fn the_verdicts_read_well() {
    let mut text = String::new();
    for doctoring in DOCTORINGS {
        let verdict = judge(&records().join(doctoring.name()));
        text += &format!("## {}\n{}\n\n", doctoring.name(), doctoring.what);
        text += &console::render(&verdict, Path::new(&doctoring.name()), false);
        text.push('\n');
    }
    snapshot("verdicts", &text);
}

/// The tutorial's log, listing and report, as the good record has them.
#[test]
fn the_good_record_shows_what_the_tutorial_shows() {
    let evidence = Evidence::read(&good()).expect("a record");
    let [log] = &evidence.logs[..] else { panic!("one container") };
    snapshot("log", &log.text);
    snapshot("listing", &evidence.output.join("\n"));
    snapshot("report", evidence.report.as_deref().expect("a report"));
}

/// Compares with `golden/NAME.snap`, filtered by the one table; on a difference the text is printed unfiltered, too.
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(golden::dir());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let compare = || settings.bind(|| insta::assert_snapshot!(name, filters::apply(text)));
    if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(compare)) {
        eprintln!("{name}, unfiltered:\n{text}");
        std::panic::resume_unwind(panic);
    }
}

/// A judge reads the record and nothing else, so it says the same again, and leaves the record as it was.
#[test]
fn judges_are_pure() {
    for doctoring in DOCTORINGS {
        let record = records().join(doctoring.name());
        let before = contents(&record);
        assert_eq!(judge(&record), judge(&record), "{}", doctoring.name());
        assert_eq!(contents(&record), before, "{}", doctoring.name());
    }
}

/// What may happen in a run that is in order: no judge objects to it.
#[test]
fn what_is_in_order_is_green() {
    let mut wrong = Vec::new();
    for variation in VARIATIONS {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let record = dir.path().join("record");
        (variation.apply)(&Patient::copy(&good(), &record));
        let verdict = judge(&record);
        if !verdict.green {
            wrong.push(format!("{}\n{}", variation.what, console::render(&verdict, Path::new(""), false)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// There are more ways than one to bring a cause about, and each is found by its name and described.
#[test]
fn each_fault_is_found_by_its_name() {
    let mut wrong = Vec::new();
    for (judge_name, cause, what, says, apply) in faults::FAULTS {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let patient = Patient::copy(&good(), &dir.path().join("record"));
        apply(&patient);
        let verdict = judge(patient.record.dir());
        let is_it =
            |first: &Finding| first.judge == *judge_name && first.cause == *cause && first.message.contains(says);
        if !verdict.findings.first().is_some_and(is_it) {
            let said = console::render(&verdict, Path::new(""), false);
            wrong.push(format!("{what} Not {judge_name}, {cause}, {says}:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A run that was broken off is objected to for that, and not for what it had no time to do.
#[test]
fn a_run_that_was_broken_off_has_one_finding() {
    let before_the_first_entry = |patient: &Patient| {
        faults::interrupted(patient);
        patient.remove_output("report.txt");
    };
    let cases: [&dyn Fn(&Patient); 2] = [&faults::interrupted, &before_the_first_entry];
    for apply in cases {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let patient = Patient::copy(&good(), &dir.path().join("record"));
        apply(&patient);
        let findings = judge(patient.record.dir()).findings;
        let causes: Vec<_> = findings.iter().map(|finding| finding.cause.as_str()).collect();
        assert_eq!(causes, ["unfinished-run"], "{findings:#?}");
    }
}

/// A log of rubbish is told by its first lines and by the number of the others, in a moment, however long it is.
#[test]
fn a_log_of_rubbish_is_told_in_a_few_findings() {
    let cases: [(&str, &str); 2] = [("1", "unexpected-log-line"), ("Processing dataset: 1", "unknown-dataset")];
    for (rubbish, cause) in cases {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let patient = Patient::copy(&good(), &dir.path().join("record"));
        patient.log_lines(|lines| {
            lines.splice(2..2, std::iter::repeat_n(rubbish.to_owned(), 20_000));
        });
        let findings = judge(patient.record.dir()).findings;
        assert!(findings.len() == 21 && findings.iter().all(|finding| finding.cause == cause), "{findings:#?}");
        let last = &findings[20];
        assert_eq!((&*last.message, last.line), ("19980 more lines are wrong, the first of them this one.", Some(23)));
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let patient = Patient::copy(&good(), &dir.path().join("record"));
    patient.log(|text| format!("{}\n{text}", "y".repeat(1_000_000)));
    let first = &judge(patient.record.dir()).findings[0];
    assert!(first.message.len() < 400 && first.message.contains("yyy…` stands where"), "{}", first.message.len());
}

/// Restarts that failed alike are one thing to read.
#[test]
fn the_same_error_of_six_runs_is_told_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let patient = Patient::copy(&good(), &dir.path().join("record"));
    variations::runs(&patient, &[("no module named redis\n", 1, None); 6]);
    let findings = judge(patient.record.dir()).findings;
    let of_the_logs: Vec<_> = findings.iter().filter(|finding| finding.cause == "unexpected-log-line").collect();
    let [finding] = of_the_logs[..] else { panic!("{findings:#?}") };
    assert!(finding.message.contains("`no module named redis` stands where"), "{}", finding.message);
    assert!(
        finding.message.contains("in 6 logs, the last of them `logs/workload-cltx9-5.out`."),
        "{}",
        finding.message
    );
}

/// Of another worker no lineage is asked, but that its checkpoints load and have the accuracies of its report.
#[test]
fn another_worker_is_held_to_the_contract() {
    type Case = (&'static str, fn(&Patient));
    let cases: [Case; 3] = [
        ("wrong-accuracy", |patient| patient.report(|entries| entries[3].testing_accuracy = 0.5)),
        ("unreadable-checkpoint", |patient| {
            patient.bytes(&patient::output("2018-04-01"), |bytes| bytes[..100].to_vec())
        }),
        ("dataset-twice", |patient| patient.report(|entries| entries.push(entries[3].clone()))),
    ];
    for (cause, apply) in cases {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let patient = Patient::copy(&good(), &dir.path().join("record"));
        variations::by_another_worker(&patient);
        apply(&patient);
        let causes: Vec<_> = judge(patient.record.dir()).findings.into_iter().map(|finding| finding.cause).collect();
        assert_eq!(causes, [cause]);
    }
}

/// A run that is not held to a rule says so, and does not count the judge as heard; that another worker's model learnt
/// nothing is told, though it is no objection.
#[test]
fn what_is_not_asked_is_told() {
    type Case = (fn(&Patient), &'static str, usize, &'static str);
    let cases: [Case; 4] = [
        (variations::deaf_to_notice, "job", 9, "did not end on SIGTERM within its grace"),
        (variations::by_another_worker, "thresholds", 8, "of another worker's model the tutorial promises nothing"),
        (
            |patient| {
                patient.retrain(&|_, _, _| worker::model::Model::untrained());
                variations::by_another_worker(patient);
            },
            "thresholds",
            8,
            "each of the 9651 test rows is given class 0",
        ),
        (variations::one_day, "thresholds", 9, "no bound holds for this data"),
    ];
    for (apply, judge_name, judges, says) in cases {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let patient = Patient::copy(&good(), &dir.path().join("record"));
        apply(&patient);
        let verdict = judge(patient.record.dir());
        let [note] = &verdict.notes[..] else { panic!("{verdict:#?}") };
        assert!(verdict.green && note.judge == judge_name && note.message.contains(says), "{verdict:#?}");
        assert_eq!(verdict.judges.len(), judges, "{:?}", verdict.judges);
        assert!(console::render(&verdict, Path::new(""), false).contains(says), "{says}");
    }
}

/// A judge with nothing to look at says nothing: a record of which every file but the first is gone has findings of
/// judge `record` alone.
#[test]
fn what_is_missing_is_objected_to_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let record = dir.path().join("record");
    fs::create_dir(&record).expect("a writable directory");
    fs::copy(good().join("record.json"), record.join("record.json")).expect("the good record");
    let verdict = judge(&record);
    assert!(!verdict.green);
    assert!(verdict.findings.iter().all(|finding| finding.judge == "record"), "{:#?}", verdict.findings);
}
