//! The queue under many claimants, beside the rates at which the same server runs scripts for redis-benchmark.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use redis::Commands as _;
use tests::redis_server::{self, RedisServer};
use worker::queue::{self, Claimed, Queue, Server};

use crate::measure::median;
use crate::{Options, Promise, Row};

const CLAIMANTS: usize = 64;
const ITEMS: usize = 20_000;
const TURNS: usize = 5;
/// Items that redis-benchmark claims over and over.
const DISTINCT: usize = 4096;

/// Less than a claim can be: an item moved, and one lease for all of them, in one script.
const BARE_SCRIPT: &str = "local item = redis.call('LMOVE', KEYS[1], KEYS[2], 'RIGHT', 'LEFT') \
    if item then redis.call('SET', KEYS[3], ARGV[1], 'EX', 20) end return item";

/// 64 sessions claim and complete everything through the worker's own queue, each item exactly once; beside them
/// redis-benchmark with as many clients runs the worker's claim, which is what the server can give, and a script that
/// does next to nothing.
pub fn claimants(_: &Options) -> anyhow::Result<Vec<Row>> {
    let redis = RedisServer::start()?;
    let row = |ours: f64, peer: String, promise| Row {
        what: "queue, 64 claimants, scripts a second",
        ours: format!("{ours:.0}/s"),
        peer,
        promise,
    };
    let Some(benchmark) = Benchmark::find() else {
        let ours = median((0..TURNS).map(|_| our_rate(&redis)).collect::<anyhow::Result<_>>()?);
        let reason = "skipped: no redis-benchmark; install the package redis-tools";
        return Ok(vec![row(ours, reason.into(), Promise::at_least(0.8, "x", None))]);
    };
    let (mut ours, mut same, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        ours.push(our_rate(&redis)?);
        same.push(benchmark.claims(&redis)?);
        bare.push(benchmark.bare_claims(&redis)?);
    }
    let [ours, same, bare] = [ours, same, bare].map(median);
    let peer = |script, rate: f64| format!("redis-benchmark EVALSHA of {script}, 64 clients, {rate:.0}/s");
    Ok(vec![
        row(ours, peer("the same claim", same), Promise::at_least(0.8, "x", Some(ours / same))),
        row(ours, peer("LMOVE and one SET", bare), Promise::none("x", Some(ours / bare))),
    ])
}

/// Scripts a second: a claim and a completion an item.
fn our_rate(redis: &RedisServer) -> anyhow::Result<f64> {
    let items = fill(redis, ITEMS)?;
    let server = Server::new("127.0.0.1", redis.port(), Duration::from_secs(5))?;
    let (ready, go) = (Barrier::new(CLAIMANTS + 1), Barrier::new(CLAIMANTS + 1));
    let (claimed, seconds) = std::thread::scope(|scope| -> anyhow::Result<(Vec<Vec<u8>>, f64)> {
        let claimants: Vec<_> = (0..CLAIMANTS)
            .map(|number| {
                let (server, ready, go) = (&server, &ready, &go);
                scope.spawn(move || drain(&mut Queue::new(server, &format!("session-{number}"), LEASE), ready, go))
            })
            .collect();
        ready.wait();
        let start = Instant::now();
        go.wait();
        let mut claimed = Vec::new();
        for claimant in claimants {
            claimed.extend(claimant.join().map_err(|_| anyhow::anyhow!("failed to drain: a claimant panicked"))??);
        }
        Ok((claimed, start.elapsed().as_secs_f64()))
    })?;
    let mut claimed = claimed;
    claimed.sort();
    if claimed.iter().map(Vec::as_slice).ne(items.iter().map(String::as_bytes)) {
        bail!("failed to claim each of {ITEMS} items once: {} claims", claimed.len());
    }
    Ok(2.0 * ITEMS as f64 / seconds)
}

const LEASE: Duration = Duration::from_secs(20);

