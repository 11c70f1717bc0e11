//! A record, read: what the judges look at.
//!
//! Reading never fails as a whole. What is absent or malformed is listed in [`Evidence::gaps`], which the first judge
//! objects to; the others keep silent about what they cannot see, so that one fault has one finding.

use std::collections::BTreeMap;
use std::path::Path;

use lab::record::{
    ContainerRun, Finding, InputFile, Inputs, Job, Outcome, QueueState, Record, RecordError, StepLine, Stream, Summary,
    When,
};

use worker::model::Dataset;
use worker::report::Report;

use crate::causes::Cause;
use crate::datasets::Datasets;

/// The folder of the training days, relative to the share.
pub const TRAINING: &str = "datasets/training/";
/// The test set, relative to the share.
pub const TESTING: &str = "datasets/testing/test_dataset.pkl";
/// The report's file, relative to `output/`.
pub const REPORT: &str = "report.txt";
/// The worker that is ours, as [`Summary::worker`] names it.
const OUR_WORKER: &str = "rust";

/// All that a record says.
#[derive(Debug)]
pub struct Evidence {
    /// The record itself.
    pub record: Record,
    /// `record.json`.
    pub summary: Summary,
    /// `inputs.json`.
    pub inputs: Option<Inputs>,
    /// `steps.jsonl`.
    pub steps: Vec<StepLine>,
    /// `queue/before.json`.
    pub before: Option<QueueState>,
    /// `queue/after.json`.
    pub after: Option<QueueState>,
    /// `job.json`.
    pub job: Option<Job>,
    /// What each container printed on its standard output, in order of pods and runs.
    pub logs: Vec<Log>,
    /// `listing.txt`.
    pub listing: Option<String>,
    /// Files below `output/`, hidden ones too, sorted; a folder with nothing in it ends in `/`.
    pub output: Vec<String>,
    /// Those of them that are neither a file nor a folder, and what they are instead: `a link`. Nothing of them counts.
    pub oddities: BTreeMap<String, &'static str>,
    /// `output/report.txt`.
    pub report: Option<String>,
    /// Why the report is there, as a file, and cannot be read.
    pub unread_report: Option<String>,
    /// The datasets, read or made anew when a judge first asks.
    pub datasets: Datasets,
    /// Files that are absent or malformed, and why.
    pub gaps: BTreeMap<String, String>,
}

/// The standard output of one run of a container.
#[derive(Debug, Clone)]
pub struct Log {
    /// The pod's name.
    pub pod: String,
    /// Where it is in the record.
    pub path: String,
    /// What was printed.
    pub text: String,
    /// How the container ran.
    pub container: ContainerRun,
}

impl Evidence {
    /// Reads the record in `dir`.
    ///
    /// # Errors
    /// Only where there is no record at all, that is no readable `record.json`.
    pub fn read(dir: &Path) -> Result<Self, RecordError> {
        let record = Record::open(dir)?;
        let summary = record.summary()?;
        let mut gaps = Gaps(BTreeMap::new());
        let inputs = gaps.keep("inputs.json", record.inputs());
        let steps = gaps.keep("steps.jsonl", record.steps()).unwrap_or_default();
        let before = gaps.keep("queue/before.json", record.queue(When::Before));
        let after = gaps.keep("queue/after.json", record.queue(When::After));
        let job = gaps.keep("job.json", record.job());
        let logs = job.as_ref().map(|job| read_logs(&record, job, &mut gaps)).unwrap_or_default();
        let listing = gaps.keep("listing.txt", record.text("listing.txt"));
        let output = gaps.keep("output", record.output_files()).unwrap_or_default();
        let oddities = gaps.keep("output", record.output_oddities()).unwrap_or_default();
        // A report that is not there, or is no file, is the listing's matter, not a gap of the evidence.
        let is_there = |name: &str| output.iter().any(|file| file == name) && !oddities.contains_key(name);
        let report = record.report();
        let unread_report = report.as_ref().err().filter(|_| is_there(REPORT)).map(describe);
        let report = report.ok();
        let datasets = Datasets::of(&record, inputs.as_ref());
        let gaps = gaps.0;
        Ok(Self {
            record,
            summary,
            inputs,
            steps,
            before,
            after,
            job,
            logs,
            listing,
            output,
            oddities,
            report,
            unread_report,
            datasets,
            gaps,
        })
    }

    /// Every step was gone through: only then is what is missing an objection.
    pub fn is_finished(&self) -> bool {
        self.summary.outcome == Outcome::Finished
    }

    /// The worker is the project's own, which promises more than the tutorial's contract.
    pub fn is_our_worker(&self) -> bool {
        self.summary.worker == OUR_WORKER
    }

    /// One pod at a time: then the order of the queue is the order of everything.
    pub fn is_serial(&self) -> bool {
        self.job.as_ref().is_none_or(|job| job.parallelism <= 1)
    }

    /// A container was cut off or failed, so that a claim may have been given back.
    pub fn has_restarts(&self) -> bool {
        self.logs.iter().any(Log::was_cut_off)
    }

    /// The order in which everything happens is fixed: one pod at a time, and claims that come back in their old place.
    /// Other workers than ours promise the latter only as long as nothing goes wrong.
    pub fn has_fixed_order(&self) -> bool {
        self.is_serial() && (self.is_our_worker() || !self.has_restarts())
    }

