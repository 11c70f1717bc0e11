//! The judges of a run record, and what the end-to-end tests and benchmarks share.
//!
//! A judge is a pure function of a record: it starts nothing, asks nobody, and says the same tomorrow on another machine.
//! The program `judge` hears them all and writes `verdict.json`; the tests of this package prove that each can say no.

pub mod causes;
pub mod console;
pub mod datasets;
pub mod evidence;
pub mod filters;
pub mod golden;
pub mod judges;
pub mod redis_server;
pub mod thresholds;
