//! The batch-ML lab commands.
fn main() {}
