//! What the program says besides its output: one line in cargo's manner, errors, and a bar where somebody watches.
//! All of it goes to standard error.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line that begins with a verb, right-aligned in twelve columns.
pub fn say(verb: &str, what: &str) {
    let verb = format!("{verb:>12}");
    // Nobody to tell is no reason to fail.
    let _ = writeln!(io::stderr(), "{} {what}", colored(&verb, "32"));
}

/// An error with its causes.
pub fn error(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "{}: {}", colored("error", "31"), with_causes(error));
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

/// Whether the reader of our standard output has gone.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let of_io = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
    error.chain().any(|cause| of_io(cause) == Some(io::ErrorKind::BrokenPipe))
}

/// The message and its causes on one line; what a message says on further lines, the remedy, comes last.
fn with_causes(error: &anyhow::Error) -> String {
    let mut first_lines = Vec::new();
    let mut further = String::new();
    for cause in error.chain() {
        let message = cause.to_string();
        let (first, rest) = message.split_once('\n').unwrap_or((&message, ""));
        first_lines.push(first.to_owned());
        if !rest.is_empty() {
            further.push_str(&format!("\n       {}", rest.replace('\n', "\n       ")));
        }
    }
    // Some messages already end with their cause.
    first_lines.dedup_by(|cause, message| message.contains(cause.as_str()));
    first_lines.join(": ") + &further
}

fn colored(text: &str, color: &str) -> String {
    let wanted = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted { format!("\x1b[1;{color}m{text}\x1b[0m") } else { text.to_owned() }
}
