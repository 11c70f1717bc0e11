//! Judge `listing`: the output is one checkpoint a dataset and the report, and nothing else, not even hidden; and that is
//! what the tutorial's `ls -1` shows.

use std::collections::BTreeSet;

use lab::record::Finding;

use crate::causes::{MISSING_FILE, STRAY_FILE, STRAY_TEMPORARY_FILE, WRONG_LISTING};
use crate::evidence::{Evidence, REPORT, checkpoint_name, finding, names};

/// What `ls -1` showed.
const LISTING: &str = "listing.txt";

/// Compares the files below `output/` with those that the queue leads to expect.
pub fn hear(evidence: &Evidence) -> Vec<Finding> {
    if evidence.before.is_none() || evidence.gaps.contains_key("output") {
        return Vec::new();
    }
    let usable = evidence.usable();
    let known = |file: &str| file == REPORT || usable.iter().any(|item| checkpoint_name(item) == file);
    let strays = evidence.output.iter().filter(|file| !known(file)).filter_map(|file| stray(evidence, file));
    let odd = evidence.oddities.iter().filter(|(file, _)| known(file)).map(|(file, what)| no_file(file, what));
    strays.chain(odd).chain(missing(evidence, &usable)).chain(wrong_listing(evidence)).collect()
}

/// `ls -1` names what lies in the folder itself, but for what is hidden, a name a line. Its order is the locale's.
fn wrong_listing(evidence: &Evidence) -> Option<Finding> {
    let listing = evidence.listing.as_deref()?;
    let shown: BTreeSet<_> = listing.lines().collect();
    let top = |file: &String| file.split('/').next().unwrap_or_default().to_owned();
    let there: BTreeSet<_> = evidence.output.iter().map(top).filter(|name| !name.starts_with('.')).collect();
    let there: BTreeSet<_> = there.iter().map(String::as_str).collect();
    let unshown: Vec<_> = there.difference(&shown).copied().collect();
    let gone: Vec<_> = shown.difference(&there).copied().collect();
    let message = match (unshown.is_empty(), gone.is_empty(), listing.lines().count() == shown.len()) {
        (true, true, true) => return None,
        (true, true, false) => "`ls -1` named a file twice.".to_owned(),
        (true, false, _) => format!("`ls -1` showed {}, and the copy of the output lacks it.", names(gone)),
        (false, true, _) => format!("`ls -1` did not show {}, and the copy of the output has it.", names(unshown)),
        (false, false, _) => {
            let (gone, unshown) = (names(gone), names(unshown));
            format!("`ls -1` showed {gone}, and the copy of the output has {unshown} instead.")
        }
    };
    Some(finding(WRONG_LISTING, message, LISTING, None))
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

/// A result that is a link, say, is none: what it leads to is not in the output, and may be another file tomorrow.
fn no_file(file: &str, what: &str) -> Finding {
    let message = format!("`{file}` is {what} in the output, and only a file counts.");
    finding(MISSING_FILE, message, format!("output/{file}"), None)
}

/// A cut-off run may leave a temporary file: whoever claims its dataset next removes it.
fn stray(evidence: &Evidence, file: &str) -> Option<Finding> {
    let path = format!("output/{file}");
    let (what, whole) = file.strip_suffix('/').map_or(("file", file), |folder| ("folder", folder));
    let name = whole.rsplit('/').next().unwrap_or(whole);
    match name.starts_with('.') || name.ends_with(".tmp") {
        true if evidence.is_finished() => Some(finding(
            STRAY_TEMPORARY_FILE,
            format!("The temporary {what} `{file}` was left in the output."),
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
