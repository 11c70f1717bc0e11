//! States of pods and Jobs that time will not mend, each with the words of whoever noticed it: scheduler, kubelet, Job controller.
//!
//! Pure: what was listed goes in, what is wrong comes out.

use std::borrow::Cow;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, Event, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use crate::{gcloud, registry};

/// Something that will not come right by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A name for it, kebab-case, stable.
    pub cause: &'static str,
    /// Completes "pod `x`: " or "job `x`: ".
    pub what: String,
    /// What to do.
    pub remedy: Cow<'static, str>,
}

impl Trouble {
    fn new(cause: &'static str, what: String, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { cause, what, remedy: remedy.into() }
    }

    /// No node was found for a pod; while nodes come up, that is no news.
    pub fn is_of_scheduling(&self) -> bool {
        self.cause == UNSCHEDULABLE || SCALE_UP.iter().any(|(cause, _)| *cause == self.cause)
    }
}

/// When to lose patience.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long the scheduler may find no node. A node that has just come back, or comes up, needs some seconds.
    pub unschedulable: Duration,
    /// The same once whoever makes nodes has said that it cannot: another zone may still have one.
    pub scale_up: Duration,
    /// How often the kubelet may fail to mount: its first try may come before the server is ready.
    pub mounts: i32,
    /// How often a container may be started again before its crashes count as a loop.
    pub restarts: i32,
}

impl Patience {
    /// That of whoever has no time left: what a pod has waited for all the while is why.
    pub fn at_last(self) -> Self {
        Self { unschedulable: Duration::ZERO, scale_up: Duration::ZERO, mounts: 1, ..self }
    }
}

/// No node was found, and nobody has said more of it.
const UNSCHEDULABLE: &str = "unschedulable";
/// Why a node could not be made, by the name that Google's words have, and what to do.
const SCALE_UP: [(&str, &str); 3] = [
    (
        "stockout",
        "Google has no such nodes left there, and Spot's are the first to go: try again later; or `cargo xtask lab down`, and \
         take another --region and --zone",
    ),
    (
        "quota-exceeded",
        "see which quota is used up (`gcloud compute regions describe REGION`: CPUS, PREEMPTIBLE_CPUS, DISKS_TOTAL_GB, \
         IN_USE_ADDRESSES), and ask for more at https://console.cloud.google.com/iam-admin/quotas; or take another --region and --zone",
    ),
    ("ip-space-exhausted", "free address space in the network, or name another with --network"),
];
/// Reasons for which the kubelet waits and which are the image's.
const IMAGE: [&str; 4] = ["ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName", "ImageInspectError"];
/// The same for a container that cannot be made.
const CREATE: [&str; 2] = ["CreateContainerConfigError", "CreateContainerError"];

/// What is wrong with a pod for good, if anything is. `events` may be those of other objects, too.
pub fn of_pod(pod: &Pod, events: &[Event], now: Timestamp, patience: &Patience) -> Option<Trouble> {
    unschedulable(pod, events, now, patience)
        .or_else(|| containers(pod, events, patience))
        .or_else(|| mounts(pod, events, patience))
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
        Trouble::new("quota-exceeded", what, "raise the quota of the namespace, or ask for less")
    } else {
        Trouble::new("pod-refused", what, "see which admission refuses the pod, and why")
    })
}

fn unschedulable(pod: &Pod, events: &[Event], now: Timestamp, patience: &Patience) -> Option<Trouble> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let is_it = |reason: Option<&str>| reason == Some("Unschedulable");
    let condition = conditions.iter().find(|condition| {
        condition.type_ == "PodScheduled" && condition.status == "False" && is_it(condition.reason.as_deref())
    })?;
    let since = condition.last_transition_time.as_ref().map_or(now, |time| time.0);
    let waited = now.duration_since(since).unsigned_abs();
    let (failed, is_last) = scale_up(pod, events);
    if waited < if is_last { patience.scale_up } else { patience.unschedulable } {
        return None;
    }
    let said =
        [condition.message.as_deref(), failed].into_iter().flatten().map(str::trim).collect::<Vec<_>>().join("; ");
    let what = format!("unschedulable for {} s: {said}", waited.as_secs());
    let named = failed.map(|failed| gcloud::name(failed).cause);
    let (cause, remedy) = SCALE_UP.into_iter().find(|(cause, _)| Some(*cause) == named).unwrap_or((
        UNSCHEDULABLE,
        "make a node fit: its labels, taints and free resources must suit the pod (`kubectl describe nodes`)",
    ));
    Some(Trouble::new(cause, what, remedy))
}

