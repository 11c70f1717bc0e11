//! What is expected: `golden/`, compiled in, so that the judge is one file that runs anywhere.

use std::path::PathBuf;

/// The log of the tutorial's four days, filtered.
pub fn log() -> &'static str {
    body(include_str!("../../golden/log.snap"))
}

/// The thresholds with their reasons.
pub const THRESHOLDS: &str = include_str!("../../golden/thresholds.toml");

/// The folder itself, for the tests that read its records.
pub fn dir() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../golden"))
}

/// A snapshot without the header that insta writes above it.
fn body(snapshot: &'static str) -> &'static str {
    snapshot.split_once("\n---\n").map_or(snapshot, |(_, body)| body)
}
