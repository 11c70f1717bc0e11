//! The worker: claim, train, publish, complete, until there is nothing left.

use std::collections::VecDeque;
use std::time::Instant;

use crate::checkpoint::{Checkpoint, Metadata, SCHEMA_VERSION};
use crate::config::Config;
use crate::hold::{self, Hold};
use crate::kill::kill_point;
use crate::ledger::{Ledger, REPORT, Tail};
use crate::lookout::Lookout;
use crate::model::{self, Dataset, Trained};
use crate::queue::{Claim, Queue, Server, show};
use crate::report::{Entry, Report};
use crate::share::{Output, Share};
use crate::{log_line, note, signals};

mod day;
mod failure;
mod lineage;
mod publish;

use day::{Day, read_test_set};
use failure::{Stop, guarded};
use lineage::Ancestor;
use publish::Seconds;

pub use failure::Failure;

/// A dataset whose claims never end, however often it is claimed, kills its workers, or cannot be read though the share is
/// there. As many as fit into a Job, whose sixth failure ends it (its backoffLimit): these four, and the run that sets the
/// dataset aside and says so with its exit code. Not fewer, for a worker may be killed without its dataset's doing; what is
/// put back on SIGTERM, as on a Spot node's notice, does not count.
const MOST_ATTEMPTS: u64 = 4;

/// How a session ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do.
    Done,
    /// Nothing is left to do, but this many datasets could not be worked on and are dead letters now.
    SetAside(u64),
}

/// Works until the queue is empty.
///
/// # Errors
/// When Redis stays away or the share cannot be used. What was claimed has been released then, if it could be.
pub fn run(config: &Config) -> Result<Outcome, Failure> {
    let session = new_session()?;
    let server = Server::new(&config.redis_host, config.redis_port, config.redis_retry)?;
    let hold = Hold::default();
    signals::handle(&hold, &server, &session, config)?;
    log_line!("Worker with sessionID: {session}");

    let mut queue = Queue::new(&server, &session, config.lease);
    let is_empty = queue.is_empty()?;
    log_line!("Initial queue state: empty={}", if is_empty { "True" } else { "False" });
    let mut set_aside = 0;
    if !is_empty {
        // What every dataset needs is there before one is claimed.
        let share = Share::open(&config.share)?;
        let output = share.output(&session)?;
        let (test_set, test_sha256) = read_test_set(&share)?;
        hold::start_heartbeat(&hold, &server, &session, config.lease)?;
        let mut lookout = Lookout::new(&session);
        let (replaced, late, hold) = (VecDeque::new(), Vec::new(), hold.clone());
        let found = queue.items()?;
        let mut worker = Worker {
            config,
            session,
            queue,
            hold,
            share,
            output,
            test_set,
            test_sha256,
            found,
            replaced,
            late,
            set_aside,
        };
        while let Some(claim) = lookout.next(&mut worker.queue, &worker.hold)? {
            log_line!("Processing dataset: {}", show(&claim.item));
            worker.process(&claim)?;
            worker.hold.set(None);
        }
        worker.finish()?;
        worker.account_for_what_was_found()?;
        set_aside = worker.set_aside;
    }
    log_line!("Queue empty, exiting");
    Ok(if set_aside == 0 { Outcome::Done } else { Outcome::SetAside(set_aside) })
}

/// A name that no other session has: a random UUID. Straight from the kernel, for a container need not have a
/// `/dev/urandom`.
fn new_session() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}

/// A session at work.
struct Worker<'a> {
    config: &'a Config,
    session: String,
    queue: Queue,
    hold: Hold,
    share: Share,
    output: Output,
    test_set: Dataset,
    test_sha256: String,
    /// What was in the queue when the session began.
    found: Vec<Vec<u8>>,
    /// The reports that this session replaced, the latest one last.
    replaced: VecDeque<Tail>,
    /// Entries that came to them later, and that are in no report yet.
    late: Vec<Entry>,
    set_aside: u64,
}

