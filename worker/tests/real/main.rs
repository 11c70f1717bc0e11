//! The worker on a real Redis and a real share.

#[path = "../harness/mod.rs"]
mod harness;

mod flow;
mod kill;
mod original;
mod outage;
mod queue;
mod signals;
mod together;
