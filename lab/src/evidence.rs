//! A run from its beginning to its end, as its record's first page tells it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use fs_err as fs;

use crate::console::Console;
use crate::failure::{Failure, Result};
use crate::flow::{FailedStep, Order};
use crate::places::Places;
use crate::record::{Outcome, Record, RecordError, SCHEMA, Summary, now};
use crate::target::{Facts, Target};

/// A run whose record has no first page after so long was killed.
const BEGUN_AFTER: Duration = Duration::from_secs(3600);

/// A record that is being written.
#[derive(Debug)]
pub struct Evidence {
    record: Record,
    summary: Summary,
}

impl Evidence {
    /// Begins a record. What it says at first, `interrupted`, is what a killed run leaves behind.
    ///
    /// # Errors
    /// When the directory of the records cannot be written.
    pub fn begin(places: &Places, lab: &str, target: &str, order: &Order) -> Result<Self, RecordError> {
        let mut versions = BTreeMap::from([("lab".into(), env!("CARGO_PKG_VERSION").into())]);
        // The record of what cannot be read says so when it comes to the inputs.
        if let Ok(worker) = order.worker.as_input() {
            versions.insert("worker".into(), format!("sha256:{}", worker.sha256));
        }
        let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
        let asked = std::iter::once("lab".into()).chain(words).collect();
        let id = run_id(target);
        // Its first page comes right behind it: a kill in between leaves what `gc` takes for a run's, and no record.
        let record = Record::create(places.runs.join(&id))?;
        let summary = Summary {
            schema: SCHEMA,
            id,
            lab: lab.into(),
            target: target.into(),
            asked,
            worker: order.worker.name().into(),
            versions,
            host: host(),
            notes: Vec::new(),
            started: now(),
            ended: None,
            outcome: Outcome::Interrupted,
        };
        record.set_summary(&summary)?;
        Ok(Self { record, summary })
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Its first page.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Adds what the place says of itself.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_facts(&mut self, facts: Facts) -> Result<(), RecordError> {
        self.summary.versions.extend(facts.versions);
        self.summary.notes.extend(facts.notes);
        self.record.set_summary(&self.summary)
    }

    /// Writes how it ended.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self, failed: Option<&FailedStep>) -> Result<(), RecordError> {
        self.summary.ended = Some(now());
        self.summary.outcome = match failed {
            None => Outcome::Finished,
            Some(failed) if failed.failure.is_interruption() => Outcome::Interrupted,
            Some(FailedStep { step, failure: Failure { cause, error, remedy, .. } }) => Outcome::Failed {
                step: (*step).into(),
                cause: cause.clone(),
                error: error.clone(),
                remedy: remedy.clone(),
            },
        };
        self.record.set_summary(&self.summary)
    }

    /// The versions in one line, for a verdict: the long digests cut short.
    pub fn versions(&self) -> String {
        let short = |(name, version): (&String, &String)| match version.strip_prefix("sha256:") {
            Some(digest) => format!("{name} sha256:{}", &digest[..digest.len().min(12)]),
            None => format!("{name} {version}"),
        };
        let kernel = self.summary.host.get("kernel").map(|kernel| format!("kernel {kernel}"));
        self.summary.versions.iter().map(short).chain(kernel).collect::<Vec<_>>().join(", ")
    }
}

/// Every record in the directory, newest first by its own word: the names of two may share a second.
pub fn newest_first(places: &Places) -> Vec<Record> {
    let entries = fs::read_dir(&places.runs).into_iter().flatten().flatten();
    let started = |record: Record| Some((record.summary().ok()?.started, record));
    let records = entries.filter_map(|entry| started(Record::open(entry.path()).ok()?));
    let mut records: Vec<_> = records.collect();
    records.sort_by(|(one, _), (other, _)| other.cmp(one));
    records.into_iter().map(|(_, record)| record).collect()
}

/// Directories of runs that were killed before their record had a first page. A young one may still get it.
pub fn never_begun(places: &Places) -> Vec<PathBuf> {
    let entries = fs::read_dir(&places.runs).into_iter().flatten().flatten();
    let is_old = |entry: &fs::DirEntry| {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age >= BEGUN_AFTER))
    };
    let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_run_id));
    let pageless = named.filter(|entry| entry.path().is_dir() && !entry.path().join("record.json").exists());
    pageless.filter(is_old).map(|entry| entry.path()).collect()
}

/// Says where the record is, and shows it to a machine, before anything else is done.
pub fn announce(evidence: &Evidence, console: &Console) {
    #[derive(serde::Serialize)]
    struct RunLine<'a> {
        event: &'static str,
        id: &'a str,
        record: String,
    }
    let record = evidence.record.dir().display().to_string();
    console.json(&RunLine { event: "run", id: &evidence.summary.id, record });
}

/// E.g. `20261124-001652-local-3f9c`: sorted by time, unlike any other.
fn run_id(target: &str) -> String {
    let time = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{time}-{target}-{}", &random[..4])
}

/// Whether a name is one that [`run_id`] makes: nothing else beside the records is ours.
fn is_run_id(name: &str) -> bool {
    let parts: Vec<_> = name.split('-').collect();
    let [date, time, target, random] = parts[..] else { return false };
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let hex = random.len() == 4 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits(date, 8) && digits(time, 6) && Target::named(target).is_some() && hex
}

fn host() -> BTreeMap<String, String> {
    let kernel = rustix::system::uname();
    let memory = rustix::system::sysinfo();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_bytes = memory.totalram as u64 * u64::from(memory.mem_unit);
    BTreeMap::from([
        ("kernel".into(), kernel.release().to_string_lossy().into_owned()),
        ("machine".into(), kernel.machine().to_string_lossy().into_owned()),
        ("cpus".into(), cpus.to_string()),
        ("memory_bytes".into(), memory_bytes.to_string()),
    ])
}
