//! Before anything is created: what it will cost, and whether that is wanted.

use std::io::{BufRead as _, IsTerminal as _};

use super::Plan;
use super::error::GkeError;
use super::label::Tag;
use super::price::Bill;
use crate::console::{Console, Tone, say};
use crate::failure::Result;

/// Says what it costs an hour and a day, and asks, unless the answer was given on the command line.
pub(super) fn ask(plan: &Plan, bill: &Bill, tag: &Tag, console: &Console) -> Result<()> {
    let price = bill.words();
    let parts = bill.parts.iter().map(|(what, price)| format!("{what} ${price:.3}"));
    let told = format!(
        "{price}, while the lab stands: {} ({})\nin project `{}`, until {} (--ttl)",
        parts.collect::<Vec<_>>().join(", "),
        bill.note,
        plan.settings.project,
        tag.until
    );
    console.line(Tone::Note, "Cost", &told);
    if plan.yes {
        return Ok(());
    }
    // Whoever cannot read the question must not be taken to have answered it.
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(GkeError::NoTerminal { price }.into());
    }
    say(&format!("             Create it in project `{}`? Type yes to go on:", plan.settings.project));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    crate::interrupt::check()?;
    if read.is_ok() && is_yes(&answer) { Ok(()) } else { Err(GkeError::Declined.into()) }
}

fn is_yes(answer: &str) -> bool {
    ["yes", "y"].contains(&answer.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only yes is yes.
    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("yes\n") && is_yes(" Y "));
        assert!(!is_yes("") && !is_yes("no") && !is_yes("yes please"));
    }
}
