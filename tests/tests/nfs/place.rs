//! A folder of the share with the tutorial's stage in small, and the end that every run on it must have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};
use tests::redis_server::RedisServer;
use transactions::simulator::{Parameters, simulate};
use worker::checkpoint::Checkpoint;
use worker::report::Report;

use crate::LEASE_S;
use crate::needs::Form;

/// A share in the share, with a queue of its own.
pub struct Place {
    name: String,
    folder: PathBuf,
    redis: RedisServer,
    datasets: usize,
}

type Files = BTreeMap<String, Vec<u8>>;

impl Place {
    /// A folder below `share` with so many datasets, all of them in the queue.
    pub fn new(share: &Path, name: &str, datasets: usize) -> Self {
        let folder = share.join(name);
        lay_datasets(&folder, datasets);
        let redis = RedisServer::start().expect("a Redis server, since there is a program for it");
        let place = Self { name: name.into(), folder, redis, datasets };
        let push = redis::cmd("RPUSH").arg("datasets").arg(place.items()).exec(&mut place.connect());
        push.expect("a queue to fill");
        place
    }

    /// The items of the queue, in the order in which they are pushed.
    pub fn items(&self) -> Vec<String> {
        (1..=self.datasets).map(|number| format!("datasets/training/{}", file_name(number))).collect()
    }

    /// The shell's command for a worker in a machine, with these settings.
    pub fn worker(&self, form: Form, settings: &[(&str, &str)]) -> String {
        let own = [
            ("REDIS_SERVICE_HOST", "10.0.2.2".to_owned()),
            ("REDIS_SERVICE_PORT", self.redis.port().to_string()),
            ("FILESTORE_PATH", format!("/mnt/{}", self.name)),
            ("WORKER_LEASE_S", LEASE_S.to_string()),
        ];
        let own = own.iter().map(|(name, value)| format!("{name}={value} ")).collect::<String>();
        let more = settings.iter().map(|(name, value)| format!("{name}={value} ")).collect::<String>();
        format!("env {own}{more}{}", form.name())
    }

    /// The end must be that of a run on a directory that nobody disturbed: the same checkpoints byte for byte, the same
    /// report but for its times, no other file, and a Redis without a key.
    #[track_caller]
    pub fn assert_undisturbed(&self, context: &str) {
        static UNDISTURBED: OnceLock<Files> = OnceLock::new();
        let expected = UNDISTURBED.get_or_init(undisturbed);
        let found = without_times(files(&self.folder.join("output")));
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{context}: the files differ"
        );
        for (name, bytes) in expected {
            assert!(found[name] == *bytes, "{context}: `{name}` differs:\n{}", String::from_utf8_lossy(&found[name]));
        }
        assert_eq!(self.keys(), [""; 0], "{context}: keys are left in Redis");
    }

    /// Each dataset is reported once, its checkpoint is there and whole and nothing else, and the parent that a
    /// checkpoint names is the one on the share.
    pub fn assert_each_once(&self) {
        let output = files(&self.folder.join("output"));
        let report = String::from_utf8(output["report.txt"].clone()).expect("a report in UTF-8");
        let report = Report::parse(&report).expect("a report that is whole");
        let reported: Vec<String> = report.entries.into_iter().map(|entry| entry.dataset).collect();
        let distinct: BTreeSet<&String> = reported.iter().collect();
        assert_eq!((reported.len(), distinct.len()), (self.datasets, self.datasets), "{reported:?}");
        let expected: BTreeSet<String> =
            reported.iter().map(|name| format!("model_cpt_{name}")).chain(["report.txt".into()]).collect();
        assert_eq!(output.keys().cloned().collect::<BTreeSet<_>>(), expected);
        for (file, bytes) in output.iter().filter(|(file, _)| *file != "report.txt") {
            let checkpoint = Checkpoint::from_bytes(bytes).unwrap_or_else(|error| panic!("`{file}` is torn: {error}"));
            if let Some(parent) = checkpoint.metadata.and_then(|metadata| metadata.parent) {
                assert_eq!(parent.sha256, hex(&output[&parent.file]), "the parent of `{file}`");
            }
        }
        assert_eq!(self.keys(), [""; 0]);
    }

    fn keys(&self) -> Vec<String> {
        redis::cmd("KEYS").arg("*").query(&mut self.connect()).expect("a Redis that obeys")
    }

    fn connect(&self) -> redis::Connection {
        self.redis.connect().expect("a Redis that answers")
    }
}

/// The output of the same worker on a directory of this machine.
fn undisturbed() -> Files {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let place = Place::new(dir.path(), "undisturbed", 4);
    let status = Command::new(Form::Release.program().expect("looked for before"))
        .env("REDIS_SERVICE_HOST", "127.0.0.1")
        .env("REDIS_SERVICE_PORT", place.redis.port().to_string())
        .env("FILESTORE_PATH", &place.folder)
        .output()
        .expect("the worker starts");
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    without_times(files(&place.folder.join("output")))
}

/// Lays a test day and so many training days into a folder; beyond four, the four come again under other names.
fn lay_datasets(folder: &Path, datasets: usize) {
    const DAYS: u32 = 4;
    let parameters = Parameters { customers: 400, terminals: 200, days: DAYS + 1, ..Parameters::default() };
    let days = simulate(&parameters).expect("parameters that make sense");
    let days: Vec<_> = days.days().collect();
    let (test, training) = days.split_last().expect("more than one day");
    for directory in ["datasets/training", "datasets/testing"] {
        std::fs::create_dir_all(folder.join(directory)).expect("a directory");
    }
    let write = |path: String, day: &transactions::simulator::Day| {
        transactions::write(&folder.join("datasets").join(path), &day.table).expect("a dataset");
    };
    for number in 1..=datasets {
        write(format!("training/{}", file_name(number)), &training[(number - 1) % training.len()]);
    }
    write("testing/test_dataset.pkl".into(), test);
}

fn file_name(number: usize) -> String {
    format!("2018-04-{number:02}.pkl")
}

/// Every file in a directory, by name.
fn files(directory: &Path) -> Files {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.expect("an entry");
        (entry.file_name().into_string().expect("a name in UTF-8"), std::fs::read(entry.path()).expect("a file"))
    };
    entries.map(file).collect()
}

fn without_times(mut files: Files) -> Files {
    if let Some(report) = files.get_mut("report.txt") {
        let mut parsed = Report::parse(std::str::from_utf8(report).expect("text")).expect("a report that is whole");
        parsed.entries.iter_mut().for_each(|entry| entry.generated_on = "2022-02-09 14:19:42.303619".into());
        *report = parsed.to_string().into_bytes();
    }
    files
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
