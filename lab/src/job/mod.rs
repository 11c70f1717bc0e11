//! A Job without Kubernetes: child processes under the rules that the Job controller and the kubelet keep.
//!
//! A pod's container is started again when it fails (restartPolicy OnFailure), with the kubelet's back-off, until the
//! failures of all pods reach the backoffLimit; then the Job has failed and what still runs is stopped. A pod that a Spot
//! node takes with it is replaced by a new one. Once a pod has succeeded no new one is made, and when all have ended the
//! Job is complete. Kubernetes itself starts the container once more at the limit and deletes it at once; that run is
//! left out here.
//!
//! Each pod has a thread: a worker dies with the thread that started it, so that thread stays until it has ended.

mod backoff;
mod container;
mod ledger;
mod pod;
pub mod program;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::failure::Result;
use crate::process::Marker;
use crate::record::{self, Record, RecordError};
use container::Handle;
use ledger::Ledger;
use program::Program;

/// What a Job is to do.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The Job's name, `workload`.
    pub name: String,
    /// What runs in the pods.
    pub program: Program,
    /// The environment of every pod; `HOSTNAME` is added.
    pub environment: Vec<(String, OsString)>,
    /// Pods at a time.
    pub parallelism: u32,
    /// Failures allowed.
    pub backoff_limit: u32,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// What the Job's own clocks (back-off and grace) are multiplied by; 1 but for tests.
    pub time_scale: f64,
    /// What all processes of the lab carry.
    pub marker: Marker,
}

/// A running Job.
#[derive(Debug)]
pub struct Job {
    shared: Arc<Shared>,
    pods: Vec<JoinHandle<()>>,
}

/// How far a pod is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodPhase {
    /// Its container runs.
    Running,
    /// Its container failed and waits for its next start.
    BackOff {
        /// The whole wait.
        wait: Duration,
    },
    /// Its container has not been started yet.
    Pending {
        /// What it waits for, in words.
        why: String,
    },
    /// Its container ended well.
    Succeeded,
    /// It is no more, and did not end well.
    Failed,
}

/// What threads share: the book, and the news of every change in it.
#[derive(Debug)]
struct Shared {
    spec: Spec,
    record: Record,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    /// How far each pod is, and what to signal its container by.
    pods: Vec<PodState>,
    failures: u32,
    succeeded: bool,
    /// No container is started any more, and those that run are being stopped.
    stopping: bool,
    /// Pod threads that have not ended.
    slots_left: usize,
    /// Counts changes, for those who wait for one.
    version: u64,
}

#[derive(Debug)]
struct PodState {
    phase: PodPhase,
    running: Option<Handle>,
    /// A Spot node took it: it is not started again but replaced.
    lost: bool,
}

