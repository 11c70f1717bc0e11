//! A copy of the good record, to be doctored, and the hands that do it.

use std::path::{Path, PathBuf};

use fs_err as fs;
use lab::record::{Inputs, Job, QueueState, Record, Stream, Summary, When};
use tests::datasets::{Datasets, sha256};
use tests::evidence::{TESTING, TRAINING};
use worker::checkpoint::{Checkpoint, Metadata, Parent, SCHEMA_VERSION};
use worker::model::{self, Dataset, Model};
use worker::report::{Entry, Report};

/// A record that may be changed.
pub struct Patient {
    /// The copy.
    pub record: Record,
}

/// How a lineage is made: from the parent's model, the training day and the test day to the next model.
pub type Train<'a> = &'a dyn Fn(Option<&Model>, &Dataset, &Dataset) -> Model;

impl Patient {
    /// Copies what the judges read of a record into the directory `into`, which must not exist. The rest, Redis's log and
    /// the like, would only make every bad record larger.
    pub fn copy(good: &Path, into: &Path) -> Self {
        for file in files(good).into_iter().filter(|file| is_read_by_judges(file)) {
            let to = into.join(&file);
            fs::create_dir_all(to.parent().expect("a file has a directory")).expect("a writable directory");
            fs::copy(good.join(&file), to).expect("a readable file");
        }
        Self { record: Record::open(into).expect("a record") }
    }

    pub fn summary(&self, edit: impl FnOnce(&mut Summary)) {
        let mut summary = self.record.summary().expect("record.json");
        edit(&mut summary);
        self.record.set_summary(&summary).expect("a writable record");
    }

    pub fn inputs(&self, edit: impl FnOnce(&mut Inputs)) {
        let mut inputs = self.record.inputs().expect("inputs.json");
        edit(&mut inputs);
        self.record.set_inputs(&inputs).expect("a writable record");
    }

    pub fn job(&self, edit: impl FnOnce(&mut Job)) {
        let mut job = self.record.job().expect("job.json");
        edit(&mut job);
        self.record.set_job(&job).expect("a writable record");
    }

    pub fn queue(&self, when: When, edit: impl FnOnce(&mut QueueState)) {
        let mut queue = self.record.queue(when).expect("the queue");
        edit(&mut queue);
        self.record.set_queue(when, &queue).expect("a writable record");
    }

    pub fn text(&self, path: &str, edit: impl FnOnce(&str) -> String) {
        let text = self.record.text(path).expect("a text");
        self.record.set_text(path, &edit(&text)).expect("a writable record");
    }

    /// The only container's standard output.
    pub fn log(&self, edit: impl FnOnce(&str) -> String) {
        let pod = self.record.job().expect("job.json").pods[0].name.clone();
        self.text(&self.record.log_path(&pod, 0, Stream::Out), edit);
    }

    /// Edits the lines of the log.
    pub fn log_lines(&self, edit: impl FnOnce(&mut Vec<String>)) {
        self.log(|text| {
            let mut lines = text.lines().map(str::to_owned).collect();
            edit(&mut lines);
            lines.iter().map(|line| format!("{line}\n")).collect()
        });
    }

    pub fn report(&self, edit: impl FnOnce(&mut Vec<Entry>)) {
        self.text("output/report.txt", |text| {
            let mut report = Report::parse(text).expect("a whole report");
            edit(&mut report.entries);
            report.to_string()
        });
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.record.dir().join(path)).expect("a file");
    }

    /// Removes a file of the output, as `ls -1` would have shown it.
    pub fn remove_output(&self, name: &str) {
        self.remove(&format!("output/{name}"));
        self.text("listing.txt", |text| {
            text.lines().filter(|line| *line != name).map(|line| format!("{line}\n")).collect()
        });
    }

    /// Adds a file to the output, as `ls -1` would have shown it.
    pub fn add_output(&self, name: &str, text: &str) {
        self.record.set_text(&format!("output/{name}"), text).expect("a writable record");
        if !name.starts_with('.') {
            self.text("listing.txt", |listing| format!("{listing}{name}\n"));
        }
    }

    pub fn bytes(&self, path: &str, edit: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let path = self.record.dir().join(path);
        let bytes = fs::read(&path).expect("a file");
        fs::write(path, edit(bytes)).expect("a writable file");
    }

    /// Edits a checkpoint without looking at what depends on it.
    pub fn checkpoint(&self, day: &str, edit: impl FnOnce(&mut Checkpoint)) {
        self.bytes(&output(day), |bytes| {
            let mut checkpoint = Checkpoint::from_bytes(&bytes).expect("a checkpoint");
            edit(&mut checkpoint);
            checkpoint.to_bytes()
        });
    }

    /// Makes all checkpoints anew, each from the one before it, in the order of the report, and writes their accuracies
    /// into it: a run that is consistent in itself, with other models.
    pub fn retrain(&self, train: Train) {
        let inputs = self.record.inputs().expect("inputs.json");
        let datasets = Datasets::of(&self.record, Some(&inputs));
        let testing = datasets.rows(TESTING).expect("the test set");
        let test_sha256 = datasets.get(TESTING).expect("the test set").sha256.clone();
        let mut before: Option<(Model, Parent)> = None;
        self.report(|entries| {
            for (entry, depth) in entries.iter_mut().zip(1..) {
                let path = format!("{TRAINING}{}", entry.dataset);
                let training = datasets.rows(&path).expect("a training day");
                let model = train(before.as_ref().map(|(model, _)| model), training, testing);
                let metadata = Metadata {
                    schema_version: SCHEMA_VERSION,
                    dataset: entry.dataset.clone(),
                    path: path.clone(),
                    dataset_sha256: datasets.get(&path).expect("a training day").sha256.clone(),
                    test_sha256: test_sha256.clone(),
                    seed: inputs.seed,
                    parent: before.take().map(|(_, parent)| parent),
                    depth,
                    training: model::figures(&model, training),
                    testing: model::figures(&model, testing),
                };
                entry.training_accuracy = metadata.training.accuracy;
                entry.testing_accuracy = metadata.testing.accuracy;
                let bytes = Checkpoint { model: model.clone(), metadata: Some(metadata) }.to_bytes();
                let file = worker::checkpoint::file_name(&entry.dataset);
                fs::write(self.record.output_dir().join(&file), &bytes).expect("a writable record");
                before = Some((model, Parent { file, sha256: sha256(&bytes) }));
            }
        });
    }
}

/// The name of a day's checkpoint.
pub fn checkpoint(day: &str) -> String {
    format!("model_cpt_{day}.pkl")
}

/// The path of a day's checkpoint in a record.
pub fn output(day: &str) -> String {
    format!("output/{}", checkpoint(day))
}

fn is_read_by_judges(file: &Path) -> bool {
    let unread = ["events.jsonl", "logs/redis.log"];
    !unread.iter().any(|unread| file == Path::new(unread))
        && file.extension().is_none_or(|extension| extension != "err")
}

/// Every file below a directory, relative to it, sorted; without the verdict, which is not evidence.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(&next).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path != dir.join("verdict.json") {
                found.push(path.strip_prefix(dir).expect("below it").to_owned());
            }
        }
    }
    found.sort();
    found
}
