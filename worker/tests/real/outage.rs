//! Redis goes away, comes back, answers late, or answers that it cannot: the worker says so once, is patient for as
//! long as it was told to, and goes on where it was.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Finished, Proxy, Stage, Worker, days, or_skip};

/// What it said of Redis, in order, without the address.
fn weather(finished: &Finished) -> Vec<String> {
    let of_redis = finished.notes.iter().filter_map(|note| note.strip_prefix("worker: Redis at `127.0.0.1:"));
    let words = of_redis.filter_map(|note| note.split_once("` ")).map(|(_, words)| words);
    words.map(|words| words.split(" after ").next().unwrap_or_default().into()).collect()
}

#[test]
fn a_redis_that_is_restarted_in_mid_run_loses_nothing() {
    // Before each kind of request there is.
    for point in
        ["completed", "trained", "checkpoint-published", "report-drafted", "report-published", "report-unlocked"]
    {
        let mut stage = or_skip!(Stage::filled());
        let worker = stage.start_with("WORKER_FREEZE_AT", &format!("{point}:2"));
        worker.frozen();
        stage.redis.kill();
        worker.signal(Signal::CONT);
        worker.note("Redis at ");
        stage.redis.start_again();
        let finished = worker.wait();
        finished.assert_code(0);
        assert_eq!(finished.processed().len(), 4, "{point}: what was claimed goes on, and is not claimed twice");
        let weather = weather(&finished);
        assert_eq!(weather.last().map(String::as_str), Some("answers again"), "{point}: {weather:?}");
        assert!(weather.len() <= 4, "{point}: one line for each change, not for each attempt: {weather:?}");
        stage.assert_undisturbed(point);
    }
}

/// Redis loses everything while a worker stands at a step of its second dataset: it ends with 4 and names an item that is
/// missing; and filled again with what the report does not name, as it says, the queue comes to the same end.
fn loses_the_queue(point: &str, error: &str, reported: usize) -> Result<(), &'static str> {
    let stage = Stage::filled()?;
    let worker = stage.start_with("WORKER_FREEZE_AT", &format!("{point}:2"));
    worker.frozen();
    stage.redis.ask::<String>(&["FLUSHALL"]);
    worker.signal(Signal::CONT);
    let finished = worker.wait();
    finished.assert_code(4);
    assert!(finished.text().contains(&format!("worker: failed to {error}")), "{point}: {}", finished.text());
    assert_eq!(stage.reported(), ["2018-04-04.pkl", "2018-04-03.pkl"][..reported], "{point}");
    stage.push(&days()[..4 - reported]);
    stage.run().assert_code(0);
    stage.assert_undisturbed(point);
    Ok(())
}

/// The tutorial's Redis has no append-only file: when its pod is replaced, the queue is gone.
#[test]
fn a_redis_that_lost_the_queue_is_not_taken_for_an_empty_one() {
    let error = "go on with `datasets/training/2018-04-03.pkl`: it was claimed, and now it is nowhere";
    for point in ["read", "trained", "checkpoint-drafted", "checkpoint-published", "report-drafted"] {
        or_skip!(loses_the_queue(point, error, 1));
    }
}

/// Nor where no claim tells of it: then what waited when the session began does.
#[test]
fn a_redis_that_lost_the_queue_between_two_claims_is_not_taken_for_an_empty_one() {
    let error = "finish: `datasets/training/2018-04-01.pkl` was in the queue when this session began";
    for point in ["report-unlocked", "completed"] {
        or_skip!(loses_the_queue(point, error, 2));
    }
}

/// Somebody else's tools may have Redis forget all scripts at any time.
#[test]
fn a_redis_that_forgets_its_scripts_is_told_them_again() {
    let stage = or_skip!(Stage::filled());
    let is_over = AtomicBool::new(false);
    let finished = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                stage.redis.ask::<String>(&["SCRIPT", "FLUSH"]);
            }
        });
        let finished = stage.start().wait();
        is_over.store(true, Ordering::Relaxed);
        finished
    });
    finished.assert_code(0);
    stage.assert_undisturbed("scripts forgotten time and again");
}

#[test]
fn a_claim_outlives_its_lease_when_redis_is_away_for_longer() {
    let mut stage = or_skip!(Stage::filled());
    let worker = stage.start_with("WORKER_FREEZE_AT", "trained:2");
    worker.frozen();
    let lease = Instant::now();
    stage.redis.kill();
    worker.signal(Signal::CONT);
    worker.note("Redis at ");
    while lease.elapsed() < Duration::from_millis(1100) {
        std::thread::sleep(Duration::from_millis(10));
    }
    stage.redis.start_again();
    let finished = worker.wait();
    finished.assert_code(0);
    assert_eq!(finished.processed().len(), 4);
    stage.assert_undisturbed("a lease that ended while Redis was away");
}

