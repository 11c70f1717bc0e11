//! Docker's client, played by small scripts: what is asked of it, and what becomes of its answers.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::failure::{Exit, Explain as _};

/// A client that is this shell script. Its arguments go into the file `asked`, one a line.
fn client(script: &str) -> (TempDir, Docker) {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("docker");
    let text = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > {}/asked\n{script}\n", dir.path().display());
    // Written under another name: a file that was open for writing while another test forks cannot be run.
    let draft = dir.path().join("draft");
    fs_err::write(&draft, text).unwrap();
    fs_err::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).unwrap();
    let copied = std::process::Command::new("cp").args(["-p"]).arg(&draft).arg(&program).status().unwrap();
    assert!(copied.success());
    let docker = Docker { program, marker: Some(Marker::new(dir.path())) };
    (dir, docker)
}

fn asked(dir: &TempDir) -> Vec<String> {
    fs_err::read_to_string(dir.path().join("asked")).unwrap().lines().map(str::to_owned).collect()
}

/// A program in Go that prints its stack behind its error is told by its error.
#[test]
fn a_stack_is_not_the_last_words() {
    let said = r"error: the control plane did not come up\nk8s.io/app.run\n\tapp/cmd.go:47\nruntime.goexit\n\truntime/asm_amd64.s:1771";
    let (_dir, docker) = client(&format!("printf '{said}\\n' >&2; exit 1"));
    let error = docker.pull("here").unwrap_err().to_string();
    assert!(error.ends_with("it said: error: the control plane did not come up"), "{error}");
}

/// A command that fails is named as one would type it, with the end of what it said and the remedy that fits.
#[test]
fn a_failure_names_the_command_and_its_last_words() {
    let (_dir, docker) = client("seq 1 9 >&2; echo 'write /x: no space left on device' >&2; exit 1");
    let error = docker.pull("it's:here").unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to run `docker pull --quiet 'it'\\''s:here'`: exit status: 1; \
         it said: 6 | 7 | 8 | 9 | write /x: no space left on device"
    );
    assert_eq!((error.exit(), error.cause_name()), (Exit::Lab, "docker-failed"));
    assert!(error.remedy().contains("docker system prune"), "{}", error.remedy());
}

/// An engine that is not there is told from one that refuses, and each gets its own remedy.
#[test]
fn an_engine_out_of_reach_is_a_matter_of_preflight() {
    let (_dir, docker) = client("echo 'Cannot connect to the Docker daemon at unix:///x. Is it running?' >&2; exit 1");
    let error = docker.versions().unwrap_err();
    assert_eq!((error.exit(), error.cause_name()), (Exit::Preflight, "docker-unreachable"));
    assert!(error.remedy().contains("systemctl start docker"));
    let said = "permission denied while trying to connect to the Docker daemon socket at unix:///x";
    let (_dir, docker) = client(&format!("echo '{said}' >&2; exit 1"));
    let error = docker.image_id("x").unwrap_err();
    assert!(error.remedy().contains("usermod"), "{error}");
}

/// What is not there is an answer and no error, in every form in which Docker says so; anything else is an error.
#[test]
fn what_is_not_there_is_not_an_error() {
    for words in ["Error: No such image: x", "Error response from daemon: network x not found", "no such object: x"] {
        let (_dir, docker) = client(&format!("echo '{words}' >&2; exit 1"));
        assert_eq!(docker.image_id("x").unwrap(), None, "{words}");
        assert_eq!(docker.inspect("x").unwrap(), None, "{words}");
        assert!(!docker.has_network("x").unwrap() && !docker.remove_network("x").unwrap(), "{words}");
    }
    let (_dir, docker) = client("echo 'Error response from daemon: network x has active endpoints' >&2; exit 1");
    assert!(docker.remove_network("x").is_err());
}

/// A container starts with exactly what was asked for, each argument one word, and never with a pull.
#[test]
fn a_container_is_asked_for_word_by_word() {
    let (dir, docker) = client("echo 4711");
    let mounts = [
        Mount { source: Path::new("/a b,\"c\""), target: "/data", read_only: false },
        Mount { source: Path::new("/r"), target: "/r", read_only: true },
    ];
    let run = Run {
        image: "image:tag",
        name: "lab-x",
        labels: &[("batch-ml-lab", "x")],
        network: Some("kind"),
        mounts: &mounts,
        capabilities: &["DAC_READ_SEARCH"],
        environment: &[("A", "b c")],
        ports: &[(0, 2049)],
        command: &["serve", "--now"],
        options: &["--read-only"],
    };
    assert_eq!(docker.run(&run).unwrap(), "4711");
    let expected = [
        "run",
        "--detach",
        "--pull",
        "never",
        "--name",
        "lab-x",
        "--label",
        "batch-ml-lab=x",
        "--network",
        "kind",
        "--mount",
        "type=bind,\"source=/a b,\"\"c\"\"\",\"target=/data\"",
        "--mount",
        "type=bind,\"source=/r\",\"target=/r\",readonly",
        "--cap-add",
        "DAC_READ_SEARCH",
        "--env",
        "A=b c",
        "--publish",
        "127.0.0.1:0:2049",
        "--read-only",
        "image:tag",
        "serve",
        "--now",
    ];
    assert_eq!(asked(&dir), expected);
}

