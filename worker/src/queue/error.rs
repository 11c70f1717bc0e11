//! What goes wrong between the worker and Redis, and what helps.

use super::Trouble;

/// What goes wrong between the worker and Redis.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Redis did not serve for as long as the worker is patient.
    #[error(
        "failed to {task}: Redis at `{address}` {trouble}, and did so for {waited_s} s\n\
         see that it runs and that REDIS_SERVICE_HOST and REDIS_SERVICE_PORT name it; a longer wait is WORKER_REDIS_RETRY_S"
    )]
    Unreachable {
        /// What was to be done.
        task: &'static str,
        /// `host:port`.
        address: String,
        /// How long it was tried.
        waited_s: u64,
        /// What was seen last.
        trouble: Trouble,
        /// The error seen last.
        source: redis::RedisError,
    },
    /// Redis said no, and would say it again.
    #[error(
        "failed to {task}: Redis at `{address}` refused: {source}\n{}, then start the worker again",
        remedy(source)
    )]
    Refused {
        /// What was to be done.
        task: &'static str,
        /// `host:port`.
        address: String,
        /// What it said.
        source: redis::RedisError,
    },
}

fn remedy(refusal: &redis::RedisError) -> &'static str {
    match refusal.code() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => {
            "the tutorial's Redis asks for no password, and neither original nor worker has one: see that it needs none"
        }
        _ => "see that its keys `datasets…` are the queue's own and that it is a Redis from 6.2 on",
    }
}
