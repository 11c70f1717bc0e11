//! How the export fails, and what mends it.

use std::io;

use super::Unhealthy;
use crate::failure::{Exit, Explain};

/// The export is not there for its clients.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The image that its own is built on is not there.
    #[error("failed to build the export's image: there is no image `{base}` to build it on")]
    NoBase {
        /// The base.
        base: String,
    },
    /// There is no container.
    #[error("failed to reach the export: there is no container `{container}`")]
    NotUp {
        /// The container.
        container: String,
    },
    /// The container has ended.
    #[error("failed to keep the export up: container `{container}` ended with {how}; its last words: {said}")]
    Ended {
        /// The container.
        container: String,
        /// Its exit code, and what Docker says of it.
        how: String,
        /// The end of its log.
        said: String,
    },
    /// The container is on another network.
    #[error("failed to reach the export: container `{container}` is not on network `{network}`")]
    Elsewhere {
        /// The container.
        container: String,
        /// The network.
        network: String,
    },
    /// It runs and cannot be mounted.
    #[error("failed to reach the export: container `{container}` runs, but {why}")]
    Unhealthy {
        /// The container.
        container: String,
        /// What is wrong.
        why: Unhealthy,
    },
    /// It runs without its share, and will not get it any more.
    #[error("failed to reach the export: container `{container}` runs, but {why}; its last words: {said}")]
    Refused {
        /// The container.
        container: String,
        /// What it answered.
        why: Unhealthy,
        /// The end of its log.
        said: String,
    },
    /// Its share could not be emptied.
    #[error("failed to empty the share of `{container}`: {said}")]
    NotCleared {
        /// The container.
        container: String,
        /// What was said.
        said: String,
    },
    /// Its directory cannot be made.
    #[error("failed to make the export's directory: {0}")]
    Data(#[source] io::Error),
}

/// What Ganesha says where the data's filesystem cannot name files by handles.
const NO_HANDLES: [&str; 3] = ["name_to_handle", "Operation not supported", "Could not get handle"];

/// The lines of Ganesha's log that tell most: those of its two gravest kinds but for the complaints that it always has,
/// else the last ones.
pub(super) fn last_words(log: &str) -> String {
    // There is no bus and no Kerberos in the container, which it mentions at every start.
    const ALWAYS: [&str; 4] = ["DBUS", "krb5", "principal nfs", "default realm"];
    const LINES: usize = 3;
    let is_grave = |line: &&str| {
        [":CRIT :", ":MAJ :", ":FATAL :"].iter().any(|level| line.contains(level))
            && !ALWAYS.iter().any(|known| line.contains(known))
    };
    let mut lines: Vec<_> = log.lines().filter(is_grave).collect();
    if lines.is_empty() {
        lines = log.lines().filter(|line| !line.trim().is_empty()).collect();
    }
    let last = lines[lines.len().saturating_sub(LINES)..].iter().map(|line| words(line)).collect::<Vec<_>>();
    if last.is_empty() { "none".into() } else { last.join(" | ") }
}

/// A line without its time, process and function: those are before the second ` :`.
fn words(line: &str) -> &str {
    line.split_once("nfs-ganesha").map_or(line, |(_, rest)| rest).splitn(3, " :").nth(2).unwrap_or(line).trim()
}

impl Explain for ExportError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoBase { .. } => Exit::Preflight,
            _ => Exit::Lab,
        }
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::NoBase { .. } => "image-missing",
            Self::NotUp { .. } | Self::Elsewhere { .. } => "export-missing",
            Self::Ended { .. } => "export-ended",
            Self::Unhealthy { .. } | Self::Refused { .. } => "export-unhealthy",
            Self::NotCleared { .. } | Self::Data(_) => "share-unwritable",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoBase { base } => format!("docker pull {base}, or name another Debian with --base-image"),
            Self::NotUp { .. } | Self::Elsewhere { .. } => "cargo xtask lab up starts it".into(),
            Self::Ended { said, .. } | Self::Refused { said, .. }
                if NO_HANDLES.iter().any(|words| said.contains(words)) =>
            {
                "keep the lab's state on a disk's own filesystem, not on a container's overlay: set XDG_STATE_HOME"
                    .into()
            }
            Self::Ended { container, .. } | Self::Unhealthy { container, .. } | Self::Refused { container, .. } => {
                format!("docker logs {container} shows what it says; cargo xtask lab up starts it anew")
            }
            Self::NotCleared { container, .. } => format!("docker exec {container} ls -la /export shows what is there"),
            Self::Data(_) => "check the directory's owner and the room on its disk".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Ganesha says at every start is not taken for the reason of its end.
    #[test]
    fn the_last_words_are_those_that_matter() {
        let line = |level: &str, text: &str| {
            format!("24/11/2026 15:36:28 : epoch 1 : host : nfs-ganesha-1[main] function :PLACE :{level} :{text}\n")
        };
        let log =
            line("CRIT", "dbus_bus_get failed (no DBUS)") + &line("CRIT", "Failed to bind") + &line("EVENT", "bye");
        assert_eq!(last_words(&log), "CRIT :Failed to bind");
        assert_eq!(last_words("serve: rpcbind: not found\n\n"), "serve: rpcbind: not found");
        assert_eq!(last_words(""), "none");
    }
}
