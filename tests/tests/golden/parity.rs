//! A run in child processes and one in a real cluster, of the same data and seed, come to the same end.

use std::path::Path;

use regex_lite::Regex;
use tests::evidence::Evidence;

use super::{files, fs, good, good_on_kind};

/// What may differ: when, and by whom.
const CLOCK_AND_CHANCE: [&str; 2] = [r"(?m)^(Report generated on: ).*$", r"(?m)^(Worker with sessionID: ).*$"];

/// The same log, the same checkpoints byte for byte, the same report but for its timestamps, the same listing.
#[test]
fn a_local_and_a_kind_run_come_to_the_same_end() {
    let [local, kind] = [good(), good_on_kind()].map(|record| Evidence::read(&record).expect("a record"));
    let target = |record: &Path| fs::read_to_string(record.join("record.json")).expect("a record");
    assert!(
        target(&good()).contains(r#""target": "local""#) && target(&good_on_kind()).contains(r#""target": "kind""#)
    );
    let logs = |evidence: &Evidence| evidence.logs.iter().map(|log| plain(&log.text)).collect::<Vec<_>>();
    assert_eq!(logs(&local), logs(&kind));
    let report = |evidence: &Evidence| plain(evidence.report.as_deref().expect("a report"));
    assert_eq!(report(&local), report(&kind));
    assert_eq!(local.output, kind.output, "the listings differ");
    let (local, kind) = (checkpoints(&good()), checkpoints(&good_on_kind()));
    assert_eq!(local.len(), 4);
    for ((name, bytes), (other, others)) in local.iter().zip(&kind) {
        assert!(name == other && bytes == others, "checkpoint `{name}` is not `{other}`, to the byte");
    }
}

/// A text without the clock's and chance's part; everything else, the accuracies' last digit, stays.
fn plain(text: &str) -> String {
    let hide = |text: String, pattern: &str| {
        let pattern = Regex::new(pattern).expect("a pattern");
        pattern.replace_all(&text, "${1}…").into_owned()
    };
    CLOCK_AND_CHANCE.into_iter().fold(text.to_owned(), hide)
}

fn checkpoints(record: &Path) -> Vec<(String, Vec<u8>)> {
    let is_checkpoint =
        |file: &std::path::PathBuf| file.starts_with("output") && file.extension().is_some_and(|end| end == "pkl");
    let mut found: Vec<_> = files(record).into_iter().filter(is_checkpoint).collect();
    found.sort();
    let read =
        |file: std::path::PathBuf| (file.display().to_string(), fs::read(record.join(&file)).expect("a checkpoint"));
    found.into_iter().map(read).collect()
}
