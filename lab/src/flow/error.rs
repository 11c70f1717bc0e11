//! Why a step of the flow failed, each cause by a stable name.

use std::fmt;
use std::path::PathBuf;

use redis::ErrorKind;

use crate::failure::{Exit, Explain, Place};
use crate::redis_server;
use crate::target::local::Unread;

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
    /// A file that was to be copied cannot be read where it is.
    #[error("failed to copy the datasets: `{}` cannot be read: {why}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
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
    #[error("failed to {what}: {}", redis_server::words(source, address))]
    Queue {
        /// Completes "failed to ".
        what: &'static str,
        /// Where Redis is.
        address: String,
        /// What Redis said.
        source: redis::RedisError,
    },
    /// Redis is there, and what it holds is not the queue any more.
    #[error(
        "failed to {what}: Redis answers on {address}, and `datasets`, `datasets:processing` and `datasets:failed` are not there as the lists and the hash that they were: {source}"
    )]
    QueueDamaged {
        /// Completes "failed to ".
        what: &'static str,
        /// Where Redis is.
        address: String,
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
    /// The worker was to be taken away in the middle of a dataset, and took none.
    #[error("failed to take the worker away: it ended before it had claimed anything; {ended}")]
    PreemptIdle {
        /// How its last container ended, in words.
        ended: String,
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

impl FlowError {
    /// Why a copy to the share failed, by the end of it that did.
    pub fn of_copy(path: &str, source: std::io::Error) -> Self {
        match source.get_ref().and_then(|inner| inner.downcast_ref::<Unread>()) {
            Some(Unread { path, error }) => Self::Unread { path: path.clone(), why: error.to_string() },
            None => Self::Copy { path: path.into(), source },
        }
    }

    /// What an error of Redis means for the queue: an answer that no queue gives is told from no answer.
    pub fn of_queue(what: &'static str, address: &str, source: redis::RedisError) -> Self {
        let address = address.to_owned();
        if is_damage(&source) {
            Self::QueueDamaged { what, address, source }
        } else {
            Self::Queue { what, address, source }
        }
    }
}

/// Whether Redis refused for what somebody has made of its keys or of its users. In a pipeline the crate tells these
/// codes apart by their text alone.
fn is_damage(error: &redis::RedisError) -> bool {
    let text = error.to_string();
    let said = ["WRONGTYPE", "NOAUTH", "NOPERM"].iter().any(|code| text.contains(code));
    // What cannot be parsed may be an answer that broke off: that is a Redis that is gone.
    said || matches!(error.kind(), ErrorKind::UnexpectedReturnType | ErrorKind::AuthenticationFailed)
}

impl Explain for FlowError {
    fn exit(&self) -> Exit {
        Exit::Flow
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Copy { .. } => "copy-failed",
            Self::Unread { .. } => "datasets-unreadable",
            Self::CopyDamaged { .. } => "copy-damaged",
            Self::Share { .. } => "share-unusable",
            Self::Queue { .. } => "redis-gone",
            Self::QueueDamaged { .. } => "queue-damaged",
            Self::NotStarted { .. } => "worker-not-started",
            Self::JobFailed { .. } => "job-failed",
            Self::JobTimeout { .. } => TIMEOUT,
            Self::Livelock { .. } => "queue-livelock",
            Self::PreemptMissed { .. } | Self::PreemptIdle { .. } => "preempt-missed",
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
            Self::Unread { path, .. } => {
                return format!(
                    "make it readable to whoever runs the lab, `chmod u+r '{}'`, or its owner so",
                    path.display()
                );
            }
            Self::CopyDamaged { .. } => "look who else writes there, and at the disk",
            Self::Queue { .. } => "read Redis's log: `cargo xtask lab logs --redis`",
            Self::QueueDamaged { .. } => {
                "the worker may have changed them: it must keep `datasets` and `datasets:processing` lists and \
                 `datasets:failed` a hash, and set no password; the next run fills the queue anew"
            }
            Self::NotStarted { .. } => "try the worker's command line by hand",
            Self::JobFailed { .. } => "read what the worker printed: `cargo xtask lab logs --stderr`",
            Self::JobTimeout { .. } => "see what it waits for, or allow it more with --job-timeout-s",
            Self::Livelock { .. } => {
                "give the worker a reaper: whoever looks for work must move items whose lease has expired from \
                 `datasets:processing` back to `datasets`, as the project's own worker does"
            }
            Self::PreemptMissed { .. } => "give it more to do (--days), or run it again",
            Self::PreemptIdle { .. } => {
                "only a worker that takes datasets can be taken away from one: see what it printed, \
                 `cargo xtask lab logs --stderr`, or leave --preempt away"
            }
            Self::OutOfOrder(_) => "this is a fault of the lab: report it with the record",
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wait that was over is told as one, with where it waited; what else the system said is passed on.
    #[test]
    fn silence_is_told_as_silence() {
        let said = |kind: std::io::ErrorKind| {
            FlowError::of_queue("look at the queue", "127.0.0.1:7", std::io::Error::from(kind).into())
        };
        let silence = said(std::io::ErrorKind::WouldBlock);
        let expected = "failed to look at the queue: Redis on 127.0.0.1:7 did not answer within 5 s";
        assert_eq!((silence.to_string().as_str(), silence.cause_name()), (expected, "redis-gone"));
        let gone = said(std::io::ErrorKind::BrokenPipe);
        assert_eq!(
            (gone.to_string().as_str(), gone.cause_name()),
            ("failed to look at the queue: broken pipe", "redis-gone")
        );
    }
}
