//! Judge `checkpoints`: every checkpoint loads, descends from the one before it, and predicts what the report says.
//!
//! Every worker promises checkpoints that load and have the accuracies of the report. Ours promises more: the metadata
//! in each of its checkpoints names dataset, test set, seed, figures and parent, and all of it must be true. And its
//! bytes follow from model and metadata, so that a damaged one shows wherever it lies.

use lab::record::Finding;
use worker::checkpoint::{Checkpoint, Metadata, Parent};
use worker::model::{self, Dataset, Figures};
use worker::report::{Entry, Report};

use super::report::line_of;
use crate::causes::{
    Cause, DIGEST_MISMATCH, UNREADABLE_CHECKPOINT, WRONG_ACCURACY, WRONG_CHECKPOINT_BYTES, WRONG_FIGURES, WRONG_PARENT,
    WRONG_SEED,
};
use crate::datasets::sha256;
use crate::evidence::{Evidence, TESTING, TRAINING, checkpoint_name, describe, finding};

const REPORT: &str = "output/report.txt";
/// Lines of an entry above its accuracies.
const TRAINING_LINE: u32 = 5;
const TESTING_LINE: u32 = 6;
/// Rounding errors of a sum of nine products, whatever the order of adding: well below this many units in the last
/// place of the sum of their magnitudes.
const ROUNDING: f64 = 32.0 * f64::EPSILON;

/// Loads each checkpoint and compares it with the report, the inputs and its parent.
pub fn hear(evidence: &Evidence) -> Vec<Finding> {
    let Some(before) = &evidence.before else { return Vec::new() };
    let report = evidence.parsed_report();
    let mut findings = Vec::new();
    for item in before.waiting.iter().rev() {
        let name = checkpoint_name(item);
        // What is there and is no file is the listing's matter.
        if !evidence.output.contains(&name) || evidence.oddities.contains_key(&name) {
            continue;
        }
        match load(evidence, &name) {
            Err(error) => {
                findings.push(object(UNREADABLE_CHECKPOINT, &name, format!("`{name}` does not load: {error}")))
            }
            Ok(checkpoint) => {
                let place =
                    report.as_ref().and_then(|report| report.entries.iter().position(|entry| entry.checkpoint == name));
                let seen = Seen { evidence, item, name: &name, checkpoint: &checkpoint };
                // A checkpoint that is not this dataset's has nothing else to be compared with.
                let own = seen.own_findings();
                if own.is_empty() {
                    findings
                        .extend(report.iter().zip(place).flat_map(|(report, place)| seen.findings_in(report, place)));
                }
                findings.extend(own);
            }
        }
    }
    findings
}

/// Reads a checkpoint of the output.
///
/// # Errors
/// Why it does not load, in words.
pub fn load(evidence: &Evidence, name: &str) -> Result<Checkpoint, String> {
    let bytes = evidence.record.output(name).map_err(|error| describe(&error))?;
    Checkpoint::from_bytes(&bytes).map_err(|error| error.to_string())
}

fn bytes(evidence: &Evidence, name: &str) -> Option<Vec<u8>> {
    evidence.record.output(name).ok()
}

/// Where a checkpoint of ours has other bytes than our worker writes for its model and its metadata: in a parameter, say,
/// or in what holds the pickle together, which no figure shows.
///
/// Metadata of another schema version than the judge's own does not load, so this compares bytes of one version alone,
/// as long as whoever changes a constant of the checkpoints raises it. Where a version was not raised, every checkpoint
/// of an older record is called damaged here; hence the second half of the message.
fn damaged(evidence: &Evidence, name: &str, checkpoint: &Checkpoint) -> Option<Finding> {
    let (is, due) = (bytes(evidence, name)?, checkpoint.to_bytes());
    if is == due {
        return None;
    }
    let at = is.iter().zip(&due).take_while(|(is, due)| is == due).count();
    let message = format!(
        "`{name}` loads, and from byte {at} on it is not what our worker writes for this model and this metadata: it is damaged, \
         or a worker of another version wrote it, whose own judges know what is due."
    );
    Some(object(WRONG_CHECKPOINT_BYTES, name, message))
}

fn object(cause: Cause, name: &str, message: String) -> Finding {
    finding(cause, message, format!("output/{name}"), None)
}

