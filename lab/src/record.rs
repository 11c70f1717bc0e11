//! The evidence of a run: the one room that knows how a record is laid out on disk.
//!
//! A record is a directory. The lab writes it while the run goes on, so that it is complete as far as the run got,
//! whatever ended it; the judges read it and nothing else. `lab/RECORD.md` describes the layout for people.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

mod read;

pub use read::OUTPUT_LIMIT_BYTES;

/// The version of the layout that this code writes.
pub const SCHEMA: u32 = 1;

/// A run's evidence, opened for reading or for writing.
#[derive(Debug, Clone)]
pub struct Record {
    dir: PathBuf,
}

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system refused.
    #[error("failed to keep the record: {0}")]
    Io(#[from] std::io::Error),
    /// A file of the record cannot be read, or what bears its name is no file.
    #[error("failed to read `{path}` of the record: {source}")]
    Unreadable {
        /// The file, relative to the record.
        path: String,
        /// What it is instead, or what the system said.
        source: std::io::Error,
    },
    /// A file of the record is not what the layout says.
    #[error("failed to read `{path}` of the record: {source}")]
    Malformed {
        /// The file, relative to the record.
        path: String,
        /// What the parser said.
        source: serde_json::Error,
    },
}

/// The time now as the record writes it: RFC 3339, UTC, microseconds.
pub fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}

type Result<T, E = RecordError> = std::result::Result<T, E>;

/// `record.json`: what was asked for, where, when, and how the run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA`] of the lab that wrote it.
    pub schema: u32,
    /// The run's name, also the directory's.
    pub id: String,
    /// Name of the lab.
    pub lab: String,
    /// `local`, `kind` or `gke`.
    pub target: String,
    /// The command line as typed.
    pub asked: Vec<String>,
    /// What is the same worker: `rust` (the project's), or the command or image that replaced it.
    pub worker: String,
    /// Program or component to its version, e.g. `redis` to `7.0.15`.
    pub versions: BTreeMap<String, String>,
    /// Facts about the machine: `kernel`, `cpus`, `memory_bytes`.
    pub host: BTreeMap<String, String>,
    /// What a reader must know to compare runs, in plain words, e.g. how the volume is mounted.
    pub notes: Vec<String>,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339; absent while the run goes on, and for ever when it was killed.
    pub ended: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a run ended, before any judge saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Outcome {
    /// Written first: what a killed run leaves behind.
    Interrupted,
    /// Every step of the flow was gone through.
    Finished,
    /// A step failed.
    Failed {
        /// The step's name.
        step: String,
        /// A name for the cause, kebab-case, stable: what a script would match on, e.g. `queue-livelock`.
        cause: String,
        /// The whole error, as printed.
        error: String,
        /// What to do about it.
        remedy: String,
    },
}

/// `inputs.json`: everything that went in, by digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// Where the datasets came from.
    pub datasets: DatasetsSource,
    /// Each dataset file.
    pub files: Vec<InputFile>,
    /// The worker's program or image.
    pub worker: InputFile,
    /// Seed of the worker's model.
    pub seed: u64,
}

/// Where a run's datasets came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum DatasetsSource {
    /// Made by the simulator. The record then holds no copy: same parameters, same bytes.
    Generated {
        /// Training days; the day after them is the test set.
        days: u32,
        /// The simulator's seed.
        seed: u64,
    },
    /// Files of the user's; the record holds a copy under `datasets/`.
    Directory {
        /// As given.
        path: String,
    },
}

/// One input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Relative to the share for a dataset (`datasets/training/2018-04-01.pkl`), a path or reference else.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// A line of `steps.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    /// The step's name, as in the list of the flow.
    pub name: String,
    /// What was printed beside the name.
    pub detail: String,
    /// RFC 3339.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// The error, if it failed.
    pub error: Option<String>,
}

