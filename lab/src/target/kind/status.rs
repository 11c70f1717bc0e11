//! What is up of a lab on kind. Looks and touches nothing.

use serde::Serialize;

use super::{Names, create, export};
use crate::cluster::Cluster;
use crate::docker::Docker;
use crate::state::{LabDir, State};
use crate::target::kubernetes::look::Inside;

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
        Ok(cluster) => Inside { nodes: seen.nodes, redis: seen.redis, queue: seen.queue } = Inside::look(&cluster),
    }
    if seen.nodes.is_empty() {
        seen.nodes = containers.into_iter().map(|node| (node, "does not answer".into())).collect();
    }
    let ready = !seen.nodes.is_empty() && seen.nodes.iter().all(|(_, state)| state == "Ready");
    seen.serves = export_serves && ready && seen.queue.is_some();
    seen
}