fn drain(queue: &mut Queue, ready: &Barrier, go: &Barrier) -> anyhow::Result<Vec<Vec<u8>>> {
    // The connection stands before the clock runs, as redis-benchmark's do.
    let connected = queue.is_empty();
    ready.wait();
    go.wait();
    connected?;
    let mut claimed = Vec::new();
    while let Claimed::Item(claim) = queue.claim()? {
        if !queue.complete(&claim)? {
            bail!("failed to complete: the claim was lost within its lease");
        }
        claimed.push(claim.item);
    }
    Ok(claimed)
}

/// redis-benchmark, and the folders of the libraries that it needs, if they are not the system's.
struct Benchmark {
    program: PathBuf,
    libraries: Option<std::ffi::OsString>,
}

impl Benchmark {
    /// The one that came with the server, which the lab may have fetched together with its libraries; else the PATH's.
    fn find() -> Option<Self> {
        let server = redis_server::program()?;
        let fetched = server.parent()?.join("root/usr");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let of_system = server.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
        let beside = [(fetched.join("bin"), library_dirs(&fetched.join("lib")))];
        let mut places = beside.into_iter().chain(of_system.map(|dir| (dir, None)));
        places.find_map(|(dir, libraries)| {
            let program = ["redis-benchmark", "valkey-benchmark"].map(|name| dir.join(name));
            let program = program.into_iter().find(|program| program.is_file())?;
            Some(Self { program, libraries })
        })
    }

    /// How many of the worker's claims it makes in a second, of a queue as full as ours. Nothing is completed, so the
    /// items come again and again, with leases that are over by then: else it would be measured with ever larger keys.
    fn claims(&self, redis: &RedisServer) -> anyhow::Result<f64> {
        let (script, keys, arguments) = queue::bare_claim("session", Duration::from_millis(1));
        let items = fill(redis, DISTINCT)?;
        let mut connection = redis.connect()?;
        for _ in 1..(2 * ITEMS).div_ceil(DISTINCT) {
            let () = connection.rpush("datasets", &items)?;
        }
        let (key, known) = queue::known_lease_keys(&items);
        let () = connection.hset_multiple(key, &known)?;
        self.rate(redis, script, &keys, &arguments)
    }

    /// The same of the script that does next to nothing.
    fn bare_claims(&self, redis: &RedisServer) -> anyhow::Result<f64> {
        fill(redis, 2 * ITEMS)?;
        self.rate(redis, BARE_SCRIPT, &["datasets", "datasets:processing", "lease"], &["session".into()])
    }

    fn rate(&self, redis: &RedisServer, script: &str, keys: &[&str], arguments: &[String]) -> anyhow::Result<f64> {
        let sha: String = redis::cmd("SCRIPT").arg("LOAD").arg(script).query(&mut redis.connect()?)?;
        let (port, clients, requests) = (redis.port().to_string(), CLAIMANTS.to_string(), (2 * ITEMS).to_string());
        let mut command = Command::new(&self.program);
        command.args(["-p", &port, "-c", &clients, "-n", &requests, "--csv", "EVALSHA", &sha]);
        command.arg(keys.len().to_string()).args(keys).args(arguments);
        command.envs(self.libraries.as_ref().map(|dirs| ("LD_LIBRARY_PATH", dirs)));
        let output = command.output().with_context(|| format!("failed to start `{}`", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text.lines().last().and_then(|line| line.split("\",\"").nth(1));
        rate.and_then(|rate| rate.trim_matches('"').parse().ok())
            .with_context(|| format!("failed to read what redis-benchmark printed: {text}"))
    }
}

/// Empties the server and lets so many items wait.
fn fill(redis: &RedisServer, items: usize) -> anyhow::Result<Vec<String>> {
    let mut connection = redis.connect()?;
    redis::cmd("FLUSHALL").exec(&mut connection)?;
    let items: Vec<String> = (0..items).map(|item| format!("datasets/training/{item:05}.pkl")).collect();
    let () = connection.rpush("datasets", &items)?;
    Ok(items)
}

/// The folders below this one, joined for the loader.
fn library_dirs(parent: &Path) -> Option<std::ffi::OsString> {
    let entries = std::fs::read_dir(parent).ok()?.flatten().map(|entry| entry.path());
    std::env::join_paths(entries.filter(|path| path.is_dir())).ok()
}
