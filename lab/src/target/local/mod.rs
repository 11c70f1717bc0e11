//! Target `local`: real parts without containers. Redis is a server process of the lab's own, the share is a directory,
//! and the worker is a child process under the rules of the Job.

mod commands;
mod share;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use rustix::process::Signal;

pub use commands::COMMANDS;
use share::HostShare;
pub use share::Unread;

use super::{Facts, JobOrder, RunningJob, Share, Site, StandsOtherwise, Target};
use crate::console::{Console, Tone, plural, size};
use crate::failure::{Exit, Explain, Failure, Result};
use crate::flow::error::FlowError;
use crate::job::{self, Job, PodPhase};
use crate::kill_point::kill_point;
use crate::record::{self, Record, RecordError};
use crate::redis_server::{self, Program, RedisError, Server, Start};
use crate::state::{LabDir, Lock, Phase, RedisState, State, StateError};

/// The loopback address that the worker is told.
const HOST: &str = "127.0.0.1";
/// From SIGTERM to SIGKILL, as a Spot node on Autopilot gives it.
const SPOT_GRACE: Duration = Duration::from_secs(25);
/// The tutorial's Job says nothing, so Kubernetes' default holds.
const BACKOFF_LIMIT: u32 = 6;

/// A lab of this machine.
#[derive(Debug)]
pub struct Local<'a> {
    lab: LabDir,
    lock: Lock,
    state: State,
    program: Program,
    port: Option<u16>,
    server: Option<Server>,
    share: HostShare,
    console: &'a Console,
}

/// The share is not what the flow needs.
#[derive(Debug, thiserror::Error)]
enum ShareError {
    #[error("failed to use `{}` as the share: {why}", path.display())]
    Unusable { path: PathBuf, why: String },
    #[error("failed to use the share: {why}")]
    Linked { path: PathBuf, why: String },
}

impl<'a> Local<'a> {
    /// Takes up the lab whose lock is held, whatever there is of it. Nothing is changed yet.
    ///
    /// # Errors
    /// When its state cannot be read, or it stands elsewhere or otherwise than is asked.
    pub fn open(lab: LabDir, lock: Lock, program: Program, port: Option<u16>, console: &'a Console) -> Result<Self> {
        kill_point("up-locked");
        let state = lab.read()?.unwrap_or_else(|| State::begin(lab.name(), Target::Local.name()));
        super::check_target(&state, Target::Local)?;
        if let (Some(server), Some(known)) = (standing(&lab, &state), &state.redis) {
            check_asked(&program, port, &server, known).map_err(|(stands, asked)| {
                let lab = lab.name().to_owned();
                StandsOtherwise { lab, stands, asked }
            })?;
        }
        let share = HostShare::new(lab.share());
        Ok(Self { lab, lock, state, program, port, server: None, share, console })
    }

    /// The share, unless a link stands in its place: whatever somebody has done meanwhile, no run goes through one.
    fn real_share(&self) -> Result<&HostShare> {
        let linked = |error: std::io::Error| ShareError::Linked { path: self.lab.share(), why: error.to_string() };
        self.share.check().map_err(linked)?;
        Ok(&self.share)
    }

    fn save(&self) -> Result<()> {
        Ok(self.lab.write(&self.state)?)
    }

    /// The server that stands, or an error that says there is none.
    fn running(&self) -> Result<&Server> {
        let none = || RedisError::NoAnswer { port: 0, why: "it was not started".into() };
        Ok(self.server.as_ref().ok_or_else(none)?)
    }
}