/// Why no node was made for a pod, in the words of whoever makes nodes; and whether nothing better came after it. That a
/// node could not be made tells more than that none was tried to be made, which may be because of the former.
fn scale_up<'a>(pod: &Pod, events: &'a [Event]) -> (Option<&'a str>, bool) {
    let uid = pod.uid();
    let last = |reasons: &[&str]| {
        let is_it = |event: &Event| {
            event.involved_object.uid == uid && event.reason.as_deref().is_some_and(|reason| reasons.contains(&reason))
        };
        events.iter().rposition(is_it)
    };
    let (failed, tried) = (last(&["FailedScaleUp"]), last(&["TriggeredScaleUp"]));
    let refused = last(&["NotTriggerScaleUp"]);
    let said = failed.or(refused).and_then(|at| events[at].message.as_deref());
    (said, failed.max(refused) > tried)
}

fn containers(pod: &Pod, events: &[Event], patience: &Patience) -> Option<Trouble> {
    pod.status.as_ref()?.container_statuses.iter().flatten().find_map(|status| {
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        let (reason, message) = (waiting.reason.as_deref()?, waiting.message.as_deref().unwrap_or_default());
        let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        if IMAGE.contains(&reason) {
            return Some(image(pod, events, &status.image, &format!("{reason}: {message}")));
        }
        if CREATE.contains(&reason) {
            let what = format!("{reason}: {message}");
            return Some(Trouble::new("container-refused", what, "mend what the kubelet names"));
        }
        if let Some(start) = last.filter(|last| last.reason.as_deref() == Some("StartError")) {
            let what =
                format!("the container cannot be started: {}", start.message.as_deref().unwrap_or(message).trim());
            let remedy = "look at the image's entrypoint: it must be a program that runs on the node";
            return Some(Trouble::new("worker-not-started", what, remedy));
        }
        if reason == "CrashLoopBackOff" && status.restart_count >= patience.restarts {
            let what = format!(
                "CrashLoopBackOff after {} restarts: {}",
                status.restart_count,
                last.map_or("no end is known".into(), end)
            );
            return Some(Trouble::new("crash-loop", what, "read what the container printed last"));
        }
        None
    })
}

