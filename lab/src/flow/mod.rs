//! The flow: the tutorial's sections in the tutorial's order, one file each, and the one list of them.
//!
//! What differs between targets is decided where this list is built and behind [`Site`]; no step asks where it is.

mod claim;
mod clean_up;
mod datasets;
mod environment;
pub mod error;
mod job;
mod listing;
mod livelock;
mod logs;
mod queue;
mod redis;
mod report;
mod service;
mod tail;
mod volume;
mod watch;

use std::time::Duration;

use crate::console::Console;
use crate::datasets::Source;
use crate::failure::{Exit, Failure, Result};
use crate::interrupt;
use crate::job::program::Program;
use crate::places::Places;
use crate::record::{Record, When};
use crate::step::Announced;
use crate::target::{RunningJob, Site};
use error::FlowError;

/// A section of the tutorial.
#[derive(Debug)]
pub struct Step {
    /// Its name, in records and for scripts.
    pub name: &'static str,
    /// Its word at the left of the screen.
    pub verb: &'static str,
    /// The part of a run that it belongs to.
    pub phase: Phase,
    /// What the tutorial has one type.
    pub tutorial: &'static str,
    /// Does it, and says what came of it.
    run: fn(&mut Context<'_>) -> Result<String>,
}

/// The parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The lab is stood up: what `lab up` does.
    Up,
    /// The work is done.
    Run,
    /// What there is to see is looked at; gone through whatever came before.
    Evidence,
    /// The lab is taken down: what `lab down` does.
    Down,
}

/// The tutorial, in its own order.
pub const TUTORIAL: &[Step] = &[
    environment::STEP,
    volume::STEP,
    claim::STEP,
    redis::STEP,
    datasets::STEP,
    queue::STEP,
    service::STEP,
    job::STEP,
    watch::STEP,
    logs::STEP,
    listing::STEP,
    report::STEP,
    clean_up::STEP,
];

/// What a run is to be like.
#[derive(Debug, Clone)]
pub struct Order {
    /// Where the datasets come from.
    pub datasets: Source,
    /// What runs as the worker.
    pub worker: Program,
    /// Seed of the worker's model.
    pub worker_seed: u64,
    /// How long a claim outlives the last sign of life of its worker, before somebody else may have it.
    pub lease: Duration,
    /// Pods at a time.
    pub parallelism: u32,
    /// The worker is taken away once, by this signal.
    pub preempt: Option<Preempt>,
    /// What the Job's own clocks are multiplied by.
    pub job_time_scale: f64,
    /// How long the Job may take.
    pub job_limit: Duration,
}

/// How a worker is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Preempt {
    /// Without warning.
    Sigkill,
    /// With a Spot node's notice and grace.
    Sigterm,
}

/// What the steps work on.
pub struct Context<'a> {
    /// Where the lab stands; gone once it was taken down.
    pub site: Option<Box<dyn Site + 'a>>,
    /// Where everything is printed.
    pub console: &'a Console,
    /// Where things lie.
    pub places: &'a Places,
    /// The run; absent where the lab is only stood up or taken down.
    pub run: Option<Run<'a>>,
}

/// The run that is under way.
pub struct Run<'a> {
    /// What it is to be like.
    pub order: &'a Order,
    /// Its evidence.
    pub record: &'a Record,
    /// The queue's items, once it was filled.
    pub items: Vec<String>,
    /// The Job, once it was started.
    pub job: Option<Box<dyn RunningJob>>,
    /// The queue was looked at for the last time.
    pub queue_recorded: bool,
}

/// A step that failed, and how.
#[derive(Debug)]
pub struct FailedStep {
    /// The step's name.
    pub step: &'static str,
    /// How it failed.
    pub failure: Failure,
}

