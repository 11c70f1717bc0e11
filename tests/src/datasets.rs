//! The datasets of a record: made anew by the simulator where the record says that they were generated, else read from
//! the record's copies. Nothing is made or read before a judge asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lab::record::{DatasetsSource, Inputs, Record};
use sha2::{Digest as _, Sha256};
use transactions::{Table, simulator};
use worker::model::Dataset;

use crate::evidence::{TESTING, TRAINING};

/// The datasets of one record.
#[derive(Debug)]
pub struct Datasets {
    source: Source,
    files: OnceLock<Files>,
}

/// A dataset file.
#[derive(Debug)]
pub struct File {
    /// Digest of its bytes, lower-case hex.
    pub sha256: String,
    /// What the worker would learn from, or why it cannot be learnt from.
    pub dataset: Result<Dataset, String>,
}

#[derive(Debug)]
enum Source {
    Nothing,
    Simulator { days: u32, seed: u64 },
    Copies { record: Record, paths: Vec<String> },
}

/// By path relative to the share.
type Files = Arc<BTreeMap<String, Result<File, String>>>;

impl Datasets {
    /// The datasets that `inputs.json` names.
    pub fn of(record: &Record, inputs: Option<&Inputs>) -> Self {
        let source = match inputs.map(|inputs| (&inputs.datasets, &inputs.files)) {
            None => Source::Nothing,
            Some((DatasetsSource::Generated { days, seed }, _)) => Source::Simulator { days: *days, seed: *seed },
            Some((DatasetsSource::Directory { .. }, files)) => {
                Source::Copies { record: record.clone(), paths: files.iter().map(|file| file.path.clone()).collect() }
            }
        };
        Self { source, files: OnceLock::new() }
    }

    /// The dataset with this path relative to the share, e.g. `datasets/training/2018-04-01.pkl`.
    ///
    /// # Errors
    /// Why there is none, in a few words.
    pub fn get(&self, path: &str) -> Result<&File, String> {
        let files = self.files.get_or_init(|| match &self.source {
            Source::Nothing => Files::default(),
            Source::Simulator { days, seed } => simulated(*days, *seed),
            Source::Copies { record, paths } => {
                Arc::new(paths.iter().map(|path| (path.clone(), read(record, path))).collect())
            }
        });
        files.get(path).ok_or("the run has no such dataset")?.as_ref().map_err(Clone::clone)
    }

    /// Rows that the worker learns from or is tested on.
    ///
    /// # Errors
    /// Why there are none, in a few words.
    pub fn rows(&self, path: &str) -> Result<&Dataset, String> {
        self.get(path)?.dataset.as_ref().map_err(Clone::clone)
    }
}

fn read(record: &Record, path: &str) -> Result<File, String> {
    let bytes = record.dataset(path).map_err(|error| error.to_string())?;
    let dataset = transactions::read_bytes(&bytes).map_err(|error| error.to_string());
    Ok(File { sha256: sha256(&bytes), dataset: dataset.and_then(|table| prepare(&table)) })
}

/// The simulator's days, the last of them as the test set. They are the same for every record that asks for the same,
/// so a process that judges many records makes them once.
fn simulated(days: u32, seed: u64) -> Files {
    static MADE: Mutex<BTreeMap<(u32, u64), Files>> = Mutex::new(BTreeMap::new());
    // A panic elsewhere leaves the map as it was.
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry((days, seed)).or_insert_with(|| Arc::new(simulate(days, seed))).clone()
}

fn simulate(days: u32, seed: u64) -> BTreeMap<String, Result<File, String>> {
    let simulation = u16::try_from(seed)
        .map_err(|_| format!("the simulator has no seed {seed}"))
        .and_then(|seed| simulator::generate(days.saturating_add(1), seed).map_err(|error| error.to_string()));
    let made = match simulation {
        Ok(made) => made,
        Err(error) => return BTreeMap::from([(TESTING.into(), Err(error))]),
    };
    let name = |number: usize, date: &dyn std::fmt::Display| match number {
        number if number == days as usize => TESTING.into(),
        _ => format!("{TRAINING}{date}.pkl"),
    };
    let file = |table: &Table| File { sha256: sha256(&transactions::to_bytes(table)), dataset: prepare(table) };
    made.iter().enumerate().map(|(number, day)| (name(number, &day.date), Ok(file(&day.table)))).collect()
}

fn prepare(table: &Table) -> Result<Dataset, String> {
    Dataset::from_table(table).map_err(|error| error.to_string())
}

/// SHA-256, lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
