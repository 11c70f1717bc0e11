//! SIGTERM and SIGINT: the item is back in the queue and the process gone within a second, whatever it was doing.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Stage, Worker, days, or_skip};

/// What the grace of a node that is about to vanish leaves for the worker.
const GRACE: Duration = Duration::from_secs(1);

/// Sends a signal and waits for the end, which must come in time and with the signal's exit code.
fn end(worker: Worker, signal: Signal, code: i32) -> Duration {
    let sent = worker.signal(signal);
    worker.wait().assert_code(code);
    let took = sent.elapsed();
    assert!(took < GRACE, "{took:?} from the signal to the end");
    took
}

#[test]
fn sigterm_in_the_middle_of_a_dataset_puts_it_back() {
    for point in ["claimed", "read", "trained", "checkpoint-drafted", "report-locked", "report-drafted"] {
        let stage = or_skip!(Stage::filled());
        let worker = stage.start_with("WORKER_HANG_AT", &format!("{point}:2"));
        worker.note("WORKER_HANG_AT");
        let took = end(worker, Signal::TERM, 143);
        println!("SIGTERM at `{point}`: ended after {took:?}");
        assert_eq!(stage.redis.list("datasets"), days()[..3], "{point}: the item is back at its place");
        assert_eq!(stage.redis.keys(), ["datasets"], "{point}: no claim, no lease and no lock are left");
        assert!(stage.output().keys().all(|name| !name.ends_with(".tmp")), "{point}: {:?}", stage.output().keys());
        let start = Instant::now();
        let next = stage.run();
        next.assert_code(0);
        assert_eq!(next.processed()[0], days()[2], "{point}: the next worker goes on with it");
        assert!(start.elapsed() < GRACE, "{point}: and at once, not after {:?}", start.elapsed());
        stage.assert_undisturbed(point);
    }
}

#[test]
fn sigint_does_the_same() {
    let stage = or_skip!(Stage::filled());
    let worker = stage.start_with("WORKER_HANG_AT", "read");
    worker.note("WORKER_HANG_AT");
    end(worker, Signal::INT, 130);
    assert_eq!(stage.redis.list("datasets"), days());
}

#[test]
fn sigterm_ends_a_worker_that_waits_for_work() {
    let stage = or_skip!(Stage::filled());
    let holder = stage.start_with("WORKER_HANG_AT", "read");
    holder.note("WORKER_HANG_AT");
    stage.redis.ask::<String>(&["LTRIM", "datasets", "1", "0"]);
    let waiting = stage.start();
    waiting.log("Waiting for work");
    end(waiting, Signal::TERM, 143);
    assert_eq!(stage.redis.list("datasets:processing"), [days()[3].clone()], "what others hold stays theirs");
    end(holder, Signal::TERM, 143);
}

#[test]
fn sigterm_ends_a_worker_whose_redis_is_gone() {
    let mut stage = or_skip!(Stage::filled());
    let worker = stage.start_with("WORKER_HANG_AT", "read");
    worker.note("WORKER_HANG_AT");
    stage.redis.kill();
    end(worker, Signal::TERM, 143);
    let waiting = stage.start();
    waiting.note("Redis at ");
    end(waiting, Signal::TERM, 143);
    stage.redis.start_again();
    stage.run().assert_code(0);
    stage.assert_undisturbed("after the lease that could not be released");
}

#[test]
fn sigterm_ends_a_worker_whose_redis_is_frozen() {
    let stage = or_skip!(Stage::filled());
    let worker = stage.start_with("WORKER_HANG_AT", "read");
    worker.note("WORKER_HANG_AT");
    stage.redis.signal(Signal::STOP);
    end(worker, Signal::TERM, 143);
    let claiming = stage.start();
    claiming.log("Worker with sessionID");
    end(claiming, Signal::TERM, 143);
    stage.redis.signal(Signal::CONT);
    stage.run().assert_code(0);
    stage.assert_undisturbed("after a release that came too late or never");
}

#[test]
fn sigterm_ends_a_worker_that_finds_no_redis_host() {
    let stage = or_skip!(Stage::filled());
    let worker = Worker::start(stage.command().env("REDIS_SERVICE_HOST", "no-such-host.invalid"));
    worker.log("Worker with sessionID");
    end(worker, Signal::TERM, 143);
}

#[test]
fn an_item_is_claimed_again_at_once_after_sigterm_and_after_its_lease_after_sigkill() {
    let stage = or_skip!(Stage::filled());
    for (signal, limit) in [(Signal::TERM, GRACE), (Signal::KILL, GRACE + Duration::from_secs(1))] {
        let first = stage.start_with("WORKER_HANG_AT", "read");
        first.note("WORKER_HANG_AT");
        // The lease is as long as it can be: it has just been renewed.
        let lost = first.signal(signal);
        drop(first.wait());
        let second = stage.start_with("WORKER_HANG_AT", "read");
        let claimed = second.log(&format!("Processing dataset: {}", days()[3]));
        let took = claimed - lost;
        println!("from {signal:?} to the next claim: {took:?}, with a lease of 1 s");
        assert!(took < limit, "{signal:?}: claimed again after {took:?}");
        end(second, Signal::TERM, 143);
    }
}
