//! What a person or a machine sees: cargo-like lines, progress bars on a terminal only, JSON lines on request.
//!
//! Lines about what goes on are for standard error; what was asked for (a verdict, a status, a log, JSON) is for
//! standard output, so that it can be piped.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::{Failure, Result};

/// How much is said, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lines for a person.
    Human,
    /// Errors and results alone.
    Quiet,
    /// One JSON object a line.
    Json,
}

/// The place where everything is printed.
#[derive(Debug)]
pub struct Console {
    form: Form,
    colour: bool,
    terminal: bool,
    /// The bars on the screen: lines are printed above them.
    bars: MultiProgress,
    /// The bar that was made last: one that tells more takes the place of one that tells less.
    bar: Mutex<Option<ProgressBar>>,
}

/// What a verb means, by its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It went well.
    Good,
    /// Something that one should know.
    Note,
    /// It went wrong.
    Bad,
}

impl Console {
    /// A console for this process. Colour and bars go to a terminal alone; `NO_COLOR` turns colour off.
    pub fn new(form: Form) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let terminal = std::io::stderr().is_terminal() && std::env::var("TERM").is_ok_and(|term| term != "dumb");
        let colour = terminal && !set("NO_COLOR");
        let terminal = terminal && !set("CI") && form == Form::Human;
        Self { form, colour, terminal, bars: MultiProgress::new(), bar: Mutex::new(None) }
    }

    /// Bars show how far things are; where they cannot, long waits speak up from time to time.
    pub fn has_bars(&self) -> bool {
        self.terminal
    }

    /// The form that was asked for.
    pub fn form(&self) -> Form {
        self.form
    }

    /// `        Verb text`, on standard error, for a person.
    pub fn line(&self, tone: Tone, verb: &str, text: &str) {
        if self.form == Form::Human {
            self.bars.suspend(|| say(&self.paint(tone, verb, text, self.colour)));
        }
    }

    /// The same on standard output: a result.
    pub fn result(&self, tone: Tone, verb: &str, text: &str) {
        if self.form != Form::Json {
            self.raw(&(self.paint(tone, verb, text, self.colour && std::io::stdout().is_terminal()) + "\n"));
        }
    }

    /// Text on standard output, as it is.
    pub fn raw(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // A reader that has gone away (`| head`) is no fault of ours, and nobody is left to hear of it.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// One JSON object on a line of standard output, if JSON was asked for.
    pub fn json(&self, value: &impl Serialize) {
        if self.form == Form::Json
            && let Ok(line) = serde_json::to_string(value)
        {
            self.raw(&format!("{line}\n"));
        }
    }

    /// The last failure of several things that are done one after the other, those before it being told. An interruption
    /// ends it all.
    ///
    /// # Errors
    /// The interruption.
    pub fn last_failure(&self, before: Result<()>, now: Result<()>) -> Result<Result<()>> {
        match (before, now) {
            (_, Err(failure)) if failure.is_interruption() => Err(failure),
            (Err(before), Err(now)) => {
                self.failure(&before);
                Ok(Err(now))
            }
            (before, now) => Ok(before.and(now)),
        }
    }

    /// An error and its remedy, on standard error in every form.
    pub fn failure(&self, failure: &Failure) {
        let Failure { error, remedy, .. } = failure;
        let (red, plain) = if self.colour { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        say(&format!("{red}error{plain}: {error}"));
        if !remedy.is_empty() {
            say(&format!("remedy: {remedy}"));
        }
        self.json(&FailureLine::from(failure));
    }

    /// A bar over `total` bytes; invisible where there is no terminal.
    pub fn bytes(&self, verb: &str, total: u64) -> Bar {
        self.bar(verb, Some(total), "{prefix:>12} [{bar:24}] {bytes}/{total_bytes} {wide_msg}")
    }

    /// A bar over `total` things; invisible where there is no terminal.
    pub fn count(&self, verb: &str, total: u64) -> Bar {
        self.bar(verb, Some(total), "{prefix:>12} [{bar:24}] {pos}/{len} {wide_msg}")
    }

    /// A sign of life for what has no measure; invisible where there is no terminal.
    pub fn spinner(&self, verb: &str) -> Bar {
        self.bar(verb, None, "{prefix:>12} {spinner} {elapsed} {wide_msg}")
    }

    fn bar(&self, verb: &str, total: Option<u64>, template: &str) -> Bar {
        if !self.terminal {
            return Bar(ProgressBar::hidden());
        }
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let bar = self.bars.add(bar);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(verb.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        let before = self.bar.lock().unwrap_or_else(PoisonError::into_inner).replace(bar.clone());
        before.iter().for_each(ProgressBar::finish_and_clear);
        Bar(bar)
    }

    fn paint(&self, tone: Tone, verb: &str, text: &str, colour: bool) -> String {
        let code = match tone {
            Tone::Good => "1;32",
            Tone::Note => "1;36",
            Tone::Bad => "1;31",
        };
        // What follows the first line stands under it.
        let text = text.replace('\n', "\n             ");
        if colour { format!("\x1b[{code}m{verb:>12}\x1b[0m {text}") } else { format!("{verb:>12} {text}") }
    }
}

/// A line on standard error. Whoever read it may have gone (`2>&1 | head`): that ends no run.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A progress bar that vanishes when it is dropped: the step's own line takes its place.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// So much more is done.
    pub fn add(&self, amount: u64) {
        self.0.inc(amount);
    }

    /// So much is done in all.
    pub fn set(&self, position: u64) {
        self.0.set_position(position);
    }

    /// What it is about at the moment.
    pub fn say(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// An error as a JSON line.
#[derive(Debug, Serialize)]
struct FailureLine<'a> {
    event: &'static str,
    exit: u8,
    cause: &'a str,
    error: &'a str,
    remedy: &'a str,
}

impl<'a> From<&'a Failure> for FailureLine<'a> {
    fn from(failure: &'a Failure) -> Self {
        let Failure { exit, cause, error, remedy, .. } = failure;
        Self { event: "error", exit: exit.code(), cause, error, remedy }
    }
}

/// A size as people read it: `3.1 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `1 file`, `2 files`, `3 entries`, `4 processes`.
pub fn plural(count: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if count == 1 => format!("{count} {noun}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {stem}ies"),
        _ if noun.ends_with('s') => format!("{count} {noun}es"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes carry their unit, and whole bytes no fraction.
    #[test]
    fn sizes_read_well() {
        let read: Vec<_> = [0, 1023, 1024, 3_250_586, 1 << 40].into_iter().map(size).collect();
        assert_eq!(read, ["0 B", "1023 B", "1.0 KiB", "3.1 MiB", "1.0 TiB"]);
    }

    /// Words that end in y and s have plurals of their own.
    #[test]
    fn plurals_read_well() {
        let read: Vec<_> =
            ["file", "entry", "training day", "process"].into_iter().map(|noun| plural(2, noun)).collect();
        assert_eq!(read, ["2 files", "2 entries", "2 training days", "2 processes"]);
        assert_eq!(plural(1, "entry"), "1 entry");
    }

    /// A verb takes twelve columns, and more lines of text stand under the first.
    #[test]
    fn a_line_is_cargo_like() {
        let console = Console::new(Form::Human);
        assert_eq!(console.paint(Tone::Good, "Redis", "a\nb", false), "       Redis a\n             b");
        assert_eq!(console.paint(Tone::Bad, "Redis", "a", true), "\x1b[1;31m       Redis\x1b[0m a");
    }
}
