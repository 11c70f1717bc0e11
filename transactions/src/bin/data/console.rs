//! What the program says besides its output: one line in cargo's manner, errors, and a bar where somebody watches.
//! All of it goes to standard error.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::remedy;

/// A line that begins with a verb, right-aligned in twelve columns.
pub fn say(verb: &str, what: &str) {
    let verb = format!("{verb:>12}");
    // Nobody to tell is no reason to fail.
    let _ = writeln!(io::stderr(), "{} {what}", colored(&verb, "32"));
}

/// An error, and on the next line its remedy. The library's messages say their causes themselves.
pub fn error(error: &anyhow::Error) {
    let message = error.to_string().replace('\n', "\n       ");
    let mut err = io::stderr();
    let _ = writeln!(err, "{}: {message}", colored("error", "31"));
    if let Some(remedy) = remedy::of(error) {
        let _ = writeln!(err, "remedy: {remedy}");
    }
}

/// A bar of `steps`, which shows only on a terminal and not when `quiet`.
pub fn bar(verb: &str, steps: u64, quiet: bool) -> ProgressBar {
    // Indicatif draws nothing where standard error is no terminal.
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let verb = colored(&format!("{verb:>12}"), "36");
    let style = ProgressStyle::with_template("{prefix} [{bar:27}] {pos}/{len}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::with_draw_target(Some(steps), target).with_style(style).with_prefix(verb)
}

/// Prints what was asked for.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| {
        let message = format!("failed to write to standard output: {error}");
        anyhow::Error::new(error).context(message)
    })
}

/// Whether the reader of our standard output has gone.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let of_io = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
    error.chain().any(|cause| of_io(cause) == Some(io::ErrorKind::BrokenPipe))
}

fn colored(text: &str, color: &str) -> String {
    let wanted = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted { format!("\x1b[1;{color}m{text}\x1b[0m") } else { text.to_owned() }
}
