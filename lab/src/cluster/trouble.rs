//! States of pods and Jobs that time will not mend, each with the words of whoever noticed it: scheduler, kubelet, Job controller.
//!
//! Pure: what was listed goes in, what is wrong comes out.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, Event, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

/// Something that will not come right by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A name for it, kebab-case, stable.
    pub cause: &'static str,
    /// Completes "pod `x`: " or "job `x`: ".
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

/// When to lose patience.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long the scheduler may find no node. A node that has just come back, or comes up, needs some seconds.
    pub unschedulable: Duration,
    /// How often the kubelet may fail to mount: its first try may come before the server is ready.
    pub mounts: i32,
    /// How often a container may be started again before its crashes count as a loop.
    pub restarts: i32,
}

/// Reasons for which the kubelet waits and which are the image's.
const IMAGE: [&str; 4] = ["ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName", "ImageInspectError"];
/// The same for a container that cannot be made.
const CREATE: [&str; 2] = ["CreateContainerConfigError", "CreateContainerError"];

/// What is wrong with a pod for good, if anything is. `events` may be those of other objects, too.
pub fn of_pod(pod: &Pod, events: &[Event], now: Timestamp, patience: &Patience) -> Option<Trouble> {
    unschedulable(pod, now, patience).or_else(|| containers(pod, patience)).or_else(|| mounts(pod, events, patience))
}

/// Why a controller could not make its pods, if it could not: a quota, an admission.
///
/// An earlier Job of the same name has left events, too, hence the comparison of identities.
pub fn of_job(job: &Job, events: &[Event]) -> Option<Trouble> {
    let refused = |event: &&Event| {
        event.reason.as_deref() == Some("FailedCreate") && event.involved_object.uid == job.metadata.uid
    };
    let what = events.iter().rev().find(refused)?.message.clone().unwrap_or_default();
    Some(if what.contains("exceeded quota") {
        Trouble { cause: "quota-exceeded", what, remedy: "raise the quota of the namespace, or ask for less" }
    } else {
        Trouble { cause: "pod-refused", what, remedy: "see which admission refuses the pod, and why" }
    })
}

fn unschedulable(pod: &Pod, now: Timestamp, patience: &Patience) -> Option<Trouble> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let is_it = |reason: Option<&str>| reason == Some("Unschedulable");
    let condition = conditions.iter().find(|condition| {
        condition.type_ == "PodScheduled" && condition.status == "False" && is_it(condition.reason.as_deref())
    })?;
    let since = condition.last_transition_time.as_ref().map_or(now, |time| time.0);
    let waited = now.duration_since(since).unsigned_abs();
    if waited < patience.unschedulable {
        return None;
    }
    let what = format!("unschedulable for {} s: {}", waited.as_secs(), condition.message.clone().unwrap_or_default());
    let remedy = "make a node fit: its labels, taints and free resources must suit the pod (`kubectl describe nodes`)";
    Some(Trouble { cause: "unschedulable", what, remedy })
}

fn containers(pod: &Pod, patience: &Patience) -> Option<Trouble> {
    pod.status.as_ref()?.container_statuses.iter().flatten().find_map(|status| {
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        let (reason, message) = (waiting.reason.as_deref()?, waiting.message.as_deref().unwrap_or_default());
        let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        if IMAGE.contains(&reason) {
            let what = format!("image `{}`: {reason}: {message}", status.image);
            let remedy = "build or load the image, or name one that can be had (--worker-image, --redis-image)";
            return Some(Trouble { cause: "image-missing", what, remedy });
        }
        if CREATE.contains(&reason) {
            let what = format!("{reason}: {message}");
            return Some(Trouble { cause: "container-refused", what, remedy: "mend what the kubelet names" });
        }
        if let Some(start) = last.filter(|last| last.reason.as_deref() == Some("StartError")) {
            let what =
                format!("the container cannot be started: {}", start.message.as_deref().unwrap_or(message).trim());
            let remedy = "look at the image's entrypoint: it must be a program that runs on the node";
            return Some(Trouble { cause: "worker-not-started", what, remedy });
        }
        if reason == "CrashLoopBackOff" && status.restart_count >= patience.restarts {
            let what = format!(
                "CrashLoopBackOff after {} restarts: {}",
                status.restart_count,
                last.map_or("no end is known".into(), end)
            );
            return Some(Trouble { cause: "crash-loop", what, remedy: "read what the container printed last" });
        }
        None
    })
}

fn mounts(pod: &Pod, events: &[Event], patience: &Patience) -> Option<Trouble> {
    let running = |state: &ContainerState| state.running.is_some() || state.terminated.is_some();
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    if statuses.into_iter().flatten().any(|status| status.state.as_ref().is_some_and(running)) {
        return None;
    }
    let uid = pod.uid();
    let failed = |event: &&Event| event.reason.as_deref() == Some("FailedMount") && event.involved_object.uid == uid;
    let count = |event: &Event| {
        let series = event.series.as_ref().and_then(|series| series.count);
        series.or(event.count).unwrap_or(1)
    };
    let times: i32 = events.iter().filter(failed).map(count).sum();
    let event = events.iter().rev().find(failed)?;
    if times < patience.mounts {
        return None;
    }
    let what = format!("the volume cannot be mounted: {}", event.message.as_deref().unwrap_or_default().trim());
    // Of a host directory no NFS is to be asked.
    let remedy = if what.contains("hostPath") {
        "the node has lost the share's directory: take the lab down (`cargo xtask lab down`) and begin anew"
    } else {
        "see that the export answers (`cargo xtask lab status`) and that the nodes' kernel has an NFS client (`cargo xtask lab doctor`)"
    };
    Some(Trouble { cause: "mount-failed", what, remedy })
}

