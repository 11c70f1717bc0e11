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

/// Ends the process if this is the point that `LAB_KILL_AT` names.
#[cfg(debug_assertions)]
pub fn kill_point(name: &str) {
    debug_assert!(
        KILL_POINTS.contains(&name) || KIND_KILL_POINTS.contains(&name),
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
