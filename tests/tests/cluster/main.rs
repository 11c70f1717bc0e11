//! What only a real cluster can show: the whole flow on target `kind`, its terminal states with the words of whoever
//! noticed them, and a lab that is killed or interrupted at any step.
//!
//! A cluster takes half a minute, so `cargo xtask test --cluster` alone runs these; without it each says that it was
//! skipped. Scenarios that leave a lab as they found it share one.

mod flow;
mod harness;
mod interrupt;
mod kill;
#[path = "../support/program.rs"]
mod program;
mod said;
mod trouble;
