//! The program `lab` as a person uses it: started from outside, in directories of its own, on a real Redis.

mod disk;
mod down;
mod fetch;
mod flow;
mod gc;
mod gcloud;
mod github;
mod harness;
mod interrupt;
mod kill;
mod look;
mod refusals;
mod said;
mod speech;
mod timing;
mod together;
