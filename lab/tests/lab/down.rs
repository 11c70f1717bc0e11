//! What stays after a lab was taken down: the records of runs, and nothing else.

use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Place, or_skip, tree};

/// `down` leaves no process, no socket and no directory but the records.
#[test]
fn down_leaves_nothing_but_the_records() {
    let place = or_skip!(Place::new());
    place.finish(place.e2e(&["--keep"])).assert_code(0);
    place.assert_up("default", "kept");
    let port = place.status("default")["redis"]["port"].as_u64().expect("a port");
    let record = tree(&place.record());
    let said = place.run(&["down"]);
    said.assert_code(0);
    assert!(
        said.err.contains("lab `default`: Redis (pid ") && said.err.contains("), share removed in"),
        "{}",
        said.err
    );
    place.assert_nothing_is_left("after down");
    assert_eq!(listeners(port), Vec::<String>::new(), "somebody listens still");
    assert_eq!(tree(&place.record()), record, "the record has changed");
}

/// `e2e` of a green lab takes it down by itself.
#[test]
fn a_green_run_leaves_nothing_but_its_record() {
    let place = or_skip!(Place::new());
    place.finish(place.e2e(&[])).assert_code(0);
    place.assert_nothing_is_left("after a green run");
    assert_eq!(place.evidence("record.json")["outcome"]["kind"], "finished");
    // Who may read the logs of a run may read its pages.
    let files =
        tree(&place.record()).into_iter().filter(|path| path.parent() == Some(&place.record()) && path.is_file());
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    let modes: Vec<_> = files.map(|path| (mode(&path), path)).collect();
    let log = mode(&place.record().join("steps.jsonl"));
    assert!(modes.len() > 5 && modes.iter().all(|(mode, _)| *mode == log), "not all {log:o}: {modes:?}");
}

/// `down` where nothing is up does nothing, says so, and makes no directory.
#[test]
fn down_of_nothing_is_no_error() {
    let place = Place::without_redis();
    let said = place.run(&["down"]);
    said.assert_code(0);
    assert!(said.err.contains("lab `default` is not up"), "{}", said.err);
    assert!(!place.path("state").exists());
    // What a `down` leaves that was killed with the last directory in its hands.
    std::fs::create_dir_all(place.path("state/batch-ml-lab")).expect("a directory");
    place.run(&["down"]).assert_code(0);
    place.assert_nothing_is_left("after another down");
}

/// A lab whose directory was removed by hand is still found by the mark that its server carries.
#[test]
fn down_finds_a_server_without_its_directory() {
    let place = or_skip!(Place::new());
    for command in ["down", "gc"] {
        place.run(&["up"]).assert_code(0);
        std::fs::remove_dir_all(place.path("state")).expect("a directory");
        assert_eq!(place.processes().len(), 1);
        place.run(&[command]).assert_code(0);
        std::fs::create_dir_all(place.path("state")).expect("a directory");
        place.assert_nothing_is_left(command);
    }
}

/// However its directory is spelt, it is one lab: its server is found by its mark, the state file being of no use.
#[test]
fn down_finds_a_server_by_any_spelling_of_its_directory() {
    let place = or_skip!(Place::new());
    std::os::unix::fs::symlink(place.path(""), place.path("scripts")).expect("a link");
    for spelt in ["state//", "./state/", "scripts/state"] {
        let mut up = place.command(&["up"]);
        up.env("XDG_STATE_HOME", place.path("").join(spelt));
        place.finish(up).assert_code(0);
        std::fs::write(place.lab_dir("default").join("state.json"), "{").expect("a state file");
        place.run(&["down"]).assert_code(0);
        place.assert_nothing_is_left(spelt);
    }
}

/// What a worker has left running goes with the lab: a process of its own session, too.
#[test]
fn down_removes_what_a_worker_left_running() {
    let place = or_skip!(Place::new());
    // Not before it is out of the group that the end of a container takes with it.
    let worker = "setsid sh -c 'touch \"$FILESTORE_PATH/out\"; exec sleep 300' > /dev/null 2>&1 &
        until [ -e \"$FILESTORE_PATH/out\" ]; do sleep 0.01; done; exit 7";
    let said = place.finish(place.e2e(&["--worker-cmd", worker, "--job-time-scale", "0.001"]));
    said.assert_code(5);
    assert!(place.processes().len() > 1, "the worker has left nothing: {}", said.out);
    place.run(&["down"]).assert_code(0);
    place.assert_nothing_is_left("after down");
}

/// Lines of the kernel's table about sockets that listen on this port.
fn listeners(port: u64) -> Vec<String> {
    let wanted = format!(":{port:04X} 00000000:0000 0A");
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    table.lines().filter(|line| line.contains(&wanted)).map(str::to_owned).collect()
}
