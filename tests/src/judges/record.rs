//! Judge `record`: the run went through every step, and its record is complete.

use lab::record::{Finding, Outcome, SCHEMA};

use crate::causes::{FAILED_STEP, MISSING_EVIDENCE, UNFINISHED_RUN, UNKNOWN_SCHEMA};
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

fn failed_line(evidence: &Evidence, name: &str) -> Option<u32> {
    evidence.steps.iter().zip(1..).find(|(step, _)| step.name == name && step.error.is_some()).map(|(_, line)| line)
}
