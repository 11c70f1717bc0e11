//! The workload: claims datasets from a Redis queue, trains a fraud model on each, leaves checkpoints and a report.
//!
//! It keeps the contract of the tutorial's worker on the wire and on disk, and survives what happens to a worker on
//! Spot nodes: whatever instant it is killed at, every dataset ends up reported exactly once, and the last checkpoint
//! has the bytes that it would have had undisturbed.

pub mod checkpoint;
pub mod config;
pub mod hold;
pub mod kill;
mod ledger;
mod lookout;
pub mod model;
pub mod note;
pub mod queue;
pub mod report;
pub mod share;
pub mod signals;
pub mod worker;
