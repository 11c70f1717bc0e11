//! What a person reads, as a snapshot: the one table of what is hidden in it, and why.

use insta::Settings;

use crate::harness::{Place, Said, redis_server};

/// Regular expression, what stands there instead, and why it may.
const FILTERS: &[(&str, &str, &str)] = &[
    (
        r"\n    Stopping in order \([^)]+\); once more leaves at once\n",
        "",
        "Said beside the rest, by a thread that nobody waits for. The test of the second Ctrl-C sees it.",
    ),
    (r"\d{8}-\d{6}-local-[0-9a-f]{4}", "[RUN]", "A run's name is its time and a random number."),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]", "The clock's."),
    (r"workload-[b-z2-9]{5}", "workload-[POD]", "A pod's name is random."),
    (r"pid \d+", "pid [PID]", "The kernel's."),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]", "Any free port."),
    (r"(in|after) \d+\.\d\ds\b", "$1 [S]s", "The machine's. The rooms that promise a time test it."),
    (r"\d+(\.\d)? ([KMGT]i)?B free", "[SIZE] free", "The disk's."),
    (r"\b[67]\.\d+\.\d+|\b[89]\.\d+\.\d+", "[VERSION]", "Any Redis will do."),
    (
        r"worker sha256:[0-9a-f]{12}, kernel \S+",
        "worker sha256:[SHA], kernel [KERNEL]",
        "The build's and the machine's.",
    ),
    (r"lab \d+\.\d+\.\d+", "lab [VERSION]", "The workspace's."),
    (r"accuracy [01]\.\d+", "accuracy [ACCURACY]", "Judge `thresholds` bounds it."),
    (r"by pid \[PID\] \([^)`]+\)", "by pid [PID] ([TEST])", "This test's own name, as the kernel cuts it."),
    (r"\.tmp[0-9A-Za-z]{6}", ".tmp[RANDOM]", "A temporary file's name is random."),
    (r"sh: (line )?1: (\S+): (not found|No such file or directory)", "sh: $2: [NOT FOUND]", "The shell's own words."),
];

/// How it ended, and all that it printed, as a test's snapshot has them.
pub fn show(place: &Place, said: &Said) -> String {
    format!("code {}\n-- standard output\n{}-- standard error\n{}", said.code(), said.out, said.err)
        .replace(place.path("").to_str().expect("UTF-8").trim_end_matches('/'), "[PLACE]")
        .replace(redis_server().unwrap_or_default().to_str().filter(|path| !path.is_empty()).unwrap_or("\0"), "[REDIS]")
}

/// Compares with the snapshot of this name.
#[track_caller]
pub fn compare(name: &str, place: &Place, said: &Said) {
    compare_text(name, &show(place, said));
}

/// The same for any text.
#[track_caller]
pub fn compare_text(name: &str, text: &str) {
    let mut settings = Settings::clone_current();
    for (pattern, shown, _) in FILTERS {
        settings.add_filter(pattern, *shown);
    }
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Every row says why.
#[test]
fn nothing_is_hidden_without_a_reason() {
    assert!(FILTERS.iter().all(|(_, _, why)| why.ends_with('.')));
}
