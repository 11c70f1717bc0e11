//! What goes wrong with a lab on GKE beyond what Google says, and what mends it.

use crate::failure::{Exit, Explain};
use crate::gcloud::{Named, Place, Thing};
use crate::ledger::{Kind, Resource};
use crate::target::gke::label::Tag;

/// Why a lab on GKE cannot be made, used or taken down.
#[derive(Debug, thiserror::Error)]
pub enum GkeError {
    /// What has our name is not ours.
    #[error("failed to use the name of {}: what is there {}; it was not touched", called(.kind, .name, .location, .project), whose(.owner))]
    Foreign {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// Region or zone.
        location: String,
        /// The project.
        project: String,
        /// What its labels say.
        owner: Option<Box<Tag>>,
    },
    /// A quota is too small.
    #[error("failed to find enough {what} in {region}: {free} of {limit} are free, {needed} needed")]
    Quota {
        /// What is counted.
        what: String,
        /// Where.
        region: String,
        /// How much there may be.
        limit: i64,
        /// How much of it is left.
        free: i64,
        /// How much is needed.
        needed: i64,
        /// The project.
        project: String,
    },
    /// The region is out of order.
    #[error("failed to use region `{region}`: Google says that it is {status}")]
    RegionDown {
        /// The region.
        region: String,
        /// Google's word.
        status: String,
    },
    /// APIs that the project has not switched on.
    #[error("failed to find these APIs switched on in project `{project}`: {}", apis.join(", "))]
    ApisOff {
        /// The project.
        project: String,
        /// Their names.
        apis: Vec<String>,
    },
    /// The repository holds something else.
    #[error("failed to use image repository `{name}`: its format is {format}, not DOCKER")]
    NoDocker {
        /// The repository.
        name: String,
        /// Its format.
        format: String,
    },
    /// Nobody can be asked whether money may be spent.
    #[error("failed to ask whether to spend {price}: there is no terminal, and --yes was not given")]
    NoTerminal {
        /// In words.
        price: String,
    },
    /// Somebody was asked, and does not want to.
    #[error("failed to get a yes: nothing was created")]
    Declined,
    /// The lab stands otherwise than is asked now.
    #[error("failed to use lab `{lab}` as asked: it stands with {what} {stands}, and {asked} is asked for")]
    StandsOtherwise {
        /// The lab.
        lab: String,
        /// What differs.
        what: &'static str,
        /// How it stands.
        stands: String,
        /// What is asked for.
        asked: String,
    },
    /// An operation ended badly.
    #[error("failed to {what}: operation `{operation}` ended with {said}")]
    Operation {
        /// Completes "failed to ".
        what: String,
        /// The operation.
        operation: String,
        /// Google's own words.
        said: String,
        /// What they mean.
        named: &'static Named,
        /// Where.
        place: Box<Place>,
    },
    /// A thing is in a state that it will not leave by itself.
    #[error("failed to {what}: it is {word}")]
    Broken {
        /// Completes "failed to ".
        what: String,
        /// What it is.
        kind: Kind,
        /// Google's own words.
        word: String,
        /// What they mean, where they have a name.
        named: Option<&'static Named>,
        /// Where.
        place: Box<Place>,
    },
    /// An operation or a state took too long.
    #[error("{0}")]
    Late(String),
    /// The other half of the lab failed; this one was not waited for.
    #[error("failed to {what}: it was not waited for any longer, because something else failed")]
    GivenUp {
        /// Completes "failed to ".
        what: String,
    },
    /// It was asked twice to go and is still there.
    #[error("failed to delete {what}: {why}")]
    Delete {
        /// The thing, in words.
        what: String,
        /// Why.
        why: String,
        /// The command that a person would type.
        command: String,
    },
    /// Something with our label is still there.
    #[error("failed to leave nothing behind: {} still there", left.join(", "))]
    Left {
        /// The things, in words.
        left: Vec<String>,
        /// The commands that remove them.
        commands: Vec<String>,
        /// The projects that were looked at, as options.
        project: String,
        /// The lab's ID.
        lab_id: String,
    },
    /// The lab's name is too long for a cluster.
    #[error("failed to name a cluster after lab `{lab}`: `{name}` has more than 40 characters")]
    LongName {
        /// The lab.
        lab: String,
        /// The cluster's name.
        name: String,
    },
    /// The share has no address.
    #[error("failed to find the address of Filestore instance `{0}`: Google says that it is ready and names none")]
    NoAddress(String),
    /// No lab of that ID.
    #[error("failed to find a lab of ID `{id}`: neither the ledger nor a label in {} names it", projects.join(", "))]
    UnknownId {
        /// The ID.
        id: String,
        /// Where it was looked for.
        projects: Vec<String>,
    },
}

impl GkeError {
    /// What has the name of something of ours, and is not ours.
    pub fn foreign(thing: &Thing, project: &str) -> Self {
        Self::Foreign {
            kind: thing.kind,
            name: thing.name.clone(),
            location: thing.location.clone(),
            project: project.into(),
            owner: Tag::read(&thing.labels).map(Box::new),
        }
    }
}

