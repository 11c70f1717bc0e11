//! A lab that is killed at each step that leaves something in the cloud. From the same moment three ways lead out: `down`,
//! `gc` from another machine with the same ledger, and `gc` without any ledger, by label. Each leaves nothing of the lab,
//! and everything of anybody else's.

use std::collections::BTreeSet;
use std::time::Duration;

use lab::kill_point::GKE_KILL_POINTS;
use rustix::process::Signal;

use crate::double::PROJECT;
use crate::double::answer::Refusal;
use crate::double::cloud::Verb;
use crate::double::fault::{Failing, Fault, What};
use crate::place::{Place, STANDING};
use crate::program::or_skip;

/// How long the double's operations take: a kill that follows a create meets it while it goes on.
const LATENCY: Duration = Duration::from_millis(1500);
/// The lab: somebody else has the tutorial's names.
const NAME: &[&str] = &["--name", "killed"];

/// Which command is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    /// `up` of an Autopilot cluster.
    Up,
    /// `up` of a Standard one, which has a node pool more.
    UpStandard,
    /// `down`, after an `up`.
    Down,
}

/// One test a point, so that they run side by side.
macro_rules! points {
    ($($killed:ident { $($test:ident: $point:literal;)* })*) => {
        $($(#[test] fn $test() { kill(Killed::$killed, $point); })*)*
        const POINTS: &[&str] = &[$($($point),*),*];
    };
}

points! {
    Up {
        killed_once_locked: "up-locked";
        killed_once_the_state_is_written: "up-state-written";
        killed_once_the_cluster_is_intended: "gke-cluster-intended";
        killed_once_the_cluster_is_asked_for: "gke-cluster-asked";
        killed_once_the_clusters_operation_is_known: "gke-cluster-operation";
        killed_once_the_cluster_is_made: "gke-cluster-made";
        killed_once_the_instance_is_intended: "gke-filestore-intended";
        killed_once_the_instance_is_asked_for: "gke-filestore-asked";
        killed_once_the_instances_operation_is_known: "gke-filestore-operation";
        killed_once_the_instance_is_made: "gke-filestore-made";
        killed_once_all_is_made: "gke-all-made";
        killed_once_the_credentials_are_written: "gke-credentials-written";
    }
    UpStandard {
        killed_once_the_pool_is_intended: "gke-pool-intended";
        killed_once_the_pool_is_asked_for: "gke-pool-asked";
        killed_once_the_pools_operation_is_known: "gke-pool-operation";
        killed_once_the_pool_is_made: "gke-pool-made";
    }
    Down {
        killed_once_down_is_announced: "down-announced";
        killed_once_the_clusters_delete_is_asked_for: "gke-cluster-delete-asked";
        killed_once_the_instances_delete_is_asked_for: "gke-filestore-delete-asked";
        killed_once_the_cluster_is_gone: "gke-cluster-gone";
        killed_once_the_instance_is_gone: "gke-filestore-gone";
        killed_once_all_was_looked_for: "gke-audited";
        killed_once_the_directory_is_cleared: "gke-directory-cleared";
    }
}

/// Points that only a cluster leads to; `flow` has the lab killed there.
pub const WITH_A_CLUSTER: &[&str] = &["gke-volume-made", "gke-redis-ready", "up-done", "gke-image-pushed"];

/// A lab that was killed there: by each of the three ways nothing of it is left.
fn kill(killed: Killed, point: &str) {
    let mut place = or_skip!(Place::new());
    place.add_foreign();
    place.double.cloud().latency = LATENCY;
    match killed {
        Killed::Up => place.kill_at("up", NAME, point),
        Killed::UpStandard => {
            place.kill_at("up", &[NAME, &["--standard"]].concat(), point);
            if point == "gke-pool-made" {
                place.assert_priced();
            }
        }
        Killed::Down => {
            place.provision(NAME);
            place.kill_at("down", NAME, point);
        }
    }
    every_way_out(&place, NAME, point);
}

/// By each of the three ways nothing is left of the lab that was killed at this point, each from the same moment.
pub fn every_way_out(place: &Place, name: &[&str], point: &str) {
    place.wait_for_orphans();
    place.let_orders_settle();
    let (living, kept) = (place.living(), place.keep());
    eprintln!("{point}: {} live: {living:#?}", living.len());
    place.run("down", name).assert_code(0);
    place.assert_nothing_lives(&format!("{point}, after down"));

    place.restore(&kept);
    by_id(place, "another", &[], &place.open_ids());
    place.assert_nothing_lives(&format!("{point}, after gc on another machine"));

    place.restore(&kept);
    let _ = fs_err::remove_file(place.ledger());
    let ids = place.lab_ids();
    assert_eq!(ids.is_empty(), living.is_empty(), "{point}: a label is missing");
    by_id(place, "third", &["--project", PROJECT], &ids);
    place.assert_nothing_lives(&format!("{point}, after gc without a ledger"));
    place.restore(&kept);
}

/// Another machine does not know whether a lab is at work where it was made: it removes a lab whose id it is given. What
/// was being deleted already may be gone before it looks: then nobody has that id, and it says so.
fn by_id(place: &Place, machine: &str, project: &[&str], ids: &BTreeSet<String>) {
    let may_be_gone = place.double.cloud().is_all_going();
    for id in ids {
        let said = place.run_on(machine, "gc", &[project, &["--lab-id", id]].concat());
        let is_gone = said.code == 3 && said.err.contains(&format!("failed to find a lab of ID `{id}`"));
        if !(may_be_gone && is_gone) {
            said.assert_code(0);
        }
    }
}

/// Another machine tells of a lab that it has not made, and leaves it alone until it is told its id.
#[test]
fn gc_elsewhere_tells_and_leaves_alone() {
    let place = or_skip!(Place::new());
    place.provision(&[]);
    let said = place.run_on("another", "gc", &["--project", PROJECT]);
    said.assert_code(0);
    place.assert_living(&STANDING, "after gc on another machine");
    let ids = place.lab_ids();
    let id = ids.first().expect("a lab");
    assert!(said.err.contains(&format!("--lab-id {id}")), "{}", said.err);
    // The directory of a lab that is gone frees what it had: `gc` there takes it without being told.
    fs_err::remove_dir_all(place.path("machine/state/batch-ml-lab/default")).expect("the lab's directory");
    place.run("gc", &[]).assert_code(0);
    place.assert_nothing_lives("after gc where the directory is gone");
}

/// A lab that cannot be removed keeps no other one: `gc` goes on, and says in the end which one stays.
#[test]
fn gc_goes_on_after_a_failure() {
    let place = or_skip!(Place::new());
    let names = ["one", "other"].map(|name| ["--name", name]);
    names.iter().for_each(|name| place.provision(name));
    let ids = place.lab_ids();
    let all: Vec<_> = ids.iter().flat_map(|id| ["--lab-id", id.as_str()]).collect();
    let refusal = Refusal::new(403, "PERMISSION_DENIED", "Required \"container.clusters.delete\" permission(s).");
    let method = "container.projects.locations.clusters.delete";
    place.double.cloud().script = vec![Fault::first(1, method, What::Refuse(refusal))];
    let said = place.run_on("another", "gc", &all);
    said.assert_code(4);
    assert!(said.err.contains("container.clusters.delete"), "{}", said.err);
    // A cluster lives with its pool, and of the lab that was refused nothing else.
    let clusters =
        place.living().iter().filter(|name| name.contains("/clusters/") && !name.contains("/nodePools/")).count();
    assert_eq!((clusters, place.open_ids().len()), (1, 1), "{:#?}", place.living());
    place.run_on("another", "gc", &["--lab-id", place.open_ids().first().expect("the other one")]).assert_code(0);
    place.assert_nothing_lives("after gc once more");
}

/// `down` at once after a kill, while the gcloud of the killed lab may still be at work, leaves nothing either. It looks for what
/// was ordered until the order has settled, which the scale of its waits makes half a minute.
#[test]
fn down_at_once_after_a_kill() {
    let mut place = or_skip!(Place::new());
    place.add_foreign();
    place.double.cloud().latency = LATENCY;
    for point in ["gke-cluster-intended", "gke-filestore-intended", "gke-filestore-asked"] {
        place.kill_at("up", NAME, point);
        let mut down = place.command("down", NAME);
        down.env("LAB_TIME_SCALE", "0.1");
        place.start(down).wait().assert_code(0);
        place.wait_for_orphans();
        place.assert_nothing_lives(point);
    }
}

/// Ctrl-C while both are made stops in order, says what stays, and `down` leaves nothing; what was asked for was asked for
/// with the lab's label, so that whoever finds it knows whose it is.
#[test]
fn ctrl_c_while_both_are_made() {
    let place = or_skip!(Place::new());
    place.double.cloud().latency = Duration::from_secs(600);
    let mut up = place.start(place.command("up", &[]));
    let begun = up.wait_until(|| place.double.cloud().operations.len() == 2);
    assert!(begun, "nothing was begun: {:?}", up.wait());
    up.signal(Signal::INT);
    let said = up.wait();
    said.assert_code(130);
    assert!(said.err.contains("lab down"), "{}", said.err);
    let mut cloud = place.double.cloud();
    for call in cloud.calls.iter().filter(|call| call.method.ends_with(".create")) {
        let labels = if call.body["cluster"].is_object() {
            &call.body["cluster"]["resourceLabels"]
        } else {
            &call.body["labels"]
        };
        assert!(labels["batch-ml-lab"].is_string(), "{}: {}", call.method, call.body);
    }
    for operation in cloud.operations.values_mut() {
        operation.takes = LATENCY;
    }
    cloud.latency = LATENCY;
    drop(cloud);
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_lives("after down");
}

/// Ctrl-C while a red run is being taken down takes it down all the same, for it costs money; and the evidence of what Google
/// and the ledger said was there before. Nobody stands behind the double: what of the flow comes after the cluster is left out.
#[test]
fn ctrl_c_while_a_red_run_is_taken_down() {
    let place = or_skip!(Place::new());
    let mut cloud = place.double.cloud();
    cloud.latency = LATENCY;
    let failing = Failing { code: 8, message: "GCE_STOCKOUT: no room".into(), stays: true };
    cloud.script = vec![Fault::always("container.projects.locations.clusters.create", What::FailAtEnd(failing))];
    drop(cloud);
    let mut run = place.start(place.command("e2e", &["--worker-image", "127.0.0.1:1/nowhere:1"]));
    let is_deleting = || place.double.cloud().operations.values().any(|known| known.verb == Verb::Delete);
    assert!(run.wait_until(is_deleting), "nothing was deleted: {:?}", run.wait());
    run.signal(Signal::INT);
    let said = run.wait();
    said.assert_code(4);
    assert!(said.err.contains("Taking down first what costs money"), "{}", said.err);
    place.assert_nothing_lives("after Ctrl-C in the teardown");
    assert!(place.open_ids().is_empty(), "the ledger says that something may exist");
    let (record, _) = place.newest_record();
    let text = |path: &str| fs_err::read_to_string(record.dir().join(path)).expect(path);
    assert!(text("cluster/cloud.txt").contains("`batch-aiml`: ERROR"), "{}", text("cluster/cloud.txt"));
    assert!(text("cluster/ledger.jsonl").contains("\"intend\""), "{}", text("cluster/ledger.jsonl"));
    eprintln!("left out: Redis, the Job, and all that needs a cluster; `cargo xtask test --cluster` has it");
}

/// `up` killed again and again is not made twice: in the end there is one cluster and one instance, and `down` takes both.
#[test]
fn up_goes_on_where_it_was_killed() {
    let mut place = or_skip!(Place::new());
    place.add_foreign();
    place.double.cloud().latency = LATENCY;
    // Points that every `up` comes to, whatever the one before has made.
    for point in ["gke-cluster-asked", "gke-all-made", "gke-all-made"] {
        place.kill_at("up", NAME, point);
    }
    place.provision(NAME);
    let expected = ["instances/batch-aiml-filestore-killed", "clusters/batch-aiml-killed", "nodePools/default-pool"];
    place.assert_living(&expected, "after up");
    let cloud = place.double.cloud();
    for method in ["container.projects.locations.clusters.create", "file.projects.locations.instances.create"] {
        let made = cloud.calls.iter().filter(|call| call.method == method && call.answered == 200).count();
        assert_eq!(made, 1, "{method}");
    }
    drop(cloud);
    place.run("down", NAME).assert_code(0);
    place.assert_nothing_lives("after down");
}

/// Every point that there is has its test.
#[test]
fn every_point_has_its_test() {
    let mut tested: Vec<_> = POINTS.iter().chain(WITH_A_CLUSTER).collect();
    tested.sort();
    let mut there: Vec<_> = GKE_KILL_POINTS.iter().collect();
    there.sort();
    assert_eq!(tested, there);
}