/// An image that cannot be had: it is not there, or the registry does not give it to the nodes. The kubelet tells which in
/// an event, and not always where it says that it waits.
fn image(pod: &Pod, events: &[Event], image: &str, said: &str) -> Trouble {
    let is_denied = |said: &str| {
        let said = said.to_lowercase();
        ["401 unauthorized", "403 forbidden", "permission denied", "denied:"].iter().any(|word| said.contains(word))
    };
    let uid = pod.uid();
    let failed = |event: &&Event| event.reason.as_deref() == Some("Failed") && event.involved_object.uid == uid;
    let mut told = events.iter().rev().filter(failed).filter_map(|event| event.message.as_deref());
    if is_denied(said) {
        return Trouble::new("image-denied", format!("image `{image}`: {said}"), registry::reader_remedy(image));
    }
    match told.find(|told| told.contains(image) && is_denied(told)) {
        Some(told) => {
            let what = format!("image `{image}`: {said}; {}", told.trim());
            Trouble::new("image-denied", what, registry::reader_remedy(image))
        }
        None => {
            let remedy = "build or load the image, or name one that can be had (--worker-image, --redis-image)";
            Trouble::new("image-missing", format!("image `{image}`: {said}"), remedy)
        }
    }
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
    Some(Trouble::new("mount-failed", what, remedy))
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

    const PATIENCE: Patience =
        Patience { unschedulable: Duration::from_secs(15), scale_up: Duration::from_secs(5), mounts: 3, restarts: 2 };

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

    /// Whoever makes nodes says why there is none: what Google lacks has its name, sooner than the scheduler's patience is
    /// over, unless another try is under way; and another pod's node is not this one's.
    #[test]
    fn a_node_that_cannot_be_made_has_its_cause() {
        let at = |time: &str| {
            pod(json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                        "lastTransitionTime": time, "message": "0/2 nodes are available" }] }))
        };
        let failed = |why: &str| {
            let told = format!(
                "Node scale up in zones us-central1-b associated with this pod failed: {why}. Pod is at risk of not being scheduled."
            );
            event("Pod", "u-1", "FailedScaleUp", 1, &told)
        };
        let refused = event(
            "Pod",
            "u-1",
            "NotTriggerScaleUp",
            1,
            "pod didn't trigger scale-up: 1 in backoff after failed scale-up",
        );
        let tried = event("Pod", "u-1", "TriggeredScaleUp", 1, "pod triggered scale-up: [{gk3 0->1 (max: 1000)}]");
        let (early, late) = (at("2026-11-24T15:00:12Z"), at("2026-11-24T15:00:00Z"));
        let named = |pod: &Pod, events: &[Event]| cause(pod, events).map(|(cause, _)| cause);
        for (why, expected) in [
            ("GCE out of resources", "stockout"),
            ("GCE quota exceeded", "quota-exceeded"),
            ("IP space exhausted", "ip-space-exhausted"),
            ("Internal error", "unschedulable"),
        ] {
            // What comes after a failure because of it does not hide it.
            for events in [vec![failed(why)], vec![tried.clone(), failed(why), refused.clone()]] {
                let (found, what) = cause(&early, &events).unwrap();
                assert_eq!(found, expected);
                assert!(
                    what.starts_with("unschedulable for 8 s: 0/2 nodes are available; ") && what.contains(why),
                    "{what}"
                );
            }
            assert_eq!(named(&early, &[failed(why), tried.clone()]), None, "another zone is tried");
            assert_eq!(named(&late, &[failed(why), tried.clone()]), Some(expected));
        }
        assert_eq!(named(&early, &[refused]), Some("unschedulable"));
        assert_eq!(named(&early, &[event("Pod", "u-2", "FailedScaleUp", 1, "GCE out of resources")]), None);
        let trouble =
            |pod: &Pod, patience: &Patience| of_pod(pod, &[], "2026-11-24T15:00:20Z".parse().unwrap(), patience);
        assert!(trouble(&early, &PATIENCE.at_last()).is_some_and(|trouble| trouble.is_of_scheduling()));
    }

    /// An image that the registry keeps from the nodes is there all the same: the remedy is a right, not another image.
    #[test]
    fn an_image_that_is_denied_is_not_missing() {
        let image = "us-central1-docker.pkg.dev/my-project/batch-aiml/worker@sha256:ab";
        let waiting = |message: &str| {
            pod(json!({ "containerStatuses": [{
                "name": "workload", "image": image, "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": "ImagePullBackOff", "message": message } } }] }))
        };
        let now = "2026-11-24T15:00:20Z".parse().unwrap();
        let failed =
            |uid, why: &str| event("Pod", uid, "Failed", 1, &format!("Failed to pull image \"{image}\": {why}"));
        let forbidden = "failed to authorize: failed to fetch oauth token: unexpected status from GET request to \
                         https://us-central1-docker.pkg.dev/v2/token: 403 Forbidden";
        let quiet = waiting("Back-off pulling image");
        let found = of_pod(&quiet, &[failed("u-1", forbidden)], now, &PATIENCE).unwrap();
        assert_eq!(found.cause, "image-denied");
        assert!(found.what.contains("403 Forbidden"), "{}", found.what);
        assert!(
            found.remedy.contains(
                "gcloud artifacts repositories add-iam-policy-binding batch-aiml --location=us-central1 --project=my-project \
                 --role=roles/artifactregistry.reader --member=serviceAccount:"
            ),
            "{}",
            found.remedy
        );
        let told = of_pod(&waiting("Back-off: unexpected status: 401 Unauthorized"), &[], now, &PATIENCE);
        assert_eq!(told.map(|trouble| trouble.cause), Some("image-denied"));
        for events in [vec![failed("u-2", forbidden)], vec![failed("u-1", "not found")], vec![]] {
            assert_eq!(of_pod(&quiet, &events, now, &PATIENCE).map(|trouble| trouble.cause), Some("image-missing"));
        }
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
