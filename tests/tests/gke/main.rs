//! Target `gke` without a cloud: the program `lab` and the real `gcloud`, which talks to a double of Google's APIs.
//!
//! Whoever has no gcloud has these tests skipped, with the reason printed. Those with a cluster behind the double run
//! with `cargo xtask test --cluster`.

mod asked;
mod double;
mod faults;
mod flow;
mod foreign;
mod kill;
mod late;
mod overlap;
mod place;
#[path = "../support/program.rs"]
mod program;
mod reference;
mod said;
