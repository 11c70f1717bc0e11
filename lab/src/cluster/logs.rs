//! What containers wrote, with its two streams apart.
//!
//! `kubectl logs` mixes standard output with standard error. The kubelet keeps both in one file a run of a container, each line with
//! the name of its stream (the CRI's log format), and serves that file through the API server. Autopilot lets nobody through to its
//! kubelets; there `kubectl logs` has to do, and what the worker says on standard error is told by its form.

use http::{Request, StatusCode};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::LogParams;
use serde_json::{Map, Value};

use super::{Cluster, ClusterError, NAMESPACE};

/// The log of one run of a container, and how much of it was read.
#[derive(Debug)]
pub struct RunLog {
    pod: String,
    container: String,
    node: String,
    path: String,
    read: Read,
}

/// How much was read, and by which way.
#[derive(Debug)]
enum Read {
    /// So many bytes of the kubelet's file.
    File(u64),
    /// By way of `kubectl logs`.
    Shown(Shown),
}

/// What was read of a run by way of `kubectl logs`, which shows a run whole and does not say which one it is.
#[derive(Debug, Default)]
struct Shown {
    /// When its first line was written: no other run's was at that very nanosecond.
    begun: Option<String>,
    stdout_bytes: usize,
    stderr_bytes: usize,
}

/// Lines of a log, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// What was written on standard output.
    pub stdout: Vec<u8>,
    /// What was written on standard error.
    pub stderr: Vec<u8>,
}

impl RunLog {
    /// That of the `run`-th run (from 0) of a container; `None` while the pod has no node.
    pub fn of(pod: &Pod, container: &str, run: usize) -> Option<Self> {
        let node = pod.spec.as_ref()?.node_name.clone()?;
        let uid = pod.uid()?;
        let (pod, container) = (pod.name_any(), container.to_owned());
        let path = format!("pods/{NAMESPACE}_{pod}_{uid}/{container}/{run}.log");
        Some(Self { pod, container, node, path, read: Read::File(0) })
    }

    /// What is new since the last look; nothing where nothing was written yet. `is_last` says that no later run of the container
    /// was seen.
    ///
    /// # Errors
    /// When the kubelet, or the API server, refuses.
    pub fn news(&mut self, cluster: &Cluster, is_last: bool) -> Result<Lines, ClusterError> {
        match &mut self.read {
            Read::File(offset) => match cluster.log_file(&self.node, &self.path, *offset) {
                Err(error) if error.status() == Some(403) && *offset == 0 => {
                    self.read = Read::Shown(Shown::default());
                    self.news(cluster, is_last)
                }
                read => {
                    let (lines, bytes) = read?;
                    *offset += bytes;
                    Ok(lines)
                }
            },
            Read::Shown(shown) => {
                let (begun, lines) = cluster.log_as_shown_apart(&self.pod, &self.container, !is_last)?;
                Ok(shown.news(begun, lines))
            }
        }
    }
}

impl Shown {
    /// What is new of this run in what is shown now; nothing where that is another run's, as of a container that was started
    /// again meanwhile.
    fn news(&mut self, begun: Option<String>, mut lines: Lines) -> Lines {
        if begun.is_none() || (self.begun.is_some() && self.begun != begun) {
            return Lines::default();
        }
        self.begun = begun;
        for (stream, read) in [(&mut lines.stdout, &mut self.stdout_bytes), (&mut lines.stderr, &mut self.stderr_bytes)]
        {
            let all = stream.len();
            stream.drain(..all.min(*read));
            *read = all;
        }
        lines
    }
}

impl Cluster {
    /// What a kubelet's file holds from `offset` on, and how many bytes of it that were; nothing where there is no such file
    /// yet, or no more.
    fn log_file(&self, node: &str, path: &str, offset: u64) -> Result<(Lines, u64), ClusterError> {
        let url = format!("/api/v1/nodes/{node}/proxy/logs/{path}");
        let what = format!("read the log `{path}` of node `{node}`");
        let request = Request::get(&url).header("Range", format!("bytes={offset}-")).body(Vec::new());
        let request = request.map_err(|error| ClusterError::call(&what, kube::Error::HttpError(error)))?;
        match self.call(&what, self.client.request_text(request)) {
            Ok(text) => Ok(take_apart(text.as_bytes())),
            Err(error) => match error.status().and_then(|code| StatusCode::from_u16(code).ok()) {
                // Not written yet; nothing new.
                Some(StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE) => Ok(Default::default()),
                _ => Err(error),
            },
        }
    }

    /// What `kubectl logs --timestamps` shows of a container's last run, or of the one before: when that began to speak, and its
    /// two streams.
    fn log_as_shown_apart(
        &self,
        pod: &str,
        container: &str,
        previous: bool,
    ) -> Result<(Option<String>, Lines), ClusterError> {
        let container = Some(container.to_owned());
        let parameters = LogParams { previous, container, timestamps: true, ..LogParams::default() };
        match self.call(&format!("read the log of pod `{pod}`"), self.api::<Pod>().logs(pod, &parameters)) {
            Ok(text) => Ok(take_apart_as_shown(&text)),
            // It is not started yet, or its log is gone.
            Err(error) if matches!(error.status(), Some(400 | 404)) => Ok(Default::default()),
            Err(error) => Err(error),
        }
    }

