//! The report: `output/report.txt`, written and parsed by this one module in the tutorial's grammar.
//!
//! ```text
//! *****************************************************
//! Report generated on: 2022-02-09 14:19:42.303619
//! Training dataset: 2018-04-04.pkl
//! Model checkpoint: model_cpt_2018-04-04.pkl
//! ---
//! Accuracy on training data: 0.9981112277019937
//! Accuracy on testing data: 0.9977204434773599
//!
//! ```
//!
//! One such block an entry, 53 asterisks, a blank line after each entry, figures as Python's `repr` prints them.

use std::fmt;

/// The line that opens an entry.
const STARS: &str = "*****************************************************";
/// The line between the names and the figures of an entry.
const RULE: &str = "---";
const GENERATED_ON: &str = "Report generated on: ";
const DATASET: &str = "Training dataset: ";
const CHECKPOINT: &str = "Model checkpoint: ";
const TRAINING_ACCURACY: &str = "Accuracy on training data: ";
const TESTING_ACCURACY: &str = "Accuracy on testing data: ";

/// All entries of a report, in the order in which the datasets were completed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// One entry a dataset.
    pub entries: Vec<Entry>,
}

/// What the report says of one dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Local time without zone, as Python prints a `datetime`: `2022-02-09 14:19:42.303619`; see [`timestamp`].
    pub generated_on: String,
    /// File name of the dataset: `2018-04-04.pkl`.
    pub dataset: String,
    /// File name of the checkpoint: `model_cpt_2018-04-04.pkl`.
    pub checkpoint: String,
    /// Share of the training rows whose class was predicted, 0 to 1.
    pub training_accuracy: f64,
    /// Share of the testing rows whose class was predicted, 0 to 1.
    pub testing_accuracy: f64,
}

/// A text that is not a report. Names the first line that breaks the grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read the report: line {line}: expected {expected}, found {found}")]
pub struct ReportError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What the grammar wants there.
    pub expected: &'static str,
    /// What stands there, in backticks, or `the end of the text`.
    pub found: String,
}

impl Report {
    /// Reads a whole report. An empty text is a report without entries.
    ///
    /// # Errors
    /// The first line that breaks the grammar; an entry that is cut off breaks it at the end of the text.
    pub fn parse(text: &str) -> Result<Report, ReportError> {
        let mut lines = Lines { rest: text, line: 0 };
        let mut entries = Vec::new();
        while !lines.rest.is_empty() {
            entries.push(Entry::parse(&mut lines)?);
        }
        Ok(Report { entries })
    }

    /// Whether an entry names this checkpoint.
    pub fn names(&self, checkpoint: &str) -> bool {
        self.entries.iter().any(|entry| entry.checkpoint == checkpoint)
    }

    /// The entry of a dataset, by its file name.
    pub fn entry(&self, dataset: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.dataset == dataset)
    }
}

