//! The program itself: its arguments, its environment, and what it is as the only file of a container.

use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::Signal;

use crate::harness::{Stage, Worker, or_skip, unshare};

fn worker(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_worker")).args(arguments).output().unwrap()
}

#[test]
fn help_and_version_say_what_there_is() {
    let help = worker(&["--help"]);
    assert!(help.status.success());
    insta::assert_snapshot!(String::from_utf8(help.stdout).unwrap());
    let version = worker(&["--version"]);
    assert_eq!(String::from_utf8(version.stdout).unwrap(), concat!("worker ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn what_it_does_not_understand_is_a_usage_error() {
    let output = worker(&["--colour"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "worker: failed to understand `--colour`\nit takes no arguments but --help and --version\n");
    let output = Command::new(env!("CARGO_BIN_EXE_worker")).env("WORKER_LEASE_S", "soon").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("worker: failed to read the environment: `WORKER_LEASE_S` is `soon`, not "), "{text}");
}

#[test]
fn nobody_needs_to_read_its_log() {
    let stage = or_skip!(Stage::filled());
    let mut child = stage.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    stage.assert_undisturbed("with nobody listening");
}

/// The worker that is meant for an image: what `LAB_WORKER` names, as `cargo xtask` sets it.
fn static_worker() -> Result<std::path::PathBuf, &'static str> {
    let path =
        std::env::var_os("LAB_WORKER").ok_or("LAB_WORKER names no static worker; `cargo xtask test` builds one")?;
    Ok(path.into())
}

#[test]
fn the_program_for_images_is_small_static_and_alone_in_its_container() {
    let program = or_skip!(static_worker());
    let size_bytes = std::fs::metadata(&program).unwrap().len();
    println!("{size_bytes} bytes");
    assert!(size_bytes <= 5_000_000, "{size_bytes} bytes are no small layer");

    let stage = or_skip!(Stage::filled());
    let root = tempfile::tempdir().unwrap();
    std::fs::copy(&program, root.path().join("worker")).unwrap();
    std::fs::create_dir_all(root.path().join("mnt/fileserver/datasets")).unwrap();
    // A copy, for nothing is mounted: the container's root holds the program and the share, and nothing else.
    let copied =
        Command::new("cp").arg("-r").arg(stage.path("datasets")).arg(root.path().join("mnt/fileserver")).status();
    assert!(copied.unwrap().success());
    let mut command = or_skip!(unshare("pf"));
    command.arg("--kill-child").arg(format!("--root={}", root.path().display())).arg("/worker");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("REDIS_SERVICE_HOST", "127.0.0.1").env("REDIS_SERVICE_PORT", stage.redis.port().to_string());
    let finished = Worker::start(&mut command).wait();
    finished.assert_code(0);
    assert_eq!(finished.log.last().map(String::as_str), Some("Queue empty, exiting"));
    std::fs::rename(root.path().join("mnt/fileserver/output"), stage.path("output")).unwrap();
    stage.assert_undisturbed("in a container of its own");
}

#[test]
fn the_program_for_images_has_no_kill_points() {
    let program = or_skip!(static_worker());
    let stage = or_skip!(Stage::filled());
    let mut command = Command::new(program);
    for (name, value) in stage.command().get_envs() {
        command.env(name, value.unwrap());
    }
    command.envs([("WORKER_KILL_AT", "claimed"), ("WORKER_FREEZE_AT", "read"), ("WORKER_HANG_AT", "trained")]);
    Worker::start(&mut command).wait().assert_code(0);
    stage.assert_undisturbed("with kill points asked for");
}

#[test]
fn as_pid_1_it_hears_sigterm() {
    let stage = or_skip!(Stage::filled());
    let mut command = or_skip!(unshare("pf"));
    command.arg("--kill-child").arg(env!("CARGO_BIN_EXE_worker"));
    for (name, value) in stage.command().get_envs() {
        command.env(name, value.unwrap());
    }
    let worker = Worker::start(command.env("WORKER_HANG_AT", "read"));
    worker.note("WORKER_HANG_AT");
    // `unshare` is the parent; the worker, PID 1 of its namespace, is its only child.
    let path = format!("/proc/{0}/task/{0}/children", worker.pid());
    let child: i32 = std::fs::read_to_string(path).unwrap().trim().parse().unwrap();
    let start = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_raw(child).unwrap(), Signal::TERM).unwrap();
    worker.wait().assert_code(143);
    assert!(start.elapsed().as_secs_f64() < 1.0);
    assert_eq!(stage.redis.keys(), ["datasets"]);
}
