//! Runs that differ from the good one and are in order all the same: preemptions, restarts, several pods, other workers.

use lab::record::{ContainerRun, DatasetsSource, Pod, Stream, When};
use tests::evidence::TESTING;
use worker::checkpoint::Checkpoint;
use worker::model::Model;

use super::faults::{on_the_edge, shift};
use super::patient::{Patient, checkpoint, output};

/// A run that is in order.
pub struct Variation {
    /// What happened, in a sentence.
    pub what: &'static str,
    /// The change to the good record.
    pub apply: fn(&Patient),
}

/// All of them.
pub const VARIATIONS: &[Variation] = &[
    Variation {
        what: "Killed in the middle of a dataset; the next container goes on with it.",
        apply: |patient| {
            let held = [FIRST, SECOND];
            let rest = [SECOND, THIRD, LAST];
            runs(patient, &[(&begun(&held), 137, Some("SIGKILL")), (&whole(&rest), 0, None)]);
        },
    },
    Variation {
        what: "Killed, and the next one waits until the lease has run out.",
        apply: |patient| {
            let next = whole(&[SECOND, THIRD, LAST]).replacen(
                "Processing",
                "Waiting for work\nWaiting for work\nProcessing",
                1,
            );
            runs(patient, &[(&begun(&[FIRST, SECOND]), 137, Some("SIGKILL")), (&next, 0, None)]);
        },
    },
    Variation {
        what: "Killed in the middle of a line.",
        apply: |patient| {
            let torn = begun(&[FIRST, SECOND]);
            runs(
                patient,
                &[(&torn[..torn.len() - 9], 137, Some("SIGKILL")), (&whole(&[SECOND, THIRD, LAST]), 0, None)],
            );
        },
    },
    Variation {
        what: "SIGTERM gives the item back at once.",
        apply: |patient| {
            runs(
                patient,
                &[(&begun(&[FIRST]), 143, Some("SIGTERM")), (&whole(&[FIRST, SECOND, THIRD, LAST]), 0, None)],
            );
        },
    },
    Variation {
        what: "Killed between completion and the next claim: nothing is gone through again.",
        apply: |patient| {
            runs(patient, &[(&begun(&[FIRST, SECOND]), 137, Some("SIGKILL")), (&whole(&[THIRD, LAST]), 0, None)]);
        },
    },
    Variation {
        what: "Killed when all was done: the next one finds the queue empty.",
        apply: |patient| {
            let again = whole(&[]).replace("False", "True");
            runs(patient, &[(&begun(&[FIRST, SECOND, THIRD, LAST]), 137, Some("SIGKILL")), (&again, 0, None)]);
        },
    },
    Variation {
        what: "Killed twice, the second time before it had claimed anything.",
        apply: |patient| {
            let early = "Worker with sessionID: 00000000-0000-4000-8000-00000000abcd\n";
            runs(
                patient,
                &[
                    (&begun(&[FIRST, SECOND]), 137, Some("SIGKILL")),
                    (early, 137, Some("SIGKILL")),
                    (&whole(&[SECOND, THIRD, LAST]), 0, None),
                ],
            );
        },
    },
    Variation {
        what: "Two pods share the queue; one that comes late finds it empty.",
        apply: |patient| {
            let logs = [
                whole(&[FIRST, THIRD]),
                whole(&[SECOND, LAST]).replacen("Queue", "Waiting for work\nQueue", 1),
                whole(&[]).replace("False", "True"),
            ];
            pods(patient, &logs);
            patient.report(|entries| entries.swap(0, 1));
            patient.retrain(&|parent, training, testing| worker::model::train(parent, training, testing, 0).model);
        },
    },
    Variation {
        what: "Another worker's checkpoints have none of our metadata, and no lineage.",
        apply: by_another_worker,
    },
    Variation {
        what: "Another worker's model answers \"no fraud\" to everything, as the original's does.",
        apply: |patient| {
            patient.retrain(&|_, _, _| Model::untrained());
            by_another_worker(patient);
        },
    },
    Variation {
        what: "Another worker adds in another order: rows on the edge fall to the other side.",
        apply: |patient| {
            patient.retrain(&|_, _, _| on_the_edge());
            by_another_worker(patient);
            patient.report(|entries| entries[3].testing_accuracy = 9629.0 / 9651.0);
        },
    },
    Variation {
        what: "There is one day, with three frauds: too few to demand that anything be learnt.",
        apply: one_day,
    },
    Variation {
        what: "The worker's machine was in India.",
        apply: |patient| {
            let zone = jiff::Span::new().hours(5).minutes(30);
            patient.report(|entries| entries.iter_mut().for_each(|entry| shift(entry, zone)));
        },
    },
    Variation {
        what: "After a preemption another machine goes on, whose clock is two seconds behind.",
        apply: |patient| {
            let rest = whole(&[SECOND, THIRD, LAST]);
            runs(patient, &[(&begun(&[FIRST, SECOND]), 137, Some("SIGKILL")), (&rest, 0, None)]);
            patient.report(|entries| {
                entries[1..].iter_mut().for_each(|entry| shift(entry, jiff::Span::new().seconds(-2)))
            });
        },
    },
];

