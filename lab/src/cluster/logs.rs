//! What containers wrote, with its two streams apart.
//!
//! `kubectl logs` mixes standard output with standard error. The kubelet keeps both in one file a run of a container, each line with
//! the name of its stream (the CRI's log format), and serves that file through the API server.

use http::{Request, StatusCode};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::LogParams;

use super::{Cluster, ClusterError, NAMESPACE};

/// The log file of one run of a container, on its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    node: String,
    path: String,
}

/// Lines of a log file, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// What was written on standard output.
    pub stdout: Vec<u8>,
    /// What was written on standard error.
    pub stderr: Vec<u8>,
    /// How many bytes of the file these were: whole lines only.
    pub bytes: u64,
}

impl LogFile {
    /// The file of the `run`-th run (from 0) of a container; `None` while the pod has no node.
    pub fn of(pod: &Pod, container: &str, run: usize) -> Option<Self> {
        let node = pod.spec.as_ref()?.node_name.clone()?;
        let uid = pod.uid()?;
        let path = format!("pods/{NAMESPACE}_{}_{uid}/{container}/{run}.log", pod.name_any());
        Some(Self { node, path })
    }
}

impl Cluster {
    /// What the file holds from `offset` on; nothing where there is no such file yet, or no more.
    ///
    /// # Errors
    /// When the kubelet refuses.
    pub fn log_lines(&self, file: &LogFile, offset: u64) -> Result<Lines, ClusterError> {
        let url = format!("/api/v1/nodes/{}/proxy/logs/{}", file.node, file.path);
        let what = format!("read the log `{}` of node `{}`", file.path, file.node);
        let request = Request::get(&url).header("Range", format!("bytes={offset}-")).body(Vec::new());
        let request = request.map_err(|error| ClusterError::call(&what, kube::Error::HttpError(error)))?;
        match self.call(&what, self.client.request_text(request)) {
            Ok(text) => Ok(take_apart(text.as_bytes())),
            Err(error) => match error.status().and_then(|code| StatusCode::from_u16(code).ok()) {
                // Not written yet; nothing new.
                Some(StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE) => Ok(Lines::default()),
                _ => Err(error),
            },
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

/// Takes the CRI's lines apart: `TIME STREAM TAG TEXT`, where tag `P` says that the line goes on in the next one.
fn take_apart(text: &[u8]) -> Lines {
    let mut lines = Lines::default();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        lines.bytes += line.len() as u64;
        let mut fields = whole.splitn(4, |byte| *byte == b' ');
        let (Some(_), Some(stream), Some(tag)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let into = if stream == b"stderr" { &mut lines.stderr } else { &mut lines.stdout };
        into.extend_from_slice(fields.next().unwrap_or_default());
        if tag != b"P" {
            into.push(b'\n');
        }
    }
    lines
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
        let lines = take_apart(text);
        assert_eq!(String::from_utf8_lossy(&lines.stdout), "Worker with sessionID: x\nProcessing dataset: a\n\n");
        assert_eq!(String::from_utf8_lossy(&lines.stderr), "{\"a\": 1}\n");
        assert_eq!(&text[lines.bytes as usize..], b"2026-11-24T15:00:00.5Z stdout F hal");
        assert_eq!(take_apart(b""), Lines::default());
    }
}
