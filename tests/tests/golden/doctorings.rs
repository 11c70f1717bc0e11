//! The table of doctorings: how each bad record is made from the good one, by one change.
//!
//! A bad record is called `bad-JUDGE-CAUSE`, with a variant behind it where there are two of a kind.

use lab::record::{Outcome, When};
use worker::model::{self, AMOUNT, Model};

use super::patient::{Patient, checkpoint, output};
use super::variations::{runs, whole};

/// One bad record.
pub struct Doctoring {
    /// The judge that must object.
    pub judge: &'static str,
    /// The cause that it must name.
    pub cause: &'static str,
    /// Which of several records of this kind, or nothing.
    pub variant: &'static str,
    /// What happened, in a sentence.
    pub what: &'static str,
    /// The change.
    pub apply: fn(&Patient),
}

impl Doctoring {
    /// The record's directory below `golden/records`.
    pub fn name(&self) -> String {
        let variant = if self.variant.is_empty() { String::new() } else { format!("-{}", self.variant) };
        format!("bad-{}-{}{variant}", self.judge, self.cause)
    }
}

macro_rules! table {
    ($($judge:literal $cause:literal $variant:literal $what:literal $apply:expr;)*) => {
        &[$(Doctoring { judge: $judge, cause: $cause, variant: $variant, what: $what, apply: $apply }),*]
    };
}

/// The four days of the good record.
const FIRST: &str = "2018-04-04";
const SECOND: &str = "2018-04-03";
const THIRD: &str = "2018-04-02";
const LAST: &str = "2018-04-01";

