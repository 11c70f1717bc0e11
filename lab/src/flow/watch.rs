//! Watch the Job until it is over: complete, failed, or stuck in a way that time will not mend.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::error::{FlowError, TIMEOUT, Tail};
use super::livelock::{Livelock, Sight};
use super::queue::{self, Glance};
use super::tail::Logs;
use super::{Context, Phase, Preempt, Run, Step};
use crate::console::{Bar, Console, Tone, plural};
use crate::failure::{Failure, Result};
use crate::job::PodPhase;
use crate::record::{ContainerRun, Job, Stream};
use crate::target::RunningJob;
use crate::{interrupt, wait};

pub(super) const STEP: Step =
    Step { name: "watch", verb: "Watch", phase: Phase::Run, tutorial: "kubectl get pods --watch", run };

/// Time between two looks; the Job's own news come at once.
const POLL: Duration = Duration::from_millis(10);
/// The same while the worker is to be caught in the middle of a dataset.
const POLL_TO_CATCH: Duration = Duration::from_millis(1);
/// How much longer than its lease an item may lie about before it is called stuck.
const LIVELOCK_SLACK: Duration = Duration::from_secs(5);
/// How often a long wait says where it is, where no bar does.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

fn run(context: &mut Context<'_>) -> Result<String> {
    let console = context.console;
    let outcome = look_on(context, console);
    if outcome.is_err() {
        // The evidence of what went wrong comes before anything is stopped; what cannot be had is the next step's word.
        let _ = context.settle();
    }
    outcome
}

fn look_on(context: &mut Context<'_>, console: &Console) -> Result<String> {
    let (site, run) = context.site_and_run()?;
    let mut connection = site.redis()?;
    let job = run.job.as_deref().ok_or(FlowError::OutOfOrder("a Job"))?;
    let mut watch = Watch::new(run, site.redis_address(), console);
    loop {
        let (book, phases) = job.look();
        watch.logs.read(&book, run.record);
        if let Some(condition) = &book.condition {
            let complete = condition == "Complete";
            return if complete { watch.complete(&book, &mut connection) } else { Err(watch.failed(&book)) };
        }
        job.check_record()?;
        if let Some(trouble) = job.trouble() {
            return Err(trouble);
        }
        let glance = match queue::glance(&mut connection, &watch.address) {
            Ok(glance) => glance,
            Err(error) => {
                // The way there may have been cut off, and Redis be well.
                watch.bear(error, job.out_of_touch())?;
                if let Ok(anew) = site.redis() {
                    connection = anew;
                }
                interrupt::check()?;
                job.wait_for_news(POLL);
                continue;
            }
        };
        watch.deaf = None;
        watch.consider(&book, &phases, &glance).map_err(|failure| why_late(failure, job))?;
        watch.preempt(job, &book, &mut connection)?;
        interrupt::check()?;
        job.wait_for_news(if watch.preempt.is_some() { POLL_TO_CATCH } else { POLL });
    }
}

/// What the watch remembers.
struct Watch<'a, 'b> {
    run: &'a Run<'b>,
    /// Where Redis is, for those who read that it is not.
    address: String,
    start: Instant,
    logs: Logs,
    livelock: Livelock,
    /// The worker is still to be taken away.
    preempt: Option<Preempt>,
    bar: Bar,
    console: &'a Console,
    /// When it last said where it is.
    told: Duration,
    /// Since when the queue has not been seen.
    deaf: Option<Instant>,
}

impl<'a, 'b> Watch<'a, 'b> {
    fn new(run: &'a Run<'b>, address: String, console: &'a Console) -> Self {
        let livelock = Livelock::new(run.order.lease + wait::scaled(LIVELOCK_SLACK));
        let bar = console.count(STEP.verb, run.items.len() as u64);
        let (start, logs, preempt, told) = (Instant::now(), Logs::default(), run.order.preempt, Duration::ZERO);
        Self { run, address, start, logs, livelock, preempt, bar, console, told, deaf: None }
    }

    /// Bears that the queue is not seen, for a while.
    fn bear(&mut self, error: Failure, out_of_touch: Duration) -> Result<()> {
        let since = *self.deaf.get_or_insert_with(Instant::now);
        if since.elapsed() >= out_of_touch { Err(error) } else { Ok(()) }
    }