/// Both streams may be as long as they like, and so may the input: nothing waits for anything else to be read.
#[test]
fn streams_of_any_length_do_not_block() {
    let (_dir, docker) = client("seq 1 200000 >&2; cat; seq 1 200000 >&2; exit 3");
    let input = vec![b'x'; 4 << 20];
    let executed = docker.exec("x", &["cat"], &input).unwrap();
    assert_eq!((executed.code, executed.stdout.len()), (3, input.len()));
    // One that does not read its input is not waited for either.
    let (_dir, docker) = client("exit 0");
    assert_eq!(docker.exec("x", &["true"], &input).unwrap().code, 0);
}

/// A command in a container may fail as it likes; that there is no container is Docker's failure.
#[test]
fn a_failed_command_is_told_from_a_failed_exec() {
    let (_dir, docker) = client("echo 'cat: /x: No such file or directory' >&2; exit 1");
    assert_eq!(docker.exec("x", &["cat", "/x"], b"").unwrap().code, 1);
    let (_dir, docker) = client("echo 'Error response from daemon: No such container: x' >&2; exit 1");
    assert!(docker.exec("x", &["cat", "/x"], b"").is_err());
}

/// A command that hangs is ended in time, with its helpers, and the error says what it said.
#[test]
fn a_command_that_hangs_is_ended() {
    let (dir, docker) = client("echo waiting >&2; sleep 60 & sleep 60");
    let call = docker.call(["pull", "x"]).limit(Duration::from_millis(300));
    let start = Instant::now();
    let error = call.run().unwrap_err();
    assert_eq!(error.to_string(), "failed to run `docker pull x`: not done after 0.3 s; it said: waiting");
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(Marker::new(dir.path()).processes(), [], "no helper is left");
}

/// Every process of the client carries the lab's marker.
#[test]
fn the_client_carries_the_marker() {
    let (dir, docker) = client("printf %s \"$BATCH_ML_LAB\"");
    assert_eq!(docker.image_id("x").unwrap().unwrap(), dir.path().to_string_lossy());
}

/// State, addresses and forwarded ports are read from what engines print, those without addresses too.
#[test]
fn a_container_is_read() {
    let json = r#"[{"Id": "f00", "Image": "sha256:1", "State": {"Status": "running", "ExitCode": 0, "Error": ""},
        "Config": {"Labels": {"batch-ml-lab": "x"}},
        "Mounts": [{"Type": "bind", "Source": "/here", "Destination": "/there"},
            {"Type": "volume", "Name": "v", "Source": "/var/v", "Destination": "/v"}],
        "NetworkSettings": {
        "Ports": {"2049/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}], "111/tcp": null},
        "Networks": {"kind": {"IPAddress": "172.18.0.2"}, "off": {"IPAddress": ""}}}}]"#;
    let container = inspect::parse(json.as_bytes()).unwrap();
    assert!(container.is_running());
    assert_eq!(container.labels["batch-ml-lab"], "x");
    assert_eq!(container.networks.iter().collect::<Vec<_>>(), ["kind", "off"]);
    assert_eq!(container.addresses.into_iter().collect::<Vec<_>>(), [("kind".into(), [172, 18, 0, 2].into())]);
    assert_eq!(container.ports.into_iter().collect::<Vec<_>>(), [(2049, 32768)]);
    assert_eq!(container.binds.into_iter().collect::<Vec<_>>(), [("/there".into(), "/here".into())]);
    let ended = r#"[{"Id": "f00", "Image": "sha256:1", "State": {"Status": "exited", "ExitCode": 137, "Error": "oom"},
        "Config": {"Labels": null}, "NetworkSettings": {}}]"#;
    let container = inspect::parse(ended.as_bytes()).unwrap();
    assert_eq!((container.is_running(), container.exit_code, container.error.as_str()), (false, 137, "oom"));
}
