//! Redis: where the program comes from, and the server of one lab.
//!
//! The program is what `--redis-server` or `LAB_REDIS_SERVER` names, else `redis-server` or `valkey-server` on the PATH,
//! else the distribution's own package, fetched into the cache and run from there. It is never imitated.

mod apt;
mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use server::{Server, Start};

use crate::console::Console;
use crate::docker::DockerError;
use crate::docker::call::Call;
use crate::failure::{Exit, Explain, Failure, Place, Result};
use crate::interrupt;
use crate::state::RedisState;

/// The programs that serve, in the order in which they are looked for.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// The first Redis with LMOVE and BLMOVE, by which a claim is one step.
const VERSION_MIN: (u32, u32) = (6, 2);
/// How long a program may take to say which version it is.
const VERSION_LIMIT: Duration = Duration::from_secs(10);
/// How long a server may take for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How a program was found that somebody has named.
const NAMED: &str = "named by --redis-server or LAB_REDIS_SERVER";
/// The cause of [`RedisError::NotFetched`]: no fault, if nobody wants to start it yet.
pub const NOT_FETCHED: &str = "redis-not-fetched";

/// A program that serves Redis's protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// What it calls itself, e.g. `7.0.15`.
    pub version: String,
    /// How it was found, in words.
    pub origin: &'static str,
}

/// What happens when there is no server on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// It is fetched into the cache.
    Allowed,
    /// It is only said that it would be.
    Refused,
}

/// Why there is no Redis.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// Neither on the machine nor to be fetched.
    #[error("failed to find a Redis server: none is named, none is on the PATH, and {why}")]
    NotFound {
        /// Why it cannot be fetched.
        why: String,
        /// The command that mends it.
        remedy: String,
    },
    /// It can be fetched, and was not allowed to be now.
    #[error("failed to find a Redis server: the distribution's package was not fetched yet")]
    NotFetched,
    /// The program that somebody named is none.
    #[error("failed to use `{}` ({origin}) as a Redis server: {why}", path.display())]
    NotAServer {
        /// The program.
        path: PathBuf,
        /// Who named it.
        origin: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The program's path cannot be written into the state file.
    #[error("failed to use `{}` ({origin}) as a Redis server: its path is not UTF-8", path.display())]
    NotUtf8 {
        /// The program.
        path: PathBuf,
        /// Who named it.
        origin: &'static str,
    },
    /// The distribution's package did not come.
    #[error("failed to fetch the distribution's Redis: {0}")]
    Fetch(String),
    /// Somebody else listens on the port that was asked for.
    #[error("failed to start Redis on 127.0.0.1:{port}: the port is taken{}", by.as_ref().map_or_else(String::new, |by| format!(" by {by}")))]
    PortTaken {
        /// The port.
        port: u16,
        /// Who has it, if that can be seen.
        by: Option<String>,
    },
    /// It ended instead of serving.
    #[error("failed to start Redis in `{}`: {how}; its log ends with: {log}", dir.display())]
    Died {
        /// Its directory.
        dir: PathBuf,
        /// How it ended.
        how: String,
        /// The last lines of its log.
        log: String,
    },
    /// It does not answer, or not as it should.
    #[error("failed to talk to the lab's Redis on 127.0.0.1:{port}: {why}")]
    NoAnswer {
        /// The port.
        port: u16,
        /// What was seen.
        why: String,
    },
    /// It outlived every request to stop.
    #[error("failed to stop Redis (pid {pid}): it outlived SHUTDOWN, SIGTERM and SIGKILL")]
    Unstoppable {
        /// The process.
        pid: u32,
    },
    /// The file system refused.
    #[error("failed to prepare Redis's directory: {0}")]
    Io(#[from] std::io::Error),
}

/// Finds the program, fetching it if that is allowed and needed.
///
/// # Errors
/// [`RedisError`]: there is none, or what was named is none.
pub fn find(named: Option<&Path>, cache: &Path, fetch: Fetch, console: &Console) -> Result<Program> {
    if let Some(path) = named {
        return examine(path, NAMED);
    }
    for name in PROGRAMS {
        if let Ok(path) = which::which(name) {
            return examine(&path, "on the PATH");
        }
    }
    if let Some(path) = apt::fetched(cache) {
        return examine(&path, "fetched into the cache");
    }
    if let Err(why) = apt::is_possible() {
        return Err(RedisError::NotFound { why, remedy: install_command() }.into());
    }
    if fetch == Fetch::Refused {
        return Err(RedisError::NotFetched.into());
    }
    let fetched = apt::fetch(cache, console);
    if fetched.is_err() {
        // Ctrl-C reaches apt as well: that it ended is then no fault of its own.
        interrupt::check()?;
    }
    let path = fetched?;
    examine(&path, "fetched into the cache")
}

/// A connection that gives up on a server that hangs.
///
/// # Errors
/// [`RedisError::NoAnswer`].
pub fn connect(port: u16) -> Result<redis::Connection, RedisError> {
    let limit = ANSWER_LIMIT;
    let open = || -> redis::RedisResult<redis::Connection> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}/"))?;
        let connection = client.get_connection_with_timeout(limit)?;
        connection.set_read_timeout(Some(limit))?;
        connection.set_write_timeout(Some(limit))?;
        Ok(connection)
    };
    open().map_err(|error| no_answer(port, &error))
}

