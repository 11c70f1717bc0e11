//! How Docker fails, and what mends it.

use crate::failure::{Exit, Explain};
use crate::interrupt::Interrupted;

/// A command of Docker's did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// There is no client.
    #[error("failed to find `docker` on the PATH")]
    NotInstalled,
    /// There is a client and no engine that it reaches.
    #[error("failed to reach the Docker engine: {why}")]
    Unreachable {
        /// The client's own words.
        why: String,
    },
    /// A command ended with an error.
    #[error("failed to run `{command}`: {how}; it said: {said}")]
    Failed {
        /// The command as a person would type it.
        command: String,
        /// Its exit code or signal.
        how: String,
        /// The end of what it said.
        said: String,
    },
    /// A command took too long and was ended.
    #[error("failed to run `{command}`: not done after {limit_s} s; it said: {said}")]
    TimedOut {
        /// The command as a person would type it.
        command: String,
        /// How long it had.
        limit_s: f64,
        /// The end of what it said.
        said: String,
    },
    /// A command could not be started, or said what we cannot read.
    #[error("failed to run `{command}`: {why}")]
    Unexpected {
        /// The command as a person would type it.
        command: String,
        /// What was wrong.
        why: String,
    },
    /// Somebody asked the lab to stop meanwhile.
    #[error(transparent)]
    Interrupted(Interrupted),
}

/// What Docker says, and the command that mends it; the first one that fits.
const REMEDIES: &[(&str, &str)] = &[
    ("no space left on device", "make room: docker system df shows what is in the way, docker system prune removes it"),
    (
        "all predefined address pools have been fully subnetted",
        "docker network prune removes networks that nobody uses",
    ),
    ("toomanyrequests", "the registry limits pulls: docker login, or name an image from another registry"),
    ("manifest unknown", "check the image's name and tag"),
    ("pull access denied", "check the image's name, or docker login"),
    ("no such host", "the registry cannot be reached from here: check the network, or docker load the image"),
    ("connection refused", "the registry cannot be reached from here: check the network, or docker load the image"),
    ("is already in use by container", "take the lab down that uses the name: cargo xtask lab down --name LAB"),
    ("port is already allocated", "stop what uses the port: docker ps shows it"),
    ("no such image", "docker pull it, or docker load it from a file"),
];

impl DockerError {
    /// Whether the client's words mean that there is no engine, rather than one that refuses.
    pub(super) fn means_unreachable(said: &str) -> bool {
        let words = ["cannot connect to the docker daemon", "permission denied while trying to connect", "dial unix"];
        let said = said.to_lowercase();
        words.iter().any(|words| said.contains(words))
    }
}

impl Explain for DockerError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotInstalled | Self::Unreachable { .. } => Exit::Preflight,
            Self::Failed { .. } | Self::TimedOut { .. } | Self::Unexpected { .. } => Exit::Lab,
            Self::Interrupted(by) => by.exit(),
        }
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::NotInstalled => "docker-missing",
            Self::Unreachable { .. } => "docker-unreachable",
            Self::Failed { .. } | Self::Unexpected { .. } => "docker-failed",
            Self::TimedOut { .. } => "docker-timeout",
            Self::Interrupted(by) => by.cause_name(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NotInstalled => {
                "install Docker (https://docs.docker.com/engine/install/), or use --target local".into()
            }
            Self::Unreachable { why } if why.to_lowercase().contains("permission denied") => {
                "sudo usermod -aG docker \"$USER\", then log in anew".into()
            }
            Self::Unreachable { .. } => "sudo systemctl start docker, or set DOCKER_HOST to where it listens".into(),
            Self::Failed { said, .. } => {
                let said = said.to_lowercase();
                let known = REMEDIES.iter().find(|(words, _)| said.contains(words));
                known.map_or("type the command to see all that it says", |(_, remedy)| remedy).into()
            }
            Self::TimedOut { .. } => {
                "docker info shows whether the engine still answers; on a slow machine set LAB_TIME_SCALE=4".into()
            }
            Self::Unexpected { .. } => "type the command to see what it says".into(),
            Self::Interrupted(by) => by.remedy(),
        }
    }
}
