//! Where a lab stands, and what the flow needs to know and to do there.
//!
//! What differs between targets is in here: as data ([`Facts`], [`Commands`]) and as the few operations of [`Site`],
//! [`Share`] and [`RunningJob`]. A step of the flow never asks which target it is on.

pub mod gke;
pub mod kind;
pub mod kubernetes;
pub mod local;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::failure::{Exit, Explain, Failure, Result};
use crate::job::PodPhase;
use crate::job::program::Program;
use crate::record::{self, Record, RecordError};
use crate::state::State;

/// A target, as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Asked {
    /// The best one that is there.
    Auto,
    /// Processes and a directory of this machine.
    Local,
    /// Kubernetes in Docker.
    Kind,
    /// Google Kubernetes Engine and Filestore.
    Gke,
}

/// A target that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Processes and a directory of this machine.
    Local,
    /// Kubernetes in Docker.
    Kind,
    /// Google Kubernetes Engine and Filestore.
    Gke,
}

/// What a reader of a run is told about where it was.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Program or component to its version.
    pub versions: Vec<(String, String)>,
    /// What one must know to compare runs, in plain words.
    pub notes: Vec<String>,
}

/// What a Job is asked to do, on every target.
#[derive(Debug, Clone)]
pub struct JobOrder {
    /// What runs in the pods.
    pub program: Program,
    /// The worker's own settings; the site adds where Redis and the share are.
    pub settings: Vec<(String, OsString)>,
    /// Pods at a time.
    pub parallelism: u32,
    /// What the Job's own clocks are multiplied by, where the lab keeps them.
    pub time_scale: f64,
}

/// What a person would type for a step.
#[derive(Debug, Clone, Copy)]
pub struct Commands {
    /// The step's name.
    pub step: &'static str,
    /// The commands, one a line.
    pub typed: &'static str,
}

/// A lab on a target: stood up piece by piece, used by the flow, taken down.
///
/// Each `up_…` makes its piece unless it stands already, whatever a kill has left behind, and says what stands now.
pub trait Site {
    /// The cluster, or what corresponds.
    ///
    /// # Errors
    /// When it cannot be made.
    fn up_environment(&mut self) -> Result<String>;

    /// The volume that the share is on.
    ///
    /// # Errors
    /// When it cannot be made.
    fn up_volume(&mut self) -> Result<String>;

    /// The claim on the volume, or a check that lab and worker can both write there.
    ///
    /// # Errors
    /// When it is not granted.
    fn up_claim(&mut self) -> Result<String>;

    /// Redis.
    ///
    /// # Errors
    /// When it does not serve.
    fn up_redis(&mut self) -> Result<String>;

    /// The service by which the worker finds Redis: made, and reached as the worker will reach it.
    ///
    /// # Errors
    /// When Redis cannot be reached by it.
    fn up_service(&mut self) -> Result<String>;

    /// What the record says of the place.
    fn facts(&self) -> Facts;

    /// A connection to Redis.
    ///
    /// # Errors
    /// When it does not answer.
    fn redis(&self) -> Result<redis::Connection>;

    /// Where that Redis is, for those who read that it does not answer.
    fn redis_address(&self) -> String {
        "redis:6379".into()
    }

    /// Empties the database, which is the lab's own, and pushes the items in their order on the right of the list.
    ///
    /// # Errors
    /// When Redis refuses, or does not answer.
    fn fill_queue(&self, list: &str, items: &[String]) -> Result<()>;

    /// What Redis wrote into its log.
    fn redis_log(&self) -> String;

    /// The share.
    ///
    /// # Errors
    /// When the lab does not stand.
    fn share(&self) -> Result<&dyn Share>;

    /// Starts the Job. What it does goes into the record as it happens.
    ///
    /// # Errors
    /// When it cannot be started at all.
    fn start_job(&self, order: JobOrder, record: &Record) -> Result<Box<dyn RunningJob>>;

    /// Keeps in the record what only this place can show; more of it when the run is red.
    ///
    /// # Errors
    /// When the record cannot be written.
    fn gather(&self, record: &Record, red: bool) -> Result<()>;

    /// Ends what an earlier run has left at work, and remembers this one's record, for `status` and `logs`.
    ///
    /// # Errors
    /// When it does not end, or the state cannot be written.
    fn begin_run(&mut self, record: &Path) -> Result<()>;

    /// Whether it stands still, whatever a run has done to it, as far as that can be seen at once.
    fn stands(&self) -> bool {
        true
    }

    /// What it costs to leave it up, in words, where that costs money: then a red lab is not left up unless it is asked for.
    fn keeping_costs(&self) -> Option<String> {
        None
    }

    /// Takes everything away, and says what there was.
    ///
    /// # Errors
    /// When something stays.
    fn down(self: Box<Self>) -> Result<String>;
}

/// The share, as the lab reaches it.
pub trait Share {
    /// Empties it, and says how many files there were.
    ///
    /// # Errors
    /// When something cannot be removed.
    fn clear(&self) -> std::io::Result<usize>;

    /// Copies files there; `progress` hears of each piece: the file's number and the bytes. Returns the SHA-256 of each
    /// file as it was read.
    ///
    /// # Errors
    /// When one cannot be read or written.
    fn put(&self, files: &[Upload], progress: &dyn Fn(usize, u64)) -> std::io::Result<Vec<String>>;

