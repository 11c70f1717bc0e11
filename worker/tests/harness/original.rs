//! The original's side of the wire, to the letter: how it claims, leases, completes, and finds that all is done; and
//! how it writes, in place.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use worker::checkpoint::Checkpoint;
use worker::model::Model;
use worker::queue::lease_key;
use worker::report::Entry;

use super::Stage;

const SESSION: &str = "b50f9459-ce7f-4da8-9f84-0ab5c3233a72";

/// What it writes into the report of a dataset of this name.
pub fn entry_of(dataset: &str) -> Entry {
    let (dataset, checkpoint) = (dataset.to_owned(), format!("model_cpt_{dataset}"));
    let generated_on = "2022-02-09 14:19:42.303619".into();
    Entry { generated_on, dataset, checkpoint, training_accuracy: 0.5, testing_accuracy: 0.5 }
}

/// A worker that follows the original's protocol.
pub struct Original {
    redis: redis::Connection,
    output: PathBuf,
    /// The items that it has done.
    pub done: Vec<String>,
}

impl Original {
    pub fn new(stage: &Stage) -> Self {
        std::fs::create_dir_all(stage.path("output")).expect("a directory");
        Self { redis: stage.redis.connect(), output: stage.path("output"), done: Vec::new() }
    }

    /// Both lists are empty.
    pub fn is_empty(&mut self) -> bool {
        let mut length = |key: &str| redis::cmd("LLEN").arg(key).query::<u64>(&mut self.redis).expect("a length");
        length("datasets") == 0 && length("datasets:processing") == 0
    }

    /// The first half of its claim: a bounded pop of 2 s.
    pub fn pop(&mut self) -> Option<String> {
        let mut pop = redis::cmd("BRPOPLPUSH");
        pop.arg("datasets").arg("datasets:processing").arg(2).query(&mut self.redis).expect("an item or none")
    }

    /// The second half.
    pub fn lease(&mut self, item: &str, lease_s: u64) {
        let mut lease = redis::cmd("SETEX");
        lease.arg(lease_key(item.as_bytes())).arg(lease_s).arg(SESSION).exec(&mut self.redis).expect("a lease");
    }

    /// Its work: a checkpoint in place, an entry appended. `pause` is how long it takes.
    pub fn work(&mut self, item: &str, pause: Duration) {
        let entry = entry_of(item.rsplit('/').next().expect("a name"));
        // What scikit-learn pickles has no metadata of ours.
        let model = Checkpoint { model: Model::untrained(), metadata: None };
        std::thread::sleep(pause);
        std::fs::write(self.output.join(&entry.checkpoint), model.to_bytes()).expect("a checkpoint");
        self.append(&entry);
    }

    /// The report, open to be appended to.
    pub fn open_report(&self) -> File {
        let report = File::options().create(true).append(true).open(self.output.join("report.txt"));
        report.expect("a report")
    }

    pub fn append(&self, entry: &Entry) {
        self.open_report().write_all(entry.to_string().as_bytes()).expect("an entry");
    }

    pub fn complete(&mut self, item: &str) {
        let mut remove = redis::cmd("LREM");
        remove.arg("datasets:processing").arg(0).arg(item).exec(&mut self.redis).expect("a removal");
        redis::cmd("DEL").arg(lease_key(item.as_bytes())).exec(&mut self.redis).expect("a deletion");
        self.done.push(item.into());
    }

    /// Its loop, for so many items or until all is done.
    pub fn run(&mut self, most: usize, pause: Duration) {
        while self.done.len() < most && !self.is_empty() {
            if let Some(item) = self.pop() {
                self.lease(&item, 20);
                self.work(&item, pause);
                self.complete(&item);
            }
        }
    }
}
