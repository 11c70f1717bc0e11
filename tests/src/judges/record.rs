//! Judge `record`: the run went through every step, and its record is complete.

use lab::flow::{Phase, TUTORIAL};
use lab::record::{Finding, Outcome, SCHEMA};

use crate::causes::{FAILED_STEP, MISSING_EVIDENCE, SKIPPED_STEP, UNFINISHED_RUN, UNKNOWN_SCHEMA};
use crate::evidence::{Evidence, finding};

const SUMMARY: &str = "record.json";
const STEPS: &str = "steps.jsonl";

/// Objects to a run that did not end, that failed, or that left too little to be judged by.
pub fn hear(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    let summary = &evidence.summary;
    if summary.schema != SCHEMA {
        let message = format!("The record has layout {}; these judges know {SCHEMA}.", summary.schema);
        findings.push(finding(UNKNOWN_SCHEMA, message, SUMMARY, evidence.line_of(SUMMARY, "\"schema\"")));
    }
    match &summary.outcome {
        Outcome::Interrupted => findings.push(unfinished(evidence)),
        Outcome::Failed { step, cause, error, remedy } => findings.push(Finding {
            cause: cause.clone(),
            remedy: remedy.clone(),
            ..finding(UNFINISHED_RUN, format!("Step `{step}`: {error}"), STEPS, failed_line(evidence, step))
        }),
        Outcome::Finished => findings.extend(contradictions(evidence)),
    }
    findings
}

fn unfinished(evidence: &Evidence) -> Finding {
    let last =
        evidence.steps.last().map_or("before its first step".into(), |step| format!("after step `{}`", step.name));
    finding(UNFINISHED_RUN, format!("The lab was stopped {last}."), SUMMARY, evidence.line_of(SUMMARY, "interrupted"))
}

/// What a finished run must have and must not have.
fn contradictions(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    if evidence.summary.ended.is_none() {
        findings.push(finding(
            UNFINISHED_RUN,
            "The run calls itself finished and has no end.",
            SUMMARY,
            evidence.line_of(SUMMARY, "\"ended\""),
        ));
    }
    for (step, line) in evidence.steps.iter().zip(1..) {
        if let Some(error) = &step.error {
            let message = format!("The run calls itself finished, and step `{}` failed: {error}", step.name);
            findings.push(finding(FAILED_STEP, message, STEPS, Some(line)));
        }
    }
    if evidence.steps.is_empty() {
        findings.push(finding(MISSING_EVIDENCE, "The record names no step.", STEPS, None));
    } else {
        findings.extend(skipped(evidence));
    }
    for (file, error) in &evidence.gaps {
        findings.push(finding(
            MISSING_EVIDENCE,
            format!("`{file}` of the record cannot be read: {error}."),
            file.as_str(),
            None,
        ));
    }
    findings
}

/// The first place where the steps are not the tutorial's, as far as a run is judged: up to the clean-up.
fn skipped(evidence: &Evidence) -> Option<Finding> {
    let expected = TUTORIAL.iter().filter(|step| step.phase != Phase::Down).map(|step| step.name);
    let is_known = |name: &str| TUTORIAL.iter().any(|step| step.phase != Phase::Down && step.name == name);
    let mut taken = evidence.steps.iter().zip(1..).filter(|(step, _)| is_known(&step.name));
    let object = |message: String, line| finding(SKIPPED_STEP, message, STEPS, line);
    for due in expected {
        match taken.next() {
            Some((step, _)) if step.name == due => {}
            Some((step, line)) => {
                let message = format!("Step `{}` stands where `{due}` is due.", step.name);
                return Some(object(message, Some(line)));
            }
            None => return Some(object(format!("The run calls itself finished without step `{due}`."), None)),
        }
    }
    taken.next().map(|(step, line)| object(format!("Step `{}` was gone through again.", step.name), Some(line)))
}

fn failed_line(evidence: &Evidence, name: &str) -> Option<u32> {
    evidence.steps.iter().zip(1..).find(|(step, _)| step.name == name && step.error.is_some()).map(|(_, line)| line)
}
