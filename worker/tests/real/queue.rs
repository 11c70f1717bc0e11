//! The scripts, one by one, on a real Redis.

use std::time::Duration;

use worker::queue::{Claim, Claimed, Queue, Server, Standing, Tenure, lease_key};

use crate::harness::{Redis, or_skip};

const LEASE: Duration = Duration::from_secs(20);

fn queue(redis: &Redis, session: &str) -> Queue {
    queue_with_lease(redis, session, LEASE)
}

fn queue_with_lease(redis: &Redis, session: &str, lease: Duration) -> Queue {
    Queue::new(&Server::new("127.0.0.1", redis.port(), Duration::from_secs(5)).unwrap(), session, lease)
}

fn push(redis: &Redis, items: &[&str]) {
    redis.ask::<u64>(&[&["RPUSH", "datasets"], items].concat());
}

fn claim(queue: &mut Queue) -> Claim {
    match queue.claim().unwrap() {
        Claimed::Item(claim) => claim,
        nothing => panic!("an item waits, but the claim says {nothing:?}"),
    }
}

fn text(claim: &Claim) -> &str {
    std::str::from_utf8(&claim.item).unwrap()
}

#[test]
fn a_claim_is_on_the_wire_what_the_original_makes_of_it() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a", "b", "datasets/training/2018-04-04.pkl"]);
    let claim = claim(&mut queue(&redis, "me"));
    assert_eq!(text(&claim), "datasets/training/2018-04-04.pkl", "the right end is taken first");
    assert_eq!((claim.place, claim.attempts), (2, 1));
    assert_eq!(redis.list("datasets"), ["a", "b"]);
    assert_eq!(redis.list("datasets:processing"), ["datasets/training/2018-04-04.pkl"]);
    // Computed by Python: hashlib.sha224(b"datasets/training/2018-04-04.pkl").hexdigest().
    let lease = "datasets:leased_by_session:a48a485cd5cf142e057b080c0dfee506ce03ed7093957cd40f685a05";
    assert_eq!(lease_key(&claim.item), lease);
    assert_eq!(redis.ask::<String>(&["GET", lease]), "me");
    let ttl_ms: u64 = redis.ask(&["PTTL", lease]);
    assert!((19_000..=20_000).contains(&ttl_ms), "the lease ends after 20 s, not after {ttl_ms} ms");
}

#[test]
fn a_claim_after_the_first_is_one_round_trip() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a", "b", "c"]);
    let mut queue = queue(&redis, "me");
    let first = claim(&mut queue);
    queue.complete(&first).unwrap();
    let commands = |redis: &Redis| -> u64 {
        let info: String = redis.ask(&["INFO", "commandstats"]);
        let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        line.and_then(|line| line.split(',').next()).unwrap().parse().unwrap()
    };
    let before = commands(&redis);
    let second = claim(&mut queue);
    assert_eq!(commands(&redis) - before, 1);
    queue.complete(&second).unwrap();
    assert_eq!(commands(&redis) - before, 2);
}

#[test]
fn completion_leaves_nothing_behind() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a", "b"]);
    let mut queue = queue(&redis, "me");
    for expected in ["b", "a"] {
        let claim = claim(&mut queue);
        assert_eq!(text(&claim), expected);
        assert!(queue.complete(&claim).unwrap());
        assert!(!queue.complete(&claim).unwrap(), "a completion that is done is not done again");
    }
    assert_eq!(queue.claim().unwrap(), Claimed::Nothing { processing: 0 });
    assert!(queue.is_empty().unwrap());
    assert_eq!(redis.keys(), [""; 0]);
}

#[test]
fn a_released_item_goes_back_to_its_old_place() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a", "b", "c", "d"]);
    let (mut one, mut two) = (queue(&redis, "one"), queue(&redis, "two"));
    let (d, c) = (claim(&mut one), claim(&mut two));
    push(&redis, &["new"]);
    assert!(one.release(&d).unwrap(), "the holder may release");
    assert_eq!(redis.list("datasets"), ["a", "b", "new", "d"], "its place among three is the last");
    assert!(two.release(&c).unwrap());
    assert_eq!(redis.list("datasets"), ["a", "b", "c", "new", "d"]);
    assert_eq!(redis.keys(), ["datasets"], "nothing else is left of the claims");
}

#[test]
fn items_that_stand_there_twice_keep_their_order_as_well() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a", "a", "b", "a", "c"]);
    let (mut one, mut two) = (queue(&redis, "one"), queue(&redis, "two"));
    let c = claim(&mut one);
    push(&redis, &["a", "a"]);
    assert!(one.release(&c).unwrap());
    assert_eq!(redis.list("datasets"), ["a", "a", "b", "a", "c", "a", "a"]);
    let held = claim(&mut one);
    assert_eq!(text(&held), "a");
    let other = claim(&mut two);
    assert_eq!(text(&other), "c", "a copy of what somebody works on is superfluous");
    assert!(one.complete(&held).unwrap());
    assert!(two.complete(&other).unwrap());
    assert_eq!(redis.list("datasets"), ["a", "a", "b", "a"], "copies that wait are claimed in their turn");
}

