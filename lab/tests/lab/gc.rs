//! `gc`: what labs that died have left goes, and what stands stays.

use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Place, or_skip, tree};
use crate::said;

/// A lab whose Redis is gone, one without a state, and a server without a lab go; one that stands stays as it is.
#[test]
fn gc_takes_the_dead_and_leaves_the_living() {
    let place = or_skip!(Place::new());
    for name in ["dead", "living", "lost"] {
        place.run(&["up", "--name", name]).assert_code(0);
    }
    let pid = place.status("dead")["redis"]["pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32)).expect("a pid");
    kill_process(pid, Signal::KILL).expect("a server that runs");
    std::fs::remove_dir_all(place.lab_dir("lost")).expect("a directory");
    std::fs::create_dir_all(place.lab_dir("empty")).expect("a directory");
    let living = (place.status("living"), tree(&place.lab_dir("living")));
    let said = place.run(&["gc"]);
    said.assert_code(0);
    said::compare("gc", &place, &said);
    assert_eq!((place.status("living"), tree(&place.lab_dir("living"))), living);
    place.assert_up("living", "after gc");
    place.run(&["down", "--name", "living"]).assert_code(0);
    place.assert_nothing_is_left("after down");
    let again = place.run(&["gc"]);
    again.assert_code(0);
    said::compare("gc-nothing", &place, &again);
}

/// On request the oldest records go and the newest stay, and the cache goes.
#[test]
fn gc_removes_records_and_cache_on_request_alone() {
    let place = or_skip!(Place::new());
    let verdicts: Vec<_> = (0..3).map(|_| place.finish(place.e2e(&["--json"]))).collect();
    verdicts.iter().for_each(|said| said.assert_code(0));
    let records = || std::fs::read_dir(place.path("runs")).expect("runs").count();
    place.run(&["gc"]).assert_code(0);
    assert_eq!((records(), place.path("cache/batch-ml-lab").exists()), (3, true));
    place.run(&["gc", "--keep-runs", "1", "--cache"]).assert_code(0);
    assert_eq!((records(), place.path("cache/batch-ml-lab").exists()), (1, false));
    let newest = verdicts[2].events().pop().expect("a last line");
    assert!(newest["record"].as_str().is_some_and(|record| place.record().ends_with(record)), "{newest}");
    place.finish(place.e2e(&[])).assert_code(0);
}

/// The directory of a run that was killed before its record had a first page goes with the old records: not while the run
/// may just have begun, and nothing that is not a run's.
#[test]
fn gc_removes_runs_that_never_began() {
    let place = Place::without_redis();
    let dirs = ["20261124-001652-local-3f9c", "20261124-001653-local-3f9d", "20261124-mine", "mine"];
    for (number, name) in dirs.iter().enumerate() {
        let dir = place.path("runs").join(name);
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join(".tmpAbCdEf"), "{").expect("a file");
        let age = Duration::from_secs(if number == 1 { 60 } else { 7200 });
        let opened = std::fs::File::open(&dir).expect("a directory");
        opened.set_modified(SystemTime::now() - age).expect("a time");
    }
    let left = || dirs.map(|name| place.path("runs").join(name).exists());
    place.run(&["gc"]).assert_code(0);
    assert_eq!(left(), [true; 4]);
    let said = place.run(&["gc", "--keep-runs", "0"]);
    said.assert_code(0);
    assert!(said.err.contains("Removed 1 record\n"), "{}", said.err);
    assert_eq!(left(), [false, true, true, true]);
}