/// `queue/before.json` and `queue/after.json`: all that Redis held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueState {
    /// `LRANGE datasets 0 -1`: claimed from the end.
    pub waiting: Vec<String>,
    /// `LRANGE datasets:processing 0 -1`.
    pub processing: Vec<String>,
    /// `HGETALL datasets:failed`: item to reason.
    pub failed: BTreeMap<String, String>,
    /// Lease key to the session that holds it and its time to live in milliseconds.
    pub leases: BTreeMap<String, (String, i64)>,
    /// Every key in the database, sorted.
    pub keys: Vec<String>,
}

/// `job.json`: the Job, its pods and how often each of their containers ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// `workload`.
    pub name: String,
    /// Pods wanted at a time.
    pub parallelism: u32,
    /// Failures allowed.
    pub backoff_limit: u32,
    /// `Complete`, `Failed`, or absent if it was neither.
    pub condition: Option<String>,
    /// Why, for a condition that has a reason, e.g. `BackoffLimitExceeded`.
    pub reason: Option<String>,
    /// In order of creation.
    pub pods: Vec<Pod>,
}

/// One pod of the Job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// E.g. `workload-5x2kd`.
    pub name: String,
    /// Each run of its container, in order; `logs/POD-N.out` and `.err` hold what it printed, N from 0.
    pub containers: Vec<ContainerRun>,
}

/// One run of a container, from start to exit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerRun {
    /// RFC 3339.
    pub started: String,
    /// RFC 3339; absent if it was still running.
    pub ended: Option<String>,
    /// As Kubernetes reports it: 128 + signal for a signal.
    pub exit_code: Option<i32>,
    /// The last signal that the lab sent it, if it did: `SIGTERM` or `SIGKILL`, to preempt it or to stop the Job.
    pub preempted_by: Option<String>,
}

/// A line of `events.jsonl`: what Kubernetes calls an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// RFC 3339.
    pub at: String,
    /// `Normal` or `Warning`.
    pub kind: String,
    /// E.g. `BackOff`.
    pub reason: String,
    /// E.g. `pod/workload-5x2kd`.
    pub object: String,
    /// A sentence.
    pub message: String,
}

/// `verdict.json`: what the judges said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// No finding.
    pub green: bool,
    /// The judges that were heard, by name, in order.
    pub judges: Vec<String>,
    /// What they object to, in order.
    pub findings: Vec<Finding>,
    /// What was not asked of this run, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// What a judge does not ask of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The judge's name.
    pub judge: String,
    /// A sentence.
    pub message: String,
}

/// One objection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The judge's name.
    pub judge: String,
    /// The cause's name, kebab-case, stable, e.g. `lost-dataset`.
    pub cause: String,
    /// One or more sentences: what is wrong, with the names and numbers.
    pub message: String,
    /// The evidence: a file of the record, relative to it.
    pub file: String,
    /// Line in that file, from 1, where there is one.
    pub line: Option<u32>,
    /// What to do.
    pub remedy: String,
}

/// Which end of a container's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: the tutorial's log.
    Out,
    /// Standard error: diagnostics and figures.
    Err,
}

/// When the queue was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// After it was filled, before the Job.
    Before,
    /// After the Job.
    After,
}

impl Record {
    /// Makes the directory `dir` and opens it. It must not exist.
    pub fn create(dir: impl Into<PathBuf>) -> Result<Self> {
        let dir = dir.into();
        if let Some(parent) = dir.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::create_dir(&dir)?;
        Ok(Self { dir })
    }

    /// Opens an existing record.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self> {
        let record = Self { dir: dir.into() };
        record.summary()?;
        Ok(record)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads `record.json`.
    pub fn summary(&self) -> Result<Summary> {
        self.read_json("record.json")
    }

    /// Writes `record.json`.
    pub fn set_summary(&self, summary: &Summary) -> Result<()> {
        self.write_json("record.json", summary)
    }

    /// Reads `inputs.json`.
    pub fn inputs(&self) -> Result<Inputs> {
        self.read_json("inputs.json")
    }

    /// Writes `inputs.json`.
    pub fn set_inputs(&self, inputs: &Inputs) -> Result<()> {
        self.write_json("inputs.json", inputs)
    }

