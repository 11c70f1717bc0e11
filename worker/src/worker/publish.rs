//! What a dataset leaves behind: its checkpoint, then its entry in the report, then one line on standard error.
//!
//! Both files appear by rename, right after a look at the claim. A worker that was frozen between the look and the
//! rename, while its lease ended and a successor took over, finds its draft gone and looks again; so what the successor
//! has published is never overwritten, and a parent that a checkpoint names is always the one that is there.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::failure::{Failure, Stop};
use super::{Day, Worker, day};
use crate::checkpoint::{Checkpoint, Metadata};
use crate::kill::kill_point;
use crate::ledger::{Ledger, REPORT, Tail};
use crate::note;
use crate::queue::{Claim, Tenure};
use crate::report::{Entry, timestamp};
use crate::share::ShareError;

/// How often a draft may vanish under our hands before that is the share's fault.
const MOST_TRIES: usize = 100;
/// How many of the reports that a session has replaced it watches for what comes late. One who appends opens the report and
/// writes; meanwhile a session may have replaced it more than once.
const MOST_WATCHED: usize = 64;
/// How long others may keep the report locked, beyond a lease.
const LOCK_LIMIT: Duration = Duration::from_secs(60);

impl Worker<'_> {
    /// Ends what drafts there are of a dataset that somebody had before. Whoever that was can publish nothing of it any
    /// more, even if it was only frozen and wakes up now; and what it published before is seen by who looks next.
    pub(super) fn fence(&self, day: &Day) -> Result<(), ShareError> {
        drop(self.output.draft(&day.checkpoint)?);
        drop(self.output.draft(REPORT)?);
        Ok(())
    }

    /// Publishes a dataset's checkpoint, as long as the claim is ours.
    pub(super) fn publish_checkpoint(&mut self, claim: &Claim, name: &str, bytes: &[u8]) -> Result<(), Stop> {
        for _ in 0..MOST_TRIES {
            let mut draft = self.output.draft(name)?;
            kill_point("checkpoint-begun");
            draft.write(bytes)?;
            kill_point("checkpoint-drafted");
            if self.queue.renew(claim)? == Tenure::Lost {
                return Err(Stop::Lost);
            }
            kill_point("checkpoint-verified");
            if self.hold.keep_while(|| draft.publish())? {
                kill_point("checkpoint-published");
                return Ok(());
            }
        }
        Err(self.vanishing(name).into())
    }

    /// Publishes a dataset's entry in the report, as long as the claim is ours.
    pub(super) fn publish_report(&mut self, claim: &Claim, day: &Day, checkpoint: &Checkpoint) -> Result<(), Stop> {
        let Some(metadata) = &checkpoint.metadata else { return Ok(()) };
        let (training_accuracy, testing_accuracy) = (metadata.training.accuracy, metadata.testing.accuracy);
        self.replace_report(Some(claim), |ledger| {
            let generated_on = timestamp(jiff::Zoned::now().datetime());
            let (dataset, checkpoint) = (day.name.clone(), day.checkpoint.clone());
            ledger.put(Entry { generated_on, dataset, checkpoint, training_accuracy, testing_accuracy });
        })
    }

    /// Before the session ends: what came late to the reports that it replaced.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.collect_late_entries();
        if self.late.is_empty() {
            return Ok(());
        }
        match self.replace_report(None, |_| {}) {
            Err(Stop::Failed(failure)) => Err(failure),
            _ => Ok(()),
        }
    }

    /// Replaces the report by one with a change, under its lock; with a claim, only as long as that is ours.
    fn replace_report(&mut self, claim: Option<&Claim>, change: impl Fn(&mut Ledger)) -> Result<(), Stop> {
        for _ in 0..MOST_TRIES {
            self.lock_report()?;
            kill_point("report-locked");
            self.collect_late_entries();
            // The draft comes first: it ends the drafts of those who lost the lock, and only then is the report read.
            let mut draft = self.output.draft(REPORT)?;
            let mut ledger = Ledger::open(&self.output)?;
            self.late.iter().cloned().for_each(|entry| ledger.put(entry));
            change(&mut ledger);
            ledger.write_to(&mut draft)?;
            kill_point("report-drafted");
            let tenure = match claim {
                Some(claim) => self.queue.renew_with_report_lock(claim)?,
                None if self.queue.keep_report_lock()? => Tenure::Held,
                None => Tenure::Unlocked,
            };
            if tenure == Tenure::Lost {
                self.queue.unlock_report()?;
                return Err(Stop::Lost);
            }
            if tenure == Tenure::Unlocked {
                continue;
            }
            kill_point("report-verified");
            if !self.hold.keep_while(|| draft.publish())? {
                continue;
            }
            kill_point("report-published");
            self.late.clear();
            self.watch(ledger.replaced());
            self.collect_late_entries();
            self.replaced.back_mut().map(Tail::settle);
            if self.late.is_empty() {
                self.queue.unlock_report()?;
                kill_point("report-unlocked");
                return Ok(());
            }
        }
        Err(self.vanishing(REPORT).into())
    }

    /// Watches a report that was just replaced, the newest ones being those to which something may still come.
    fn watch(&mut self, tail: Tail) {
        if self.replaced.len() == MOST_WATCHED {
            self.replaced.pop_front();
        }
        self.replaced.push_back(tail);
    }

    fn collect_late_entries(&mut self) {
        self.late.extend(self.replaced.iter_mut().flat_map(Tail::late));
    }

    /// Waits for the lock on the report: others hold it for as long as it takes to write a small file, and the lock of
    /// one who died ends by itself.
    fn lock_report(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        while !self.queue.lock_report()? {
            if start.elapsed() > LOCK_LIMIT + self.config.lease {
                return Err(Failure::ReportLocked { waited_s: start.elapsed().as_secs() });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The error for a draft that is removed again and again.
    fn vanishing(&self, name: &str) -> ShareError {
        self.output.error("publish", name, std::io::Error::other("somebody removes its drafts, time and again"))
    }

    /// One line of JSON on standard error: what the report has no room for.
    pub(super) fn tell(&self, day: &Day, checkpoint: &Checkpoint, bytes: &[u8], seconds: Seconds) {
        let line = serde_json::to_string(&Event {
            event: "trained",
            dataset: &day.name,
            checkpoint: &day.checkpoint,
            checkpoint_sha256: day::sha256(bytes),
            session: &self.session,
            seconds,
            metadata: checkpoint.metadata.as_ref(),
        });
        note::line(std::io::stderr(), format_args!("{}", line.unwrap_or_default()));
    }
}

/// The line of JSON, in this order.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    dataset: &'a str,
    checkpoint: &'a str,
    checkpoint_sha256: String,
    session: &'a str,
    seconds: Seconds,
    metadata: Option<&'a Metadata>,
}

/// How long each part of a dataset took.
#[derive(Serialize)]
pub(super) struct Seconds {
    pub read: f64,
    pub trained: f64,
    pub published: f64,
}