#[test]
fn a_redis_that_freezes_loses_nothing() {
    let stage = or_skip!(Stage::filled());
    let worker = stage.start_with("WORKER_FREEZE_AT", "completed:1");
    worker.frozen();
    stage.redis.signal(Signal::STOP);
    worker.signal(Signal::CONT);
    worker.note("Redis at ");
    stage.redis.signal(Signal::CONT);
    let finished = worker.wait();
    finished.assert_code(0);
    assert_eq!(weather(&finished)[0], "does not answer; trying again for up to 30 s");
    // What was asked and given up is carried out when Redis wakes; the claim in it must not be lost, nor be a second one.
    stage.assert_undisturbed("a frozen Redis");
}

#[test]
fn an_answer_that_is_lost_changes_nothing_whichever_it_is() {
    let stage = or_skip!(Stage::filled());
    let run = |stage: &Stage, proxy: &Proxy| {
        Worker::start(stage.command().env("REDIS_SERVICE_PORT", proxy.port.to_string())).wait()
    };
    let unbroken = Proxy::breaking_at(0, stage.redis.port());
    run(&stage, &unbroken).assert_code(0);
    let answers = unbroken.answers();
    assert!(answers > 20, "there are many answers to lose, not {answers}");
    for nth in 1..=answers {
        stage.redis.ask::<String>(&["FLUSHALL"]);
        // So that the scripts are unknown again: that is an answer, too.
        stage.redis.ask::<String>(&["SCRIPT", "FLUSH"]);
        std::fs::remove_dir_all(stage.path("output")).unwrap();
        stage.push(&days());
        let finished = run(&stage, &Proxy::breaking_at(nth, stage.redis.port()));
        finished.assert_code(0);
        assert_eq!(weather(&finished).len(), 2, "answer {nth}: broken, and back again: {:?}", weather(&finished));
        stage.assert_undisturbed(&format!("answer {nth} of {answers} lost"));
    }
}

#[test]
fn a_redis_that_never_comes_ends_the_worker_with_one_clear_error() {
    let mut stage = or_skip!(Stage::filled());
    stage.redis.kill();
    for (retry_s, least) in [("0", Duration::ZERO), ("1", Duration::from_secs(1))] {
        let start = Instant::now();
        let finished = stage.start_with("WORKER_REDIS_RETRY_S", retry_s).wait();
        finished.assert_code(4);
        let took = start.elapsed();
        assert!(took >= least && took < least + Duration::from_secs(1), "{took:?}");
        let port = stage.redis.port();
        let expected = format!(
            "worker: failed to look at the queue: Redis at `127.0.0.1:{port}` refuses connections, and did so for {retry_s} s\n\
             see that it runs and that REDIS_SERVICE_HOST and REDIS_SERVICE_PORT name it; a longer wait is WORKER_REDIS_RETRY_S"
        );
        assert!(finished.text().ends_with(&expected), "{}", finished.text());
    }
    let unknown = Worker::start(
        stage.command().envs([("REDIS_SERVICE_HOST", "no-such-host.invalid"), ("WORKER_REDIS_RETRY_S", "0")]),
    );
    let unknown = unknown.wait();
    unknown.assert_code(4);
    assert!(unknown.text().contains("`no-such-host.invalid:"), "{}", unknown.text());
    stage.redis.start_again();
    stage.run().assert_code(0);
    stage.assert_undisturbed("after all the attempts");
}

#[test]
fn a_redis_that_refuses_is_not_asked_twice() {
    let stage = or_skip!(Stage::new());
    stage.redis.ask::<String>(&["SET", "datasets", "no list"]);
    let start = Instant::now();
    let finished = stage.run();
    finished.assert_code(4);
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(finished.text().contains("failed to look at the queue: Redis at "), "{}", finished.text());
    assert!(finished.text().contains("WRONGTYPE"), "{}", finished.text());
}

#[test]
fn a_redis_that_is_loading_is_waited_for() {
    let mut stage = or_skip!(Stage::filled());
    // Some milliseconds a key, so that it takes a while.
    let junk: Vec<String> = (0..100).flat_map(|key| [format!("junk:{key}"), "x".repeat(20_000)]).collect();
    redis::cmd("MSET").arg(&junk).exec(&mut stage.redis.connect()).unwrap();
    stage.redis.ask::<String>(&["CONFIG", "SET", "aof-use-rdb-preamble", "yes"]);
    stage.redis.rewrite();
    stage.redis.kill();
    or_skip!(stage.redis.start_slowly());
    let impatient = stage.start_with("WORKER_REDIS_RETRY_S", "0").wait();
    impatient.assert_code(4);
    assert!(impatient.text().contains(" is loading its data, and did so for 0 s\n"), "{}", impatient.text());
    let worker = stage.start();
    worker
        .note(&format!("Redis at `127.0.0.1:{}` is loading its data; trying again for up to 30 s", stage.redis.port()));
    let finished = worker.wait();
    finished.assert_code(0);
    for pair in junk.chunks(2) {
        stage.redis.ask::<u64>(&["DEL", &pair[0]]);
    }
    stage.assert_undisturbed("a loading Redis");
}

