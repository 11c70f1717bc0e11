//! A lab on kind that is killed at every step that leaves something behind, and typed again.

use lab::kill_point::KIND_KILL_POINTS;

use crate::harness::{Place, or_skip};

/// The points before there is a cluster: a kill there costs seconds, so `down` is tried on each.
const BEFORE_THE_CLUSTER: &[&str] = &["up-locked", "up-state-written", "kind-network-made", "kind-export-started"];
/// The points at which `down` is killed.
const DOWN: &[&str] = &["down-announced", "kind-docker-cleared"];

/// `up` killed at each of its steps and typed again comes to the next one, and in the end to a lab that is up; `down`
/// killed at each of its steps and typed again leaves nothing.
///
/// The kills are on top of each other. No cluster outlives the first two that find one, so each begins where a first
/// `up` would have been; the later ones are met in the order in which a first `up` comes to them.
#[test]
fn up_and_down_finish_what_a_kill_cut_off() {
    let place = or_skip!(points().and_then(|()| Place::new(1)));
    for point in KIND_KILL_POINTS.iter().filter(|point| !DOWN.contains(point)) {
        place.kill_at("up", point);
    }
    place.run("up", &[]).assert_code(0);
    place.assert_up(place.name(), "after a kill at each step of up");
    place.run("e2e", &["--keep"]).assert_code(0);
    for point in DOWN {
        place.kill_at("down", point);
    }
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_is_left(place.name(), "after a kill at each step of down");
}

/// `up` after a kill before there was a cluster, and after one of `down` that had cleared Docker, comes to a lab.
#[test]
fn up_follows_a_down_that_was_killed() {
    let place = or_skip!(points().and_then(|()| Place::new(1)));
    place.kill_at("up", "kind-nodes-ready");
    place.kill_at("down", "down-announced");
    place.run("up", &[]).assert_code(0);
    place.assert_up(place.name(), "after a down that was killed before it did anything");
    place.kill_at("down", "kind-docker-cleared");
    place.run("up", &[]).assert_code(0);
    place.assert_up(place.name(), "after a down that was killed once Docker was cleared");
}

/// `down` after a kill of `up` leaves nothing, wherever that was.
#[test]
fn down_removes_what_a_killed_up_has_left() {
    let place = or_skip!(points().and_then(|()| Place::new(1)));
    for point in BEFORE_THE_CLUSTER.iter().chain(&["kind-cluster-made"]) {
        place.kill_at("up", point);
        place.run("down", &[]).assert_code(0);
        place.assert_nothing_is_left(place.name(), point);
    }
}

/// Whether there are any; the lists above name points that exist.
fn points() -> Result<(), String> {
    let known = |point: &&str| KIND_KILL_POINTS.contains(point);
    assert!(BEFORE_THE_CLUSTER.iter().chain(DOWN).all(known), "a point was renamed");
    if cfg!(debug_assertions) { Ok(()) } else { Err("a release build has no kill points".into()) }
}
