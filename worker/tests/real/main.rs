//! The worker on a real Redis and a real share.

#[path = "../harness/mod.rs"]
mod harness;

mod flow;
mod kill;
mod outage;
mod queue;
mod signals;
