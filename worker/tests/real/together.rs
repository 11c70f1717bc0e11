//! Several workers on one queue and one share: every dataset exactly once, whoever is slow, frozen or gone.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sha2::{Digest as _, Sha256};
use worker::checkpoint::Checkpoint;
use worker::kill::KILL_POINTS;
use worker::queue::lease_key;

use crate::harness::{Stage, Worker, days, or_skip};

/// A stage with so many datasets, in turns of the four days, all in the queue.
fn stage_of(datasets: usize) -> Result<Stage, &'static str> {
    let stage = Stage::new()?;
    add(&stage, 1..=datasets);
    Ok(stage)
}

/// Lays datasets of these numbers on the share and queues them.
fn add(stage: &Stage, numbers: RangeInclusive<usize>) {
    for number in numbers {
        let day = stage.path(&format!("datasets/training/2018-04-0{}.pkl", number % 4 + 1));
        std::fs::copy(day, stage.path(&format!("datasets/training/day-{number:02}.pkl"))).unwrap();
        stage.push(&[format!("datasets/training/day-{number:02}.pkl")]);
    }
}

/// What must be true at the end of any run, however many took part: each dataset reported once, its checkpoint there
/// and nothing else, and the parent that a checkpoint names is the one on the share.
fn assert_each_once(stage: &Stage, datasets: usize, context: &str) {
    let reported = stage.reported();
    let distinct: BTreeSet<&String> = reported.iter().collect();
    assert_eq!((reported.len(), distinct.len()), (datasets, datasets), "{context}: {reported:?}");
    let output = stage.output();
    let files: BTreeSet<String> = reported.iter().map(|name| format!("model_cpt_{name}")).collect();
    let expected: BTreeSet<&str> = files.iter().map(String::as_str).chain(["report.txt"]).collect();
    assert_eq!(output.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected, "{context}");
    for file in &files {
        let checkpoint = Checkpoint::from_bytes(&output[file]).unwrap();
        if let Some(parent) = checkpoint.metadata.and_then(|metadata| metadata.parent) {
            let digest: String =
                Sha256::digest(&output[&parent.file]).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(parent.sha256, digest, "{context}: the parent of `{file}`");
        }
    }
    assert_eq!(stage.redis.keys(), [""; 0], "{context}");
}

fn run_together(workers: usize, datasets: usize) -> Result<(), &'static str> {
    let stage = stage_of(datasets)?;
    let workers: Vec<Worker> = (0..workers).map(|_| stage.start()).collect();
    let mut processed = Vec::new();
    for worker in workers {
        let finished = worker.wait();
        processed.extend(finished.assert_code(0).processed());
    }
    processed.sort();
    let expected: Vec<String> = (1..=datasets).map(|number| format!("datasets/training/day-{number:02}.pkl")).collect();
    assert_eq!(processed, expected, "each is processed by one worker, once");
    assert_each_once(&stage, datasets, "together");
    let times: Vec<String> = stage.report().entries.into_iter().map(|entry| entry.generated_on).collect();
    assert!(times.is_sorted(), "the report is in the order of completion: {times:?}");
    Ok(())
}

#[test]
fn two_workers_share_a_queue() {
    or_skip!(run_together(2, 16));
}

#[test]
fn eight_workers_share_a_queue() {
    or_skip!(run_together(8, 40));
}

/// Three of five workers are killed: should chance have it that they all die over the same dataset, it is not taken for a
/// killer yet.
fn run_with_deaths(points: [&str; 3]) -> Result<(), &'static str> {
    const DATASETS: usize = 24;
    let stage = stage_of(DATASETS)?;
    let killed: Vec<Worker> = points.iter().map(|point| stage.start_with("WORKER_KILL_AT", point)).collect();
    let others: Vec<Worker> = (0..2).map(|_| stage.start()).collect();
    for (worker, point) in killed.into_iter().zip(points) {
        // One that finds nothing left before it gets to its end finishes in good order.
        let finished = worker.wait();
        assert!(finished.status.code().is_none_or(|code| code == 0), "{point}: {}", finished.text());
    }
    for worker in others {
        worker.wait().assert_code(0);
    }
    assert_each_once(&stage, DATASETS, &format!("killed at {points:?}"));
    Ok(())
}

#[test]
fn workers_that_are_killed_share_a_queue() {
    or_skip!(run_with_deaths(["claimed:2", "renamed:3", "report-locked:2"]));
    or_skip!(run_with_deaths(["report-published:1", "checkpoint-drafted:2", "read:3"]));
}

#[test]
fn a_worker_that_wakes_after_its_time_changes_nothing() {
    let freeze = |point: &str| -> Result<(), &'static str> {
        let stage = Stage::filled()?;
        let frozen = stage.start_with("WORKER_FREEZE_AT", point);
        frozen.frozen();
        stage.run().assert_code(0);
        frozen.signal(Signal::CONT);
        frozen.wait().assert_code(0);
        stage.assert_undisturbed(&format!("frozen at {point}"));
        Ok(())
    };
    in_parallel(KILL_POINTS.iter().chain(&["renamed:2"]).map(|point| move || freeze(point)));
}

