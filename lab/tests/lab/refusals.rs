//! Every way in which the lab refuses before or while it stands up: each with its words and its exit code.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::harness::{Place, or_skip, program};
use crate::said;

/// A program that says that it is a Redis of this version, and then does what the rest says.
fn redis_that(place: &Place, version: &str, then: &str) -> String {
    place.script("redis", &format!("[ \"$1\" = --version ] && exec echo 'Redis server v={version} sha=0'\n{then}"))
}

/// Runs it, and compares code and words with the snapshot.
#[track_caller]
fn refuses(code: i32, name: &str, place: &Place, command: Command) {
    let said = place.finish(command);
    said.assert_code(code);
    said::compare(name, place, &said);
}

/// A wrong command line is exit code 2, says what is wrong, and makes nothing.
#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let place = Place::without_redis();
    let wrong: [(&str, &[&str]); 14] = [
        ("no-command", &[]),
        ("command", &["upp"]),
        ("flag", &["up", "--colour"]),
        ("name", &["up", "--name", "../x"]),
        ("port", &["up", "--redis-port", "0"]),
        ("target", &["up", "--target", "moon"]),
        ("two-targets", &["up", "--target", "local", "--gke"]),
        ("days", &["e2e", "--days", "183"]),
        ("two-sources", &["e2e", "--days", "4", "--datasets", "x"]),
        ("two-workers", &["e2e", "--worker-cmd", "true", "--worker-image", "x"]),
        ("signal", &["e2e", "--preempt", "SIGHUP"]),
        ("scale", &["e2e", "--job-time-scale", "0"]),
        ("two-forms", &["status", "--quiet", "--json"]),
        ("two-logs", &["logs", "--redis", "--events"]),
    ];
    for (name, arguments) in wrong {
        refuses(2, &format!("usage-{name}"), &place, place.command(arguments));
    }
    let mut scaled = place.command(&["up"]);
    scaled.env("LAB_TIME_SCALE", "fast");
    refuses(2, "usage-time-scale", &place, scaled);
    assert!(!place.path("state").exists() && !place.path("cache").exists() && !place.path("runs").exists());
}

/// What is needed and missing is exit code 3, says what mends it, and starts nothing.
#[test]
fn what_is_missing_is_found_before_anything_is_started() {
    let place = or_skip!(Place::new());
    let named = |server: &str| place.command(&["up", "--redis-server", server]);
    refuses(3, "redis-not-there", &place, named("/nowhere/redis-server"));
    refuses(3, "redis-another-program", &place, named(&place.script("other", "echo other 1.0")));
    refuses(3, "redis-too-old", &place, named(&redis_that(&place, "6.0.16", "")));
    let text = place.path("scripts/text");
    std::fs::write(&text, "no program").expect("a file");
    refuses(3, "redis-no-program", &place, named(text.to_str().expect("UTF-8")));
    let mut hangs = named(&place.script("hangs", "exec sleep 300"));
    hangs.env("LAB_TIME_SCALE", "0.1");
    refuses(3, "redis-says-nothing", &place, hangs);

    let with = |arguments: &[&str], name: &str, value: &str| {
        let mut command = place.e2e(arguments);
        command.env(name, value);
        command
    };
    refuses(3, "worker-missing", &place, with(&[], "LAB_WORKER", "/nowhere/worker"));
    refuses(3, "worker-no-program", &place, with(&[], "LAB_WORKER", text.to_str().expect("UTF-8")));
    refuses(3, "judge-missing", &place, with(&[], "LAB_JUDGE", "/nowhere/judge"));
    refuses(3, "worker-image", &place, place.e2e(&["--worker-image", "example/worker"]));
    refuses(3, "datasets-missing", &place, place.e2e(&["--datasets", "nowhere"]));
    let mut homeless = place.command(&["up"]);
    homeless.env_remove("HOME").env("XDG_STATE_HOME", "relative");
    refuses(3, "no-home", &place, homeless);
    // All of it is told at once.
    let mut several = with(&["--redis-server", "/nowhere/redis-server"], "LAB_WORKER", "/nowhere/worker");
    several.env("LAB_JUDGE", "/nowhere/judge");
    refuses(3, "several-missing", &place, several);
    for made in ["state", "runs"] {
        assert!(!place.path(made).exists(), "`{made}` was made");
    }
}