impl Site for Local<'_> {
    fn up_environment(&mut self) -> Result<String> {
        let name = self.lab.name();
        self.server = standing(&self.lab, &self.state);
        // What an earlier run left running, and what a kill kept out of the state file.
        let swept = self.lab.marker().sweep(self.server.as_ref().map(Server::process));
        if swept > 0 {
            self.console.line(Tone::Note, "Swept", &format!("{} that an earlier lab left", plural(swept, "process")));
        }
        if self.server.is_some() {
            return Ok(format!("lab `{name}` is up already, since {}", self.state.created));
        }
        let again = self.lab.path().join("redis").exists() || self.lab.share().exists();
        self.state.phase = Phase::Creating;
        self.save()?;
        kill_point("up-state-written");
        let how = if again { "taken up again in" } else { "in" };
        Ok(format!("lab `{name}` {how} {}", self.lab.path().display()))
    }

    fn up_volume(&mut self) -> Result<String> {
        self.real_share()?;
        let path = self.lab.share();
        let refused = |error: std::io::Error| ShareError::Unusable { path: path.clone(), why: error.to_string() };
        fs::create_dir_all(&path).map_err(refused)?;
        kill_point("up-share-made");
        Ok(format!("directory {}", path.display()))
    }

    fn up_claim(&mut self) -> Result<String> {
        let path = self.lab.share();
        let refused = |error: std::io::Error| ShareError::Unusable { path: path.clone(), why: error.to_string() };
        self.real_share()?.probe().map_err(refused)?;
        let free = free_bytes(&path).map_err(refused)?;
        Ok(format!("written, renamed and read back; {} free", size(free)))
    }

    fn up_redis(&mut self) -> Result<String> {
        if let (Some(server), Some(redis)) = (&self.server, &self.state.redis) {
            return Ok(describe(server, &redis.version) + " (was up)");
        }
        let dir = self.lab.redis();
        fs::create_dir_all(&dir).map_err(RedisError::from)?;
        let marker = self.lab.marker();
        let start = Start { program: &self.program, dir: &dir, port: self.port, marker: &marker };
        let (lab, state) = (&self.lab, &self.state);
        let server = start.go(|redis| {
            let spawned = redis.process.is_some();
            if spawned {
                kill_point("up-redis-spawned");
            }
            lab.write(&State { redis: Some(redis.clone()), ..state.clone() })?;
            kill_point(if spawned { "up-redis-recorded" } else { "up-redis-announced" });
            Ok(())
        })?;
        kill_point("up-redis-ready");
        let process = Some(server.process().clone());
        self.state.redis = Some(RedisState { process, ..self.program.announce(server.port()) });
        self.state.phase = Phase::Up;
        self.save()?;
        kill_point("up-done");
        let text = describe(&server, &self.program.version);
        self.server = Some(server);
        Ok(text)
    }

    fn up_service(&mut self) -> Result<String> {
        let server = self.running()?;
        server.serves(&self.lab.redis())?;
        Ok(format!("redis is {HOST}:{}, and this lab's Redis answers there", server.port()))
    }

    fn facts(&self) -> Facts {
        let redis = self.state.redis.as_ref().map_or(&self.program.version, |redis| &redis.version);
        Facts {
            versions: vec![("redis".into(), redis.clone())],
            notes: vec!["volume: a directory of this machine, without NFS".into(), "pods: child processes".into()],
        }
    }

    fn redis(&self) -> Result<redis::Connection> {
        Ok(redis_server::connect(self.running()?.port())?)
    }

    fn redis_address(&self) -> String {
        format!("{HOST}:{}", self.server.as_ref().map_or(0, Server::port))
    }

    fn fill_queue(&self, list: &str, items: &[String]) -> Result<()> {
        let mut fill = redis::pipe();
        fill.atomic().cmd("FLUSHDB").ignore().cmd("RPUSH").arg(list).arg(items).ignore();
        let filled = fill.query::<()>(&mut self.redis()?);
        Ok(filled.map_err(|source| FlowError::of_queue("fill the queue", &self.redis_address(), source))?)
    }

    fn redis_log(&self) -> String {
        fs::read(self.lab.redis().join("redis.log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    fn share(&self) -> Result<&dyn Share> {
        Ok(self.real_share()?)
    }

    fn start_job(&self, order: JobOrder, record: &Record) -> Result<Box<dyn RunningJob>> {
        self.real_share()?;
        let mut environment = service_variables(self.running()?.port());
        environment.push(("FILESTORE_PATH".into(), self.lab.share().into_os_string()));
        environment.extend(order.settings);
        let spec = job::Spec {
            name: "workload".into(),
            program: order.program,
            environment,
            parallelism: order.parallelism,
            backoff_limit: BACKOFF_LIMIT,
            grace: SPOT_GRACE,
            time_scale: order.time_scale,
            marker: self.lab.marker(),
        };
        Ok(Box::new(Job::start(spec, record)?))
    }

    /// What there is lies in the record already.
    fn gather(&self, _: &Record, _: bool) -> Result<()> {
        Ok(())
    }

    fn begin_run(&mut self, record: &Path) -> Result<()> {
        self.state.last_run = Some(record.into());
        self.save()
    }

    fn stands(&self) -> bool {
        let serves = |server: &Server| server.serves(&self.lab.redis()).is_ok();
        self.server.as_ref().is_some_and(serves) && is_directory(&self.lab.share())
    }

    fn down(self: Box<Self>) -> Result<String> {
        take_down(&self.lab, self.lock, Some(self.state))
    }
}

/// Takes a lab away: Redis in order, whatever else carries its mark at once, then its directory. Without a state that
/// can be read, the mark alone says what belongs to it.
///
/// # Errors
/// When something stays.
pub fn take_down(lab: &LabDir, lock: Lock, state: Option<State>) -> Result<String> {
    let redis = state.as_ref().and_then(|state| state.redis.clone());
    if let Some(state) = state {
        match lab.write(&State { phase: Phase::Removing, ..state }) {
            // Where there is no room for a word, room is made by what follows; a lab killed then is one without Redis.
            Err(StateError::Io { source, .. }) if source.kind() == ErrorKind::StorageFull => {}
            other => other?,
        }
    }
    kill_point("down-announced");
    let mut had = Vec::new();
    if let Some(server) = redis.and_then(|redis| Server::known(&redis, &lab.redis())) {
        server.stop()?;
        had.push(format!("Redis (pid {})", server.process().pid));
    }
    let swept = lab.marker().sweep(None);
    if swept > 0 {
        had.push(plural(swept, "process"));
    }
    kill_point("down-redis-stopped");
    if lab.share().symlink_metadata().is_ok() {
        had.push("share".into());
    }
    lab.remove(&lab.share())?;
    kill_point("down-share-removed");
    let lock_file = lab.path().join("lock");
    for entry in fs::read_dir(lab.path()).into_iter().flatten().flatten() {
        // The lock goes last: whoever waits for it must not meet a lab that is half gone.
        if entry.path() != lock_file {
            lab.remove(&entry.path())?;
        }
    }
    kill_point("down-state-removed");
    lock.remove(lab)?;
    Ok(if had.is_empty() { "nothing was up".into() } else { format!("{} removed", had.join(", ")) })
}

/// The lab's server, if the lab is up.
fn standing(lab: &LabDir, state: &State) -> Option<Server> {
    let known = state.redis.as_ref().filter(|_| state.phase == Phase::Up);
    known.and_then(|redis| Server::known(redis, &lab.redis()))
}

/// Holds what was asked for against the server that stands. What was not asked for gives way to it.
///
/// # Errors
/// What differs: how it stands, and what is asked for.
fn check_asked(
    program: &Program,
    port: Option<u16>,
    server: &Server,
    known: &RedisState,
) -> Result<(), (String, String)> {
    if let Some(port) = port.filter(|port| *port != server.port()) {
        return Err((format!("Redis on {HOST}:{}", server.port()), format!("port {port}")));
    }
    let is_other = || fs::canonicalize(&program.path).ok() != fs::canonicalize(&known.program).ok();
    if program.is_named() && program.path != known.program && is_other() {
        return Err((format!("Redis `{}`", known.program.display()), format!("`{}`", program.path.display())));
    }
    Ok(())
}

/// Whether there is a directory, and not a link to one.
pub fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

/// What the kubelet sets for a service named `redis`. `REDIS_PORT` is a trap that it sets, too.
fn service_variables(port: u16) -> Vec<(String, OsString)> {
    let url = format!("tcp://{HOST}:{port}");
    let variables = [
        ("REDIS_SERVICE_HOST".to_owned(), HOST.to_owned()),
        ("REDIS_SERVICE_PORT".into(), port.to_string()),
        ("REDIS_PORT".into(), url.clone()),
        (format!("REDIS_PORT_{port}_TCP"), url),
        (format!("REDIS_PORT_{port}_TCP_PROTO"), "tcp".into()),
        (format!("REDIS_PORT_{port}_TCP_PORT"), port.to_string()),
        (format!("REDIS_PORT_{port}_TCP_ADDR"), HOST.into()),
    ];
    variables.into_iter().map(|(name, value)| (name, value.into())).collect()
}

/// What ordinary users may still write on the file system of `path`.
///
/// # Errors
/// When the system cannot say.
pub fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let system = rustix::fs::statvfs(path)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

fn describe(server: &Server, version: &str) -> String {
    format!("{version}, pid {}, on {HOST}:{}", server.process().pid, server.port())
}

impl RunningJob for Job {
    fn look(&self) -> (record::Job, Vec<PodPhase>) {
        self.look()
    }

    /// The kernel starts what can be started; what cannot fails the Job.
    fn trouble(&self) -> Option<Failure> {
        None
    }

    fn wait_for_news(&self, limit: Duration) {
        self.wait_for_news(limit);
    }

    fn check_record(&self) -> Result<(), RecordError> {
        self.check_record()
    }

    fn preempt(&self, signal: Signal, is_the_moment: &mut dyn FnMut() -> Result<bool>) -> Result<bool> {
        self.preempt(signal, is_the_moment)
    }

    fn stop(&self) {
        self.stop();
    }
}

impl Explain for ShareError {
    fn exit(&self) -> Exit {
        Exit::Lab
    }

    fn cause_name(&self) -> &'static str {
        "share-unusable"
    }

    fn remedy(&self) -> String {
        match self {
            Self::Unusable { .. } => {
                "make the directory writable and give it room, or set XDG_STATE_HOME to another".into()
            }
            Self::Linked { path, .. } => {
                let path = path.display();
                format!("remove the link, `rm '{path}'`; for a share on another disk, set XDG_STATE_HOME")
            }
        }
    }
}
