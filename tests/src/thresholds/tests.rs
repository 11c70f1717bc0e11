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
