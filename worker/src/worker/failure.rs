//! How work can end before its end: for one dataset, or for the session, with an exit code for each.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::ConfigError;
use crate::ledger::LedgerError;
use crate::queue::QueueError;
use crate::share::ShareError;

/// Why a session ended before the queue was empty.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The environment makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Redis stays away, or refuses.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Redis does not know any more what was claimed.
    #[error(
        "failed to go on with `{item}`: it was claimed, and now it is nowhere in the queue, nor in the report: Redis has lost its data\n\
         fill the queue again with every dataset that `output/report.txt` does not name, on a Redis that keeps its data (appendonly yes)"
    )]
    QueueLost {
        /// The item, as it is shown.
        item: String,
    },
    /// Redis does not know any more what waited.
    #[error(
        "failed to finish: `{item}` was in the queue when this session began, and now it is nowhere in it, nor in the report: Redis has lost its data\n\
         fill the queue again with every dataset that `output/report.txt` does not name, on a Redis that keeps its data (appendonly yes)"
    )]
    QueueCutShort {
        /// The item, as it is shown.
        item: String,
    },
    /// The share cannot be used.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// There is no test set, so nothing can be judged.
    #[error(
        "failed to read the test set `{path}`: {reason}\n\
         nothing can be judged without it: put it there and start the worker again; nothing was taken from the queue"
    )]
    TestSet {
        /// Where it should be, on the share.
        path: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The report on the share is none.
    #[error("{0}\nmend `output/report.txt` or move it away, then start the worker again")]
    Report(crate::report::ReportError),
    /// Others kept the report locked.
    #[error("failed to lock the report: others held the lock for {waited_s} s\nstart the worker again")]
    ReportLocked {
        /// How long that was.
        waited_s: u64,
    },
    /// The system gives no thread or no signal handler.
    #[error(
        "failed to start: {0}\nsee that the container may have threads (its limit on pids), then start the worker again"
    )]
    System(#[from] std::io::Error),
}

impl Failure {
    /// The exit code that says so.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::System(_) => 1,
            Self::Config(_) => 2,
            Self::Queue(_) | Self::QueueLost { .. } | Self::QueueCutShort { .. } => 4,
            Self::Share(_) | Self::TestSet { .. } | Self::Report(_) | Self::ReportLocked { .. } => 5,
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Share(error) => Self::Share(error),
            LedgerError::Report(error) => Self::Report(error),
        }
    }
}

/// Why the work on one dataset ended before its end.
#[derive(Debug)]
pub enum Stop {
    /// It cannot be worked on, for this reason.
    Unfit(String),
    /// The claim is somebody else's by now.
    Lost,
    /// The share does not give it.
    Unreadable(ShareError),
    /// The session cannot go on.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs what no dataset should be able to make panic. If one does, it is set aside and the others go on.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Stop> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Stop::Unfit(format!("the worker panicked over it: {text}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_sets_the_dataset_aside_with_its_message() {
        let none = std::hint::black_box(None::<u8>);
        for (stop, message) in
            [(guarded(|| panic!("row {}", 7)), "row 7"), (guarded(|| none.expect("a value")).map(drop), "a value")]
        {
            let Err(Stop::Unfit(reason)) = stop else { panic!("a panic must be a reason to set aside") };
            assert_eq!(reason, format!("the worker panicked over it: {message}"));
        }
        assert!(guarded(|| 7).is_ok_and(|seven| seven == 7));
    }
}
