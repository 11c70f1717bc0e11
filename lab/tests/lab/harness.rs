//! A place for labs: state, cache and records in a directory of its own, the program `lab` started there, and what it
//! left behind looked at from outside.
//!
//! `lab` is the form that these tests were built in, for only that one has kill points. Worker and judge are those that
//! LAB_WORKER and LAB_JUDGE name, as `cargo xtask test` sets them; without these, cargo builds them once.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take that should take milliseconds.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The rule of the house for a test that cannot run here: say so, and why.
macro_rules! or_skip {
    ($wanted:expr) => {
        match $wanted {
            Ok(found) => found,
            Err(reason) => return eprintln!("skipped: {reason}"),
        }
    };
}
pub(crate) use or_skip;

/// State, cache and records of nobody else.
pub struct Place {
    dir: tempfile::TempDir,
}

/// How a `lab` ended, and what it printed.
#[derive(Debug)]
pub struct Said {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
    pub seconds: f64,
}

/// A `lab` that runs.
pub struct Running {
    child: Child,
    start: Instant,
    out: PathBuf,
    err: PathBuf,
}

impl Place {
    /// A place, if there is a Redis server for it.
    pub fn new() -> Result<Self, String> {
        redis_server()?;
        Ok(Self::without_redis())
    }

    /// A place for what needs no Redis.
    pub fn without_redis() -> Self {
        let dir = tempfile::Builder::new().prefix("lab-test-").tempdir().expect("a temporary directory");
        Self { dir }
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// The directory of a lab.
    pub fn lab_dir(&self, name: &str) -> PathBuf {
        self.path("state/batch-ml-lab").join(name)
    }

    /// `lab` with these arguments, in this place and with nothing that the shell or CI sets; `up` is on target `local`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.wrapped(env!("CARGO_BIN_EXE_lab"), arguments);
        // What `auto` takes depends on the machine.
        if arguments.first() == Some(&"up") && !arguments.iter().any(|option| ["--target", "--gke"].contains(option)) {
            command.args(["--target", "local"]);
        }
        command
    }

    /// Another program, which finds `lab` in LAB, in this place.
    pub fn wrapped(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        let inherited = std::env::vars_os().map(|(name, _)| name);
        let settings = ["LAB_", "WORKER_", "GITHUB_", "XDG_"];
        let set = |name: &std::ffi::OsString| settings.iter().any(|start| name.to_string_lossy().starts_with(start));
        let fixed = ["CI", "NO_COLOR", "COLUMNS", "BATCH_ML_LAB"].map(Into::into);
        for name in inherited.filter(set).chain(fixed) {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("LAB", env!("CARGO_BIN_EXE_lab"));
        command.env("XDG_STATE_HOME", self.path("state")).env("XDG_CACHE_HOME", self.path("cache"));
        command.env("LAB_RUNS", self.path("runs"));
        command.envs(redis_server().ok().map(|server| ("LAB_REDIS_SERVER", server)));
        command.env("TERM", "xterm");
        // Docker is the whole machine's: what others have there is not this place's to see, let alone to clean up.
        command.env("DOCKER_HOST", format!("unix://{}", self.path("no-docker").display()));
        command
    }

    /// The same, with worker and judge.
    pub fn e2e(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["e2e", "--target", "local"]);
        command.args(arguments).env("LAB_WORKER", program("worker")).env("LAB_JUDGE", program("judge"));
        command
    }

