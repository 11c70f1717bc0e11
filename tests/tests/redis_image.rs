//! The worker's queue on the Redis that the cluster runs: the official image, in a container of one test's own.
//!
//! The worker's own tests have a Redis process; what could differ is the server: its version, its settings, its Lua.
//! Where there is no Docker or not the image, these tests say so and run on the process that target `local` uses.

use std::any::Any;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use lab::docker::Docker;
use testcontainers::GenericImage;
use testcontainers::core::{IntoContainerPort as _, WaitFor};
use testcontainers::runners::SyncRunner as _;
use tests::redis_server::RedisServer;
use transactions::simulator::{Parameters, simulate};
use worker::queue::{Claim, Claimed, Queue, Server, Standing};
use worker::report::Report;

/// What a test needs, or the test is over with the reason printed.
macro_rules! or_skip {
    ($needed:expr) => {
        match $needed {
            Ok(needed) => needed,
            Err(reason) => return eprintln!("skipped: {reason}"),
        }
    };
}

/// A Redis of one test's own, gone when it is dropped.
struct Redis {
    host: String,
    port: u16,
    /// The container or the process, for its end.
    _server: Box<dyn Any>,
}

impl Redis {
    fn start() -> Result<Self, String> {
        match image() {
            Ok(image) => Ok(Self::in_container(&image)),
            Err(reason) => {
                eprintln!("{reason}; using the process that target `local` uses");
                let server = RedisServer::start().map_err(|error| error.to_string())?;
                Ok(Self { host: "127.0.0.1".into(), port: server.port(), _server: Box::new(server) })
            }
        }
    }

    fn in_container(image: &str) -> Self {
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let image = GenericImage::new(name, tag)
            .with_exposed_port(6379.tcp())
            .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"));
        let container = image.start().expect("a Redis in a container");
        let host = container.get_host().expect("where Docker forwards ports").to_string();
        let port = container.get_host_port_ipv4(6379).expect("a forwarded port");
        Self { host, port, _server: Box::new(container) }
    }

    fn queue(&self, session: &str, lease: Duration) -> Queue {
        let server = Server::new(&self.host, self.port, Duration::from_secs(5)).expect("an address");
        Queue::new(&server, session, lease)
    }

    fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = redis::Client::open((self.host.as_str(), self.port)).expect("an address");
        let mut connection = client.get_connection().expect("a Redis that answers");
        redis::cmd(command[0]).arg(&command[1..]).query(&mut connection).expect("a Redis that obeys")
    }
}

/// The cluster's image, if it is there: a test pulls nothing.
fn image() -> Result<String, String> {
    let image = std::env::var(lab::images::REDIS.variable).unwrap_or_else(|_| lab::images::REDIS.reference.into());
    let docker = Docker::find(None).map_err(|error| error.to_string())?;
    match docker.image_id(&image) {
        Ok(Some(_)) => Ok(image),
        Ok(None) => Err(format!("the image `{image}` is not there")),
        Err(error) => Err(error.to_string()),
    }
}

fn claim(queue: &mut Queue) -> Claim {
    match queue.claim().expect("a Redis that answers") {
        Claimed::Item(claim) => claim,
        nothing => panic!("an item waits, but the claim says {nothing:?}"),
    }
}

/// Claim, lease, expiry, reaper, release and completion hold on the cluster's Redis as on any: the order is kept, and
/// nothing is left in the end.
#[test]
fn claims_live_and_die_on_the_clusters_redis() {
    let redis = or_skip!(Redis::start());
    redis.ask::<u64>(&["RPUSH", "datasets", "a", "b", "c"]);
    let mut dead = redis.queue("dead", Duration::from_millis(200));
    let (c, b) = (claim(&mut dead), claim(&mut dead));
    assert_eq!((c.item.as_slice(), b.item.as_slice()), (&b"c"[..], &b"b"[..]), "the right end first");
    let mut alive = redis.queue("alive", Duration::from_secs(20));
    let start = Instant::now();
    let mut put_back = 0;
    while put_back < 2 {
        let sightings = alive.reap(|_| false).expect("a Redis that answers");
        put_back += sightings.iter().filter(|sighting| sighting.state == Standing::PutBack).count();
        assert!(start.elapsed() < Duration::from_secs(10), "the leases must end: {sightings:?}");
    }
    assert_eq!(redis.ask::<Vec<String>>(&["LRANGE", "datasets", "0", "-1"]), ["a", "b", "c"], "in their old places");
    let again = claim(&mut alive);
    assert_eq!((again.item.as_slice(), again.attempts), (&b"c"[..], 2));
    assert!(!dead.complete(&c).expect("an answer"), "it is another's now");
    assert!(alive.release(&again).expect("an answer"));
    for expected in ["c", "b", "a"] {
        let claim = claim(&mut alive);
        assert_eq!(claim.item, expected.as_bytes());
        assert!(alive.complete(&claim).expect("an answer"));
    }
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
}

/// The worker's whole life on the cluster's Redis: every dataset reported once, in the queue's order, and no key left.
#[test]
fn the_worker_works_a_queue_off_on_the_clusters_redis() {
    let worker =
        or_skip!(std::env::var_os("LAB_WORKER").ok_or("LAB_WORKER names no worker; `cargo xtask test` builds it"));
    let redis = or_skip!(Redis::start());
    let share = tempfile::tempdir().expect("a temporary directory");
    let parameters = Parameters { customers: 100, terminals: 50, days: 4, ..Parameters::default() };
    let days = simulate(&parameters).expect("parameters that make sense");
    let written = days.write_datasets(&share.path().join("datasets"), |_| ()).expect("datasets");
    let names: Vec<String> = written.iter().filter_map(|dataset| training_file(&dataset.path)).collect();
    assert_eq!(names.len(), 3, "{written:?}");
    let items: Vec<String> = names.iter().map(|name| format!("datasets/training/{name}")).collect();
    let push: Vec<&str> = ["RPUSH", "datasets"].into_iter().chain(items.iter().map(String::as_str)).collect();
    redis.ask::<u64>(&push);
    let output = Command::new(worker)
        .env("REDIS_SERVICE_HOST", &redis.host)
        .env("REDIS_SERVICE_PORT", redis.port.to_string())
        .env("FILESTORE_PATH", share.path())
        .output()
        .expect("the worker starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = std::fs::read_to_string(share.path().join("output/report.txt")).expect("a report");
    let report = Report::parse(&report).expect("a report that is whole");
    let reported: Vec<String> = report.entries.into_iter().map(|entry| entry.dataset).collect();
    assert_eq!(reported, names.into_iter().rev().collect::<Vec<_>>());
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
}

/// The file's name, if it is one of the training days.
fn training_file(path: &Path) -> Option<String> {
    let is_training = path.parent().is_some_and(|parent| parent.ends_with("training"));
    is_training.then(|| path.file_name().expect("a name").to_string_lossy().into_owned())
}
