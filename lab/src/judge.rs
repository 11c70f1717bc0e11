//! The judges, as the lab knows them: a program that reads a record and writes its verdict into it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::docker::DockerError;
use crate::docker::call::Call;
use crate::failure::{Exit, Explain};
use crate::interrupt::{self, Interrupted};
use crate::job::program::{beside_lab, check_executable};
use crate::record::{Record, Verdict};

/// The judge's own exit code for a record that it objects to.
const RED: i32 = 6;
/// How long it may take; the record of a long run is large.
const LIMIT: Duration = Duration::from_secs(600);

/// A program that judges.
#[derive(Debug, Clone)]
pub struct Judge(PathBuf);

/// There is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// There is no judge.
    #[error("failed to find the judge: {why}")]
    NotFound {
        /// What was looked for, and what is wrong with it.
        why: String,
    },
    /// It did not judge.
    #[error("failed to judge the record: `{}` {how}", judge.display())]
    Failed {
        /// The program.
        judge: PathBuf,
        /// What it was to judge.
        record: PathBuf,
        /// How it ended, and what it said.
        how: String,
    },
    /// Somebody asked the lab to stop meanwhile.
    #[error(transparent)]
    Interrupted(Interrupted),
}

impl Judge {
    /// The judge that was named, else the program `judge` beside the lab's own.
    ///
    /// # Errors
    /// [`JudgeError::NotFound`].
    pub fn find(named: Option<&Path>) -> Result<Self, JudgeError> {
        let path = named.map_or_else(|| beside_lab("judge"), |path| crate::places::absolute(path.into()));
        match check_executable(&path) {
            Ok(()) => Ok(Self(path)),
            Err(why) => Err(JudgeError::NotFound { why: format!("`{}`: {why}", path.display()) }),
        }
    }

    /// Has the record judged. A Ctrl-C on the way ends the judge; what was stopped before is judged all the same, until a
    /// second one ends lab and judge.
    ///
    /// # Errors
    /// [`JudgeError`]; a red verdict is none.
    pub fn judge(&self, record: &Record) -> Result<Verdict, JudgeError> {
        let failed = |how: String| JudgeError::Failed { judge: self.0.clone(), record: record.dir().into(), how };
        let mut call = Call::new(&self.0, None, &[]).limit(LIMIT).dying_with_the_lab();
        if interrupt::check().is_ok() {
            call = call.interruptible();
        }
        call.push(record.dir()).push("--quiet");
        let ended = call.run_to_its_end().map_err(|error| match error {
            DockerError::Interrupted(by) => JudgeError::Interrupted(by),
            DockerError::TimedOut { limit_s, said, .. } => failed(format!("is not done after {limit_s} s: {said}")),
            DockerError::Unexpected { why, .. } => failed(format!("did not start: {why}")),
            other => failed(other.to_string()),
        })?;
        let said = String::from_utf8_lossy(&ended.stderr);
        let said = Some(said.trim()).filter(|said| !said.is_empty()).unwrap_or("it said nothing");
        match ended.status.code() {
            Some(0 | RED) => record.verdict().map_err(|error| failed(format!("left no verdict ({error}): {said}"))),
            _ => Err(failed(format!("ended with {}: {said}", ended.status))),
        }
    }
}

impl Explain for JudgeError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } => Exit::Preflight,
            Self::Interrupted(by) => by.exit(),
            Self::Failed { .. } => Exit::Lab,
        }
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "judge-missing",
            Self::Interrupted(by) => by.cause_name(),
            Self::Failed { .. } => "judge-failed",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NotFound { .. } => {
                "start the lab by `cargo xtask e2e`, which builds the judge, or name one with --judge".into()
            }
            Self::Interrupted(by) => by.remedy(),
            Self::Failed { judge, record, .. } => {
                format!(
                    "judge the record by hand, and see what the program says: {} {}",
                    judge.display(),
                    record.display()
                )
            }
        }
    }
}
