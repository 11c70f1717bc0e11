//! Several labs, and several who want the same one.

use rustix::process::Signal;

use crate::harness::{Place, or_skip};
use crate::said;

/// Two labs side by side do not meet: not in Redis, not on the share, not when one goes.
#[test]
fn two_labs_do_not_meet() {
    let place = or_skip!(Place::new());
    let both = ["one", "two"].map(|name| place.start(place.command(&["up", "--name", name])));
    both.into_iter().for_each(|running| running.wait().assert_code(0));
    let status = ["one", "two"].map(|name| place.status(name));
    for key in ["pid", "port"] {
        assert_ne!(status[0]["redis"][key], status[1]["redis"][key], "{key}");
    }
    redis::cmd("SET").arg("key").arg(1).exec(&mut place.redis("one")).expect("a Redis that obeys");
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut place.redis("two")).expect("a Redis that obeys");
    assert_eq!(keys, Vec::<String>::new());
    place.run(&["down", "--name", "one"]).assert_code(0);
    place.assert_up("two", "after the other one went");
    place.run(&["down", "--name", "two"]).assert_code(0);
    place.assert_nothing_is_left("after both");
}

/// Two runs at a time, each in a lab of its own, are both green.
#[test]
fn two_runs_do_not_meet() {
    let place = or_skip!(Place::new());
    let both = ["one", "two"].map(|name| place.start(place.e2e(&["--name", name])));
    both.into_iter().for_each(|running| running.wait().assert_code(0));
    place.assert_nothing_is_left("after both");
}

/// Many `up`s of one lab at a time make one lab.
#[test]
fn many_ups_make_one_lab() {
    let place = or_skip!(Place::new());
    let all: Vec<_> = (0..6).map(|_| place.start(place.command(&["up"]))).collect();
    all.into_iter().for_each(|running| running.wait().assert_code(0));
    place.assert_up("default", "after all of them");
}

/// Whoever finds a lab in somebody's hands is told whose, and with no patience left fails by that name.
#[test]
fn a_lab_in_somebodys_hands_is_not_touched() {
    let place = or_skip!(Place::new());
    let mut holder = place.start(place.e2e(&["--worker-cmd", "sleep 300"]));
    holder.wait_for("Job `workload` started");
    for command in ["up", "down"] {
        let said = place.run(&[command, "--lock-wait-s", "0"]);
        said.assert_code(4);
        let who = format!("held by pid {} (`lab e2e --target local ", holder.pid().as_raw_nonzero());
        assert!(said.err.contains(&who), "{}", said.err);
        said::compare(&format!("locked-{command}"), &place, &said);
    }
    let gc = place.run(&["gc"]);
    gc.assert_code(0);
    let status = place.status("default");
    assert_eq!(status["holder"]["process"]["pid"], holder.pid().as_raw_nonzero().get(), "{status}");
    holder.signal(Signal::INT);
    holder.wait().assert_code(130);
}

/// A second `up` waits for the first one, says for whom, and goes on when the lab is free.
#[test]
fn a_second_up_waits_for_the_first() {
    let place = or_skip!(Place::new());
    let mut holder = place.start(place.e2e(&["--worker-cmd", "sleep 300"]));
    holder.wait_for("Job `workload` started");
    let mut second = place.start(place.command(&["up"]));
    second.wait_for("Blocking waiting for lab `default`: held by pid ");
    holder.signal(Signal::INT);
    holder.wait().assert_code(130);
    let said = second.wait();
    said.assert_code(0);
    assert!(said.err.contains("is up already"), "{}", said.err);
    place.assert_up("default", "after the wait");
}
