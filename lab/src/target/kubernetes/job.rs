//! The Job in a cluster: how it and its pods are, written into the record as it is seen.
//!
//! The cluster does the work; this only looks, so that the lab may die and the Job goes on. What containers print is
//! fetched while they run, because a pod that is gone has taken its log with it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use fs_err as fs;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Event, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use rustix::process::Signal;

use super::objects::{Stuck, patience, phase_of, tail};
use super::{JOB, Pace};
use crate::cluster::trouble::{self, Patience, Trouble};
use crate::cluster::{Cluster, ClusterError, RunLog, event_time};
use crate::failure::{Failure, Result};
use crate::job::PodPhase;
use crate::record::{self, ContainerRun, Record, RecordError, Stream};
use crate::target::RunningJob;
use crate::wait::scaled;

/// What picks the Job's pods.
const PODS: &str = "job-name=workload";
/// Kubernetes' default, since the tutorial's Job says nothing.
const BACKOFF_LIMIT: i32 = 6;
/// How often a worker's container may be started again: beyond this the Job would wait for minutes to fail all the same.
const RESTARTS: i32 = 3;
/// Looks at the cluster are not closer than this.
const POLL: Duration = Duration::from_millis(100);
/// How many last lines of a container tell what went wrong.
const LAST_LINES: usize = 5;

/// The Job, as far as it was seen.
pub struct KubeJob {
    cluster: Cluster,
    record: Record,
    pace: Pace,
    book: RefCell<Book>,
}

#[derive(Default)]
struct Book {
    job: record::Job,
    phases: Vec<PodPhase>,
    pods: BTreeMap<String, Seen>,
    /// The events that the record has: each one's identity and count.
    events: BTreeMap<String, i32>,
    trouble: Option<Failure>,
    /// What is wrong for whoever has no time left.
    at_last: Option<Failure>,
    /// Since when looks have failed.
    failing: Option<Instant>,
    error: Option<Failure>,
    unwritten: Option<RecordError>,
}

/// A pod that was seen, and how much of its logs the record has.
#[derive(Default)]
struct Seen {
    logs: Vec<RunLog>,
}

