//! What must be there before anything is started: each thing with what was found, or what is wrong and what mends it.
//!
//! `up` and `e2e` check what they need and start nothing unless all of it is there; `doctor` shows the whole list.

mod gke;
mod kind;
mod quota;

use std::path::{Path, PathBuf};

use crate::cli;
use crate::console::{Console, Tone, plural, size};
use crate::datasets::Source;
use crate::failure::{Exit, Explain, Failure, Result};
use crate::interrupt;
use crate::job::program::Program as Worker;
use crate::judge::Judge;
use crate::places::Places;
use crate::redis_server::{self, Fetch, NOT_FETCHED, Program as Redis};
use crate::state::LabDir;
use crate::target::Target;
use crate::target::kind::Plan;
use crate::target::local::free_bytes;

pub use kind::lacks as kind_lacks;

/// Room for the share, Redis's file and a record of generated days.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// One thing that was looked at.
#[derive(Debug)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What was found, or what is wrong.
    pub found: Result<String>,
}

/// What a lab needs.
#[derive(Debug)]
pub struct Needs<'a> {
    /// Where things lie.
    pub places: &'a Places,
    /// Where the lab is to stand, and with what.
    pub place: Place<'a>,
    /// What a run needs beside the lab itself.
    pub run: Option<RunNeeds<'a>>,
}

/// Where the lab is to stand, and with what.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// On this machine.
    Local {
        /// The Redis program that was named.
        redis: Option<&'a Path>,
        /// May Redis be fetched?
        fetch: Fetch,
    },
    /// On kind.
    Kind {
        /// What was asked of it.
        options: &'a cli::Kind,
        /// May images be pulled?
        pull: bool,
    },
    /// On GKE.
    Gke {
        /// What was asked of it.
        options: &'a cli::Gke,
        /// Redis's image, where it was named.
        redis_image: Option<&'a str>,
        /// The lab's name.
        name: &'a str,
    },
}

/// What a run needs.
#[derive(Debug, Clone, Copy)]
pub struct RunNeeds<'a> {
    /// The command line that replaces the worker.
    pub worker_command: Option<&'a str>,
    /// The image that replaces the worker.
    pub worker_image: Option<&'a str>,
    /// The worker's file.
    pub worker_file: Option<&'a Path>,
    /// The judge's file.
    pub judge: Option<&'a Path>,
    /// Where the datasets come from, if that is known already.
    pub datasets: Option<&'a Source>,
}

/// All of it, found.
#[derive(Debug)]
pub struct Found {
    /// What the lab will stand on.
    pub ground: Ground,
    /// The worker, where a run was asked for.
    pub worker: Option<Worker>,
    /// The judge, likewise.
    pub judge: Option<Judge>,
}

/// What a lab stands on.
#[derive(Debug)]
pub enum Ground {
    /// The Redis program of target `local`.
    Local(Redis),
    /// Everything that target `kind` was found to have.
    Kind(Box<Plan>),
    /// Everything that target `gke` was found to have.
    Gke(Box<crate::target::gke::Plan>),
}

/// A worker of a kind that the target does not run.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("failed to use image `{image}` as the worker: target `local` runs programs, not images")]
    NoImages { image: String },
    #[error("failed to use `{command}` as the worker: target `{target}` runs images, not command lines")]
    NoCommands { command: String, target: &'static str },
}

