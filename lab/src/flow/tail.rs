//! The worker's log as it grows.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use crate::interrupt;
use crate::record::{Job, Record, Stream};

/// What the tutorial's worker prints before each dataset.
const PROCESSING: &str = "Processing dataset: ";

/// So much is read at a time; between two, a Ctrl-C is heard.
const PIECE_BYTES: u64 = 1 << 20;

/// The logs of all containers, read as far as they are written.
#[derive(Debug, Default)]
pub(super) struct Logs(Vec<Log>);

/// The standard output of one run of a container.
#[derive(Debug)]
pub(super) struct Log {
    /// The pod, by its place in the Job.
    pub pod: usize,
    /// The run, from 0.
    pub run: usize,
    /// The last whole line.
    pub last_line: String,
    /// The datasets that it says it took up, in order.
    pub taken: Vec<String>,
    path: String,
    offset: u64,
    partial: Vec<u8>,
}

impl Logs {
    /// Reads what is new.
    pub(super) fn read(&mut self, job: &Job, record: &Record) {
        for (pod, book) in job.pods.iter().enumerate() {
            for run in 0..book.containers.len() {
                if !self.0.iter().any(|log| (log.pod, log.run) == (pod, run)) {
                    self.0.push(Log::new(pod, run, record.log_path(&book.name, run, Stream::Out)));
                }
            }
        }
        for log in &mut self.0 {
            log.read(record);
        }
    }

    /// The log of a run of a container.
    pub(super) fn of(&self, pod: usize, run: usize) -> Option<&Log> {
        self.0.iter().find(|log| (log.pod, log.run) == (pod, run))
    }

    /// The container that took up this dataset last.
    pub(super) fn claimer(&self, item: &str) -> Option<&Log> {
        self.0.iter().rev().find(|log| log.taken.iter().any(|taken| taken == item))
    }

    /// How many datasets were taken up, all in all.
    pub(super) fn taken(&self) -> usize {
        self.0.iter().map(|log| log.taken.len()).sum()
    }
}

impl Log {
    fn new(pod: usize, run: usize, path: String) -> Self {
        Self { pod, run, last_line: String::new(), taken: Vec::new(), path, offset: 0, partial: Vec::new() }
    }

    /// The dataset that it is in the middle of, as far as its log says.
    pub(super) fn busy_with(&self) -> Option<&str> {
        self.last_line.strip_prefix(PROCESSING)
    }

    /// A log that cannot be read now is read another time; the step `logs` is the one that insists.
    fn read(&mut self, record: &Record) {
        let read = |log: &mut Self| -> std::io::Result<()> {
            let mut file = File::open(record.dir().join(&log.path))?;
            // What is written while we read is for the next time.
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(log.offset))?;
            while log.offset < end && interrupt::check().is_ok() {
                let mut bytes = Vec::new();
                (&file).take(PIECE_BYTES.min(end - log.offset)).read_to_end(&mut bytes)?;
                if bytes.is_empty() {
                    break;
                }
                log.offset += bytes.len() as u64;
                log.take(&bytes);
            }
            Ok(())
        };
        let _ = read(self);
    }

    /// Looks at each byte once, however many lines there are.
    fn take(&mut self, bytes: &[u8]) {
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            return self.partial.extend_from_slice(bytes);
        };
        let mut whole = std::mem::replace(&mut self.partial, bytes[end + 1..].to_vec());
        whole.extend_from_slice(&bytes[..end]);
        for line in whole.split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
            self.taken.extend(line.strip_prefix(PROCESSING).map(str::to_owned));
            self.last_line = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line counts when it is whole, and being busy ends with the next line.
    #[test]
    fn half_a_line_says_nothing() {
        let mut log = Log::new(0, 0, String::new());
        log.take(b"Initial queue state: empty=False\nProcessing dataset: a");
        assert_eq!((log.busy_with(), log.taken.len()), (None, 0));
        log.take(b".pkl\n");
        assert_eq!(log.busy_with(), Some("a.pkl"));
        log.take(b"Waiting for work\n");
        assert_eq!((log.busy_with(), log.taken.len(), log.last_line.as_str()), (None, 1, "Waiting for work"));
    }

    /// A worker that prints much is read as fast as it prints: twice the lines take twice the time, not four times.
    #[test]
    fn many_lines_are_no_burden() {
        let start = std::time::Instant::now();
        let mut log = Log::new(0, 0, String::new());
        log.take("a line among very many others, all alike\n".repeat(200_000).as_bytes());
        log.take(b"Processing dataset: a.pkl\n");
        assert_eq!((log.busy_with(), log.taken.len()), (Some("a.pkl"), 1));
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }
}