    /// The queue's items in the order in which they are claimed: from the right end.
    pub fn claim_order(&self) -> Vec<&str> {
        self.before.iter().flat_map(|queue| queue.waiting.iter().rev()).map(String::as_str).collect()
    }

    /// The items that were not set aside, in the order in which they are claimed.
    pub fn usable(&self) -> Vec<&str> {
        let set_aside = |item: &&str| self.after.as_ref().is_some_and(|queue| queue.failed.contains_key(*item));
        self.claim_order().into_iter().filter(|item| !set_aside(item)).collect()
    }

    /// Some dataset was set aside.
    pub fn has_set_aside(&self) -> bool {
        self.after.as_ref().is_some_and(|queue| !queue.failed.is_empty())
    }

    /// The input with this path.
    pub fn input(&self, path: &str) -> Option<&InputFile> {
        self.inputs.as_ref()?.files.iter().find(|file| file.path == path)
    }

    /// The input with this path, if the dataset is what the record says: if not, judge `inputs` objects, and nothing else
    /// can be said about what was learnt from it.
    pub fn verified_input(&self, path: &str) -> Option<&InputFile> {
        self.input(path).filter(|input| self.datasets.get(path).is_ok_and(|file| file.sha256 == input.sha256))
    }

    /// The rows of a verified input that can be learnt from.
    pub fn rows(&self, path: &str) -> Option<&Dataset> {
        self.verified_input(path).and_then(|_| self.datasets.rows(path).ok())
    }

    /// The report, if there is one and it is whole.
    pub fn parsed_report(&self) -> Option<Report> {
        Report::parse(self.report.as_deref()?).ok()
    }

    /// The item has left something in the output: a checkpoint or an entry of the report.
    pub fn has_left_results(&self, item: &str) -> bool {
        let entry = |report: Report| report.entry(file_name(item)).is_some();
        self.output.contains(&checkpoint_name(item)) || self.parsed_report().is_some_and(entry)
    }

    /// The item is still in one of the queue's lists at the end.
    pub fn is_still_queued(&self, item: &str) -> bool {
        self.after.as_ref().is_some_and(|queue| queue.waiting.iter().chain(&queue.processing).any(|held| held == item))
    }

    /// The first line of a file of the record that holds `needle`, from 1.
    pub fn line_of(&self, file: &str, needle: &str) -> Option<u32> {
        let text = self.record.text(file).ok()?;
        let line = text.lines().position(|line| line.contains(needle))?;
        u32::try_from(line + 1).ok()
    }
}

impl Log {
    /// It did not come to its own end: killed, failed, or running still. Setting datasets aside (3) is an end.
    pub fn was_cut_off(&self) -> bool {
        !matches!(self.container.exit_code, Some(0 | 3))
    }

    /// The lines with their numbers from 1; the last one may lack its line feed where a kill cut it off.
    pub fn lines(&self) -> impl Iterator<Item = (u32, &str)> {
        (1..).zip(self.text.lines())
    }

    /// The number of the last line, at least 1.
    pub fn last_line(&self) -> u32 {
        self.lines().last().map_or(1, |(line, _)| line)
    }
}

/// An objection, to be signed by the judge that raises it.
pub fn finding(cause: Cause, message: impl Into<String>, file: impl Into<String>, line: Option<u32>) -> Finding {
    Finding {
        judge: String::new(),
        cause: cause.name.into(),
        message: message.into(),
        file: file.into(),
        line,
        remedy: cause.remedy.into(),
    }
}

/// The last part of a share-relative path: the name by which the report knows a dataset.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The name of a dataset's checkpoint: `model_cpt_2018-04-01.pkl` for `datasets/training/2018-04-01.pkl`.
pub fn checkpoint_name(path: &str) -> String {
    worker::checkpoint::file_name(file_name(path))
}

/// `a`, `b` and `c`, for a message.
pub fn names<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = items.into_iter().map(|item| format!("`{item}`")).collect();
    match quoted.split_last() {
        None => "nothing".into(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

struct Gaps(BTreeMap<String, String>);

impl Gaps {
    fn keep<T>(&mut self, path: &str, read: Result<T, RecordError>) -> Option<T> {
        read.map_err(|error| self.0.insert(path.into(), describe(&error))).ok()
    }
}

/// Why something cannot be read, without the path, which is known.
pub fn describe(error: &RecordError) -> String {
    let of_the_system = |error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "it is not there".into(),
        kind => kind.to_string(),
    };
    match error {
        // What the record's own reader says is a sentence.
        RecordError::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::Other => source.to_string(),
        RecordError::Io(error) | RecordError::Unreadable { source: error, .. } => of_the_system(error),
        RecordError::Malformed { source, .. } => source.to_string(),
    }
}

fn read_logs(record: &Record, job: &Job, gaps: &mut Gaps) -> Vec<Log> {
    let containers = job
        .pods
        .iter()
        .flat_map(|pod| pod.containers.iter().enumerate().map(|(run, container)| (&pod.name, run, container)));
    let read = |(pod, run, container): (&String, usize, &ContainerRun)| {
        let path = record.log_path(pod, run, Stream::Out);
        let text = gaps.keep(&path, record.text(&path))?;
        Some(Log { pod: pod.clone(), path, text, container: container.clone() })
    };
    containers.filter_map(read).collect()
}
