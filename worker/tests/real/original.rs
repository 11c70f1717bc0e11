//! Ours and the original on one queue: by turns, side by side, and after each other's death.

use std::io::Write as _;
use std::time::Duration;

use rustix::process::Signal;
use sha2::{Digest as _, Sha256};
use worker::checkpoint::Checkpoint;

use crate::harness::{Original, Stage, days, entry_of, or_skip};

const PAUSE: Duration = Duration::from_millis(5);

#[test]
fn the_original_finishes_what_ours_began() {
    let stage = or_skip!(Stage::filled());
    let ours = stage.start_with("WORKER_HANG_AT", "trained:3");
    ours.note("WORKER_HANG_AT");
    ours.signal(Signal::TERM);
    ours.wait().assert_code(143);
    let mut original = Original::new(&stage);
    original.run(usize::MAX, PAUSE);
    assert_eq!(original.done, [days()[1].clone(), days()[0].clone()], "the order goes on");
    assert_eq!(stage.reported(), ["2018-04-04.pkl", "2018-04-03.pkl", "2018-04-02.pkl", "2018-04-01.pkl"]);
    assert_eq!(stage.redis.keys(), [""; 0], "nothing that only ours would clean up is left");
}

#[test]
fn ours_finishes_what_the_original_began() {
    let stage = or_skip!(Stage::filled());
    Original::new(&stage).run(2, PAUSE);
    let finished = stage.run();
    finished.assert_code(0);
    assert_eq!(finished.processed(), [days()[1].clone(), days()[0].clone()]);
    assert_eq!(stage.reported(), ["2018-04-04.pkl", "2018-04-03.pkl", "2018-04-02.pkl", "2018-04-01.pkl"]);
    assert_eq!(stage.redis.keys(), [""; 0]);
    let metadata = stage.checkpoint("2018-04-02").metadata.unwrap();
    assert_eq!(metadata.parent.unwrap().file, "model_cpt_2018-04-03.pkl", "the original's checkpoint is the parent");
}

/// The checkpoint that real scikit-learn pickled, as the original does, and a report that names it, are a lineage to go
/// on from.
#[test]
fn ours_goes_on_from_a_checkpoint_that_real_scikit_learn_wrote() {
    const ORIGINAL: &[u8] = include_bytes!("../fixtures/original.pkl");
    let stage = or_skip!(Stage::new());
    let original = Original::new(&stage);
    let entry = entry_of("2018-04-04.pkl");
    std::fs::write(stage.path("output").join(&entry.checkpoint), ORIGINAL).unwrap();
    original.append(&entry);
    stage.push(&[&days()[2]]);
    stage.run().assert_code(0);

    let Checkpoint { model, metadata } = stage.checkpoint("2018-04-03");
    let metadata = metadata.unwrap();
    let digest: String = Sha256::digest(ORIGINAL).iter().map(|byte| format!("{byte:02x}")).collect();
    let parent = metadata.parent.unwrap();
    assert_eq!((parent.file.as_str(), parent.sha256), ("model_cpt_2018-04-04.pkl", digest));
    assert_eq!(metadata.depth, 2);
    // scikit-learn counts the rows that a classifier has seen; the original's four days have 38348.
    assert_eq!(model.t, 38349.0 + metadata.training.rows as f64);
    assert_eq!(stage.output()["model_cpt_2018-04-04.pkl"], ORIGINAL, "the original's own file is left as it is");
    assert_eq!(stage.reported(), ["2018-04-04.pkl", "2018-04-03.pkl"]);
}

#[test]
fn turns_of_one_dataset_each_keep_the_order() {
    let stage = or_skip!(Stage::filled());
    for turn in 0..2 {
        Original::new(&stage).run(1, PAUSE);
        let ours = stage.start_with("WORKER_HANG_AT", "completed");
        ours.note("WORKER_HANG_AT");
        ours.signal(Signal::TERM);
        ours.wait().assert_code(143);
        assert_eq!(stage.reported().len(), 2 * turn + 2);
    }
    assert_eq!(stage.reported(), ["2018-04-04.pkl", "2018-04-03.pkl", "2018-04-02.pkl", "2018-04-01.pkl"]);
    assert_eq!(stage.redis.keys(), [""; 0]);
}

#[test]
fn side_by_side_they_do_every_dataset_once() {
    const DATASETS: usize = 60;
    let stage = or_skip!(Stage::new());
    let items: Vec<String> = (1..=DATASETS).map(|number| format!("datasets/training/day-{number:02}.pkl")).collect();
    for item in &items {
        std::fs::copy(stage.path("datasets/training/2018-04-01.pkl"), stage.path(item)).unwrap();
    }
    stage.push(&items);
    let mut original = Original::new(&stage);
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(move || {
            original.run(usize::MAX, Duration::from_millis(2));
            original.done
        });
        let ours: Vec<_> = (0..2).map(|_| stage.start()).collect();
        let ours: Vec<String> = ours.into_iter().flat_map(|worker| worker.wait().assert_code(0).processed()).collect();
        (ours, theirs.join().unwrap())
    });
    println!("ours did {}, the original {}", ours.len(), theirs.len());
    let mut all: Vec<String> = ours.into_iter().chain(theirs).collect();
    all.sort();
    assert_eq!(all, items, "each exactly once");
    let mut reported = stage.reported();
    reported.sort();
    assert_eq!(reported, items.iter().map(|item| item.rsplit('/').next().unwrap()).collect::<Vec<_>>());
    assert_eq!(stage.redis.keys(), [""; 0]);
}

