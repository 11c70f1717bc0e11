//! The tutorial's objects, made and waited for, each wait with the states that time will not mend.

use std::cell::Cell;
use std::time::{Duration, Instant};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::{CLAIM, JOB, Pace, REDIS_CONTAINER, REDIS_POD, REDIS_PORT, SERVICE, VOLUME};
use crate::cluster::trouble::{self, Patience, Trouble};
use crate::cluster::{Cluster, ClusterError};
use crate::failure::{Exit, Explain, Failure, Result};
use crate::wait::{Look, Wait, scaled};

/// Time between two looks at the cluster.
const POLL: Duration = Duration::from_millis(100);
/// How long nodes may take to become ready.
const NODES: Duration = Duration::from_secs(180);
/// How long a claim may take to be bound.
const BIND: Duration = Duration::from_secs(60);
/// Time between two touches of a claim that is not bound.
const TOUCH: Duration = Duration::from_millis(500);

/// A pod is in a state that time will not mend.
#[derive(Debug, thiserror::Error)]
#[error("failed to {what}: {object}: {}{}", trouble.what, said(last_words))]
pub struct Stuck {
    /// Completes "failed to ".
    pub what: String,
    /// E.g. "pod `redis-leader`".
    pub object: String,
    /// What is wrong with it.
    pub trouble: Trouble,
    /// The last lines that its container printed.
    pub last_words: Vec<String>,
}

/// The patience that waits have with pods, before [`crate::wait::TIME_SCALE`].
pub fn patience(pace: &Pace, restarts: i32) -> Patience {
    Patience { unschedulable: scaled(pace.unschedulable), scale_up: scaled(pace.scale_up), mounts: 3, restarts }
}

/// Waits until the API server answers and knows every node, ready or not.
///
/// # Errors
/// When it does not in time.
pub fn wait_for_api(cluster: &Cluster, wanted: usize) -> Result<Vec<Node>> {
    let remedy =
        "see whether the cluster is well: `cargo xtask lab status`; on kind, `docker logs` of its control plane";
    let wait = Wait { what: "reach the cluster's API server", limit: NODES, poll: POLL, remedy };
    wait.until(|| {
        Ok(match cluster.nodes() {
            Ok(nodes) if nodes.len() >= wanted => Look::Done(nodes),
            Ok(nodes) => Look::NotYet(format!("it knows {} of {wanted} nodes", nodes.len())),
            Err(error) => Look::NotYet(error.to_string()),
        })
    })
}

/// Waits until every node of the cluster is ready.
///
/// # Errors
/// When one is not in time.
pub fn wait_for_nodes(cluster: &Cluster, wanted: usize) -> Result<Vec<Node>> {
    let remedy = "look at the nodes: `docker logs NODE`, and whether the machine has memory and disk left";
    let wait = Wait { what: "see every node ready", limit: NODES, poll: POLL, remedy };
    wait.until(|| {
        let nodes = match cluster.nodes() {
            Ok(nodes) => nodes,
            // The API server itself may still be on its way up.
            Err(error) => return Ok(Look::NotYet(error.to_string())),
        };
        let waiting: Vec<_> =
            nodes.iter().filter_map(|node| Some(format!("{}: {}", node.name_any(), not_ready(node)?))).collect();
        if nodes.len() >= wanted && waiting.is_empty() {
            return Ok(Look::Done(nodes));
        }
        Ok(Look::NotYet(format!("{} of {wanted} nodes are known; not ready: {}", nodes.len(), waiting.join("; "))))
    })
}

/// Why a node is not ready; `None` if it is.
pub fn not_ready(node: &Node) -> Option<String> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready");
    match ready {
        Some(condition) if condition.status == "True" => None,
        Some(condition) => Some(condition.message.clone().unwrap_or_default()),
        None => Some("it has not reported".into()),
    }
}

