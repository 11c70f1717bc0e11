//! Training: a tree of lines over the scaled amount, each moved by [`least_change`].
//!
//! One line tells class 1 from class 0: is this a fraud that shows? For each further scenario one line tells it from
//! class 1, learned on the frauds that show: which fraud is it? A transaction of scenario 2 or 3 that looks like any
//! other cannot pull the first line out of its place then, and neither can an imbalance of thousands to one. Sums of
//! lines are lines, so the whole is one linear classifier over four classes.

use linfa::DatasetBase;
use linfa::traits::FitWith;
use ndarray::{Array1, Array2};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::margin::{Line, Point, Row, least_change, value};
use super::{AMOUNT, CLASSES, FEATURES, Model};

/// The most that one transaction may pull at the line between legitimate and fraud: so high that a day that can be
/// separated is, and low enough that a wrong label does not outweigh everything.
const PRICE: f64 = 1e5;
/// The most that one fraud may pull at a line between scenarios, which overlap.
const SCENARIO_PRICE: f64 = 3.0;
/// The margin that scenario 2 or 3 needs over scenario 1, which needs 1 over them. Uneven, for an amount a little over
/// the limit is scenario 1 more often than anything else.
const SCENARIO_MARGIN: f64 = 0.001;
/// The largest slope or level that a line of this lineage ever has, in scaled units: far more than what comes up.
const LIMIT: f64 = 1e4;
/// The same for the lines between scenarios, which are flatter.
const SCENARIO_LIMIT: f64 = 100.0;

/// Learns from a dataset, starting from a model. Fitting it never fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trainer {
    /// Seed of the order in which transactions are weighed against each other.
    pub seed: u64,
}

impl FitWith<'_, Array2<f64>, Array1<u8>, linfa::Error> for Trainer {
    type ObjectIn = Model;
    type ObjectOut = Model;

    fn fit_with(&self, parent: Model, day: &DatasetBase<Array2<f64>, Array1<u8>>) -> Result<Model, linfa::Error> {
        Ok(self.learn(&parent, &day.records, &day.targets))
    }
}

impl Trainer {
    /// The parent's model after a day of transactions.
    pub(super) fn learn(self, parent: &Model, features: &Array2<f64>, labels: &Array1<u8>) -> Model {
        let amounts = features.column(AMOUNT);
        let scale = Scale::of(amounts.iter().copied());
        let points: Vec<(Point, u8)> =
            amounts.iter().map(|amount| scale.point(*amount)).zip(labels.iter().copied()).collect();
        let parent_lines = Lines::of(parent);
        let fraud = scale.tame(parent_lines.fraud, Lines::UNTRAINED.fraud, LIMIT);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);

        let below_above = |point, above| Row { point, side: if above { 1.0 } else { -1.0 }, margin: 1.0 };
        let plain: Vec<Row> = points
            .iter()
            .filter(|(_, label)| *label <= 1)
            .map(|(point, label)| below_above(*point, *label == 1))
            .collect();
        let fraud = least_change(fraud, &plain, PRICE, &mut rng);

        let shown: Vec<(Point, u8)> =
            points.into_iter().filter(|(point, label)| *label > 0 && value(fraud, *point) > 0.0).collect();
        let mut class = 1;
        let scenarios = parent_lines.scenarios.map(|line| {
            class += 1;
            let line = scale.tame(line, Lines::UNTRAINED.scenarios[0], SCENARIO_LIMIT);
            let margin = |label| if label == 1 { 1.0 } else { SCENARIO_MARGIN };
            let rows: Vec<Row> = shown
                .iter()
                .filter(|(_, label)| *label == 1 || *label == class)
                .map(|(point, label)| Row { margin: margin(*label), ..below_above(*point, *label == class) })
                .collect();
            least_change(line, &rows, SCENARIO_PRICE, &mut rng)
        });
        let lines = Lines { fraud: scale.unscaled(fraud), scenarios: scenarios.map(|line| scale.unscaled(line)) };
        lines.into_model(parent.t + labels.len() as f64)
    }
}

/// A model over the amount alone as the tree of lines that it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lines {
    /// Above nought for a fraud that shows: class 1 over class 0.
    fraud: Line,
    /// Classes 2 and 3 over class 1.
    scenarios: [Line; CLASSES - 2],
}

impl Lines {
    /// Every row is legitimate, by a margin of 1.
    pub(super) const UNTRAINED: Lines = Lines { fraud: [0.0, -1.0], scenarios: [[0.0, -1.0]; CLASSES - 2] };

    /// What a model says about amounts, in their raw unit. What it says about other features is left out.
    fn of(model: &Model) -> Lines {
        let over = |class: usize, other: usize| {
            [model.coef[class][AMOUNT] - model.coef[other][AMOUNT], model.intercept[class] - model.intercept[other]]
        };
        Lines { fraud: over(1, 0), scenarios: [over(2, 1), over(3, 1)] }
    }

    /// The linear classifier. Only differences between classes matter; half of the fraud line goes to either side.
    pub(super) fn into_model(self, t: f64) -> Model {
        let mut model = Model { coef: [[0.0; FEATURES]; CLASSES], intercept: [0.0; CLASSES], t };
        let half = self.fraud.map(|part| part / 2.0);
        let over_one = |line: Line| [half[0] + line[0], half[1] + line[1]];
        let lines = [half.map(|part| -part), half, over_one(self.scenarios[0]), over_one(self.scenarios[1])];
        for (class, [slope, level]) in lines.into_iter().enumerate() {
            model.coef[class][AMOUNT] = slope;
            model.intercept[class] = level;
        }
        model
    }
}

/// The scaling of a day's amounts to mean 0 and variance 1. It ends with the day: models are in raw units.
#[derive(Clone, Copy, Debug)]
struct Scale {
    mean: f64,
    deviation: f64,
}

impl Scale {
    fn of(amounts: impl Iterator<Item = f64> + Clone) -> Scale {
        let count = amounts.clone().count() as f64;
        let mean = amounts.clone().sum::<f64>() / count;
        let variance = amounts.map(|amount| (amount - mean) * (amount - mean)).sum::<f64>() / count;
        let deviation = variance.sqrt();
        // Equal amounts have no deviation, or one that comes from rounding.
        let varies = deviation > 1e-9 * (1.0 + mean.abs());
        Scale { mean, deviation: if varies { deviation } else { 1.0 } }
    }

    fn point(self, amount: f64) -> Point {
        [(amount - self.mean) / self.deviation, 1.0]
    }

    /// A line over raw amounts as one over points. A checkpoint that the original wrote has slopes of 1e13, learned on
    /// features that are not used here: beyond the limit only the direction counts, at a length that the day can still
    /// turn, and a line that is not finite is replaced.
    fn tame(self, [slope, level]: Line, untrained: Line, limit: f64) -> Line {
        let scaled = [slope * self.deviation, level + slope * self.mean];
        let largest = scaled[0].abs().max(scaled[1].abs());
        if !(scaled[0].is_finite() && scaled[1].is_finite()) {
            untrained
        } else if largest > limit {
            scaled.map(|part| part / largest)
        } else {
            scaled
        }
    }

    /// A line over points as one over raw amounts.
    fn unscaled(self, [slope, level]: Line) -> Line {
        let slope = slope / self.deviation;
        [slope, level - slope * self.mean]
    }
}
