//! What the tests stand on: a real Redis, a share with simulated days, the worker as a process.

mod namespace;
mod original;
mod proxy;
mod redis;
mod stage;
mod worker;

pub use namespace::unshare;
pub use original::{Original, entry_of};
pub use proxy::Proxy;
pub use redis::Redis;
pub use stage::{Stage, days, files};
pub use worker::{Finished, Worker};

/// What a test needs, or the test is over with the reason printed.
macro_rules! or_skip {
    ($needed:expr) => {
        match $needed {
            Ok(needed) => needed,
            Err(reason) => return eprintln!("skipped: {reason}"),
        }
    };
}

pub(crate) use or_skip;
