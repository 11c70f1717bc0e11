//! Judge `queue`: the queue was filled as told and is empty; nothing is lost, stuck, set aside or there twice.

use lab::record::{Finding, QueueState};
use worker::queue::lease_key;

use crate::causes::{
    DATASET_TWICE, LOST_DATASET, SET_ASIDE_DATASET, STILL_WAITING, STRAY_KEY, STUCK_IN_PROCESSING, UNKNOWN_DATASET,
    WRONG_QUEUE,
};
use crate::evidence::{Evidence, TRAINING, finding, names};

const BEFORE: &str = "queue/before.json";
const AFTER: &str = "queue/after.json";

/// Compares what was queued with where everything is at the end.
pub fn hear(evidence: &Evidence) -> Vec<Finding> {
    let Some(before) = &evidence.before else { return Vec::new() };
    let mut findings = wrong_start(evidence, before);
    let Some(after) = &evidence.after else { return findings };
    findings.extend(set_aside(evidence, after));
    findings.extend(unfinished(evidence, before, after));
    findings.extend(miscounted(evidence, before, after));
    findings.extend(stray_keys(evidence, after));
    findings
}

/// Before the Job: the training days in the order of their names, and not a key more.
fn wrong_start(evidence: &Evidence, before: &QueueState) -> Vec<Finding> {
    let mut findings = Vec::new();
    let days = evidence.inputs.iter().flat_map(|inputs| &inputs.files).filter(|file| file.path.starts_with(TRAINING));
    let mut expected: Vec<_> = days.map(|file| file.path.as_str()).collect();
    expected.sort_unstable();
    if evidence.inputs.is_some() && before.waiting != expected {
        let message = format!(
            "The queue held {}; it must hold {}, in this order.",
            names(before.waiting.iter().map(String::as_str)),
            names(expected)
        );
        findings.push(finding(WRONG_QUEUE, message, BEFORE, evidence.line_of(BEFORE, "\"waiting\"")));
    }
    let strays: Vec<_> = before.keys.iter().filter(|key| *key != "datasets").map(String::as_str).collect();
    if let [first, ..] = strays[..] {
        let message = format!("Before the Job the database already held {}.", names(strays.iter().copied()));
        findings.push(finding(WRONG_QUEUE, message, BEFORE, evidence.line_of(BEFORE, &format!("\"{first}\""))));
    }
    findings
}

fn set_aside(evidence: &Evidence, after: &QueueState) -> Vec<Finding> {
    let object = |(item, reason): (&String, &String)| {
        let message = format!("`{item}` was set aside: {reason}");
        finding(SET_ASIDE_DATASET, message, AFTER, evidence.line_of(AFTER, &format!("\"{item}\":")))
    };
    after.failed.iter().map(object).collect()
}

/// A claim that is still held; and, at the end of a finished run, an item that still waits.
fn unfinished(evidence: &Evidence, before: &QueueState, after: &QueueState) -> Vec<Finding> {
    let mut findings = Vec::new();
    for item in &after.processing {
        let lease = match after.leases.get(&lease_key(item.as_bytes())) {
            // Somebody was at it when the run was broken off.
            Some(_) if !evidence.is_finished() => continue,
            Some((session, ttl_ms)) => format!("leased to session {session} for {ttl_ms} ms more"),
            None => "without a lease, so nobody works on it".into(),
        };
        let message = format!("`{item}` was claimed and is still in `datasets:processing`, {lease}.");
        findings.push(finding(STUCK_IN_PROCESSING, message, AFTER, evidence.line_of(AFTER, &format!("\"{item}\""))));
    }
    // What waits again although it is done, or was never queued, is another matter.
    let waits =
        |item: &&String| evidence.is_finished() && before.waiting.contains(item) && !evidence.has_left_results(item);
    for item in after.waiting.iter().filter(waits) {
        let message = format!("The Job is over, and `{item}` still waits in `datasets`.");
        findings.push(finding(STILL_WAITING, message, AFTER, evidence.line_of(AFTER, &format!("\"{item}\""))));
    }
    findings
}

/// Every item that was queued is in one place, and nothing else is anywhere.
fn miscounted(evidence: &Evidence, before: &QueueState, after: &QueueState) -> Vec<Finding> {
    let mut findings = Vec::new();
    let held = || after.waiting.iter().chain(&after.processing).chain(after.failed.keys());
    for item in &before.waiting {
        let places = held().filter(|held| *held == item).count();
        let done = evidence.has_left_results(item);
        if places == 0 && !done {
            let message = format!(
                "`{item}` was queued and is nowhere: not waiting, not claimed, not set aside, and without results."
            );
            findings.push(finding(LOST_DATASET, message, BEFORE, evidence.line_of(BEFORE, &format!("\"{item}\""))));
        }
        // An unfinished run may hold a claim whose results are on the share already: a kill before completion.
        if places > 1 || (places == 1 && done && evidence.is_finished()) {
            let message = match done {
                true => format!("`{item}` has its results in the output and is in the queue as well."),
                false => format!("`{item}` was queued once and is in {places} places of the queue at the end."),
            };
            findings.push(finding(DATASET_TWICE, message, AFTER, evidence.line_of(AFTER, &format!("\"{item}\""))));
        }
    }
    for item in held().filter(|item| !before.waiting.contains(item)) {
        let message = format!("`{item}` is in the queue at the end and was never queued.");
        findings.push(finding(UNKNOWN_DATASET, message, AFTER, evidence.line_of(AFTER, &format!("\"{item}\""))));
    }
    findings
}

/// A finished run leaves an empty database, but for what it set aside and what has been objected to already.
fn stray_keys(evidence: &Evidence, after: &QueueState) -> Vec<Finding> {
    if !evidence.is_finished() {
        return Vec::new();
    }
    let known = |key: &str| match key {
        "datasets" => !after.waiting.is_empty(),
        "datasets:processing" => !after.processing.is_empty(),
        "datasets:claims" => !after.processing.is_empty() || !after.waiting.is_empty(),
        "datasets:failed" => !after.failed.is_empty(),
        _ => false,
    };
    let object = |key: &String| {
        let message = match after.leases.get(key) {
            Some((session, ttl_ms)) => {
                format!("The lease `{key}` of session {session} is still there, for {ttl_ms} ms.")
            }
            None => format!("The key `{key}` is still in the database."),
        };
        finding(STRAY_KEY, message, AFTER, evidence.line_of(AFTER, &format!("\"{key}\"")))
    };
    after.keys.iter().filter(|key| !known(key)).map(object).collect()
}
