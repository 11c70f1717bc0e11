//! The Job's book: `job.json` and the events, written as they happen.

use std::time::Duration;

use rustix::process::Signal;

use super::Spec;
use crate::record::{ContainerRun, Event, Job, Pod, Record, RecordError, now};

/// What has happened so far. Every method is one entry.
#[derive(Debug)]
pub(super) struct Ledger {
    job: Job,
    record: Record,
    /// The first entry that could not be written; the Job goes on, and the flow asks for it.
    error: Option<RecordError>,
}

impl Ledger {
    pub(super) fn open(spec: &Spec, record: &Record) -> Result<Self, RecordError> {
        let job = Job {
            name: spec.name.clone(),
            parallelism: spec.parallelism,
            backoff_limit: spec.backoff_limit,
            ..Job::default()
        };
        record.set_job(&job)?;
        Ok(Self { job, record: record.clone(), error: None })
    }

    pub(super) fn job(&self) -> &Job {
        &self.job
    }

    pub(super) fn check(&mut self) -> Result<(), RecordError> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// A pod was made; says its name.
    pub(super) fn created(&mut self) -> String {
        let name = pod_name(&self.job);
        self.job.pods.push(Pod { name: name.clone(), containers: Vec::new() });
        self.event("Normal", "SuccessfulCreate", format!("job/{}", self.job.name), format!("Created pod: {name}"));
        self.save();
        name
    }

    /// A container is about to be started; says which run of its pod it is.
    pub(super) fn starting(&mut self, pod: usize) -> usize {
        let containers = &mut self.job.pods[pod].containers;
        containers.push(ContainerRun { started: now(), ..ContainerRun::default() });
        let run = containers.len() - 1;
        let message = format!("Started container {}", self.job.name);
        self.pod_event(pod, "Normal", "Started", message);
        self.save();
        run
    }

    pub(super) fn not_started(&mut self, pod: usize, why: &str) {
        self.pod_event(
            pod,
            "Warning",
            "Failed",
            format!("Error: failed to start container \"{}\": {why}", self.job.name),
        );
        self.end(pod, None);
    }

    pub(super) fn ended(&mut self, pod: usize, exit_code: i32) {
        self.end(pod, Some(exit_code));
    }

    pub(super) fn preempted(&mut self, pod: usize, signal: Signal) {
        let name = if signal == Signal::KILL { "SIGKILL" } else { "SIGTERM" };
        self.sent(pod, name);
        self.pod_event(pod, "Warning", "Preempted", format!("The lab sent {name} in the middle of a dataset"));
        self.save();
    }

    pub(super) fn stopping(&mut self, pod: usize) {
        self.sent(pod, "SIGTERM");
        let message = format!("Stopping container {}", self.job.name);
        self.pod_event(pod, "Normal", "Killing", message);
    }

    pub(super) fn grace_over(&mut self, pod: usize) {
        self.sent(pod, "SIGKILL");
        let message = "The container outlived SIGTERM and its grace period; it gets SIGKILL".into();
        self.pod_event(pod, "Warning", "ExceededGracePeriod", message);
    }

    pub(super) fn back_off(&mut self, pod: usize, wait: Duration) {
        let message = format!("Back-off {}s restarting failed container {}", wait.as_secs(), self.job.name);
        self.pod_event(pod, "Warning", "BackOff", message);
    }

    pub(super) fn complete(&mut self) {
        self.job.condition = Some("Complete".into());
        self.event("Normal", "Completed", format!("job/{}", self.job.name), "Job completed".into());
        self.save();
    }

    pub(super) fn failed(&mut self, reason: &str, message: &str) {
        if self.job.condition.is_some() {
            return;
        }
        self.job.condition = Some("Failed".into());
        self.job.reason = Some(reason.into());
        self.event("Warning", reason, format!("job/{}", self.job.name), message.into());
        self.save();
    }

    fn end(&mut self, pod: usize, exit_code: Option<i32>) {
        if let Some(run) = self.job.pods[pod].containers.last_mut() {
            run.ended = Some(now());
            run.exit_code = exit_code;
        }
        self.save();
    }

    /// The last signal that the lab sent explains how the container ended.
    fn sent(&mut self, pod: usize, signal: &str) {
        if let Some(run) = self.job.pods[pod].containers.last_mut() {
            run.preempted_by = Some(signal.into());
        }
    }

    fn pod_event(&mut self, pod: usize, kind: &str, reason: &str, message: String) {
        let object = format!("pod/{}", self.job.pods[pod].name);
        self.event(kind, reason, object, message);
    }

    fn event(&mut self, kind: &str, reason: &str, object: String, message: String) {
        let event = Event { at: now(), kind: kind.into(), reason: reason.into(), object, message };
        let written = self.record.add_event(&event);
        self.keep(written);
    }

    fn save(&mut self) {
        let written = self.record.set_job(&self.job);
        self.keep(written);
    }

    fn keep(&mut self, written: Result<(), RecordError>) {
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
    }
}

/// `workload-` and five characters of the alphabet that Kubernetes uses, so that no word comes out.
fn pod_name(job: &Job) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let random = uuid::Uuid::new_v4();
    let suffix = random.as_bytes().iter().take(5).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    let name = format!("{}-{}", job.name, suffix.collect::<String>());
    // Two pods of a Job never share a name.
    if job.pods.iter().any(|pod| pod.name == name) { pod_name(job) } else { name }
}