/// A directory that the lab needs is of no use.
#[derive(Debug, thiserror::Error)]
enum DirectoryError {
    #[error("failed to write to the {what} directory `{}`: {source}", path.display())]
    Unwritable { what: &'static str, path: PathBuf, variable: &'static str, source: std::io::Error },
    #[error("failed to find room in `{}`: {} free, {} needed", path.display(), size(*free_bytes), size(*needed_bytes))]
    Full { path: PathBuf, variable: &'static str, free_bytes: u64, needed_bytes: u64 },
}

impl<'a> Place<'a> {
    /// The place for a target, with what the command line says of it.
    pub fn of(target: Target, up: &'a cli::Up) -> Self {
        match target {
            Target::Local => Self::Local { redis: up.redis.redis_server.as_deref(), fetch: Fetch::Allowed },
            Target::Kind => Self::Kind { options: &up.kind, pull: true },
            Target::Gke => {
                Self::Gke { options: &up.gke, redis_image: up.kind.redis_image.as_deref(), name: &up.place.which.name }
            }
        }
    }
}

/// Looks at everything, and says what was found of each.
pub fn look(needs: &Needs<'_>, console: &Console) -> (Vec<Check>, Option<Found>) {
    let Places { state, cache, runs } = needs.places;
    let mut checks = vec![
        Check { name: "state", found: writable("state", state, "XDG_STATE_HOME") },
        Check { name: "cache", found: writable("cache", cache, "XDG_CACHE_HOME") },
    ];
    let (mut worker, mut judge) = (None, None);
    if let Some(run) = &needs.run {
        let found = find_worker(run, &needs.place);
        checks.push(Check { name: "worker", found: describe(&found, describe_worker) });
        worker = found.ok();
        let found = Judge::find(run.judge).map_err(Failure::from);
        checks.push(Check { name: "judge", found: describe(&found, |_| "there".into()) });
        judge = found.ok();
        checks.push(Check { name: "records", found: writable("records'", runs, "LAB_RUNS") });
        if let Some(source @ Source::Directory(_)) = run.datasets {
            let files = source.files(cache, console).map_err(Failure::from);
            checks.push(Check { name: "datasets", found: describe(&files, |files| plural(files.len(), "file")) });
        }
    }
    let ground = match needs.place {
        Place::Local { redis, fetch } => {
            let redis = redis_server::find(redis, cache, fetch, console);
            checks.insert(0, Check { name: "redis", found: describe_redis(&redis) });
            redis.ok().map(Ground::Local)
        }
        Place::Kind { options, pull } => {
            let (found, plan) = kind::look(&kind::Asked { options, pull, worker: worker.as_ref(), state }, console);
            checks.splice(0..0, found);
            plan.map(|plan| Ground::Kind(Box::new(plan)))
        }
        Place::Gke { options, redis_image, name } => {
            let (lab, worker) = (LabDir::of(needs.places, name), worker.as_ref());
            let asked = gke::Asked { options, redis_image, worker, lab: &lab, places: needs.places };
            let (found, plan) = gke::look(&asked, console);
            checks.splice(0..0, found);
            plan.map(|plan| Ground::Gke(Box::new(plan)))
        }
    };
    let good = checks.iter().all(|check| check.found.is_ok());
    let found = ground.filter(|_| good).map(|ground| Found { ground, worker, judge });
    (checks, found)
}

/// Looks at everything, and fails with the first thing that is wrong after telling all of them.
///
/// # Errors
/// The last of what is wrong; the others were printed.
pub fn insist(needs: &Needs<'_>, console: &Console) -> Result<(Found, String)> {
    let (checks, found) = look(needs, console);
    let is_told = |check: &&Check| ["redis", "docker", "kind", "gcloud", "project", "quota"].contains(&check.name);
    let told = checks.iter().filter(is_told);
    let told = told.filter_map(|check| Some(format!("{} {}", check.name, check.found.as_ref().ok()?)));
    let told = told.collect::<Vec<_>>().join(", ");
    let mut wrong: Vec<_> = checks.into_iter().filter_map(|check| check.found.err()).collect();
    let Some(last) = wrong.pop() else {
        let fault = || Failure::fault(Exit::Preflight, "failed to find what every check has found");
        let found = found.ok_or_else(fault)?;
        if let Ground::Kind(plan) = &found.ground {
            console.line(Tone::Note, "Volume", plan.volume.words().trim_start_matches("volume: "));
        }
        return Ok((found, told));
    };
    // What is missing may be so because somebody stopped the look at it.
    interrupt::check()?;
    wrong.iter().for_each(|failure| console.failure(failure));
    Err(if last.is_interruption() { last } else { last.with_exit(Exit::Preflight) })
}

/// The worker that was asked for, if the target runs its kind.
fn find_worker(run: &RunNeeds<'_>, place: &Place<'_>) -> Result<Worker> {
    match (place, run.worker_command, run.worker_image) {
        (Place::Local { .. }, _, Some(image)) => Err(WorkerError::NoImages { image: image.into() }.into()),
        (Place::Kind { .. }, Some(command), _) => {
            Err(WorkerError::NoCommands { command: command.into(), target: Target::Kind.name() }.into())
        }
        (Place::Gke { .. }, Some(command), _) => {
            Err(WorkerError::NoCommands { command: command.into(), target: Target::Gke.name() }.into())
        }
        (_, _, Some(image)) => Ok(Worker::Image(image.into())),
        (_, command, None) => Ok(Worker::find(command, run.worker_file)?),
    }
}

fn describe<T>(found: &Result<T>, words: impl Fn(&T) -> String) -> Result<String> {
    found.as_ref().map(words).map_err(Clone::clone)
}

fn describe_redis(redis: &Result<Redis>) -> Result<String> {
    match redis {
        Ok(redis) => Ok(format!("{} ({}, {})", redis.version, redis.path.display(), redis.origin)),
        Err(failure) if failure.cause == NOT_FETCHED => {
            Ok("not on this machine; the distribution's will be fetched into the cache".into())
        }
        Err(failure) => Err(failure.clone()),
    }
}

fn describe_worker(worker: &Worker) -> String {
    match worker {
        Worker::File(path) => path.display().to_string(),
        Worker::Shell(command) => format!("sh -c '{command}'"),
        Worker::Image(reference) => format!("image {reference}"),
    }
}

/// Whether a directory, or what there is of its parents, can be written to and has room. Nothing stays behind.
fn writable(what: &'static str, path: &Path, variable: &'static str) -> Result<String> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(path);
    let refused = |source| DirectoryError::Unwritable { what, path: path.into(), variable, source };
    if !there.is_dir() {
        return Err(refused(std::io::Error::from(std::io::ErrorKind::NotADirectory)).into());
    }
    // A file without a name: even a kill leaves nothing of it.
    tempfile::tempfile_in(there).map_err(refused)?;
    let free = free_bytes(there).map_err(refused)?;
    if free < FREE_BYTES_MIN {
        let (free_bytes, needed_bytes) = (free, FREE_BYTES_MIN);
        return Err(DirectoryError::Full { path: path.into(), variable, free_bytes, needed_bytes }.into());
    }
    Ok(format!("{}, {} free", path.display(), size(free)))
}

impl Explain for WorkerError {
    fn exit(&self) -> Exit {
        Exit::Preflight
    }

    fn cause_name(&self) -> &'static str {
        "worker-missing"
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoImages { .. } => "run the image's program itself with --worker-cmd, or take --target kind",
            Self::NoCommands { .. } => {
                "put the program into an image and name that with --worker-image, or take --target local"
            }
        }
        .into()
    }
}

impl Explain for DirectoryError {
    fn exit(&self) -> Exit {
        Exit::Preflight
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Unwritable { .. } => "directory-unwritable",
            Self::Full { .. } => "disk-full",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Unwritable { path, variable, .. } => {
                format!("mkdir -p {0} && chmod u+rwx {0}, or set {variable} to another", path.display())
            }
            Self::Full { variable, .. } => {
                let frees = match *variable {
                    "XDG_STATE_HOME" => "`cargo xtask lab down` removes a lab with its share",
                    "XDG_CACHE_HOME" => "`cargo xtask lab gc --cache` empties the cache",
                    _ => "`cargo xtask lab gc --keep-runs 5` removes old records",
                };
                format!("make room: {frees}; or set {variable} to a directory of another disk")
            }
        }
    }
}