    /// Reads `steps.jsonl`; a line that a kill cut off is left out.
    pub fn steps(&self) -> Result<Vec<StepLine>> {
        self.read_lines("steps.jsonl")
    }

    /// Appends to `steps.jsonl`.
    pub fn add_step(&self, step: &StepLine) -> Result<()> {
        self.append_line("steps.jsonl", step)
    }

    /// Reads `events.jsonl`; a line that a kill cut off is left out.
    pub fn events(&self) -> Result<Vec<Event>> {
        self.read_lines("events.jsonl")
    }

    /// Appends to `events.jsonl`.
    pub fn add_event(&self, event: &Event) -> Result<()> {
        self.append_line("events.jsonl", event)
    }

    /// Reads `queue/before.json` or `queue/after.json`.
    pub fn queue(&self, when: When) -> Result<QueueState> {
        self.read_json(queue_path(when))
    }

    /// Writes `queue/before.json` or `queue/after.json`.
    pub fn set_queue(&self, when: When, state: &QueueState) -> Result<()> {
        self.write_json(queue_path(when), state)
    }

    /// Reads `job.json`.
    pub fn job(&self) -> Result<Job> {
        self.read_json("job.json")
    }

    /// Writes `job.json`.
    pub fn set_job(&self, job: &Job) -> Result<()> {
        self.write_json("job.json", job)
    }

    /// Where the `run`-th container of `pod` (from 0) has its output, relative to the record.
    pub fn log_path(&self, pod: &str, run: usize, stream: Stream) -> String {
        let end = match stream {
            Stream::Out => "out",
            Stream::Err => "err",
        };
        format!("logs/{pod}-{run}.{end}")
    }

    /// Writes a text file of the record, e.g. `logs/redis.log`.
    pub fn set_text(&self, path: &str, text: &str) -> Result<()> {
        self.write(path, text.as_bytes())
    }

    /// `datasets/`: the copy of a user's datasets, empty for generated ones.
    pub fn datasets_dir(&self) -> PathBuf {
        self.dir.join("datasets")
    }

    /// Copies a user's dataset into the record; `path` is relative to the share and begins with `datasets/`.
    pub fn keep_dataset(&self, source: &Path, path: &str) -> std::io::Result<()> {
        let copy = self.dir.join(path);
        if let Some(folder) = copy.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(source, copy).map(drop)
    }

    /// Reads `verdict.json`.
    pub fn verdict(&self) -> Result<Verdict> {
        self.read_json("verdict.json")
    }

    /// Writes `verdict.json`.
    pub fn set_verdict(&self, verdict: &Verdict) -> Result<()> {
        self.write_json("verdict.json", verdict)
    }

    fn append_line<T: Serialize>(&self, path: &str, value: &T) -> Result<()> {
        let mut line = to_json(value, path, serde_json::to_vec)?;
        line.push(b'\n');
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.dir.join(path))?;
        Ok(file.write_all(&line)?)
    }

    fn write_json<T: Serialize>(&self, path: &str, value: &T) -> Result<()> {
        let mut bytes = to_json(value, path, serde_json::to_vec_pretty)?;
        bytes.push(b'\n');
        self.write(path, &bytes)
    }

    /// Whole or not at all, as everything that is published: a killed lab leaves no half-written evidence.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.dir.join(path);
        let dir = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(dir)?;
        // For everybody whom the umask lets, as the logs are; a temporary file is otherwise its owner's alone.
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        let mut temporary = tempfile::Builder::new().permissions(everybody).tempfile_in(dir)?;
        temporary.write_all(bytes)?;
        temporary.persist(&path).map_err(|error| error.error)?;
        Ok(())
    }
}

fn queue_path(when: When) -> &'static str {
    match when {
        When::Before => "queue/before.json",
        When::After => "queue/after.json",
    }
}

fn to_json<T: Serialize>(value: &T, path: &str, write: fn(&T) -> serde_json::Result<Vec<u8>>) -> Result<Vec<u8>> {
    write(value).map_err(|source| RecordError::Malformed { path: path.into(), source })
}