/// What is left of claims by the original, say, which may have finished the last item.
#[test]
fn who_looks_at_an_empty_queue_tidies_it() {
    let redis = or_skip!(Redis::start());
    redis.ask::<u64>(&["HSET", "datasets:claims", "a", "3 1 -"]);
    redis.ask::<u64>(&["HSET", "datasets:lease_keys", "a", "key"]);
    push(&redis, &["a"]);
    assert!(!queue(&redis, "me").is_empty().unwrap());
    assert_eq!(redis.keys(), ["datasets", "datasets:claims", "datasets:lease_keys"], "the queue is not empty");
    redis.ask::<u64>(&["DEL", "datasets"]);
    assert!(queue(&redis, "me").is_empty().unwrap());
    assert_eq!(redis.keys(), [""; 0]);
}

#[test]
fn notes_on_claims_are_gone_after_a_day() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a"]);
    claim(&mut queue(&redis, "me"));
    let ttl_s: i64 = redis.ask(&["TTL", "datasets:claims"]);
    assert!((86_390..=86_400).contains(&ttl_s), "the notes end after a day, not after {ttl_s} s");
}

/// The answer to it may be lost, and it be asked again.
#[test]
fn an_item_may_be_set_aside_again() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a"]);
    let mut queue = queue(&redis, "me");
    let claim = claim(&mut queue);
    assert!(queue.knows(b"a").unwrap(), "it is in processing");
    assert!(queue.set_aside(&claim, "it is empty").unwrap());
    assert!(queue.set_aside(&claim, "it is empty").unwrap());
    assert!(!queue.set_aside(&claim, "something else").unwrap(), "that is somebody else's word");
    assert!(queue.knows(b"a").unwrap(), "it is a dead letter");
    redis.ask::<u64>(&["DEL", "datasets:failed"]);
    assert!(!queue.knows(b"a").unwrap());
    push(&redis, &["a"]);
    assert!(queue.knows(b"a").unwrap(), "it waits");
}

/// A note of one who put an item back says nothing of who has taken it since: it may be the original, between the two
/// halves of its claim.
#[test]
fn the_note_of_an_earlier_claim_makes_no_claim_expired() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["x", "a"]);
    let (mut one, mut other) = (queue(&redis, "one"), queue(&redis, "other"));
    claim(&mut one);
    redis.ask::<u64>(&["DEL", &lease_key(b"a")]);
    assert_eq!(other.reap(|_| false).unwrap()[0].state, Standing::PutBack);
    redis.ask::<String>(&["BRPOPLPUSH", "datasets", "datasets:processing", "1"]);
    assert_eq!(other.reap(|_| false).unwrap()[0].state, Standing::Young);
    assert_eq!(other.reap(|_| true).unwrap()[0].state, Standing::PutBack, "it has been so for too long");
    assert_eq!(redis.list("datasets"), ["x", "a"], "in its old place");
    assert_eq!(claim(&mut one).attempts, 2, "the claim that never ended still counts");
}

#[test]
fn only_the_holder_ends_a_claim() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a"]);
    let (mut holder, mut other) = (queue(&redis, "holder"), queue(&redis, "other"));
    let claim = claim(&mut holder);
    assert!(!other.complete(&claim).unwrap());
    assert!(!other.release(&claim).unwrap());
    assert!(!other.set_aside(&claim, "no").unwrap());
    assert_eq!(other.renew(&claim).unwrap(), Tenure::Lost);
    assert_eq!(redis.list("datasets:processing"), ["a"]);
    assert_eq!(holder.renew(&claim).unwrap(), Tenure::Held);
    assert!(holder.complete(&claim).unwrap());
}

