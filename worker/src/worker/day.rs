//! A day's dataset: found by the item that names it, read, digested, made ready for the model.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::failure::{Failure, Stop, guarded};
use crate::checkpoint;
use crate::model::Dataset;
use crate::report::is_file_name;
use crate::share::{Output, ReadError, Share};

/// Where the test set is on the share.
const TEST_SET: &str = "datasets/testing/test_dataset.pkl";

/// A dataset in memory.
pub struct Day {
    /// Its file name: `2018-04-04.pkl`.
    pub name: String,
    /// Where it is on the share, as the queue says it: `datasets/training/2018-04-04.pkl`.
    pub path: String,
    /// The file name of its checkpoint: `model_cpt_2018-04-04.pkl`.
    pub checkpoint: String,
    /// Lower-case hex SHA-256 of the file.
    pub sha256: String,
    /// Its rows.
    pub dataset: Dataset,
}

impl Day {
    /// Reads the dataset that an item of the queue names.
    pub fn read(share: &Share, item: &[u8]) -> Result<Self, Stop> {
        let unfit = |reason: &str| Stop::Unfit(reason.into());
        let path = std::str::from_utf8(item).map_err(|_| unfit("its path is not UTF-8"))?;
        let name = file_name(item).map_err(unfit)?;
        let checkpoint = checkpoint::file_name(name);
        let bytes = share.read(Path::new(path)).map_err(|error| match error {
            ReadError::Unfit(reason) => unfit(reason),
            ReadError::Share(error) => Stop::Unreadable(error),
        })?;
        let sha256 = sha256(&bytes);
        let dataset = guarded(|| dataset(bytes))?.map_err(Stop::Unfit)?;
        Ok(Self { name: name.into(), path: path.into(), checkpoint, sha256, dataset })
    }
}

/// The file name that an item ends in, if there can be a checkpoint and a line in the report by that name.
pub fn file_name(item: &[u8]) -> Result<&str, &'static str> {
    let name = item.rsplit(|byte| *byte == b'/').next().and_then(|name| std::str::from_utf8(name).ok());
    let name =
        name.filter(|name| is_file_name(name)).ok_or("its path does not end in a name that the report can hold")?;
    if Output::has_room_for(&checkpoint::file_name(name)) { Ok(name) } else { Err("its name is too long") }
}

/// Reads what every model is judged on, and its digest.
pub fn read_test_set(share: &Share) -> Result<(Dataset, String), Failure> {
    let failed = |reason| Failure::TestSet { path: TEST_SET, reason };
    let bytes = share.read(Path::new(TEST_SET)).map_err(|error| match error {
        ReadError::Unfit(reason) => failed(reason.into()),
        ReadError::Share(error) => error.into(),
    })?;
    let sha256 = sha256(&bytes);
    Ok((dataset(bytes).map_err(failed)?, sha256))
}

/// Makes the bytes of a file a dataset, or says why not. They are freed on the way.
fn dataset(bytes: Vec<u8>) -> Result<Dataset, String> {
    let table = transactions::read_bytes(&bytes).map_err(|error| error.to_string())?;
    drop(bytes);
    Dataset::from_table(&table).map_err(|error| error.to_string())
}

/// Lower-case hex SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        text.extend([byte >> 4, byte & 15].into_iter().filter_map(|nibble| char::from_digit(nibble.into(), 16)));
    }
    text
}
