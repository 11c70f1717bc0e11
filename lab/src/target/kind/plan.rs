//! What a lab on kind is to be like: tools found, images named, the volume chosen. Made by preflight, changed by nobody.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Names, cli};
use crate::docker::{Docker, Versions};
use crate::failure::Result;
use crate::image::WorkerImage;
use crate::state::KindState;
use crate::target::StandsOtherwise;

/// How pods reach the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Volume {
    /// The kubelet mounts it by NFS, as on GKE.
    Nfs,
    /// Nodes have its directory, and pods take it from there.
    Directory,
}

/// The volume, and why it is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeChoice {
    /// How pods reach the export.
    pub volume: Volume,
    /// It was asked for, not chosen.
    pub asked: bool,
}

/// The version of NFS that mounts must use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum NfsVersion {
    /// Filestore Basic's own protocol.
    #[value(name = "3")]
    #[serde(rename = "3")]
    Three,
    /// The newest that kernel and Ganesha both speak.
    #[value(name = "4.2")]
    #[serde(rename = "4.2")]
    FourTwo,
}

/// Everything that is decided before anything is made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Docker.
    pub docker: Docker,
    /// Docker's versions.
    pub docker_versions: Versions,
    /// The program `kind`.
    pub kind: PathBuf,
    /// Its version, e.g. `v0.30.0`.
    pub kind_version: String,
    /// The nodes' image.
    pub node_image: String,
    /// Redis's image.
    pub redis_image: String,
    /// What the export's image is built from.
    pub base_image: String,
    /// The worker, where a run was asked for.
    pub worker: Option<WorkerChoice>,
    /// The volume.
    pub volume: VolumeChoice,
    /// The version of NFS, where the kernel shall not choose it.
    pub nfs_version: Option<NfsVersion>,
    /// Nodes with the Spot label.
    pub spot_nodes: u32,
}

/// The image that runs as the worker.
#[derive(Debug, Clone)]
pub enum WorkerChoice {
    /// The project's own, assembled from its program.
    Own(Box<WorkerImage>),
    /// Any other that keeps the contract; the engine has it.
    Other(String),
}

impl Plan {
    /// What the state file keeps of it.
    pub fn as_state(&self, names: &Names) -> KindState {
        KindState {
            cluster: names.cluster.clone(),
            node_image: self.node_image.clone(),
            redis_image: self.redis_image.clone(),
            spot_nodes: self.spot_nodes,
            volume: self.volume.volume,
            nfs_version: self.nfs_version,
            cluster_made: false,
        }
    }

    /// Takes up a lab that was begun: what was only chosen now gives way to what stands, what was asked for does not.
    /// Another version of NFS needs no other cluster: the volume is made anew.
    ///
    /// # Errors
    /// [`StandsOtherwise`].
    pub(super) fn take_up(&self, known: KindState, asked: KindState, lab: &str) -> Result<KindState, StandsOtherwise> {
        let differs = |what: &str, stands: String, asked: String| {
            let lab = lab.to_owned();
            Err(StandsOtherwise { lab, stands: format!("{what} {stands}"), asked: format!("{what} {asked}") })
        };
        if !known.cluster_made {
            return Ok(asked);
        }
        if known.node_image != asked.node_image {
            return differs("nodes of image", known.node_image, asked.node_image);
        }
        if known.spot_nodes != asked.spot_nodes {
            return differs("Spot nodes:", known.spot_nodes.to_string(), asked.spot_nodes.to_string());
        }
        if known.volume != asked.volume {
            return differs("volume", known.volume.name().into(), asked.volume.name().into());
        }
        let nfs_version = asked.nfs_version.or(known.nfs_version);
        Ok(KindState { redis_image: asked.redis_image, nfs_version, ..known })
    }

    /// The mount's options; none where the kernel is to choose.
    pub(super) fn mount_options(&self) -> Vec<String> {
        match (self.volume.volume, self.nfs_version) {
            (Volume::Directory, _) | (_, None) => Vec::new(),
            // No rpc.statd runs in a node; with the ports named nobody asks a portmapper.
            (_, Some(NfsVersion::Three)) => {
                ["vers=3", "nolock", "port=2049", "mountport=20048"].map(str::to_owned).to_vec()
            }
            (_, Some(NfsVersion::FourTwo)) => vec!["vers=4.2".into()],
        }
    }

    /// Versions for the record.
    pub(super) fn versions(&self) -> Vec<(String, String)> {
        let images = [("node-image", &self.node_image), ("redis-image", &self.redis_image)];
        let tools = [("docker", &self.docker_versions.server), ("kind", &self.kind_version)];
        tools.into_iter().chain(images).map(|(name, version)| (name.to_owned(), version.clone())).collect()
    }
}

impl VolumeChoice {
    /// In plain words, for a step, a status, a record and a verdict.
    pub fn words(self) -> String {
        match (self.volume, self.asked) {
            (Volume::Nfs, _) => "volume: NFS, mounted by the kubelet".into(),
            (Volume::Directory, false) => "volume: host directory, because this kernel has no NFS client".into(),
            (Volume::Directory, true) => "volume: host directory, as asked for".into(),
        }
    }
}

impl Volume {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nfs => "nfs",
            Self::Directory => "directory",
        }
    }
}

impl NfsVersion {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Three => "3",
            Self::FourTwo => "4.2",
        }
    }
}

/// The program `kind` on the PATH, and its version.
///
/// # Errors
/// When it is not there, or does not say its version.
pub fn find_kind() -> Result<(PathBuf, String), cli::KindError> {
    let program = which::which("kind").map_err(|_| cli::KindError::NotInstalled)?;
    let version = cli::version(&program)?;
    Ok((program, version))
}

/// The worker's image for this program.
///
/// # Errors
/// When the program cannot be an image of its own.
pub fn own_worker(program: &Path) -> Result<WorkerChoice> {
    Ok(WorkerChoice::Own(Box::new(crate::image::assemble(program)?)))
}
