//! What a person reads, as a snapshot: the one table of what is hidden in it, and why.

use insta::Settings;

use crate::harness::{Place, Said};

/// Regular expression, what stands there instead, and why it may.
const FILTERS: &[(&str, &str, &str)] = &[
    (
        r"\n    Stopping in order \([^)]+\); once more leaves at once\n",
        "",
        "Said beside the rest, by a thread that nobody waits for.",
    ),
    (r"test-[0-9a-f]{8}", "[LAB]", "A lab's name is random, so that no two tests meet."),
    (r"\d{8}-\d{6}-kind-[0-9a-f]{4}", "[RUN]", "A run's name is its time and a random number."),
    (r"workload-[b-z2-9]{5}", "workload-[POD]", "A pod's name is random."),
    (r"(in|after) \d+\.\d\ds\b", "$1 [S]s", "The machine's."),
    (r"unschedulable for \d+ s", "unschedulable for [S] s", "Whole seconds; the patience is tested on its own."),
    (r"after \d runs", "after [N] runs", "How often the container ran before the Job was ended is the kubelet's."),
    (r"\[POD\]-\d\.err:", "[POD]-[N].err:", "The same."),
    (r"worker:[0-9a-f]{12}", "worker:[SHA]", "The build's."),
    (r"(?m)^( +Versions) .*$", "$1 [VERSIONS]", "The machine's. The record has them, and preflight asks for them."),
    (r"(?m)^( +Where) .*$", "$1 [VOLUME]", "Whether the kernel has an NFS client is the machine's."),
    (r"(?m)^( +Volume) .*$", "$1 [VOLUME]", "The same."),
    (r"docker \S+, kind \S+ \([^)]+\)", "docker [VERSION], kind [VERSION]", "The machine's."),
    (r"localhost/\S+/nowhere:1` is .*", "localhost/[…]/nowhere:1` is [HOW THE ENGINE SAYS IT]", "The engine's words."),
];

/// Compares the code and all that was printed with the snapshot of this name.
#[track_caller]
pub fn compare(name: &str, place: &Place, said: &Said) {
    let place = place.path("").display().to_string();
    let text = format!("code {}\n-- standard output\n{}-- standard error\n{}", said.code, said.out, said.err);
    compare_text(name, &text.replace(place.trim_end_matches('/'), "[PLACE]"));
}

/// Compares the code and the verdict alone: the steps before it are a green run's.
#[track_caller]
pub fn compare_verdict(name: &str, place: &Place, said: &Said) {
    let place = place.path("").display().to_string();
    let text = format!("code {}\n{}", said.code, said.out);
    compare_text(name, &text.replace(place.trim_end_matches('/'), "[PLACE]"));
}

#[track_caller]
fn compare_text(name: &str, text: &str) {
    let mut settings = Settings::clone_current();
    for (pattern, shown, _) in FILTERS {
        settings.add_filter(pattern, *shown);
    }
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Every row says why.
#[test]
fn nothing_is_hidden_without_a_reason() {
    assert!(FILTERS.iter().all(|(_, _, why)| why.ends_with('.')));
}
