//! SIGKILL at every step: whatever instant it hits, the end is that of a run that nobody disturbed.

use std::time::Duration;

use rustix::process::Signal;
use worker::kill::KILL_POINTS;

use crate::harness::{Stage, Worker, days, or_skip};

/// Runs the four days with a SIGKILL at a point, then as many workers as it takes, and looks at the end.
fn kill_at(point: &str) -> Result<(), &'static str> {
    let stage = Stage::filled()?;
    let killed = stage.start_with("WORKER_KILL_AT", point).wait();
    killed.assert_signal(Signal::KILL);
    let next = stage.run();
    next.assert_code(0);
    stage.assert_undisturbed(point);
    // The one that was in hand comes first again; only one that was completed does not come at all.
    let last = killed.processed().pop().expect("a claim before the kill");
    let is_ended = point.starts_with("completed");
    assert_eq!(next.processed().first() == Some(&last), !is_ended, "{point}: {:?}", next.processed());
    Ok(())
}

/// All points at once, each with its own Redis and share: most of their time is waiting for a lease to end.
fn kill_at_all(points: impl Iterator<Item = String>) {
    let threads: Vec<_> = points.map(|point| std::thread::spawn(move || kill_at(&point))).collect();
    for thread in threads {
        or_skip!(thread.join().expect("the point's own message is above"));
    }
}

#[test]
fn a_kill_at_any_step_of_the_first_dataset_changes_nothing() {
    kill_at_all(KILL_POINTS.iter().map(|name| name.to_string()));
}

#[test]
fn a_kill_at_any_step_of_a_later_dataset_changes_nothing() {
    // `renamed` is passed twice a dataset: with the checkpoint and with the report.
    let later =
        KILL_POINTS.iter().map(|name| if *name == "renamed" { "renamed:5".into() } else { format!("{name}:3") });
    kill_at_all(later.chain(["renamed:2".into(), "renamed:6".into()]));
}

/// What lies between the named steps is no safer than they are: a worker is killed ever later, until one is done before.
#[test]
fn a_kill_at_any_instant_changes_nothing() {
    const STEP: Duration = Duration::from_millis(2);
    const LANES: u32 = 4;
    const MOST_IN_A_LANE: u32 = 16;
    let kill_after = |delay: Duration| -> Result<bool, &'static str> {
        let stage = Stage::filled()?;
        let worker = stage.start();
        std::thread::sleep(delay);
        worker.signal(Signal::KILL);
        let was_killed = worker.wait().status.code().is_none();
        stage.run().assert_code(0);
        stage.assert_undisturbed(&format!("killed after {delay:?}"));
        Ok(was_killed)
    };
    let kill_ever_later = |lane: u32| -> Result<u32, &'static str> {
        let mut kills = 0;
        while kills < MOST_IN_A_LANE && kill_after(STEP * (lane + LANES * kills))? {
            kills += 1;
        }
        Ok(kills)
    };
    let kills: Vec<_> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|lane| scope.spawn(move || kill_ever_later(lane))).collect();
        lanes.into_iter().map(|lane| lane.join().expect("the instant's own message is above")).collect()
    });
    for kills in kills {
        let kills = or_skip!(kills);
        println!("{kills} kills in this lane");
        assert!(kills > 1, "a worker takes longer than this from its start to its end");
    }
}

#[test]
fn kills_in_a_row_change_nothing() {
    let stage = or_skip!(Stage::filled());
    for point in ["trained", "checkpoint-published", "report-published", "completed:2", "claimed", "report-locked:2"] {
        stage.start_with("WORKER_KILL_AT", point).wait().assert_signal(Signal::KILL);
    }
    stage.run().assert_code(0);
    stage.assert_undisturbed("kills in a row");
}

#[test]
fn a_dataset_that_kills_its_workers_is_set_aside_in_the_end() {
    let stage = or_skip!(Stage::filled());
    for _ in 0..4 {
        stage.start_with("WORKER_KILL_AT", "checkpoint-drafted").wait().assert_signal(Signal::KILL);
        // Nobody waits for the lease in this test.
        for key in stage.redis.keys().iter().filter(|key| key.starts_with("datasets:leased")) {
            stage.redis.ask::<u64>(&["DEL", key]);
        }
    }
    let last = stage.run();
    last.assert_code(3);
    assert_eq!(
        stage.redis.ask::<Vec<String>>(&["HGETALL", "datasets:failed"]),
        ["datasets/training/2018-04-04.pkl", "it was claimed 4 times and never finished"]
    );
    assert_eq!(stage.redis.keys(), ["datasets:failed"]);
    assert_eq!(stage.reported(), ["2018-04-03.pkl", "2018-04-02.pkl", "2018-04-01.pkl"]);
    assert!(stage.output().keys().all(|name| !name.ends_with(".tmp")), "no draft is left: {:?}", stage.output().keys());
}

/// Workers that died over a dataset that the report has died while they brought it to its end: that is no dead letter.
#[test]
fn a_dataset_that_is_done_is_no_dead_letter() {
    let stage = or_skip!(Stage::filled());
    for point in ["report-published", "claimed", "claimed", "claimed", "claimed"] {
        stage.start_with("WORKER_KILL_AT", point).wait().assert_signal(Signal::KILL);
        for key in stage.redis.keys().iter().filter(|key| key.starts_with("datasets:leased")) {
            stage.redis.ask::<u64>(&["DEL", key]);
        }
    }
    stage.run().assert_code(0);
    stage.assert_undisturbed("killed again and again once it was reported");
}

/// What an earlier training has left of a dataset, its entry in the report among it, is not taken for this one's.
#[test]
fn a_kill_over_datasets_that_were_reported_before_changes_nothing() {
    let again = |stage: &Stage, point: &str| {
        stage.start().wait().assert_code(0);
        stage.push(&days());
        let command = || {
            let mut command = stage.command();
            command.env("WORKER_SEED", "7");
            command
        };
        if !point.is_empty() {
            Worker::start(command().env("WORKER_KILL_AT", point)).wait().assert_signal(Signal::KILL);
        }
        Worker::start(&mut command()).wait().assert_code(0);
        let mut output = stage.output();
        output.remove("report.txt");
        (stage.reported(), output)
    };
    let undisturbed = again(&or_skip!(Stage::filled()), "");
    for point in
        ["checkpoint-published", "report-locked", "report-published", "checkpoint-published:3", "report-drafted:4"]
    {
        let stage = or_skip!(Stage::filled());
        assert!(again(&stage, point) == undisturbed, "{point}: {:?}", stage.reported());
    }
}

/// Its first worker was killed over the report, and then its file was taken away.
#[test]
fn a_dataset_that_is_set_aside_leaves_no_draft() {
    let stage = or_skip!(Stage::new());
    stage.push(&days()[..1]);
    stage.start_with("WORKER_KILL_AT", "report-drafted").wait().assert_signal(Signal::KILL);
    std::fs::remove_file(stage.path(&days()[0])).unwrap();
    stage.run().assert_code(3);
    let output = stage.output();
    let drafts: Vec<_> = output.keys().filter(|name| name.starts_with('.')).collect();
    assert!(drafts.is_empty(), "{drafts:?}");
}
