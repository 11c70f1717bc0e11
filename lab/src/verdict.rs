//! The end of an `e2e` in words: a block that can be pasted into a bug report.

use serde::Serialize;

use crate::console::{Console, Tone, plural};
use crate::evidence::Evidence;
use crate::failure::{Exit, Failure, Place, name_flag};
use crate::flow::FailedStep;
use crate::record::{Finding, Note, Verdict};

/// More findings than these are counted, not shown: the first ones tell what is wrong.
const FINDINGS_SHOWN: usize = 8;
/// The same beside a failed step, whose consequences most of them are.
const FINDINGS_SHOWN_BESIDE: usize = 2;

/// How an `e2e` ended.
#[derive(Debug)]
pub struct Ending<'a> {
    /// The run.
    pub evidence: &'a Evidence,
    /// The step that failed, if one did.
    pub failed: Option<&'a FailedStep>,
    /// What the judges said, or why they said nothing.
    pub verdict: Result<&'a Verdict, &'a Failure>,
    /// The lab is still there; the name by which to look and to clean up.
    pub kept: Option<&'a str>,
    /// It stands, as far as this run knows.
    pub stands: bool,
    /// What it costs to leave it there, where that costs money.
    pub keeping_costs: Option<&'a str>,
    /// The lab was to be taken down and was not.
    pub teardown: Option<&'a Failure>,
}

/// The ending as a JSON line, the last one.
#[derive(Debug, Serialize)]
struct VerdictLine<'a> {
    event: &'static str,
    verdict: &'static str,
    exit: u8,
    cause: Option<&'a str>,
    record: String,
    findings: &'a [Finding],
    notes: &'a [Note],
    kept: Option<&'a str>,
}