#[test]
fn a_redis_that_is_read_only_is_waited_for() {
    let stage = or_skip!(Stage::filled());
    // A replica of nobody's: it still answers reads, and takes no writes.
    stage.redis.ask::<String>(&["REPLICAOF", "127.0.0.1", "1"]);
    let worker = stage.start();
    worker.note(&format!("Redis at `127.0.0.1:{}` is read-only; trying again for up to 30 s", stage.redis.port()));
    stage.redis.ask::<String>(&["REPLICAOF", "NO", "ONE"]);
    worker.wait().assert_code(0);
    stage.assert_undisturbed("a read-only Redis");

    stage.push(&days());
    stage.redis.ask::<String>(&["REPLICAOF", "127.0.0.1", "1"]);
    let finished = stage.start_with("WORKER_REDIS_RETRY_S", "1").wait();
    finished.assert_code(4);
    assert!(finished.text().contains(" is read-only, and did so for 1 s\n"), "{}", finished.text());
}

#[test]
fn a_redis_that_runs_somebodys_script_is_waited_for() {
    let stage = or_skip!(Stage::filled());
    stage.redis.ask::<String>(&["CONFIG", "SET", "lua-time-limit", "20"]);
    let mut connection = stage.redis.connect();
    let busy = std::thread::spawn(move || redis::cmd("EVAL").arg("while true do end").arg(0).exec(&mut connection));
    let worker = stage.start();
    worker.note(&format!("Redis at `127.0.0.1:{}` is busy with somebody's script", stage.redis.port()));
    stage.redis.ask::<String>(&["SCRIPT", "KILL"]);
    busy.join().unwrap().expect_err("the script must be killed");
    worker.wait().assert_code(0);
    stage.assert_undisturbed("a busy Redis");
}

#[test]
fn a_redis_that_is_full_is_waited_for_in_one_line() {
    let stage = or_skip!(Stage::filled());
    let mut connection = stage.redis.connect();
    redis::cmd("CONFIG").arg("SET").arg("maxclients").arg(1).exec(&mut connection).unwrap();
    let worker = stage.start();
    // Until it has been turned away often enough to have said it more than once.
    let start = Instant::now();
    loop {
        let stats: String = redis::cmd("INFO").arg("stats").query(&mut connection).unwrap();
        let rejected = stats.lines().find_map(|line| line.strip_prefix("rejected_connections:")).unwrap();
        if rejected.parse::<u64>().unwrap() >= 5 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "the worker must ask again and again");
        std::thread::sleep(Duration::from_millis(5));
    }
    redis::cmd("CONFIG").arg("SET").arg("maxclients").arg(100).exec(&mut connection).unwrap();
    let finished = worker.wait();
    finished.assert_code(0);
    let weather = weather(&finished);
    // Its first new connection may be seen to end before it is said why.
    let said: Vec<&str> = weather.iter().map(|words| words.split(';').next().unwrap_or_default()).collect();
    let said = said.strip_prefix(&["broke the connection"]).unwrap_or(&said);
    assert_eq!(said, ["has no connection left", "answers again"]);
    stage.assert_undisturbed("a full Redis");
}

#[test]
fn a_replica_without_its_master_is_waited_for() {
    let stage = or_skip!(Stage::filled());
    stage.redis.ask::<String>(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    stage.redis.ask::<String>(&["REPLICAOF", "127.0.0.1", "1"]);
    let worker = stage.start();
    worker.note(&format!("Redis at `127.0.0.1:{}` has lost its master", stage.redis.port()));
    stage.redis.ask::<String>(&["REPLICAOF", "NO", "ONE"]);
    worker.wait().assert_code(0);
    stage.assert_undisturbed("a replica without its master");
}

#[test]
fn a_redis_that_asks_for_a_password_is_told_from_others() {
    let stage = or_skip!(Stage::filled());
    stage.redis.ask::<String>(&["CONFIG", "SET", "requirepass", "secret"]);
    let finished = stage.run();
    finished.assert_code(4);
    assert!(finished.text().contains("asks for no password"), "{}", finished.text());
}

#[test]
fn a_redis_that_takes_no_writes_is_waited_for() {
    let stage = or_skip!(Stage::filled());
    stage.redis.ask::<String>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let worker = stage.start();
    worker.note(&format!("Redis at `127.0.0.1:{}` takes no writes", stage.redis.port()));
    stage.redis.ask::<String>(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    worker.wait().assert_code(0);
    stage.assert_undisturbed("a Redis without its replicas");
}

#[test]
fn the_heartbeat_keeps_a_claim_for_longer_than_its_lease() {
    let stage = or_skip!(Stage::filled());
    let slow = stage.start_with("WORKER_HANG_AT", "read");
    slow.note("WORKER_HANG_AT");
    let (start, mut others) = (Instant::now(), stage.start());
    others.log("Processing dataset: datasets/training/2018-04-01.pkl");
    // The others have done what there was, and would take this one if they could.
    while start.elapsed() < Duration::from_millis(3200) {
        assert_eq!(stage.redis.list("datasets:processing").last(), Some(&days()[3]));
        assert!(others.is_running());
        std::thread::sleep(Duration::from_millis(20));
    }
    others.log("Waiting for work");
    slow.signal(Signal::KILL);
    let finished = others.wait();
    finished.assert_code(0);
    assert_eq!(finished.processed(), [2, 1, 0, 3].map(|day| days()[day].clone()));
}
