//! The whole flow on kind, from nothing to nothing.

use std::time::Duration;

use lab::wait::scaled;

use crate::harness::{Place, docker, or_skip};

/// What `up` may take on a lab that is up: the promise is 2 s on a machine that has nothing else to do.
const UP_AGAIN: Duration = Duration::from_secs(6);

/// From nothing the flow is green, and again on the same lab, which a second `up` leaves as it is; `down` leaves
/// nothing, and nobody's kubeconfig is written.
#[test]
fn the_flow_is_green_from_nothing_and_again() {
    let place = or_skip!(Place::new(1));
    for run in ["from nothing", "again"] {
        let said = place.run("e2e", &["--keep"]);
        said.assert_code(0);
        let (record, verdict) = place.newest_record();
        let shown = tests::console::render(&verdict, record.dir(), false);
        assert!(verdict.green && verdict.judges.len() == tests::judges::JUDGES.len(), "{run}: {shown}");
        place.assert_up(place.name(), run);
    }
    let nodes = || docker(&["ps", "--no-trunc", "--quiet", "--filter", &format!("name=lab-{}", place.name())]);
    let before = nodes();
    let again = place.run("up", &[]);
    again.assert_code(0);
    assert_eq!(nodes(), before, "`up` on a lab that is up has made containers anew");
    assert!(again.took < scaled(UP_AGAIN), "`up` on a lab that is up took {:?}:\n{}", again.took, again.err);
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_is_left(place.name(), "after down");
    place.assert_kubeconfig_untouched();
}

/// Two labs at a time never meet: the end of one leaves the other, and its run, alone.
#[test]
fn two_labs_are_told_apart() {
    let place = or_skip!(Place::new(2));
    let (first, second) = (place.other(0), place.other(1));
    let begun = place.start(place.command_on(second, "up", &[]));
    place.run("up", &[]).assert_code(0);
    begun.wait().assert_code(0);
    place.start(place.command_on(second, "down", &[])).wait().assert_code(0);
    place.assert_nothing_is_left(second, "after its down");
    place.assert_up(first, "after the other's down");
    place.run("e2e", &["--keep"]).assert_code(0);
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_is_left(first, "after its down");
}