const FIRST: &str = "2018-04-04";
const SECOND: &str = "2018-04-03";
const THIRD: &str = "2018-04-02";
const LAST: &str = "2018-04-01";

/// As if another program had done the same: a pickle that scikit-learn wrote knows nothing of our metadata.
pub fn by_another_worker(patient: &Patient) {
    patient.summary(|summary| summary.worker = "python worker.py".into());
    for day in [FIRST, SECOND, THIRD, LAST] {
        patient.checkpoint(day, |checkpoint: &mut Checkpoint| checkpoint.metadata = None);
    }
}

/// As if the worker had sat out a Spot node's notice.
pub fn deaf_to_notice(patient: &Patient) {
    patient.summary(|summary| summary.asked.extend(["--preempt", "SIGTERM"].map(String::from)));
    let rest = whole(&[SECOND, THIRD, LAST]);
    runs(patient, &[(&begun(&[FIRST, SECOND]), 137, Some("SIGKILL")), (&rest, 0, None)]);
}

/// As if there had been one training day, with three frauds.
pub fn one_day(patient: &Patient) {
    patient.inputs(|inputs| {
        inputs.datasets = DatasetsSource::Generated { days: 1, seed: 0 };
        // The day after the only one is the test set, and the same table has the same bytes.
        inputs.files.truncate(2);
        inputs.files[1].path = TESTING.into();
    });
    patient.queue(When::Before, |queue| queue.waiting.truncate(1));
    patient.log(|_| whole(&[LAST]));
    patient.report(|entries| entries.retain(|entry| entry.dataset.starts_with(LAST)));
    [FIRST, SECOND, THIRD].iter().for_each(|day| patient.remove_output(&checkpoint(day)));
    patient.retrain(&|_, _, _| Model::untrained());
}

/// The log of a container that has begun these days.
pub fn begun(days: &[&str]) -> String {
    // Any session will do, as long as it is another one each time.
    let session = format!("00000000-0000-4000-8000-{:012x}", days.len());
    let lines: String = days.iter().map(|day| format!("Processing dataset: datasets/training/{day}.pkl\n")).collect();
    format!("Worker with sessionID: {session}\nInitial queue state: empty=False\n{lines}")
}

/// The log of a container that went through these days and came to its end.
pub fn whole(days: &[&str]) -> String {
    begun(days).replacen("8000", "9000", 1) + "Queue empty, exiting\n"
}

/// Replaces the good record's one container by several runs in the same pod: log, exit code, what preempted it.
pub fn runs(patient: &Patient, runs: &[(&str, i32, Option<&str>)]) {
    patient.job(|job| {
        let first = job.pods[0].containers[0].clone();
        let run = |(_, code, by): &(&str, i32, Option<&str>)| ContainerRun {
            exit_code: Some(*code),
            preempted_by: by.map(str::to_owned),
            ..first.clone()
        };
        job.pods[0].containers = runs.iter().map(run).collect();
    });
    let pod = patient.record.job().expect("job.json").pods[0].name.clone();
    for (number, (log, ..)) in runs.iter().enumerate() {
        let path = patient.record.log_path(&pod, number, Stream::Out);
        patient.record.set_text(&path, log).expect("a writable record");
    }
}

/// Replaces the good record's one pod by several side by side.
fn pods(patient: &Patient, logs: &[String]) {
    patient.job(|job| {
        job.parallelism = 2;
        let first = job.pods[0].clone();
        job.pods = (0..logs.len()).map(|number| Pod { name: format!("workload-{number}"), ..first.clone() }).collect();
    });
    for (number, log) in logs.iter().enumerate() {
        // The same days would give the same session.
        let log = log.replacen("00000000", &format!("{number:08x}"), 1);
        let path = patient.record.log_path(&format!("workload-{number}"), 0, Stream::Out);
        patient.record.set_text(&path, &log).expect("a writable record");
    }
}

/// Keeps the paths of both tables together.
#[test]
fn the_days_are_those_of_the_good_record() {
    for day in [FIRST, SECOND, THIRD, LAST] {
        assert!(tests::golden::dir().join("records/good").join(output(day)).is_file(), "{day}");
    }
}