    /// Runs `lab` to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.finish(self.command(arguments))
    }

    /// Runs a command to its end.
    pub fn finish(&self, command: Command) -> Said {
        self.start(command).wait()
    }

    /// Starts a command. What it prints goes into files: nothing that it leaves running keeps us waiting for their end.
    pub fn start(&self, mut command: Command) -> Running {
        let said = tempfile::Builder::new().prefix("said-").tempdir_in(self.dir.path()).expect("a directory").keep();
        let (out, err) = (said.join("out"), said.join("err"));
        let file = |path: &Path| std::fs::File::create(path).expect("a file");
        let child = command.stdout(file(&out)).stderr(file(&err)).spawn().expect("the program starts");
        Running { child, start: Instant::now(), out, err }
    }

    /// What `status --json` says of a lab.
    pub fn status(&self, name: &str) -> Value {
        let said = self.run(&["status", "--json", "--name", name]);
        said.assert_code(0);
        serde_json::from_str(&said.out).expect("a JSON line")
    }

    /// Waits until the worker of a lab has said this on standard error.
    pub fn wait_for_worker(&self, name: &str, text: &str) {
        assert!(
            wait_until(|| self.run(&["logs", "--stderr", "--name", name]).out.contains(text)),
            "the worker has not said `{text}`"
        );
    }

    /// A connection to a lab's Redis.
    pub fn redis(&self, name: &str) -> redis::Connection {
        let port = self.status(name)["redis"]["port"].as_u64().expect("a port");
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}/")).expect("an address");
        client.get_connection_with_timeout(LIMIT).expect("a Redis that answers")
    }

    /// Every process that has to do with this place: by its environment, its arguments or where it stands. Not by the
    /// lab's own means, which may be wrong.
    pub fn processes(&self) -> BTreeSet<i32> {
        let place = self.dir.path().as_os_str().as_encoded_bytes();
        let holds = |bytes: &[u8]| bytes.windows(place.len()).any(|window| window == place);
        let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
        let processes = entries.filter_map(|entry| Some((entry.path(), entry.file_name().to_str()?.parse().ok()?)));
        let is_ours = |(path, _): &(PathBuf, i32)| {
            let read = |name| std::fs::read(path.join(name)).unwrap_or_default();
            // The dead that nobody has buried yet have neither.
            let directory = std::fs::read_link(path.join("cwd")).unwrap_or_default();
            holds(&read("environ")) || holds(&read("cmdline")) || directory.starts_with(self.dir.path())
        };
        processes.filter(is_ours).map(|(_, pid)| pid).collect()
    }

    /// No process, no directory of any lab: nothing but records and the cache.
    #[track_caller]
    pub fn assert_nothing_is_left(&self, when: &str) {
        let gone = wait_until(|| self.processes().is_empty());
        assert!(gone, "{when}: processes {:?} are left", self.processes());
        let left: Vec<_> = std::fs::read_dir(self.dir.path())
            .expect("the place")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !["cache", "runs", "scripts"].contains(&name.as_str()) && !name.starts_with("said-"))
            .flat_map(|name| tree(&self.path(&name)))
            .collect();
        assert_eq!(left, [self.path("state")], "{when}");
    }

    /// The lab stands: by its own word, and there is exactly one process, which answers.
    #[track_caller]
    pub fn assert_up(&self, name: &str, when: &str) {
        let status = self.status(name);
        assert_eq!((&status["state"], &status["redis"]["serves"]), (&"up".into(), &true.into()), "{when}: {status}");
        let pid = status["redis"]["pid"].as_i64().expect("a pid");
        // What a lab that was killed had just asked something, a version say, may still be on its way to its end.
        let alone = || self.processes().into_iter().map(i64::from).eq([pid]);
        assert!(wait_until(alone), "{when}: processes {:?} beside Redis's, {pid}", self.processes());
        let answer: String = redis::cmd("PING").query(&mut self.redis(name)).expect("a Redis that answers");
        assert_eq!(answer, "PONG", "{when}");
    }

    /// Writes a program.
    pub fn script(&self, name: &str, text: &str) -> String {
        let path = self.path("scripts").join(name);
        std::fs::create_dir_all(self.path("scripts")).expect("a directory");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a script");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
        path.to_str().expect("UTF-8").into()
    }

    /// The directory of the only record.
    pub fn record(&self) -> PathBuf {
        let runs: Vec<_> = std::fs::read_dir(self.path("runs")).expect("runs").flatten().collect();
        let [run] = &runs[..] else { panic!("not one record but {runs:?}") };
        run.path()
    }

    /// A file of the only record as JSON.
    pub fn evidence(&self, file: &str) -> Value {
        let text = std::fs::read(self.record().join(file)).expect("a file of the record");
        serde_json::from_slice(&text).expect("JSON")
    }
}

impl Drop for Place {
    /// A test that fails leaves a lab: nobody would look at this one.
    fn drop(&mut self) {
        for pid in self.processes() {
            // It may have ended by now.
            let _ = kill_process(Pid::from_raw(pid).expect("a number of a process"), Signal::KILL);
        }
    }
}

impl Running {
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a child that was not waited for");
    }

    /// What it has printed on standard error so far.
    pub fn err(&self) -> String {
        read(&self.err)
    }

    /// Waits until it has printed this on standard error.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let mut ended = false;
        let seen = wait_until(|| {
            ended = self.child.try_wait().expect("a child").is_some();
            ended || self.err().contains(text)
        });
        assert!(seen && self.err().contains(text), "no `{text}` (ended: {ended}) in:\n{}", self.err());
    }

    /// Gives it so much time, and then SIGKILL; how it ended.
    pub fn kill_after(mut self, delay: Duration) -> Said {
        while self.start.elapsed() < delay && self.child.try_wait().expect("a child").is_none() {
            thread::sleep(delay.saturating_sub(self.start.elapsed()).min(Duration::from_micros(200)));
        }
        // It may have ended by now.
        let _ = self.child.kill();
        self.wait()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Said {
        let mut status = None;
        let ended = wait_until(|| {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        if !ended {
            let _ = self.child.kill();
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let status = status.unwrap_or_else(|| panic!("it did not end within {LIMIT:?}:\n{}", self.err()));
        Said { status, out: read(&self.out), err: read(&self.err), seconds }
    }
}

impl Said {
    /// 128 + signal for a signal, as a shell has it.
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt as _;
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code(), code, "standard output:\n{}\nstandard error:\n{}", self.out, self.err);
    }

    /// Every line of standard output as JSON.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    }
}

/// Looks until it is so, half a minute at most; says whether it is.
pub fn wait_until(mut look: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !look() {
        if start.elapsed() > LIMIT {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}

/// A path and all that is below it.
pub fn tree(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    if path.is_dir() && !path.is_symlink() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        all.extend(entries.flat_map(|entry| tree(&entry.path())));
    }
    all
}

/// The Redis server that the lab itself would take, fetched if need be: what LAB_REDIS_SERVER names, the first on the
/// PATH, or the distribution's in the cache.
pub fn redis_server() -> Result<PathBuf, String> {
    static SERVER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let find = || {
        let output = Command::new(env!("CARGO_BIN_EXE_lab")).args(["redis-server", "--quiet"]).output();
        let output = output.map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout).into()) } else { Err(text(&output.stderr)) }
    };
    SERVER.get_or_init(find).clone()
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("what it printed");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `worker` or `judge`.
pub fn program(name: &str) -> PathBuf {
    let named = std::env::var_os(format!("LAB_{}", name.to_uppercase())).map(PathBuf::from);
    named.unwrap_or_else(|| built().join(name))
}

/// Where worker and judge lie once they are built, in the form that these tests were built in.
fn built() -> &'static Path {
    static BUILT: OnceLock<()> = OnceLock::new();
    let programs = Path::new(env!("CARGO_BIN_EXE_lab")).parent().expect("a program lies in a directory");
    BUILT.get_or_init(|| {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--package", "worker", "--package", "tests", "--bin", "worker", "--bin", "judge"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        if programs.ends_with("release") {
            build.arg("--release");
        }
        let output = build.output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
    programs
}
