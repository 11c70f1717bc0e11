//! How gcloud fails: what was asked, Google's own words, and what they mean.

use std::process::ExitStatus;

use super::causes::{Class, Named};
use crate::failure::{Exit, Explain};
use crate::interrupt::Interrupted;

/// More of what gcloud says than this is cut off.
const SAID_CHARS: usize = 700;

/// Where something was asked for: what remedies name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The project.
    pub project: String,
    /// The region.
    pub region: String,
    /// The zone.
    pub zone: String,
    /// What was asked for, where it has to be made.
    pub name: String,
}

/// gcloud did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GcloudError {
    /// It is not there.
    #[error("failed to find `gcloud` on the PATH")]
    NotInstalled,
    /// It is too old.
    #[error("failed to use gcloud {found}: at least {needed} is needed")]
    TooOld {
        /// Its version.
        found: String,
        /// The oldest one that will do.
        needed: u32,
    },
    /// Its helper for clusters is not there.
    #[error("failed to find `gke-gcloud-auth-plugin` on the PATH")]
    NoPlugin,
    /// Google refused.
    #[error("failed to {what}: {said}")]
    Refused {
        /// Completes "failed to ".
        what: String,
        /// Google's own words.
        said: String,
        /// What they mean.
        named: &'static Named,
        /// Where.
        place: Box<Place>,
    },
    /// No answer in time.
    #[error("failed to {what}: gcloud has not answered after {limit_s} s; it said: {said}")]
    Late {
        /// Completes "failed to ".
        what: String,
        /// How long it had.
        limit_s: f64,
        /// The end of what it said.
        said: String,
    },
    /// It could not be started, or its answer is not what was expected.
    #[error("failed to {what}: {why}")]
    Unreadable {
        /// Completes "failed to ".
        what: String,
        /// What was wrong.
        why: String,
    },
    /// Some of Google's zones did not answer, so that what is there may not be in the list.
    #[error("failed to {what}: the list is incomplete: {said}")]
    Incomplete {
        /// Completes "failed to ".
        what: String,
        /// gcloud's warning.
        said: String,
    },
    /// Somebody asked the lab to stop meanwhile.
    #[error(transparent)]
    Interrupted(Interrupted),
}

/// What gcloud said that matters: from its word `ERROR` on, on one line.
pub(super) fn essence(stderr: &str, status: ExitStatus) -> String {
    let lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let start = lines.iter().position(|line| line.starts_with("ERROR:"));
    let start = start.unwrap_or_else(|| lines.len().saturating_sub(5));
    let text = lines[start..].join(" ");
    let text = text.strip_prefix("ERROR:").unwrap_or(&text).trim();
    if text.is_empty() {
        return format!("gcloud ended with {status} and said nothing");
    }
    text.chars().take(SAID_CHARS).collect()
}

/// gcloud's warning that a list lacks what some zones or locations would have told; nothing of a lab may be taken for gone
/// then.
pub(super) fn incomplete(stderr: &str) -> Option<&str> {
    let signs = ["did not respond", "may be unreachable", "may be incomplete"];
    stderr.lines().map(str::trim).find(|line| signs.iter().any(|sign| line.contains(sign)))
}

impl GcloudError {
    /// What it means for what was asked.
    pub fn class(&self) -> Class {
        match self {
            Self::Refused { named, .. } => named.class,
            Self::Late { .. } | Self::Unreadable { .. } | Self::Incomplete { .. } | Self::Interrupted(_) => {
                Class::Unclear
            }
            Self::NotInstalled | Self::TooOld { .. } | Self::NoPlugin => Class::Refused,
        }
    }

    /// Google's own words, or the error's where it said nothing.
    pub fn said(&self) -> String {
        match self {
            Self::Refused { said, .. } | Self::Late { said, .. } => said.clone(),
            other => other.to_string(),
        }
    }
}

impl Explain for GcloudError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotInstalled | Self::TooOld { .. } | Self::NoPlugin => Exit::Preflight,
            Self::Refused { .. } | Self::Late { .. } | Self::Unreadable { .. } | Self::Incomplete { .. } => Exit::Lab,
            Self::Interrupted(by) => by.exit(),
        }
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::NotInstalled => "gcloud-missing",
            Self::TooOld { .. } => "gcloud-too-old",
            Self::NoPlugin => "auth-plugin-missing",
            Self::Refused { named, .. } => named.cause,
            Self::Late { .. } => "gcloud-timeout",
            Self::Unreadable { .. } => "gcloud-failed",
            Self::Incomplete { .. } => "list-incomplete",
            Self::Interrupted(by) => by.cause_name(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NotInstalled => "install it: https://cloud.google.com/sdk/docs/install; or use --target kind".into(),
            Self::TooOld { .. } => {
                "gcloud components update (or your distribution's update of google-cloud-cli)".into()
            }
            Self::NoPlugin => "gcloud components install gke-gcloud-auth-plugin (or your distribution's package \
                 google-cloud-cli-gke-gcloud-auth-plugin)"
                .into(),
            Self::Refused { named, place, said, .. } => named.remedy_in(place, said),
            Self::Late { .. } => {
                "see whether gcloud answers: gcloud info; on a slow machine set LAB_TIME_SCALE=4".into()
            }
            Self::Unreadable { .. } => "see whether gcloud runs: gcloud info".into(),
            Self::Incomplete { .. } => {
                "try again when all of Google's zones answer: https://status.cloud.google.com".into()
            }
            Self::Interrupted(by) => by.remedy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::causes::name;
    use super::*;

    fn refused(said: &str) -> GcloudError {
        let (project, region, zone) = ("p-1".into(), "us-central1".into(), "us-central1-b".into());
        let place = Box::new(Place { project, region, zone, ..Place::default() });
        GcloudError::Refused { what: "create it".into(), said: said.into(), named: name(said), place }
    }

    /// The API that is off is named in the command that switches it on.
    #[test]
    fn the_api_is_named() {
        let remedy = refused("API [file.googleapis.com] not enabled on project [p-1].").remedy();
        assert_eq!(remedy, "gcloud services enable file.googleapis.com --project=p-1");
    }

    /// What was not done and what may have been done are told apart: the second one is looked for.
    #[test]
    fn an_answer_that_is_lost_is_no_refusal() {
        assert_eq!(refused("ResponseError: code=503, message=try again").class(), Class::Unclear);
        assert_eq!(refused("gcloud crashed (ConnectionResetError): Connection reset by peer").class(), Class::Unclear);
        assert_eq!(refused("code=403, message=Required permission").class(), Class::Refused);
        assert_eq!(refused("code=409, message=Already exists").class(), Class::Exists);
    }

    /// Warnings before the error are no part of it.
    #[test]
    fn the_error_is_what_matters() {
        use std::os::unix::process::ExitStatusExt as _;
        let status = ExitStatus::from_raw(256);
        let stderr = "WARNING: old\nERROR: (gcloud.x) RESOURCE_EXHAUSTED: no\n  more\n";
        assert_eq!(essence(stderr, status), "(gcloud.x) RESOURCE_EXHAUSTED: no more");
        assert_eq!(essence("", status), "gcloud ended with exit status: 1 and said nothing");
    }
}
