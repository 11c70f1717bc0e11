//! The Redis server of one lab: a process of its own that outlives the lab, on loopback, with an append-only file.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fs_err as fs;
use rustix::process::Signal;

use super::{Program, RedisError, connect, no_answer};
use crate::failure::{Failure, Result};
use crate::process::{Identity, Marker};
use crate::state::RedisState;
use crate::wait::{Look, Wait, scaled};

/// Its log, in its directory.
pub const LOG: &str = "redis.log";
/// How long a server may take from its start to its first answer; loading a large append-only file takes long.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to stop, for each way of asking.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How often another free port is tried when somebody takes ours between the look and the start.
const PORTS_TRIED: usize = 8;

/// A running server.
#[derive(Debug, Clone)]
pub struct Server {
    process: Identity,
    port: u16,
}

/// What a start needs.
#[derive(Debug)]
pub struct Start<'a> {
    /// The program.
    pub program: &'a Program,
    /// Its directory, which must exist.
    pub dir: &'a Path,
    /// The port that was asked for; `None` for any free one.
    pub port: Option<u16>,
    /// What all processes of this lab carry.
    pub marker: &'a Marker,
}

impl Start<'_> {
    /// Starts the server and waits until it answers. `note` is told before the process exists, and once it does: what
    /// it writes down is what a later lab finds the server by.
    ///
    /// # Errors
    /// [`RedisError`], or what `note` says.
    pub fn go(&self, note: impl Fn(&RedisState) -> Result<()>) -> Result<Server> {
        let mut tries = 0;
        loop {
            let port = match self.port {
                Some(port) => check_free(port)?,
                None => free_port()?,
            };
            let outcome = self.go_on(port, &note);
            let taken = matches!(&outcome, Err(failure) if failure.cause == "port-taken");
            tries += 1;
            if !(taken && self.port.is_none() && tries < PORTS_TRIED) {
                return outcome;
            }
        }
    }

    fn go_on(&self, port: u16, note: &impl Fn(&RedisState) -> Result<()>) -> Result<Server> {
        let mut state = self.program.announce(port);
        note(&state)?;
        let log = self.dir.join(LOG);
        let log_start = fs::metadata(&log).map_or(0, |log| log.len());
        let mut child = self.spawn(port)?;
        // It lives: we have not waited for it, so its number is not anybody else's.
        let died = |how: String| self.died(port, how, &log, log_start);
        let Some(process) = Identity::of(child.id()) else {
            return Err(died(child.wait().map_err(RedisError::from)?.to_string()).into());
        };
        state.process = Some(process.clone());
        note(&state)?;
        let remedy = "`cargo xtask lab logs --redis` shows what it does";
        let poll = Duration::from_millis(2);
        let wait = Wait { what: "reach the lab's Redis", limit: START_LIMIT, poll, remedy };
        let server = Server { process, port };
        wait.until(|| {
            if let Some(status) = child.try_wait().map_err(RedisError::from)? {
                return Err(died(status.to_string()).into());
            }
            Ok(match server.serves(self.dir) {
                Ok(()) => Look::Done(()),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })?;
        Ok(server)
    }

    fn spawn(&self, port: u16) -> Result<Child, RedisError> {
        let (name, value) = self.marker.variable();
        let log = File::options().append(true).create(true).open(self.dir.join(LOG))?;
        let mut command = Command::new(&self.program.path);
        let port = port.to_string();
        command
            .args(["--port", &port, "--bind", "127.0.0.1", "--daemonize", "no", "--supervised", "no"])
            // Every push is written down; snapshots would only cost time.
            .args(["--appendonly", "yes", "--save", ""])
            // A title would overwrite the environment by which we find it again.
            .args(["--set-proc-title", "no", "--logfile", LOG, "--dir"])
            .arg(self.dir)
            .current_dir(self.dir)
            .env(name, value)
            .stdin(Stdio::null())
            // What it says before it has its log, or instead of having one, stands in the same file.
            .stdout(log.try_clone()?)
            .stderr(log);
        let own_session = || {
            rustix::process::setsid()?;
            Ok(())
        };
        // SAFETY: between fork and exec only `setsid` is called, which is async-signal-safe and allocates nothing.
        unsafe { command.pre_exec(own_session) };
        command.spawn().map_err(|error| RedisError::NotAServer {
            path: self.program.path.clone(),
            origin: self.program.origin,
            why: error.to_string(),
        })
    }

    fn died(&self, port: u16, how: String, log: &Path, log_start: u64) -> RedisError {
        let text = tail(log, log_start);
        if text.contains("Address already in use") {
            return RedisError::PortTaken { port, by: listener_on(port) };
        }
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let log = lines[lines.len().saturating_sub(3)..].join(" | ");
        RedisError::Died { dir: self.dir.into(), how, log: if log.is_empty() { "nothing".into() } else { log } }
    }
}

impl Server {
    /// The server that the state file speaks of, if it is still that one: same process, and it answers with our
    /// directory.
    pub fn known(state: &RedisState, dir: &Path) -> Option<Self> {
        let process = state.process.clone().filter(Identity::is_alive)?;
        let server = Self { process, port: state.port };
        server.serves(dir).ok()?;
        Some(server)
    }

    /// The process.
    pub fn process(&self) -> &Identity {
        &self.process
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// It answers, has loaded its data, and is the one whose data lie in `dir`.
    ///
    /// # Errors
    /// [`RedisError::NoAnswer`] with what was seen instead.
    pub fn serves(&self, dir: &Path) -> Result<(), RedisError> {
        let port = self.port;
        let mut connection = connect(port)?;
        let failed = |error: redis::RedisError| no_answer(port, &error);
        let (_, found): (String, String) =
            redis::cmd("CONFIG").arg("GET").arg("dir").query(&mut connection).map_err(failed)?;
        // A server that still loads answers CONFIG, and PING with an error.
        redis::cmd("PING").query::<String>(&mut connection).map_err(failed)?;
        let same = fs::canonicalize(dir).is_ok_and(|dir| Path::new(&found) == dir);
        let why = || format!("another Redis answers, whose directory is `{found}`");
        if same { Ok(()) } else { Err(RedisError::NoAnswer { port, why: why() }) }
    }

    /// Stops it: SHUTDOWN, else SIGTERM, else SIGKILL, each with its time.
    ///
    /// # Errors
    /// [`RedisError::Unstoppable`].
    pub fn stop(&self) -> Result<(), RedisError> {
        if let Ok(mut connection) = connect(self.port) {
            // The answer to a shutdown is the end of the connection, which reads like an error.
            let _ = redis::cmd("SHUTDOWN").arg("NOSAVE").query::<()>(&mut connection);
        } else {
            self.process.signal(Signal::TERM);
        }
        for signal in [Signal::TERM, Signal::KILL] {
            if self.process.wait_gone(scaled(STOP_LIMIT)) {
                return Ok(());
            }
            self.process.signal(signal);
        }
        if self.process.wait_gone(scaled(STOP_LIMIT)) {
            Ok(())
        } else {
            Err(RedisError::Unstoppable { pid: self.process.pid })
        }
    }
}

fn free_port() -> Result<u16, Failure> {
    let port = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr();
    Ok(port().map_err(RedisError::from)?.port())
}

/// The port, unless somebody listens there. Whoever takes it after this look is found by the server's own word.
fn check_free(port: u16) -> Result<u16, RedisError> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            Err(RedisError::PortTaken { port, by: listener_on(port) })
        }
        // What else is wrong with it, the server says better.
        _ => Ok(port),
    }
}

/// What a log holds from `start` on, as far as its last 64 KiB.
fn tail(log: &Path, start: u64) -> String {
    const LIMIT: u64 = 64 << 10;
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(start.max(end.saturating_sub(LIMIT))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

/// The process that listens on a loopback port, as `pid 17 (redis-server)`, if we may see it.
fn listener_on(port: u16) -> Option<String> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let wanted = format!(":{port:04X}");
    // Fields: number, local address, remote address, state (0A listens), queues, timers, retransmits, user, timeout, inode.
    let inode =
        table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>()).find_map(|fields| {
            let listens = fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == "0A";
            listens.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
        })?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.into_iter().find_map(|process| {
        let path = process.path();
        let mut handles = fs::read_dir(path.join("fd")).ok()?.flatten();
        handles.find(|handle| fs::read_link(handle.path()).is_ok_and(|link| link.as_os_str() == inode.as_str()))?;
        let name = fs::read_to_string(path.join("comm")).ok()?;
        Some(format!("pid {} ({})", process.file_name().to_str()?, name.trim()))
    })
}
