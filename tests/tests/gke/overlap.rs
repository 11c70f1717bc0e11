//! Cluster and Filestore are made, and taken away, side by side.

use std::time::{Duration, Instant};

use crate::double::cloud::{Operation, Verb};
use crate::place::{Place, STANDING};
use crate::program::or_skip;

/// How long each of the two takes to be made: so long that the pause between two looks (at most 5 s) and gcloud's own start
/// are small beside it, as they are beside Google's five minutes.
const T: Duration = Duration::from_secs(90);
/// What both may take together, in T.
const LIMIT: f64 = 1.1;
/// How long each takes to be deleted.
const DELETE: Duration = Duration::from_secs(15);

/// Two things that take T each are made in at most 1.1 T in all, from the first order to where the lab sees the last one
/// done; and the second one is deleted while the first one is.
#[test]
fn timing_of_what_goes_on_side_by_side() {
    let place = or_skip!(Place::new());
    place.double.cloud().latency = T;
    place.provision(&[]);
    place.assert_living(&STANDING, "after up");
    place.double.cloud().latency = DELETE;
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_lives("after down");
    let cloud = place.double.cloud();
    let of = |verb| {
        let found: Vec<_> = cloud.operations.values().filter(|operation| operation.verb == verb).collect();
        assert_eq!(found.len(), 2, "{verb:?}: {found:#?}");
        (
            found.iter().map(|one| one.begun).min().expect("two"),
            found.iter().map(|one| one.begun).max().expect("two"),
            found,
        )
    };
    let (first, _, made) = of(Verb::Create);
    let last = made.iter().map(|one| seen(one)).max().expect("two");
    let share = (last - first).as_secs_f64() / T.as_secs_f64();
    eprintln!("both made in {:.1} s, {share:.3} T", (last - first).as_secs_f64());
    assert!(share <= LIMIT, "both took {share:.2} T");
    let (first, second, _) = of(Verb::Delete);
    let apart = second - first;
    eprintln!("the second was deleted {:.1} s after the first", apart.as_secs_f64());
    assert!(apart < DELETE, "one after the other: {apart:?} apart");
}

/// When the lab has seen its end: the double ends an operation when it is asked.
fn seen(operation: &Operation) -> Instant {
    operation.begun + operation.lasted.expect("it has ended")
}