#[test]
fn two_workers_that_freeze_at_any_step_do_not_overwrite_each_other() {
    // The second one takes the first one's dataset over, and is frozen in its turn while the first one wakes.
    let freeze = |first: &str, second: &str| -> Result<(), &'static str> {
        let context = format!("frozen at {first}, then at {second}");
        let stage = Stage::filled()?;
        let one = stage.start_with("WORKER_FREEZE_AT", first);
        one.frozen();
        let two = stage.start_with("WORKER_FREEZE_AT", second);
        two.frozen();
        one.signal(Signal::CONT);
        // It finds that the dataset is not its own any more, and goes on with the next one.
        one.log("Processing dataset: datasets/training/2018-04-03.pkl");
        two.signal(Signal::CONT);
        one.wait().assert_code(0);
        two.wait().assert_code(0);
        assert_each_once(&stage, 4, &context);
        Ok(())
    };
    let first = ["checkpoint-begun", "checkpoint-drafted", "checkpoint-verified", "report-drafted", "report-verified"];
    let second = ["claimed", "read", "checkpoint-verified", "report-drafted", "report-verified"];
    let pairs = first.iter().flat_map(|first| second.iter().map(move |second| (first, second)));
    in_parallel(pairs.map(|(first, second)| move || freeze(first, second)));
}

/// Runs tests that wait more than they work, each on a stage of its own.
fn in_parallel(tests: impl Iterator<Item = impl FnOnce() -> Result<(), &'static str> + Send>) {
    let mut tests: Vec<_> = tests.collect();
    while !tests.is_empty() {
        let some = tests.split_off(tests.len().saturating_sub(16));
        let skipped: Vec<&str> = std::thread::scope(|scope| {
            let threads: Vec<_> = some.into_iter().map(|test| scope.spawn(test)).collect();
            threads.into_iter().filter_map(|thread| thread.join().expect("the message is above").err()).collect()
        });
        if let Some(reason) = skipped.first() {
            return eprintln!("skipped: {reason}");
        }
    }
}

#[test]
fn a_worker_that_starts_while_another_works_does_not_wait_for_long() {
    let stage = or_skip!(stage_of(2));
    let slow = stage.start_with("WORKER_HANG_AT", "read");
    slow.note("WORKER_HANG_AT");
    let start = Instant::now();
    let other = stage.start();
    let claimed = other.log("Processing dataset: datasets/training/day-01.pkl");
    // A heartbeat comes each third of the lease; that it comes is the sign of life.
    assert!(claimed - start < Duration::from_millis(900), "{:?}", claimed - start);
}

/// What a dead worker held is put back in its turn, however long there is other work: here there is, until it is seen back.
#[test]
fn a_worker_that_has_enough_to_do_still_puts_back_what_expired() {
    const ENOUGH: usize = 100;
    let mut datasets = ENOUGH;
    let stage = or_skip!(stage_of(datasets));
    let busy = stage.start();
    busy.log("Processing dataset: ");
    let lost = stage.start_with("WORKER_KILL_AT", "read").wait();
    lost.assert_signal(Signal::KILL);
    let item = lost.processed()[0].clone();
    let start = Instant::now();
    while stage.redis.list("datasets:processing").contains(&item) {
        assert!(start.elapsed() < Duration::from_secs(20), "`{item}` is not put back while there is other work");
        if stage.redis.list("datasets").len() < ENOUGH {
            add(&stage, datasets + 1..=datasets + ENOUGH);
            datasets += ENOUGH;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let finished = busy.wait();
    finished.assert_code(0);
    let processed = finished.processed();
    let place = processed.iter().position(|processed| *processed == item).expect("it is done in the end");
    assert!(place + 1 < processed.len(), "in its turn, not after all the others: {place} of {}", processed.len());
    assert_each_once(&stage, datasets, "one lost");
}

/// Of two datasets that want the same checkpoint, both trained before either is published, one gets it.
#[test]
fn namesakes_in_two_hands_do_not_overwrite_each_other() {
    let stage = or_skip!(Stage::new());
    let other = stage.path("datasets/other");
    std::fs::create_dir(&other).unwrap();
    std::fs::copy(stage.path(&days()[0]), other.join("2018-04-04.pkl")).unwrap();
    let namesakes = ["datasets/other/2018-04-04.pkl", &days()[3]];
    stage.push(&namesakes);
    stage.redis.ask::<String>(&["SET", "datasets:report_lock", "somebody", "EX", "60"]);
    let workers = [stage.start(), stage.start()];
    // Nobody publishes before both have a checkpoint to publish; who has renewed its claim has had one for long.
    let (begin, mut left_ms) = (Instant::now(), i64::MAX);
    loop {
        assert!(begin.elapsed() < Duration::from_secs(30), "both are at work by now");
        if let [last, _] = &stage.redis.list("datasets:processing")[..] {
            let ttl_ms = stage.redis.ask(&["PTTL", &lease_key(last.as_bytes())]);
            if ttl_ms > left_ms {
                break;
            }
            left_ms = ttl_ms;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    stage.redis.ask::<u64>(&["DEL", "datasets:report_lock"]);
    let mut codes = workers.map(|worker| worker.wait().status.code());
    codes.sort();
    assert_eq!(codes, [Some(0), Some(3)]);
    let failed: Vec<String> = stage.redis.ask(&["HKEYS", "datasets:failed"]);
    let metadata = stage.checkpoint("2018-04-04").metadata.unwrap();
    assert_eq!(stage.reported(), ["2018-04-04.pkl"]);
    assert!(failed.len() == 1 && failed[0] != metadata.path, "{failed:?}, and {} is reported", metadata.path);
    assert!(namesakes.contains(&metadata.path.as_str()));
}
