//! What was created in a cloud, written down before it is: a line is on the disk before each create call, and another
//! one once the thing is seen to be gone. Between the two it may exist, whatever was killed meanwhile.
//!
//! One file for all labs of a user, beside their directories, so that a lab whose directory was removed by hand still
//! leads to what it pays for. Lines are only ever added. A line that a crash cut off is ignored: before `intend` is
//! whole, nothing is created, and without `gone` a thing is looked for once more than need be.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Explain};
use crate::places::Places;

/// The layout of the lines that this code writes.
const VERSION: u32 = 1;
/// The ledger's name, beside the labs' directories.
const FILE: &str = "ledger.jsonl";

/// The ledger.
#[derive(Debug, Clone)]
pub struct Ledger {
    path: PathBuf,
}

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A GKE cluster.
    Cluster,
    /// A Filestore instance.
    Filestore,
    /// A node pool, which goes with its cluster.
    NodePool,
}

/// What became of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It is about to be created.
    Intend,
    /// The cloud has taken the order, under this operation.
    Operation,
    /// It was seen to exist, with our label.
    Exists,
    /// It was found by its label, in no ledger, and is about to be deleted.
    Adopted,
    /// It was seen not to exist.
    Gone,
}

/// A resource, with everything that a later lab needs to find and delete it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// The lab's ID: what its label says.
    pub lab_id: String,
    /// The lab's name.
    pub lab: String,
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The project that pays.
    pub project: String,
    /// Region or zone.
    pub location: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it costs.
    pub usd_per_hour: f64,
    /// Until when it was meant to live, RFC 3339.
    pub until: String,
    /// The machine that created it.
    pub host: String,
    /// The lab's directory there.
    pub state: PathBuf,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    v: u32,
    /// When it was written, RFC 3339.
    pub at: String,
    /// What became of the resource.
    pub event: Event,
    /// The resource.
    #[serde(flatten)]
    pub resource: Resource,
    /// The operation that the cloud gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Why it is gone, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A resource that may exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// The resource.
    pub resource: Resource,
    /// When it was last about to be created, RFC 3339.
    pub ordered: String,
    /// The operation that creates it, where it is known.
    pub operation: Option<String>,
    /// The cloud has confirmed it: by an answer, or by showing it.
    pub confirmed: bool,
    /// The cloud has shown it since it was last ordered.
    pub seen: bool,
}

/// Why the ledger could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file system refused.
    #[error("failed to keep the ledger `{}`: {source}", path.display())]
    Io {
        /// The ledger.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A newer lab wrote it.
    #[error("failed to read the ledger `{}`: line {line} has layout {found}, and this lab knows {VERSION}", path.display())]
    Newer {
        /// The ledger.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Its layout.
        found: u32,
    },
    /// A line is neither whole nor cut off.
    #[error("failed to read the ledger `{}`: line {line} is damaged: {why}", path.display())]
    Damaged {
        /// The ledger.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: serde_json::Error,
    },
}

impl Kind {
    /// The word for it in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Filestore => "Filestore instance",
            Self::NodePool => "node pool",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, location, project, .. } = self;
        write!(formatter, "{} `{name}` in {location} of project `{project}`", kind.word())
    }
}

impl Resource {
    /// Whether two descriptions mean the same thing in the cloud, made by the same lab.
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |one: &Self| {
            let Self { lab_id, kind, name, project, location, .. } = one.clone();
            (lab_id, kind, name, project, location)
        };
        key(self) == key(other)
    }
}

impl Ledger {
    /// The ledger of this user, or the one that was named.
    pub fn find(named: Option<&Path>, places: &Places) -> Self {
        let path = named.map_or_else(|| places.state.join(FILE), |named| crate::places::absolute(named.to_owned()));
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one line, and returns once it is on the disk.
    ///
    /// # Errors
    /// When the file system refuses: then nothing may be created.
    pub fn write(
        &self,
        event: Event,
        resource: &Resource,
        operation: Option<&str>,
        why: Option<&str>,
    ) -> Result<(), LedgerError> {
        let (operation, why) = (operation.map(str::to_owned), why.map(str::to_owned));
        let line = Line { v: VERSION, at: crate::record::now(), event, resource: resource.clone(), operation, why };
        let append = || -> std::io::Result<()> {
            let mut text = serde_json::to_string(&line)?;
            text.push('\n');
            let dir = self.path.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(dir)?;
            let mut file = fs::OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
            // Two labs may write at once; a line is one piece.
            file.file().lock()?;
            if !ends_whole(&mut file)? {
                text.insert(0, '\n');
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::File::open(dir)?.sync_all()
        };
        append().map_err(|source| self.io(source))
    }

    /// Every line that is whole, in the order in which they were written.
    ///
    /// # Errors
    /// When it cannot be read, a newer lab wrote to it, or a line of it is damaged: that line might name what costs money.
    pub fn lines(&self) -> Result<Vec<Line>, LedgerError> {
        let bytes = match fs::read(&self.path) {
            // Where something else than a directory stands on the way to it, nothing was ever written, either.
            Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
                return Ok(Vec::new());
            }
            other => other.map_err(|source| self.io(source))?,
        };
        let mut lines = Vec::new();
        for (number, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let version = serde_json::from_slice::<Versioned>(text).map(|line| line.v);
            if let Some(found) = version.ok().filter(|found| *found > VERSION) {
                return Err(LedgerError::Newer { path: self.path.clone(), line: number, found });
            }
            match serde_json::from_slice(text) {
                Ok(line) => lines.push(line),
                // What a crash cut off was not answered yet: whoever wrote it had asked for nothing.
                Err(why) if why.is_eof() || text.iter().all(|byte| *byte == 0) => {}
                Err(why) => return Err(LedgerError::Damaged { path: self.path.clone(), line: number, why }),
            }
        }
        Ok(lines)
    }

    /// What may exist, oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(&self) -> Result<Vec<Open>, LedgerError> {
        Ok(fold(&self.lines()?))
    }

