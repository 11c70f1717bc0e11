//! What the worker says: the tutorial's log on standard output, diagnostics on standard error.
//!
//! A log that nobody reads any more must not stop the work, so a failure to write one is no failure.

use std::fmt::Arguments;

/// Prints one line of the tutorial's log on standard output, at once.
#[macro_export]
macro_rules! log_line {
    ($($text:tt)*) => { $crate::note::line(std::io::stdout(), format_args!($($text)*)) };
}

/// Prints one line of diagnostics on standard error.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => { $crate::note::line(std::io::stderr(), format_args!("worker: {}", format_args!($($text)*))) };
}

/// Writes one line in one piece, so that lines of two threads never mix.
pub fn line(mut stream: impl std::io::Write, text: Arguments) {
    let _ = stream.write_all(format!("{text}\n").as_bytes());
    let _ = stream.flush();
}
