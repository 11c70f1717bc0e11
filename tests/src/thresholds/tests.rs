//! The loader refuses bounds that prove nothing.

use transactions::simulator;

use super::*;
use crate::golden;

fn testing_day() -> Dataset {
    let days = simulator::generate(5, 0).expect("five days");
    Dataset::from_table(&days[4].table).expect("the test day")
}

fn one(figure: &str, more: &str) -> Thresholds {
    let text = format!(
        "[tutorial]\ndays = 4\nseed = 0\ntesting_sha256 = []\n\
         [[threshold]]\nfigure = \"{figure}\"\ndata = \"any\"\ncheckpoints = \"last\"\nwhy = \"a test\"\n{more}\n"
    );
    Thresholds::parse(&text).expect("a file in the format")
}

/// The committed bounds all mean something on the tutorial's test day.
#[test]
fn the_committed_thresholds_hold_water() {
    let thresholds = Thresholds::parse(golden::THRESHOLDS).expect("the committed file");
    let testing = testing_day();
    let hold = thresholds.that_hold_for(Data::Tutorial, &testing).expect("no vacuous bound");
    assert!(hold.iter().any(|threshold| threshold.figure == Figure::RecallScenario1));
    assert!(hold.iter().any(|threshold| threshold.figure == Figure::FraudPrecision));
    assert!(hold.iter().any(|threshold| threshold.figure == Figure::Auc));
}

/// A run of the four days, newest first: what each checkpoint scores on the test day, and how many frauds it has seen by
/// then.
fn run(days: &[Dataset], seed: u64) -> Vec<(Figures, u64)> {
    let (mut model, mut seen) = (None, 0);
    let mut checkpoint = |day: &Dataset| {
        let trained = worker::model::train(model.as_ref(), day, &days[4], seed);
        model = Some(trained.model);
        seen += frauds(day);
        (trained.testing_figures, seen)
    };
    days[..4].iter().rev().map(&mut checkpoint).collect()
}

/// Holds runs, each a world of the simulator and a seed of the model, against the bounds for such data, and prints the
/// least that was seen beside each bound.
fn measure(data: Data, runs: impl Iterator<Item = (u16, u64)>) {
    let thresholds = Thresholds::parse(golden::THRESHOLDS).expect("the committed file");
    let mut least = vec![f64::INFINITY; thresholds.thresholds.len()];
    for (world, seed) in runs {
        let days = simulator::generate(5, world).expect("five days");
        let days: Vec<_> = days.iter().map(|day| Dataset::from_table(&day.table).expect("a dataset")).collect();
        let hold = thresholds.that_hold_for(data, &days[4]).expect("no vacuous bound");
        let checkpoints = run(&days, seed);
        for (least, threshold) in least.iter_mut().zip(&thresholds.thresholds) {
            let holds = hold.iter().any(|held| std::ptr::eq(*held, threshold));
            let first = if threshold.checkpoints == Which::Each { 0 } else { checkpoints.len() - 1 };
            let enough = |(_, seen): &&(Figures, u64)| holds && *seen >= threshold.frauds_at_least;
            for (figures, _) in checkpoints[first..].iter().filter(enough) {
                assert!(threshold.passes(figures), "world {world}, seed {seed}: {threshold:?}\n{figures:?}");
                *least = least.min(threshold.figure.of(figures).expect("it passed"));
            }
        }
    }
    for (least, threshold) in least.iter().zip(&thresholds.thresholds).filter(|(_, held)| held.data >= data) {
        let Threshold { figure, floor, ceiling, .. } = threshold;
        println!("{data:?}: {} {least:.4} was the least; floor {floor:?}, ceiling {ceiling:?}", figure.name());
        assert!(least.is_finite(), "this bound was put to no test: {threshold:?}");
    }
}

/// The bounds on the tutorial's days hold for each of twenty seeds of the model.
#[test]
fn the_committed_thresholds_hold_for_twenty_seeds() {
    measure(Data::Tutorial, (0..20).map(|seed| (0, seed)));
}

/// The bounds on whatever the simulator makes hold in each of twenty-four other worlds.
#[test]
fn the_committed_thresholds_hold_in_other_worlds() {
    measure(Data::Generated, (1..=24).map(|world| (world, 0)));
}

/// The bounds on the tutorial's data say nothing of other data, and those on generated data nothing of a user's.
#[test]
fn a_threshold_holds_for_its_data_alone() {
    let thresholds = Thresholds::parse(golden::THRESHOLDS).expect("the committed file");
    let testing = testing_day();
    let count = |data| thresholds.that_hold_for(data, &testing).expect("no vacuous bound").len();
    assert_eq!(count(Data::Tutorial), thresholds.thresholds.len());
    assert!(count(Data::Generated) < count(Data::Tutorial) && count(Data::Generated) > 0);
    assert_eq!(count(Data::Any), 0);
}

/// "No fraud" scores the tutorial's own accuracy, so that a floor below it is refused, and one above it is not.
#[test]
fn a_floor_that_no_fraud_passes_is_an_error() {
    let testing = testing_day();
    assert_eq!(constant(&testing, 0).accuracy, 0.9977204434773599);
    let error = one("accuracy", "floor = 0.9977").that_hold_for(Data::Tutorial, &testing).expect_err("it is vacuous");
    assert!(matches!(error, ThresholdError::Vacuous { figure: Figure::Accuracy, .. }), "{error}");
    one("accuracy", "floor = 0.998").that_hold_for(Data::Tutorial, &testing).expect("it is not");
    let error = one("auc", "floor = 0.5").that_hold_for(Data::Tutorial, &testing).expect_err("ties are half wins");
    assert!(matches!(error, ThresholdError::Vacuous { figure: Figure::Auc, .. }), "{error}");
}

/// A bound marked as a baseline may be passed by "no fraud"; but not all bounds may.
#[test]
fn a_baseline_alone_is_an_error_too() {
    let error = one("accuracy", "floor = 0.9\nbaseline = true")
        .that_hold_for(Data::Tutorial, &testing_day())
        .expect_err("nothing else");
    assert!(matches!(error, ThresholdError::Toothless { class: 0 }), "{error}");
}

/// "Every transaction is a fraud" has a recall of 1: recall alone is no set of bounds.
#[test]
fn recall_without_precision_is_an_error() {
    let error =
        one("fraud_recall", "floor = 0.1").that_hold_for(Data::Tutorial, &testing_day()).expect_err("class 1 passes");
    assert!(matches!(error, ThresholdError::Toothless { class: 1 }), "{error}");
}

/// A bound has a number and a reason.
#[test]
fn a_threshold_without_number_or_reason_is_an_error() {
    let head = "[tutorial]\ndays = 4\nseed = 0\ntesting_sha256 = []\n[[threshold]]\nfigure = \"auc\"\ndata = \"any\"\ncheckpoints = \"last\"\n";
    for rest in ["why = \"a test\"\n", "floor = 0.9\nwhy = \" \"\n"] {
        let error = Thresholds::parse(&format!("{head}{rest}")).expect_err("it lacks something");
        assert!(matches!(error, ThresholdError::Incomplete { figure: Figure::Auc, .. }), "{error}");
    }
    assert!(matches!(Thresholds::parse(&format!("{head}floor = 0.9\n")), Err(ThresholdError::Malformed(_))));
}

/// A model that never says "fraud" has no precision, and an absent figure passes nothing.
#[test]
fn an_absent_figure_does_not_pass() {
    let testing = testing_day();
    let precision = one("fraud_precision", "floor = 0.0");
    assert!(!precision.thresholds[0].passes(&constant(&testing, 0)));
}
