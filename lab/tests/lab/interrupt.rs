//! Ctrl-C and SIGTERM, once and twice, in each part of a run.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process_group};

use crate::harness::{Place, Said, or_skip, program, redis_server, wait_until};
use crate::said;

/// One signal in the middle of a run: the worker is stopped, the evidence gathered, the lab kept, the exit code the
/// signal's.
#[test]
fn one_signal_stops_a_run_in_order() {
    for (signal, code, name) in [(Signal::INT, 130, "ctrl-c"), (Signal::TERM, 143, "sigterm")] {
        let place = or_skip!(Place::new());
        let running = place.start(place.e2e(&["--worker-cmd", "echo here >&2; exec sleep 300"]));
        place.wait_for_worker("default", "here");
        running.signal(signal);
        let said = running.wait();
        said.assert_code(code);
        said::compare(&format!("interrupted-{name}"), &place, &said);
        assert_eq!(place.evidence("record.json")["outcome"]["kind"], "interrupted");
        let container = &place.evidence("job.json")["pods"][0]["containers"][0];
        assert_eq!((&container["exit_code"], &container["preempted_by"]), (&143.into(), &"SIGTERM".into()));
        assert_eq!(place.evidence("queue/after.json")["waiting"].as_array().map(Vec::len), Some(4));
        place.assert_up("default", "after the signal");
        place.run(&["down"]).assert_code(0);
        place.assert_nothing_is_left("after down");
    }
}

/// What the lab starts has no signal blocked: neither the server nor the worker.
#[test]
fn what_is_started_hears_every_signal() {
    let place = or_skip!(Place::new());
    let running = place.start(place.e2e(&["--worker-cmd", "grep SigBlk /proc/self/status >&2; exec sleep 300"]));
    place.wait_for_worker("default", "SigBlk:\t0000000000000000");
    let pid = place.status("default")["redis"]["pid"].as_i64().expect("a pid");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a server that runs");
    assert!(status.contains("SigBlk:\t0000000000000000"), "{status}");
    running.signal(Signal::INT);
    running.wait().assert_code(130);
}

/// However often it is tried, and whatever the lab is about: the exit code is the signal's.
#[test]
fn a_signal_at_any_instant_is_never_taken_for_a_fault() {
    let place = or_skip!(Place::new());
    for number in 0..20 {
        let mut running = place.start(place.e2e(&["--worker-cmd", "exec sleep 300"]));
        running.wait_for("Service ");
        let instant = Instant::now();
        while instant.elapsed() < Duration::from_micros(number * 700) {
            std::hint::spin_loop();
        }
        running.signal(Signal::TERM);
        running.wait().assert_code(143);
    }
}

/// A second Ctrl-C does not wait for a worker that will not stop: the lab leaves at once and takes the worker with it.
#[test]
fn a_second_ctrl_c_leaves_at_once() {
    let place = or_skip!(Place::new());
    let worker = "trap '' TERM; echo deaf >&2; while :; do sleep 0.1; done";
    let mut running = place.start(place.e2e(&["--name", "left", "--worker-cmd", worker]));
    place.wait_for_worker("left", "deaf");
    running.signal(Signal::INT);
    running.wait_for("Stopping in order (Ctrl-C); once more leaves at once");
    running.signal(Signal::INT);
    let said = running.wait();
    said.assert_code(130);
    assert!(
        said.err.contains("Leaving at once; what is still up: `cargo xtask lab status --name left`"),
        "{}",
        said.err
    );
    assert!(said.seconds < 20.0, "it has waited for the grace: {} s", said.seconds);
    assert!(wait_until(|| place.processes().len() == 1), "{:?}: not Redis alone", place.processes());
    place.run(&["up", "--name", "left"]).assert_code(0);
    place.assert_up("left", "after the second signal");
}

/// A second signal while what was stopped is judged takes the judge with the lab.
#[test]
fn a_second_signal_takes_the_judge_along() {
    let place = or_skip!(Place::new());
    let marker = place.path("scripts/judging");
    let judge = place.script("judge", &format!("touch {}; exec sleep 300", marker.display()));
    let mut running = place.start(place.e2e(&["--judge", &judge, "--worker-cmd", "echo here >&2; exec sleep 300"]));
    place.wait_for_worker("default", "here");
    running.signal(Signal::TERM);
    running.wait_for("once more leaves at once");
    assert!(wait_until(|| marker.exists()), "nobody judges:\n{}", running.err());
    running.signal(Signal::TERM);
    let said = running.wait();
    said.assert_code(143);
    assert!(said.err.contains("Leaving at once"), "{}", said.err);
    assert!(wait_until(|| place.processes().len() == 1), "{:?}: not Redis alone", place.processes());
}

/// Ctrl-C ends `up` while it waits, and what it had begun is finished or removed by the next command.
#[test]
fn ctrl_c_ends_a_wait_of_up() {
    let place = or_skip!(Place::new());
    let mute = place.script("mute", "[ \"$1\" = --version ] && exec echo 'Redis server v=7.0.0 x'\nexec sleep 300");
    let mut running = place.start(place.command(&["up", "--redis-server", &mute]));
    running.wait_for("Claim ");
    let spawned = || place.processes().len() > 1;
    assert!(wait_until(spawned));
    running.signal(Signal::INT);
    let said = running.wait();
    said.assert_code(130);
    assert!(said.seconds < 10.0, "{} s", said.seconds);
    said::compare("interrupted-up", &place, &said);
    place.run(&["up"]).assert_code(0);
    place.assert_up("default", "after another up");
}

/// Starts a command in a group of its own, and does what a terminal does at Ctrl-C once `marker` is there: the signal goes
/// to everybody in the group.
fn ctrl_c_of_a_terminal(place: &Place, mut command: Command, marker: &str) -> Said {
    command.process_group(0);
    let running = place.start(command);
    assert!(wait_until(|| place.path(marker).exists()), "there is no `{marker}`:\n{}", running.err());
    kill_process_group(running.pid(), Signal::INT).expect("a group of its own");
    running.wait()
}

/// Ctrl-C of a terminal reaches the whole group: that a program dies of it which the lab has asked something, Redis its
/// version or the judge its verdict, is no fault of that program.
#[test]
fn ctrl_c_of_a_terminal_is_never_taken_for_a_fault() {
    let place = or_skip!(Place::new());
    let server = redis_server().expect("a server, as there is a place");
    let slow = |marker: &str, program: &std::path::Path| {
        let text = format!("touch {}; sleep 0.5; exec {} \"$@\"", place.path(marker).display(), program.display());
        place.script(&format!("slow-{}", marker.replace('/', "-")), &text)
    };
    let redis = slow("scripts/asked", &server);
    let said = ctrl_c_of_a_terminal(&place, place.e2e(&["--redis-server", &redis]), "scripts/asked");
    said.assert_code(130);
    assert!(said.err.contains("error: stopped by Ctrl-C") && !place.path("runs").exists(), "{}", said.err);

    let judge = slow("scripts/judging", &program("judge"));
    let said = ctrl_c_of_a_terminal(&place, place.e2e(&["--judge", &judge]), "scripts/judging");
    said.assert_code(130);
    said::compare("interrupted-judge", &place, &said);
    assert_eq!(place.evidence("record.json")["outcome"]["kind"], "finished");
    place.assert_up("default", "after the signal");
    place.run(&["down"]).assert_code(0);
    place.assert_nothing_is_left("after down");
}
