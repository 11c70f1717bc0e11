//! What is up of a lab on kind. Looks and touches nothing.

use serde::Serialize;

use super::{Names, create, export};
use crate::cluster::Cluster;
use crate::docker::Docker;
use crate::state::{LabDir, State};
use crate::target::kubernetes::REDIS_POD;

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// kind's cluster.
    pub cluster: String,
    /// Nodes: name, and `Ready` or what is wrong.
    pub nodes: Vec<(String, String)>,
    /// The export, in words.
    pub export: String,
    /// The volume, in words.
    pub volume: String,
    /// Redis's pod, in words.
    pub redis: String,
    /// How a person reaches the cluster.
    pub kubectl: String,
    /// Waiting, processing and set aside, where Redis answers.
    pub queue: Option<(u64, u64, u64)>,
    /// All of it serves.
    pub serves: bool,
}

/// Looks.
pub fn look(lab: &LabDir, state: &State) -> Seen {
    let names = Names::of(lab.name());
    let kubectl = format!("kubectl --kubeconfig {} get pods", lab.kubeconfig().display());
    let volume = state.kind.as_ref().map(|kind| format!("volume: {}", kind.volume.name())).unwrap_or_default();
    let mut seen = Seen {
        cluster: names.cluster.clone(),
        nodes: Vec::new(),
        export: String::new(),
        volume,
        redis: "unknown".into(),
        kubectl,
        queue: None,
        serves: false,
    };
    let docker = match Docker::find(None) {
        Ok(docker) => docker,
        Err(error) => return Seen { export: error.to_string(), ..seen },
    };
    let export = export::check(&docker, &names, lab);
    let export_serves = export.is_ok();
    seen.export = export.unwrap_or_else(|failure| failure.error);
    let containers = create::nodes_of(&docker, &names).unwrap_or_default();
    match Cluster::open(&lab.kubeconfig()) {
        Err(error) => seen.redis = error.to_string(),
        Ok(cluster) => look_into(&cluster, &mut seen),
    }
    if seen.nodes.is_empty() {
        seen.nodes = containers.into_iter().map(|node| (node, "does not answer".into())).collect();
    }
    let ready = !seen.nodes.is_empty() && seen.nodes.iter().all(|(_, state)| state == "Ready");
    seen.serves = export_serves && ready && seen.queue.is_some();
    seen
}

fn look_into(cluster: &Cluster, seen: &mut Seen) {
    use crate::target::kubernetes::objects;
    use k8s_openapi::api::core::v1::Pod;
    use kube::ResourceExt as _;
    let Ok(nodes) = cluster.nodes() else { return };
    let state = |node| objects::not_ready(node).unwrap_or_else(|| "Ready".into());
    seen.nodes = nodes.iter().map(|node| (node.name_any(), state(node))).collect();
    match cluster.get::<Pod>(REDIS_POD) {
        Ok(None) => seen.redis = format!("there is no pod `{REDIS_POD}`"),
        Ok(Some(pod)) if objects::is_ready(&pod) => {
            seen.redis = format!("pod `{REDIS_POD}` is ready");
            seen.queue = queue(cluster);
        }
        Ok(Some(pod)) => seen.redis = format!("pod `{REDIS_POD}`: {}", objects::phase_of(&pod, &[])),
        Err(error) => seen.redis = error.to_string(),
    }
}

/// One command for all three lengths.
fn queue(cluster: &Cluster) -> Option<(u64, u64, u64)> {
    let script = "return {redis.call('LLEN','datasets'),redis.call('LLEN','datasets:processing'),redis.call('HLEN','datasets:failed')}";
    let output = cluster.exec(REDIS_POD, &["redis-cli", "EVAL", script, "0"]).ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.lines().filter_map(|line| line.trim().rsplit(' ').next()?.parse().ok());
    Some((numbers.next()?, numbers.next()?, numbers.next()?))
}
