//! Simulated days on disk, laid out as the tutorial's datasets are.

use std::io;
use std::path::{Path, PathBuf};

use super::{Date, Simulation, parallel};
use crate::WriteError;
use crate::write::remove_leftovers;

/// Where the days to train on are, one file a day, named by its date.
const TRAINING: &str = "training";
/// Where the day to test on is.
const TESTING: &str = "testing";
/// What the file of the day to test on is called.
const TEST_FILE: &str = "test_dataset.pkl";

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Where it is, from the datasets' directory: `training/2018-04-01.pkl`.
    pub path: PathBuf,
    /// Which day it holds.
    pub date: Date,
    /// How many transactions it holds.
    pub rows: usize,
    /// Its size.
    pub size_bytes: u64,
}

/// Why a simulation's days could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetsError {
    /// The one day is the day to test on, and there is none to train on.
    #[error("failed to write datasets of one day: the last day is the one to test on\nsimulate 2 days at least")]
    OneDay,
    /// A directory could not be made.
    #[error("failed to make the directory `{}`: {source}", path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file was written but is not there.
    #[error("failed to look at `{}`: {source}", path.display())]
    Look {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Simulation {
    /// Writes all days but the last one to `directory/training/DATE.pkl` and the last one to
    /// `directory/testing/test_dataset.pkl`, as pandas would. Directories are made, files that are there are replaced
    /// whole, others stay but for temporary files of a run that was killed. `on_written` hears of each file, from several
    /// threads and in no order.
    ///
    /// # Errors
    /// When there is only one day, or when something cannot be written; what was written until then stays.
    pub fn write_datasets(
        &self,
        directory: &Path,
        on_written: impl Fn(&Dataset) + Sync,
    ) -> Result<Vec<Dataset>, DatasetsError> {
        if self.len() < 2 {
            return Err(DatasetsError::OneDay);
        }
        for path in [directory.join(TRAINING), directory.join(TESTING)] {
            std::fs::create_dir_all(&path).map_err(|source| DatasetsError::Directory { path, source })?;
        }
        remove_leftovers(&directory.join(TRAINING), is_training_file);
        remove_leftovers(&directory.join(TESTING), |name| name == TEST_FILE);
        let written = parallel::in_ranges(self.len(), |range| {
            range.map(|number| self.write_day(number, directory).inspect(&on_written)).collect::<Result<Vec<_>, _>>()
        });
        Ok(written.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn write_day(&self, number: usize, directory: &Path) -> Result<Dataset, DatasetsError> {
        let day = self.day(number).expect("the numbers end with the last day");
        let path = if number + 1 == self.len() {
            Path::new(TESTING).join(TEST_FILE)
        } else {
            Path::new(TRAINING).join(training_file(day.date))
        };
        let full = directory.join(&path);
        crate::write(&full, &day.table)?;
        let look = |source| DatasetsError::Look { path: full.clone(), source };
        let size_bytes = std::fs::metadata(&full).map_err(look)?.len();
        Ok(Dataset { path, date: day.date, rows: day.table.rows(), size_bytes })
    }
}

/// What the file of a day to train on is called.
fn training_file(date: Date) -> String {
    format!("{date}.pkl")
}

/// Whether a file is called as that of any day is.
fn is_training_file(name: &str) -> bool {
    name.strip_suffix(".pkl").is_some_and(|date| Date::parse(date).is_some())
}
