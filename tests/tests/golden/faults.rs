//! Faults that are not worth a record of their own: further ways to bring a cause about.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lab::record::{DatasetsSource, Outcome, Stream, When};
use tests::evidence::{TESTING, TRAINING};

use worker::model::Model;
use worker::report::Entry;

use super::patient::{Patient, checkpoint, output};
use super::variations::{begun, runs};

/// A fault: the judge that must object first, the cause that it must name, what happened, a part of what must be said.
pub type Fault = (&'static str, &'static str, &'static str, &'static str, fn(&Patient));

/// All of them.
pub const FAULTS: &[Fault] = &[
    ("record", "unfinished-run", "A finished run has no end.", "has no end", |patient| {
        patient.summary(|summary| summary.ended = None)
    }),
    ("record", "missing-evidence", "No step was written down.", "names no step", |patient| {
        patient.text("steps.jsonl", |_| String::new())
    }),
    ("record", "skipped-step", "Two steps changed places.", "`claim` stands where `volume` is due", |patient| {
        steps(patient, |lines| lines.swap(1, 2));
    }),
    ("record", "skipped-step", "A step was gone through twice.", "`report` was gone through again", |patient| {
        steps(patient, |lines| lines.push(lines[11].clone()));
    }),
    ("record", "skipped-step", "The last step is not there.", "without step `report`", |patient| {
        steps(patient, |lines| lines.truncate(11));
    }),
    ("record", "missing-evidence", "The listing was not kept.", "`listing.txt` of the record", |patient| {
        patient.remove("listing.txt");
    }),
    ("listing", "wrong-listing", "A file came after the listing.", "did not show `report.txt`", |patient| {
        patient.text("listing.txt", |text| text.replace("report.txt\n", ""));
    }),
    ("listing", "wrong-listing", "A file went after the listing.", "showed `metrics.json`", |patient| {
        patient.text("listing.txt", |text| format!("{text}metrics.json\n"));
    }),
    ("listing", "wrong-listing", "A name stands in the listing twice.", "named a file twice", |patient| {
        patient.text("listing.txt", |text| format!("{text}report.txt\n"));
    }),
    (
        "listing",
        "stray-temporary-file",
        "A hidden folder was left, with nothing in it.",
        "folder `.hdir/` was",
        |patient| {
            fs_err::create_dir(patient.record.output_dir().join(".hdir")).expect("a writable record");
        },
    ),
    ("listing", "stray-file", "An empty folder was left in another one.", "`old/days/` is in the output", |patient| {
        fs_err::create_dir_all(patient.record.output_dir().join("old/days")).expect("a writable record");
        patient.text("listing.txt", |text| format!("{text}old\n"));
    }),
    ("listing", "missing-file", "The report is a link to a good one.", "`report.txt` is a link in", |patient| {
        let report = output_of(patient, "report.txt");
        fs_err::rename(&report, patient.record.dir().join("elsewhere")).expect("a writable record");
        symlink("../elsewhere", report).expect("a writable record");
    }),
    ("listing", "missing-file", "The report is a link to nothing.", "`report.txt` is a link in", |patient| {
        in_place_of(patient, "report.txt", |path| symlink("/nonexistent", path));
    }),
    ("listing", "missing-file", "The report is a link to what has no end.", "`report.txt` is a link in", |patient| {
        in_place_of(patient, "report.txt", |path| symlink("/dev/zero", path));
    }),
    ("listing", "missing-file", "The report is a pipe.", "`report.txt` is a pipe in", |patient| {
        in_place_of(patient, "report.txt", pipe);
    }),
    (
        "listing",
        "missing-file",
        "A checkpoint is a link to what has no end.",
        "2018-04-03.pkl` is a link in",
        |patient| {
            in_place_of(patient, &checkpoint("2018-04-03"), |path| symlink("/dev/zero", path));
        },
    ),
    ("listing", "missing-file", "A checkpoint is a link to a pipe.", "2018-04-03.pkl` is a link in", |patient| {
        pipe(&patient.record.dir().join("pipe")).expect("a pipe");
        in_place_of(patient, &checkpoint("2018-04-03"), |path| symlink("../pipe", path));
    }),
    ("listing", "stray-file", "A link was left in the output.", "`latest` is in the output", |patient| {
        symlink(checkpoint("2018-04-04"), output_of(patient, "latest")).expect("a writable record");
        patient.text("listing.txt", |text| format!("{text}latest\n"));
    }),
    ("record", "missing-evidence", "The output is a link.", "it is a link, not a folder", |patient| {
        fs_err::rename(patient.record.output_dir(), patient.record.dir().join("elsewhere")).expect("a writable record");
        symlink("elsewhere", patient.record.output_dir()).expect("a writable record");
    }),
    ("record", "missing-evidence", "A log is a link to what has no end.", "it is a link, not a file", |patient| {
        let pod = patient.record.job().expect("job.json").pods[0].name.clone();
        let log = patient.record.dir().join(patient.record.log_path(&pod, 0, Stream::Out));
        fs_err::remove_file(&log).expect("a log");
        symlink("/dev/zero", log).expect("a writable record");
    }),
    ("report", "malformed-report", "The report has no end.", "cannot be read: it is larger than 64 MiB.", |patient| {
        grow(&output_of(patient, "report.txt"));
    }),
    ("checkpoints", "unreadable-checkpoint", "A checkpoint is huge.", "it is larger than 64 MiB", |patient| {
        grow(&output_of(patient, &checkpoint("2018-04-03")));
    }),
    ("record", "missing-evidence", "A file is not what it should be.", "cannot be read", |patient| {
        patient.text("queue/after.json", |text| text[..text.len() / 2].to_owned());
    }),
    ("inputs", "wrong-inputs", "The record lacks the copies of a user's datasets.", "cannot be had again", |patient| {
        patient.inputs(|inputs| inputs.datasets = DatasetsSource::Directory { path: "/home/user/data".into() });
    }),
    ("inputs", "wrong-inputs", "There was no test set.", "the record names 0", |patient| {
        patient.inputs(|inputs| inputs.files.retain(|file| file.path != TESTING));
    }),
    ("inputs", "wrong-inputs", "A file that is no dataset went in.", "Of 6 files, 4 are training days", |patient| {
        patient.inputs(|inputs| {
            let other = inputs.files[0].clone();
            inputs.files.push(lab::record::InputFile { path: "datasets/other/2018-04-01.pkl".into(), ..other });
        });
    }),
    ("inputs", "wrong-inputs", "A user's datasets had no training day.", "There is no training day", |patient| {
        patient.inputs(|inputs| {
            inputs.datasets = DatasetsSource::Directory { path: "/home/user/data".into() };
            inputs.files.retain(|file| !file.path.starts_with(TRAINING));
        })
    }),
    (
        "queue",
        "wrong-queue",
        "The days were pushed in the wrong order.",
        "it must hold `datasets/training/2018-04-01.pkl`",
        |patient| {
            patient.queue(When::Before, |queue| queue.waiting.reverse());
        },
    ),
    (
        "queue",
        "stuck-in-processing",
        "A completed item is in both lists.",
        "is still in `datasets:processing`",
        |patient| {
            patient.queue(When::After, |queue| {
                queue.waiting.push("datasets/training/2018-04-01.pkl".into());
                queue.processing.push("datasets/training/2018-04-01.pkl".into());
                queue
                    .leases
                    .insert(worker::queue::lease_key(b"datasets/training/2018-04-01.pkl"), ("somebody".into(), 1));
            })
        },
    ),
    ("queue", "stray-key", "The claims' book was left behind.", "`datasets:claims`", |patient| {
        patient.queue(When::After, |queue| queue.keys.push("datasets:claims".into()));
    }),
    ("log", "unexpected-log-line", "The lines end as on Windows.", "is not `golden/log.snap`", |patient| {
        patient.log(|text| text.replace('\n', "\r\n"))
    }),
    (
        "log",
        "unexpected-log-line",
        "Something follows the last line.",
        "`Bye` stands where the end is due",
        |patient| patient.log(|text| format!("{text}Bye\n")),
    ),
    ("log", "unexpected-log-line", "The session is no UUID.", "and a UUID is due", |patient| {
        patient.log(|text| text.replacen("ID: ", "ID: x", 1))
    }),
    (
        "log",
        "dataset-twice",
        "After a restart a dataset that was done is gone through again.",
        "`datasets/training/2018-04-04.pkl` is processed for time 2",
        |patient| {
            let again = begun(&["2018-04-04", "2018-04-03", "2018-04-02", "2018-04-01"]).replacen("8000", "9000", 1);
            let first = begun(&["2018-04-04", "2018-04-03"]);
            runs(patient, &[(&first, 137, Some("SIGKILL")), (&(again + "Queue empty, exiting\n"), 0, None)]);
        },
    ),
    ("job", "exit-code", "SIGKILL does not explain an exit code of 1.", "exited with 1 after SIGKILL", |patient| {
        patient.job(|job| {
            let container = &mut job.pods[0].containers[0];
            (container.exit_code, container.preempted_by) = (Some(1), Some("SIGKILL".into()));
        })
    }),
    (
        "report",
        "stale-report",
        "An entry was written an hour and seven minutes too late.",
        "`2018-04-01.pkl` was written at",
        |patient| patient.report(|entries| shift(&mut entries[3], jiff::Span::new().hours(1).minutes(7))),
    ),
    (
        "report",
        "stale-report",
        "An entry was written whole hours before the others, as if its writer had been in another zone.",
        "`2018-04-03.pkl` was written at",
        |patient| patient.report(|entries| shift(&mut entries[1], jiff::Span::new().hours(-3))),
    ),
    (
        "report",
        "report-out-of-order",
        "An entry was written before the one above it.",
        "before the one above it",
        |patient| {
            patient.report(|entries| {
                let (first, second) = entries.split_at_mut(1);
                std::mem::swap(&mut first[0].generated_on, &mut second[0].generated_on);
            });
        },
    ),
    (
        "checkpoints",
        "wrong-checkpoint-bytes",
        "Something was written behind the last model.",
        "it is damaged",
        |patient| {
            patient.bytes(&output("2018-04-01"), |bytes| [bytes, b"x".into()].concat());
        },
    ),
    (
        "checkpoints",
        "wrong-checkpoint-bytes",
        "A byte of the first checkpoint was damaged after its child was trained.",
        "`model_cpt_2018-04-04.pkl` loads, and from byte",
        |patient| {
            patient.bytes(&output("2018-04-04"), |mut bytes| {
                let at = bytes.windows(5).position(|window| window == b"hinge").expect("the name of the loss");
                bytes[at] ^= 1;
                bytes
            });
        },
    ),
    (
        "checkpoints",
        "wrong-accuracy",
        "Our own sums are exact.",
        "has accuracy 0.9977204434773599 on the testing",
        |patient| {
            patient.retrain(&|_, _, _| on_the_edge());
            patient.report(|entries| entries[0].testing_accuracy = 9629.0 / 9651.0);
        },
    ),
];

