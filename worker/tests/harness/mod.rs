//! What the tests stand on: a real Redis, a share with simulated days, the worker as a process.

mod redis;

pub use redis::Redis;