/// A dataset that cannot be copied, a link to a file that has gone, say, is refused: a run without it would be green with a
/// dataset less. A link to a file is a dataset.
#[test]
fn a_dataset_that_is_no_file_is_refused() {
    let place = or_skip!(Place::new());
    let data = place.path("data");
    let training = data.join("training");
    for folder in [&training, &data.join("testing")] {
        std::fs::create_dir_all(folder).expect("a directory");
    }
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, training.join(name)).expect("a link");
    std::fs::write(data.join("kept"), "a dataset").expect("a file");
    std::fs::write(data.join("testing/test_dataset.pkl"), "a dataset").expect("a file");
    link("../kept", "a.pkl");
    let asked = || place.e2e(&["--datasets", data.to_str().expect("UTF-8")]);
    let odd = training.join("b.pkl");
    link("../gone", "b.pkl");
    refuses(3, "dataset-dangling", &place, asked());
    std::fs::remove_file(&odd).expect("a link");
    std::fs::create_dir(&odd).expect("a directory");
    refuses(3, "dataset-folder", &place, asked());
    std::fs::remove_dir(&odd).expect("a directory");
    rustix::fs::mknodat(rustix::fs::CWD, &odd, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    refuses(3, "dataset-pipe", &place, asked());
    assert!(!place.path("runs").exists());
    std::fs::remove_file(&odd).expect("a pipe");
    let mut linked = asked();
    linked.args(["--worker-cmd", "true"]);
    place.finish(linked).assert_code(6);
    let first = &place.evidence("inputs.json")["files"][0];
    assert_eq!((&first["path"], &first["bytes"]), (&"datasets/training/a.pkl".into(), &9.into()));
}

/// A target that was asked for and cannot be had is exit code 3: no other one takes its place.
#[test]
fn a_target_never_falls_back_to_another() {
    let place = or_skip!(Place::new());
    let said = place.run(&["up", "--gke"]);
    said.assert_code(3);
    assert!(said.err.contains("error: failed to ") && said.err.contains("remedy: "), "{}", said.err);
    assert!(!place.path("state").exists());
}

/// A directory in whose place something else stands is named, with the variable that names another.
#[test]
fn a_file_in_place_of_a_directory_is_refused() {
    let place = or_skip!(Place::new());
    let file = place.path("scripts");
    std::fs::write(&file, "no directory").expect("a file");
    for variable in ["XDG_STATE_HOME", "XDG_CACHE_HOME", "LAB_RUNS"] {
        let mut command = place.e2e(&[]);
        command.env(variable, &file);
        refuses(3, &format!("no-directory-{variable}"), &place, command);
    }
}

/// An argument that is not UTF-8 is as good as any other. A place whose path is not is refused before anything is
/// started, by the name of what names it: what is kept as text would name another one.
#[test]
fn a_path_that_is_not_utf8_is_taken_or_refused_at_once() {
    let place = or_skip!(Place::new());
    std::fs::create_dir_all(place.path("scripts")).expect("a directory");
    let odd = place.path("scripts").join(OsStr::from_bytes(b"odd-\xff"));
    for (name, value) in ["XDG_STATE_HOME", "XDG_CACHE_HOME", "LAB_RUNS"].map(|name| (name, &odd)) {
        let mut command = place.e2e(&[]);
        command.env(name, value);
        let said = place.finish(command);
        said.assert_code(3);
        assert!(said.err.contains("the path is not UTF-8\nremedy: ") && said.err.contains(name), "{}", said.err);
    }
    std::os::unix::fs::symlink(crate::harness::redis_server().expect("a server"), &odd).expect("a link");
    let mut server = place.command(&["up", "--target", "local", "--redis-server"]);
    server.arg(&odd);
    let said = place.finish(server);
    said.assert_code(3);
    assert!(said.err.contains("as a Redis server: its path is not UTF-8\nremedy: "), "{}", said.err);
    assert!(!place.path("state").exists() && !place.path("runs").exists());

    std::fs::remove_file(&odd).expect("a link");
    std::os::unix::fs::symlink(program("judge"), &odd).expect("a link");
    let mut judge = place.e2e(&["--days", "2", "--judge"]);
    judge.arg(&odd);
    place.finish(judge).assert_code(0);
    assert!(place.evidence("record.json")["asked"].to_string().contains("odd-\u{fffd}"));
}

