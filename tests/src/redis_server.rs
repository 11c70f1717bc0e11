//! A real Redis server for one test: a free loopback port, a directory of its own, gone when dropped.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How long a server may take to answer its first PING.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A running server.
#[derive(Debug)]
pub struct RedisServer {
    process: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    pub fn start() -> anyhow::Result<Self> {
        let program = program()
            .context("failed to find a Redis server\nset LAB_REDIS_SERVER to one, or put `redis-server` on the PATH")?;
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let process = Command::new(&program)
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--port", &port.to_string(), "--dir"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("failed to start `{}`", program.display()))?;
        let mut server = Self { process, port, dir };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's own directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A new connection.
    pub fn connect(&self) -> anyhow::Result<redis::Connection> {
        Ok(redis::Client::open(format!("redis://127.0.0.1:{}/", self.port))?.get_connection()?)
    }

    fn wait_until_it_answers(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let last = match self.connect() {
                Ok(mut connection) => match redis::cmd("PING").query::<String>(&mut connection) {
                    Ok(_) => return Ok(()),
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            };
            if let Some(status) = self.process.try_wait()? {
                bail!("failed to start Redis on port {}: it ended with {status}", self.port);
            }
            if start.elapsed() > START_LIMIT {
                bail!("failed to reach Redis on port {} within {START_LIMIT:?}; last seen: {last}", self.port);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Nothing in it is worth an orderly end, and a failure means that it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The server's program: what LAB_REDIS_SERVER names, else the first on the PATH.
pub fn program() -> Option<std::path::PathBuf> {
    let on_path = |name: &str| {
        let path: OsString = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|dir| dir.join(name)).find(|program| program.is_file())
    };
    std::env::var_os("LAB_REDIS_SERVER")
        .map(Into::into)
        .or_else(|| on_path("redis-server"))
        .or_else(|| on_path("valkey-server"))
}

/// A port that was free a moment ago.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