impl Entry {
    fn parse(lines: &mut Lines) -> Result<Entry, ReportError> {
        lines.exactly(STARS, "a line of 53 asterisks")?;
        let generated_on = lines.field(GENERATED_ON, "`Report generated on: ` and a date and time", is_timestamp)?;
        let dataset = lines.field(DATASET, "`Training dataset: ` and a file name", is_file_name)?;
        let checkpoint = lines.field(CHECKPOINT, "`Model checkpoint: ` and a file name", is_file_name)?;
        lines.exactly(RULE, "`---`")?;
        let training_accuracy =
            lines.accuracy(TRAINING_ACCURACY, "`Accuracy on training data: ` and a number from 0 to 1")?;
        let testing_accuracy =
            lines.accuracy(TESTING_ACCURACY, "`Accuracy on testing data: ` and a number from 0 to 1")?;
        lines.exactly("", "a blank line")?;
        Ok(Entry {
            generated_on: generated_on.into(),
            dataset: dataset.into(),
            checkpoint: checkpoint.into(),
            training_accuracy,
            testing_accuracy,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| entry.fmt(f))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{STARS}")?;
        writeln!(f, "{GENERATED_ON}{}", self.generated_on)?;
        writeln!(f, "{DATASET}{}", self.dataset)?;
        writeln!(f, "{CHECKPOINT}{}", self.checkpoint)?;
        writeln!(f, "{RULE}")?;
        writeln!(f, "{TRAINING_ACCURACY}{}", python_repr(self.training_accuracy))?;
        writeln!(f, "{TESTING_ACCURACY}{}\n", python_repr(self.testing_accuracy))
    }
}

/// Whether a name can stand in a report: a plain file name on one line.
/// A dataset whose name cannot is refused before anything is trained on it.
pub fn is_file_name(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && c != '/' && c != '\u{2028}' && c != '\u{2029}';
    !name.is_empty() && name != "." && name != ".." && name.trim() == name && name.chars().all(plain)
}

/// A date and time as Python's `str(datetime)` prints them, always with six digits of the second.
pub fn timestamp(at: jiff::civil::DateTime) -> String {
    format!("{} {:02}:{:02}:{:02}.{:06}", at.date(), at.hour(), at.minute(), at.second(), at.subsec_nanosecond() / 1000)
}

/// A number as Python's `repr` prints it: the shortest text that reads back as the same bits.
fn python_repr(number: f64) -> String {
    // Rust's Debug chooses the same digits and the same form; only the exponent differs: 5e-5 for Python's 5e-05.
    let text = format!("{number:?}");
    match text.split_once("e-") {
        Some((digits, exponent)) => format!("{digits}e-{exponent:0>2}"),
        None => text,
    }
}

/// `2022-02-09 14:19:42.303619`; Python leaves the fraction away when it is nought.
fn is_timestamp(text: &str) -> bool {
    let shape: &[u8] = b"dddd-dd-dd dd:dd:dd.dddddd";
    let fits = |(byte, shape): (u8, &u8)| if *shape == b'd' { byte.is_ascii_digit() } else { byte == *shape };
    (text.len() == shape.len() || text.len() == 19)
        && text.bytes().zip(shape).all(fits)
        && text.parse::<jiff::civil::DateTime>().is_ok()
}

/// The lines of a report that are still to be read.
struct Lines<'a> {
    rest: &'a str,
    /// Number of the line read last, from 1.
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next line, which must end with a line feed; `None` where the text ends before one.
    fn next(&mut self) -> Option<&'a str> {
        self.line += 1;
        let (line, rest) = self.rest.split_once('\n')?;
        self.rest = rest;
        Some(line)
    }

    fn error<T>(&self, expected: &'static str, found: Option<&str>) -> Result<T, ReportError> {
        let found = match found {
            Some(found) => format!("`{}`", found.escape_debug().take(200).collect::<String>()),
            None if self.rest.is_empty() => "the end of the text".into(),
            None => format!("`{}` without an end of line", self.rest.escape_debug().take(200).collect::<String>()),
        };
        Err(ReportError { line: self.line, expected, found })
    }

    fn exactly(&mut self, wanted: &str, expected: &'static str) -> Result<(), ReportError> {
        match self.next() {
            Some(line) if line == wanted => Ok(()),
            found => self.error(expected, found),
        }
    }

    fn field(
        &mut self,
        name: &str,
        expected: &'static str,
        is_valid: impl Fn(&str) -> bool,
    ) -> Result<&'a str, ReportError> {
        let found = self.next();
        match found.and_then(|line| line.strip_prefix(name)) {
            Some(value) if is_valid(value) => Ok(value),
            _ => self.error(expected, found),
        }
    }

    fn accuracy(&mut self, name: &str, expected: &'static str) -> Result<f64, ReportError> {
        let is_accuracy = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_digit())
                && text.parse().is_ok_and(|number: f64| (0.0..=1.0).contains(&number))
        };
        // Parsed twice rather than carried out of the check: a report has a handful of lines.
        self.field(name, expected, is_accuracy).map(|text| text.parse().unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests;
