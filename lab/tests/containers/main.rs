//! What the lab does with containers, on a real Docker engine; where there is none, each test says so.

mod engine;
mod export;
mod harness;
mod image;