/// Every bad record.
pub const DOCTORINGS: &[Doctoring] = table! {
    "record" "unfinished-run" "" "The lab was killed after the Job." |patient| patient.summary(|summary| {
        summary.ended = None;
        summary.outcome = Outcome::Interrupted;
    });
    "record" "queue-livelock" "" "The worker died with a claim, and the next one waited for it without end." queue_livelock;
    "record" "missing-evidence" "" "What became of the Job was not written down." |patient| patient.remove("job.json");
    "record" "failed-step" "" "A step failed, and the run was called finished." |patient| patient.text("steps.jsonl", |text| {
        text.replacen("\"error\":null", "\"error\":\"failed to reach Redis\"", 1)
    });
    "record" "skipped-step" "" "The queue was never filled by the step that does it." |patient| patient.text("steps.jsonl", |text| {
        text.lines().filter(|line| !line.contains("\"name\":\"queue\"")).map(|line| format!("{line}\n")).collect()
    });
    "record" "unknown-schema" "" "A later version wrote the record." |patient| patient.summary(|summary| summary.schema += 1);

    "inputs" "digest-mismatch" "" "A training day had other bytes than the simulator gives it." |patient| patient.inputs(|inputs| {
        inputs.files[1].sha256 = format!("{:064x}", 0xbad);
    });
    "inputs" "wrong-inputs" "" "Five days were asked for and four went in." |patient| patient.inputs(|inputs| {
        inputs.datasets = lab::record::DatasetsSource::Generated { days: 5, seed: 0 };
    });

    "job" "exit-code" "" "The container failed once all was done." |patient| patient.job(|job| {
        job.pods[0].containers[0].exit_code = Some(1);
    });
    "job" "exit-code" "oom" "Something that was not the lab killed the container." |patient| patient.job(|job| {
        job.pods[0].containers[0].exit_code = Some(137);
    });
    "job" "exit-code" "aside" "The worker says that it set something aside, and the queue knows of nothing." |patient| patient.job(|job| {
        job.pods[0].containers[0].exit_code = Some(3);
    });
    "job" "job-not-complete" "" "The Job gave up." |patient| patient.job(|job| {
        job.condition = Some("Failed".into());
        job.reason = Some("BackoffLimitExceeded".into());
    });
    "job" "container-still-running" "" "The container outlived its Job." |patient| patient.job(|job| {
        let container = &mut job.pods[0].containers[0];
        (container.ended, container.exit_code) = (None, None);
    });

    "queue" "wrong-queue" "" "The queue still had a lease of an earlier run." |patient| patient.queue(When::Before, |queue| {
        queue.keys.push(lease(LAST));
        queue.leases.insert(lease(LAST), (SESSION.into(), 12_000));
    });
    "queue" "lost-dataset" "" "An item left the queue and was never worked on." |patient| {
        forget(patient, THIRD);
        patient.log_lines(|lines| lines.retain(|line| !line.contains(THIRD)));
    };
    "queue" "stuck-in-processing" "" "The last item was claimed and never completed." |patient| {
        forget(patient, LAST);
        hold(patient, LAST);
    };
    "queue" "still-waiting" "" "The worker left before the last item." |patient| {
        forget(patient, LAST);
        patient.log_lines(|lines| lines.retain(|line| !line.contains(LAST)));
        patient.queue(When::After, |queue| {
            queue.waiting.push(item(LAST));
            queue.keys.push("datasets".into());
        });
    };
    "queue" "dataset-twice" "" "A completed item was given back and waits again." |patient| patient.queue(When::After, |queue| {
        queue.waiting.push(item(SECOND));
        queue.keys.push("datasets".into());
    });
    "queue" "unknown-dataset" "" "Somebody pushed another item meanwhile." |patient| patient.queue(When::After, |queue| {
        queue.waiting.push(item("2019-01-01"));
        queue.keys.push("datasets".into());
    });
    "queue" "set-aside-dataset" "" "The last day's file was cut off: the worker says so by its exit code, and the next one finds nothing to do." |patient| {
        forget(patient, LAST);
        let again = whole(&[]).replace("False", "True");
        runs(patient, &[(&whole(&[FIRST, SECOND, THIRD, LAST]), 3, None), (&again, 0, None)]);
        patient.queue(When::After, |queue| {
            queue.failed.insert(item(LAST), "failed to read the table: the file ends in the middle of a value".into());
            queue.keys.push("datasets:failed".into());
        });
    };
    "queue" "stray-key" "" "A lease outlived its item." |patient| patient.queue(When::After, |queue| {
        queue.keys.push(lease(LAST));
        queue.leases.insert(lease(LAST), (SESSION.into(), 18_500));
    });

    "log" "log-out-of-order" "" "Two datasets changed places." |patient| patient.log_lines(|lines| lines.swap(3, 4));
    "log" "unexpected-log-line" "" "A diagnostic got onto standard output." |patient| patient.log_lines(|lines| {
        lines.insert(3, "warning: 5 rows skipped".into());
    });
    "log" "unexpected-log-line" "wait" "The only worker waited although nobody else held anything." |patient| patient.log_lines(|lines| {
        lines.insert(5, "Waiting for work".into());
    });
    "log" "unexpected-log-line" "state" "The worker took a full queue for an empty one." |patient| patient.log(|text| {
        text.replace("empty=False", "empty=True")
    });
    "log" "log-cut-off" "" "The last line never came out." |patient| patient.log_lines(|lines| lines.truncate(lines.len() - 1));
    "log" "dataset-twice" "" "A dataset was gone through again." |patient| patient.log_lines(|lines| lines.insert(4, lines[2].clone()));
    "log" "lost-dataset" "" "A dataset was reported and never gone through." |patient| {
        patient.log_lines(|lines| lines.retain(|line| !line.contains(THIRD)));
    };
    "log" "unknown-dataset" "" "Something was gone through that was never queued." |patient| patient.log(|text| {
        text.replace("Queue empty", "Processing dataset: datasets/training/2019-01-01.pkl\nQueue empty")
    });
    "log" "session-twice" "" "A second container called itself by the first one's name." |patient| {
        let log = patient.record.log_path(&patient.record.job().expect("job.json").pods[0].name, 1, lab::record::Stream::Out);
        let mut session = String::new();
        patient.log(|text| {
            session = text.lines().next().unwrap_or_default().to_owned();
            text.to_owned()
        });
        patient.record.set_text(&log, &format!("{session}\nInitial queue state: empty=True\nQueue empty, exiting\n")).expect("a writable record");
        patient.job(|job| {
            let again = job.pods[0].containers[0].clone();
            job.pods[0].containers.push(again);
        });
    };

    "listing" "stray-temporary-file" "" "A worker was killed while it published, and nobody cleaned up." |patient| {
        patient.add_output(&format!(".model_cpt_{THIRD}.pkl.{SESSION}.tmp"), "half of a checkpoint");
    };
    "listing" "stray-file" "" "The worker left a file of its own." |patient| {
        patient.add_output("metrics.json", "{}\n");
    };
    "listing" "missing-file" "" "A checkpoint that the report names is not there." |patient| patient.remove_output(&checkpoint(LAST));
    "listing" "missing-file" "report" "There is no report." |patient| patient.remove_output("report.txt");
    "listing" "wrong-listing" "" "The listing is that of another run." |patient| patient.text("listing.txt", |text| {
        text.replace(LAST, "2018-04-05")
    });

    "report" "torn-report" "" "The report was cut off while it was written." |patient| patient.text("output/report.txt", |text| {
        text[..text.len() - 60].to_owned()
    });
    "report" "torn-report" "interleaved" "Two workers appended at once." |patient| patient.text("output/report.txt", |text| {
        let mut lines: Vec<_> = text.lines().collect();
        lines[12..20].rotate_right(4);
        lines.iter().map(|line| format!("{line}\n")).collect()
    });
    "report" "malformed-report" "" "A figure was written with a decimal comma." |patient| patient.text("output/report.txt", |text| {
        text.replacen("training data: 0.", "training data: 0,", 1)
    });
    "report" "dataset-twice" "" "A dataset was reported again after a restart." |patient| patient.report(|entries| entries.push(entries[3].clone()));
    "report" "lost-dataset" "" "An entry was overwritten by another one's." |patient| patient.report(|entries| {
        entries.remove(1);
    });
    "report" "report-out-of-order" "" "Two entries changed places." |patient| patient.report(|entries| entries.swap(1, 2));
    "report" "wrong-checkpoint-name" "" "An entry names the checkpoint of the day before." |patient| patient.report(|entries| {
        entries[1].checkpoint = entries[0].checkpoint.clone();
    });
    "report" "stale-report" "" "An entry comes from a run of the year before." |patient| patient.report(|entries| {
        entries[0].generated_on = "2022-02-09 14:19:42.303619".into();
    });
    "report" "unknown-dataset" "" "There is an entry for a dataset that was never queued." |patient| patient.report(|entries| {
        let mut entry = entries[3].clone();
        (entry.dataset, entry.checkpoint) = ("2019-01-01.pkl".into(), "model_cpt_2019-01-01.pkl".into());
        entries.push(entry);
    });

    "checkpoints" "unreadable-checkpoint" "" "A checkpoint was cut off while it was written." |patient| patient.bytes(&output(SECOND), |mut bytes| {
        bytes.truncate(bytes.len() / 2);
        bytes
    });
    "checkpoints" "wrong-checkpoint-bytes" "" "A checkpoint was overwritten by its child." |patient| {
        let child = fs_err::read(patient.record.dir().join(output(THIRD))).expect("a checkpoint");
        patient.bytes(&output(SECOND), |_| child);
    };
    "checkpoints" "wrong-checkpoint-bytes" "bit" "One bit of the last model was flipped." |patient| {
        let mut number = [0; 8];
        patient.checkpoint(LAST, |checkpoint| number = checkpoint.model.coef[1][AMOUNT].to_le_bytes());
        patient.bytes(&output(LAST), |mut bytes| {
            let at = bytes.windows(8).position(|window| window == number).expect("the number is in the file");
            bytes[at] ^= 1;
            bytes
        });
    };
    "checkpoints" "wrong-checkpoint-bytes" "damage" "A byte of the last checkpoint was damaged that is none of its model's." |patient| patient.bytes(&output(LAST), |mut bytes| {
        let at = bytes.windows(5).position(|window| window == b"hinge").expect("the name of the loss is in the file");
        bytes[at] ^= 1;
        bytes
    });
    "checkpoints" "wrong-checkpoint-bytes" "parent" "A checkpoint was trained again after its child was." |patient| patient.checkpoint(FIRST, |checkpoint| {
        checkpoint.model.t += 1.0;
    });
    "checkpoints" "wrong-parent" "" "A restarted worker began from nothing." |patient| patient.checkpoint(LAST, |checkpoint| {
        let metadata = checkpoint.metadata.as_mut().expect("our checkpoint");
        (metadata.parent, metadata.depth) = (None, 1);
    });
    "checkpoints" "wrong-parent" "depth" "A checkpoint miscounts its lineage." |patient| patient.checkpoint(LAST, |checkpoint| {
        checkpoint.metadata.as_mut().expect("our checkpoint").depth = 7;
    });
    "checkpoints" "wrong-seed" "" "The last model was trained with another seed." |patient| patient.checkpoint(LAST, |checkpoint| {
        checkpoint.metadata.as_mut().expect("our checkpoint").seed += 1;
    });
    "checkpoints" "digest-mismatch" "" "The last dataset was changed while it was trained on." |patient| patient.checkpoint(LAST, |checkpoint| {
        checkpoint.metadata.as_mut().expect("our checkpoint").dataset_sha256 = format!("{:064x}", 0xbad);
    });
    "checkpoints" "wrong-accuracy" "" "The report claims a better model than there is." |patient| patient.report(|entries| {
        entries[3].testing_accuracy = 1.0;
    });
    "checkpoints" "wrong-figures" "" "The metadata claims a better model than there is." |patient| patient.checkpoint(LAST, |checkpoint| {
        checkpoint.metadata.as_mut().expect("our checkpoint").testing.auc = Some(1.0);
    });

    "thresholds" "constant-model" "" "The model learnt nothing: it always answers \"no fraud\", and its accuracy is the tutorial's." |patient| {
        patient.retrain(&|_, _, _| Model::untrained());
    };
    "thresholds" "constant-model" "fraud" "The model learnt nothing: it always answers \"fraud\"." |patient| patient.retrain(&|_, _, _| {
        let mut model = Model::untrained();
        model.intercept = [0.0, 1.0, 0.0, 0.0];
        model
    });
    "thresholds" "below-threshold" "" "The model sees only the largest frauds." |patient| patient.retrain(&|_, _, _| amount_above(700.0));
    "thresholds" "below-threshold" "precision" "The model cries fraud at every larger amount." |patient| patient.retrain(&|_, _, _| amount_above(80.0));
};

