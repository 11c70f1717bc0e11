//! A real Redis server of one's own: free port, own directory, append-only file on; can be stopped, frozen, restarted.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A running server.
pub struct Redis {
    process: Child,
    port: u16,
    directory: TempDir,
}

/// The server's program: LAB_REDIS_SERVER, else `redis-server` or `valkey-server` on the PATH; else a reason to skip.
fn program() -> Result<PathBuf, &'static str> {
    if let Some(program) = std::env::var_os("LAB_REDIS_SERVER") {
        return Ok(program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates = ["redis-server", "valkey-server"];
    let found = candidates.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
    found
        .into_iter()
        .find(|program| program.is_file())
        .ok_or("there is no Redis server; set LAB_REDIS_SERVER to one, or put `redis-server` on the PATH")
}

impl Redis {
    /// Starts a server, or says why not.
    pub fn start() -> Result<Self, &'static str> {
        let program = program()?;
        // A port that was free a moment ago may be taken a moment later, by another test.
        for _ in 0..20 {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let port = free_port();
            let mut server = Self { process: spawn(&program, port, &directory, &[]), port, directory };
            if server.answers() {
                return Ok(server);
            }
        }
        panic!("no Redis server would start");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn connect(&self) -> redis::Connection {
        let client = redis::Client::open(("127.0.0.1", self.port)).expect("an address");
        client.get_connection_with_timeout(Duration::from_secs(5)).expect("a Redis that answers")
    }

    /// One command, for what is looked at once.
    pub fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        redis::cmd(command[0]).arg(&command[1..]).query(&mut self.connect()).expect("a Redis that obeys")
    }

    /// Every key there is, sorted.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.ask(&["KEYS", "*"]);
        keys.sort();
        keys
    }

    pub fn list(&self, key: &str) -> Vec<String> {
        self.ask(&["LRANGE", key, "0", "-1"])
    }

    /// Kills it as a node that vanishes would.
    pub fn kill(&mut self) {
        self.process.kill().expect("a process to kill");
        self.process.wait().expect("a process to wait for");
    }

    /// Starts it again, on the same port and directory.
    pub fn start_again(&mut self) {
        self.process = spawn(&program().expect("the program is still there"), self.port, &self.directory, &[]);
        assert!(self.answers(), "Redis must come back on port {}", self.port);
    }

    /// Has it write its append-only file anew, and waits until it has.
    pub fn rewrite(&self) {
        self.ask::<String>(&["BGREWRITEAOF"]);
        let is_at_it = || self.ask::<String>(&["INFO", "persistence"]).contains("aof_rewrite_in_progress:1");
        let start = Instant::now();
        while is_at_it() {
            assert!(start.elapsed() < Duration::from_secs(10), "the file must be written");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts it again so that it takes a while to load its data; `Err` where this Redis cannot be slowed down.
    pub fn start_slowly(&mut self) -> Result<(), &'static str> {
        let slow = ["--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024"];
        self.process = spawn(&program()?, self.port, &self.directory, &slow);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            if self.process.try_wait().expect("a child").is_some() {
                return Err("this Redis does not know the settings that slow its loading down");
            }
            let client = redis::Client::open(("127.0.0.1", self.port)).expect("an address");
            let connection = client.get_connection_with_timeout(Duration::from_secs(1));
            let answer = connection.and_then(|mut connection| redis::cmd("GET").arg("x").exec(&mut connection));
            if answer.is_err_and(|error| error.code() == Some("LOADING")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("this Redis loads its data too fast to be seen loading")
    }

    /// Freezes it or lets it go on: SIGSTOP, SIGCONT.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("a process to signal");
    }

    /// Whether it answers, in time and before it ends.
    fn answers(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) && self.process.try_wait().expect("a child").is_none() {
            let client = redis::Client::open(("127.0.0.1", self.port)).expect("an address");
            let connection = client.get_connection_with_timeout(Duration::from_secs(1));
            let answer =
                connection.and_then(|mut connection| redis::cmd("INFO").arg("server").query::<String>(&mut connection));
            // On a port that two servers raced for, the other one may be who answers.
            let pid = format!("process_id:{}\r", self.process.id());
            if answer.is_ok_and(|info| info.contains(&pid)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(program: &PathBuf, port: u16, directory: &TempDir, settings: &[&str]) -> Child {
    let port = port.to_string();
    Command::new(program)
        .args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port,
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "no",
            "--dir",
        ])
        .arg(directory.path())
        .args(settings)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server's program to start")
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}