impl Job {
    /// Starts the Job. What it does goes into the record as it happens.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn start(spec: Spec, record: &Record) -> Result<Self> {
        let ledger = Ledger::open(&spec, record)?;
        let slots = spec.parallelism.max(1);
        let state = State {
            ledger,
            pods: Vec::new(),
            failures: 0,
            succeeded: false,
            stopping: false,
            slots_left: slots as usize,
            version: 0,
        };
        let shared =
            Arc::new(Shared { spec, record: record.clone(), state: Mutex::new(state), changed: Condvar::new() });
        let slot = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || pod::run_slot(&shared))
        };
        let pods = (0..slots).map(slot).collect();
        Ok(Self { shared, pods })
    }

    /// The Job as it is, and how far each of its pods is, in order of creation.
    pub fn look(&self) -> (record::Job, Vec<PodPhase>) {
        let state = self.shared.lock();
        (state.ledger.job().clone(), state.pods.iter().map(|pod| pod.phase.clone()).collect())
    }

    /// Waits until the Job changes, at most so long.
    pub fn wait_for_news(&self, limit: Duration) {
        let state = self.shared.lock();
        let seen = state.version;
        let news = |state: &mut State| state.version == seen && state.slots_left > 0;
        drop(self.shared.changed.wait_timeout_while(state, limit, news));
    }

    /// What went wrong with the record meanwhile, if something did.
    ///
    /// # Errors
    /// The first error of writing it.
    pub fn check_record(&self) -> Result<(), RecordError> {
        self.shared.lock().ledger.check()
    }

    /// Takes the worker of the newest pod away if `is_the_moment` says so, and says whether it did. The worker is held
    /// still meanwhile, so that what `is_the_moment` sees is what it dies in.
    ///
    /// SIGKILL is a process that is gone, so the kubelet starts the container again; SIGTERM is a Spot node that is
    /// taken away with its grace, so a new pod takes its place.
    ///
    /// # Errors
    /// Those of `is_the_moment`.
    pub fn preempt(&self, signal: Signal, is_the_moment: &mut dyn FnMut() -> Result<bool>) -> Result<bool> {
        let mut state = self.shared.lock();
        let Some((index, handle)) =
            state.pods.iter().enumerate().rev().find_map(|(index, pod)| Some((index, pod.running?)))
        else {
            return Ok(false);
        };
        handle.pause(true);
        let moment = is_the_moment();
        let taken = matches!(moment, Ok(true));
        if taken {
            state.pods[index].lost = signal == Signal::TERM;
            state.ledger.preempted(index, signal);
            if signal == Signal::KILL {
                handle.kill();
            } else {
                handle.signal(signal);
            }
        }
        handle.pause(false);
        drop(state);
        let moment = moment?;
        if moment && signal == Signal::TERM {
            self.shared.wait_or_kill(&[index]);
        }
        Ok(moment)
    }

    /// Stops every pod: SIGTERM, the grace, SIGKILL. Nothing happens if the Job is over.
    pub fn stop(&self) {
        self.shared.stop();
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.stop();
        for pod in self.pods.drain(..) {
            // A pod thread that panicked has nothing left to be waited for.
            let _ = pod.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The book stays true even where a thread panicked with it in its hands: every entry is made in one go.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and tells those who wait.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let value = change(&mut state);
        state.version += 1;
        self.changed.notify_all();
        value
    }

    /// One of the Job's own durations, scaled.
    fn scaled(&self, duration: Duration) -> Duration {
        duration.mul_f64(self.spec.time_scale)
    }

    fn stop(&self) {
        let running = self.change(|state| {
            state.stopping = true;
            let running: Vec<_> = (0..state.pods.len()).filter(|index| state.pods[*index].running.is_some()).collect();
            for index in &running {
                state.ledger.stopping(*index);
                if let Some(handle) = state.pods[*index].running {
                    handle.signal(Signal::TERM);
                }
            }
            running
        });
        self.wait_or_kill(&running);
    }

    /// Gives the containers of these pods, which were sent SIGTERM, their grace, and then ends them.
    fn wait_or_kill(&self, pods: &[usize]) {
        let alive = |state: &mut State| pods.iter().any(|index| state.pods[*index].running.is_some());
        let state = self.lock();
        let grace = self.scaled(self.spec.grace);
        let waited = self.changed.wait_timeout_while(state, grace, alive);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if !timeout.timed_out() {
            return;
        }
        for index in pods {
            if let Some(handle) = state.pods[*index].running {
                state.ledger.grace_over(*index);
                handle.kill();
            }
        }
        // SIGKILL cannot be refused: this ends as soon as the kernel has done its work.
        drop(self.changed.wait_while(state, alive));
    }

    /// Waits until it is time or the Job is being stopped; says whether to go on.
    fn pause(&self, duration: Duration) -> bool {
        let end = Instant::now() + duration;
        let mut state = self.lock();
        while !state.stopping {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// Where a run of a container has its output.
    fn log(&self, pod: &str, run: usize, stream: record::Stream) -> PathBuf {
        self.record.dir().join(self.record.log_path(pod, run, stream))
    }
}
