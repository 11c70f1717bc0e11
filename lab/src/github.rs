//! What GitHub Actions shows beside a run: annotations on standard output, and a summary of the job.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::console::{Console, Form};
use crate::failure::Exit;
use crate::record::StepLine;
use crate::verdict::Ending;

/// Tells GitHub how a run ended, where GitHub runs it.
pub fn report(ending: &Ending<'_>, console: &Console) {
    let steps = || ending.evidence.record().steps().unwrap_or_default();
    tell(|| annotations(ending), || summary(ending, &steps()), console);
}

/// Tells GitHub why there is no verdict on a run, mostly because it could not begin, where GitHub runs it. There is no record, and so no file to point to.
pub fn report_refusal(cause: &str, error: &str, remedy: &str, console: &Console) {
    let message = with_remedy(error, remedy);
    let summary = || format!("### ❌ batch-ML lab: no verdict\n\n- **{cause}**: {message}\n\n");
    tell(|| annotation(None, None, cause, &message), summary, console);
}

fn tell(annotations: impl FnOnce() -> String, summary: impl FnOnce() -> String, console: &Console) {
    if std::env::var_os("GITHUB_ACTIONS").is_none_or(|value| value.is_empty()) {
        return;
    }
    // A reader of JSON gets nothing but JSON.
    if console.form() != Form::Json {
        console.raw(&annotations());
    }
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else { return };
    let append = || std::fs::OpenOptions::new().create(true).append(true).open(&path)?.write_all(summary().as_bytes());
    if let Err(error) = append() {
        eprintln!("warning: failed to append to the job summary `{}`: {error}", path.display());
    }
}

fn annotations(ending: &Ending<'_>) -> String {
    let mut text = String::new();
    for (failure, (file, line)) in ending.failures() {
        let message = with_remedy(&failure.error, &failure.remedy);
        text += &annotation(Some(&ending.place(&file, None)), line, &failure.cause, &message);
    }
    for finding in ending.further_findings() {
        let message = with_remedy(&finding.message, &finding.remedy);
        text += &annotation(Some(&ending.place(&finding.file, None)), finding.line, &finding.cause, &message);
    }
    text
}

fn with_remedy(message: &str, remedy: &str) -> String {
    if remedy.is_empty() { message.to_owned() } else { format!("{message}\nremedy: {remedy}") }
}

/// A workflow command: what ends a property or the line is escaped.
fn annotation(file: Option<&str>, line: Option<u32>, title: &str, message: &str) -> String {
    let file = file.map_or_else(String::new, |file| format!("file={},", property(file)));
    let line = line.map_or_else(String::new, |line| format!("line={line},"));
    format!("::error {file}{line}title={}::{}\n", property(title), data(message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn summary(ending: &Ending<'_>, steps: &[StepLine]) -> String {
    let sign = if ending.exit() == Exit::Green { "✅" } else { "❌" };
    let target = &ending.evidence.summary().target;
    let mut text = format!(
        "### {sign} batch-ML lab on `{target}`: {}\n\n| step | seconds | |\n|---|---:|---|\n",
        ending.headline()
    );
    for step in steps {
        let what = step.error.as_ref().map_or(step.detail.clone(), |error| format!("**{error}**"));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} | {:.2} | {} |", step.name, step.seconds, cell(&what));
    }
    for (failure, (file, line)) in ending.failures() {
        let message = with_remedy(&failure.error, &failure.remedy);
        let _ = writeln!(text, "\n- **{}**: {message} `{}`", failure.cause, ending.place(&file, line));
    }
    for finding in ending.further_findings() {
        let place = ending.place(&finding.file, finding.line);
        let _ = writeln!(
            text,
            "\n- **{}** ({}): {} `{place}`\n  {}",
            finding.cause, finding.judge, finding.message, finding.remedy
        );
    }
    for note in ending.notes() {
        let _ = writeln!(text, "\n- not judged ({}): {}", note.judge, note.message);
    }
    let _ = writeln!(text, "\nrecord: `{}`, {}\n", ending.place("", None), ending.evidence.versions());
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of several lines, or with GitHub's own signs in it, stays one annotation.
    #[test]
    fn an_annotation_is_one_line() {
        let line = annotation(Some("a,b:c.txt"), Some(3), "torn-report", "100% gone\nremedy: mend");
        assert_eq!(line, "::error file=a%2Cb%3Ac.txt,line=3,title=torn-report::100%25 gone%0Aremedy: mend\n");
        assert_eq!(annotation(Some("f"), None, "t", "m"), "::error file=f,title=t::m\n");
        assert_eq!(annotation(None, None, "t", "m"), "::error title=t::m\n");
    }
}