/// A port that somebody has is exit code 4, and says who that is.
#[test]
fn a_port_that_is_taken_is_told_with_its_owner() {
    let place = or_skip!(Place::new());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let said = place.run(&["up", "--redis-port", &port]);
    said.assert_code(4);
    assert!(said.err.contains(&format!("by pid {} (", std::process::id())), "{}", said.err);
    assert!(said.seconds < 5.0, "a look at the port takes no {} s", said.seconds);
    said::compare("port-taken", &place, &said);
    drop(listener);
    place.run(&["up", "--redis-port", &port]).assert_code(0);
    place.assert_up("default", "with the port free");
    assert_eq!(place.status("default")["redis"]["port"].to_string(), port);
}

/// A server that dies, or never answers, is exit code 4 with its last words; another `up` with a good one converges.
#[test]
fn a_server_that_does_not_serve_is_told_with_its_log() {
    let place = or_skip!(Place::new());
    let dies = redis_that(&place, "7.0.0", "echo 'no luck today' > redis.log; exit 1");
    refuses(4, "redis-dies", &place, place.command(&["up", "--redis-server", &dies]));
    let mute = redis_that(&place, "7.0.0", "exec sleep 300");
    let mut never = place.command(&["up", "--redis-server", &mute]);
    never.env("LAB_TIME_SCALE", "0.1");
    refuses(4, "redis-never-answers", &place, never);
    // What it says before it has a log, or instead of having one, is there to be read as well.
    let dies = redis_that(&place, "7.0.0", "echo 'bad luck at once' >&2; exit 1");
    refuses(4, "redis-dies-on-stderr", &place, place.command(&["up", "--redis-server", &dies]));
    let said = place.run(&["logs", "--redis"]);
    said.assert_code(0);
    assert!(said.out.ends_with("bad luck at once\n"), "{}", said.out);
    // A run says so of its lab by its name: what there is of it never stood, and the log lies in the record.
    let dies = redis_that(&place, "7.0.0", "echo 'no luck today' > redis.log; exit 1");
    refuses(4, "redis-dies-e2e", &place, place.e2e(&["--name", "other", "--redis-server", &dies]));
    place.run(&["up"]).assert_code(0);
    place.assert_up("default", "with a good server");
}

/// A state file that is damaged is exit code 4 for who needs it; `down` and `gc` find the processes without it.
#[test]
fn a_damaged_state_stops_up_and_not_down() {
    let place = or_skip!(Place::new());
    for (command, text) in [("down", "{\"schema\": 1, \"na"), ("gc", "")] {
        place.run(&["up"]).assert_code(0);
        let state = place.lab_dir("default").join("state.json");
        std::fs::write(&state, text).expect("a state");
        refuses(4, &format!("state-damaged-up-{command}"), &place, place.command(&["up"]));
        refuses(4, &format!("state-damaged-status-{command}"), &place, place.command(&["status"]));
        let said = place.run(&[command]);
        said.assert_code(0);
        said::compare(&format!("state-damaged-{command}"), &place, &said);
        place.assert_nothing_is_left(command);
    }
}

/// What a newer lab wrote is left alone by every command.
#[test]
fn a_newer_labs_state_is_left_alone() {
    let place = or_skip!(Place::new());
    place.run(&["up"]).assert_code(0);
    let path = place.lab_dir("default").join("state.json");
    let written = std::fs::read_to_string(&path).expect("a state");
    let newer = written.replacen("\"schema\": 1", "\"schema\": 99", 1);
    assert_ne!(newer, written);
    std::fs::write(&path, &newer).expect("a state");
    for command in ["up", "down", "status"] {
        refuses(4, &format!("state-newer-{command}"), &place, place.command(&[command]));
    }
    place.run(&["gc"]);
    assert_eq!(std::fs::read_to_string(&path).expect("a state"), newer);
    assert_eq!(place.processes().len(), 1, "its server must live");
    std::fs::write(&path, written).expect("a state");
    place.assert_up("default", "with its own state again");
}