    fn io(&self, source: std::io::Error) -> LedgerError {
        LedgerError::Io { path: self.path.clone(), source }
    }
}

/// What may exist after these lines.
pub fn fold(lines: &[Line]) -> Vec<Open> {
    let mut open: Vec<Open> = Vec::new();
    for line in lines {
        let place = open.iter().position(|known| known.resource.is_same(&line.resource));
        match (line.event, place) {
            (Event::Gone, Some(place)) => {
                open.remove(place);
            }
            (Event::Gone, None) => {}
            // A new order: what the one before has come to says nothing of it.
            (Event::Intend, Some(place)) => {
                let known = &mut open[place];
                known.ordered.clone_from(&line.at);
                (known.operation, known.seen) = (None, false);
            }
            (event, Some(place)) => {
                let known = &mut open[place];
                known.confirmed = true;
                known.seen |= is_sight(event);
                known.operation = line.operation.clone().or(known.operation.take());
            }
            // Whatever is said of a resource but that it is gone means that it may be there.
            (event, None) => open.push(Open {
                resource: line.resource.clone(),
                ordered: line.at.clone(),
                operation: line.operation.clone(),
                confirmed: event != Event::Intend,
                seen: is_sight(event),
            }),
        }
    }
    open
}

/// Whether the cloud has shown the thing, rather than taken an order for it.
fn is_sight(event: Event) -> bool {
    matches!(event, Event::Exists | Event::Adopted)
}

