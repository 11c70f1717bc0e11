//! What the lab says of a failure: its last JSON line, and the snapshot of it.

use insta::Settings;
use serde_json::Value;

use crate::place::Place;
use crate::program::Said;

/// Regular expression, what stands there instead, and why it may.
const FILTERS: &[(&str, &str, &str)] = &[
    (r"operation-\d+-[0-9a-f]+", "operation-[ID]", "The double counts its operations."),
    (r"lab-[0-9a-f]{12}", "lab-[ID]", "A lab's id is random, so that no two meet."),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]", "A free port of the machine."),
    (r"\d{4}-\d\d-\d\dt?T?\d\d[-:]\d\d[-:]\d\d(\.\d+)?[zZ]", "[TIME]", "The clock's."),
    (r"after \d+(\.\d+)? s", "after [S] s", "The machine's."),
];

/// The failure that a command ended with.
#[derive(Debug)]
pub struct Failed {
    pub cause: String,
    pub text: String,
}

/// The last line that tells an error, of a command with `--json`.
#[track_caller]
pub fn failure(said: &Said) -> Failed {
    let mut lines = said.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let last = lines.rfind(|line| line["event"] == "error");
    let last = last.unwrap_or_else(|| panic!("no error is told: code {}\n{}\n{}", said.code, said.out, said.err));
    let field = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
    let text = format!(
        "exit: {}\ncause: {}\nerror: {}\nremedy: {}\n",
        said.code,
        field("cause"),
        field("error"),
        field("remedy")
    );
    Failed { cause: field("cause"), text }
}

/// Compares a failure with the snapshot of this name.
#[track_caller]
pub fn compare(name: &str, place: &Place, failed: &Failed) {
    let mut settings = Settings::clone_current();
    for (pattern, shown, _) in FILTERS {
        settings.add_filter(pattern, *shown);
    }
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let dir = place.path("").display().to_string();
    let text = failed.text.replace(dir.trim_end_matches('/'), "[PLACE]");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Every row says why.
#[test]
fn nothing_is_hidden_without_a_reason() {
    assert!(FILTERS.iter().all(|(_, _, why)| why.ends_with('.')));
}