/// A share that is no directory is exit code 4, and `down` removes it.
#[test]
fn a_share_that_is_none_is_refused() {
    let place = or_skip!(Place::new());
    std::fs::create_dir_all(place.lab_dir("default")).expect("a directory");
    std::fs::write(place.lab_dir("default").join("share"), "no directory").expect("a file");
    refuses(4, "share-no-directory", &place, place.command(&["up"]));
    place.run(&["down"]).assert_code(0);
    place.assert_nothing_is_left("after down");
}

/// A link in place of the share is not followed, not even by a run on a lab that is up: it is exit code 4, what it leads
/// to stays as it is, and `down` removes the link alone.
#[test]
fn a_link_in_place_of_the_share_is_refused() {
    let place = or_skip!(Place::new());
    place.run(&["up"]).assert_code(0);
    let (share, precious) = (place.lab_dir("default").join("share"), place.path("scripts"));
    std::fs::create_dir_all(precious.join("deep")).expect("a directory");
    std::fs::write(precious.join("deep/file"), "precious").expect("a file");
    let before = crate::harness::tree(&precious);
    std::fs::remove_dir_all(&share).expect("a share");
    std::os::unix::fs::symlink(&precious, &share).expect("a link");
    refuses(4, "share-link-e2e", &place, place.e2e(&[]));
    refuses(4, "share-link-up", &place, place.command(&["up"]));
    place.run(&["down"]).assert_code(0);
    assert_eq!(crate::harness::tree(&precious), before);
    assert!(place.processes().is_empty() && !place.lab_dir("default").exists());
}

/// Where there is neither a server nor a way to fetch one, the error names the one command of this system that mends it.
#[test]
fn no_redis_and_no_apt_is_told_with_the_command_that_mends_it() {
    let place = Place::without_redis();
    for manager in ["none", "dnf", "pacman"] {
        let bin = place.path(&format!("scripts/{manager}"));
        std::fs::create_dir_all(&bin).expect("a directory");
        let program = bin.join(manager);
        std::fs::write(&program, "#!/bin/sh\n").expect("a program");
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("executable");
        let mut command = place.command(&["up"]);
        command.env_remove("LAB_REDIS_SERVER").env("PATH", &bin);
        refuses(3, &format!("redis-nowhere-{manager}"), &place, command);
    }
}

/// A lab that is up is not used where another Redis is asked for: it says how it stands. What is not asked for, or is the
/// same, is no difference.
#[test]
fn a_lab_that_stands_otherwise_is_refused() {
    let place = or_skip!(Place::new());
    place.run(&["up"]).assert_code(0);
    let port = place.status("default")["redis"]["port"].as_u64().expect("a port");
    place.run(&["up", "--redis-port", &port.to_string()]).assert_code(0);
    let other = if port == 7777 { "7778" } else { "7777" };
    refuses(3, "stands-on-another-port", &place, place.command(&["up", "--redis-port", other]));
    let redis = redis_that(&place, "7.0.0", "exit 1");
    refuses(3, "stands-with-another-redis", &place, place.command(&["up", "--redis-server", &redis]));
    refuses(3, "stands-otherwise-e2e", &place, place.e2e(&["--redis-port", other]));
    assert!(!place.path("runs").exists());
    place.assert_up("default", "after the refusals");
}

/// A variable that is set to nothing counts as one that is not set.
#[test]
fn an_empty_variable_is_none() {
    let place = Place::without_redis();
    let mut command = place.command(&["doctor", "--target", "local"]);
    for name in ["LAB_REDIS_SERVER", "LAB_RUNS", "LAB_WORKER", "LAB_JUDGE", "LAB_NODE_IMAGE"] {
        command.env(name, "");
    }
    let said = place.finish(command);
    assert!(said.code() != 2 && said.out.contains("judge"), "code {}: {}{}", said.code(), said.out, said.err);
}
