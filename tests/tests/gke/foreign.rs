//! Somebody else's resources in the same project, under the tutorial's very names, survive everything.

use crate::double::PROJECT;
use crate::place::Place;
use crate::program::or_skip;
use crate::said;

/// Whatever is typed, a cluster and an instance that the lab has not made stay as they are; `up` says that the name is
/// taken, and by whom it is not.
#[test]
fn what_is_somebody_elses_survives_everything() {
    let mut place = or_skip!(Place::new());
    place.add_foreign();
    let said = place.run("up", &["--json"]);
    let failed = said::failure(&said);
    said::compare("the_names_are_taken", &place, &failed);
    said.assert_code(3);
    place.assert_nothing_lives("after up");
    for (command, arguments) in [
        ("down", &[][..]),
        ("gc", &["--project", PROJECT]),
        ("gc", &["--project", PROJECT, "--lab-id", "lab-000000000000"]),
        ("status", &[]),
    ] {
        let said = place.run(command, arguments);
        assert!(said.code <= 4, "{command}: {}", said.err);
        place.assert_nothing_lives(command);
    }
}

/// Beside them a lab of another name stands and goes.
#[test]
fn a_lab_of_another_name_stands_beside_them() {
    let mut place = or_skip!(Place::new());
    place.add_foreign();
    place.provision(&["--name", "mine"]);
    let expected = ["instances/batch-aiml-filestore-mine", "clusters/batch-aiml-mine", "nodePools/default-pool"];
    place.assert_living(&expected, "after up");
    place.run("down", &["--name", "mine"]).assert_code(0);
    place.assert_nothing_lives("after down");
}