impl Ending<'_> {
    /// The exit code: what came first decides.
    pub fn exit(&self) -> Exit {
        if let Some(failed) = self.failed {
            return failed.failure.exit;
        }
        match (self.verdict, self.teardown) {
            (Err(failure), _) => failure.exit,
            (Ok(verdict), _) if !verdict.green => Exit::Verdict,
            (Ok(_), Some(failure)) => failure.exit,
            (Ok(_), None) => Exit::Green,
        }
    }

    /// The cause by its name; none if all is well.
    pub fn cause(&self) -> Option<&str> {
        if let Some(failed) = self.failed {
            return Some(&failed.failure.cause);
        }
        let verdict = match self.verdict {
            Ok(verdict) => verdict.findings.first().map(|finding| finding.cause.as_str()),
            Err(failure) => Some(failure.cause.as_str()),
        };
        verdict.or(self.teardown.map(|failure| failure.cause.as_str()))
    }

    /// What the judges object to, beside the failed step itself.
    pub fn findings(&self) -> &[Finding] {
        self.verdict.map_or(&[], |verdict| &verdict.findings)
    }

    /// What the judges did not ask of this run, and why. A step that failed is all there is to say of a run that it ended.
    pub fn notes(&self) -> &[Note] {
        self.verdict.ok().filter(|_| self.failed.is_none()).map_or(&[], |verdict| &verdict.notes)
    }

    /// Prints it.
    pub fn print(&self, console: &Console) {
        let good = self.exit() == Exit::Green;
        let tone = if good { Tone::Good } else { Tone::Bad };
        console.result(tone, "Verdict", &self.headline());
        for (failure, (file, line)) in self.failures() {
            print_failure(console, failure, &self.place(&file, line));
        }
        self.print_findings(console);
        for note in self.notes() {
            console.result(Tone::Note, "Not judged", &format!("{}: {}", note.judge, note.message));
        }
        console.result(Tone::Note, "Record", &self.place("", None));
        console.result(Tone::Note, "Versions", &self.evidence.versions());
        let notes = &self.evidence.summary().notes;
        if !notes.is_empty() {
            console.result(Tone::Note, "Where", &notes.join("; "));
        }
        if !good {
            console.result(Tone::Note, "Command", &command_line(&self.evidence.summary().asked));
        }
        if let Some(name) = self.kept {
            let name = name_flag(name);
            let what = if self.stands { "the lab is still up" } else { "what there is of the lab" };
            let look = format!("look: cargo xtask lab status{name}; cargo xtask lab logs{name}");
            console.result(Tone::Note, "Kept", &format!("{what}; {look}"));
            if let Some(costs) = self.keeping_costs {
                console.result(Tone::Bad, "Cost", &format!("{costs}, until it is taken down"));
            }
            console.result(Tone::Note, "Clean", &format!("cargo xtask lab down{name}"));
        }
        console.json(&VerdictLine {
            event: "verdict",
            verdict: self.word(),
            exit: self.exit().code(),
            cause: self.cause(),
            record: self.place("", None),
            findings: self.findings(),
            notes: self.notes(),
            kept: self.kept,
        });
    }

    fn print_findings(&self, console: &Console) {
        let findings = self.further_findings();
        let shown = if self.failed.is_some() { FINDINGS_SHOWN_BESIDE } else { FINDINGS_SHOWN };
        for finding in findings.iter().take(shown) {
            console.result(Tone::Bad, "Finding", &format!("{}: {}", finding.cause, finding.message));
            console.result(Tone::Note, "Evidence", &self.place(&finding.file, finding.line));
            console.result(Tone::Note, "Remedy", &finding.remedy);
        }
        let hidden = findings.len().saturating_sub(shown);
        if hidden > 0 {
            let more = format!("and {} more in {}", hidden, self.place("verdict.json", None));
            console.result(Tone::Bad, "Finding", &more);
        }
    }

    /// What the lab itself failed at, and where the record shows it best: file and line.
    pub fn failures(&self) -> Vec<(&Failure, (String, Option<u32>))> {
        let of_the_run = self.failed.map(|failed| (&failed.failure, self.spot(&failed.failure)));
        let others = self.verdict.err().into_iter().chain(self.teardown);
        of_the_run.into_iter().chain(others.map(|failure| (failure, (String::new(), None)))).collect()
    }

    /// The findings that tell more than the failures do.
    pub fn further_findings(&self) -> Vec<&Finding> {
        let mut findings: Vec<_> = self.findings().iter().filter(|finding| !self.says_the_same(finding)).collect();
        // Six restarts that failed alike are one thing to read.
        findings.dedup();
        findings
    }

    /// `green: 9 judges, no objection`, `red: queue-livelock in step watch`.
    pub fn headline(&self) -> String {
        let step = self.failed.map_or_else(String::new, |failed| format!(" in step {}", failed.step));
        match (self.cause(), self.verdict) {
            (Some(cause), _) => format!("{}: {cause}{step}", self.word()),
            (None, Ok(verdict)) => {
                format!("{}: {} heard, no objection", self.word(), plural(verdict.judges.len(), "judge"))
            }
            (None, Err(_)) => self.word().into(),
        }
    }

    fn word(&self) -> &'static str {
        match self.exit() {
            Exit::Green => "green",
            Exit::Signal(_) => "interrupted",
            _ => "red",
        }
    }

    /// A file of the record, with its line, as an editor opens it.
    pub fn place(&self, file: &str, line: Option<u32>) -> String {
        let path = self.evidence.record().dir().join(file);
        // Relative to where one is, if that is shorter to read.
        let here = std::env::current_dir().ok();
        let path = here.and_then(|here| path.strip_prefix(here).ok().map(std::path::Path::to_owned)).unwrap_or(path);
        let path = path.display().to_string();
        let path = path.trim_end_matches('/');
        line.map_or_else(|| path.into(), |line| format!("{path}:{line}"))
    }

    /// Where the record shows a failure best; the failed step itself where no other place does.
    fn spot(&self, failure: &Failure) -> (String, Option<u32>) {
        let Some(Place { file, holds }) = failure.evidence.as_deref() else {
            return ("steps.jsonl".into(), self.step_line());
        };
        let text = self.evidence.record().text(file).unwrap_or_default();
        let line = text.lines().position(|line| line.contains(holds)).and_then(|line| u32::try_from(line + 1).ok());
        (file.clone(), line)
    }

    /// The line of the failed step in `steps.jsonl`.
    fn step_line(&self) -> Option<u32> {
        let steps = self.evidence.record().steps().ok()?;
        let line = steps.iter().position(|step| step.error.is_some())?;
        u32::try_from(line + 1).ok()
    }

    /// The judges pass on the cause of a failed step, which the block has said already.
    fn says_the_same(&self, finding: &Finding) -> bool {
        self.failed.is_some_and(|failed| failed.failure.cause == finding.cause)
    }
}

/// A command line that can be pasted into a shell.
fn command_line(words: &[String]) -> String {
    let plain = |word: &String| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte))
    };
    let quote = |word: &String| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn print_failure(console: &Console, failure: &Failure, place: &str) {
    console.result(Tone::Bad, "Error", &failure.error);
    console.result(Tone::Note, "Evidence", place);
    if !failure.remedy.is_empty() {
        console.result(Tone::Note, "Remedy", &failure.remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was typed can be typed again.
    #[test]
    fn a_command_line_can_be_pasted() {
        let words = ["lab", "e2e", "--worker-cmd", "it's $HOME", "--days", "4", ""].map(String::from);
        assert_eq!(command_line(&words), r"lab e2e --worker-cmd 'it'\''s $HOME' --days 4 ''");
    }
}
