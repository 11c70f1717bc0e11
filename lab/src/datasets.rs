//! The datasets of a run: a directory in the tutorial's layout, a person's or one that the simulator has filled.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use transactions::simulator;

use crate::console::Console;
use crate::failure::{Exit, Explain};
use crate::record::DatasetsSource;

/// The most training days that there can be: the handbook's run has 183, and the test set takes one.
pub const DAYS_MAX: u32 = 182;
/// The training days' folder, relative to the share and, without its first part, to a `--datasets` directory.
const TRAINING: &str = "training";
/// The test set, likewise.
const TEST_SET: &str = "testing/test_dataset.pkl";
/// Generated sets of other builds of the lab that nobody asked for in this long are removed.
const STALE_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Where the datasets come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The simulator.
    Generated {
        /// Training days, 1 to [`DAYS_MAX`].
        days: u32,
        /// Which world.
        seed: u16,
    },
    /// A directory of a person's: `training/*.pkl` and `testing/test_dataset.pkl`.
    Directory(PathBuf),
}

/// One dataset on its way to the share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetFile {
    /// Where it goes, relative to the share: `datasets/training/2018-04-01.pkl`.
    pub path: String,
    /// Where it is.
    pub source: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Why there are no datasets.
#[derive(Debug, thiserror::Error)]
pub enum DatasetsError {
    /// The directory is not in the tutorial's layout.
    #[error("failed to find the datasets: `{}` {what}", path.display())]
    Missing {
        /// What was looked for.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// They could not be made.
    #[error("failed to generate the datasets: {0}")]
    Simulator(#[from] simulator::ParametersError),
    /// They could not be kept.
    #[error("failed to keep the generated datasets: {0}")]
    Io(#[from] std::io::Error),
}

impl Source {
    /// What the record says of it.
    pub fn as_record(&self) -> DatasetsSource {
        match self {
            Self::Generated { days, seed } => DatasetsSource::Generated { days: *days, seed: u64::from(*seed) },
            Self::Directory(path) => DatasetsSource::Directory { path: path.display().to_string() },
        }
    }

    /// The datasets as files, the training days in the order of their names and the test set last. Generated ones come
    /// from the cache, where they are put when they are first asked for.
    ///
    /// # Errors
    /// [`DatasetsError`].
    pub fn files(&self, cache: &Path, console: &Console) -> Result<Vec<DatasetFile>, DatasetsError> {
        match self {
            Self::Generated { days, seed } => list(&generated(*days, *seed, cache, console)?),
            Self::Directory(path) => list(path),
        }
    }
}

/// Every dataset in a directory of the tutorial's layout. Files of `training/` that are no `.pkl` are left alone, as the
/// tutorial's `*.pkl` does.
fn list(root: &Path) -> Result<Vec<DatasetFile>, DatasetsError> {
    let missing = |path: &Path, what: &str| DatasetsError::Missing { path: path.into(), what: what.into() };
    let training = root.join(TRAINING);
    let entries = fs::read_dir(&training).map_err(|error| missing(&training, &format!("cannot be listed: {error}")))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "pkl") && path.is_file() {
            let name = path.file_name().and_then(|name| name.to_str());
            let name =
                name.ok_or_else(|| missing(&path, "has a name that is not UTF-8, which the queue cannot hold"))?;
            files.push(file(format!("datasets/{TRAINING}/{name}"), &path)?);
        }
    }
    if files.is_empty() {
        return Err(missing(&training, "holds no `.pkl` file"));
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let test_set = root.join(TEST_SET);
    if !test_set.is_file() {
        return Err(missing(&test_set, "is not there"));
    }
    files.push(file(format!("datasets/{TEST_SET}"), &test_set)?);
    Ok(files)
}

fn file(path: String, source: &Path) -> Result<DatasetFile, DatasetsError> {
    Ok(DatasetFile { path, source: source.into(), bytes: fs::metadata(source)?.len() })
}

/// The directory of a generated set, made whole or not at all.
fn generated(days: u32, seed: u16, cache: &Path, console: &Console) -> Result<PathBuf, DatasetsError> {
    let sets = cache.join("datasets");
    let set = sets.join(format!("days-{days}-seed-{seed}-{}", build()));
    if set.is_dir() {
        return Ok(set);
    }
    fs::create_dir_all(&sets)?;
    remove_stale(&sets);
    let making = tempfile::TempDir::new_in(&sets)?;
    fs::create_dir_all(making.path().join(TRAINING))?;
    fs::create_dir_all(making.path().join("testing"))?;
    let bar = console.count("Generate", u64::from(days) + 1);
    for (number, day) in (1..).zip(simulator::generate(days + 1, seed)?) {
        let path = if number > days { TEST_SET.into() } else { format!("{TRAINING}/{}.pkl", day.date) };
        fs::write(making.path().join(path), transactions::to_bytes(&day.table))?;
        bar.add(1);
    }
    let made = making.keep();
    match fs::rename(&made, &set) {
        Ok(()) => {}
        // Another lab was faster, and made the same bytes.
        Err(_) if set.is_dir() => fs::remove_dir_all(&made)?,
        Err(error) => return Err(error.into()),
    }
    Ok(set)
}

/// What a set was made by. Another build may have another simulator, so its sets are not ours.
fn build() -> String {
    let program = std::env::current_exe().and_then(fs::metadata);
    let modified = program.as_ref().ok().and_then(|program| program.modified().ok());
    let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{:x}-{:x}", program.map_or(0, |program| program.len()), since.as_nanos())
}

fn remove_stale(sets: &Path) {
    let entries = fs::read_dir(sets).into_iter().flatten().flatten();
    let is_stale = |entry: &fs::DirEntry| {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > STALE_AFTER))
    };
    for entry in entries.filter(is_stale) {
        // It is a cache: what cannot be removed now is removed another time.
        let _ = fs::remove_dir_all(entry.path());
    }
}

