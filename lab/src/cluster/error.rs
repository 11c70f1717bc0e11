//! How the cluster's client fails: what was asked of whom, what was answered, and what mends it.

use std::path::PathBuf;

use crate::failure::{Exit, Explain};

/// Why the cluster could not be asked, or refused.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig is of no use.
    #[error("failed to read the lab's kubeconfig `{}`: {source}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<kube::config::KubeconfigError>,
    },
    /// The system gave no threads.
    #[error("failed to start the threads of the cluster's client: {0}")]
    Runtime(#[source] std::io::Error),
    /// The API server refused, or did not answer.
    #[error("failed to {what}: {source}")]
    Call {
        /// Completes "failed to ".
        what: String,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// No answer in time.
    #[error("failed to {what}: no answer within {limit_s} s")]
    Late {
        /// Completes "failed to ".
        what: String,
        /// How long it had.
        limit_s: f64,
    },
    /// A command in a pod failed.
    #[error("failed to run `{command}` in pod `{pod}`: {why}")]
    Exec {
        /// The pod.
        pod: String,
        /// The command line.
        command: String,
        /// Its status and what it wrote on standard error.
        why: String,
    },
    /// A manifest is not one.
    #[error("failed to read manifest `{file}`: {why}")]
    Manifest {
        /// The file under `manifests/`.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// A local socket could not be had.
    #[error("failed to forward a local port to pod `{pod}`: {source}")]
    Forward {
        /// The pod.
        pod: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ClusterError {
    /// The API server's own answer to a call.
    pub(super) fn call(what: &str, source: kube::Error) -> Self {
        Self::Call { what: what.into(), source: Box::new(source) }
    }

    /// The status code that the API server answered with, if it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Call { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<ClusterError> for std::io::Error {
    fn from(error: ClusterError) -> Self {
        Self::other(error)
    }
}

impl Explain for ClusterError {
    fn exit(&self) -> Exit {
        Exit::Lab
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Kubeconfig { .. } => "kubeconfig-unusable",
            Self::Runtime(_) => "no-threads",
            Self::Call { .. } | Self::Late { .. } => "cluster-refused",
            Self::Exec { .. } => "exec-failed",
            Self::Manifest { .. } => "lab-fault",
            Self::Forward { .. } => "no-port",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Kubeconfig { .. } => "`cargo xtask lab up` writes it anew; `cargo xtask lab down` removes the lab",
            Self::Runtime(_) => "raise the limit of processes of this user (`ulimit -u`)",
            Self::Call { .. } | Self::Late { .. } => {
                "see whether the cluster is well: `cargo xtask lab status`; else `cargo xtask lab down` and begin anew"
            }
            Self::Exec { .. } => "see what the pod says: `cargo xtask lab status`",
            Self::Manifest { .. } => "this is a fault of the lab: report it",
            Self::Forward { .. } => "free a port on 127.0.0.1",
        }
        .into()
    }
}