/// Waits until the claim is bound to the volume.
///
/// The claim names its volume, as the tutorial's does. So two workers of Kubernetes' volume controller say at once that
/// the volume is bound; the one that comes second is refused, and tries again at its next round, up to 15 seconds later.
/// It does so at once when the claim is touched.
///
/// # Errors
/// When it cannot be, or not in time.
pub fn wait_for_claim(cluster: &Cluster) -> Result<String> {
    let remedy = "see what `kubectl describe pvc,pv` says of capacity, access modes and class";
    let wait = Wait { what: "bind the claim `fileserver-claim`", limit: BIND, poll: POLL, remedy };
    let touched = Cell::new(None::<Instant>);
    wait.until(|| {
        let claim: Option<PersistentVolumeClaim> = cluster.get(CLAIM)?;
        let Some(claim) = claim else { return Ok(Look::NotYet("there is no such claim".into())) };
        let status = claim.status.unwrap_or_default();
        match status.phase.as_deref() {
            Some("Bound") => {
                let volume = claim.spec.and_then(|spec| spec.volume_name).unwrap_or_default();
                let capacity = status.capacity.and_then(|capacity| capacity.get("storage").cloned());
                Ok(Look::Done(format!("bound to `{volume}`, {}", capacity.map(|size| size.0).unwrap_or_default())))
            }
            Some("Lost") => Err(stuck("bind the claim", "claim `fileserver-claim`", lost())),
            phase => {
                if is_available(cluster)? && touched.get().is_none_or(|last| last.elapsed() > TOUCH) {
                    cluster.touch("v1", "PersistentVolumeClaim", CLAIM)?;
                    touched.set(Some(Instant::now()));
                }
                let mismatch = cluster.events()?.into_iter().rev().find(is_about_claim);
                let event = mismatch.and_then(|event| event.message).unwrap_or_default();
                Ok(Look::NotYet(format!("phase {}; {event}", phase.unwrap_or("unknown"))))
            }
        }
    })
}

/// Whether the controller has seen the volume.
fn is_available(cluster: &Cluster) -> Result<bool> {
    let volume: Option<PersistentVolume> = cluster.get_global(VOLUME)?;
    let phase = volume.and_then(|volume| volume.status?.phase);
    Ok(phase.is_some_and(|phase| phase == "Available" || phase == "Bound"))
}

fn is_about_claim(event: &Event) -> bool {
    event.involved_object.kind.as_deref() == Some("PersistentVolumeClaim")
        && event.involved_object.name.as_deref() == Some(CLAIM)
        && event.type_.as_deref() == Some("Warning")
}

fn lost() -> Trouble {
    let remedy = "`cargo xtask lab down`, and begin anew".into();
    Trouble { cause: "claim-lost", what: "its volume is gone".into(), remedy }
}

fn stuck(what: &str, object: &str, trouble: Trouble) -> Failure {
    Stuck { what: what.into(), object: object.into(), trouble, last_words: Vec::new() }.into()
}

/// Waits until Redis's pod is ready and its server answers, and says its version.
///
/// # Errors
/// When it cannot run, or not in time.
pub fn wait_for_redis(cluster: &Cluster, pace: &Pace) -> Result<String> {
    let remedy = "see what the pod says: `cargo xtask lab status`";
    let wait = Wait { what: "start pod `redis-leader`", limit: pace.redis, poll: POLL, remedy };
    wait.until(|| {
        let pod: Option<Pod> = cluster.get(REDIS_POD)?;
        let Some(pod) = pod else { return Ok(Look::NotYet("there is no such pod".into())) };
        if is_ready(&pod) {
            return Ok(match redis_version(cluster) {
                Ok(version) => Look::Done(version),
                Err(error) => Look::NotYet(error.to_string()),
            });
        }
        let events = cluster.events()?;
        let trouble = trouble::of_pod(&pod, &events, Timestamp::now(), &patience(pace, 1));
        // While nodes come up, that the pod fits none of them is no news.
        let comes_up = || cluster.nodes().is_ok_and(|nodes| nodes.iter().any(|node| not_ready(node).is_some()));
        if let Some(trouble) = trouble.filter(|trouble| !trouble.is_of_scheduling() || !comes_up()) {
            let last_words = last_words(cluster, &trouble);
            return Err(Stuck {
                what: "start Redis".into(),
                object: format!("pod `{REDIS_POD}`"),
                trouble,
                last_words,
            }
            .into());
        }
        Ok(Look::NotYet(phase_of(&pod, &events)))
    })
}

/// Waits until the service leads to Redis, and says its address.
///
/// # Errors
/// When it does not in time.
pub fn wait_for_service(cluster: &Cluster) -> Result<String> {
    let remedy = "see whether the pod `redis-leader` is ready and has the label app=redis";
    let wait = Wait { what: "reach Redis by its service", limit: BIND, poll: POLL, remedy };
    wait.until(|| {
        let service: Option<Service> = cluster.get(SERVICE)?;
        let address = service.and_then(|service| service.spec?.cluster_ip).unwrap_or_default();
        let slices: Vec<EndpointSlice> = cluster.list(&format!("kubernetes.io/service-name={SERVICE}"))?;
        let is_ready = |endpoint: &&Endpoint| {
            endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true))
        };
        let ready = slices.iter().flat_map(|slice| slice.endpoints.iter()).filter(is_ready);
        let leads_to: Vec<_> = ready.flat_map(|endpoint| endpoint.addresses.clone()).collect();
        Ok(match leads_to.as_slice() {
            [] => Look::NotYet(format!("service `redis` is {address} and leads nowhere")),
            pods => Look::Done(format!("redis is {address}:{REDIS_PORT} and leads to {}", pods.join(", "))),
        })
    })
}