/// How a container ended, in words.
pub fn end(state: &ContainerStateTerminated) -> String {
    let reason = state.reason.as_deref().filter(|reason| !["Error", "Completed"].contains(reason));
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    format!("its container ended with code {}{reason}", state.exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::serde_json::{Value, from_value, json};

    const PATIENCE: Patience = Patience { unschedulable: Duration::from_secs(15), mounts: 3, restarts: 2 };

    fn pod(status: Value) -> Pod {
        from_value(json!({ "metadata": { "name": "workload-x", "uid": "u-1" }, "status": status })).unwrap()
    }

    fn waiting(reason: &str, restarts: i32, last: Value) -> Pod {
        pod(json!({ "containerStatuses": [{
            "name": "workload", "image": "localhost/worker:1", "imageID": "", "ready": false, "restartCount": restarts,
            "state": { "waiting": { "reason": reason, "message": "own words" } }, "lastState": last }] }))
    }

    fn event(kind: &str, uid: &str, reason: &str, count: i32, message: &str) -> Event {
        from_value(json!({ "metadata": {}, "involvedObject": { "kind": kind, "name": "workload", "uid": uid },
                           "reason": reason, "count": count, "message": message }))
        .unwrap()
    }

    fn cause(pod: &Pod, events: &[Event]) -> Option<(&'static str, String)> {
        let now: Timestamp = "2026-11-24T15:00:20Z".parse().unwrap();
        of_pod(pod, events, now, &PATIENCE).map(|trouble| (trouble.cause, trouble.what))
    }

    /// An image that is not there is told at once; one that is being pulled is waited for.
    #[test]
    fn a_missing_image_is_final() {
        let (found, what) = cause(&waiting("ErrImageNeverPull", 0, json!({})), &[]).unwrap();
        assert_eq!(
            (found, what.as_str()),
            ("image-missing", "image `localhost/worker:1`: ErrImageNeverPull: own words")
        );
        assert_eq!(cause(&waiting("ContainerCreating", 0, json!({})), &[]), None);
        assert_eq!(cause(&waiting("ErrImagePull", 0, json!({})), &[]), None, "the first failed pull is tried again");
    }

    /// The scheduler gets its time, and then its own message is told.
    #[test]
    fn unschedulable_is_final_after_a_while() {
        let at = |time: &str| {
            pod(json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                        "lastTransitionTime": time, "message": "0/2 nodes are available" }] }))
        };
        assert_eq!(cause(&at("2026-11-24T15:00:06Z"), &[]), None);
        let told = cause(&at("2026-11-24T15:00:00Z"), &[]);
        assert_eq!(told, Some(("unschedulable", "unschedulable for 20 s: 0/2 nodes are available".into())));
    }

    /// A container may crash now and then; a loop tells how the last run ended, and a program that is none is told at once.
    #[test]
    fn crashes_become_a_loop() {
        let ended = json!({ "terminated": { "exitCode": 4, "reason": "Error" } });
        assert_eq!(cause(&waiting("CrashLoopBackOff", 1, ended.clone()), &[]), None);
        let told = cause(&waiting("CrashLoopBackOff", 2, ended), &[]);
        assert_eq!(
            told,
            Some(("crash-loop", "CrashLoopBackOff after 2 restarts: its container ended with code 4".into()))
        );
        let start =
            json!({ "terminated": { "exitCode": 128, "reason": "StartError", "message": "exec: no such file\n" } });
        let told = cause(&waiting("CrashLoopBackOff", 0, start), &[]);
        assert_eq!(told, Some(("worker-not-started", "the container cannot be started: exec: no such file".into())));
    }

    /// The mount's own words are told once it has failed for a while, and another pod's trouble is not this one's.
    #[test]
    fn a_mount_that_fails_again_and_again_is_final() {
        let pod = waiting("ContainerCreating", 0, json!({}));
        let failed = |uid, count| event("Pod", uid, "FailedMount", count, "exit status 32\nmount.nfs: access denied");
        assert_eq!(cause(&pod, &[failed("u-1", 2)]), None);
        assert_eq!(cause(&pod, &[failed("u-2", 9)]), None);
        let (found, what) = cause(&pod, &[failed("u-1", 2), failed("u-1", 1)]).unwrap();
        assert_eq!(found, "mount-failed");
        assert!(what.ends_with("mount.nfs: access denied"), "{what}");
    }

    /// A quota is told in the words of the API server.
    #[test]
    fn a_quota_is_final() {
        let refused = event("Job", "j", "FailedCreate", 1, "pods is forbidden: exceeded quota: none");
        let job = |uid: &str| from_value::<Job>(json!({ "metadata": { "name": "workload", "uid": uid } })).unwrap();
        let refused = [refused];
        assert_eq!(of_job(&job("j"), &refused).map(|trouble| trouble.cause), Some("quota-exceeded"));
        assert_eq!(of_job(&job("k"), &refused), None, "an earlier Job's refusal is not this one's");
    }
}
