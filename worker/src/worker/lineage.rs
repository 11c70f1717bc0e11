//! Where a model comes from: the checkpoint that the report names last, whoever wrote it.
//!
//! Nothing of it is remembered in the worker. What is on the share is what the next dataset starts from, so a worker
//! that was started again goes on where the last one was.

use super::day::sha256;
use super::{Day, Failure, Stop, Worker};
use crate::checkpoint::{Checkpoint, Parent};
use crate::model::Model;
use crate::note;
use crate::report::Report;

/// The depth of a checkpoint that does not say it: the original's, or one that scikit-learn has trained since.
const UNKNOWN_DEPTH: u64 = 1;

/// The model that training starts from.
pub struct Ancestor {
    pub model: Model,
    pub file: Parent,
    pub depth: u64,
}

impl Worker<'_> {
    /// Whether exactly this dataset, trained with this seed and tested on this test set, has its checkpoint and its entry
    /// already: then a worker died between publishing and completing it. Where a namesake has, a dataset from another
    /// place of the share, this one is unfit: it would replace what that one left.
    pub(super) fn is_done(&self, day: &Day, report: &Report) -> Result<bool, Stop> {
        if report.entries.iter().all(|entry| entry.checkpoint != day.checkpoint) {
            return Ok(false);
        }
        let Some(bytes) = self.output.read(&day.checkpoint)? else { return Ok(false) };
        let metadata = Checkpoint::from_bytes(&bytes).ok().and_then(|checkpoint| checkpoint.metadata);
        let Some(metadata) = metadata else { return Ok(false) };
        if metadata.path != day.path && metadata.dataset_sha256 != day.sha256 {
            return Err(Stop::Unfit(format!(
                "its checkpoint would replace that of `{}`: one of the two needs another file name",
                metadata.path
            )));
        }
        let is_done = metadata.dataset == day.name
            && metadata.dataset_sha256 == day.sha256
            && metadata.test_sha256 == self.test_sha256
            && metadata.seed == self.config.seed
            && report.entry(&day.name).is_some();
        if is_done {
            self.output.remove_drafts_of(&day.checkpoint)?;
        }
        Ok(is_done)
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
