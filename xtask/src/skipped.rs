//! Tests that passed because they could not run here: a green run says which, and why.
//!
//! Such a test prints `skipped: REASON` on standard error, which nextest keeps in its JUnit report.

use std::path::Path;

/// How a test says it.
const MARK: &str = "skipped: ";

/// Prints each test of the report that was skipped, and why. Without a report there is nothing to say.
pub fn print(junit: &Path) {
    let skipped = std::fs::read_to_string(junit).map(|report| find(&report)).unwrap_or_default();
    for (test, reason) in &skipped {
        eprintln!("     Skipped {test}: {reason}");
    }
    if !skipped.is_empty() {
        eprintln!("        Note {} of the tests that passed had nothing to run on here", skipped.len());
    }
}

/// Tests by their names, with their reasons, in the order of the report.
fn find(report: &str) -> Vec<(String, String)> {
    let case = |case: &str| {
        let (name, rest) = case.split_once('"')?;
        let class =
            rest.split_once("classname=\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |found| found.0);
        // A line of its own, of which the first stands behind the element's beginning.
        let line = |line: &'_ str| {
            line.rsplit("<system-err>").next().and_then(|line| line.strip_prefix(MARK)).map(str::to_owned)
        };
        let reason = rest.lines().find_map(line)?;
        Some((format!("{class} {name}").trim().to_owned(), plain(reason.trim())))
    };
    report.split("<testcase name=\"").skip(1).filter_map(case).collect()
}

/// A text without the escapes that XML asks for, and without what ends its element.
fn plain(text: &str) -> String {
    let text = text.split("</system-err>").next().unwrap_or(text);
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test that says why it is skipped is found by its name; one that merely passes is not.
    #[test]
    fn a_skipped_test_is_found_with_its_reason() {
        let report = r#"<testsuites><testsuite name="worker::real">
            <testcase name="flow::fast" classname="worker::real" time="0.1"><system-out>running 1 test</system-out>
              <system-err>skipped: `strace` &amp; its friends are &lt;gone&gt;</system-err></testcase>
            <testcase name="flow::slow" classname="worker::real" time="0.1"><system-err>it says `skipped: x`</system-err></testcase>
            <testcase name="flow::late" classname="worker::real" time="0.1"><system-err>first a word
skipped: no Redis
and more</system-err></testcase></testsuite></testsuites>"#;
        let expected =
            [("worker::real flow::fast", "`strace` & its friends are <gone>"), ("worker::real flow::late", "no Redis")];
        assert_eq!(find(report), expected.map(|(test, reason)| (test.to_owned(), reason.to_owned())));
    }
}
