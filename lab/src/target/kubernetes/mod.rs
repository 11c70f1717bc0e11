//! What `kind` and `gke` have in common: a cluster with the tutorial's objects in it, however it came to be.

pub mod evidence;
pub mod job;
pub mod objects;
pub mod share;

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
