//! A step, announced once: its verb, what came of it and its seconds; passed, or failed unless it said that it passed.

use std::time::Instant;

use serde::Serialize;

use crate::console::{Bar, Console, Tone};
use crate::failure::{Exit, Failure, Result};
use crate::record::{Record, StepLine, now};

/// A step that is under way. Dropped before [`Announced::finish`], it counts as failed.
#[derive(Debug)]
pub struct Announced<'a> {
    console: &'a Console,
    record: Option<&'a Record>,
    name: &'static str,
    verb: &'static str,
    started: String,
    start: Instant,
    finished: bool,
    /// Shows that something goes on, while nothing else does.
    spinner: Option<Bar>,
}

/// A step as a JSON line.
#[derive(Serialize)]
struct StepEvent<'a> {
    event: &'static str,
    #[serde(flatten)]
    line: &'a StepLine,
}

impl<'a> Announced<'a> {
    /// Begins a step.
    pub fn start(name: &'static str, verb: &'static str, console: &'a Console, record: Option<&'a Record>) -> Self {
        let spinner = Some(console.spinner(verb));
        Self { console, record, name, verb, started: now(), start: Instant::now(), finished: false, spinner }
    }

    /// Ends it with its outcome, and hands that on.
    ///
    /// # Errors
    /// The step's own, or that it could not be recorded.
    pub fn finish(mut self, outcome: Result<String>) -> Result<()> {
        match outcome {
            Ok(detail) => {
                self.close(Tone::Good, &detail, None)?;
                Ok(())
            }
            Err(failure) => {
                // The failure matters more than that it could not be recorded.
                let _ = self.close(Tone::Bad, "", Some(&failure));
                Err(failure)
            }
        }
    }

    fn close(&mut self, tone: Tone, detail: &str, failure: Option<&Failure>) -> Result<()> {
        self.finished = true;
        self.spinner = None;
        let seconds = self.start.elapsed().as_secs_f64();
        let text = if failure.is_some() {
            format!("FAILED after {seconds:.2}s")
        } else {
            format!("{detail} in {seconds:.2}s")
        };
        self.console.line(tone, self.verb, &text);
        let line = StepLine {
            name: self.name.into(),
            detail: detail.into(),
            started: std::mem::take(&mut self.started),
            seconds: (seconds * 1e6).round() / 1e6,
            error: failure.map(|failure| failure.error.clone()),
        };
        self.console.json(&StepEvent { event: "step", line: &line });
        Ok(self.record.map_or(Ok(()), |record| record.add_step(&line))?)
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let failure = Failure::fault(Exit::Lab, "failed to end the step: it left without a word");
            let _ = self.close(Tone::Bad, "", Some(&failure));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Form;

    /// A step that is left without a word is recorded as failed, as is one that says so; one that passed has no error.
    #[test]
    fn a_step_fails_unless_it_says_that_it_passed() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record::create(dir.path().join("run")).unwrap();
        let console = Console::new(Form::Quiet);
        let start = |name| Announced::start(name, "Test", &console, Some(&record));
        start("good").finish(Ok("fine".into())).unwrap();
        let failure = Failure::fault(Exit::Flow, "no");
        assert_eq!(start("bad").finish(Err(failure.clone())), Err(failure));
        drop(start("silent"));
        let steps: Vec<_> = record.steps().unwrap().into_iter().map(|step| (step.name, step.error.is_some())).collect();
        assert_eq!(steps, [("good".into(), false), ("bad".into(), true), ("silent".into(), true)]);
    }
}
