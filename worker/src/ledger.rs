//! The report on the share: read, added to and replaced as a whole, by one session at a time.
//!
//! The original appends to the same file without asking anybody. What it appends between our reading and our renaming
//! lands in the file that we replace; so that file stays open for a while, and what has come to it since goes into the next
//! one.

use std::io::{self, Read as _, Seek as _, SeekFrom};

use crate::note;
use crate::report::{Entry, Report, ReportError};
use crate::share::{Draft, Output, ShareError, Watched};

/// The report's file name.
pub const REPORT: &str = "report.txt";
/// What opens an entry, for one who looks for the beginning of the last one.
const ENTRY_BEGINS: &str = "*****************************************************\n";

/// Why there is no report to go on from.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The share does not let us.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// It is not a report.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// A report as it stood when it was read, and the file that it was read from.
pub struct Ledger {
    /// What it said.
    pub report: Report,
    tail: Tail,
}

/// The end of a file that a report was read from, where others may append to it even after it was replaced.
pub struct Tail {
    file: Watched,
    /// How much of the file was read; what comes behind was not there yet, or was not whole.
    whole_bytes: u64,
}

impl Ledger {
    /// What the report says now.
    ///
    /// # Errors
    /// When it cannot be read, or is no report.
    pub fn peek(output: &Output) -> Result<Report, LedgerError> {
        let bytes = output.read(REPORT)?.unwrap_or_default();
        Ok(parse(&String::from_utf8_lossy(&bytes))?.report)
    }

    /// Reads the report; where there is none yet, an empty one begins.
    ///
    /// # Errors
    /// When it cannot be read, or is no report.
    pub fn open(output: &Output) -> Result<Self, LedgerError> {
        let mut file = output.watch(REPORT)?;
        let mut bytes = Vec::new();
        let read = file.file().map_or(Ok(0), |file| file.read_to_end(&mut bytes));
        read.map_err(|source| output.error("read", REPORT, source))?;
        let Parsed { report, whole_bytes, torn_bytes } = parse(&String::from_utf8_lossy(&bytes))?;
        if torn_bytes > 0 {
            note!("the report has {torn_bytes} bytes of torn entries, which are left out");
        }
        Ok(Self { report, tail: Tail { file, whole_bytes } })
    }

    /// The report has been replaced by another one: what there is still to watch.
    pub fn replaced(self) -> Tail {
        self.tail
    }

    /// Puts an entry at the end, instead of the one that the dataset may have already.
    pub fn put(&mut self, entry: Entry) {
        self.report.entries.retain(|other| other.dataset != entry.dataset);
        self.report.entries.push(entry);
    }

    /// Takes back what it says of a checkpoint.
    pub fn withdraw(&mut self, checkpoint: &str) {
        self.report.entries.retain(|entry| entry.checkpoint != checkpoint);
    }

    /// Writes the report into a draft.
    ///
    /// # Errors
    /// When the share does not take it.
    pub fn write_to(&self, draft: &mut Draft) -> Result<(), ShareError> {
        draft.write(self.report.to_string().as_bytes())
    }
}

impl Tail {
    /// Entries that have come to the file since it was read. Each is told once.
    pub fn late(&mut self) -> Vec<Entry> {
        // A file that another host has removed for good cannot be looked at any more, and nothing can come to it.
        self.read_late().unwrap_or_default()
    }

    fn read_late(&mut self) -> io::Result<Vec<Entry>> {
        let Some(file) = self.file.file() else { return Ok(Vec::new()) };
        if file.metadata()?.len() <= self.whole_bytes {
            return Ok(Vec::new());
        }
        file.seek(SeekFrom::Start(self.whole_bytes))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // Not whole yet, or never: what is being written now is looked at again, what was torn stays torn.
        let Ok(Parsed { report, whole_bytes, .. }) = parse(&String::from_utf8_lossy(&text)) else {
            return Ok(Vec::new());
        };
        self.whole_bytes += whole_bytes;
        for entry in &report.entries {
            note!(
                "`{}` was reported while the report was replaced; its entry goes into the new one, unless that has a newer",
                entry.dataset
            );
        }
        Ok(report.entries)
    }

    /// From here on it is watched only where that leaves no trace.
    pub fn settle(&mut self) {
        self.file.settle();
    }
}

/// What a text says that should be a report.
struct Parsed {
    report: Report,
    /// How much of the text was read: all but an entry at its end that is torn, or not whole yet.
    whole_bytes: u64,
    /// How much of it is torn, there and before.
    torn_bytes: usize,
}

