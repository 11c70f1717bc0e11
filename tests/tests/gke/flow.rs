//! The whole flow through real gcloud, a real cluster and a real share.

use lab::record::Record;
use serde_json::Value;

use crate::double::cloud::{Kind, Verb};
use crate::kill::{WITH_A_CLUSTER, every_way_out};
use crate::place::{Place, STANDING, kill_points};
use crate::program::or_skip;

/// How often the flow is measured on each of two targets.
const TURNS: usize = 3;

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
    assert_applied(&record, 25);
    let registry = place.double.registry();
    let (pushed, pulled) = (&registry.pushed, &registry.pulled);
    assert!(pushed.len() == 1 && pulled.contains(&pushed[0]), "pushed {pushed:?}, pulled {pulled:?}");
    drop(registry);
    place.assert_nothing_lives("after e2e");
}

/// The Job that the cluster had ends within the two hours that a lab is meant to live, and gives its pods this grace.
#[track_caller]
fn assert_applied(record: &Record, grace_s: u64) {
    let text = record.text("cluster/job.json").expect("the Job");
    let job: Value = serde_json::from_str(&text).expect("a Job");
    let deadline_s = job["spec"]["activeDeadlineSeconds"].as_u64();
    assert!(deadline_s.is_some_and(|deadline_s| (6000..=7200).contains(&deadline_s)), "{deadline_s:?}");
    assert_eq!(job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], grace_s);
}

/// The tutorial's other way: a Standard cluster whose Spot nodes are a pool with a taint, which the Job has to tolerate.
#[test]
fn the_flow_is_green_on_a_standard_cluster() {
    let place = or_skip!(Place::with_cluster());
    let said = place.run("e2e", &["--standard"]);
    said.assert_code(0);
    eprintln!("{}{}", said.out, said.err);
    let (record, verdict) = place.newest_record();
    assert!(verdict.green, "{}", tests::console::render(&verdict, record.dir(), false));
    assert_applied(&record, 15);
    // In the ledger the pool stands beside the cluster, and both are closed.
    let made = place.double.cloud();
    let pools = made.operations.values().filter(|known| known.kind == Kind::NodePool && known.verb == Verb::Create);
    assert_eq!(pools.count(), 1);
    drop(made);
    assert!(place.open_ids().is_empty());
    place.assert_nothing_lives("after e2e --standard");
}

/// What gcloud, a Python for each of its calls, adds to the flow on kind; measured in turns. It is meant to take 1.3 times as
/// long (tests/BENCH.md has what was seen), and is red where a busy machine alone does not explain it.
#[test]
fn the_flow_takes_little_longer_than_on_kind() {
    let place = or_skip!(Place::with_cluster());
    let (mut gke, mut kind) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        for (took, said) in [(&mut kind, place.run_on_kind()), (&mut gke, place.run("e2e", &[]))] {
            said.assert_code(0);
            eprintln!("turn {turn}: {:.1} s\n{}", said.took.as_secs_f64(), said.err);
            took.push(said.took.as_secs_f64());
        }
    }
    let (gke, kind) = (median(gke), median(kind));
    eprintln!("e2e --gke {gke:.1} s, e2e --target kind {kind:.1} s: {:.2}", gke / kind);
    assert!(gke <= 1.5 * kind, "e2e --gke took {gke:.1} s, and e2e --target kind {kind:.1} s");
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
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
    // Its price before anything was made is not what keeping it costs.
    let told = format!("{}{}", said.out, said.err);
    assert!(told.contains("until it is taken down"), "{told}");
    place.assert_living(&STANDING, "after e2e --keep");
    place.run("e2e", &["--keep"]).assert_code(0);
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_lives("after down");
}

/// The points that only a cluster leads to: each of the three ways leaves nothing; `up` typed again goes on, and `down`
/// leaves nothing.
#[test]
fn a_lab_that_is_killed_with_its_cluster_goes_on_and_goes_down() {
    let place = or_skip!(kill_points().and_then(|()| Place::with_cluster()));
    for point in WITH_A_CLUSTER {
        let command = if *point == "gke-image-pushed" { "e2e" } else { "up" };
        place.kill_at(command, &[], point);
        place.assert_living(&STANDING, point);
        // From the same moment, while the cluster itself stays for the next point.
        place.set_idle(true);
        every_way_out(&place, &[], point);
        place.set_idle(false);
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
