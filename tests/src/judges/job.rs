//! Judge `job`: the Job completed, and every container that the lab left alone exited with 0.

use lab::record::{ContainerRun, Finding};

use crate::causes::{CONTAINER_STILL_RUNNING, EXIT_CODE, JOB_NOT_COMPLETE};
use crate::evidence::{Evidence, Log, finding};
use crate::judges::Reach;

const FILE: &str = "job.json";
/// Our worker's exit code when it has finished all but what it had to set aside.
const SET_ASIDE: i32 = 3;

/// Nothing forbids a worker to sit out the grace that a Spot node leaves it; whoever tries one out wants to know.
pub fn reach(evidence: &Evidence) -> Reach {
    let had_notice = evidence.summary.asked.iter().any(|word| word.ends_with("SIGTERM"));
    let outlived = |log: &&Log| match (log.container.exit_code, log.container.preempted_by.as_deref()) {
        (Some(137), Some("SIGTERM")) => true,
        // What the lab sent last.
        (Some(137), Some("SIGKILL")) => had_notice,
        _ => false,
    };
    match evidence.logs.iter().find(outlived) {
        Some(log) => Reach::Part(format!(
            "a container of pod `{}` did not end on SIGTERM within its grace, and was killed; that costs the next one the wait for its \
             lease, and is no objection",
            log.pod
        )),
        None => Reach::Whole,
    }
}

/// Looks at the Job's condition and at how each container ended.
pub fn hear(evidence: &Evidence) -> Vec<Finding> {
    let Some(job) = &evidence.job else { return Vec::new() };
    let mut findings = Vec::new();
    if evidence.is_finished() && job.condition.as_deref() != Some("Complete") {
        let condition = job.condition.as_deref().unwrap_or("without a condition");
        let reason = job.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
        let message = format!("Job `{}` is {condition}{reason}; it must be Complete.", job.name);
        findings.push(finding(JOB_NOT_COMPLETE, message, FILE, evidence.line_of(FILE, "\"condition\"")));
    }
    findings.extend(evidence.logs.iter().filter_map(|log| wrong_end(evidence, log)));
    findings
}

fn wrong_end(evidence: &Evidence, log: &Log) -> Option<Finding> {
    let ContainerRun { exit_code, preempted_by, .. } = &log.container;
    match (exit_code, preempted_by.as_deref()) {
        (Some(0), _) => None,
        // 128 + the signal; SIGTERM that nobody heeded becomes SIGKILL at the end of the grace period, and a container may
        // heed the one in the instant in which it is sent the other.
        (Some(143 | 137), Some("SIGKILL" | "SIGTERM")) => None,
        // That is what it did, and judge `queue` names each dataset with its reason.
        (Some(SET_ASIDE), _) if evidence.is_our_worker() && evidence.has_set_aside() => None,
        (Some(code), by) => {
            let after = by.map_or(String::new(), |signal| format!(" after {signal}"));
            let message =
                format!("A container of pod `{}` exited with {code}{after}{}.", log.pod, meaning(evidence, *code));
            Some(finding(EXIT_CODE, message, FILE, evidence.line_of(FILE, &format!("\"exit_code\": {code}"))))
        }
        (None, _) if evidence.is_finished() => {
            let message = format!("The Job is over, and a container of pod `{}` still runs.", log.pod);
            Some(finding(CONTAINER_STILL_RUNNING, message, FILE, evidence.line_of(FILE, "\"exit_code\": null")))
        }
        (None, _) => None,
    }
}

/// What our worker says by its exit code, as the README lists them.
fn meaning(evidence: &Evidence, code: i32) -> &'static str {
    match code {
        2 if evidence.is_our_worker() => " (wrong configuration)",
        SET_ASIDE if evidence.is_our_worker() => " (it set datasets aside, and the queue knows of none)",
        4 if evidence.is_our_worker() => " (Redis was out of reach)",
        5 if evidence.is_our_worker() => " (the share could not be used)",
        137 => " (SIGKILL that the lab did not send: out of memory, perhaps)",
        _ => "",
    }
}
