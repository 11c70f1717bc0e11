//! The whole flow through real gcloud, a real cluster and a real share.

use crate::double::cloud::Verb;
use crate::kill::WITH_A_CLUSTER;
use crate::place::{Place, STANDING, kill_points};
use crate::program::or_skip;

/// `e2e --gke` from nothing is green, by the same judges as on any target, has pushed its worker by digest, had the
/// cluster pull it, and leaves nothing that costs.
#[test]
fn the_flow_is_green_and_leaves_nothing() {
    let place = or_skip!(Place::with_cluster());
    let said = place.run("e2e", &[]);
    said.assert_code(0);
    eprintln!("{}{}", said.out, said.err);
    let (record, verdict) = place.newest_record();
    let shown = tests::console::render(&verdict, record.dir(), false);
    assert!(verdict.green && verdict.judges.len() == tests::judges::JUDGES.len(), "{shown}");
    let registry = place.double.registry();
    let (pushed, pulled) = (&registry.pushed, &registry.pulled);
    assert!(pushed.len() == 1 && pulled.contains(&pushed[0]), "pushed {pushed:?}, pulled {pulled:?}");
    drop(registry);
    place.assert_nothing_lives("after e2e");
    eprintln!("e2e --gke took {:.1} s", said.took.as_secs_f64());
}

/// A red run goes down, too, unless it is to be kept; what is kept says what it costs, and `down` removes it.
#[test]
fn a_red_run_leaves_nothing_and_a_kept_one_says_what_it_costs() {
    let place = or_skip!(Place::with_cluster());
    let said = place.run("e2e", &["--worker-image", "127.0.0.1:1/nowhere:1"]);
    assert_ne!(said.code, 0, "{}{}", said.out, said.err);
    place.assert_nothing_lives("after a red run");
    let said = place.run("e2e", &["--keep"]);
    said.assert_code(0);
    assert!(format!("{}{}", said.out, said.err).contains("an hour"), "{}{}", said.out, said.err);
    place.assert_living(&STANDING, "after e2e --keep");
    place.run("e2e", &["--keep"]).assert_code(0);
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_lives("after down");
}

/// The points that only a cluster leads to: `up` typed again goes on, and `down` leaves nothing.
#[test]
fn a_lab_that_is_killed_with_its_cluster_goes_on_and_goes_down() {
    let place = or_skip!(kill_points().and_then(|()| Place::with_cluster()));
    for point in WITH_A_CLUSTER {
        let command = if *point == "gke-image-pushed" { "e2e" } else { "up" };
        place.kill_at(command, &[], point);
        place.assert_living(&STANDING, point);
    }
    place.run("up", &[]).assert_code(0);
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_lives("after down");
    for verb in [Verb::Create, Verb::Delete] {
        let cloud = place.double.cloud();
        let count = cloud.operations.values().filter(|operation| operation.verb == verb).count();
        assert_eq!(count, 2, "{verb:?}");
    }
}
