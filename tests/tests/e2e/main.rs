//! The whole flow on target `local`, from the program `lab` to the verdict: with our worker, undisturbed and preempted,
//! and with a double of the original, whose flaws must be found by name.

mod ends;
mod github;
mod harness;

use harness::{Place, original, real_datasets};

/// The tutorial on generated days is green.
#[test]
fn generated_days_are_green() {
    let place = or_skip!(Place::new());
    place.e2e(&[]).assert_green();
}

/// The tutorial on its own five files is green, by the same thresholds.
#[test]
fn the_tutorials_own_files_are_green() {
    let place = or_skip!(Place::new());
    let datasets = or_skip!(real_datasets());
    place.e2e(&["--datasets", datasets.to_str().expect("UTF-8")]).assert_green();
}

/// Another world of the simulator, with more days than the tutorial's, is green.
#[test]
fn other_days_are_green() {
    let place = or_skip!(Place::new());
    place.e2e(&["--days", "6", "--seed", "3"]).assert_green();
}

/// Several pods at a time go through every dataset once.
#[test]
fn two_pods_are_green() {
    let place = or_skip!(Place::new());
    place.e2e(&["--parallelism", "2", "--days", "8"]).assert_green();
}

/// A worker that is killed without warning in the middle of a dataset leaves the same checkpoints, to the byte.
#[test]
fn a_preempted_worker_ends_where_an_undisturbed_one_does() {
    let place = or_skip!(Place::new());
    let undisturbed = place.e2e(&[]);
    undisturbed.assert_green();
    for signal in ["SIGKILL", "SIGTERM"] {
        let preempted = place.e2e(&["--lease-s", "2", "--preempt", signal]);
        preempted.assert_green();
        let job = preempted.record.job().expect("job.json");
        let signals: Vec<_> =
            job.pods.iter().flat_map(|pod| &pod.containers).filter_map(|run| run.preempted_by.as_deref()).collect();
        assert_eq!(signals, [signal]);
        assert!(undisturbed.checkpoints() == preempted.checkpoints(), "{signal} changed the checkpoints");
    }
}

/// A dataset that cannot be read is set aside by name, the others are finished, and the run is red.
#[test]
fn an_unreadable_dataset_is_set_aside() {
    let place = or_skip!(Place::new());
    let datasets = place.torn_datasets();
    let ended = place.e2e(&["--datasets", datasets.to_str().expect("UTF-8"), "--job-time-scale", "0.01"]);
    ended.assert_red(6, "set-aside-dataset");
    let [finding] = &ended.verdict.findings[..] else { panic!("more than that: {:#?}", ended.verdict.findings) };
    assert!(finding.message.contains("datasets/training/2018-04-02.pkl"), "{finding:?}");
    assert_eq!(ended.checkpoints().len(), 2);
}

/// What the original promises it keeps while nothing goes wrong: it is green. How good its model is, is not asked.
#[test]
fn the_original_undisturbed_is_green() {
    let place = or_skip!(Place::new());
    let ended = place.e2e(&["--worker-cmd", original()]);
    ended.assert_green();
    assert_ne!(ended.record.summary().expect("record.json").worker, "rust");
    let [note] = &ended.verdict.notes[..] else { panic!("not one note: {:#?}", ended.verdict.notes) };
    assert!(note.judge == "thresholds" && note.message.contains("another worker's model"), "{note:?}");
    assert!(ended.said.contains(r#""notes":[{"judge":"thresholds""#), "a machine is told, too: {}", ended.said);
}

/// The original killed once waits for its own lost claim without end: the verdict says so by name, and which item.
#[test]
fn the_original_killed_is_a_livelock() {
    let place = or_skip!(Place::new());
    // Slow enough to be hit in the middle of a dataset; a short lease, so that the test need not wait for twenty seconds.
    let slow = [("ORIGINAL_STEP_MS", "300"), ("ORIGINAL_LEASE_S", "1")];
    let ended = place.e2e_with(&["--worker-cmd", original(), "--preempt", "SIGKILL", "--lease-s", "1"], &slow);
    ended.assert_red(5, "queue-livelock");
    let stuck = ended.verdict.findings.iter().find(|finding| finding.cause == "stuck-in-processing");
    assert!(stuck.is_some_and(|stuck| stuck.message.contains("2018-04-03")), "{:#?}", ended.verdict.findings);
}
