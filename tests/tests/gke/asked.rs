//! What is asked and checked before anything is made, and what is asked for otherwise than usual.

use serde_json::Value;

use crate::double::PROJECT;
use crate::double::cloud::Kind;
use crate::place::Place;
use crate::program::{Said, or_skip};
use crate::said;

/// Nothing lives, and nothing was ever begun.
#[track_caller]
fn assert_nothing_was_begun(place: &Place, said: &Said) {
    said.assert_code(3);
    place.assert_nothing_lives("after preflight");
    let cloud = place.double.cloud();
    assert!(cloud.operations.is_empty(), "{:#?}", cloud.operations);
}

/// Nobody is there to be asked whether it may cost something, and nobody has said so: nothing is made, and the price is told.
/// Somebody else's lab that is overdue is complained about, by what its label says.
#[test]
fn without_a_yes_nothing_is_made() {
    let place = or_skip!(Place::new());
    let overdue = serde_json::json!({
        "name": format!("projects/{PROJECT}/locations/us-central1-b/instances/late"), "state": "READY", "tier": "BASIC_HDD",
        "labels": { "batch-ml-lab": "lab-late", "batch-ml-lab-name": "late", "batch-ml-lab-until": "2026-11-24t17-00-00z" },
        "fileShares": [{ "name": "NFSVol", "capacityGb": "1024" }], "networks": [{ "network": "default" }],
    });
    place.double.add_foreign(Kind::Instance, "us-central1-b", "late", overdue);
    let said = place.start(place.unanswered("machine", "up", &[])).wait();
    for told in [
        "while the lab stands: Filestore BASIC_HDD, 1024 GiB $0.281, cluster fee $0.100,",
        "error: failed to ask whether to spend about $",
        "remedy: read what it will cost above, and type it again with --yes",
    ] {
        assert!(said.err.contains(told), "`{told}`: {}", said.err);
    }
    assert_nothing_was_begun(&place, &said);
    assert!(place.open_ids().is_empty(), "the ledger says that something may exist");
    let complaint = "`late` of lab `late` (lab-late) was meant to live until 2026-11-24T17:00:00Z: \
                     cargo xtask lab gc --project my-project --lab-id lab-late";
    assert!(said.err.contains(complaint), "{}", said.err);
}

/// Who may not push the worker's image is told so before anything is made.
#[test]
fn nobody_may_push_the_image() {
    let place = or_skip!(Place::new());
    place.double.registry().forbids_push = true;
    let said = place.run("up", &["--json"]);
    let failed = said::failure(&said);
    said::compare("nobody_may_push_the_image", &place, &failed);
    assert_eq!(failed.cause, "registry-denied", "{}", failed.text);
    assert_nothing_was_begun(&place, &said);
}

/// A lab that was begun is not gone on with as another one; and whoever has tried to push leaves no upload behind.
#[test]
fn a_lab_is_not_gone_on_with_as_another_one() {
    let place = or_skip!(Place::new());
    place.kill_at("up", &[], "up-state-written");
    let said = place.run("up", &["--json", "--capacity", "2TB"]);
    let failed = said::failure(&said);
    said::compare("the_lab_stands_otherwise", &place, &failed);
    assert_eq!(failed.cause, "lab-stands-otherwise", "{}", failed.text);
    assert_nothing_was_begun(&place, &said);
    assert!(place.double.registry().uploads.is_empty(), "an upload was begun and not called off");
}

/// An instance of a regional tier is made in the region, and cluster and instance in the network that was named; `down` finds
/// both where they are.
#[test]
fn tier_and_network_are_those_that_were_asked_for() {
    let place = or_skip!(Place::new());
    place.double.cloud().projects.get_mut(PROJECT).expect("the project").networks.push("lab-net");
    place.provision(&["--tier", "REGIONAL", "--network", "lab-net"]);
    let living = ["clusters/batch-aiml", "nodePools/default-pool", "us-central1/instances/batch-aiml-filestore"];
    place.assert_living(&living, "after up");
    let cloud = place.double.cloud();
    let body = |method: &str| {
        let call = cloud.calls.iter().find(|call| call.method.ends_with(method)).expect("a create");
        call.body.clone()
    };
    let instance = body("instances.create");
    assert_eq!(instance["tier"], "REGIONAL");
    let ends = |network: &Value| network.as_str().is_some_and(|network| network.rsplit('/').next() == Some("lab-net"));
    assert!(ends(&instance["networks"][0]["network"]) && ends(&body("clusters.create")["cluster"]["network"]));
    drop(cloud);
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_lives("after down");
}