/// Goes through the steps of one phase. The first one that fails ends it, but for evidence: there, each step is tried.
///
/// # Errors
/// The first step that failed.
pub fn walk(context: &mut Context<'_>, phase: Phase) -> Result<(), FailedStep> {
    let mut outcome = Ok(());
    for step in TUTORIAL.iter().filter(|step| step.phase == phase) {
        if let Err(failure) = take(step, context) {
            let exit = if phase == Phase::Up || phase == Phase::Down { failure.exit } else { Exit::Flow };
            let failure = if failure.is_interruption() { failure } else { failure.with_exit(exit) };
            let failed = FailedStep { step: step.name, failure };
            if phase != Phase::Evidence {
                return Err(failed);
            }
            if outcome.is_ok() {
                outcome = Err(failed);
            }
        }
    }
    outcome
}

/// Whether the step of this name belongs to a phase.
pub fn is_in(phase: Phase, name: &str) -> bool {
    TUTORIAL.iter().any(|step| step.phase == phase && step.name == name)
}

fn take(step: &Step, context: &mut Context<'_>) -> Result<()> {
    let record = context.run.as_ref().map(|run| run.record);
    let announced = Announced::start(step.name, step.verb, context.console, record);
    // Evidence is gathered and the lab taken down after Ctrl-C, too: that is what stopping in order means.
    let check = || if matches!(step.phase, Phase::Up | Phase::Run) { interrupt::check() } else { Ok(()) };
    let outcome = check().map_err(Failure::from).and_then(|()| (step.run)(context));
    // A signal cuts a read from Redis short, which looks like a Redis that is gone, and is not.
    let outcome = outcome.or_else(|failure| check().map_err(Failure::from).and(Err(failure)));
    announced.finish(outcome)
}

impl<'a> Context<'a> {
    /// The place where the lab stands.
    ///
    /// # Errors
    /// When it was taken down before, which no list of steps does.
    pub fn site(&mut self) -> Result<&mut (dyn Site + 'a)> {
        Ok(self.site.as_deref_mut().ok_or(FlowError::OutOfOrder("a lab that stands"))?)
    }

    /// Both at once.
    ///
    /// # Errors
    /// When there is no such thing, which no list of steps does.
    pub fn site_and_run(&mut self) -> Result<(&mut (dyn Site + 'a), &mut Run<'a>)> {
        let site = self.site.as_deref_mut().ok_or(FlowError::OutOfOrder("a lab that stands"))?;
        Ok((site, self.run.as_mut().ok_or(FlowError::OutOfOrder("a run"))?))
    }

    /// Looks at the queue for the last time, and stops the Job if it is not over. Nothing happens the second time.
    ///
    /// # Errors
    /// When the queue cannot be looked at; the Job is stopped all the same.
    pub fn settle(&mut self) -> Result<()> {
        let (site, run) = self.site_and_run()?;
        let mut outcome = Ok(());
        if !std::mem::replace(&mut run.queue_recorded, true) {
            // Before the Job is stopped: what stopping it puts right is not what was wrong.
            let address = site.redis_address();
            let state = site.redis().and_then(|mut connection| queue::snapshot(&mut connection, &address));
            outcome = state.and_then(|state| Ok(run.record.set_queue(When::After, &state)?));
        }
        if let Some(job) = &run.job {
            job.stop();
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    /// The list is the tutorial's, phase by phase, and each step says what a person would type on each target.
    #[test]
    fn the_list_is_the_tutorials() {
        let names: Vec<_> = TUTORIAL.iter().map(|step| step.name).collect();
        let expected = "environment volume claim redis datasets queue service job watch logs listing report clean-up";
        assert_eq!(names.join(" "), expected);
        let typed: Vec<_> = Target::Local.commands().iter().map(|commands| commands.step).collect();
        assert_eq!(typed, names);
        let order = |step: &Step| {
            [Phase::Up, Phase::Run, Phase::Evidence, Phase::Down].iter().position(|phase| *phase == step.phase)
        };
        assert!(TUTORIAL.is_sorted_by_key(order), "a phase is a stretch of the list");
        assert!(TUTORIAL.iter().all(|step| step.verb.len() <= 12 && !step.tutorial.is_empty()));
    }
}
