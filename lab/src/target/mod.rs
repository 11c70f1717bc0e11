//! Where a lab stands, and what the flow needs to know and to do there.
//!
//! What differs between targets is in here: as data ([`Facts`], [`Commands`]) and as the few operations of [`Site`],
//! [`Share`] and [`RunningJob`]. A step of the flow never asks which target it is on.

pub mod local;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::failure::{Exit, Explain, Result};
use crate::job::PodPhase;
use crate::job::program::Program;
use crate::record::{self, Record, RecordError};

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

    /// What Redis wrote into its log.
    fn redis_log(&self) -> String;

    /// The share.
    fn share(&self) -> &dyn Share;

    /// Starts the Job. What it does goes into the record as it happens.
    ///
    /// # Errors
    /// When it cannot be started at all.
    fn start_job(&self, order: JobOrder, record: &Record) -> Result<Box<dyn RunningJob>>;

    /// Remembers the record of the last run, for `status` and `logs`.
    ///
    /// # Errors
    /// When the state cannot be written.
    fn remember_run(&mut self, record: &Path) -> Result<()>;

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

    /// Copies a file there; `progress` hears of each piece's bytes. Returns the digest of what was read.
    ///
    /// # Errors
    /// When it cannot be read or written.
    fn put(&self, source: &Path, path: &str, progress: &dyn Fn(u64)) -> std::io::Result<String>;

    /// The digest of a file as it lies there.
    ///
    /// # Errors
    /// When it cannot be read.
    fn digest(&self, path: &str) -> std::io::Result<String>;

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

/// A Job that was started.
pub trait RunningJob {
    /// The Job as it is, and how far each of its pods is, in order of creation.
    fn look(&self) -> (record::Job, Vec<PodPhase>);

    /// Waits until something changes, at most so long.
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

    /// Stops every pod in order. Nothing happens if the Job is over.
    fn stop(&self);
}

/// The target that was asked for cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// This version has no such target.
    #[error("failed to choose target `{0}`: this version of the lab has only `local`")]
    NotThere(&'static str),
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

impl Target {
    /// Chooses the target, and says why where there was a choice.
    ///
    /// # Errors
    /// When the one that was asked for cannot be had: another one is never taken in its place.
    pub fn choose(asked: Asked) -> Result<(Self, Option<&'static str>), TargetError> {
        match asked {
            Asked::Auto => Ok((Self::Local, Some("`local`: this version of the lab has no other yet"))),
            Asked::Local => Ok((Self::Local, None)),
            Asked::Kind => Err(TargetError::NotThere("kind")),
            Asked::Gke => Err(TargetError::NotThere("gke")),
        }
    }

    /// Its name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
        }
    }

    /// What a person would type there for each step of the flow.
    pub fn commands(self) -> &'static [Commands] {
        match self {
            Self::Local => local::COMMANDS,
        }
    }
}

impl Explain for TargetError {
    fn exit(&self) -> Exit {
        Exit::Preflight
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::NotThere(_) => "target-missing",
            Self::Elsewhere { .. } => "target-elsewhere",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NotThere(_) => "use --target local, or leave --target away".into(),
            Self::Elsewhere { name, .. } => {
                format!("take it down with `cargo xtask lab down --name {name}`, or use another lab with --name")
            }
        }
    }
}