impl KubeJob {
    /// Takes up a Job that was just made.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn watch(cluster: &Cluster, record: &Record, parallelism: u32, pace: Pace) -> Result<Self, RecordError> {
        let job = record::Job {
            name: JOB.into(),
            parallelism,
            backoff_limit: u32::try_from(BACKOFF_LIMIT).unwrap_or_default(),
            ..record::Job::default()
        };
        record.set_job(&job)?;
        let book = RefCell::new(Book { job, ..Book::default() });
        Ok(Self { cluster: cluster.clone(), record: record.clone(), pace, book })
    }

    /// Looks at everything once and writes down what is new.
    fn refresh(&self) {
        let mut book = self.book.borrow_mut();
        let before = book.job.clone();
        let seen = self.read(&mut book);
        let written = if book.job == before { Ok(()) } else { self.record.set_job(&book.job) };
        if let Err(error) = written {
            book.unwritten.get_or_insert(error);
        }
        // A look that fails is told once it goes on failing: the next one may go well.
        let since = if seen.is_err() { book.failing.or_else(|| Some(Instant::now())) } else { None };
        let is_lost = since.is_some_and(|since| since.elapsed() >= self.out_of_touch());
        (book.failing, book.error) = (since, seen.err().filter(|_| is_lost).map(Failure::from));
    }

    fn read(&self, book: &mut Book) -> Result<(), ClusterError> {
        let job: Option<Job> = self.cluster.get(JOB)?;
        let pods: Vec<Pod> = self.cluster.list(PODS)?;
        let events = self.cluster.events()?;
        for pod in &pods {
            enter(&mut book.job, pod);
        }
        let logs = self.read_logs(book, &pods);
        self.keep_events(book, &events);
        let found = |name: &str| pods.iter().find(|pod| pod.name_any() == name);
        book.phases = book
            .job
            .pods
            .iter()
            .map(|pod| found(&pod.name).map_or(PodPhase::Failed, |pod| phase(pod, &events)))
            .collect();
        let patience = patience(&self.pace, RESTARTS);
        book.trouble = self.trouble(book, job.as_ref(), &pods, &events, &patience);
        book.at_last = self.trouble(book, job.as_ref(), &pods, &events, &patience.at_last());
        if let Some((condition, reason)) = job.as_ref().and_then(condition) {
            (book.job.condition, book.job.reason) = (Some(condition), reason);
        }
        logs
    }

    fn trouble(
        &self,
        book: &Book,
        job: Option<&Job>,
        pods: &[Pod],
        events: &[Event],
        patience: &Patience,
    ) -> Option<Failure> {
        let of_pod = |pod: &Pod| {
            let trouble = trouble::of_pod(pod, events, Timestamp::now(), patience)?;
            Some((format!("pod `{}`", pod.name_any()), self.last_words(book, &pod.name_any(), &trouble), trouble))
        };
        let of_job = || {
            let trouble = trouble::of_job(job?, events).filter(|_| pods.is_empty())?;
            Some((format!("job `{JOB}`"), Vec::new(), trouble))
        };
        let (object, last_words, trouble) = pods.iter().find_map(of_pod).or_else(of_job)?;
        Some(Stuck { what: format!("finish Job `{JOB}`"), object, trouble, last_words }.into())
    }

    fn last_words(&self, book: &Book, pod: &str, trouble: &Trouble) -> Vec<String> {
        let runs = book.job.pods.iter().find(|known| known.name == pod).map_or(0, |pod| pod.containers.len());
        if trouble.cause != "crash-loop" || runs == 0 {
            return Vec::new();
        }
        let text = |stream| self.record.text(&self.record.log_path(pod, runs - 1, stream)).unwrap_or_default();
        let stderr = tail(&text(Stream::Err), LAST_LINES);
        if stderr.is_empty() { tail(&text(Stream::Out), LAST_LINES) } else { stderr }
    }

    /// Fetches what is new of every log. A node that goes takes its kubelet with it: what a run has left unread that is over is
    /// lost, and no reason to give up the Job.
    fn read_logs(&self, book: &mut Book, pods: &[Pod]) -> Result<(), ClusterError> {
        let mut outcome = Ok(());
        for pod in pods {
            let name = pod.name_any();
            let known = book.job.pods.iter().find(|known| known.name == name);
            let runs = known.map_or(&[][..], |pod| &pod.containers);
            let logs = &mut book.pods.entry(name.clone()).or_default().logs;
            while logs.len() < runs.len() {
                let Some(log) = RunLog::of(pod, JOB, logs.len()) else { break };
                logs.push(log);
            }
            // Of earlier runs everything has been read, but for what was printed since the last look.
            let (first, count) = (logs.len().saturating_sub(2), logs.len());
            for (run, log) in logs.iter_mut().enumerate().skip(first) {
                let lines = match log.news(&self.cluster, run + 1 == count) {
                    Ok(lines) => lines,
                    Err(_) if runs[run].ended.is_some() => continue,
                    Err(error) => {
                        outcome = outcome.and(Err(error));
                        continue;
                    }
                };
                let kept = append(&self.record, &self.record.log_path(&name, run, Stream::Out), &lines.stdout)
                    .and_then(|()| append(&self.record, &self.record.log_path(&name, run, Stream::Err), &lines.stderr));
                if let Err(error) = kept {
                    book.unwritten.get_or_insert(error.into());
                }
            }
        }
        outcome
    }

    fn keep_events(&self, book: &mut Book, events: &[Event]) {
        // What happened in earlier runs on the same lab is in their records.
        let since = self.record.summary().map(|summary| summary.started).unwrap_or_default();
        let is_new = |event: &&Event| event_time(event).is_none_or(|at| at.get(..19) >= since.get(..19));
        for event in events.iter().filter(is_new) {
            let count = event.count.unwrap_or(1);
            let key = event.uid().unwrap_or_else(|| event.name_any());
            if book.events.insert(key, count) == Some(count) {
                continue;
            }
            let object = &event.involved_object;
            let object = format!(
                "{}/{}",
                object.kind.as_deref().unwrap_or_default().to_lowercase(),
                object.name.as_deref().unwrap_or_default()
            );
            let line = record::Event {
                at: event_time(event).unwrap_or_default(),
                kind: event.type_.clone().unwrap_or_default(),
                reason: event.reason.clone().unwrap_or_default(),
                object,
                message: event.message.clone().unwrap_or_default(),
            };
            if let Err(error) = self.record.add_event(&line) {
                book.unwritten.get_or_insert(error);
            }
        }
    }
}