/// Reads a report in which entries may be torn: the last one, or, where the original has gone on, any. What a worker was
/// killed over does not count: its dataset is still in processing, and will be reported again.
fn parse(text: &str) -> Result<Parsed, ReportError> {
    let error = match Report::parse(text) {
        Ok(report) => return Ok(Parsed { report, whole_bytes: text.len() as u64, torn_bytes: 0 }),
        Err(error) => error,
    };
    let mut entries = Vec::new();
    let (mut whole, mut torn_bytes) = (0, 0);
    // What follows a torn entry follows in the middle of its line.
    let ends = text.match_indices(ENTRY_BEGINS).map(|(begin, _)| begin).chain([text.len()]);
    let mut begin = 0;
    for end in ends {
        let piece = &text[begin..end];
        // Of the next entry there may be a few asterisks and no more.
        let entry = piece.trim_end_matches('*');
        match Report::parse(entry) {
            Ok(report) => {
                entries.extend(report.entries);
                torn_bytes += piece.len() - entry.len();
                whole = begin + entry.len();
            }
            // What breaks the grammar before its end is not torn, but damaged.
            Err(error) if piece.starts_with(ENTRY_BEGINS) && error.line > piece.matches('\n').count() => {
                torn_bytes += piece.len();
            }
            Err(_) => return Err(error),
        }
        begin = end;
    }
    Ok(Parsed { report: Report { entries }, whole_bytes: whole as u64, torn_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(dataset: &str) -> Entry {
        let (generated_on, checkpoint) = ("2022-02-09 14:19:42.303619".into(), format!("model_cpt_{dataset}"));
        Entry { generated_on, dataset: dataset.into(), checkpoint, training_accuracy: 0.5, testing_accuracy: 0.25 }
    }

    fn text(datasets: &[&str]) -> String {
        Report { entries: datasets.iter().map(|dataset| entry(dataset)).collect() }.to_string()
    }

    #[test]
    fn a_torn_last_entry_is_left_out_wherever_it_is_torn() {
        let (whole, text) = (text(&["a.pkl", "b.pkl"]), text(&["a.pkl", "b.pkl", "c.pkl"]));
        for end in whole.len()..text.len() {
            let parsed = parse(&text[..end]).unwrap();
            assert_eq!(parsed.report.entries.len(), 2, "cut at {end} of {}", text.len());
            assert_eq!((parsed.whole_bytes, parsed.torn_bytes), (whole.len() as u64, end - whole.len()));
        }
        assert_eq!(parse(&text).unwrap().report.entries.len(), 3);
    }

    /// The original, started again after it was killed, appends to what it had not finished.
    #[test]
    fn a_torn_entry_is_left_out_before_others_as_well() {
        let (before, torn, after) = (text(&["a.pkl"]), text(&["b.pkl"]), text(&["c.pkl", "d.pkl"]));
        for end in 0..torn.len() {
            let text = [&before, &torn[..end], &after].concat();
            let parsed = parse(&text).unwrap();
            let datasets: Vec<&str> = parsed.report.entries.iter().map(|entry| entry.dataset.as_str()).collect();
            assert_eq!(datasets, ["a.pkl", "c.pkl", "d.pkl"], "cut at {end} of {}", torn.len());
            assert_eq!((parsed.whole_bytes, parsed.torn_bytes), (text.len() as u64, end));
        }
    }

    #[test]
    fn what_is_no_report_is_not_taken_for_a_torn_one() {
        let damaged = text(&["a.pkl", "b.pkl"]).replace("a.pkl\nModel", "a.pkl\nModle");
        let in_front = ["some notes", &text(&["a.pkl"])].concat();
        for text in ["some notes\n", "some notes", "some\n\nnotes", &damaged, &in_front] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_dataset_has_one_entry_and_it_is_the_latest() {
        let report = Report::parse(&text(&["a.pkl", "b.pkl", "c.pkl"])).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let output = crate::share::Share::open(dir.path()).unwrap().output("one").unwrap();
        let mut ledger = Ledger { report, ..Ledger::open(&output).unwrap() };
        ledger.put(Entry { training_accuracy: 0.75, ..entry("b.pkl") });
        let datasets: Vec<&str> = ledger.report.entries.iter().map(|entry| entry.dataset.as_str()).collect();
        assert_eq!(datasets, ["a.pkl", "c.pkl", "b.pkl"]);
        assert_eq!(ledger.report.entries[2].training_accuracy, 0.75);
    }
}
