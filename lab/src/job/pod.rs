//! The life of a pod: its container is started, started again while it fails, and in the end succeeded, lost or given up.

use std::time::Instant;

use super::backoff::Backoff;
use super::container::{Container, Spec};
use super::{PodPhase, PodState, Shared};
use crate::record::Stream;

/// How a pod came to its end.
enum End {
    /// Its container ended well.
    Succeeded,
    /// A Spot node took it: another one takes its place.
    Lost,
    /// The Job is over, or is being stopped.
    Over,
}

/// How one run of a container came to its end.
enum RunEnd {
    /// It could not be started, and never will be.
    NotStarted(String),
    /// By itself or by a signal.
    Exited(i32),
}

/// One of the Job's places for a pod: a pod runs in it, and when a Spot node takes that one, the next.
pub(super) fn run_slot(shared: &Shared) {
    while let Some((pod, name)) = create(shared) {
        match run_pod(shared, pod, &name) {
            End::Lost => {}
            End::Succeeded | End::Over => break,
        }
    }
    shared.change(|state| {
        state.slots_left -= 1;
        if state.slots_left == 0 && state.succeeded && !state.stopping {
            state.ledger.complete();
        }
    });
}

/// Makes the next pod, unless the Job is being stopped or has had its success.
fn create(shared: &Shared) -> Option<(usize, String)> {
    shared.change(|state| {
        if state.stopping || state.succeeded {
            return None;
        }
        let name = state.ledger.created();
        state.pods.push(PodState { phase: PodPhase::Running, running: None, lost: false });
        Some((state.pods.len() - 1, name))
    })
}

fn run_pod(shared: &Shared, pod: usize, name: &str) -> End {
    let mut backoff = Backoff::default();
    loop {
        let start = Instant::now();
        let Some(end) = run_container(shared, pod, name) else { return End::Over };
        let (code, why) = match end {
            RunEnd::Exited(code) if shared.spec.program.is_not_started(code) => (code, "see its standard error".into()),
            RunEnd::Exited(code) => (code, String::new()),
            RunEnd::NotStarted(why) => (-1, why),
        };
        if !why.is_empty() {
            fail(shared, "StartError", &format!("the worker could not be started: {why}"));
            return End::Over;
        }
        match after(shared, pod, code) {
            Next::End(end) => return end,
            Next::GiveUp => {
                fail(shared, "BackoffLimitExceeded", "Job has reached the specified backoff limit");
                return End::Over;
            }
            Next::Again => {}
        }
        let wait = backoff.next(start.elapsed());
        shared.change(|state| {
            state.pods[pod].phase = PodPhase::BackOff { wait };
            if !wait.is_zero() {
                state.ledger.back_off(pod, wait);
            }
        });
        if !shared.pause(shared.scaled(wait)) {
            shared.change(|state| state.pods[pod].phase = PodPhase::Failed);
            return End::Over;
        }
    }
}

/// Runs the container once; `None` if the Job is being stopped instead.
fn run_container(shared: &Shared, pod: usize, name: &str) -> Option<RunEnd> {
    // Started under the lock: whoever stops the Job either sees this container or keeps it from being started.
    let started = shared.change(|state| {
        if state.stopping {
            state.pods[pod].phase = PodPhase::Failed;
            return None;
        }
        let run = state.ledger.starting(pod);
        let (marker, lab) = shared.spec.marker.variable();
        let mut environment = shared.spec.environment.clone();
        environment.push(("HOSTNAME".into(), name.into()));
        environment.push((marker.into(), lab));
        let spec = Spec {
            program: &shared.spec.program,
            environment,
            out: shared.log(name, run, Stream::Out),
            err: shared.log(name, run, Stream::Err),
        };
        let container = Container::start(&spec);
        match &container {
            Ok(container) => {
                state.pods[pod].phase = PodPhase::Running;
                state.pods[pod].running = Some(container.handle());
            }
            Err(error) => {
                state.pods[pod].phase = PodPhase::Failed;
                state.ledger.not_started(pod, &error.to_string());
            }
        }
        Some(container)
    })?;
    let container = match started {
        Ok(container) => container,
        Err(error) => return Some(RunEnd::NotStarted(error.to_string())),
    };
    let waited = container.wait_for_end();
    // Buried under the lock: nobody may signal a number that is not its own any more.
    let code = shared.change(|state| {
        let code = waited.and_then(|()| container.bury());
        state.pods[pod].running = None;
        if let Ok(code) = code {
            state.ledger.ended(pod, code);
        }
        code
    });
    Some(match code {
        Ok(code) => RunEnd::Exited(code),
        Err(error) => RunEnd::NotStarted(format!("it was lost: {error}")),
    })
}

enum Next {
    End(End),
    Again,
    GiveUp,
}

/// What the Job's rules say after a run of a container.
fn after(shared: &Shared, pod: usize, code: i32) -> Next {
    shared.change(|state| {
        let lost = state.pods[pod].lost;
        // A pod that its node took with it has failed, however politely its worker left.
        let succeeded = code == 0 && !lost;
        state.pods[pod].phase = if succeeded { PodPhase::Succeeded } else { PodPhase::Failed };
        if succeeded {
            state.succeeded = true;
            return Next::End(End::Succeeded);
        }
        if state.stopping {
            return Next::End(End::Over);
        }
        state.failures += 1;
        if state.failures >= shared.spec.backoff_limit.max(1) {
            return Next::GiveUp;
        }
        if lost { Next::End(End::Lost) } else { Next::Again }
    })
}

/// The Job has failed: what still runs is stopped.
fn fail(shared: &Shared, reason: &str, message: &str) {
    shared.change(|state| state.ledger.failed(reason, message));
    shared.stop();
}
