//! Commands in a pod, as `kubectl exec` runs them: standard input as a stream, both outputs and the exit status.

use std::io::{self, Write};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, AttachedProcess};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use super::{Cluster, ClusterError};

/// How long a command may take to start, and to end once its input is at its end.
const COMMAND: Duration = Duration::from_secs(60);
/// How long the pod may take to swallow one piece of input.
const PIECE: Duration = Duration::from_secs(60);
/// The most that a command may say on either output: the copy of a run's whole output, above all.
const SAID_LIMIT_BYTES: u64 = 1 << 30;
/// What the websocket holds back at most, each way. The default of 1 KiB makes a copy crawl.
const BUFFER_BYTES: usize = 256 << 10;

/// A command that has ended well.
#[derive(Debug, Default)]
pub struct Output {
    /// What it wrote on standard output.
    pub stdout: Vec<u8>,
    /// What it wrote on standard error.
    pub stderr: Vec<u8>,
}

/// A command that runs and reads what is written to it.
pub struct Process {
    cluster: Cluster,
    pod: String,
    command: String,
    attached: AttachedProcess,
    stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    stdout: JoinHandle<io::Result<Vec<u8>>>,
    stderr: JoinHandle<io::Result<Vec<u8>>>,
}

impl Cluster {
    /// Runs a command in a pod to its end, without input.
    ///
    /// # Errors
    /// When it cannot be run, or ends with another status than 0.
    pub fn exec(&self, pod: &str, command: &[&str]) -> Result<Output, ClusterError> {
        self.start(pod, command, false)?.finish()
    }

    /// Starts a command in a pod that reads its standard input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn exec_with_input(&self, pod: &str, command: &[&str]) -> Result<Process, ClusterError> {
        self.start(pod, command, true)
    }

    fn start(&self, pod: &str, command: &[&str], input: bool) -> Result<Process, ClusterError> {
        let api: Api<Pod> = self.api();
        let parameters = AttachParams::default()
            .stdin(input)
            .stdout(true)
            .stderr(true)
            .max_stdin_buf_size(BUFFER_BYTES)
            .max_stdout_buf_size(BUFFER_BYTES);
        let line = command.join(" ");
        let what = format!("run `{line}` in pod `{pod}`");
        let mut attached = self.call(&what, api.exec(pod, command.iter().copied(), &parameters))?;
        let stdin = attached.stdin().map(|stdin| Box::new(stdin) as Box<dyn AsyncWrite + Send + Unpin>);
        // Both outputs are drained all the while: a full pipe would stop the command.
        let stdout = self.runtime.spawn(drain(attached.stdout(), SAID_LIMIT_BYTES));
        let stderr = self.runtime.spawn(drain(attached.stderr(), SAID_LIMIT_BYTES));
        Ok(Process { cluster: self.clone(), pod: pod.into(), command: line, attached, stdin, stdout, stderr })
    }
}

impl Process {
    /// Ends its input, and waits until it has ended.
    ///
    /// # Errors
    /// When it ends with another status than 0, or not in time.
    pub fn finish(mut self) -> Result<Output, ClusterError> {
        let cluster = self.cluster.clone();
        let what = format!("run `{}` in pod `{}`", self.command, self.pod);
        let failed = |why: String| ClusterError::Exec { pod: self.pod.clone(), command: self.command.clone(), why };
        let status = self.attached.take_status();
        let stdin = self.stdin.take();
        cluster.bounded(&what, COMMAND, async {
            if let Some(mut stdin) = stdin {
                // A command that has ended before its input did says why in its status.
                let _ = stdin.shutdown().await;
            }
            let status = match status {
                Some(status) => status.await,
                None => None,
            };
            let text = |task: Result<io::Result<Vec<u8>>, tokio::task::JoinError>| {
                task.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| error.to_string()))
            };
            let stdout = text((&mut self.stdout).await).map_err(failed)?;
            let stderr = text((&mut self.stderr).await).map_err(failed)?;
            match status {
                Some(status) if status.status.as_deref() == Some("Success") => Ok(Output { stdout, stderr }),
                Some(status) => {
                    let said = String::from_utf8_lossy(&stderr);
                    let message = status.message.unwrap_or_else(|| "it failed without a word".into());
                    Err(failed(format!("{message}: {}", said.trim())))
                }
                None => Err(failed("the connection ended before the command did".into())),
            }
        })
    }
}

impl Write for Process {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let Some(stdin) = &mut self.stdin else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let limit = crate::wait::scaled(PIECE);
        let late = |_| io::Error::other(format!("pod `{}` took no input for {} s", self.pod, limit.as_secs()));
        // A timer belongs to the runtime that it is made in.
        let written = async { tokio::time::timeout(limit, stdin.write(piece)).await.map_err(late)? };
        self.cluster.runtime.block_on(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        self.cluster.runtime.block_on(stdin.flush())
    }
}

/// All that a command says, if that is within the limit. What is beyond it is read and let go: a full pipe would stop the
/// command before it can end.
async fn drain(stream: Option<impl AsyncRead + Unpin>, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(limit_bytes).read_to_end(&mut bytes).await?;
        if tokio::io::copy(&mut stream, &mut tokio::io::sink()).await? > 0 {
            return Err(io::Error::other(format!("it said more than {limit_bytes} bytes")));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command may say so much, and what it says beyond that is read to its end and is an error.
    #[test]
    fn a_command_may_say_so_much() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let said = |length: usize| runtime.block_on(drain(Some(vec![b'y'; length].as_slice()), 4096));
        assert_eq!(said(4096).unwrap(), vec![b'y'; 4096]);
        assert_eq!(said(1 << 20).unwrap_err().to_string(), "it said more than 4096 bytes");
        assert_eq!(runtime.block_on(drain(None::<&[u8]>, 4096)).unwrap(), b"");
    }
}
