//! Where a test can have the lab killed: at every step that leaves something behind.
//!
//! Compiled into test builds only. `LAB_KILL_AT=NAME` ends the process by SIGKILL when it comes to that point, so that
//! no destructor and no handler runs, as after a power cut.

/// Every point of target `local`, in the order in which `up` and `down` come to them.
pub const KILL_POINTS: &[&str] = &[
    "up-locked",
    "up-state-written",
    "up-share-made",
    "up-redis-announced",
    "up-redis-spawned",
    "up-redis-recorded",
    "up-redis-ready",
    "up-done",
    "down-announced",
    "down-redis-stopped",
    "down-share-removed",
    "down-state-removed",
];

/// The same for target `kind`.
pub const KIND_KILL_POINTS: &[&str] = &[
    "up-locked",
    "up-state-written",
    "kind-network-made",
    "kind-export-started",
    "kind-cluster-made",
    "kind-cluster-recorded",
    "kind-volume-made",
    "kind-redis-ready",
    "kind-nodes-ready",
    "up-done",
    "down-announced",
    "kind-docker-cleared",
];

/// The same for target `gke`; those of a pool are come to with `--standard` alone, and two halves of a list at once.
pub const GKE_KILL_POINTS: &[&str] = &[
    "up-locked",
    "up-state-written",
    "gke-cluster-intended",
    "gke-cluster-asked",
    "gke-cluster-operation",
    "gke-cluster-made",
    "gke-pool-intended",
    "gke-pool-asked",
    "gke-pool-operation",
    "gke-pool-made",
    "gke-filestore-intended",
    "gke-filestore-asked",
    "gke-filestore-operation",
    "gke-filestore-made",
    "gke-all-made",
    "gke-credentials-written",
    "gke-volume-made",
    "gke-redis-ready",
    "up-done",
    "gke-image-pushed",
    "down-announced",
    "gke-cluster-delete-asked",
    "gke-filestore-delete-asked",
    "gke-cluster-gone",
    "gke-filestore-gone",
    "gke-audited",
    "gke-directory-cleared",
];

/// Ends the process if this is the point that `LAB_KILL_AT` names.
#[cfg(debug_assertions)]
pub fn kill_point(name: &str) {
    debug_assert!(
        [KILL_POINTS, KIND_KILL_POINTS, GKE_KILL_POINTS].iter().any(|points| points.contains(&name)),
        "`{name}` is not in the list that the test walks"
    );
    if std::env::var_os("LAB_KILL_AT").is_some_and(|wanted| wanted == name) {
        let me = rustix::process::getpid();
        let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
    }
}

/// Nothing in a release build.
#[cfg(not(debug_assertions))]
pub fn kill_point(_name: &str) {}
