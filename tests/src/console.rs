//! A verdict as people read it: cargo-like, the cause, the evidence with its line, and what to do.

use std::fmt::Write as _;
use std::path::Path;

use lab::record::{Finding, Verdict};

/// The verb's column, as cargo has it.
const VERB_COLUMNS: usize = 12;

/// The verdict in full.
///
/// Escape sequences are for a terminal; a file or a pipe gets none.
pub fn render(verdict: &Verdict, record: &Path, colours: bool) -> String {
    let mut text: String = verdict.findings.iter().map(|finding| render_finding(finding, record, colours)).collect();
    for note in &verdict.notes {
        let _ = writeln!(text, "note: {}: {}\n", note.judge, indent(&note.message, 6));
    }
    text.push_str(&summary(verdict, colours));
    text
}

/// The verdict's last line.
pub fn summary(verdict: &Verdict, colours: bool) -> String {
    let verb = format!("{:>VERB_COLUMNS$}", "Verdict");
    let count = |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    let judges = count(verdict.judges.len(), "judge", "judges");
    match verdict.findings.first() {
        None => format!("{} green: {judges} heard, no finding\n", paint(&verb, GREEN, colours)),
        Some(first) => {
            let findings = count(verdict.findings.len(), "finding", "findings");
            format!("{} red: {}; {findings}, {judges} heard\n", paint(&verb, RED, colours), first.cause)
        }
    }
}

fn render_finding(finding: &Finding, record: &Path, colours: bool) -> String {
    let mut text = String::new();
    let place = record.join(&finding.file).display().to_string();
    let line = finding.line.map_or(String::new(), |line| format!(":{line}"));
    let cause = paint(&format!("error[{}]", finding.cause), RED, colours);
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{cause}: {}", indent(&finding.message, 7));
    let _ = writeln!(text, "  --> {place}{line}");
    let _ = writeln!(text, "   = judge: {}", finding.judge);
    let _ = writeln!(text, "   = remedy: {}\n", indent(&finding.remedy, 14));
    text
}

const GREEN: &str = "\x1b[1;32m";
const RED: &str = "\x1b[1;31m";

fn paint(text: &str, colour: &str, colours: bool) -> String {
    if colours { format!("{colour}{text}\x1b[0m") } else { text.to_owned() }
}

/// Lines after the first one stand below it.
fn indent(text: &str, columns: usize) -> String {
    text.trim_end().replace('\n', &format!("\n{:columns$}", ""))
}
