//! `golden/thresholds.toml`: the bounds on a model's figures, each with its reason.
//!
//! A bound that the constant answer "no fraud" would pass says nothing about a model; loading such a bound is an error.
//! What that answer scores is computed on the very test set that the bound is about to be used on. And no constant
//! answer at all, "every transaction is a fraud" neither, may pass all of the bounds together.

use serde::Deserialize;
use worker::model::{CLASSES, Dataset, Figures};

/// All bounds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// What the bounds on the tutorial's data were measured on.
    pub tutorial: Tutorial,
    /// In the order of the file.
    #[serde(rename = "threshold")]
    pub thresholds: Vec<Threshold>,
}

/// How a run's data is known to be the tutorial's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tutorial {
    /// Training days that were generated.
    pub days: u32,
    /// The simulator's seed.
    pub seed: u64,
    /// Digests of files that hold the same test day.
    pub testing_sha256: Vec<String>,
}

/// One bound.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Which figure, of the predictions on the test set.
    pub figure: Figure,
    /// Which data it holds for.
    pub data: Data,
    /// Which checkpoints it holds for.
    pub checkpoints: Which,
    /// The least that passes.
    pub floor: Option<f64>,
    /// The most that passes.
    pub ceiling: Option<f64>,
    /// Fewest frauds, in the test set and in all that the model has seen, for which the figure means anything.
    #[serde(default)]
    pub frauds_at_least: u64,
    /// Kept although "no fraud" passes it, to show how little it says.
    #[serde(default)]
    pub baseline: bool,
    /// Why this figure, and where the number comes from.
    pub why: String,
}

/// A figure by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Share of rows whose class was predicted.
    Accuracy,
    /// Share of the frauds of scenario 1 that were given class 1.
    #[serde(rename = "recall_scenario_1")]
    RecallScenario1,
    /// Share of the frauds that were given some fraud class.
    FraudRecall,
    /// Share of what was given some fraud class that is fraud.
    FraudPrecision,
    /// Probability that a fraud scores higher than an honest row.
    Auc,
}

/// What data a bound holds for.
///
/// Each kind holds the ones before it: what holds for all data holds for the tutorial's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// The tutorial's four days and its test day.
    Tutorial,
    /// Whatever the simulator makes, the tutorial's days included.
    Generated,
    /// Everything, the tutorial's included.
    Any,
}

/// Which checkpoints a bound holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The one that the last entry of the report names.
    Last,
    /// Every one.
    Each,
}

/// Why the bounds cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ThresholdError {
    /// Not the file's format.
    #[error("failed to read the thresholds: {0}")]
    Malformed(#[from] toml::de::Error),
    /// A bound without a reason, or without a number.
    #[error("failed to use the threshold on `{figure:?}`: it has no {lacks}\nwrite one beside it")]
    Incomplete {
        /// Its figure.
        figure: Figure,
        /// What it lacks.
        lacks: &'static str,
    },
    /// A bound that proves nothing.
    #[error(
        "failed to use the threshold on `{figure:?}`: always answering \"no fraud\" scores {scores} on this test set and passes it\n\
         raise it, drop it, or mark it `baseline = true` if it is only there for comparison"
    )]
    Vacuous {
        /// Its figure.
        figure: Figure,
        /// What the constant answer scores.
        scores: f64,
    },
    /// Bounds that prove nothing together.
    #[error(
        "failed to use the thresholds: always answering class {class} passes every one of them\nadd one that it does not pass"
    )]
    Toothless {
        /// The constant answer.
        class: u8,
    },
}

impl Thresholds {
    /// Reads the file and checks what can be checked without data.
    ///
    /// # Errors
    /// [`ThresholdError::Malformed`] and [`ThresholdError::Incomplete`].
    pub fn parse(text: &str) -> Result<Self, ThresholdError> {
        let thresholds: Self = toml::from_str(text)?;
        for threshold in &thresholds.thresholds {
            let lacks = match threshold {
                Threshold { floor: None, ceiling: None, .. } => Some("floor and no ceiling"),
                Threshold { why, .. } if why.trim().is_empty() => Some("reason"),
                _ => None,
            };
            if let Some(lacks) = lacks {
                return Err(ThresholdError::Incomplete { figure: threshold.figure, lacks });
            }
        }
        Ok(thresholds)
    }

    /// The bounds that hold for this test set, each of which means something there.
    ///
    /// # Errors
    /// [`ThresholdError::Vacuous`] and [`ThresholdError::Toothless`].
    pub fn that_hold_for(&self, data: Data, testing: &Dataset) -> Result<Vec<&Threshold>, ThresholdError> {
        let frauds = frauds(testing);
        let holds = |threshold: &&Threshold| threshold.data >= data && frauds >= threshold.frauds_at_least;
        let hold: Vec<_> = self.thresholds.iter().filter(holds).collect();
        let no_fraud = constant(testing, 0);
        for threshold in hold.iter().filter(|threshold| !threshold.baseline) {
            if let (true, Some(scores)) = (threshold.passes(&no_fraud), threshold.figure.of(&no_fraud)) {
                return Err(ThresholdError::Vacuous { figure: threshold.figure, scores });
            }
        }
        let passes_all = |class: &u8| hold.iter().all(|threshold| threshold.passes(&constant(testing, *class)));
        match (0..CLASSES as u8).find(passes_all) {
            Some(class) if !hold.is_empty() => Err(ThresholdError::Toothless { class }),
            _ => Ok(hold),
        }
    }
}

impl Threshold {
    /// Whether the figure is there and within the bound. A model that never says "fraud" has no precision, and does not
    /// pass a bound on it.
    pub fn passes(&self, figures: &Figures) -> bool {
        let within = |figure: f64| {
            self.floor.is_none_or(|floor| figure >= floor) && self.ceiling.is_none_or(|ceiling| figure <= ceiling)
        };
        self.figure.of(figures).is_some_and(within)
    }
}

impl Figure {
    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Figure::Accuracy => "accuracy",
            Figure::RecallScenario1 => "recall of scenario 1",
            Figure::FraudRecall => "recall of fraud",
            Figure::FraudPrecision => "precision of fraud",
            Figure::Auc => "area under the ROC curve",
        }
    }

    /// The figure; `None` where there is nothing to divide by.
    pub fn of(self, figures: &Figures) -> Option<f64> {
        match self {
            Figure::Accuracy => Some(figures.accuracy),
            Figure::RecallScenario1 => figures.recall[1],
            Figure::FraudRecall => figures.fraud_recall,
            Figure::FraudPrecision => figures.fraud_precision,
            Figure::Auc => figures.auc,
        }
    }
}

/// How many rows are frauds.
pub fn frauds(dataset: &Dataset) -> u64 {
    dataset.labels().iter().filter(|label| **label > 0).count() as u64
}

/// What always giving the same answer scores.
pub fn constant(testing: &Dataset, class: u8) -> Figures {
    let rows = testing.rows();
    Figures::of(testing.labels(), &vec![class; rows], &vec![0.0; rows])
}

#[cfg(test)]
mod tests;
