//! Cluster and Filestore are made, and taken away, side by side.

use std::time::Duration;

use crate::double::cloud::Verb;
use crate::place::{Place, STANDING};
use crate::program::or_skip;

/// How long each of the two takes: so long that what gcloud takes to start is small beside it.
const T: Duration = Duration::from_secs(20);
/// What both may take together, in T.
const LIMIT: f64 = 1.1;

/// Two things that take T each take at most 1.1 T in all: from the first create to the end of the last, and so at the end.
#[test]
fn timing_of_what_goes_on_side_by_side() {
    let place = or_skip!(Place::new());
    place.double.cloud().latency = T;
    place.provision(&[]);
    place.assert_living(&STANDING, "after up");
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_lives("after down");
    for verb in [Verb::Create, Verb::Delete] {
        let cloud = place.double.cloud();
        let of_verb: Vec<_> = cloud.operations.values().filter(|operation| operation.verb == verb).collect();
        assert_eq!(of_verb.len(), 2, "{verb:?}: {of_verb:#?}");
        let begun = of_verb.iter().map(|operation| operation.begun).min().expect("two");
        // When the lab has seen that the last one was over; the double ends an operation when it is asked.
        let seen = of_verb.iter().map(|operation| operation.begun + operation.lasted.expect("it has ended")).max();
        let all = seen.expect("two") - begun;
        let share = all.as_secs_f64() / T.as_secs_f64();
        eprintln!("{verb:?}: both in {:.2} s, {share:.3} T", all.as_secs_f64());
        assert!(share <= LIMIT, "{verb:?}: both took {share:.2} T");
    }
}