#[test]
fn an_expired_lease_is_taken_again_only_if_nobody_took_the_item() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a"]);
    let (mut holder, mut other) = (queue(&redis, "holder"), queue(&redis, "other"));
    let first = claim(&mut holder);
    redis.ask::<u64>(&["DEL", &lease_key(b"a")]);
    assert_eq!(holder.renew(&first).unwrap(), Tenure::Retaken);
    assert_eq!(redis.ask::<String>(&["GET", &lease_key(b"a")]), "holder");
    assert!(redis.ask::<i64>(&["PTTL", &lease_key(b"a")]) > 0);
    redis.ask::<u64>(&["DEL", &lease_key(b"a")]);
    assert_eq!(other.reap(|_| false).unwrap()[0].state, Standing::PutBack);
    assert_eq!(holder.renew(&first).unwrap(), Tenure::Lost, "it waits again, and is nobody's");
    assert!(!holder.complete(&first).unwrap());
    let second = claim(&mut other);
    assert_eq!(second.attempts, 2, "a claim that never ended counts");
    redis.ask::<u64>(&["DEL", &lease_key(b"a")]);
    assert_eq!(holder.renew(&first).unwrap(), Tenure::Lost, "somebody else has taken it since, if only for a while");
    assert!(!holder.complete(&first).unwrap());
    assert!(other.complete(&second).unwrap(), "absent, but still in processing and nobody else's");
    assert_eq!(redis.keys(), [""; 0]);
}

#[test]
fn the_reaper_restores_the_order() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a", "b", "c", "d"]);
    let mut dead: Vec<Queue> = ["one", "two", "three"].iter().map(|session| queue(&redis, session)).collect();
    let claims: Vec<Claim> = dead.iter_mut().map(claim).collect();
    let mut reaper = queue(&redis, "reaper");
    // The middle one lives on, the others are gone.
    for gone in [0, 2] {
        redis.ask::<u64>(&["DEL", &lease_key(&claims[gone].item)]);
    }
    let states: Vec<Standing> = reaper.reap(|_| false).unwrap().into_iter().map(|sighting| sighting.state).collect();
    assert_eq!(states[0], Standing::PutBack);
    assert!(matches!(&states[1], Standing::Leased { holder, .. } if holder == b"two"), "{states:?}");
    assert_eq!(states[2], Standing::PutBack);
    assert_eq!(redis.list("datasets"), ["a", "b", "d"]);
    redis.ask::<u64>(&["DEL", &lease_key(&claims[1].item)]);
    reaper.reap(|_| false).unwrap();
    assert_eq!(redis.list("datasets"), ["a", "b", "c", "d"]);
    assert_eq!(redis.list("datasets:processing"), [""; 0]);
}

#[test]
fn what_the_original_claimed_goes_back_to_the_right_end_once_it_is_an_orphan() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a", "b", "c"]);
    for _ in 0..2 {
        redis.ask::<String>(&["RPOPLPUSH", "datasets", "datasets:processing"]);
    }
    let mut reaper = queue(&redis, "reaper");
    let states: Vec<Standing> = reaper.reap(|_| false).unwrap().into_iter().map(|sighting| sighting.state).collect();
    assert_eq!(states, [Standing::Young, Standing::Young], "the original leases in a second step");
    assert_eq!(redis.list("datasets"), ["a"]);
    reaper.reap(|_| true).unwrap();
    assert_eq!(redis.list("datasets"), ["a", "b", "c"]);
}

#[test]
fn a_lease_without_an_end_gets_one() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a"]);
    redis.ask::<String>(&["RPOPLPUSH", "datasets", "datasets:processing"]);
    redis.ask::<String>(&["SET", &lease_key(b"a"), "somebody"]);
    queue(&redis, "reaper").reap(|_| false).unwrap();
    assert!(redis.ask::<i64>(&["PTTL", &lease_key(b"a")]) > 0);
}

#[test]
fn a_dataset_set_aside_is_a_dead_letter_with_its_reason() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a"]);
    let mut queue = queue(&redis, "me");
    let first = claim(&mut queue);
    assert!(queue.set_aside(&first, "there is no such file").unwrap());
    assert_eq!(redis.keys(), ["datasets:failed"]);
    assert_eq!(redis.ask::<Vec<String>>(&["HGETALL", "datasets:failed"]), ["a", "there is no such file"]);
    push(&redis, &["a"]);
    let second = claim(&mut queue);
    assert!(queue.complete(&second).unwrap());
    assert_eq!(redis.keys(), [""; 0], "a dataset that was mended and done is no dead letter any more");
}

#[test]
fn attempts_survive_a_release_but_the_released_one_does_not_count() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a"]);
    let mut queue = queue(&redis, "me");
    for expected in 1..=3 {
        assert_eq!(claim(&mut queue).attempts, expected);
        redis.ask::<u64>(&["DEL", &lease_key(b"a")]);
        queue.reap(|_| false).unwrap();
    }
    let fourth = claim(&mut queue);
    assert_eq!(fourth.attempts, 4);
    assert!(queue.release(&fourth).unwrap());
    let again = claim(&mut queue);
    assert_eq!(again.attempts, 4);
    assert!(queue.give_up(&again).unwrap(), "given up, and the attempt counts");
    assert_eq!(claim(&mut queue).attempts, 5);
}

