//! Why a step of the flow failed, each cause by a stable name.

use std::fmt;

use crate::failure::{Exit, Explain, Place};

/// The name of a Job that did not end in its time.
pub(super) const TIMEOUT: &str = "job-timeout";

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// A file could not be copied to the share.
    #[error("failed to copy `{path}` to the share: {source}")]
    Copy {
        /// Relative to the share.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What lies on the share is not what was copied.
    #[error("failed to copy `{path}` to the share: it was read with digest {read} and lies there with {found}")]
    CopyDamaged {
        /// Relative to the share.
        path: String,
        /// The digest of the source.
        read: String,
        /// The digest of the copy.
        found: String,
    },
    /// The share could not be looked at.
    #[error("failed to look at `{path}` on the share: {source}")]
    Share {
        /// Relative to the share.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Redis refused, or is gone.
    #[error("failed to {what}: {source}")]
    Queue {
        /// Completes "failed to ".
        what: &'static str,
        /// What Redis said.
        source: redis::RedisError,
    },
    /// The worker's program does not start.
    #[error("failed to start the worker: {why}; its standard error ends with: {stderr}")]
    NotStarted {
        /// What was seen.
        why: String,
        /// The last lines of its standard error.
        stderr: Tail,
    },
    /// The Job failed.
    #[error(
        "failed to finish Job `{job}`: it failed with reason {reason} after {runs}; {last}; its standard error ends with: {stderr}"
    )]
    JobFailed {
        /// The Job.
        job: String,
        /// The condition's reason.
        reason: String,
        /// How often a container ran, in words.
        runs: String,
        /// How the last container ended, in words.
        last: String,
        /// The last lines of its standard error.
        stderr: Tail,
    },
    /// The Job does not end.
    #[error("failed to finish Job `{job}` within {limit_s} s; last seen: {last_seen}")]
    JobTimeout {
        /// The Job.
        job: String,
        /// How long it had.
        limit_s: f64,
        /// Queue and pods.
        last_seen: String,
    },
    /// An item is claimed by nobody who lives, and nobody gives it back.
    #[error(
        "failed to finish the queue: `{item}` has been in `datasets:processing` for {idle_s} s without a lease, and no worker gives it back; {claimer}; last seen: {last_seen}"
    )]
    Livelock {
        /// The item.
        item: String,
        /// For how long.
        idle_s: u64,
        /// Who claimed it and what became of that one, in words.
        claimer: String,
        /// Queue and pods.
        last_seen: String,
    },
    /// The worker was to be taken away in the middle of a dataset, and was too fast.
    #[error(
        "failed to take the worker away: it was through with {done} before it could be caught in the middle of one"
    )]
    PreemptMissed {
        /// How many datasets, in words.
        done: String,
    },
    /// A step was gone through before the one that it needs.
    #[error("failed to take the steps in their order: this one needs {0}")]
    OutOfOrder(&'static str),
}

/// The end of what a container wrote on standard error.
#[derive(Debug, Default)]
pub struct Tail {
    /// The file, relative to the record.
    pub file: String,
    /// Its last lines.
    pub lines: Vec<String>,
}

impl fmt::Display for Tail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() {
            formatter.write_str("nothing")
        } else {
            formatter.write_str(&self.lines.join(" | "))
        }
    }
}

impl Explain for FlowError {
    fn exit(&self) -> Exit {
        Exit::Flow
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Copy { .. } => "copy-failed",
            Self::CopyDamaged { .. } => "copy-damaged",
            Self::Share { .. } => "share-unusable",
            Self::Queue { .. } => "redis-gone",
            Self::NotStarted { .. } => "worker-not-started",
            Self::JobFailed { .. } => "job-failed",
            Self::JobTimeout { .. } => TIMEOUT,
            Self::Livelock { .. } => "queue-livelock",
            Self::PreemptMissed { .. } => "preempt-missed",
            Self::OutOfOrder(_) => "lab-fault",
        }
    }

    fn evidence(&self) -> Option<Place> {
        match self {
            Self::NotStarted { stderr, .. } | Self::JobFailed { stderr, .. } if !stderr.lines.is_empty() => {
                Some(Place { file: stderr.file.clone(), holds: stderr.lines.last().cloned().unwrap_or_default() })
            }
            Self::Livelock { item, .. } => Some(Place { file: "queue/after.json".into(), holds: item.clone() }),
            _ => None,
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Copy { .. } | Self::Share { .. } => {
                "make the share writable and give it room: `cargo xtask lab doctor`"
            }
            Self::CopyDamaged { .. } => "look who else writes there, and at the disk",
            Self::Queue { .. } => "read Redis's log: `cargo xtask lab logs --redis`",
            Self::NotStarted { .. } => "try the worker's command line by hand",
            Self::JobFailed { .. } => "read what the worker printed: `cargo xtask lab logs --stderr`",
            Self::JobTimeout { .. } => "see what it waits for, or allow it more with --job-timeout-s",
            Self::Livelock { .. } => {
                "give the worker a reaper: whoever looks for work must move items whose lease has expired from \
                 `datasets:processing` back to `datasets`, as the project's own worker does"
            }
            Self::PreemptMissed { .. } => "give it more to do (--days), or run it again",
            Self::OutOfOrder(_) => "this is a fault of the lab: report it with the record",
        }
        .into()
    }
}
