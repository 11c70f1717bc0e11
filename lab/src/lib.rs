//! Everything that touches processes, containers, clusters and clouds: where the tutorial's environment stands, the
//! flow that is run on it, and the record of a run.

pub mod record;
