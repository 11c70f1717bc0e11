//! The one table of what is replaced in a text before it is compared with a snapshot.
//!
//! Whatever a filter hides from the snapshots is judged somewhere else, and the table says where.

use similar::TextDiff;

/// A replacement.
pub struct Filter {
    /// What is hidden, and who looks at it instead.
    pub why: &'static str,
    /// Regular expression over the whole text; `(?m)` for lines.
    pub pattern: &'static str,
    /// What stands there in the snapshot.
    pub shown: &'static str,
}

/// Every filter, applied in order.
pub const FILTERS: &[Filter] = &[
    Filter {
        why: "A session's ID is random. Judge `log` sees that it is a UUID and that no two containers share one.",
        pattern: r"(?m)^(Worker with sessionID: )[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        shown: "${1}[SESSION]",
    },
    Filter {
        why: "An entry's time is the clock's. Judge `report` sees that it is one and that it lies within the run.",
        pattern: r"(?m)^(Report generated on: )\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{6})?$",
        shown: "${1}[TIME]",
    },
    Filter {
        why: "An accuracy is a number. Judge `checkpoints` computes it anew, judge `thresholds` bounds it.",
        pattern: r"(?m)^(Accuracy on (?:training|testing) data: )[01]\.\d+$",
        shown: "${1}[ACCURACY]",
    },
];

/// The text as snapshots have it.
pub fn apply(text: &str) -> String {
    FILTERS.iter().fold(text.to_owned(), |text, filter| {
        let pattern = regex_lite::Regex::new(filter.pattern).expect("a test compiles every pattern of the table");
        pattern.replace_all(&text, filter.shown).into_owned()
    })
}

/// What differs from the snapshot line by line, then the text as it was before any filter hid something of it.
pub fn difference(golden: &str, filtered: &str, unfiltered: &str) -> String {
    let diff = TextDiff::from_lines(golden.trim_end(), filtered.trim_end());
    let changes: String =
        diff.iter_all_changes().map(|change| format!("{}{}\n", change.tag(), change.value().trim_end())).collect();
    format!("{changes}unfiltered:\n{}", unfiltered.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter hides what it names and nothing beside it.
    #[test]
    fn filters_hide_what_they_name_and_no_more() {
        let cases = [
            ("Worker with sessionID: b50f9459-ce7f-4da8-9f84-0ab5c3233a72", "Worker with sessionID: [SESSION]"),
            ("Worker with sessionID: b50f9459", "Worker with sessionID: b50f9459"),
            ("Report generated on: 2022-02-09 14:19:42.303619", "Report generated on: [TIME]"),
            ("Report generated on: 2022-02-09 14:19:42", "Report generated on: [TIME]"),
            ("Report generated on: yesterday", "Report generated on: yesterday"),
            ("Accuracy on training data: 0.9981112277019937", "Accuracy on training data: [ACCURACY]"),
            ("Accuracy on training data: 2.5", "Accuracy on training data: 2.5"),
            ("Training dataset: 2018-04-04.pkl", "Training dataset: 2018-04-04.pkl"),
        ];
        for (text, shown) in cases {
            assert_eq!(apply(text), shown);
        }
    }
}