impl Explain for DatasetsError {
    fn exit(&self) -> Exit {
        Exit::Preflight
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "datasets-missing",
            Self::Simulator(_) => "datasets-not-generated",
            Self::Io(_) => "cache-unwritable",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Missing { .. } => {
                "--datasets wants DIR/training/*.pkl and DIR/testing/test_dataset.pkl; without it, days are generated"
                    .into()
            }
            Self::Simulator(_) => format!("--days takes 1 to {DAYS_MAX}"),
            Self::Io(_) => {
                "make the cache directory writable and give it room, or set XDG_CACHE_HOME to another".into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay_out(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
    }

    /// Training days come in the order of their names, the test set last, and nothing else comes along.
    #[test]
    fn the_tutorials_layout_is_listed_in_the_order_of_names() {
        let dir = tempfile::tempdir().unwrap();
        lay_out(
            dir.path(),
            &["training/b.pkl", "training/a.pkl", "training/a.txt", "testing/test_dataset.pkl", "testing/x.pkl"],
        );
        let paths: Vec<_> = list(dir.path()).unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(paths, ["datasets/training/a.pkl", "datasets/training/b.pkl", "datasets/testing/test_dataset.pkl"]);
    }

    /// What is missing is named.
    #[test]
    fn a_directory_in_another_layout_is_refused_by_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let complaint =
            |root: &Path| list(root).unwrap_err().to_string().replace(&dir.path().display().to_string(), "DIR");
        assert!(complaint(dir.path()).starts_with("failed to find the datasets: `DIR/training` cannot be listed"));
        lay_out(dir.path(), &["training/readme"]);
        assert_eq!(complaint(dir.path()), "failed to find the datasets: `DIR/training` holds no `.pkl` file");
        lay_out(dir.path(), &["training/a.pkl"]);
        assert_eq!(complaint(dir.path()), "failed to find the datasets: `DIR/testing/test_dataset.pkl` is not there");
    }
}
