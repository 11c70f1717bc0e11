//! What `kind` and `gke` have in common: a cluster with the tutorial's objects in it, however it came to be.

pub mod evidence;
pub mod job;
pub mod look;
pub mod objects;
pub mod share;
pub mod standing;

use std::time::Duration;

/// Redis's pod, by the tutorial's name: datasets are copied through it, and the share is looked at from it.
pub const REDIS_POD: &str = "redis-leader";
/// Its container.
pub const REDIS_CONTAINER: &str = "leader";
/// The Job.
pub const JOB: &str = "workload";
/// The PersistentVolume.
pub const VOLUME: &str = "fileserver";
/// The claim on it.
pub const CLAIM: &str = "fileserver-claim";
/// Where pods have the share.
pub const MOUNT: &str = "/mnt/fileserver";
/// Redis's service.
pub const SERVICE: &str = "redis";
/// Redis's port.
pub const REDIS_PORT: u16 = 6379;

/// How long things may take in a cluster: one that has to fetch nodes and images from afar takes longer.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long the scheduler may find no node for a pod.
    pub unschedulable: Duration,
    /// The same once whoever makes nodes has said that it cannot.
    pub scale_up: Duration,
    /// How long Redis may take to run: its image may have to be unpacked first.
    pub redis: Duration,
    /// How long the cluster may not answer while the Job is watched: a control plane that is changed is away for minutes.
    pub out_of_touch: Duration,
}
