//! A lab that is killed: at every step that leaves something behind and at any instant, `up`, `down` and `gc` typed
//! afterwards each come to the end that an undisturbed one has.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use lab::kill_point::KILL_POINTS;

use crate::harness::{Place, or_skip, wait_until};

/// Rounds of a test that kills at random instants.
const ROUNDS: usize = 25;

/// `up` killed at each of its steps and typed again converges.
#[test]
fn up_finishes_what_a_kill_cut_off() {
    let place = or_skip!(Place::new());
    for point in or_skip!(points()) {
        kill_at(&place, point);
        place.run(&["up"]).assert_code(0);
        place.assert_up("default", point);
        place.run(&["down"]).assert_code(0);
        place.assert_nothing_is_left(point);
    }
}

/// `down` after a kill at each step leaves nothing, whether it was `up` or `down` that was killed.
#[test]
fn down_removes_what_a_kill_left() {
    let place = or_skip!(Place::new());
    for point in or_skip!(points()) {
        kill_at(&place, point);
        place.run(&["down"]).assert_code(0);
        place.assert_nothing_is_left(point);
    }
}

/// `gc` after a kill at each step leaves nothing, or, where `up` had come to its end, the lab.
#[test]
fn gc_removes_what_a_kill_left() {
    let place = or_skip!(Place::new());
    for point in or_skip!(points()) {
        kill_at(&place, point);
        place.run(&["gc"]).assert_code(0);
        if point == "up-done" {
            place.assert_up("default", point);
            place.run(&["down"]).assert_code(0);
        }
        place.assert_nothing_is_left(point);
    }
}

/// `up` killed again and again at random instants, each time on top of what the last kill left, still converges.
#[test]
fn up_survives_kills_at_any_instant() {
    let place = or_skip!(Place::new());
    let undisturbed = place.run(&["up"]);
    undisturbed.assert_code(0);
    let mut delays = Vec::new();
    for _ in 0..ROUNDS {
        place.run(&["down"]).assert_code(0);
        for _ in 0..3 {
            delays.push(random_below(undisturbed.seconds * 1.2));
            place.start(place.command(&["up"])).kill_after(delays[delays.len() - 1]);
        }
        let when = format!("after kills at {delays:?}");
        let said = place.run(&["up"]);
        assert_eq!(said.code(), 0, "{when}: {}", said.err);
        place.assert_up("default", &when);
    }
    place.run(&["down"]).assert_code(0);
    place.assert_nothing_is_left("after the last round");
}

/// `down` killed at random instants and typed again leaves nothing.
#[test]
fn down_survives_kills_at_any_instant() {
    let place = or_skip!(Place::new());
    place.run(&["up"]).assert_code(0);
    let undisturbed = place.run(&["down"]);
    let mut delays = Vec::new();
    for _ in 0..ROUNDS {
        place.run(&["up"]).assert_code(0);
        delays.push(random_below(undisturbed.seconds * 1.2));
        place.start(place.command(&["down"])).kill_after(delays[delays.len() - 1]);
        let when = format!("after kills at {delays:?}");
        let said = place.run(&["down"]);
        assert_eq!(said.code(), 0, "{when}: {}", said.err);
        place.assert_nothing_is_left(&when);
    }
}

/// A whole `e2e` killed at a random instant takes its worker with it and leaves a record that can be read; typed again
/// it is green.
#[test]
fn e2e_survives_kills_at_any_instant() {
    let place = or_skip!(Place::new());
    let undisturbed = place.finish(place.e2e(&[]));
    undisturbed.assert_code(0);
    let mut delays = Vec::new();
    for _ in 0..ROUNDS / 3 {
        delays.push(random_below(undisturbed.seconds));
        place.start(place.e2e(&[])).kill_after(delays[delays.len() - 1]);
        let when = format!("after kills at {delays:?}");
        let status = place.status("default");
        let server = status["redis"]["pid"].as_i64();
        let alone = wait_until(|| place.processes().into_iter().all(|pid| Some(i64::from(pid)) == server));
        assert!(alone || server.is_none(), "{when}: {:?} beside {status}", place.processes());
        for run in std::fs::read_dir(place.path("runs")).expect("runs").flatten() {
            // A kill between the directory and its first page leaves an empty one.
            let Ok(page) = std::fs::read(run.path().join("record.json")) else { continue };
            serde_json::from_slice::<lab::record::Summary>(&page).unwrap_or_else(|error| panic!("{when}: {error}"));
        }
        let said = place.finish(place.e2e(&[]));
        assert_eq!(said.code(), 0, "{when}: {}\n{}", said.out, said.err);
        place.assert_nothing_is_left(&when);
    }
}

/// The kill points, or why there are none.
fn points() -> Result<impl Iterator<Item = &'static str>, &'static str> {
    let built = cfg!(debug_assertions).then(|| KILL_POINTS.iter().copied());
    built.ok_or("a release build has no kill points")
}

/// Kills `up`, or `down` after an `up`, at this point.
#[track_caller]
fn kill_at(place: &Place, point: &str) {
    let (command, _) = point.split_once('-').expect("a point is named after its command");
    if command == "down" {
        place.run(&["up"]).assert_code(0);
    }
    let mut killed = place.command(&[command]);
    killed.env("LAB_KILL_AT", point);
    let said = place.finish(killed);
    assert_eq!(said.code(), 137, "{point} was not come to: {}", said.err);
}

/// A random part of so many seconds.
fn random_below(seconds: f64) -> Duration {
    let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
    Duration::from_secs_f64(seconds * random)
}