#[test]
fn what_a_claim_tells_of_an_empty_queue_is_not_kept() {
    let redis = or_skip!(Redis::start());
    let items: Vec<_> = (0..257).map(|number| number.to_string()).collect();
    push(&redis, &items.iter().map(String::as_str).collect::<Vec<_>>());
    let mut queue = queue(&redis, "me");
    // The queue is long, so that this claim learns of items whose lease keys the next one is to tell.
    let first = claim(&mut queue);
    redis.ask::<u64>(&["DEL", "datasets"]);
    assert!(queue.complete(&first).unwrap());
    assert_eq!(queue.claim().unwrap(), Claimed::Nothing { processing: 0 });
    assert_eq!(redis.keys(), [""; 0]);
}

/// The original, which knows nothing of what is kept beside the lists, may finish last: who finds the queue empty tidies it.
#[test]
fn what_the_last_of_all_leaves_is_tidied() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["theirs", "ours"]);
    let mut queue = queue(&redis, "me");
    let ours = claim(&mut queue);
    redis.ask::<String>(&["RPOPLPUSH", "datasets", "datasets:processing"]);
    queue.complete(&ours).unwrap();
    redis.ask::<u64>(&["LREM", "datasets:processing", "0", "theirs"]);
    assert_eq!(redis.keys(), ["datasets:lease_keys"], "the claim has told the keys of all that waited");
    assert_eq!(queue.claim().unwrap(), Claimed::Nothing { processing: 0 });
    assert_eq!(redis.keys(), [""; 0]);
}

#[test]
fn the_lock_on_the_report_is_one_sessions_and_ends_by_itself() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a", "b"]);
    let (mut one, mut two) = (queue(&redis, "one"), queue(&redis, "two"));
    let (held, other) = (claim(&mut one), claim(&mut two));
    assert!(one.lock_report().unwrap());
    assert!(one.lock_report().unwrap(), "asking twice does no harm");
    assert!(!two.lock_report().unwrap());
    assert_eq!(one.renew_with_report_lock(&held).unwrap(), Tenure::Held);
    assert_eq!(two.renew_with_report_lock(&other).unwrap(), Tenure::Unlocked);
    assert!(one.keep_report_lock().unwrap());
    assert!(!two.keep_report_lock().unwrap());
    two.unlock_report().unwrap();
    assert_eq!(redis.ask::<String>(&["GET", "datasets:report_lock"]), "one", "nobody unlocks for another");
    assert!(redis.ask::<i64>(&["PTTL", "datasets:report_lock"]) > 0);
    assert!(one.release(&held).unwrap());
    assert!(!one.keep_report_lock().unwrap(), "a release gives the lock back as well");
    assert!(two.lock_report().unwrap());
    redis.ask::<u64>(&["DEL", "datasets:report_lock"]);
    assert!(!two.keep_report_lock().unwrap(), "what has expired is not kept: others may have had it since");
}

#[test]
fn waiting_takes_nothing_and_ends_with_the_first_push() {
    let redis = or_skip!(Redis::start());
    let mut waiting = queue(&redis, "me");
    assert!(!waiting.wait(Duration::from_millis(20)).unwrap());
    push(&redis, &["a", "b"]);
    assert!(waiting.wait(LEASE).unwrap());
    assert_eq!(redis.list("datasets"), ["a", "b"]);
    assert_eq!(redis.keys(), ["datasets"]);
}

#[test]
fn items_are_bytes() {
    let redis = or_skip!(Redis::start());
    let item = b"\xff\x00 not text \n".to_vec();
    redis::cmd("RPUSH").arg("datasets").arg(&item).exec(&mut redis.connect()).unwrap();
    let mut queue = queue(&redis, "me");
    let claim = claim(&mut queue);
    assert_eq!(claim.item, item);
    assert!(queue.release(&claim).unwrap());
    redis.ask::<Vec<u8>>(&["LMOVE", "datasets", "datasets:processing", "RIGHT", "LEFT"]);
    queue.reap(|_| true).unwrap();
    assert_eq!(redis.ask::<u64>(&["LLEN", "datasets"]), 1);
}

/// What was claimed as the connection broke may have gone to somebody else since; that keeps nobody from the rest.
#[test]
fn a_claim_in_doubt_that_is_lost_keeps_from_nothing() {
    let redis = or_skip!(Redis::start());
    push(&redis, &["a", "b"]);
    let mut queue = queue(&redis, "me");
    let first = claim(&mut queue);
    redis.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    redis.ask::<String>(&["SET", &lease_key(&first.item), "another", "EX", "20"]);
    let begin = std::time::Instant::now();
    assert_eq!(text(&claim(&mut queue)), "a");
    assert!(begin.elapsed() < Duration::from_secs(5), "it waited for the other one's lease");
}