/// Whether the last line was written to its end, or there is none. Further bytes are appended wherever this leaves off.
fn ends_whole(file: &mut fs::File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

impl Explain for LedgerError {
    fn exit(&self) -> Exit {
        Exit::Lab
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Io { .. } => "ledger-unwritable",
            Self::Newer { .. } => "ledger-newer",
            Self::Damaged { .. } => "ledger-damaged",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Io { path, .. } => {
                format!("make `{}` writable and give it room, or name another with LAB_LEDGER", path.display())
            }
            Self::Newer { .. } => "use the lab that wrote it: this one might overlook what it pays for".into(),
            Self::Damaged { .. } => "mend the line, or take it out once what it names is gone; \
                                     what has a lab's label is found without a ledger by `cargo xtask lab gc --project PROJECT --ledger OTHER`"
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resource(lab_id: &str, name: &str) -> Resource {
        Resource {
            lab_id: lab_id.into(),
            lab: "default".into(),
            kind: Kind::Cluster,
            name: name.into(),
            project: "p".into(),
            location: "us-central1".into(),
            labels: BTreeMap::from([("batch-ml-lab".into(), lab_id.into())]),
            usd_per_hour: 0.1,
            until: "2026-11-24T21:30:00Z".into(),
            host: "here".into(),
            state: "/state/default".into(),
        }
    }

    fn ledger(dir: &tempfile::TempDir) -> Ledger {
        Ledger { path: dir.path().join("below").join(FILE) }
    }

    /// What is written is read again, and a resource is open from its first line to `gone`.
    #[test]
    fn a_resource_is_open_until_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(&dir);
        assert_eq!(ledger.open().unwrap(), []);
        let (one, other) = (resource("lab-1", "batch-aiml"), resource("lab-2", "batch-aiml"));
        ledger.write(Event::Intend, &one, None, None).unwrap();
        ledger.write(Event::Intend, &other, None, None).unwrap();
        ledger.write(Event::Operation, &one, Some("operation-1"), None).unwrap();
        let open = ledger.open().unwrap();
        let told: Vec<_> =
            open.iter().map(|open| (&open.resource, open.operation.as_deref(), open.confirmed, open.seen)).collect();
        assert_eq!(told, [(&one, Some("operation-1"), true, false), (&other, None, false, false)]);
        ledger.write(Event::Gone, &one, None, Some("deleted")).unwrap();
        assert_eq!(ledger.open().unwrap().iter().map(|open| &open.resource).collect::<Vec<_>>(), [&other]);
    }

    /// What the cloud has shown is seen until it is ordered once more: that order is as young as its own line.
    #[test]
    fn a_new_order_has_been_seen_by_nobody() {
        let line = |at: &str, event, operation: Option<&str>| {
            let (at, operation) = (at.to_owned(), operation.map(str::to_owned));
            Line { v: VERSION, at, event, resource: resource("lab-1", "a"), operation, why: None }
        };
        let mut lines = vec![
            line("10:00", Event::Intend, None),
            line("10:01", Event::Operation, Some("operation-1")),
            line("10:05", Event::Exists, None),
        ];
        let told = |lines: &[Line]| {
            let open = fold(lines).remove(0);
            (open.ordered, open.operation, open.confirmed, open.seen)
        };
        assert_eq!(told(&lines), ("10:00".into(), Some("operation-1".into()), true, true));
        lines.push(line("11:00", Event::Intend, None));
        assert_eq!(told(&lines), ("11:00".into(), None, true, false));
    }

    /// A lab that does not know a layout says so rather than overlook a resource.
    #[test]
    fn a_newer_ledger_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(&dir);
        ledger.write(Event::Intend, &resource("lab-1", "a"), None, None).unwrap();
        let mut text = fs::read_to_string(&ledger.path).unwrap();
        text.push_str("{\"v\":2,\"what\":\"ever\"}\n");
        fs::write(&ledger.path, text).unwrap();
        assert!(matches!(ledger.open(), Err(LedgerError::Newer { line: 2, found: 2, .. })));
    }

    /// A line that is damaged, rather than cut off, may name what costs money: it is not passed over.
    #[test]
    fn a_damaged_line_is_refused_and_a_cut_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(&dir);
        ledger.write(Event::Intend, &resource("lab-1", "a"), None, None).unwrap();
        ledger.write(Event::Intend, &resource("lab-1", "b"), None, None).unwrap();
        let text = fs::read_to_string(&ledger.path).unwrap();
        for damaged in
            [text.replacen("\"lab-1\"", "lab-1", 1), text.replacen("intend", "intent", 1), format!("x{text}")]
        {
            fs::write(&ledger.path, damaged).unwrap();
            assert!(matches!(ledger.open(), Err(LedgerError::Damaged { line: 1, .. })));
        }
        fs::write(&ledger.path, format!("{}\n{text}\0\0", &text[..40])).unwrap();
        assert_eq!(ledger.open().unwrap().len(), 2);
    }

    proptest! {
        /// Cut anywhere, the ledger still names every resource whose `intend` was whole and whose `gone` was not; and what
        /// is written after the cut is read.
        #[test]
        fn a_cut_loses_nothing_that_was_written(events in prop::collection::vec((0usize..3, 0usize..4), 1..12), cut in 0.0f64..1.0) {
            let dir = tempfile::tempdir().unwrap();
            let ledger = ledger(&dir);
            let kinds = [Event::Intend, Event::Operation, Event::Exists, Event::Gone];
            for (name, event) in &events {
                let name = format!("cluster-{name}");
                ledger.write(kinds[*event], &resource("lab-1", &name), Some("o"), None).unwrap();
            }
            let bytes = fs::read(&ledger.path).unwrap();
            let at = (bytes.len() as f64 * cut) as usize;
            fs::write(&ledger.path, &bytes[..at]).unwrap();
            // A line whose last byte alone is missing is whole, too.
            let whole = (1..=events.len()).take_while(|count| {
                let end = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(count - 1).unwrap().0;
                end <= at
            }).count();
            let mut expected = std::collections::BTreeSet::new();
            for (name, event) in &events[..whole] {
                if kinds[*event] == Event::Gone { expected.remove(name); } else { expected.insert(*name); }
            }
            let names = |ledger: &Ledger| -> std::collections::BTreeSet<String> {
                ledger.open().unwrap().into_iter().map(|open| open.resource.name).collect()
            };
            let mut expected: std::collections::BTreeSet<String> = expected.iter().map(|name| format!("cluster-{name}")).collect();
            prop_assert_eq!(names(&ledger), expected.clone());
            ledger.write(Event::Intend, &resource("lab-1", "after"), None, None).unwrap();
            expected.insert("after".into());
            prop_assert_eq!(names(&ledger), expected);
        }
    }
}
