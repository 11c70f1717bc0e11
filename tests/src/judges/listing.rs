//! Judge `listing`: the output is one checkpoint a dataset and the report, and nothing else, not even hidden.

use lab::record::Finding;

use crate::causes::{MISSING_FILE, STRAY_FILE, STRAY_TEMPORARY_FILE};
use crate::evidence::{Evidence, checkpoint_name, finding};

/// The report's file, relative to `output/`.
const REPORT: &str = "report.txt";

/// Compares the files below `output/` with those that the queue leads to expect.
pub fn hear(evidence: &Evidence) -> Vec<Finding> {
    if evidence.before.is_none() || evidence.gaps.contains_key("output") {
        return Vec::new();
    }
    let usable = evidence.usable();
    let known = |file: &str| file == REPORT || usable.iter().any(|item| checkpoint_name(item) == file);
    let strays = evidence.output.iter().filter(|file| !known(file)).filter_map(|file| stray(evidence, file));
    strays.chain(missing(evidence, &usable)).collect()
}

/// A dataset of which there is no trace at all is the queue's matter; here, part of its results is there and part not.
/// A checkpoint comes before its entry, so a run that was broken off may lack the entry, but never the checkpoint.
fn missing(evidence: &Evidence, usable: &[&str]) -> Vec<Finding> {
    let is_missing = |file: &String| !evidence.output.contains(file);
    let with_results: Vec<_> = usable.iter().filter(|item| evidence.has_left_results(item)).collect();
    let report = (evidence.is_finished() && !with_results.is_empty()).then(|| REPORT.to_owned());
    let expected = with_results.iter().map(|item| checkpoint_name(item)).chain(report);
    let object =
        |file| finding(MISSING_FILE, format!("`{file}` is not in the output."), format!("output/{file}"), None);
    expected.filter(is_missing).map(object).collect()
}

/// A cut-off run may leave a temporary file: whoever claims its dataset next removes it.
fn stray(evidence: &Evidence, file: &str) -> Option<Finding> {
    let path = format!("output/{file}");
    let name = file.rsplit('/').next().unwrap_or(file);
    match name.starts_with('.') || name.ends_with(".tmp") {
        true if evidence.is_finished() => Some(finding(
            STRAY_TEMPORARY_FILE,
            format!("The temporary file `{file}` was left in the output."),
            path,
            None,
        )),
        true => None,
        false => Some(finding(
            STRAY_FILE,
            format!("`{file}` is in the output, and nothing of this run writes it."),
            path,
            None,
        )),
    }
}