/// A checkpoint that loads.
struct Seen<'a> {
    evidence: &'a Evidence,
    /// The queue's item.
    item: &'a str,
    /// The checkpoint's file name.
    name: &'a str,
    checkpoint: &'a Checkpoint,
}

impl Seen<'_> {
    /// What is wrong with the file by itself: whose it is, and what it was trained on.
    fn own_findings(&self) -> Vec<Finding> {
        if !self.evidence.is_our_worker() {
            return Vec::new();
        }
        let Some(metadata) = &self.checkpoint.metadata else {
            let message = format!(
                "`{}` has no metadata that fits its numbers: they are not those that our worker wrote.",
                self.name
            );
            return vec![object(WRONG_CHECKPOINT_BYTES, self.name, message)];
        };
        if checkpoint_name(&metadata.dataset) != self.name {
            let message = format!("`{}` is the checkpoint of `{}`.", self.name, metadata.dataset);
            return vec![object(WRONG_CHECKPOINT_BYTES, self.name, message)];
        }
        let mut findings: Vec<_> = damaged(self.evidence, self.name, self.checkpoint).into_iter().collect();
        for (path, sha256) in [(self.item, &metadata.dataset_sha256), (TESTING, &metadata.test_sha256)] {
            if let Some(input) = self.evidence.verified_input(path).filter(|input| input.sha256 != *sha256) {
                let message = format!(
                    "`{}` was made with a `{path}` of SHA-256 {sha256}; the run's has {}.",
                    self.name, input.sha256
                );
                findings.push(object(DIGEST_MISMATCH, self.name, message));
            }
        }
        if let Some(inputs) = self.evidence.inputs.as_ref().filter(|inputs| inputs.seed != metadata.seed) {
            let message =
                format!("`{}` was trained with seed {}; the run's is {}.", self.name, metadata.seed, inputs.seed);
            findings.push(object(WRONG_SEED, self.name, message));
        }
        findings
    }

    /// What does not agree with the checkpoint's entry in the report, and with the entries before it.
    fn findings_in(&self, report: &Report, place: usize) -> Vec<Finding> {
        let entry = &report.entries[place];
        let mut findings = self.wrong_accuracies(entry, place);
        if let Some(metadata) = &self.checkpoint.metadata {
            findings.extend(self.wrong_figures(metadata));
            if self.evidence.is_our_worker() {
                findings.extend(self.wrong_parent(metadata, &report.entries[..place]));
            }
        }
        findings
    }

    fn wrong_accuracies(&self, entry: &Entry, place: usize) -> Vec<Finding> {
        let training = format!("{TRAINING}{}", entry.dataset);
        let claims = [
            ("training", training.as_str(), entry.training_accuracy, TRAINING_LINE),
            ("testing", TESTING, entry.testing_accuracy, TESTING_LINE),
        ];
        let mut findings = Vec::new();
        for (data, path, claimed, line) in claims {
            let Some(rows) = self.evidence.rows(path) else { continue };
            let accuracy = model::figures(&self.checkpoint.model, rows).accuracy;
            if claimed != accuracy && !(self.is_foreign() && self.may_round_to(claimed, accuracy, rows)) {
                let message = format!(
                    "The report says that `{}` has accuracy {claimed} on the {data} data; it has {accuracy}.",
                    self.name
                );
                findings.push(finding(WRONG_ACCURACY, message, REPORT, line_of(place).map(|first| first + line)));
            }
        }
        findings
    }

    /// Not written by our code, whose sums are the same to the last bit here.
    fn is_foreign(&self) -> bool {
        self.checkpoint.metadata.is_none()
    }

    /// Whether another order of adding could have led to the accuracy that is claimed: it may differ by the rows whose
    /// two highest decision values are nearer to each other than the rounding errors.
    fn may_round_to(&self, claimed: f64, accuracy: f64, rows: &Dataset) -> bool {
        let model = &self.checkpoint.model;
        let magnitudes = model::Model {
            coef: model.coef.map(|line| line.map(f64::abs)),
            intercept: model.intercept.map(f64::abs),
            t: model.t,
        };
        let decisions = model.decide(rows.features());
        let magnitudes = magnitudes.decide(&rows.features().mapv(f64::abs));
        let undecided = decisions.rows().into_iter().zip(magnitudes.rows()).filter(|(decisions, magnitudes)| {
            let mut sorted = decisions.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            let error = magnitudes.iter().copied().fold(0.0, f64::max) * ROUNDING;
            sorted.len() > 1 && sorted[sorted.len() - 1] - sorted[sorted.len() - 2] <= error
        });
        let undecided = undecided.count() as f64;
        (claimed - accuracy).abs() * rows.rows() as f64 <= undecided + 1e-6
    }

    fn wrong_figures(&self, metadata: &Metadata) -> Option<Finding> {
        let claims = [("training", self.item, &metadata.training), ("testing", TESTING, &metadata.testing)];
        for (data, path, claimed) in claims {
            let Some(rows) = self.evidence.rows(path) else { continue };
            let figures = model::figures(&self.checkpoint.model, rows);
            if figures != *claimed {
                let shown = |figures: &Figures| match figures.auc {
                    Some(auc) => format!("confusion {:?} and AUC {auc}", figures.confusion),
                    None => format!("confusion {:?}", figures.confusion),
                };
                let message = format!(
                    "The metadata of `{}` claims {} on the {data} data; it has {}.",
                    self.name,
                    shown(claimed),
                    shown(&figures)
                );
                return Some(object(WRONG_FIGURES, self.name, message));
            }
        }
        None
    }

    /// The parent is the checkpoint of the dataset before, in its very bytes; with several pods, of some entry before.
    fn wrong_parent(&self, metadata: &Metadata, before: &[Entry]) -> Option<Finding> {
        let fixed = self.evidence.has_fixed_order();
        let expected = before.last().map(|entry| entry.checkpoint.as_str());
        let parent = metadata.parent.as_ref();
        let name = parent.map(|parent| parent.file.as_str());
        let fits = match name {
            // Where the report has the wrong order or lacks an entry, that has been said; the lineage may still be right.
            _ if fixed => name == expected || name == self.queued_before().as_deref(),
            Some(name) => before.iter().any(|entry| entry.checkpoint == name),
            None => true,
        };
        if !fits {
            let shown = |name: Option<&str>| name.map_or("no checkpoint".into(), |name| format!("`{name}`"));
            let expected = if fixed { shown(expected) } else { "the checkpoint of an earlier entry".into() };
            let message = format!("`{}` was started from {}; it must be {expected}.", self.name, shown(name));
            return Some(object(WRONG_PARENT, self.name, message));
        }
        let depth = match parent {
            None => 1,
            // A parent that does not load, is damaged, or is another dataset's, has its own finding.
            Some(parent) => 1 + self.parent_metadata(parent)?.depth,
        };
        if let Some(changed) = parent.and_then(|parent| self.changed_since(parent)) {
            return Some(changed);
        }
        let message =
            || format!("`{}` calls itself number {} of its lineage; it is number {depth}.", self.name, metadata.depth);
        (metadata.depth != depth).then(|| object(WRONG_PARENT, self.name, message()))
    }

    /// The checkpoint of the dataset that was claimed before this one.
    fn queued_before(&self) -> Option<String> {
        let usable = self.evidence.usable();
        let place = usable.iter().position(|item| *item == self.item)?;
        Some(checkpoint_name(usable[place.checked_sub(1)?]))
    }

    fn parent_metadata(&self, parent: &Parent) -> Option<Metadata> {
        let checkpoint = load(self.evidence, &parent.file).ok()?;
        if damaged(self.evidence, &parent.file, &checkpoint).is_some() {
            return None;
        }
        let metadata = checkpoint.metadata?;
        (checkpoint_name(&metadata.dataset) == parent.file).then_some(metadata)
    }

    fn changed_since(&self, parent: &Parent) -> Option<Finding> {
        let now = sha256(&bytes(self.evidence, &parent.file)?);
        let message = || {
            format!(
                "`{}` has SHA-256 {now}; `{}` was started from it when it had {}.",
                parent.file, self.name, parent.sha256
            )
        };
        (now != parent.sha256).then(|| object(WRONG_CHECKPOINT_BYTES, &parent.file, message()))
    }
}
