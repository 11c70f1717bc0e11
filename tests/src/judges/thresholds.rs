//! Judge `thresholds`: the model tells frauds from honest transactions, as well as it did when it was measured.
//!
//! Only our worker promises a model that does. Of another worker's model the contract says nothing, so it is not judged.

use lab::record::{DatasetsSource, Finding};
use worker::model::{self, Dataset, Figures};
use worker::report::Report;

use super::report::line_of;
use crate::causes::{BELOW_THRESHOLD, CONSTANT_MODEL, VACUOUS_THRESHOLD};
use crate::evidence::{Evidence, TESTING, TRAINING, finding, names};
use crate::golden;
use crate::judges::Reach;
use crate::thresholds::{Data, Threshold, Thresholds, Tutorial, Which, frauds};

const REPORT: &str = "output/report.txt";
/// Lines of an entry above its accuracy on the test set.
const TESTING_LINE: u32 = 6;
/// Fewer frauds than this among all that a model has seen, and giving up on them is no sign of a fault.
const FRAUDS_TO_LEARN_FROM: u64 = 10;

/// Says when a run is held to no bound.
pub fn reach(evidence: &Evidence) -> Reach {
    let shown = (evidence.parsed_report(), evidence.rows(TESTING));
    if !evidence.is_our_worker() {
        let constant = match &shown {
            (Some(report), Some(testing)) => constant_models(&figures(evidence, report, testing)),
            _ => None,
        };
        let besides = constant.map_or(String::new(), |finding| format!(". {}", finding.message));
        return Reach::Nothing(format!("of another worker's model the tutorial promises nothing{besides}"));
    }
    let (Some(report), Some(testing)) = shown else { return Reach::Whole };
    let Ok(thresholds) = Thresholds::parse(golden::THRESHOLDS) else { return Reach::Whole };
    let Ok(hold) = thresholds.that_hold_for(data(evidence, &thresholds.tutorial), testing) else { return Reach::Whole };
    let training = report.entries.iter().filter_map(|entry| evidence.rows(&format!("{TRAINING}{}", entry.dataset)));
    let seen: u64 = training.map(frauds).sum();
    if hold.iter().any(|threshold| seen >= threshold.frauds_at_least) {
        return Reach::Whole;
    }
    Reach::Part(format!(
        "no bound holds for this data, with {seen} frauds in the training days and {} in the test set; only that no model is constant was \
         asked",
        frauds(testing),
    ))
}

/// Computes each checkpoint's figures on the test set and holds them against the bounds.
pub fn hear(evidence: &Evidence) -> Vec<Finding> {
    let (Some(report), Some(testing)) = (evidence.parsed_report(), evidence.rows(TESTING)) else { return Vec::new() };
    let thresholds = Thresholds::parse(golden::THRESHOLDS);
    let hold = thresholds.as_ref().map_err(ToString::to_string).and_then(|thresholds| {
        thresholds.that_hold_for(data(evidence, &thresholds.tutorial), testing).map_err(|error| error.to_string())
    });
    let hold = match hold {
        Ok(hold) => hold,
        Err(error) => {
            return vec![finding(VACUOUS_THRESHOLD, error, "inputs.json", evidence.line_of("inputs.json", TESTING))];
        }
    };
    let seen = figures(evidence, &report, testing);
    let mut findings: Vec<_> = constant_models(&seen).into_iter().collect();
    for seen in seen.iter().filter(|seen| seen.constant_class().is_none()) {
        let is_last = seen.number + 1 == report.entries.len();
        let holds = |threshold: &&&Threshold| {
            (is_last || threshold.checkpoints == Which::Each) && seen.frauds_seen >= threshold.frauds_at_least
        };
        let broken = hold.iter().filter(holds).filter(|threshold| !threshold.passes(&seen.testing));
        let object = |threshold: &&Threshold| {
            finding(BELOW_THRESHOLD, broken_message(seen.name, threshold, &seen.testing), REPORT, seen.line())
        };
        findings.extend(broken.map(object));
    }
    findings
}

