//! How a record is read: only files count, no link is followed, and nothing is read without end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::de::DeserializeOwned;

use super::{Record, RecordError, Result};
use crate::plain_file;

/// The most that a report or a checkpoint may have; the tutorial's have some kilobytes. Also the most that is copied of
/// a file of the output, but for one byte more, by which a larger one is known.
pub const OUTPUT_LIMIT_BYTES: u64 = 64 << 20;
/// The most that any other file may have, but for a user's dataset, which is as large as it is: a log above all.
const LIMIT_BYTES: u64 = 1 << 30;

/// The report, relative to the record.
const REPORT: &str = "output/report.txt";

impl Record {
    /// Reads a file of the record as text; what is not UTF-8 shows as replacement characters.
    pub fn text(&self, path: &str) -> Result<String> {
        Ok(to_text(self.bytes(path, LIMIT_BYTES)?))
    }

    /// `output/`: the copy of what the worker left on the share.
    pub fn output_dir(&self) -> PathBuf {
        self.dir.join("output")
    }

    /// Every file below `output/`, hidden ones too, relative to it, sorted; a folder with nothing in it as `FOLDER/`.
    /// What is neither a file nor a folder is among them: see [`Record::output_oddities`].
    pub fn output_files(&self) -> Result<Vec<String>> {
        Ok(self.list_output()?.into_keys().collect())
    }

    /// What is neither a file nor a folder below `output/`, relative to it, and what it is instead: `a link`. It bears a
    /// name, and nothing can be read from it.
    pub fn output_oddities(&self) -> Result<BTreeMap<String, &'static str>> {
        Ok(self.list_output()?.into_iter().filter_map(|(path, oddity)| Some((path, oddity?))).collect())
    }

    /// Reads a file of the output, e.g. a checkpoint.
    pub fn output(&self, path: &str) -> Result<Vec<u8>> {
        self.bytes(&format!("output/{path}"), OUTPUT_LIMIT_BYTES)
    }

    /// The report's text, `output/report.txt`.
    pub fn report(&self) -> Result<String> {
        Ok(to_text(self.bytes(REPORT, OUTPUT_LIMIT_BYTES)?))
    }

    /// Reads the copy of a user's dataset; `path` is relative to the share and begins with `datasets/`.
    pub fn dataset(&self, path: &str) -> Result<Vec<u8>> {
        self.bytes(path, u64::MAX)
    }

    fn bytes(&self, path: &str, limit_bytes: u64) -> Result<Vec<u8>> {
        let failed = |source| RecordError::Unreadable { path: path.into(), source };
        plain_file::read(&self.dir, Path::new(path), limit_bytes).map_err(failed)
    }

    pub(super) fn read_json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let bytes = self.bytes(path, LIMIT_BYTES)?;
        serde_json::from_slice(&bytes).map_err(|source| RecordError::Malformed { path: path.into(), source })
    }

    pub(super) fn read_lines<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let text = match self.text(path) {
            Err(RecordError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Vec::new());
            }
            other => other?,
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let parse = |line| serde_json::from_str(line);
        let malformed = |source| RecordError::Malformed { path: path.into(), source };
        whole.lines().map(parse).collect::<std::result::Result<_, _>>().map_err(malformed)
    }

    /// Every name below `output/`, with what bears it where that is neither a file nor a folder.
    fn list_output(&self) -> Result<BTreeMap<String, Option<&'static str>>> {
        let mut files = BTreeMap::new();
        match fs::symlink_metadata(self.output_dir()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Ok(found) if !found.is_dir() => {
                let source =
                    std::io::Error::other(format!("it is {}, not a folder", plain_file::kind(found.file_type())));
                return Err(RecordError::Unreadable { path: "output".into(), source });
            }
            found => {
                found?;
                list(&self.output_dir(), "", &mut files)?;
            }
        }
        Ok(files)
    }
}

fn to_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn list(dir: &Path, prefix: &str, files: &mut BTreeMap<String, Option<&'static str>>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let (folder, before) = (format!("{path}/"), files.len());
            list(&entry.path(), &folder, files)?;
            if files.len() == before {
                files.insert(folder, None);
            }
        } else {
            files.insert(path, (!kind.is_file()).then(|| plain_file::kind(kind)));
        }
    }
    Ok(())
}
