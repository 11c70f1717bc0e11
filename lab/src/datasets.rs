//! The datasets of a run: a directory in the tutorial's layout, a person's or one that the simulator has filled.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use sha2::{Digest as _, Sha256};
use transactions::simulator;

use crate::console::{Console, Tone};
use crate::failure::{Exit, Explain};
use crate::interrupt::{self, Interrupted};
use crate::job::program::hex;
use crate::plain_file::kind;
use crate::record::DatasetsSource;

/// The most training days that there can be: the handbook's run has 183, and the test set takes one.
pub const DAYS_MAX: u32 = 182;
/// The training days' folder, relative to the share and, without its first part, to a `--datasets` directory.
const TRAINING: &str = "training";
/// The test set, likewise.
const TEST_SET: &str = "testing/test_dataset.pkl";
/// The digests of a generated set, in the set, as `sha256sum --check` reads them: written last, so that what is there was
/// whole once.
const DIGESTS: &str = "SHA256SUMS";
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
    /// What bears a dataset's name cannot be copied.
    #[error("failed to take `{}` for a dataset: it is {what}", path.display())]
    NoFile {
        /// What bears the name.
        path: PathBuf,
        /// What it is instead of a file.
        what: String,
    },
    /// They could not be made.
    #[error("failed to generate the datasets: {0}")]
    Simulator(#[from] simulator::ParametersError),
    /// Somebody asked the lab to stop meanwhile.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
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
/// tutorial's `*.pkl` does; what is called `.pkl` and is no file, nor a link to one, is refused: a run that went without
/// it would be green with a dataset less.
fn list(root: &Path) -> Result<Vec<DatasetFile>, DatasetsError> {
    let missing = |path: &Path, what: &str| DatasetsError::Missing { path: path.into(), what: what.into() };
    let training = root.join(TRAINING);
    let entries = fs::read_dir(&training).map_err(|error| missing(&training, &format!("cannot be listed: {error}")))?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pkl"));
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| missing(&path, "has a name that is not UTF-8, which the queue cannot hold"))?;
        files.push(file(format!("datasets/{TRAINING}/{name}"), &path)?);
    }
    if files.is_empty() {
        return Err(missing(&training, "holds no `.pkl` file"));
    }
    let test_set = root.join(TEST_SET);
    if fs::symlink_metadata(&test_set).is_err() {
        return Err(missing(&test_set, "is not there"));
    }
    files.push(file(format!("datasets/{TEST_SET}"), &test_set)?);
    Ok(files)
}

/// A link counts as what it leads to.
fn file(path: String, source: &Path) -> Result<DatasetFile, DatasetsError> {
    let no_file = |what| DatasetsError::NoFile { path: source.into(), what };
    match fs::metadata(source) {
        Ok(found) if found.is_file() => Ok(DatasetFile { path, source: source.into(), bytes: found.len() }),
        Ok(found) => Err(no_file(kind(found.file_type()).into())),
        Err(error) => match (fs::read_link(source), error.kind()) {
            (Ok(to), ErrorKind::NotFound) => Err(no_file(format!("a link to `{}`, which is not there", to.display()))),
            (Ok(to), kind) => Err(no_file(format!("a link to `{}`, which leads nowhere: {kind}", to.display()))),
            (Err(_), _) => Err(error.into()),
        },
    }
}

/// The directory of a generated set, made whole or not at all. One in the cache is held against its digests first: a disk
/// that was full or a person may have damaged it since, and the days are the same however often they are made.
fn generated(days: u32, seed: u16, cache: &Path, console: &Console) -> Result<PathBuf, DatasetsError> {
    let sets = cache.join("datasets");
    let set = sets.join(format!("days-{days}-seed-{seed}-{}", build()));
    if is_whole(&set) {
        return Ok(set);
    }
    if set.is_dir() {
        console.line(Tone::Note, "Damaged", &format!("`{}`: the datasets are made anew", set.display()));
    }
    fs::create_dir_all(&sets)?;
    remove_stale(&sets);
    let making = tempfile::TempDir::new_in(&sets)?;
    fs::create_dir_all(making.path().join(TRAINING))?;
    fs::create_dir_all(making.path().join("testing"))?;
    let bar = console.count("Generate", u64::from(days) + 1);
    let mut digests = String::new();
    for (number, day) in (1..).zip(simulator::generate(days + 1, seed)?) {
        interrupt::check()?;
        let path = if number > days { TEST_SET.into() } else { format!("{TRAINING}/{}.pkl", day.date) };
        let bytes = transactions::to_bytes(&day.table);
        write_lasting(&making.path().join(&path), &bytes)?;
        digests += &format!("{}  {path}\n", hex(&Sha256::digest(&bytes)));
        bar.add(1);
    }
    write_lasting(&making.path().join(DIGESTS), digests.as_bytes())?;
    for dir in [TRAINING, "testing", ""] {
        fs::File::open(making.path().join(dir))?.sync_all()?;
    }
    put(making, &set)?;
    fs::File::open(&sets)?.sync_all()?;
    Ok(set)
}

