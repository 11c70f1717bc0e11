//! What a checkpoint says beyond its model: where it comes from and how good it is. Nothing in it depends on when,
//! where or by whom it was written.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::{Figures, Model};

/// The version of [`Metadata`] that this code writes, and the only one that it reads. Whatever
/// changes the bytes of a checkpoint raises it: the judges hold a checkpoint of this version to the bytes of this code.
pub const SCHEMA_VERSION: u32 = 2;

/// Where a checkpoint comes from, and how good it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// [`SCHEMA_VERSION`] of the code that wrote it.
    pub schema_version: u32,
    /// File name of the dataset that it was trained on last: `2018-04-04.pkl`.
    pub dataset: String,
    /// Where that file was on the share, as the queue said it: `datasets/training/2018-04-04.pkl`.
    pub path: String,
    /// Lower-case hex SHA-256 of that file.
    pub dataset_sha256: String,
    /// Lower-case hex SHA-256 of the file that it was tested on.
    pub test_sha256: String,
    /// Seed of the training.
    pub seed: u64,
    /// The checkpoint that it started from, if any.
    pub parent: Option<Parent>,
    /// How many checkpoints its lineage has, itself included: 1 without a parent.
    pub depth: u64,
    /// Figures on the dataset that it was trained on last.
    pub training: Figures,
    /// Figures on the test dataset.
    pub testing: Figures,
}

/// The checkpoint that another one started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// Its file name: `model_cpt_2018-04-04.pkl`.
    pub file: String,
    /// Lower-case hex SHA-256 of its bytes.
    pub sha256: String,
}

/// Metadata bound to the model that it describes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bound<M> {
    model_sha256: String,
    metadata: M,
}

impl Metadata {
    /// The text that rides along in the checkpoint of a model.
    pub(super) fn to_text(&self, model: &Model) -> String {
        let bound = Bound { model_sha256: digest(model), metadata: self };
        // Only maps with keys that are no strings, and writers that fail, make this an error: neither is here.
        serde_json::to_string(&bound).unwrap_or_default()
    }

    /// Reads such a text. `None` when it describes another model: one that has been trained on since.
    pub(super) fn from_text(text: &str, model: &Model) -> Result<Option<Metadata>, String> {
        let Bound { model_sha256, metadata } =
            serde_json::from_str::<Bound<Metadata>>(text).map_err(|error| error.to_string())?;
        if model_sha256 != digest(model) {
            return Ok(None);
        }
        if metadata.schema_version != SCHEMA_VERSION {
            return Err(format!(
                "its schema version is {}, this program reads {SCHEMA_VERSION}",
                metadata.schema_version
            ));
        }
        if !metadata.training.are_consistent() || !metadata.testing.are_consistent() {
            return Err("its figures do not follow from its confusion matrix".into());
        }
        Ok(Some(metadata))
    }
}

/// SHA-256 of the model's numbers, as hex.
fn digest(model: &Model) -> String {
    let numbers = model.coef.as_flattened().iter().chain(&model.intercept).chain([&model.t]);
    let mut hash = Sha256::new();
    numbers.for_each(|number| hash.update(number.to_le_bytes()));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