    /// What `kubectl logs POD` shows a person.
    ///
    /// # Errors
    /// When the kubelet refuses.
    pub fn log_as_shown(&self, pod: &str, previous: bool) -> Result<String, ClusterError> {
        let parameters = LogParams { previous, ..LogParams::default() };
        self.call(&format!("read the log of pod `{pod}`"), self.api::<Pod>().logs(pod, &parameters))
    }
}

/// Takes the CRI's lines apart: `TIME STREAM TAG TEXT`, where tag `P` says that the line goes on in the next one. Says how many bytes
/// they were: whole lines only.
fn take_apart(text: &[u8]) -> (Lines, u64) {
    let (mut lines, mut bytes) = (Lines::default(), 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        bytes += line.len() as u64;
        let mut fields = whole.splitn(4, |byte| *byte == b' ');
        let (Some(_), Some(stream), Some(tag)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let into = if stream == b"stderr" { &mut lines.stderr } else { &mut lines.stdout };
        into.extend_from_slice(fields.next().unwrap_or_default());
        if tag != b"P" {
            into.push(b'\n');
        }
    }
    (lines, bytes)
}

/// Takes `TIME TEXT` apart, whole lines only; and when the first one was written.
fn take_apart_as_shown(text: &str) -> (Option<String>, Lines) {
    let (mut begun, mut lines) = (None, Lines::default());
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let (time, line) = line.split_once(' ').unwrap_or((line, "\n"));
        begun.get_or_insert_with(|| time.trim_end().to_owned());
        let into = if is_note(line) { &mut lines.stderr } else { &mut lines.stdout };
        into.extend_from_slice(line.as_bytes());
    }
    (begun, lines)
}

/// Whether the worker says such a line on standard error: its figures are a JSON object, and all else has its name before it.
fn is_note(line: &str) -> bool {
    line.starts_with("worker: ") || serde_json::from_str::<Map<String, Value>>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Streams are kept apart, partial lines joined, and half a line is left for the next look.
    #[test]
    fn streams_are_taken_apart() {
        let text = b"2026-11-24T15:00:00.1Z stdout F Worker with sessionID: x\n\
                     2026-11-24T15:00:00.2Z stderr F {\"a\": 1}\n\
                     2026-11-24T15:00:00.3Z stdout P Processing \n\
                     2026-11-24T15:00:00.3Z stdout F dataset: a\n\
                     2026-11-24T15:00:00.4Z stdout F \n\
                     2026-11-24T15:00:00.5Z stdout F hal";
        let (lines, bytes) = take_apart(text);
        assert_eq!(String::from_utf8_lossy(&lines.stdout), "Worker with sessionID: x\nProcessing dataset: a\n\n");
        assert_eq!(String::from_utf8_lossy(&lines.stderr), "{\"a\": 1}\n");
        assert_eq!(&text[bytes as usize..], b"2026-11-24T15:00:00.5Z stdout F hal");
        assert_eq!(take_apart(b""), (Lines::default(), 0));
    }

    /// Where the streams come mixed, what the worker says on standard error is told by its form.
    #[test]
    fn mixed_streams_are_taken_apart_by_their_form() {
        let text = "2026-11-24T15:00:00.1Z Worker with sessionID: x\n\
                    2026-11-24T15:00:00.2Z {\"a\": 1}\n\
                    2026-11-24T15:00:00.3Z worker: failed to read `a`\n\
                    2026-11-24T15:00:00.4Z \n\
                    2026-11-24T15:00:00.5Z {no object\n\
                    2026-11-24T15:00:00.6Z hal";
        let (begun, lines) = take_apart_as_shown(text);
        assert_eq!(begun.as_deref(), Some("2026-11-24T15:00:00.1Z"));
        assert_eq!(String::from_utf8_lossy(&lines.stdout), "Worker with sessionID: x\n\n{no object\n");
        assert_eq!(String::from_utf8_lossy(&lines.stderr), "{\"a\": 1}\nworker: failed to read `a`\n");
        assert_eq!(take_apart_as_shown(""), (None, Lines::default()));
    }

    /// A run that is shown whole again and again is written down once, and another run's lines are not taken for its own.
    #[test]
    fn what_is_shown_again_is_no_news() {
        let mut shown = Shown::default();
        let mut news = |text: &str| {
            let (begun, lines) = take_apart_as_shown(text);
            String::from_utf8(shown.news(begun, lines).stdout).unwrap()
        };
        assert_eq!(news(""), "");
        assert_eq!(news("15:00:00.1Z one\n"), "one\n");
        assert_eq!(news("15:00:00.1Z one\n"), "");
        assert_eq!(news("15:00:07.5Z another run\n15:00:07.6Z says more\n"), "");
        assert_eq!(news("15:00:00.1Z one\n15:00:00.2Z two\n"), "two\n");
    }
}