fn called(kind: &Kind, name: &str, location: &str, project: &str) -> String {
    format!("{} `{name}` in {location} of project `{project}`", kind.word())
}

fn whose(owner: &Option<Box<Tag>>) -> String {
    match owner {
        None => "carries no label of a lab".into(),
        Some(tag) => format!("is lab `{}`'s, of ID `{}`, which is not this one", tag.lab, tag.lab_id),
    }
}

/// The command that deletes a thing, as a person types it.
pub fn delete_command(kind: Kind, name: &str, location: &str, project: &str) -> String {
    match kind {
        Kind::Filestore => {
            format!("gcloud filestore instances delete {name} --location={location} --project={project}")
        }
        Kind::Cluster | Kind::NodePool => {
            format!("gcloud container clusters delete {name} --location={location} --project={project}")
        }
    }
}

/// The same for a line of the ledger.
pub fn delete_command_of(resource: &Resource) -> String {
    delete_command(resource.kind, &resource.name, &resource.location, &resource.project)
}

impl Explain for GkeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Quota { .. }
            | Self::RegionDown { .. }
            | Self::ApisOff { .. }
            | Self::NoDocker { .. }
            | Self::NoTerminal { .. }
            | Self::Declined
            | Self::LongName { .. }
            | Self::StandsOtherwise { .. }
            | Self::UnknownId { .. } => Exit::Preflight,
            Self::Foreign { .. }
            | Self::Operation { .. }
            | Self::Broken { .. }
            | Self::Late(_)
            | Self::GivenUp { .. }
            | Self::Delete { .. }
            | Self::Left { .. }
            | Self::NoAddress(_) => Exit::Lab,
        }
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Foreign { .. } => "foreign-resource",
            Self::Quota { .. } => "quota-exceeded",
            Self::RegionDown { .. } => "region-down",
            Self::ApisOff { .. } => "api-off",
            Self::NoDocker { .. } => "repository-format",
            Self::NoTerminal { .. } | Self::Declined => "not-confirmed",
            Self::StandsOtherwise { .. } => "lab-stands-otherwise",
            Self::Operation { named, .. } => named.cause,
            Self::Broken { named: Some(named), .. } => named.cause,
            Self::Broken { kind: Kind::Filestore, .. } => "instance-error",
            Self::Broken { .. } => "cluster-error",
            Self::Late(_) => "operation-timeout",
            Self::GivenUp { .. } => "given-up",
            Self::Delete { .. } => "delete-failed",
            Self::Left { .. } => "left-behind",
            Self::LongName { .. } => "usage",
            Self::NoAddress(_) => "instance-error",
            Self::UnknownId { .. } => "lab-unknown",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Foreign { owner: Some(tag), project, .. } => format!(
                "use another lab with --name, whose things have other names; or, if you know that lab to be yours and done with: \
                 cargo xtask lab gc --project {project} --lab-id {}",
                tag.lab_id
            ),
            Self::Foreign { kind, name, location, project, .. } => format!(
                "use another lab with --name, whose things have other names; or, if you know it to be yours, remove it by hand: {}",
                delete_command(*kind, name, location, project)
            ),
            Self::Quota { project, .. } => format!(
                "ask for more at https://console.cloud.google.com/iam-admin/quotas?project={project}, or take another --region and --zone"
            ),
            Self::RegionDown { .. } => "take another --region and --zone".into(),
            Self::ApisOff { project, apis } => format!("gcloud services enable {} --project={project}", apis.join(" ")),
            Self::NoDocker { .. } => "name one made with --repository-format=docker by --image-repository".into(),
            Self::NoTerminal { .. } => "read what it will cost above, and type it again with --yes".into(),
            Self::Declined => "type it again when it may cost something".into(),
            Self::StandsOtherwise { lab, .. } => format!(
                "take it down first: `cargo xtask lab down --name {lab}`; or ask for what stands, or another --name"
            ),
            Self::Operation { named, place, said, .. } => named.remedy_in(place, said),
            Self::Broken { named: Some(named), place, word, .. } => named.remedy_in(place, word),
            Self::Broken { .. } => {
                "`cargo xtask lab down` removes it; then begin anew, perhaps in another --zone".into()
            }
            Self::Late(_) => "`cargo xtask lab up` goes on waiting, `cargo xtask lab down` removes what there is; \
                 LAB_TIME_SCALE=2 waits twice as long"
                .into(),
            Self::GivenUp { .. } => "`cargo xtask lab down` removes what there is of it".into(),
            Self::Delete { command, .. } => {
                format!("it may still cost money: `cargo xtask lab down` tries again; by hand: {command}")
            }
            Self::Left { commands, project, lab_id, .. } => format!(
                "they may still cost money: cargo xtask lab gc --project {project} --lab-id {lab_id}; by hand: {}",
                commands.join("; ")
            ),
            Self::LongName { .. } => "use a shorter --name".into(),
            Self::NoAddress(_) => "`cargo xtask lab down`, and begin anew".into(),
            Self::UnknownId { .. } => "name the project that it is in with --project".into(),
        }
    }
}