/// What Redis, or its silence, said: the system has no words for a wait that was over.
pub fn words(error: &redis::RedisError, address: &str) -> String {
    if error.is_timeout() {
        return format!("Redis on {address} did not answer within {} s", ANSWER_LIMIT.as_secs());
    }
    error.to_string()
}

fn no_answer(port: u16, error: &redis::RedisError) -> RedisError {
    RedisError::NoAnswer { port, why: words(error, &format!("127.0.0.1:{port}")) }
}

impl Program {
    /// The state's word for a server of this program that is about to be started.
    pub fn announce(&self, port: u16) -> RedisState {
        RedisState { program: self.path.clone(), version: self.version.clone(), port, process: None }
    }

    /// Somebody has asked for this one.
    pub fn is_named(&self) -> bool {
        self.origin == NAMED
    }
}

/// Asks a program what it is. One that does not answer is not waited for, and its end by a Ctrl-C is no fault of its own.
fn examine(path: &Path, origin: &'static str) -> Result<Program> {
    // A relative path would name another program as soon as somebody else reads it.
    let absolute = crate::places::absolute(path.into());
    if absolute.to_str().is_none() {
        return Err(RedisError::NotUtf8 { path: absolute, origin }.into());
    }
    let refuse = |why: String| Failure::from(RedisError::NotAServer { path: path.into(), origin, why });
    let call = Call::new(path, None, &["--version"]).limit(VERSION_LIMIT).interruptible();
    let ended = call.run_to_its_end().map_err(|error| match error {
        DockerError::Interrupted(by) => by.into(),
        DockerError::TimedOut { limit_s, .. } => {
            refuse(format!("`--version` is not done after {limit_s} s, and was ended"))
        }
        DockerError::Unexpected { why, .. } => refuse(why),
        other => refuse(other.to_string()),
    })?;
    let text = String::from_utf8_lossy(&ended.stdout);
    let first = text.lines().next().unwrap_or_default();
    let Some(version) = parse_version(first) else {
        return Err(refuse(format!("`--version` does not print a server's version but `{first}`")));
    };
    if !is_new_enough(version) {
        let (major, minor) = VERSION_MIN;
        return Err(refuse(format!(
            "it is version {version}, and the queue needs {major}.{minor} (for LMOVE) or newer"
        )));
    }
    Ok(Program { path: absolute, version: version.into(), origin })
}

/// The version in `Redis server v=7.0.15 sha=…` and `Valkey server v=8.0.1 sha=…`.
fn parse_version(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once(" server v=")?;
    let version = rest.split_ascii_whitespace().next()?;
    let digits = version.starts_with(|first: char| first.is_ascii_digit());
    (!name.contains(' ') && digits).then_some(version)
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= VERSION_MIN
}