    /// Fails when the queue is stuck or time is over.
    fn consider(&mut self, book: &Job, phases: &[PodPhase], glance: &Glance) -> Result<()> {
        let running = running(phases, book);
        let logs = running.iter().filter_map(|(pod, run)| self.logs.of(*pod, *run));
        let busy_with: Vec<String> = logs.filter_map(|log| log.busy_with()).map(str::to_owned).collect();
        let done = self.run.items.len().saturating_sub(glance.waiting + glance.processing.len());
        self.bar.set(done as u64);
        self.bar.say(self.last_seen(book, phases, glance));
        let now = self.start.elapsed();
        if now - self.told >= SIGN_OF_LIFE && !self.console.has_bars() {
            self.console.line(Tone::Note, "Waiting", &self.last_seen(book, phases, glance));
            self.told = now;
        }
        let sight =
            Sight { now, processing: &glance.processing, somebody_runs: !running.is_empty(), busy_with: &busy_with };
        if let Some(stuck) = self.livelock.observe(&sight) {
            let (claimer, last_seen) = (self.claimer(book, &stuck.item), self.last_seen(book, phases, glance));
            let idle_s = stuck.idle.as_secs();
            return Err(FlowError::Livelock { item: stuck.item, idle_s, claimer, last_seen }.into());
        }
        let limit = wait::scaled(self.run.order.job_limit);
        if now >= limit {
            let last_seen = self.last_seen(book, phases, glance);
            return Err(
                FlowError::JobTimeout { job: book.name.clone(), limit_s: limit.as_secs_f64(), last_seen }.into()
            );
        }
        Ok(())
    }

    /// Takes the worker away once it is in the middle of a dataset: of the second one if there are several, so that it
    /// has something to lose.
    fn preempt(&mut self, job: &dyn RunningJob, book: &Job, connection: &mut redis::Connection) -> Result<()> {
        let Some(preempt) = self.preempt else { return Ok(()) };
        let newest =
            book.pods.len().checked_sub(1).zip(book.pods.last().and_then(|pod| pod.containers.len().checked_sub(1)));
        let Some(log) = newest.and_then(|(pod, run)| self.logs.of(pod, run)) else { return Ok(()) };
        let Some(item) = log.busy_with() else { return Ok(()) };
        if log.taken.len() < 2.min(self.run.items.len()) {
            return Ok(());
        }
        let signal = match preempt {
            Preempt::Sigkill => Signal::KILL,
            Preempt::Sigterm => Signal::TERM,
        };
        let mut still_claimed =
            || Ok(queue::glance(connection, &self.address)?.processing.iter().any(|(claimed, _)| claimed == item));
        if job.preempt(signal, &mut still_claimed)? {
            self.preempt = None;
        }
        Ok(())
    }

    fn complete(&self, book: &Job, connection: &mut redis::Connection) -> Result<String> {
        if self.preempt.is_some() {
            return Err(self.not_preempted(book, queue::glance(connection, &self.address)?.waiting).into());
        }
        let runs: usize = book.pods.iter().map(|pod| pod.containers.len()).sum();
        let preempted = book.pods.iter().flat_map(|pod| &pod.containers).filter_map(|run| run.preempted_by.as_deref());
        let preempted: Vec<_> = preempted.map(|signal| format!(", worker taken away by {signal}")).collect();
        let taken = plural(self.logs.taken(), "dataset");
        Ok(format!("Job complete: {taken} taken up in {}{}", plural(runs, "run"), preempted.concat()))
    }

    /// Why the worker was not taken away, by what it left waiting: it was through too soon, or has not even begun.
    fn not_preempted(&self, book: &Job, waiting: usize) -> FlowError {
        let items = self.run.items.len();
        let last = book.pods.last().and_then(|pod| Some((pod, pod.containers.last()?)));
        match last {
            Some((pod, run)) if waiting == items => FlowError::PreemptIdle { ended: ended(&pod.name, run) },
            _ => FlowError::PreemptMissed { done: plural(items.saturating_sub(waiting), "dataset") },
        }
    }

    fn failed(&self, book: &Job) -> Failure {
        let reason = book.reason.clone().unwrap_or_else(|| "Failed".into());
        let runs: Vec<_> =
            book.pods.iter().flat_map(|pod| (0..).zip(&pod.containers).map(move |run| (pod, run))).collect();
        // The run that decided it is the last one that ended by itself.
        let (last, stderr) = match runs.iter().rev().find(|(_, (_, run))| run.exit_code.is_some_and(|code| code != 0)) {
            Some((pod, (number, run))) => (ended(&pod.name, run), self.stderr(&pod.name, *number)),
            None => ("no container ran".into(), Tail::default()),
        };
        if reason == "StartError" {
            let events = self.run.record.events().unwrap_or_default();
            let event = events.iter().rev().find(|event| event.reason == "Failed");
            let why = event.map_or(last, |event| event.message.clone());
            return FlowError::NotStarted { why, stderr }.into();
        }
        let runs = plural(runs.len(), "run");
        FlowError::JobFailed { job: book.name.clone(), reason, runs, last, stderr }.into()
    }

