//! Places at which a test can have the worker killed as a node that vanishes kills it: without warning; or frozen, or
//! kept from going on.
//!
//! They are there in builds with debug assertions only; a release build has none.

/// Every kill point, in the order in which a dataset passes them.
pub const KILL_POINTS: &[&str] = &[
    // The claim is made, and nothing else.
    "claimed",
    // The dataset and its parent are read.
    "read",
    // There is a model, in memory.
    "trained",
    // The draft of the checkpoint is there, empty.
    "checkpoint-begun",
    // It is written.
    "checkpoint-drafted",
    // The claim was looked at, and is ours.
    "checkpoint-verified",
    // The file has been renamed, its directory not fsynced. A dataset passes this twice: here, and with its report.
    "renamed",
    // The checkpoint is there, the report does not know it.
    "checkpoint-published",
    // The lock on the report is taken.
    "report-locked",
    // The draft of the report is written.
    "report-drafted",
    // Claim and lock were looked at, and are ours.
    "report-verified",
    // The report is there, its lock is still taken.
    "report-published",
    // Everything is there, but the claim has not ended.
    "report-unlocked",
    // The claim has ended.
    "completed",
];

/// Does what a test wants done here: `WORKER_KILL_AT` kills this process (SIGKILL), `WORKER_FREEZE_AT` freezes it
/// (SIGSTOP), `WORKER_HANG_AT` keeps this thread here for good. Each is `NAME`, or `NAME:N` for its Nth pass.
#[cfg(debug_assertions)]
pub fn kill_point(name: &'static str) {
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    static PASSES: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];
    for (variable, passes) in ["WORKER_KILL_AT", "WORKER_FREEZE_AT", "WORKER_HANG_AT"].into_iter().zip(&PASSES) {
        let Ok(wanted) = std::env::var(variable) else { continue };
        let (point, pass) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        if point != name || (passes.fetch_add(1, Ordering::Relaxed) + 1).to_string() != pass {
            continue;
        }
        crate::note!("{variable} {wanted}");
        match variable {
            "WORKER_KILL_AT" => drop(kill_process(getpid(), Signal::KILL)),
            "WORKER_FREEZE_AT" => drop(kill_process(getpid(), Signal::STOP)),
            _ => loop {
                std::thread::park();
            },
        }
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn kill_point(_: &'static str) {}