/// Edits the lines of the steps.
fn steps(patient: &Patient, edit: impl FnOnce(&mut Vec<String>)) {
    patient.text("steps.jsonl", |text| {
        let mut lines = text.lines().map(str::to_owned).collect();
        edit(&mut lines);
        lines.iter().map(|line| format!("{line}\n")).collect()
    });
}

/// As if an entry had been written at another time.
pub fn shift(entry: &mut Entry, by: jiff::Span) {
    let written: jiff::civil::DateTime = entry.generated_on.parse().expect("a time");
    entry.generated_on = worker::report::timestamp(written + by);
}

/// A model of ours for which class 1 beats class 0 by less than the rounding errors of values like these, on every row.
pub fn on_the_edge() -> Model {
    let mut model = Model::untrained();
    model.intercept = [1e15, 1e15 + 0.125, -1e18, -1e18];
    model
}

/// A lab that was stopped in the middle of the third dataset, with everything that belongs to that.
pub fn interrupted(patient: &Patient) {
    let (held, waiting) = ("datasets/training/2018-04-02.pkl", "datasets/training/2018-04-01.pkl");
    patient.summary(|summary| (summary.ended, summary.outcome) = (None, Outcome::Interrupted));
    runs(patient, &[(&begun(&["2018-04-04", "2018-04-03", "2018-04-02"]), 0, None)]);
    patient.job(|job| {
        job.condition = None;
        let container = &mut job.pods[0].containers[0];
        (container.ended, container.exit_code) = (None, None);
    });
    patient.queue(When::After, |queue| {
        let lease = worker::queue::lease_key(held.as_bytes());
        queue.waiting.push(waiting.into());
        queue.processing.push(held.into());
        queue.leases.insert(lease.clone(), ("5f0f8b1c-6a55-4f5e-9d5b-0c1f6f7a2e11".into(), 19_000));
        queue.keys = ["datasets", "datasets:claims", "datasets:processing", &lease].map(String::from).into();
    });
    // The checkpoint was just renamed into place, its entry is not written yet.
    patient.report(|entries| entries.truncate(2));
    patient.remove_output("model_cpt_2018-04-01.pkl");
    patient.add_output(".report.txt.5f0f8b1c.tmp", "half a report");
}

fn output_of(patient: &Patient, name: &str) -> PathBuf {
    patient.record.output_dir().join(name)
}

/// Puts something else in a file's place.
fn in_place_of(patient: &Patient, name: &str, make: impl FnOnce(&Path) -> std::io::Result<()>) {
    let path = output_of(patient, name);
    fs_err::remove_file(&path).expect("a file of the output");
    make(&path).expect("a writable record");
}

fn pipe(path: &Path) -> std::io::Result<()> {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).map_err(Into::into)
}

/// Makes a file larger than any of an output may be; it takes no room.
fn grow(path: &Path) {
    let file = fs_err::OpenOptions::new().write(true).open(path).expect("a file of the output");
    file.set_len(1 << 40).expect("a file system with holes");
}
