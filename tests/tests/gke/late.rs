//! Orders that Google has taken and shows late: nothing that may still come is taken for gone.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::double::PROJECT;
use crate::double::fault::{Fault, What};
use crate::place::{Place, STANDING};
use crate::program::or_skip;
use crate::said;

/// Far longer than any look takes, and than an order that was answered takes to be shown.
const LATE: Duration = Duration::from_secs(20);

/// The answer to the instance's order is lost, and the instance is not shown. `up` gives up; typed again it is refused, for what
/// it does not see has taken all of the quota. `down` does not say that it is gone, but waits for it and deletes it.
#[test]
fn what_is_shown_late_is_not_forgotten() {
    let place = or_skip!(Place::new());
    let create = "file.projects.locations.instances.create";
    let mut cloud = place.double.cloud();
    cloud.projects.get_mut(PROJECT).expect("the project").filestore_gib = 1024;
    cloud.script = vec![Fault::always(create, What::LoseAnswer), Fault::always(create, What::Hide)];
    drop(cloud);
    place.run("up", &[]).assert_code(4);
    place.assert_living(&STANDING, "after up");
    place.double.cloud().script.clear();
    let said = place.run("up", &["--json"]);
    said.assert_code(4);
    let failed = said::failure(&said);
    assert_eq!(failed.cause, "quota-exceeded", "{}", failed.text);
    assert_eq!(open_kinds(&place), ["cluster", "filestore"], "a line was closed by the refusal of a second order");

    let mut down = place.start(place.command("down", &[]));
    let start = Instant::now();
    assert!(down.wait_until(|| start.elapsed() > LATE), "it was taken for gone: {:?}", down.wait());
    place.double.cloud().show();
    let said = down.wait();
    said.assert_code(0);
    assert!(said.err.contains("not shown, and looked for until"), "{}", said.err);
    place.assert_nothing_lives("after down");
    assert_eq!(open_kinds(&place), [""; 0]);
}

/// Kinds of which the ledger says that one may exist.
fn open_kinds(place: &Place) -> Vec<String> {
    let text = fs_err::read_to_string(place.ledger()).expect("a ledger");
    let mut open = std::collections::BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("a line");
        open.insert(line["kind"].as_str().expect("a kind").to_owned(), line["event"] != "gone");
    }
    open.into_iter().filter(|(_, is_open)| *is_open).map(|(kind, _)| kind).collect()
}
