//! Looking at a lab: `status`, `logs`, `doctor`, `explain`. None of them changes anything.

use crate::harness::{Place, Said, or_skip};
use crate::said;

#[track_caller]
fn shows(place: &Place, name: &str, arguments: &[&str]) -> Said {
    let said = place.run(arguments);
    said.assert_code(0);
    said::compare(name, place, &said);
    said
}

/// `status` tells down, up and partial apart, and says what finishes or removes a partial one.
#[test]
fn status_tells_what_stands() {
    let place = or_skip!(Place::new());
    shows(&place, "status-down", &["status"]);
    assert!(!place.path("state").exists(), "a look has made a directory");
    place.run(&["up"]).assert_code(0);
    let mut queue = redis::pipe();
    queue.cmd("RPUSH").arg("datasets").arg("a").arg("b").cmd("RPUSH").arg("datasets:processing").arg("c");
    queue.cmd("HSET").arg("datasets:failed").arg("d").arg("torn");
    queue.exec(&mut place.redis("default")).expect("a Redis that obeys");
    shows(&place, "status-up", &["status"]);
    let status = place.status("default");
    assert_eq!(status["queue"], serde_json::json!({"waiting": 2, "processing": 1, "failed": 1}));
    let [pid] = place.processes().into_iter().collect::<Vec<_>>()[..] else { panic!("not one process") };
    let server = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(server, rustix::process::Signal::KILL).expect("a server that runs");
    assert!(crate::harness::wait_until(|| place.status("default")["redis"]["serves"] == false));
    shows(&place, "status-partial", &["status"]);
    place.run(&["up"]).assert_code(0);
    let items: Vec<String> =
        redis::cmd("LRANGE").arg(&["datasets", "0", "-1"]).query(&mut place.redis("default")).expect("a list");
    assert_eq!(items, ["a", "b"], "the append-only file brings the queue back");
}

/// A lab whose share somebody has removed is not up, and `up` finishes it.
#[test]
fn status_sees_that_the_share_is_gone() {
    let place = or_skip!(Place::new());
    place.run(&["up"]).assert_code(0);
    std::fs::remove_dir_all(place.lab_dir("default").join("share")).expect("a share");
    shows(&place, "status-without-share", &["status"]);
    assert_eq!(place.status("default")["share"], serde_json::Value::Null);
    place.run(&["up"]).assert_code(0);
    place.assert_up("default", "with a share again");
}

/// `logs` shows the last run's log, or another one's, the workers' standard error, Redis's log and the events.
#[test]
fn logs_shows_each_log() {
    let place = or_skip!(Place::new());
    let said = place.run(&["logs"]);
    said.assert_code(4);
    said::compare("logs-none", &place, &said);
    let worker = |number: u8| format!("echo out {number}; echo err {number} >&2");
    place.finish(place.e2e(&["--worker-cmd", &worker(1)])).assert_code(6);
    let first = place.record();
    place.finish(place.e2e(&["--worker-cmd", &worker(2)])).assert_code(6);
    assert_eq!(place.run(&["logs"]).out, "out 2\n");
    assert_eq!(place.run(&["logs", "--stderr"]).out, "err 2\n");
    let id = first.file_name().and_then(|name| name.to_str()).expect("a name");
    assert_eq!(place.run(&["logs", id]).out, "out 1\n");
    assert_eq!(place.run(&["logs", first.to_str().expect("UTF-8"), "--stderr"]).out, "err 1\n");
    assert!(place.run(&["logs", "--redis"]).out.contains("Ready to accept connections"));
    let events = place.run(&["logs", "--events"]).out;
    let reasons: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["reason"].to_string())
        .collect();
    assert_eq!(reasons, ["\"SuccessfulCreate\"", "\"Started\"", "\"Completed\""]);
    // A lab that is gone has its last run all the same.
    place.run(&["down"]).assert_code(0);
    assert_eq!(place.run(&["logs"]).out, "out 2\n");
    assert!(place.run(&["logs", "--redis"]).out.contains("Ready to accept connections"));
    let said = place.run(&["logs", "another"]);
    said.assert_code(4);
    said::compare("logs-another", &place, &said);
}

/// `doctor` shows each thing that is needed: what was found, or what mends it, with the exit code of a preflight.
#[test]
fn doctor_shows_what_was_found_and_what_mends_the_rest() {
    let place = or_skip!(Place::new());
    let program = place.script("program", "");
    let with = |judge: &str, arguments: &[&str]| {
        let mut command = place.command(&[&["doctor", "--target", "local"], arguments].concat());
        command.env("LAB_WORKER", &program).env("LAB_JUDGE", judge);
        place.finish(command)
    };
    let well = with(&program, &["--json"]);
    well.assert_code(0);
    let checks: Vec<_> = well.events().into_iter().filter(|event| event["event"] == "check").collect();
    let names: Vec<_> = checks.iter().filter_map(|check| check["check"].as_str()).collect();
    assert_eq!(names, ["redis", "state", "cache", "worker", "judge", "records"]);
    assert!(checks.iter().all(|check| check["ok"] == true && check["remedy"] == ""));
    let ill = with("/nowhere/judge", &[]);
    ill.assert_code(3);
    let lines = ill.out.lines().skip_while(|line| !line.trim_start().starts_with("judge")).take(2);
    said::compare_text("doctor-judge", &lines.map(|line| format!("{line}\n")).collect::<String>());
    place.run(&["up"]).assert_code(0);
    std::fs::write(place.lab_dir("default").join("state.json"), "torn").expect("a state");
    assert!(with(&program, &[]).out.contains("lab `default`: its state is damaged"));
    assert_eq!(place.processes().len(), 1, "a look has stopped something");
}

/// `explain` lists the tutorial's steps with what a person would type for each, and needs nothing at all for it.
#[test]
fn explain_shows_what_one_would_type() {
    let place = Place::without_redis();
    shows(&place, "explain", &["explain", "--target", "local"]);
    let steps = place.run(&["explain", "--target", "local", "--json"]).events();
    assert_eq!(steps.len(), 13);
    for step in steps {
        assert!(step["tutorial"].as_array().is_some_and(|lines| !lines.is_empty()), "{step}");
        assert!(step["typed"].as_array().is_some_and(|lines| !lines.is_empty()), "{step}");
    }
    assert!(!place.path("state").exists());
}
