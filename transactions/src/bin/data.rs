//! data
fn main() {}
