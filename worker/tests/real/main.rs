//! The worker on a real Redis and a real share.

#[path = "../harness/mod.rs"]
mod harness;

mod bad_input;
mod flow;
mod kill;
mod original;
mod outage;
mod program;
mod queue;
mod share_full;
mod signals;
mod together;
mod unreadable;
