//! The tutorial's stage in small: four training days and a test day on a share, and a Redis beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use transactions::simulator::{Parameters, simulate};
use worker::checkpoint::Checkpoint;
use worker::report::Report;

use super::{Finished, Redis, Worker};

/// The training days, as the tutorial pushes them; the last one is taken first.
const DAYS: [&str; 4] = ["2018-04-01", "2018-04-02", "2018-04-03", "2018-04-04"];

/// A share and a Redis of one test's own.
pub struct Stage {
    pub redis: Redis,
    pub share: TempDir,
}

/// The items of the queue in the order in which the tutorial pushes them.
pub fn days() -> [String; 4] {
    DAYS.map(|day| format!("datasets/training/{day}.pkl"))
}

impl Stage {
    /// A share with datasets, and an empty queue; or the reason why there is no Redis.
    pub fn new() -> Result<Self, &'static str> {
        let share = tempfile::tempdir().expect("a temporary directory");
        lay_datasets(share.path());
        Ok(Self { redis: Redis::start()?, share })
    }

    /// The same, with the four days in the queue.
    pub fn filled() -> Result<Self, &'static str> {
        let stage = Self::new()?;
        stage.push(&days());
        Ok(stage)
    }

    pub fn push(&self, items: &[impl redis::ToRedisArgs]) {
        redis::cmd("RPUSH").arg("datasets").arg(items).exec(&mut self.redis.connect()).expect("a push");
    }

    /// The worker's command: a lease of 1 s, so that no test waits long for one to end.
    pub fn command(&self) -> Command {
        self.command_on(self.share.path())
    }

    /// The same with another directory as the share.
    pub fn command_on(&self, share: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command
            .env("REDIS_SERVICE_HOST", "127.0.0.1")
            .env("REDIS_SERVICE_PORT", self.redis.port().to_string())
            .env("FILESTORE_PATH", share)
            .env("WORKER_LEASE_S", "1");
        command
    }

    pub fn start(&self) -> Worker {
        Worker::start(&mut self.command())
    }

    /// A worker with one more variable.
    pub fn start_with(&self, name: &str, value: &str) -> Worker {
        Worker::start(self.command().env(name, value))
    }

    /// A worker's whole life.
    pub fn run(&self) -> Finished {
        self.start().wait()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.share.path().join(name)
    }

    /// Every file in `output`, by name.
    pub fn output(&self) -> BTreeMap<String, Vec<u8>> {
        files(&self.path("output"))
    }

    pub fn report(&self) -> Report {
        let text = std::fs::read_to_string(self.path("output/report.txt")).expect("a report");
        Report::parse(&text).expect("a report that is whole")
    }

    /// File names of the datasets in the report, in its order.
    pub fn reported(&self) -> Vec<String> {
        self.report().entries.into_iter().map(|entry| entry.dataset).collect()
    }

    pub fn checkpoint(&self, day: &str) -> Checkpoint {
        let bytes = std::fs::read(self.path(&format!("output/model_cpt_{day}.pkl"))).expect("a checkpoint");
        Checkpoint::from_bytes(&bytes).expect("a checkpoint that is whole")
    }

    /// The end must be that of a run that nobody disturbed: the same checkpoints byte for byte, the same report but for
    /// its times, no other file, and a Redis without a key.
    pub fn assert_undisturbed(&self, context: &str) {
        static UNDISTURBED: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
        let expected = UNDISTURBED.get_or_init(|| {
            let stage = Stage::filled().expect("a Redis, as there was one before");
            stage.run().assert_code(0);
            without_times(stage.output())
        });
        let found = without_times(self.output());
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{context}: the files differ"
        );
        for (name, bytes) in expected {
            assert!(found[name] == *bytes, "{context}: `{name}` differs:\n{}", String::from_utf8_lossy(&found[name]));
        }
        assert_eq!(self.redis.keys(), [""; 0], "{context}: keys are left in Redis");
    }
}

/// Lays four small days and a test day into a share.
pub fn lay_datasets(share: &Path) {
    let parameters = Parameters { customers: 400, terminals: 200, days: 5, ..Parameters::default() };
    let days = simulate(&parameters).expect("parameters that make sense");
    std::fs::create_dir_all(share.join("datasets/training")).expect("a directory");
    std::fs::create_dir_all(share.join("datasets/testing")).expect("a directory");
    let paths = DAYS.iter().map(|day| format!("training/{day}.pkl")).chain(["testing/test_dataset.pkl".into()]);
    for (day, path) in days.days().zip(paths) {
        transactions::write(&share.join("datasets").join(path), &day.table).expect("a dataset");
    }
}

/// Every file in a directory, by name.
pub fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.expect("an entry");
        (entry.file_name().into_string().expect("a name in UTF-8"), std::fs::read(entry.path()).expect("a file"))
    };
    entries.map(file).collect()
}

fn without_times(mut files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    if let Some(report) = files.get_mut("report.txt") {
        let mut parsed = Report::parse(std::str::from_utf8(report).expect("text")).expect("a report that is whole");
        parsed.entries.iter_mut().for_each(|entry| entry.generated_on = "2022-02-09 14:19:42.303619".into());
        *report = parsed.to_string().into_bytes();
    }
    files
}
