//! Starts `lab e2e` as a person would, in directories of its own, and opens the record that it leaves.
//!
//! The programs are those that LAB_BIN, LAB_WORKER and LAB_JUDGE name, as `cargo xtask test` sets them; without these,
//! `cargo build` makes them once and they are taken from cargo's target directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use lab::record::{Record, Verdict};
use tests::redis_server;

/// The rule of the house for a test that cannot run here: say so, and why.
#[macro_export]
macro_rules! or_skip {
    ($wanted:expr) => {
        match $wanted {
            Ok(found) => found,
            Err(reason) => {
                eprintln!("skipped: {reason}");
                return;
            }
        }
    };
}

/// A place for one lab and its records.
pub struct Place {
    dir: tempfile::TempDir,
}

/// How `lab e2e` ended.
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// All that it printed, for a failing test to show.
    pub said: String,
    /// The record.
    pub record: Record,
    /// The verdict in it.
    pub verdict: Verdict,
}

impl Place {
    /// A place, if there is a Redis server for it.
    pub fn new() -> Result<Self, String> {
        redis_server::program()
            .ok_or("there is no Redis server: put `redis-server` on the PATH, or set LAB_REDIS_SERVER")?;
        Ok(Self { dir: tempfile::tempdir().map_err(|error| error.to_string())? })
    }

    /// `lab e2e --target local` with these arguments more.
    pub fn e2e(&self, arguments: &[&str]) -> Ended {
        self.e2e_with(arguments, &[])
    }

    /// The same, with variables in its environment.
    pub fn e2e_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        let output = self.command(arguments).arg("--json").envs(environment.iter().copied()).output();
        self.ended(&output.expect("the lab starts"))
    }

    /// The command, for who wants to see what a person sees, or to disturb it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut lab = Command::new(lab());
        lab.args(["e2e", "--target", "local"]).args(arguments).arg("--runs").arg(self.runs());
        lab.env("XDG_STATE_HOME", self.dir.path().join("state")).env("LAB_WORKER", worker()).env("LAB_JUDGE", judge());
        // What the shell or CI sets must not reach the run.
        for name in [
            "LAB_RUNS",
            "LAB_TIME_SCALE",
            "LAB_JOB_TIME_SCALE",
            "WORKER_SEED",
            "WORKER_LEASE_S",
            "GITHUB_ACTIONS",
            "GITHUB_STEP_SUMMARY",
        ] {
            lab.env_remove(name);
        }
        lab
    }

    /// Where the records of its runs are.
    pub fn runs(&self) -> PathBuf {
        self.dir.path().join("runs")
    }

    /// A file or directory of its own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The record of its only run, if that has begun.
    pub fn only_record(&self) -> Option<Record> {
        let mut runs = fs_err::read_dir(self.runs()).ok()?.map(|entry| entry.expect("an entry").path());
        let dir = runs.next()?;
        assert!(runs.next().is_none(), "one run");
        Record::open(dir).ok()
    }

    /// Four days of which one cannot be read, for `--datasets`.
    pub fn torn_datasets(&self) -> PathBuf {
        let days = transactions::simulator::generate(4, 0).expect("four days");
        let path = |name: &str| self.path("torn").join(name);
        fs_err::create_dir_all(path("training")).expect("a writable directory");
        fs_err::create_dir_all(path("testing")).expect("a writable directory");
        for day in &days[..3] {
            transactions::write(&path(&format!("training/{}.pkl", day.date)), &day.table).expect("a dataset");
        }
        transactions::write(&path("testing/test_dataset.pkl"), &days[3].table).expect("a dataset");
        let torn = path("training/2018-04-02.pkl");
        let bytes = fs_err::read(&torn).expect("a dataset");
        fs_err::write(&torn, &bytes[..bytes.len() / 2]).expect("half a dataset");
        self.path("torn")
    }

    fn ended(&self, output: &Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
        let events = text(&output.stdout);
        let mut events = events.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let run = events.find(|event| event["event"] == "run");
        let dir = run
            .and_then(|run| run["record"].as_str().map(PathBuf::from))
            .unwrap_or_else(|| panic!("no run in what the lab said: {said}"));
        let record = Record::open(dir).expect("a record");
        let verdict = record.verdict().unwrap_or_else(|error| panic!("no verdict: {error}\n{said}"));
        Ended { code: output.status.code().unwrap_or(-1), said, record, verdict }
    }
}

impl Drop for Place {
    /// A red run keeps its lab: nobody would look at this one.
    fn drop(&mut self) {
        let down =
            Command::new(lab()).args(["down", "--quiet"]).env("XDG_STATE_HOME", self.dir.path().join("state")).output();
        if let Some(output) = down.ok().filter(|output| !output.status.success()) {
            eprintln!("the lab did not go down: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

impl Ended {
    /// The run is green, and the lab says so by its exit code.
    #[track_caller]
    pub fn assert_green(&self) {
        let verdict = tests::console::render(&self.verdict, self.record.dir(), false);
        assert!(self.verdict.green && self.code == 0, "exit code {}\n{verdict}\n{}", self.code, self.said);
        // Whoever is not heard says why.
        let unheard = self.verdict.notes.iter().filter(|note| !self.verdict.judges.contains(&note.judge)).count();
        assert_eq!(self.verdict.judges.len() + unheard, tests::judges::JUDGES.len());
    }

    /// The run is red, with this exit code and this cause before all others.
    #[track_caller]
    pub fn assert_red(&self, code: i32, cause: &str) {
        let first = self.verdict.findings.first().map_or("green", |first| &first.cause);
        let verdict = tests::console::render(&self.verdict, self.record.dir(), false);
        assert_eq!((self.code, first), (code, cause), "{verdict}\n{}", self.said);
    }

    /// The checkpoints by name.
    pub fn checkpoints(&self) -> Vec<(String, Vec<u8>)> {
        let files = self.record.output_files().expect("the output");
        let read = |file: String| {
            let bytes = fs_err::read(self.record.output_dir().join(&file)).expect("a checkpoint");
            (file, bytes)
        };
        files.into_iter().filter(|file| file.ends_with(".pkl")).map(read).collect()
    }
}

/// The tutorial's own five files, where they are at hand.
pub fn real_datasets() -> Result<PathBuf, String> {
    let shared = std::env::var_os("LAB_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let datasets = shared.join("tutorial/datasets");
    match datasets.join("testing/test_dataset.pkl").is_file() {
        true => Ok(datasets),
        false => Err(format!(
            "the tutorial's own files are not in `{}`: set LAB_SHARED to where they are",
            datasets.display()
        )),
    }
}

/// The double of the original.
pub fn original() -> &'static str {
    env!("CARGO_BIN_EXE_original")
}

/// The program `judge`.
pub fn judge() -> PathBuf {
    std::env::var_os("LAB_JUDGE").map_or_else(|| env!("CARGO_BIN_EXE_judge").into(), PathBuf::from)
}

fn lab() -> PathBuf {
    std::env::var_os("LAB_BIN").map_or_else(|| built("lab"), PathBuf::from)
}

fn worker() -> PathBuf {
    std::env::var_os("LAB_WORKER").map_or_else(|| built("worker"), PathBuf::from)
}

/// A program of another package, built in the form that this test was built in.
fn built(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    // The judge lies where cargo puts the programs of this form.
    let programs = Path::new(env!("CARGO_BIN_EXE_judge")).parent().expect("a program lies in a directory");
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--package", "lab", "--package", "worker", "--bins"]).current_dir(root());
        if programs.ends_with("release") {
            build.arg("--release");
        }
        let output = build.output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
    programs.join(name)
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
