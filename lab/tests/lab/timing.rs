//! What must be quick: nextest gives each of these the machine to itself.

use crate::harness::{Place, or_skip, program};

/// `up` of a lab that is up does nothing, in under a second: the same server goes on, with all that it holds.
#[test]
fn a_second_up_is_a_no_op_in_under_a_second() {
    let place = or_skip!(Place::new());
    place.run(&["up"]).assert_code(0);
    let before =
        (place.status("default"), std::fs::read(place.lab_dir("default").join("state.json")).expect("a state"));
    redis::cmd("SET").arg("key").arg("kept").exec(&mut place.redis("default")).expect("a Redis that obeys");
    std::fs::write(place.lab_dir("default").join("share/file"), "kept").expect("a share");
    let again = place.run(&["up"]);
    again.assert_code(0);
    assert!(again.seconds < 1.0, "{} s", again.seconds);
    assert!(again.err.contains("lab `default` is up already, since "), "{}", again.err);
    let kept: String = redis::cmd("GET").arg("key").query(&mut place.redis("default")).expect("a Redis that obeys");
    assert_eq!(kept, "kept");
    assert_eq!(std::fs::read(place.lab_dir("default").join("share/file")).expect("a file"), b"kept");
    std::fs::remove_file(place.lab_dir("default").join("share/file")).expect("a file");
    let after = (place.status("default"), std::fs::read(place.lab_dir("default").join("state.json")).expect("a state"));
    assert_eq!(before.1, after.1, "the state was written again");
    assert_eq!(before.0["redis"], after.0["redis"]);
    place.assert_up("default", "after the second up");
    println!("{:.3} s", again.seconds);
}

/// The whole flow, built, takes at most two seconds. This form is not optimised; the release form is faster.
#[test]
fn a_whole_run_takes_at_most_two_seconds() {
    let place = or_skip!(Place::new());
    // Built, and its days generated.
    program("worker");
    place.finish(place.e2e(&[])).assert_code(0);
    let said = place.finish(place.e2e(&[]));
    said.assert_code(0);
    assert!(said.seconds <= 2.0, "{} s", said.seconds);
    println!("{:.3} s", said.seconds);
}
