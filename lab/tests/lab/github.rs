//! What GitHub hears of an `e2e` that gets no verdict because it could not begin.

use std::process::Command;

use crate::harness::{Place, Said, or_skip};

/// Ends it as under GitHub's runner; what was said, and the summary.
fn refused(place: &Place, code: i32, mut command: Command) -> (Said, String) {
    let summary = place.path("summary.md");
    std::fs::write(&summary, "").expect("a writable file");
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let said = place.finish(command);
    said.assert_code(code);
    (said, std::fs::read_to_string(summary).expect("a summary"))
}

/// A preflight that fails is annotated once, by its cause and with its remedy, and summed up; whoever reads JSON gets
/// no annotation among it.
#[test]
fn a_preflight_that_fails_is_annotated() {
    let place = or_skip!(Place::new());
    let without_judge = |arguments: &[&str]| {
        let mut command = place.e2e(arguments);
        command.env("LAB_JUDGE", "/nowhere/judge");
        command
    };
    let (said, summary) = refused(&place, 3, without_judge(&[]));
    let annotations: Vec<&str> = said.out.lines().filter(|line| line.starts_with("::")).collect();
    let [annotation] = annotations[..] else { panic!("one failure, one annotation: {annotations:#?}") };
    let message = annotation.strip_prefix("::error title=judge-missing::failed to ").expect("the cause and the error");
    assert!(message.contains("`/nowhere/judge`") && message.contains("%0Aremedy: "), "{message}");
    assert!(summary.starts_with("### ❌ batch-ML lab: no verdict\n\n- **judge-missing**: failed to "), "{summary}");

    let (said, summary) = refused(&place, 3, without_judge(&["--json"]));
    assert!(said.out.lines().all(|line| line.starts_with('{')), "{}", said.out);
    assert!(summary.contains("**judge-missing**"), "{summary}");
}

/// A wrong command line of `e2e` is annotated, whatever finds it; help is none, and other commands are no run.
#[test]
fn a_wrong_command_line_is_annotated() {
    let place = Place::without_redis();
    let (said, summary) = refused(&place, 2, place.command(&["e2e", "--days", "183"]));
    assert!(said.out.starts_with("::error title=usage::invalid value '183' for '--days <N>'"), "{}", said.out);
    assert!(summary.contains("- **usage**: invalid value '183'"), "{summary}");

    let mut scaled = place.command(&["e2e"]);
    scaled.env("LAB_TIME_SCALE", "fast");
    let (said, _) = refused(&place, 2, scaled);
    assert!(said.out.starts_with("::error title=usage::`LAB_TIME_SCALE` is not a number"), "{}", said.out);

    let (said, summary) = refused(&place, 2, place.command(&["e2e", "--json", "--days", "183"]));
    assert!(said.out.is_empty() && summary.contains("**usage**"), "{}{summary}", said.out);
    for (code, arguments) in [(0, &["e2e", "--help"][..]), (2, &["up", "--colour"])] {
        let (said, summary) = refused(&place, code, place.command(arguments));
        assert!(!said.out.contains("::error") && summary.is_empty(), "{arguments:?}: {}{summary}", said.out);
    }
}