impl RunningJob for KubeJob {
    fn look(&self) -> (record::Job, Vec<PodPhase>) {
        self.refresh();
        let book = self.book.borrow();
        (book.job.clone(), book.phases.clone())
    }

    fn trouble(&self) -> Option<Failure> {
        let book = self.book.borrow();
        book.trouble.clone().or_else(|| book.error.clone())
    }

    fn trouble_at_last(&self) -> Option<Failure> {
        self.book.borrow().at_last.clone()
    }

    fn out_of_touch(&self) -> Duration {
        scaled(self.pace.out_of_touch)
    }

    fn wait_for_news(&self, limit: Duration) {
        // The cluster is asked, not heard; whoever waits in a loop has its own limit.
        thread::sleep(limit.max(POLL));
    }

    fn check_record(&self) -> Result<(), RecordError> {
        self.book.borrow_mut().unwritten.take().map_or(Ok(()), Err)
    }

    fn preempt(&self, _: Signal, _: &mut dyn FnMut() -> Result<bool>) -> Result<bool> {
        Ok(false)
    }

    /// Nothing is stopped: the Job is the cluster's, and a red one stays to be looked at. What it has printed since is
    /// fetched.
    fn stop(&self) {
        self.refresh();
    }
}

/// Writes a pod down, or what is new of it.
fn enter(job: &mut record::Job, pod: &Pod) {
    let name = pod.name_any();
    let at = job.pods.iter().position(|known| known.name == name).unwrap_or_else(|| {
        job.pods.push(record::Pod { name, containers: Vec::new() });
        job.pods.len() - 1
    });
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    if let Some(status) = statuses.into_iter().flatten().find(|status| status.name == JOB) {
        enter_runs(&mut job.pods[at].containers, status);
    }
}

/// The kubelet tells of a container's present run and of the one before.
fn enter_runs(runs: &mut Vec<ContainerRun>, status: &ContainerStatus) {
    let number = usize::try_from(status.restart_count).unwrap_or_default();
    let state = status.state.clone().unwrap_or_default();
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let mut set = |at: usize, run: ContainerRun| {
        while runs.len() <= at {
            runs.push(ContainerRun::default());
        }
        if runs[at].ended.is_none() {
            runs[at] = ContainerRun { preempted_by: runs[at].preempted_by.take(), ..run };
        }
    };
    if let Some(running) = state.running {
        let started = running.started_at.map(|time| rfc3339(time.0)).unwrap_or_default();
        set(number, ContainerRun { started, ..ContainerRun::default() });
    } else if let Some(terminated) = &state.terminated {
        set(number, ended(terminated));
    } else if let Some(terminated) = last {
        // Between two runs the number is that of the one that has ended.
        set(number, ended(terminated));
        return;
    }
    if let (Some(terminated), Some(before)) = (last, number.checked_sub(1)) {
        set(before, ended(terminated));
    }
}

fn ended(state: &ContainerStateTerminated) -> ContainerRun {
    let time =
        |time: &Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| time.as_ref().map(|time| rfc3339(time.0));
    ContainerRun {
        started: time(&state.started_at).unwrap_or_default(),
        ended: Some(time(&state.finished_at).unwrap_or_default()),
        exit_code: Some(state.exit_code),
        preempted_by: None,
    }
}

fn rfc3339(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// `Complete` or `Failed`, and why.
fn condition(job: &Job) -> Option<(String, Option<String>)> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let is_end = |kind: &str| kind == "Complete" || kind == "Failed";
    let end = conditions.iter().find(|condition| condition.status == "True" && is_end(&condition.type_))?;
    Some((end.type_.clone(), end.reason.clone().filter(|_| end.type_ == "Failed")))
}