/// The one command that puts a Redis server on this machine.
fn install_command() -> String {
    const MANAGERS: [(&str, &str); 7] = [
        ("apt-get", "sudo apt-get install redis-server"),
        ("dnf", "sudo dnf install valkey"),
        ("yum", "sudo yum install redis"),
        ("pacman", "sudo pacman -S valkey"),
        ("zypper", "sudo zypper install redis"),
        ("apk", "sudo apk add redis"),
        ("brew", "brew install redis"),
    ];
    let here = MANAGERS.iter().find(|(manager, _)| which::which(manager).is_ok());
    here.map_or(
        "install Redis 6.2 or newer, then name it: export LAB_REDIS_SERVER=/path/to/redis-server",
        |(_, command)| command,
    )
    .into()
}

impl Explain for RedisError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } | Self::NotFetched | Self::Fetch(_) => Exit::Preflight,
            Self::NotAServer { .. } | Self::NotUtf8 { .. } => Exit::Preflight,
            _ => Exit::Lab,
        }
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::NotFound { .. } | Self::Fetch(_) => "redis-missing",
            Self::NotFetched => NOT_FETCHED,
            Self::NotAServer { .. } | Self::NotUtf8 { .. } => "redis-unusable",
            Self::PortTaken { .. } => "port-taken",
            Self::Died { .. } => "redis-died",
            Self::NoAnswer { .. } => "redis-gone",
            Self::Unstoppable { .. } => "redis-unstoppable",
            Self::Io(_) => "state-unwritable",
        }
    }

    fn evidence(&self) -> Option<Place> {
        let Self::Died { log, .. } = self else { return None };
        Some(Place { file: "logs/redis.log".into(), holds: log.rsplit(" | ").next().unwrap_or_default().into() })
    }

    fn remedy(&self) -> String {
        match self {
            Self::NotFound { remedy, .. } => remedy.clone(),
            Self::NotFetched => "`cargo xtask lab up` fetches it".into(),
            Self::NotAServer { .. } => "name a redis-server or valkey-server of version 6.2 or newer".into(),
            Self::NotUtf8 { .. } => {
                "name it by a path that is UTF-8, of a link to it, say: export LAB_REDIS_SERVER=/path/to/redis-server"
                    .into()
            }
            Self::Fetch(_) => {
                "sudo apt-get install redis-server, or name one: export LAB_REDIS_SERVER=/path/to/redis-server".into()
            }
            Self::PortTaken { .. } => "leave --redis-port away for a free port, or name another".into(),
            Self::Died { dir, .. } => format!(
                "read its log, `{}`; `cargo xtask lab down` removes its directory, and `up` starts afresh",
                dir.join(server::LOG).display()
            ),
            Self::NoAnswer { .. } => {
                "`cargo xtask lab up` starts it again; `cargo xtask lab logs --redis` shows its log".into()
            }
            Self::Unstoppable { pid } => format!("look what it waits for: cat /proc/{pid}/stack"),
            Self::Io(_) => {
                "make the lab's directory writable and give it room, or set XDG_STATE_HOME to another".into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the servers print is understood, and nothing else passes for it.
    #[test]
    fn a_version_is_read_from_a_servers_own_words() {
        let redis = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0";
        assert_eq!(parse_version(redis), Some("7.0.15"));
        assert_eq!(parse_version("Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0"), Some("8.0.1"));
        for wrong in ["", "redis-cli 7.0.15", "ls (GNU coreutils) 9.1", "Redis server v=", "my Redis server v=7.0"] {
            assert_eq!(parse_version(wrong), None, "`{wrong}`");
        }
    }

    /// LMOVE came with 6.2.
    #[test]
    fn a_server_without_lmove_is_too_old() {
        for (version, enough) in
            [("6.0.16", false), ("5.0.7", false), ("6.2.0", true), ("7.0.15", true), ("10.1", true)]
        {
            assert_eq!(is_new_enough(version), enough, "{version}");
        }
    }
}
