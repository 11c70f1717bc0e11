//! What is up in a cluster: nodes, Redis and the queue. Looks and touches nothing.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use super::{REDIS_POD, objects};
use crate::cluster::Cluster;

/// What was seen.
#[derive(Debug, Default)]
pub struct Inside {
    /// Nodes: name, and `Ready` or what is wrong.
    pub nodes: Vec<(String, String)>,
    /// Redis's pod, in words.
    pub redis: String,
    /// Waiting, processing and set aside, where Redis answers.
    pub queue: Option<(u64, u64, u64)>,
}

impl Inside {
    /// Looks.
    pub fn look(cluster: &Cluster) -> Self {
        let mut seen = Self { redis: "unknown".into(), ..Self::default() };
        let Ok(nodes) = cluster.nodes() else { return seen };
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
        seen
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