fn phase(pod: &Pod, events: &[Event]) -> PodPhase {
    let status = pod.status.as_ref();
    match status.and_then(|status| status.phase.as_deref()) {
        Some("Succeeded") => return PodPhase::Succeeded,
        Some("Failed") => return PodPhase::Failed,
        _ => {}
    }
    let containers = status.and_then(|status| status.container_statuses.as_ref());
    let state =
        containers.into_iter().flatten().find(|status| status.name == JOB).and_then(|status| status.state.as_ref());
    let Some(state) = state else { return PodPhase::Pending { why: phase_of(pod, events) } };
    if state.running.is_some() {
        return PodPhase::Running;
    }
    match state.waiting.as_ref() {
        Some(waiting) if waiting.reason.as_deref() == Some("CrashLoopBackOff") => {
            PodPhase::BackOff { wait: back_off(waiting.message.as_deref().unwrap_or_default()) }
        }
        _ => PodPhase::Pending { why: phase_of(pod, events) },
    }
}

/// `back-off 1m20s restarting failed container=…`; nothing where the kubelet words it otherwise.
fn back_off(message: &str) -> Duration {
    let Some(text) = message.strip_prefix("back-off ").and_then(|rest| rest.split(' ').next()) else {
        return Duration::ZERO;
    };
    let (minutes, seconds) = text.split_once('m').unwrap_or(("0", text));
    let number = |text: &str| text.trim_end_matches('s').parse::<u64>().unwrap_or_default();
    Duration::from_secs(number(minutes) * 60 + number(seconds))
}

fn append(record: &Record, path: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path = record.dir().join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::serde_json::{Value, from_value, json};

    fn runs_after(statuses: &[Value]) -> Vec<(bool, Option<i32>)> {
        let mut runs = Vec::new();
        for status in statuses {
            let mut status = status.clone();
            let fixed = json!({ "name": "workload", "image": "i", "imageID": "", "ready": false });
            status.as_object_mut().unwrap().extend(fixed.as_object().unwrap().clone());
            let status: ContainerStatus = from_value(status).unwrap();
            enter_runs(&mut runs, &status);
        }
        runs.into_iter().map(|run| (run.ended.is_some(), run.exit_code)).collect()
    }

    fn ended_with(code: i32) -> Value {
        json!({ "terminated": { "exitCode": code, "startedAt": "2026-11-24T15:00:00Z", "finishedAt": "2026-11-24T15:00:01Z" } })
    }

    /// Each run of a container is written down once, whether it is seen running, between two runs, or only afterwards.
    #[test]
    fn no_run_is_lost_between_two_looks() {
        let running = json!({ "running": { "startedAt": "2026-11-24T15:00:00Z" } });
        let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        let looks = [
            json!({ "restartCount": 0, "state": { "waiting": { "reason": "ContainerCreating" } } }),
            json!({ "restartCount": 0, "state": running }),
            json!({ "restartCount": 1, "state": running, "lastState": ended_with(137) }),
            json!({ "restartCount": 1, "state": waiting, "lastState": ended_with(4) }),
            json!({ "restartCount": 2, "state": ended_with(0), "lastState": ended_with(4) }),
        ];
        assert_eq!(runs_after(&looks), [(true, Some(137)), (true, Some(4)), (true, Some(0))]);
        assert_eq!(runs_after(&looks[..1]), []);
        assert_eq!(runs_after(&looks[4..]), [(false, None), (true, Some(4)), (true, Some(0))]);
    }

    /// The kubelet's own word for a wait is understood.
    #[test]
    fn a_back_off_is_read() {
        assert_eq!(back_off("back-off 10s restarting failed container=workload"), Duration::from_secs(10));
        assert_eq!(back_off("back-off 1m20s restarting failed container=workload"), Duration::from_secs(80));
        assert_eq!(back_off("something else"), Duration::ZERO);
    }

    /// A Job is over when it says so, not when its pods are.
    #[test]
    fn only_the_conditions_that_end_a_job_count() {
        let job = |conditions: Value| {
            from_value::<Job>(json!({ "metadata": {}, "status": { "conditions": conditions } })).unwrap()
        };
        let on = |kind: &str| json!({ "type": kind, "status": "True", "reason": "Why" });
        assert_eq!(condition(&job(json!([on("FailureTarget")]))), None);
        assert_eq!(condition(&job(json!([on("SuccessCriteriaMet"), on("Complete")]))), Some(("Complete".into(), None)));
        assert_eq!(condition(&job(json!([on("Failed")]))), Some(("Failed".into(), Some("Why".into()))));
    }
}