/// Removes the Job of an earlier run, and waits until its pods are gone: two Jobs on one queue would be one run.
///
/// # Errors
/// When they are not gone in time.
pub fn remove_job(cluster: &Cluster) -> Result<()> {
    if !cluster.delete_job(JOB)? {
        return Ok(());
    }
    let remedy = "see what holds it: `kubectl describe job workload`";
    let wait = Wait { what: "remove the Job of an earlier run", limit: BIND, poll: POLL, remedy };
    wait.until(|| {
        let job: Option<Job> = cluster.get(JOB)?;
        let pods: Vec<Pod> = cluster.list(&format!("job-name={JOB}"))?;
        let gone = job.is_none() && pods.is_empty();
        Ok(if gone { Look::Done(()) } else { Look::NotYet(format!("{} pods are left", pods.len())) })
    })
}

/// Removes everything that hangs on the volume, and the volume, and waits until it is gone.
///
/// # Errors
/// When it is not gone in time.
pub fn remove_storage(cluster: &Cluster) -> Result<()> {
    remove_job(cluster)?;
    cluster.delete("v1", "Pod", REDIS_POD)?;
    cluster.delete("v1", "PersistentVolumeClaim", CLAIM)?;
    cluster.delete("v1", "PersistentVolume", VOLUME)?;
    let wait = Wait {
        what: "remove the old volume",
        limit: BIND,
        poll: POLL,
        remedy: "see what still uses it: `kubectl describe pv fileserver`",
    };
    wait.until(|| {
        let claim: Option<PersistentVolumeClaim> = cluster.get(CLAIM)?;
        let volume: Option<PersistentVolume> = cluster.get_global(VOLUME)?;
        let gone = claim.is_none() && volume.is_none();
        Ok(if gone { Look::Done(()) } else { Look::NotYet("it is still there".into()) })
    })
}

fn last_words(cluster: &Cluster, trouble: &Trouble) -> Vec<String> {
    if trouble.cause != "crash-loop" {
        return Vec::new();
    }
    let log = cluster.log_as_shown(REDIS_POD, true).unwrap_or_default();
    tail(&log, 5)
}

/// The last lines of a text, empty ones left out.
pub fn tail(text: &str, count: usize) -> Vec<String> {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

fn redis_version(cluster: &Cluster) -> Result<String, ClusterError> {
    let output = cluster.exec(REDIS_POD, &["redis-cli", "INFO", "server"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().find_map(|line| line.trim().strip_prefix("redis_version:").map(str::to_owned));
    let why = || format!("`INFO server` names no version: {}", text.trim());
    version.ok_or_else(|| ClusterError::Exec {
        pod: REDIS_POD.into(),
        command: "redis-cli INFO server".into(),
        why: why(),
    })
}

/// Whether a pod is to be trusted with work: it runs, is ready, and is not being taken away.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready =
        conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// What a pod is at, in words: its phase, what its container waits for, and the last event about it.
pub fn phase_of(pod: &Pod, events: &[Event]) -> String {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("unknown");
    let waiting =
        status.into_iter().flat_map(|status| status.container_statuses.iter().flatten()).find_map(|container| {
            let waiting = container.state.as_ref()?.waiting.as_ref()?;
            waiting.reason.clone()
        });
    let about = |event: &&Event| event.involved_object.uid == pod.uid();
    let event = events
        .iter()
        .rev()
        .find(about)
        .and_then(|event| Some(format!("{}: {}", event.reason.as_deref()?, event.message.as_deref()?.trim())));
    [Some(phase.to_owned()), waiting, event].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Where Redis's pod runs; for logs that only its node has.
pub fn redis_log(cluster: &Cluster) -> String {
    let pod: Option<Pod> = cluster.get(REDIS_POD).ok().flatten();
    let restarts = pod.as_ref().and_then(|pod| pod.status.as_ref()).and_then(|status| {
        status
            .container_statuses
            .iter()
            .flatten()
            .find(|status| status.name == REDIS_CONTAINER)
            .map(|status| status.restart_count)
    });
    let previous =
        restarts.is_some_and(|restarts| restarts > 0).then(|| cluster.log_as_shown(REDIS_POD, true).ok()).flatten();
    previous.unwrap_or_default() + &cluster.log_as_shown(REDIS_POD, false).unwrap_or_default()
}

fn said(last_words: &[String]) -> String {
    if last_words.is_empty() { String::new() } else { format!("; its log ends with: {}", last_words.join(" | ")) }
}

impl Explain for Stuck {
    fn exit(&self) -> Exit {
        Exit::Lab
    }

    fn cause_name(&self) -> &'static str {
        self.trouble.cause
    }

    fn remedy(&self) -> String {
        self.trouble.remedy.clone().into_owned()
    }
}