impl Worker<'_> {
    /// Brings a claim to its end, whichever it is.
    fn process(&mut self, claim: &Claim) -> Result<(), Failure> {
        match self.work_on(claim) {
            Ok(()) => Ok(()),
            Err(Stop::Unfit(reason)) => self.set_aside(claim, &reason),
            Err(Stop::Lost) => self.leave_to_others(claim),
            Err(Stop::Failed(failure)) => {
                // Where Redis is what failed, the end of the lease does it.
                if !matches!(failure, Failure::Queue(_)) && self.queue.release(claim)? {
                    note!("`{}` is back in the queue", show(&claim.item));
                }
                Err(failure)
            }
            // The test set was read, so the share is there: this file alone may be what it cannot give.
            Err(Stop::Unreadable(error)) if claim.attempts >= MOST_ATTEMPTS => self.set_aside(
                claim,
                &format!("the share does not give it, after attempt {}: {}", claim.attempts, error.source),
            ),
            Err(Stop::Unreadable(error)) => {
                if self.queue.give_up(claim)? {
                    note!("`{}` is back in the queue, for attempt {}", show(&claim.item), claim.attempts + 1);
                }
                Err(error.into())
            }
        }
    }

    /// The steps of one dataset. Killed after any of them, the next session gets to the same end.
    fn work_on(&mut self, claim: &Claim) -> Result<(), Stop> {
        kill_point("claimed");
        let mut watch = Stopwatch::start();
        self.refuse_a_killer(claim)?;
        let day = Day::read(&self.share, &claim.item)?;
        if claim.attempts > 1 {
            self.fence(&day)?;
        }
        let report = Ledger::peek(&self.output)?;
        if self.is_done(&day, &report)? {
            note!("`{}` was finished before, all but its claim", show(&claim.item));
            return self.complete(claim);
        }
        let parent = self.parent(&day, &report)?;
        let read = watch.lap_s();
        kill_point("read");

        let checkpoint = self.train(&day, parent)?;
        let bytes = checkpoint.to_bytes();
        let trained = watch.lap_s();
        kill_point("trained");

        self.publish(claim, &day, &checkpoint, &bytes)?;
        let published = watch.lap_s();
        self.complete(claim)?;
        self.tell(&day, &checkpoint, &bytes, Seconds { read, trained, published });
        Ok(())
    }

    /// A dataset that killed its workers may kill this one. Where the report has it, they may as well have died while they
    /// brought it to its end, and it gets as many attempts again.
    fn refuse_a_killer(&self, claim: &Claim) -> Result<(), Stop> {
        if claim.attempts <= MOST_ATTEMPTS {
            return Ok(());
        }
        let report = Ledger::peek(&self.output)?;
        let is_reported = day::file_name(&claim.item).is_ok_and(|name| report.entry(name).is_some());
        if is_reported && claim.attempts <= 2 * MOST_ATTEMPTS {
            return Ok(());
        }
        let attempts = claim.attempts - 1;
        Err(Stop::Unfit(format!("it was claimed {attempts} times and never finished")))
    }

    /// Learns from a day, starting from its parent.
    fn train(&self, day: &Day, parent: Option<Ancestor>) -> Result<Checkpoint, Stop> {
        let seed = self.config.seed;
        let ancestor = parent.as_ref().map(|parent| &parent.model);
        let trained = guarded(|| model::train(ancestor, &day.dataset, &self.test_set, seed))?;
        let Trained { model, training_figures, testing_figures } = trained;
        if !model.is_finite() {
            return Err(Stop::Unfit("its numbers are too large to be trained on".into()));
        }
        let metadata = Metadata {
            schema_version: SCHEMA_VERSION,
            dataset: day.name.clone(),
            path: day.path.clone(),
            dataset_sha256: day.sha256.clone(),
            test_sha256: self.test_sha256.clone(),
            seed,
            depth: parent.as_ref().map_or(1, |parent| parent.depth + 1),
            parent: parent.map(|parent| parent.file),
            training: training_figures,
            testing: testing_figures,
        };
        Ok(Checkpoint { model, metadata: Some(metadata) })
    }

    /// Ends the claim of a dataset that is done.
    fn complete(&mut self, claim: &Claim) -> Result<(), Stop> {
        if !self.queue.complete(claim)? {
            note!("`{}` is done, but its claim was lost meanwhile", show(&claim.item));
        }
        kill_point("completed");
        Ok(())
    }

    /// A claim that is not ours any more is in other hands, or was brought to its end by them, which the queue or the share
    /// shows. Where neither does, Redis has lost its data, and what waited with it.
    fn leave_to_others(&mut self, claim: &Claim) -> Result<(), Failure> {
        let item = show(&claim.item);
        let report = Ledger::peek(&self.output)?;
        if !self.is_accounted_for(&claim.item, &report)? {
            return Err(Failure::QueueLost { item });
        }
        note!("`{item}` is in other hands now; leaving it to them");
        Ok(())
    }

    /// Whether an item is in the queue, set aside, or in the report.
    fn is_accounted_for(&mut self, item: &[u8], report: &Report) -> Result<bool, Failure> {
        let is_reported = day::file_name(item).is_ok_and(|name| report.entry(name).is_some());
        Ok(is_reported || self.queue.knows(item)?)
    }

    /// A queue is also empty when Redis has lost it. What was in it when the session began must have come to its end.
    fn account_for_what_was_found(&mut self) -> Result<(), Failure> {
        let report = Ledger::peek(&self.output)?;
        for item in std::mem::take(&mut self.found) {
            if !self.is_accounted_for(&item, &report)? {
                return Err(Failure::QueueCutShort { item: show(&item) });
            }
        }
        Ok(())
    }

    /// Ends the claim of a dataset that cannot be worked on.
    fn set_aside(&mut self, claim: &Claim, reason: &str) -> Result<(), Failure> {
        if let Ok(name) = day::file_name(&claim.item) {
            // Whoever worked on it before may have died over a draft.
            self.output.remove_drafts_of(&crate::checkpoint::file_name(name))?;
        }
        if claim.attempts > 1 {
            self.output.remove_drafts_of(REPORT)?;
        }
        if !self.queue.set_aside(claim, reason)? {
            return self.leave_to_others(claim);
        }
        note!("set `{}` aside: {reason}", show(&claim.item));
        self.set_aside += 1;
        Ok(())
    }
}

/// Tells how long each part of a task took.
struct Stopwatch {
    since: Instant,
}

impl Stopwatch {
    fn start() -> Self {
        Self { since: Instant::now() }
    }

    fn lap_s(&mut self) -> f64 {
        let lap = self.since.elapsed();
        self.since += lap;
        lap.as_secs_f64()
    }
}