    /// Queue and pods, in a sentence.
    fn last_seen(&self, book: &Job, phases: &[PodPhase], glance: &Glance) -> String {
        let pods = book.pods.iter().zip(phases).enumerate().map(|(number, (pod, phase))| {
            let phase = match phase {
                PodPhase::Pending { why } => why.clone(),
                PodPhase::Running => "Running".into(),
                PodPhase::BackOff { wait } => format!("CrashLoopBackOff ({} s)", wait.as_secs()),
                PodPhase::Succeeded => "Completed".into(),
                PodPhase::Failed => "Failed".into(),
            };
            let run = pod.containers.len().saturating_sub(1);
            let line = self.logs.of(number, run).map(|log| log.last_line.as_str()).filter(|line| !line.is_empty());
            let line = line.map_or_else(String::new, |line| format!(" (`{line}`)"));
            format!("; {} {phase}{line}", pod.name)
        });
        format!("{} waiting, {} processing{}", glance.waiting, glance.processing.len(), pods.collect::<String>())
    }

    /// Who took an item up, and what became of that one.
    fn claimer(&self, book: &Job, item: &str) -> String {
        let run = |log: &super::tail::Log| {
            let pod = book.pods.get(log.pod)?;
            let run = pod.containers.get(log.run)?;
            Some(format!("its claimer is gone: {}", ended(&pod.name, run))).filter(|_| run.ended.is_some())
        };
        match self.logs.claimer(item) {
            Some(log) => run(log).unwrap_or_else(|| "its claimer runs and does something else".into()),
            None => "no log says who claimed it".into(),
        }
    }

    fn stderr(&self, pod: &str, run: usize) -> Tail {
        const LINES: usize = 5;
        let file = self.run.record.log_path(pod, run, Stream::Err);
        let text = self.run.record.text(&file).unwrap_or_default();
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let lines = lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect();
        Tail { file, lines }
    }
}

/// Why a pod has waited all the while says more than that the time is over.
fn why_late(failure: Failure, job: &dyn RunningJob) -> Failure {
    let why = if failure.cause == TIMEOUT { job.trouble_at_last() } else { None };
    why.unwrap_or(failure)
}

/// The containers that run: pod and run.
fn running(phases: &[PodPhase], book: &Job) -> Vec<(usize, usize)> {
    let pods = phases.iter().zip(&book.pods).enumerate().filter(|(_, (phase, _))| **phase == PodPhase::Running);
    pods.filter_map(|(number, (_, pod))| Some((number, pod.containers.len().checked_sub(1)?))).collect()
}

fn ended(pod: &str, run: &ContainerRun) -> String {
    let signal = run.preempted_by.as_ref().map_or_else(String::new, |signal| format!(" after {signal}"));
    match run.exit_code {
        Some(code) => format!("{pod} ended with code {code}{signal}"),
        None => format!("{pod} has no end"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::record::RecordError;

    /// A Job whose pod the lab has still been patient with.
    struct Waits;

    impl RunningJob for Waits {
        fn look(&self) -> (Job, Vec<PodPhase>) {
            (Job::default(), Vec::new())
        }

        fn trouble(&self) -> Option<Failure> {
            None
        }

        fn trouble_at_last(&self) -> Option<Failure> {
            Some(failure("stockout"))
        }

        fn wait_for_news(&self, _: Duration) {}

        fn check_record(&self) -> Result<(), RecordError> {
            Ok(())
        }

        fn preempt(&self, _: Signal, _: &mut dyn FnMut() -> Result<bool>) -> Result<bool> {
            Ok(false)
        }

        fn stop(&self) {}
    }

    fn failure(cause: &str) -> Failure {
        let (cause, error, remedy) = (cause.into(), String::new(), String::new());
        Failure { exit: Exit::Flow, cause, error, remedy, evidence: None }
    }

    /// When the Job's time is over, the verdict is what it has waited for; of any other end the time is not the reason.
    #[test]
    fn a_job_that_waited_says_for_what() {
        let limit = FlowError::JobTimeout { job: "workload".into(), limit_s: 600.0, last_seen: String::new() };
        assert_eq!(why_late(limit.into(), &Waits).cause, "stockout");
        assert_eq!(why_late(failure("queue-livelock"), &Waits).cause, "queue-livelock");
    }
}
