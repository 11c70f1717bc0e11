//! The worker as a process: what four days cost, and how soon a lost claim is taken up again.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use redis::Commands as _;
use tests::redis_server::RedisServer;

use crate::measure::{Cost, cost_of, median, ms};
use crate::{Options, Promise, Row};

const TURNS: usize = 9;
const LEASE_S: u32 = 2;

/// The tutorial's four days, from the start of the process to its end.
pub fn four_days(options: &Options) -> anyhow::Result<Vec<Row>> {
    let stage = Stage::new()?;
    let ours: Vec<Cost> = (0..TURNS).map(|_| stage.run(&worker()?)).collect::<anyhow::Result<_>>()?;
    let cpu_s = median(ours.iter().map(|cost| cost.cpu_s).collect());
    let peak_bytes = ours.iter().map(|cost| cost.peak_bytes).max().unwrap_or_default();
    let peer = match &options.peer_cmd {
        Some(command) => {
            let cost = stage.run_command(Command::new("sh").args(["-c", command]))?;
            format!("peer {} CPU, {} MB", ms(cost.cpu_s), cost.peak_bytes / 1_000_000)
        }
        None => "skipped: no `--peer-cmd`".into(),
    };
    let mb = peak_bytes as f64 / 1e6;
    let size_mb = std::fs::metadata(worker()?)?.len() as f64 / 1e6;
    let row = |what, ours: String, peer: &str, promise| Row { what, ours, peer: peer.into(), promise };
    Ok(vec![
        row("worker, four days, CPU", ms(cpu_s), &peer, Promise::at_most(25.0, " ms", Some(cpu_s * 1e3))),
        row("worker, four days, peak memory", format!("{mb:.1} MB"), &peer, Promise::at_most(16.0, " MB", Some(mb))),
        row("worker, size of the program", format!("{size_mb:.2} MB"), "none", {
            let is_static = is_static(&worker()?)?;
            Promise::at_most(5.0, " MB, static", is_static.then_some(size_mb))
        }),
    ])
}

/// From the loss of the worker to its item claimed again by the next one.
pub fn claimed_again(_: &Options) -> anyhow::Result<Vec<Row>> {
    let row = |what, signal, ceiling_s: f64| -> anyhow::Result<Row> {
        let seconds = lose_a_claim(signal)?;
        let ours = format!("{seconds:.3} s");
        let peer = "none: the original does not give it back".into();
        Ok(Row { what, ours, peer, promise: Promise::at_most(ceiling_s, " s", Some(seconds)) })
    };
    Ok(vec![
        row("SIGKILL to claimed again, lease 2 s", rustix::process::Signal::KILL, f64::from(LEASE_S) + 1.0)?,
        row("SIGTERM to claimed again", rustix::process::Signal::TERM, 1.0)?,
    ])
}

/// Takes the worker from its item as soon as it has claimed one, starts another, and waits for the item's next claim.
fn lose_a_claim(signal: rustix::process::Signal) -> anyhow::Result<f64> {
    let stage = Stage::new()?;
    stage.fill()?;
    let mut first = stage.start(&worker()?)?;
    let claimed = first_claim(&mut first)?;
    let pid = rustix::process::Pid::from_child(&first);
    let lost = Instant::now();
    rustix::process::kill_process(pid, signal)?;
    first.wait()?;
    let mut second = stage.start(&worker()?)?;
    let again = first_claim(&mut second)?;
    let seconds = lost.elapsed().as_secs_f64();
    anyhow::ensure!(claimed == again, "failed to take `{claimed}` up again: `{again}` came first");
    second.kill()?;
    second.wait()?;
    Ok(seconds)
}

fn first_claim(worker: &mut Child) -> anyhow::Result<String> {
    let output = worker.stdout.take().context("failed to read the worker's output")?;
    for line in BufReader::new(output).lines() {
        if let Some(item) = line?.strip_prefix("Processing dataset: ") {
            return Ok(item.into());
        }
    }
    anyhow::bail!("failed to see a claim: the worker ended without one")
}

/// A real Redis and a share with the tutorial's five files.
struct Stage {
    redis: RedisServer,
    share: tempfile::TempDir,
}

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let share = tempfile::tempdir()?;
        let data = std::env::var("LAB_DATA").context("failed to find the `data` program: run `cargo xtask bench`")?;
        let mut generate = Command::new(data);
        generate.args(["generate", "--quiet", "--days", "4", "--out"]).arg(share.path().join("datasets"));
        anyhow::ensure!(generate.status()?.success(), "failed to generate the datasets");
        Ok(Self { redis: RedisServer::start()?, share })
    }

    /// What the tutorial pushes.
    fn fill(&self) -> anyhow::Result<()> {
        let mut connection = self.redis.connect()?;
        let items: Vec<String> = (1..=4).map(|day| format!("datasets/training/2018-04-0{day}.pkl")).collect();
        Ok(connection.rpush("datasets", items)?)
    }

    fn run(&self, program: &Path) -> anyhow::Result<Cost> {
        self.run_command(&mut Command::new(program))
    }

    fn run_command(&self, command: &mut Command) -> anyhow::Result<Cost> {
        let output = self.share.path().join("output");
        if output.exists() {
            std::fs::remove_dir_all(&output)?;
        }
        self.fill()?;
        cost_of(self.environment(command).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    fn start(&self, program: &Path) -> anyhow::Result<Child> {
        let mut command = Command::new(program);
        self.environment(&mut command).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().with_context(|| format!("failed to start `{}`", program.display()))
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("REDIS_SERVICE_HOST", "127.0.0.1")
            .env("REDIS_SERVICE_PORT", self.redis.port().to_string())
            .env("FILESTORE_PATH", self.share.path())
            .env("WORKER_LEASE_S", LEASE_S.to_string())
    }
}

fn worker() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("LAB_WORKER").context("failed to find the worker: run `cargo xtask bench`")?;
    Ok(path.into())
}

/// A static program asks for no interpreter: it has no `PT_INTERP` program header.
fn is_static(program: &Path) -> anyhow::Result<bool> {
    const PT_INTERP: u32 = 3;
    let bytes = std::fs::read(program)?;
    let field = |at: usize, len: usize| -> anyhow::Result<u64> {
        let bytes = bytes.get(at..at + len).context("failed to read the program's ELF header")?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    let (table, size, count) = (field(0x20, 8)? as usize, field(0x36, 2)? as usize, field(0x38, 2)? as usize);
    for header in 0..count {
        if field(table + header * size, 4)? == u64::from(PT_INTERP) {
            return Ok(false);
        }
    }
    Ok(true)
}
