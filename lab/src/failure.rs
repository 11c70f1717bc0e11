//! How the lab fails: an exit code, a cause by name, the error, and what to do about it.

use std::fmt;
use std::process::ExitCode;

use crate::cli::DEFAULT_NAME;
use crate::record::RecordError;

/// The exit codes of every command. They are stable, and the README lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for was done; an `e2e` is green.
    Green,
    /// The command line is wrong.
    Usage,
    /// Something that is needed is missing; nothing was started.
    Preflight,
    /// The lab could not be stood up, looked at or taken down.
    Lab,
    /// A step of the flow failed.
    Flow,
    /// The flow went through and a judge objects.
    Verdict,
    /// Stopped by a signal: 130 for Ctrl-C, 143 for SIGTERM.
    Signal(u8),
}

impl Exit {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Green => 0,
            Self::Usage => 2,
            Self::Preflight => 3,
            Self::Lab => 4,
            Self::Flow => 5,
            Self::Verdict => 6,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error of one of the lab's rooms that can tell what kind it is and how to mend it.
pub trait Explain: std::error::Error {
    /// The exit code that it leads to.
    fn exit(&self) -> Exit;
    /// A name for the cause, kebab-case, stable: what a script would match on.
    fn cause_name(&self) -> &'static str;
    /// What to do, in the imperative; empty where nothing helps.
    fn remedy(&self) -> String;
    /// Where the record shows it, if one place does.
    fn evidence(&self) -> Option<Place> {
        None
    }
}

/// Any [`Explain`] error, flattened: what is printed, recorded and turned into an exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code that it leads to.
    pub exit: Exit,
    /// A name for the cause, kebab-case, stable.
    pub cause: String,
    /// The error; it completes "error: ".
    pub error: String,
    /// What to do, in the imperative; empty where nothing helps.
    pub remedy: String,
    /// Where the record shows it, if one place does.
    pub evidence: Option<Box<Place>>,
}

/// A place in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, relative to the record.
    pub file: String,
    /// What the line holds that is meant.
    pub holds: String,
}

/// What a room returns to its caller.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        let (cause, remedy) = (error.cause_name().into(), error.remedy());
        Self { exit: error.exit(), cause, error: error.to_string(), remedy, evidence: error.evidence().map(Box::new) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.error)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(formatter, "\nremedy: {}", self.remedy) }
    }
}

impl Failure {
    /// What should not be possible, and is nobody's fault but the lab's.
    pub fn fault(exit: Exit, error: &str) -> Self {
        let remedy = "this is a fault of the lab: report it with the record of the run".into();
        Self { exit, cause: "lab-fault".into(), error: error.into(), remedy, evidence: None }
    }

    /// The same failure under another exit code: what is a lab's error in `up` is a step's in the middle of a flow.
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The same failure of the lab of this name: unless it is the default one, the commands of the remedy name it, where
    /// they do not do so yet. The rooms below know their lab's directory, not what a person has to type for it.
    pub fn of_lab(mut self, name: &str) -> Self {
        if name != DEFAULT_NAME {
            for command in ["up", "status", "logs", "down"] {
                let typed = format!("cargo xtask lab {command}");
                let named = format!("{typed}{}", name_flag(name));
                self.remedy = self.remedy.replace(&typed, &named);
                self.remedy = self.remedy.replace(&format!("{named} --name"), &format!("{typed} --name"));
            }
        }
        self
    }

    /// It was a signal that ended it, not a fault.
    pub fn is_interruption(&self) -> bool {
        matches!(self.exit, Exit::Signal(_))
    }
}

/// What is typed behind `cargo xtask lab …` for a lab of this name: ` --name NAME`, or nothing where it is the default one.
pub fn name_flag(name: &str) -> String {
    if name == DEFAULT_NAME { String::new() } else { format!(" --name {name}") }
}

impl Explain for RecordError {
    fn exit(&self) -> Exit {
        Exit::Lab
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "record-unreadable",
            Self::Io(_) | Self::Malformed { .. } => "record-unwritable",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Unreadable { .. } => "look at what lies there: only a file counts, up to a size (`lab/RECORD.md`)",
            Self::Io(_) | Self::Malformed { .. } => {
                "make room where the records are kept, or name another directory with --runs"
            }
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A remedy can be typed as it stands, whatever the lab's name is.
    #[test]
    fn a_remedy_names_the_lab() {
        let remedy = "`cargo xtask lab logs --stderr`, `cargo xtask lab down --name b`, or `cargo xtask lab gc`";
        let failure = Failure { remedy: remedy.into(), ..Failure::fault(Exit::Lab, "no") };
        assert_eq!(failure.clone().of_lab(DEFAULT_NAME).remedy, remedy);
        let named =
            "`cargo xtask lab logs --name b --stderr`, `cargo xtask lab down --name b`, or `cargo xtask lab gc`";
        assert_eq!(failure.of_lab("b").remedy, named);
    }
}
