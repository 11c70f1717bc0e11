//! The model: what it learns from, how it decides, and how well.
//!
//! A linear classifier over the four labels 0 (legitimate) to 3 (fraud by scenario). It has one line a class in the
//! raw units of the eight features, so that anything that multiplies and adds can use it; the class whose line is
//! highest is the answer. Everything here is pure: training is a function of parent, data and seed, to the last bit.

mod dataset;
mod fit;
mod margin;
mod metrics;

use linfa::DatasetBase;
use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2};

pub use dataset::{Dataset, DatasetError, LARGEST};
pub use fit::Trainer;
pub use metrics::{Confusion, Figures};

/// The labels: 0 is legitimate, 1 to 3 are the simulator's fraud scenarios.
pub const CLASSES: usize = 4;
/// How many features there are: all columns but the label.
pub const FEATURES: usize = 8;
/// The features, in the order of the tutorial's columns.
pub const FEATURE_NAMES: [&str; FEATURES] = [
    "TRANSACTION_ID",
    "TX_DATETIME",
    "CUSTOMER_ID",
    "TERMINAL_ID",
    "TX_AMOUNT",
    "TX_TIME_SECONDS",
    "TX_TIME_DAYS",
    "TX_FRAUD",
];
/// The column that is to be predicted.
pub const LABEL_NAME: &str = "TX_FRAUD_SCENARIO";
/// Place of `TX_AMOUNT` among the features: the only one that the training uses. `TX_FRAUD` is the label under
/// another name, identifiers and dates do not repeat, and the time of day says nothing about fraud in this data.
pub const AMOUNT: usize = 4;

/// One line a class over the features in raw units: the highest decision value wins, the first of equals.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What a unit of each feature adds to each class's decision value.
    pub coef: [[f64; FEATURES]; CLASSES],
    /// Each class's decision value where all features are nought.
    pub intercept: [f64; CLASSES],
    /// One more than the number of rows that the lineage has learned from: scikit-learn's `t_`.
    pub t: f64,
}

/// What training on one dataset gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The model after it.
    pub model: Model,
    /// How well it does on the rows that it learned from.
    pub training_figures: Figures,
    /// How well it does on rows that it has never seen.
    pub testing_figures: Figures,
}

/// Learns from a day's transactions, starting from the parent's model where there is one (warm start), and judges the
/// outcome on both datasets. The same arguments give the same bits on every machine.
pub fn train(parent: Option<&Model>, training: &Dataset, testing: &Dataset, seed: u64) -> Trained {
    let parent = parent.cloned().unwrap_or_else(Model::untrained);
    let DatasetBase { records, targets, .. } = training.as_linfa();
    let model = Trainer { seed }.learn(&parent, records, targets);
    let (training_figures, testing_figures) = (figures(&model, training), figures(&model, testing));
    Trained { model, training_figures, testing_figures }
}

/// The class of each row.
pub fn predict(model: &Model, dataset: &Dataset) -> Vec<u8> {
    classes(&model.decide(dataset.features()))
}

/// How much each row looks like a fraud: the highest decision value of a fraud class over that of class 0.
/// Above nought exactly where some fraud class is predicted.
pub fn fraud_scores(model: &Model, dataset: &Dataset) -> Vec<f64> {
    scores(&model.decide(dataset.features()))
}

/// How well the model's predictions agree with a dataset's labels.
pub fn figures(model: &Model, dataset: &Dataset) -> Figures {
    let decisions = model.decide(dataset.features());
    Figures::of(dataset.labels(), &classes(&decisions), &scores(&decisions))
}

impl Model {
    /// The model that has seen nothing: it calls every row legitimate.
    pub fn untrained() -> Model {
        fit::Lines::UNTRAINED.into_model(1.0)
    }

    /// Whether every number in it is finite, as every checkpoint's must be.
    pub fn is_finite(&self) -> bool {
        self.coef.as_flattened().iter().chain(&self.intercept).chain([&self.t]).all(|number| number.is_finite())
    }

    /// Decision values, a row of the result for each row of features.
    pub fn decide(&self, features: &Array2<f64>) -> Array2<f64> {
        assert_eq!(features.ncols(), FEATURES, "one column a feature");
        let mut decisions = Array2::zeros((features.nrows(), CLASSES));
        // Column by column, intercept last: with one useful feature each value has then been rounded once for the
        // product and once for the sum, as in scikit-learn, whatever order its matrix product adds in.
        for (index, column) in features.columns().into_iter().enumerate() {
            let coef: [f64; CLASSES] = std::array::from_fn(|class| self.coef[class][index]);
            if coef.iter().any(|coef| *coef != 0.0) {
                for (mut row, feature) in decisions.rows_mut().into_iter().zip(column) {
                    row.iter_mut().zip(coef).for_each(|(value, coef)| *value += feature * coef);
                }
            }
        }
        for mut row in decisions.rows_mut() {
            row.iter_mut().zip(self.intercept).for_each(|(value, intercept)| *value += intercept);
        }
        decisions
    }
}

impl PredictInplace<Array2<f64>, Array1<u8>> for Model {
    fn predict_inplace(&self, features: &Array2<f64>, labels: &mut Array1<u8>) {
        assert_eq!(features.nrows(), labels.len(), "one label a row");
        labels.iter_mut().zip(classes(&self.decide(features))).for_each(|(label, class)| *label = class);
    }

    fn default_target(&self, features: &Array2<f64>) -> Array1<u8> {
        Array1::zeros(features.nrows())
    }
}

/// The class with the highest value in each row, the first of equals.
fn classes(decisions: &Array2<f64>) -> Vec<u8> {
    let highest = |row: ndarray::ArrayView1<f64>| {
        (1..CLASSES).fold(0, |best, class| if row[class] > row[best] { class } else { best })
    };
    decisions.rows().into_iter().map(|row| highest(row) as u8).collect()
}

fn scores(decisions: &Array2<f64>) -> Vec<f64> {
    decisions.rows().into_iter().map(|row| row[1].max(row[2]).max(row[3]) - row[0]).collect()
}

#[cfg(test)]
mod tests;