/// What a checkpoint does on the test set.
struct Seen<'a> {
    /// Place of its entry in the report.
    number: usize,
    name: &'a str,
    /// On the day that it was trained on last.
    training: Option<Figures>,
    testing: Figures,
    /// Frauds in the datasets up to and with its own.
    frauds_seen: u64,
}

fn figures<'a>(evidence: &Evidence, report: &'a Report, testing: &Dataset) -> Vec<Seen<'a>> {
    let mut frauds_seen = 0;
    let mut seen = Vec::new();
    for (number, entry) in report.entries.iter().enumerate() {
        let training = evidence.rows(&format!("{TRAINING}{}", entry.dataset));
        frauds_seen += training.map_or(0, frauds);
        if let Ok(checkpoint) = super::checkpoints::load(evidence, &entry.checkpoint) {
            let figures = |rows| model::figures(&checkpoint.model, rows);
            seen.push(Seen {
                number,
                name: &entry.checkpoint,
                training: training.map(figures),
                testing: figures(testing),
                frauds_seen,
            });
        }
    }
    seen
}

impl Seen<'_> {
    /// The class that every row was given, of the test day and of its own, if there was enough to learn more from. A
    /// test day without any fraud proves nothing by itself.
    fn constant_class(&self) -> Option<usize> {
        let given = |figures: &Figures, class: usize| {
            figures.confusion.iter().map(|row| row[class]).sum::<u64>() == figures.rows
        };
        let everywhere =
            |class: &usize| self.training.iter().chain([&self.testing]).all(|figures| given(figures, *class));
        (0..model::CLASSES).find(everywhere).filter(|_| self.frauds_seen >= FRAUDS_TO_LEARN_FROM)
    }

    /// The line of the accuracy on the test set.
    fn line(&self) -> Option<u32> {
        line_of(self.number).map(|first| first + TESTING_LINE)
    }
}

/// One finding for all of them: a model that learns nothing learns nothing every day.
fn constant_models(seen: &[Seen]) -> Option<Finding> {
    let constant: Vec<_> = seen.iter().filter_map(|seen| Some((seen, seen.constant_class()?))).collect();
    let (first, class) = constant.first()?;
    let all = names(constant.iter().map(|(seen, _)| seen.name));
    let message = format!(
        "{all}: each of the {} test rows is given class {class}, after training data with {} frauds; the accuracy {} is nothing but \
         the share of that class.",
        first.testing.rows, first.frauds_seen, first.testing.accuracy
    );
    Some(finding(CONSTANT_MODEL, message, REPORT, first.line()))
}

fn broken_message(checkpoint: &str, threshold: &Threshold, figures: &Figures) -> String {
    let figure = threshold.figure.of(figures).map_or("not defined".into(), |figure| format!("{figure}"));
    let bound = |word, bound: Option<f64>| bound.map(|bound| format!("{word} {bound}"));
    let bounds: Vec<_> =
        [bound("at least", threshold.floor), bound("at most", threshold.ceiling)].into_iter().flatten().collect();
    let name = threshold.figure.name();
    format!(
        "`{checkpoint}`: {name} on the test set is {figure}; it must be {}. {}",
        bounds.join(" and "),
        threshold.why.trim()
    )
}

fn data(evidence: &Evidence, tutorial: &Tutorial) -> Data {
    let known = |sha256: &String| tutorial.testing_sha256.contains(sha256);
    match evidence.inputs.as_ref().map(|inputs| &inputs.datasets) {
        Some(DatasetsSource::Generated { days, seed }) if (*days, *seed) == (tutorial.days, tutorial.seed) => {
            Data::Tutorial
        }
        Some(DatasetsSource::Generated { .. }) => Data::Generated,
        _ if evidence.input(TESTING).is_some_and(|file| known(&file.sha256)) => Data::Tutorial,
        _ => Data::Any,
    }
}