/// Gives what was made its name, in place of what is damaged.
fn put(making: tempfile::TempDir, set: &Path) -> std::io::Result<()> {
    if is_whole(set) {
        // Another lab was faster, and made the same bytes.
        return making.close();
    }
    if set.exists() {
        // By a rename: whoever looks for the set sees all of it or nothing.
        let away = tempfile::TempDir::new_in(set.parent().unwrap_or(set))?;
        fs::rename(set, away.path().join("damaged"))?;
        away.close()?;
    }
    let made = making.keep();
    match fs::rename(&made, set) {
        Err(_) if is_whole(set) => fs::remove_dir_all(&made),
        other => other,
    }
}

fn write_lasting(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether a generated set holds the files that its digests name, byte by byte, and no others.
fn is_whole(set: &Path) -> bool {
    let Ok(text) = fs::read_to_string(set.join(DIGESTS)) else { return false };
    let Ok(files) = list(set) else { return false };
    let path = |file: &DatasetFile| file.path.trim_start_matches("datasets/").to_owned();
    let digest = |file: &DatasetFile| Some((path(file), hex(&Sha256::digest(fs::read(&file.source).ok()?))));
    let found: BTreeMap<_, _> = files.iter().filter_map(digest).collect();
    let line = |line: &str| line.split_once("  ").map(|(digest, path)| (path.to_owned(), digest.to_owned()));
    found.len() == files.len() && text.lines().filter_map(line).collect::<BTreeMap<_, _>>() == found
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
        match self {
            Self::Interrupted(by) => by.exit(),
            _ => Exit::Preflight,
        }
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "datasets-missing",
            Self::NoFile { .. } => "dataset-no-file",
            Self::Simulator(_) => "datasets-not-generated",
            Self::Interrupted(by) => by.cause_name(),
            Self::Io(_) => "cache-unwritable",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Missing { .. } => {
                "--datasets wants DIR/training/*.pkl and DIR/testing/test_dataset.pkl; without it, days are generated"
                    .into()
            }
            Self::NoFile { .. } => {
                "put a file there, or a link to one; what is no dataset must go, or have a name that does not end in `.pkl`"
                    .into()
            }
            Self::Interrupted(by) => by.remedy(),
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

    /// What bears a dataset's name and is no file is refused by what it is; a link to a file is a dataset.
    #[test]
    fn what_is_called_a_dataset_and_is_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let link = |to: &str, from: &str| std::os::unix::fs::symlink(to, dir.path().join(from)).unwrap();
        lay_out(dir.path(), &["training/a.pkl", "elsewhere/b", "testing/x.pkl"]);
        link("../elsewhere/b", "training/b.pkl");
        link("x.pkl", TEST_SET);
        let paths: Vec<_> = list(dir.path()).unwrap().into_iter().map(|file| (file.path, file.bytes)).collect();
        let (b, test) = (("datasets/training/b.pkl".to_owned(), 11), (format!("datasets/{TEST_SET}"), 13));
        assert_eq!((paths.len(), &paths[1], &paths[2]), (3, &b, &test));

        let refused = || match list(dir.path()).unwrap_err() {
            DatasetsError::NoFile { path, what } => (path, what),
            other => panic!("{other}"),
        };
        let odd = dir.path().join(TRAINING).join("c.pkl");
        let cases: [(&dyn Fn(), &str); 4] = [
            (&|| link("gone", "training/c.pkl"), "a link to `gone`, which is not there"),
            (&|| link("/dev/zero", "training/c.pkl"), "a device"),
            (&|| crate::plain_file::make_pipe(&odd), "a pipe"),
            (&|| fs::create_dir(&odd).unwrap(), "a folder"),
        ];
        for (make, what) in cases {
            make();
            assert_eq!(refused(), (odd.clone(), what.to_owned()));
            let _ = fs::remove_file(&odd);
        }
        fs::remove_dir(&odd).unwrap();
        fs::remove_file(dir.path().join(TEST_SET)).unwrap();
        link("gone", TEST_SET);
        assert!(refused().1.starts_with("a link to `gone`"));
    }

    /// What was damaged in the cache since it was made is made anew, the same to the byte; what is whole is left as it is.
    #[test]
    fn a_damaged_set_heals() {
        let cache = tempfile::tempdir().unwrap();
        let console = Console::new(crate::console::Form::Quiet);
        let make = || generated(2, 0, cache.path(), &console).unwrap();
        let set = make();
        let day = list(&set).unwrap().remove(0).source;
        let whole = fs::read(&day).unwrap();
        let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
        let first = inode(&day);
        assert_eq!((make(), inode(&day)), (set.clone(), first));
        let digests = set.join(DIGESTS);
        let damages: [&dyn Fn(); 5] = [
            &|| fs::write(&day, &whole[..whole.len() / 2]).unwrap(),
            &|| fs::remove_file(&day).unwrap(),
            &|| fs::write(set.join(TRAINING).join("2038-01-01.pkl"), &whole).unwrap(),
            &|| fs::write(&digests, "").unwrap(),
            &|| fs::remove_dir_all(set.join("testing")).unwrap(),
        ];
        for (number, damage) in damages.iter().enumerate() {
            damage();
            assert_eq!(make(), set);
            assert!(fs::read(&day).unwrap() == whole && is_whole(&set), "damage {number}");
            assert_eq!(list(&set).unwrap().len(), 3, "damage {number}");
        }
        let sets: Vec<_> = fs::read_dir(set.parent().unwrap()).unwrap().collect();
        assert_eq!(sets.len(), 1, "{sets:?}");
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