const SESSION: &str = "5f0f8b1c-6a55-4f5e-9d5b-0c1f6f7a2e11";

fn lease(day: &str) -> String {
    worker::queue::lease_key(item(day).as_bytes())
}

fn item(day: &str) -> String {
    format!("datasets/training/{day}.pkl")
}

/// As if the dataset had never been trained on.
fn forget(patient: &Patient, day: &str) {
    patient.report(|entries| entries.retain(|entry| !entry.dataset.starts_with(day)));
    patient.remove_output(&checkpoint(day));
}

/// As if the dataset's claim were still held.
fn hold(patient: &Patient, day: &str) {
    patient.queue(When::After, |queue| {
        queue.processing.push(item(day));
        queue.keys.push("datasets:processing".into());
    });
}

fn queue_livelock(patient: &Patient) {
    forget(patient, LAST);
    hold(patient, LAST);
    patient.log_lines(|lines| lines.truncate(lines.len() - 1));
    patient.job(|job| {
        job.condition = None;
        let container = &mut job.pods[0].containers[0];
        container.exit_code = Some(137);
        container.preempted_by = Some("SIGKILL".into());
        let again = lab::record::ContainerRun { exit_code: None, ended: None, preempted_by: None, ..container.clone() };
        job.pods[0].containers.push(again);
    });
    let pod = patient.record.job().expect("job.json").pods[0].name.clone();
    let log = patient.record.log_path(&pod, 1, lab::record::Stream::Out);
    let text = format!(
        "Worker with sessionID: {SESSION}\nInitial queue state: empty=False\n{}",
        "Waiting for work\n".repeat(12)
    );
    patient.record.set_text(&log, &text).expect("a writable record");
    let error = format!(
        "failed to finish the queue: `{}` has been in `datasets:processing` for 25 s without a lease, and no worker gives it back; its \
         claimer is gone: {pod} ended with code 137 after SIGKILL",
        item(LAST)
    );
    patient.text("steps.jsonl", |text| {
        let fails = |line: &str| line.replace("\"error\":null", &format!("\"error\":\"{error}\""));
        text.lines().map(|line| if line.contains("\"watch\"") { fails(line) } else { line.into() } + "\n").collect()
    });
    patient.summary(|summary| {
        summary.outcome = Outcome::Failed {
            step: "watch".into(),
            cause: "queue-livelock".into(),
            error,
            remedy: "give the worker a reaper: whoever looks for work must move items whose lease has expired back to `datasets`".into(),
        }
    });
}

/// A model that calls every larger amount a fraud of scenario 1.
fn amount_above(limit: f64) -> Model {
    let mut model = Model::untrained();
    model.coef = [[0.0; model::FEATURES]; model::CLASSES];
    model.coef[1][AMOUNT] = 1.0;
    model.intercept = [0.0, -limit, -1e9, -1e9];
    model
}
