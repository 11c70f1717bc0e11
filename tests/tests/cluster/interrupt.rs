//! Ctrl-C while a lab on kind is stood up.

use rustix::process::Signal;

use crate::harness::{Place, docker, or_skip};
use crate::said;

/// Ctrl-C while kind makes the cluster stops in order, says what stays and how to go on; the next `up` converges.
#[test]
fn ctrl_c_during_up_stops_in_order_and_up_converges() {
    let place = or_skip!(Place::new(1));
    let node = place.node("control-plane");
    let mut up = place.start(place.command("up", &[]));
    let is_there = || !docker(&["ps", "--quiet", "--filter", &format!("name={node}")]).is_empty();
    assert!(up.wait_until(is_there), "no node was started: {:?}", up.wait());
    up.signal(Signal::INT);
    let said = up.wait();
    said.assert_code(130);
    said::compare("interrupted-up", &place, &said);
    place.run("up", &[]).assert_code(0);
    place.assert_up(place.name(), "after Ctrl-C");
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_is_left(place.name(), "after down");
}
