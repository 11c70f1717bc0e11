//! Checkpoints: `output/model_cpt_DAY.pkl`, a model as the pickle that scikit-learn loads as an `SGDClassifier`.
//!
//! What only this worker needs (lineage, seed, digests, figures) rides along as one more attribute, a string of JSON.
//! scikit-learn predicts with it, goes on training it and keeps the attribute, which then no longer fits the model:
//! a digest of the model in it tells. A checkpoint's bytes say nothing about time, host or session, so the same
//! inputs give the same bytes.

mod metadata;
mod sklearn;

use transactions::pickle;

use crate::model::{FEATURE_NAMES, Model};

pub use metadata::{Metadata, Parent, SCHEMA_VERSION};

/// A model that was saved, or is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The model.
    pub model: Model,
    /// Where it comes from; `None` where this worker did not write it, or where scikit-learn has trained it since.
    pub metadata: Option<Metadata>,
}

/// Why bytes are no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The bytes are no pickle.
    #[error(transparent)]
    Pickle(#[from] pickle::PickleError),
    /// The pickle asks for something that no `SGDClassifier` needs. It was not run.
    #[error("failed to read the checkpoint: it asks for `{name}`, which no checkpoint needs; nothing was run")]
    Refused {
        /// Module and name of what it asks for.
        name: String,
    },
    /// The pickle holds another object.
    #[error("failed to read the checkpoint: it holds {found}, not an `SGDClassifier`")]
    NotAClassifier {
        /// What it holds.
        found: String,
    },
    /// An attribute is missing or is not what it must be.
    #[error("failed to read `{attribute}` of the checkpoint: {reason}")]
    Attribute {
        /// The attribute of the classifier.
        attribute: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A number that is not finite.
    #[error("failed to use the checkpoint: its `{attribute}` holds numbers that are not finite")]
    NotFinite {
        /// The attribute of the classifier.
        attribute: &'static str,
    },
}

impl Checkpoint {
    /// The checkpoint's bytes: always the same for the same checkpoint.
    pub fn to_bytes(&self) -> Vec<u8> {
        pickle::encode(&sklearn::classifier(&self.model, self.metadata.as_ref()))
    }

    /// Reads a checkpoint that this worker, the original or scikit-learn wrote. Nothing in it is run.
    ///
    /// # Errors
    /// When the bytes are no pickle of an `SGDClassifier` over the four labels and eight features, when they ask for
    /// anything else, or when a number in them is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
        sklearn::read(&pickle::decode(bytes)?)
    }
}

/// The name of the checkpoint that is trained on a dataset: `model_cpt_2018-04-01.pkl` for `2018-04-01.pkl`.
pub fn file_name(dataset: &str) -> String {
    let stem = [".pkl.gz", ".pkl"].iter().find_map(|ending| dataset.strip_suffix(ending)).unwrap_or(dataset);
    format!("model_cpt_{stem}.pkl")
}

#[cfg(test)]
mod tests;
