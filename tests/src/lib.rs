//! The judges of a run record, and what the end-to-end tests and benchmarks share.

pub mod redis_server;
