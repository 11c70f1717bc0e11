//! Programs that a test starts as a person would: the lab in the form that the test was built in.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use lab::wait::scaled;
use rustix::process::{Pid, Signal, kill_process};

/// How long one command of the lab may take that makes a cluster.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Ends a test that was not asked for, with the reason printed.
macro_rules! or_skip {
    ($wanted:expr) => {
        match $wanted {
            Ok(found) => found,
            Err(reason) => return eprintln!("skipped: {reason}"),
        }
    };
}
pub(crate) use or_skip;

/// How a `lab` ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

/// A `lab` that runs.
pub struct Running {
    child: Child,
    start: Instant,
    out: PathBuf,
    err: PathBuf,
}

/// Starts a command. What it prints goes into files: nothing that it leaves running keeps us waiting for their end.
pub fn start(dir: &Path, mut command: Command) -> Running {
    let said = tempfile::Builder::new().prefix("said-").tempdir_in(dir).expect("a directory").keep();
    let (out, err) = (said.join("out"), said.join("err"));
    let file = |path: &Path| std::fs::File::create(path).expect("a file");
    let child = command.stdout(file(&out)).stderr(file(&err)).spawn().expect("the program starts");
    Running { child, start: Instant::now(), out, err }
}

impl Running {
    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a child that was not waited for");
    }

    /// Waits until it is so, or until it has ended; says whether it is so.
    pub fn wait_until(&mut self, mut look: impl FnMut() -> bool) -> bool {
        while !look() {
            if self.child.try_wait().expect("a child").is_some() || self.start.elapsed() > scaled(LIMIT) {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Said {
        let mut code = None;
        while code.is_none() && self.start.elapsed() < scaled(LIMIT) {
            use std::os::unix::process::ExitStatusExt as _;
            let status = self.child.try_wait().expect("a child");
            code = status.map(|status| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()));
            thread::sleep(Duration::from_millis(5));
        }
        let read = |path: &Path| String::from_utf8_lossy(&fs_err::read(path).expect("what it printed")).into_owned();
        let (out, err, took) = (read(&self.out), read(&self.err), self.start.elapsed());
        let code = code.unwrap_or_else(|| {
            // It may have ended by now.
            let _ = self.child.kill();
            panic!("it did not end within {:?}:\n{err}", scaled(LIMIT))
        });
        Said { code, out, err, took }
    }
}

impl Said {
    /// It has ended with this code.
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, code, "standard output:\n{}\nstandard error:\n{}", self.out, self.err);
    }
}

/// The static worker.
pub fn worker() -> PathBuf {
    std::env::var_os("LAB_WORKER")
        .expect("LAB_WORKER names a static worker: `cargo xtask test --cluster` sets it")
        .into()
}

/// `lab`, in the form that this test was built in: LAB_DEBUG_BIN where `cargo xtask test` has built it.
pub fn lab() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(built) = std::env::var_os("LAB_DEBUG_BIN") {
            return built.into();
        }
        let programs = Path::new(env!("CARGO_BIN_EXE_judge")).parent().expect("a program lies in a directory");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--package", "lab", "--bin", "lab"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        if programs.ends_with("release") {
            build.arg("--release");
        }
        let output = build.output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        programs.join("lab")
    })
}
