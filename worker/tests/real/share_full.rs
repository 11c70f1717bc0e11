//! A share without room: the claim goes back, nothing half-written stays, and with room again the end is as if there
//! had always been room.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use crate::harness::{Stage, or_skip, unshare};

/// Mounts a small file system over `output`, and then runs the worker there whenever it is told to.
const SCRIPT: &str = r#"
    mount -t tmpfs -o "size=$1" tmpfs "$FILESTORE_PATH/output" || exit 77
    while read -r size; do
        mount -o "remount,size=$size" "$FILESTORE_PATH/output" || exit 77
        "$WORKER" > /dev/null 2> "$FILESTORE_PATH/notes"
        echo "code $?"
        rm -rf "$FILESTORE_PATH/copy"
        cp -a "$FILESTORE_PATH/output" "$FILESTORE_PATH/copy"
        echo "done"
    done
"#;

/// A shell in a mount namespace of its own.
struct Namespace {
    shell: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Namespace {
    fn new(stage: &Stage, size: &str) -> Result<Self, String> {
        std::fs::create_dir(stage.path("output")).unwrap();
        let mut command = unshare("m")?;
        command.args(["sh", "-c", SCRIPT, "sh", size]);
        for (name, value) in stage.command().get_envs() {
            command.env(name, value.unwrap());
        }
        command.env("WORKER", env!("CARGO_BIN_EXE_worker")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
        let output = BufReader::new(shell.stdout.take().unwrap());
        Ok(Self { shell, output })
    }

    /// Runs a worker with so much room, and returns its exit code; `None` where nothing can be mounted here.
    fn run(&mut self, size: &str) -> Option<i32> {
        writeln!(self.shell.stdin.as_mut().unwrap(), "{size}").ok()?;
        let mut code = None;
        for line in (&mut self.output).lines() {
            match line.unwrap().strip_prefix("code ") {
                Some(text) => code = text.parse().ok(),
                None => return code,
            }
        }
        None
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[test]
fn a_full_share_costs_nothing_but_time() {
    // A page is 4 KiB: each of the files takes one, the draft of the report another while it is replaced.
    for pages in 1..=5 {
        let size = format!("{}k", 4 * pages);
        let stage = or_skip!(Stage::filled());
        let mut namespace = or_skip!(Namespace::new(&stage, &size));
        let Some(code) = namespace.run(&size) else {
            return eprintln!("skipped: no file system can be mounted here, not even in a namespace");
        };
        let notes = std::fs::read_to_string(stage.path("notes")).unwrap();
        assert_eq!(code, 5, "{size}: {notes}");
        assert!(
            notes
                .contains("No space left on device (os error 28)\nmake room on the share, then start the worker again"),
            "{size}: {notes}"
        );
        let copy: Vec<String> = crate::harness::files(&stage.path("copy")).into_keys().collect();
        assert!(copy.iter().all(|name| !name.ends_with(".tmp")), "{size}: {copy:?}");
        assert_eq!(stage.redis.keys(), ["datasets"], "{size}: the claim is back, and nothing else is left");

        assert_eq!(namespace.run("1m"), Some(0), "{size}");
        drop(namespace);
        std::fs::remove_dir(stage.path("output")).unwrap();
        std::fs::rename(stage.path("copy"), stage.path("output")).unwrap();
        stage.assert_undisturbed(&size);
        println!("with {size}: {}", notes.lines().filter(|line| line.contains("failed to")).collect::<String>());
    }
}
