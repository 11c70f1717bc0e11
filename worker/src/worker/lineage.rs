//! Where a model comes from: the checkpoint that the report names last, whoever wrote it.
//!
//! Nothing of it is remembered in the worker. What is on the share is what the next dataset starts from, so a worker
//! that was started again goes on where the last one was.

use super::day::sha256;
use super::{Day, Failure, Stop, Worker};
use crate::checkpoint::{Checkpoint, Metadata, Parent};
use crate::model::Model;
use crate::note;
use crate::report::{Entry, Report};
use crate::share::ShareError;

/// The depth of a checkpoint that does not say it: the original's, or one that scikit-learn has trained since.
const UNKNOWN_DEPTH: u64 = 1;

/// The model that training starts from.
pub struct Ancestor {
    pub model: Model,
    pub file: Parent,
    pub depth: u64,
}

impl Worker<'_> {
    /// Whether exactly this dataset, trained with this seed and tested on this test set, has its checkpoint and the entry
    /// that goes with it already: then a worker died between publishing and completing it.
    pub(super) fn is_done(&self, day: &Day, report: &Report) -> Result<bool, Stop> {
        let Some(metadata) = self.reported(day, report)? else { return Ok(false) };
        let is_done = metadata.dataset == day.name
            && metadata.dataset_sha256 == day.sha256
            && metadata.test_sha256 == self.test_sha256
            && metadata.seed == self.config.seed
            && report.entry(&day.name).is_some_and(|entry| tells_of(entry, &metadata));
        if is_done {
            self.output.remove_drafts_of(&day.checkpoint)?;
        }
        Ok(is_done)
    }

    /// What a dataset's checkpoint says of itself, if the report knows it. Where it is a namesake's, of a dataset from
    /// another place of the share, this one is unfit: it would replace what that one left.
    pub(super) fn reported(&self, day: &Day, report: &Report) -> Result<Option<Metadata>, Stop> {
        if !report.names(&day.checkpoint) {
            return Ok(None);
        }
        let metadata = self.metadata(&day.checkpoint)?;
        match &metadata {
            Some(other) if other.path != day.path && other.dataset_sha256 != day.sha256 => {
                let path = &other.path;
                Err(Stop::Unfit(format!(
                    "its checkpoint would replace that of `{path}`: one of the two needs another file name"
                )))
            }
            _ => Ok(metadata),
        }
    }

    /// Whether a report tells already of the checkpoint that a dataset has, so that what comes late is of an earlier one.
    pub(super) fn is_outdated(&self, late: &Entry, report: &Report) -> Result<bool, ShareError> {
        let Some(entry) = report.entry(&late.dataset) else { return Ok(false) };
        Ok(self.metadata(&entry.checkpoint)?.is_some_and(|metadata| tells_of(entry, &metadata)))
    }

    /// What a checkpoint says of itself; `None` where there is none, or one that is not ours.
    fn metadata(&self, checkpoint: &str) -> Result<Option<Metadata>, ShareError> {
        let bytes = self.output.read(checkpoint)?;
        Ok(bytes.and_then(|bytes| Checkpoint::from_bytes(&bytes).ok()?.metadata))
    }

    /// The model that a dataset's training starts from: the newest that can be used and is not its own. Those that a
    /// worker with another seed made are of another lineage.
    pub(super) fn parent(&self, day: &Day, report: &Report) -> Result<Option<Ancestor>, Failure> {
        for entry in report.entries.iter().rev().filter(|entry| entry.dataset != day.name) {
            let reason = match self.output.read(&entry.checkpoint)? {
                None => "it is not there".into(),
                Some(bytes) => match Checkpoint::from_bytes(&bytes) {
                    Ok(Checkpoint { metadata: Some(other), .. }) if other.seed != self.config.seed => continue,
                    Ok(Checkpoint { model, metadata }) => {
                        let file = Parent { file: entry.checkpoint.clone(), sha256: sha256(&bytes) };
                        let depth = metadata.map_or(UNKNOWN_DEPTH, |metadata| metadata.depth);
                        return Ok(Some(Ancestor { model, file, depth }));
                    }
                    Err(error) => error.to_string(),
                },
            };
            note!("the checkpoint `{}` cannot be started from: {reason}; trying the one before", entry.checkpoint);
        }
        Ok(None)
    }
}

/// Whether an entry is that of this very checkpoint, and not what an earlier training of the dataset has left.
fn tells_of(entry: &Entry, metadata: &Metadata) -> bool {
    (entry.training_accuracy, entry.testing_accuracy) == (metadata.training.accuracy, metadata.testing.accuracy)
}
