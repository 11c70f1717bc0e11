//! Figures of a set of predictions: confusion matrix, accuracy, recall and precision per class and for fraud, AUC.
//!
//! Everything is counted in integers and divided once, in f64, so that the figures are exact to the last bit and the
//! same on every machine.

use serde::{Deserialize, Serialize};

use super::CLASSES;

/// Rows of the actual class by predicted class: `confusion[actual][predicted]`.
pub type Confusion = [[u64; CLASSES]; CLASSES];

/// How well predictions agree with the labels of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Rows judged.
    pub rows: u64,
    /// `confusion[actual][predicted]`, in rows.
    pub confusion: Confusion,
    /// Share of the rows whose class was predicted; nought of no rows.
    pub accuracy: f64,
    /// Per class, the share of its rows that were found; `None` where the class has no rows.
    pub recall: [Option<f64>; CLASSES],
    /// Per class, the share of the rows given this class that are of it; `None` where none were.
    pub precision: [Option<f64>; CLASSES],
    /// Share of the frauds, whatever their scenario, that were given some fraud class.
    pub fraud_recall: Option<f64>,
    /// Share of the rows given some fraud class that are frauds, whatever their scenario.
    pub fraud_precision: Option<f64>,
    /// Probability that a fraud scores higher than a legitimate row, ties counting half; `None` without both kinds.
    pub auc: Option<f64>,
}

impl Figures {
    /// Judges predictions. `scores` says how much each row looks like a fraud; the three slices are row by row.
    pub fn of(labels: &[u8], predicted: &[u8], scores: &[f64]) -> Figures {
        assert!(labels.len() == predicted.len() && labels.len() == scores.len(), "one prediction and one score a row");
        let mut confusion = Confusion::default();
        for (&label, &class) in labels.iter().zip(predicted) {
            confusion[usize::from(label)][usize::from(class)] += 1;
        }
        Figures::from_confusion(confusion, auc(labels, scores))
    }

    /// The figures that follow from a confusion matrix, with an AUC that was found elsewhere.
    pub fn from_confusion(confusion: Confusion, auc: Option<f64>) -> Figures {
        let actual = |class: usize| confusion[class].iter().sum::<u64>();
        let predicted = |class: usize| confusion.iter().map(|row| row[class]).sum::<u64>();
        let rows = (0..CLASSES).map(actual).sum();
        let hits = (0..CLASSES).map(|class| confusion[class][class]).sum();
        let caught = confusion[1..].iter().flat_map(|row| &row[1..]).sum();
        Figures {
            rows,
            confusion,
            accuracy: share(hits, rows).unwrap_or(0.0),
            recall: std::array::from_fn(|class| share(confusion[class][class], actual(class))),
            precision: std::array::from_fn(|class| share(confusion[class][class], predicted(class))),
            fraud_recall: share(caught, (1..CLASSES).map(actual).sum()),
            fraud_precision: share(caught, (1..CLASSES).map(predicted).sum()),
            auc,
        }
    }
}

impl Figures {
    /// Whether the figures are those that follow from the confusion matrix, and the AUC is a probability.
    pub fn are_consistent(&self) -> bool {
        // Counts that no table can have would overflow as they are summed.
        let countable = self.confusion.as_flattened().iter().all(|rows| *rows < 1 << 48);
        let auc = self.auc.is_none_or(|auc| (0.0..=1.0).contains(&auc));
        countable && auc && *self == Figures::from_confusion(self.confusion, self.auc)
    }
}

/// A part of a whole; `None` of nothing.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Area under the ROC curve of fraud (label above 0) against the rest: the Mann-Whitney statistic, ties counting half.
///
/// Frauds are few, so only their scores are sorted; each legitimate row then finds its place among them.
fn auc(labels: &[u8], scores: &[f64]) -> Option<f64> {
    let mut frauds: Vec<f64> =
        labels.iter().zip(scores).filter(|(label, _)| **label > 0).map(|(_, score)| *score).collect();
    let legitimate = (labels.len() - frauds.len()) as u64;
    if frauds.is_empty() || legitimate == 0 {
        return None;
    }
    frauds.sort_unstable_by(f64::total_cmp);
    // Half wins: two for each fraud above the row, one for each that ties. Integers, so that no rounding adds up.
    let mut half_wins = 0;
    for (_, &score) in labels.iter().zip(scores).filter(|(label, _)| **label == 0) {
        let below = frauds.partition_point(|fraud| *fraud < score);
        let not_above = below + frauds[below..].partition_point(|fraud| *fraud <= score);
        half_wins += (frauds.len() - below + frauds.len() - not_above) as u64;
    }
    Some(half_wins as f64 / (2 * legitimate * frauds.len() as u64) as f64)
}

#[cfg(test)]
mod tests;
