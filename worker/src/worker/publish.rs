//! What a dataset leaves behind: its checkpoint, then its entry in the report, then one line on standard error.
//!
//! An entry is never older than the checkpoint that it names: what the report says of an earlier training is taken back
//! first. Both files appear by rename, right after a look at the claim, and under the lock on the report, so that of two
//! datasets that want the same checkpoint only one is reported with it. A worker that was frozen between the look and
//! the rename, while its lease ended and a successor took over, finds its draft gone and looks again; so what the
//! successor has published is never overwritten, and a parent that a checkpoint names is always the one that is there.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::failure::{Failure, Stop};
use super::{Day, Worker, day};
use crate::checkpoint::{Checkpoint, Metadata};
use crate::kill::kill_point;
use crate::ledger::{Ledger, REPORT, Tail};
use crate::note;
use crate::queue::{Claim, Queue, Tenure};
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

    /// Publishes what a dataset leaves behind, as long as the claim is ours.
    pub(super) fn publish(&mut self, claim: &Claim, day: &Day, trained: &Checkpoint, bytes: &[u8]) -> Result<(), Stop> {
        for _ in 0..MOST_TRIES {
            self.withdraw(claim, day)?;
            if self.publish_checkpoint(claim, day, bytes)? && self.publish_report(claim, day, trained, bytes)? {
                return Ok(());
            }
        }
        Err(self.vanishing(&day.checkpoint).into())
    }

    /// Takes back what the report says of an earlier training of a dataset, whose checkpoint is about to be replaced.
    fn withdraw(&mut self, claim: &Claim, day: &Day) -> Result<(), Stop> {
        if Ledger::peek(&self.output)?.names(&day.checkpoint) {
            self.replace_report(Some(claim), |worker, ledger| {
                worker.reported(day, &ledger.report)?;
                ledger.withdraw(&day.checkpoint);
                Ok(true)
            })?;
        }
        Ok(())
    }

    /// Publishes a dataset's checkpoint and keeps the report locked. `false` where it has to be begun anew.
    fn publish_checkpoint(&mut self, claim: &Claim, day: &Day, bytes: &[u8]) -> Result<bool, Stop> {
        let mut draft = self.output.draft(&day.checkpoint)?;
        kill_point("checkpoint-begun");
        draft.write(bytes)?;
        kill_point("checkpoint-drafted");
        lock_report(&mut self.queue, self.config.lease)?;
        if Ledger::peek(&self.output)?.names(&day.checkpoint) {
            self.queue.unlock_report()?;
            return Ok(false);
        }
        match self.queue.renew_with_report_lock(claim)? {
            Tenure::Held | Tenure::Retaken => {}
            Tenure::Unlocked => return Ok(false),
            Tenure::Lost => {
                self.queue.unlock_report()?;
                return Err(Stop::Lost);
            }
        }
        kill_point("checkpoint-verified");
        let is_published = self.hold.keep_while(|| draft.publish())?;
        if is_published {
            kill_point("checkpoint-published");
        }
        Ok(is_published)
    }

    /// Publishes a dataset's entry in the report. `false` where its checkpoint is not there any more.
    fn publish_report(&mut self, claim: &Claim, day: &Day, trained: &Checkpoint, bytes: &[u8]) -> Result<bool, Stop> {
        let Some(metadata) = &trained.metadata else { return Ok(true) };
        let (training_accuracy, testing_accuracy) = (metadata.training.accuracy, metadata.testing.accuracy);
        self.replace_report(Some(claim), |worker, ledger| {
            worker.reported(day, &ledger.report)?;
            // The lock may have been a namesake's in between. It cannot publish any more what it has drafted.
            worker.output.remove_drafts_of(&day.checkpoint)?;
            if worker.output.read(&day.checkpoint)?.as_deref() != Some(bytes) {
                return Ok(false);
            }
            let generated_on = timestamp(jiff::Zoned::now().datetime());
            let (dataset, checkpoint) = (day.name.clone(), day.checkpoint.clone());
            ledger.put(Entry { generated_on, dataset, checkpoint, training_accuracy, testing_accuracy });
            Ok(true)
        })
    }

    /// Before the session ends: what came late to the reports that it replaced.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.collect_late_entries();
        if self.late.is_empty() {
            return Ok(());
        }
        match self.replace_report(None, |_, _| Ok(true)) {
            Err(Stop::Failed(failure)) => Err(failure),
            _ => Ok(()),
        }
    }

    /// Replaces the report by one with a change, under its lock; with a claim, only as long as that is ours. `false` where
    /// the change is none to be made.
    fn replace_report(
        &mut self,
        claim: Option<&Claim>,
        change: impl Fn(&Self, &mut Ledger) -> Result<bool, Stop>,
    ) -> Result<bool, Stop> {
        for _ in 0..MOST_TRIES {
            lock_report(&mut self.queue, self.config.lease)?;
            kill_point("report-locked");
            self.collect_late_entries();
            // The draft comes first: it ends the drafts of those who lost the lock, and only then is the report read.
            let mut draft = self.output.draft(REPORT)?;
            let mut ledger = Ledger::open(&self.output)?;
            for late in &self.late {
                if !self.is_outdated(late, &ledger.report)? {
                    ledger.put(late.clone());
                }
            }
            let changed = change(self, &mut ledger);
            if !matches!(changed, Ok(true)) {
                self.queue.unlock_report()?;
                return changed;
            }
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
                return Ok(true);
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

/// Waits for the lock on the report: others hold it for as long as it takes to publish two small files, and the lock of
/// one who died ends by itself.
fn lock_report(queue: &mut Queue, lease: Duration) -> Result<(), Failure> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    while !queue.lock_report()? {
        if start.elapsed() > LOCK_LIMIT + lease {
            return Err(Failure::ReportLocked { waited_s: start.elapsed().as_secs() });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(())
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
