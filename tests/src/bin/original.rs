//! A double of the tutorial's own worker: its protocol to the letter, and its flaws.
//!
//! It is what the lab is tried against that must find those flaws, and stand what is no flaw. Like the original, it
//!
//! - claims with `BRPOPLPUSH` and then, in a second command, writes a lease that it never renews;
//! - gives no expired claim back, so that after a crash the next one waits without end;
//! - knows the checkpoint to go on from only while it lives, and seeds its training by chance;
//! - writes checkpoints in place and appends to the report;
//! - does not hear SIGTERM;
//! - dies of a dataset that it cannot read, with the item in its hands.
//!
//! Only the training itself is ours: what the model is worth is not what the contract is about.
//!
//! Environment: `REDIS_SERVICE_HOST`, `REDIS_SERVICE_PORT`, `FILESTORE_PATH` as the worker's; `ORIGINAL_LEASE_S` (20) and
//! `ORIGINAL_STEP_MS` (0), how much longer a training step takes than ours, for tests that cannot wait or must hit one.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use redis::Commands as _;
use worker::checkpoint::{self, Checkpoint};
use worker::model::{self, Dataset, Model};
use worker::queue::lease_key;
use worker::report::{self, Entry};

const WAITING: &str = "datasets";
const PROCESSING: &str = "datasets:processing";
/// How long the bounded pop waits.
const POP_S: f64 = 2.0;

fn main() -> anyhow::Result<()> {
    ignore_sigterm();
    let share = std::path::PathBuf::from(variable("FILESTORE_PATH", "/mnt/fileserver"));
    let address =
        format!("redis://{}:{}/", variable("REDIS_SERVICE_HOST", "redis"), variable("REDIS_SERVICE_PORT", "6379"));
    let lease_s = variable("ORIGINAL_LEASE_S", "20").parse()?;
    let step = Duration::from_millis(variable("ORIGINAL_STEP_MS", "0").parse()?);
    let mut redis = redis::Client::open(address)?.get_connection()?;
    let session = uuid::Uuid::new_v4().to_string();
    say(&format!("Worker with sessionID: {session}"))?;
    say(&format!("Initial queue state: empty={}", if is_empty(&mut redis)? { "True" } else { "False" }))?;
    let mut newest = None;
    while !is_empty(&mut redis)? {
        match claim(&mut redis, &session, lease_s)? {
            Some(item) => {
                say(&format!("Processing dataset: {item}"))?;
                newest = Some(process(&share, &item, newest.as_ref(), step)?);
                complete(&mut redis, &item)?;
            }
            None => say("Waiting for work")?,
        }
    }
    say("Queue empty, exiting")
}

/// Trains, overwrites the checkpoint in place, appends to the report.
fn process(share: &Path, item: &str, newest: Option<&Model>, step: Duration) -> anyhow::Result<Model> {
    let training = read(&share.join(item))?;
    let testing = read(&share.join("datasets/testing/test_dataset.pkl"))?;
    // A slower machine, not a wait for anything.
    std::thread::sleep(step);
    let trained = model::train(newest, &training, &testing, rand_seed());
    let dataset = item.rsplit('/').next().unwrap_or(item);
    let checkpoint = checkpoint::file_name(dataset);
    let output = share.join("output");
    fs_err::create_dir_all(&output)?;
    let bytes = Checkpoint { model: trained.model.clone(), metadata: None }.to_bytes();
    fs_err::write(output.join(&checkpoint), bytes)?;
    let entry = Entry {
        generated_on: report::timestamp(jiff::Zoned::now().datetime()),
        dataset: dataset.into(),
        checkpoint,
        training_accuracy: trained.training_figures.accuracy,
        testing_accuracy: trained.testing_figures.accuracy,
    };
    let mut report = fs_err::OpenOptions::new().create(true).append(true).open(output.join("report.txt"))?;
    for line in entry.to_string().split_inclusive('\n') {
        report.write_all(line.as_bytes())?;
    }
    Ok(trained.model)
}

fn claim(redis: &mut redis::Connection, session: &str, lease_s: u64) -> anyhow::Result<Option<String>> {
    let item: Option<String> = redis.brpoplpush(WAITING, PROCESSING, POP_S)?;
    if let Some(item) = &item {
        let () = redis.set_ex(lease_key(item.as_bytes()), session, lease_s)?;
    }
    Ok(item)
}

fn complete(redis: &mut redis::Connection, item: &str) -> anyhow::Result<()> {
    let () = redis.lrem(PROCESSING, 0, item)?;
    let () = redis.del(lease_key(item.as_bytes()))?;
    Ok(())
}

fn is_empty(redis: &mut redis::Connection) -> anyhow::Result<bool> {
    let waiting: u64 = redis.llen(WAITING)?;
    let processing: u64 = redis.llen(PROCESSING)?;
    Ok(waiting == 0 && processing == 0)
}

fn read(path: &Path) -> anyhow::Result<Dataset> {
    let table = transactions::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    Ok(Dataset::from_table(&table)?)
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.into())
}

fn rand_seed() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// The original is started by a shell that keeps the signal to itself.
fn ignore_sigterm() {
    // SAFETY: no handler is installed that could run at a bad moment; the signal is ignored, in a process that has one
    // thread yet.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
}
