//! Places at which a test can have the worker killed, as a node that vanishes kills it: without warning.
//!
//! They are there in builds with debug assertions only; a release build has none.

/// Every kill point, in the order in which a dataset passes them.
pub const KILL_POINTS: &[&str] = &[
    "claimed",           // The claim is made, and nothing else.
    "read",              // The dataset is read, the parent found.
    "trained",           // There is a model, in memory.
    "checkpoint-begun",  // The draft of the checkpoint is there, empty.
    "checkpoint-drafted", // The draft is written.
    "renamed",           // A file has been renamed, the directory not fsynced: the checkpoint, then the report.
    "checkpoint-published", // The checkpoint is there, the report does not know it.
    "report-locked",     // The lock on the report is taken.
    "report-drafted",    // The draft of the report is written.
    "report-published",  // The report is there, its lock is still taken.
    "report-unlocked",   // Everything is there, but the claim is not ended.
    "completed",         // The claim is ended.
];

/// Kills this process if `WORKER_KILL_AT` names this point: `NAME` at its first pass, `NAME:N` at its Nth.
#[cfg(debug_assertions)]
pub fn kill_point(name: &'static str) {
    use std::sync::atomic::{AtomicU32, Ordering};

    static PASSES: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("WORKER_KILL_AT") else { return };
    let (point, pass) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if point == name && PASSES.fetch_add(1, Ordering::Relaxed) + 1 == pass.parse().unwrap_or(1) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn kill_point(_: &'static str) {}