    /// The SHA-256 of each file below a folder as it lies there, by its path relative to the share.
    ///
    /// # Errors
    /// When one cannot be read.
    fn digests(&self, folder: &str) -> std::io::Result<BTreeMap<String, String>>;

    /// What `ls -1` shows of a folder, a name a line; `None` if there is no such folder.
    ///
    /// # Errors
    /// When it cannot be listed.
    fn listing(&self, folder: &str) -> std::io::Result<Option<String>>;

    /// Copies a folder with everything in it, hidden files too, and says how many files that were; none if it is not
    /// there.
    ///
    /// # Errors
    /// When it cannot be read or written.
    fn fetch(&self, folder: &str, into: &Path) -> std::io::Result<usize>;
}

/// A file to be copied to the share.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Where it is now.
    pub source: PathBuf,
    /// Where it shall be, relative to the share.
    pub path: String,
}

/// A Job that was started.
pub trait RunningJob {
    /// The Job as it is, and how far each of its pods is, in order of creation.
    fn look(&self) -> (record::Job, Vec<PodPhase>);

    /// What the last look has found that time will not mend, e.g. an image that is not there.
    fn trouble(&self) -> Option<Failure>;

    /// The same for whoever has no time left: what was still being borne is the reason then.
    fn trouble_at_last(&self) -> Option<Failure> {
        self.trouble()
    }

    /// How long looks at the Job and the queue may fail, one after the other, before that is told.
    fn out_of_touch(&self) -> Duration {
        Duration::ZERO
    }

    /// Waits until something changes, about so long at most.
    fn wait_for_news(&self, limit: Duration);

    /// What went wrong with the record meanwhile, if something did.
    ///
    /// # Errors
    /// The first error of writing it.
    fn check_record(&self) -> Result<(), RecordError>;

    /// Takes the worker away if `is_the_moment` says so, and says whether it did.
    ///
    /// # Errors
    /// Those of `is_the_moment`.
    fn preempt(&self, signal: Signal, is_the_moment: &mut dyn FnMut() -> Result<bool>) -> Result<bool>;

    /// Stops every pod in order, where the Job lives by the lab; where it does not, takes a last look at it. Nothing
    /// is stopped if the Job is over.
    fn stop(&self);
}

/// The target that was asked for cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Nobody is taken away there.
    #[error("failed to take the worker away on target `{0}`: this version of the lab does so on `local` alone")]
    NoPreemption(&'static str),
    /// A lab of this name stands elsewhere.
    #[error("failed to use lab `{name}`: it stands on target `{stands}`, not on `{asked}`")]
    Elsewhere {
        /// The lab.
        name: String,
        /// Its target.
        stands: String,
        /// The one asked for.
        asked: &'static str,
    },
}

/// The lab stands otherwise than is asked now.
#[derive(Debug, thiserror::Error)]
#[error("failed to use lab `{lab}` as asked: it stands with {stands}, and {asked} is asked for")]
pub struct StandsOtherwise {
    lab: String,
    stands: String,
    asked: String,
}

/// Refuses a lab that stands on another target.
///
/// # Errors
/// [`TargetError::Elsewhere`].
pub fn check_target(state: &State, asked: Target) -> Result<(), TargetError> {
    let asked = asked.name();
    if state.target == asked {
        return Ok(());
    }
    Err(TargetError::Elsewhere { name: state.name.clone(), stands: state.target.clone(), asked })
}

impl Target {
    /// Chooses the target, and says why where there was a choice. `kind_lacks` says what keeps `kind` from being had. The
    /// one that was asked for is never replaced by another.
    pub fn choose(asked: Asked, kind_lacks: impl FnOnce() -> Option<String>) -> (Self, Option<String>) {
        match asked {
            Asked::Auto => match kind_lacks() {
                None => (Self::Kind, Some("`kind`: Docker, kind and the images are there".into())),
                Some(lack) => (Self::Local, Some(format!("`local`: {lack}"))),
            },
            Asked::Local => (Self::Local, None),
            Asked::Kind => (Self::Kind, None),
            // It costs money: nobody gets it without having asked for it.
            Asked::Gke => (Self::Gke, None),
        }
    }

    /// The target that a state file or a record names so.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Local, Self::Kind, Self::Gke].into_iter().find(|target| target.name() == name)
    }

    /// Its name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Kind => "kind",
            Self::Gke => "gke",
        }
    }

    /// What a person would type there for each step of the flow.
    pub fn commands(self) -> &'static [Commands] {
        match self {
            Self::Local => local::COMMANDS,
            Self::Kind => kind::COMMANDS,
            Self::Gke => gke::COMMANDS,
        }
    }
}

impl Explain for StandsOtherwise {
    fn exit(&self) -> Exit {
        Exit::Preflight
    }

    fn cause_name(&self) -> &'static str {
        "lab-stands-otherwise"
    }

    fn remedy(&self) -> String {
        format!(
            "take it down first: `cargo xtask lab down --name {}`; or ask for what stands, or another --name",
            self.lab
        )
    }
}

impl Explain for TargetError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoPreemption(_) => Exit::Usage,
            Self::Elsewhere { .. } => Exit::Preflight,
        }
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::NoPreemption(_) => "usage",
            Self::Elsewhere { .. } => "target-elsewhere",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoPreemption(_) => "leave --preempt away, or take --target local".into(),
            Self::Elsewhere { name, .. } => {
                format!("take it down with `cargo xtask lab down --name {name}`, or use another lab with --name")
            }
        }
    }
}