#[test]
fn what_the_original_appends_while_ours_replaces_the_report_is_not_lost() {
    for point in ["report-drafted", "report-verified", "renamed:2", "report-published", "report-unlocked", "claimed:2"]
    {
        let stage = or_skip!(Stage::filled());
        let original = Original::new(&stage);
        let ours = stage.start_with("WORKER_FREEZE_AT", point);
        ours.frozen();
        // The original has the file open from before, or opens it now: it looks the same to it.
        original.append(&entry_of("other.pkl"));
        ours.signal(Signal::CONT);
        ours.wait().assert_code(0);
        let mut reported = stage.reported();
        reported.sort();
        let expected = ["2018-04-01.pkl", "2018-04-02.pkl", "2018-04-03.pkl", "2018-04-04.pkl", "other.pkl"];
        assert_eq!(reported, expected, "{point}");
    }
}

/// One who has opened the report before it was replaced may write to it when it has been replaced again.
#[test]
fn what_the_original_appends_to_a_report_of_long_ago_is_not_lost() {
    let stage = or_skip!(Stage::filled());
    let original = Original::new(&stage);
    let mut report = original.open_report();
    let ours = stage.start_with("WORKER_FREEZE_AT", "claimed:4");
    ours.frozen();
    report.write_all(entry_of("other.pkl").to_string().as_bytes()).unwrap();
    ours.signal(Signal::CONT);
    ours.wait().assert_code(0);
    let mut reported = stage.reported();
    reported.sort();
    assert_eq!(reported, ["2018-04-01.pkl", "2018-04-02.pkl", "2018-04-03.pkl", "2018-04-04.pkl", "other.pkl"]);
}

/// Nor is what it appends when ours has published its last entry, and has no other one to publish it with.
#[test]
fn what_the_original_appends_after_the_last_entry_is_not_lost() {
    let stage = or_skip!(Stage::filled());
    let mut report = Original::new(&stage).open_report();
    let ours = stage.start_with("WORKER_FREEZE_AT", "completed:4");
    ours.frozen();
    report.write_all(entry_of("other.pkl").to_string().as_bytes()).unwrap();
    ours.signal(Signal::CONT);
    ours.wait().assert_code(0);
    assert_eq!(stage.reported().last().map(String::as_str), Some("other.pkl"));
}

/// The original was killed over an entry, and started again.
#[test]
fn a_report_that_the_original_tore_in_the_middle_is_gone_on_from() {
    let stage = or_skip!(Stage::filled());
    let mut original = Original::new(&stage);
    let torn = entry_of("2018-04-04.pkl").to_string();
    original.open_report().write_all(&torn.as_bytes()[..100]).unwrap();
    original.append(&entry_of("earlier.pkl"));
    original.run(1, PAUSE);
    let finished = stage.run();
    finished.assert_code(0);
    assert_eq!(
        stage.reported(),
        ["earlier.pkl", "2018-04-04.pkl", "2018-04-03.pkl", "2018-04-02.pkl", "2018-04-01.pkl"]
    );
    let note = "worker: the report has 100 bytes of torn entries, which are left out";
    assert!(finished.notes.iter().any(|line| line == note), "{:?}", finished.notes);
}

#[test]
fn an_original_that_died_between_the_two_halves_of_its_claim_loses_nothing() {
    let stage = or_skip!(Stage::filled());
    Original::new(&stage).pop();
    let finished = stage.run();
    finished.assert_code(0);
    assert_eq!(
        finished.processed(),
        [3, 2, 1, 0].map(|day| days()[day].clone()),
        "it goes back to its place, and is first"
    );
    stage.assert_undisturbed("an orphan");
}

#[test]
fn an_original_that_died_with_a_lease_loses_nothing() {
    let stage = or_skip!(Stage::filled());
    let mut original = Original::new(&stage);
    let item = original.pop().unwrap();
    original.lease(&item, 1);
    let finished = stage.run();
    finished.assert_code(0);
    assert_eq!(finished.processed(), [3, 2, 1, 0].map(|day| days()[day].clone()));
    stage.assert_undisturbed("an expired lease");
}

#[test]
fn an_original_that_is_between_the_two_halves_of_its_claim_is_left_alone() {
    let stage = or_skip!(Stage::filled());
    let mut original = Original::new(&stage);
    let item = original.pop().unwrap();
    let ours = stage.start();
    // As long as it takes a starved process to get from one command to the next.
    std::thread::sleep(Duration::from_millis(300));
    original.lease(&item, 20);
    original.work(&item, PAUSE);
    original.complete(&item);
    let finished = ours.wait();
    finished.assert_code(0);
    assert_eq!(finished.processed(), [2, 1, 0].map(|day| days()[day].clone()), "not the one that the original had");
    assert_eq!(stage.reported().len(), 4);
}

/// The original was slow to append: its dataset was taken from it meanwhile, trained anew and reported.
#[test]
fn an_entry_that_comes_late_does_not_replace_a_newer_one() {
    let stage = or_skip!(Stage::filled());
    let mut report = Original::new(&stage).open_report();
    let ours = stage.start_with("WORKER_FREEZE_AT", "claimed:3");
    ours.frozen();
    report.write_all(entry_of("2018-04-04.pkl").to_string().as_bytes()).unwrap();
    ours.signal(Signal::CONT);
    ours.wait().assert_code(0);
    stage.assert_undisturbed("an entry that came late");
}
