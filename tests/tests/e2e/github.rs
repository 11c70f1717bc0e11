//! What GitHub shows beside a run: an annotation for each finding, and a summary of the job.

use crate::harness::{Place, original};
use crate::or_skip;

const VARIABLES: [&str; 2] = ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"];

/// Runs as under GitHub's runner; what is on standard output, and the summary.
fn run(place: &Place, arguments: &[&str]) -> (String, String) {
    let summary = place.path("summary.md");
    fs_err::write(&summary, "what an earlier step wrote\n").expect("a writable file");
    let values = ["true", summary.to_str().expect("UTF-8")];
    let output = place.command(arguments).envs(VARIABLES.into_iter().zip(values)).output().expect("the lab starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    eprintln!("{}{}", text(&output.stdout), text(&output.stderr));
    (text(&output.stdout), fs_err::read_to_string(summary).expect("a summary"))
}

/// A red run annotates the very line of the evidence, and its summary has the steps, the cause and the remedy, behind
/// what was there before.
#[test]
fn a_red_run_is_annotated_and_summed_up() {
    let place = or_skip!(Place::new());
    let datasets = place.torn_datasets();
    let arguments = ["--datasets", datasets.to_str().expect("UTF-8"), "--job-time-scale", "0.01"];
    let (said, summary) = run(&place, &arguments);
    let annotations: Vec<&str> = said.lines().filter(|line| line.starts_with("::")).collect();
    let [annotation] = annotations[..] else { panic!("one finding, one annotation: {annotations:#?}") };

    let place_and_message = annotation.strip_prefix("::error file=").expect("an error with its file");
    let (file, rest) = place_and_message.split_once(",line=").expect("the file's line");
    let (line, message) = rest.split_once(",title=set-aside-dataset::").expect("the cause by its name");
    let evidence = fs_err::read_to_string(file).expect("the evidence is where the annotation points");
    let line = evidence.lines().nth(line.parse::<usize>().expect("a number") - 1).expect("a line of it");
    assert!(line.contains("datasets/training/2018-04-02.pkl"), "{line}");
    assert!(message.contains("datasets/training/2018-04-02.pkl") && message.contains("%0Aremedy: "), "{message}");

    let added = summary.strip_prefix("what an earlier step wrote\n").expect("it is appended");
    assert!(added.starts_with("### ❌ batch-ML lab on `local`: "), "{added}");
    let record = place.only_record().expect("the record");
    for step in record.steps().expect("steps.jsonl") {
        assert!(added.contains(&format!("| {} | ", step.name)), "step `{}` is missing:\n{added}", step.name);
    }
    assert!(added.contains("**set-aside-dataset** (queue): ") && added.contains("queue/after.json:"), "{added}");
}

/// A step that failed is annotated once, at the line of the record that shows it best, and summed up with its remedy.
#[test]
fn a_failed_step_is_annotated_where_the_record_shows_it() {
    let place = or_skip!(Place::new());
    let arguments = ["--worker-cmd", "echo no luck today >&2; exit 7", "--job-time-scale", "0.001"];
    let (said, summary) = run(&place, &arguments);
    let of_the_step: Vec<_> = said.lines().filter(|line| line.contains("title=job-failed::")).collect();
    let [annotation] = of_the_step[..] else { panic!("one failure, one annotation: {of_the_step:#?}") };
    let (file, rest) =
        annotation.strip_prefix("::error file=").and_then(|rest| rest.split_once(",line=")).expect("a line");
    let line = rest.split_once(',').expect("a title").0.parse::<usize>().expect("a number");
    let evidence = fs_err::read_to_string(file).expect("the evidence is where the annotation points");
    assert_eq!(evidence.lines().nth(line - 1), Some("no luck today"), "{annotation}");
    assert!(annotation.contains("%0Aremedy: "), "{annotation}");
    assert!(summary.contains("- **job-failed**: ") && summary.contains("\nremedy: "), "{summary}");
    assert!(!summary.contains("not judged"), "the failure is what there is to say: {summary}");
}

/// A green run annotates nothing, and its summary says that it is green.
#[test]
fn a_green_run_is_summed_up_alone() {
    let place = or_skip!(Place::new());
    let (said, summary) = run(&place, &[]);
    assert!(!said.lines().any(|line| line.starts_with("::")), "{said}");
    assert!(summary.contains("### ✅ batch-ML lab on `local`: green"), "{summary}");
    assert!(summary.contains("| report | ") && !summary.contains("not judged"), "{summary}");
}

/// What was not asked of a run stands in its summary.
#[test]
fn what_was_not_judged_is_summed_up() {
    let place = or_skip!(Place::new());
    let (_, summary) = run(&place, &["--worker-cmd", original()]);
    assert!(summary.contains("`local`: green: 8 judges heard"), "{summary}");
    assert!(summary.contains("- not judged (thresholds): of another worker's model"), "{summary}");
}
