//! What a lab on kind needs of this machine: Docker, kind, images, memory, disk, file watches, and an NFS client.

use std::path::Path;

use fs_err as fs;

use super::Check;
use crate::cli;
use crate::console::{Console, Tone, size};
use crate::docker::{Docker, DockerError, Versions};
use crate::failure::{Exit, Explain, Failure, Result};
use crate::images::{BASE, NODE, Pinned, REDIS};
use crate::job::program::Program as Worker;
use crate::target::kind::NfsClient;
use crate::target::kind::plan::{self, Plan, Volume, VolumeChoice, WorkerChoice};
use crate::target::local::free_bytes;

/// Two nodes of Kubernetes, an export and Redis were seen to take about 1.3 GiB.
const MEMORY_BYTES_MIN: u64 = 2 << 30;
/// Images, and what containers write.
const DISK_BYTES_MIN: u64 = 4 << 30;
/// kind's own page of known issues: below these, nodes fail with "too many open files".
const INOTIFY_MIN: [(&str, u64); 2] = [("max_user_watches", 8192), ("max_user_instances", 128)];

/// What was asked of a lab on kind.
pub(super) struct Asked<'a> {
    pub options: &'a cli::Kind,
    /// May images be pulled?
    pub pull: bool,
    pub worker: Option<&'a Worker>,
    /// The state's directory.
    pub state: &'a Path,
}

/// The machine is not fit for it.
#[derive(Debug, thiserror::Error)]
enum MachineError {
    #[error("failed to find the image of {what}: `{reference}` is not in Docker, and cannot be pulled: {why}")]
    NoImage { what: &'static str, reference: String, option: &'static str, variable: &'static str, why: String },
    #[error("failed to find memory for a cluster: {} free, {} needed", size(*free_bytes), size(MEMORY_BYTES_MIN))]
    Memory { free_bytes: u64 },
    #[error("failed to find room for a cluster in `{path}`: {} free, {} needed", size(*free_bytes), size(DISK_BYTES_MIN))]
    Disk { path: String, free_bytes: u64 },
    #[error("failed to find enough inotify: fs.inotify.{name} is {found}, at least {needed} are needed")]
    Inotify { name: &'static str, found: u64, needed: u64 },
    #[error("failed to find a free port on 127.0.0.1: {0}")]
    NoPort(#[source] std::io::Error),
    #[error("failed to find an NFS client: neither is it in /proc/filesystems nor is there a module for this kernel")]
    NoNfsClient,
    #[error("failed to combine --nfs-version with volume `directory`: nothing is mounted by NFS then")]
    VersionWithoutNfs,
}

/// Looks at all of it.
pub(super) fn look(asked: &Asked<'_>, console: &Console) -> (Vec<Check>, Option<Plan>) {
    let docker = docker();
    let kind = plan::find_kind().map_err(Failure::from);
    let volume = volume(asked.options);
    let mut checks = vec![
        Check { name: "docker", found: super::describe(&docker, |(_, versions)| versions.server.clone()) },
        Check {
            name: "kind",
            found: super::describe(&kind, |(path, version)| format!("{version} ({})", path.display())),
        },
    ];
    let images = docker.as_ref().ok().map(|(docker, _)| find_images(docker, asked, console));
    let mut references = Vec::new();
    for (pinned, image) in images.into_iter().flatten() {
        checks.push(Check { name: pinned.check, found: image.clone() });
        references.extend(image.ok());
    }
    let worker = asked
        .worker
        .map(|worker| worker_image(worker, docker.as_ref().ok().map(|(docker, _)| docker), asked.pull, console));
    if let Some(Err(failure)) = &worker {
        checks.push(Check { name: "worker-image", found: Err(failure.clone()) });
    }
    checks.push(Check { name: "memory", found: memory() });
    checks.push(Check { name: "disk", found: disk(asked.state) });
    checks.push(Check { name: "inotify", found: inotify() });
    checks.push(Check { name: "ports", found: ports() });
    checks.push(Check { name: "nfs", found: super::describe(&volume, |volume| volume.words()) });
    let (Ok((docker, docker_versions)), Ok((kind, kind_version)), Ok(volume)) = (docker, kind, volume) else {
        return (checks, None);
    };
    let [node_image, redis_image, base_image] = match <[String; 3]>::try_from(references) {
        Ok(references) => references,
        Err(_) => return (checks, None),
    };
    let options = asked.options;
    let worker = match worker.transpose() {
        Ok(worker) => worker,
        Err(_) => return (checks, None),
    };
    let (nfs_version, spot_nodes) = (options.nfs_version, options.spot_nodes);
    let plan = Plan {
        docker,
        docker_versions,
        kind,
        kind_version,
        node_image,
        redis_image,
        base_image,
        worker,
        volume,
        nfs_version,
        spot_nodes,
    };
    (checks, Some(plan))
}

/// What keeps a lab on kind from being had, in a few words; `None` if nothing does. Nothing is pulled, and a registry that
/// does not answer at once counts as none.
pub fn lacks(options: &cli::Kind) -> Option<String> {
    let (docker, _) = match docker() {
        Ok(docker) => docker,
        Err(failure) if failure.cause == "docker-missing" => return Some("there is no Docker for `kind`".into()),
        Err(_) => return Some("the Docker engine that `kind` needs does not answer".into()),
    };
    if plan::find_kind().is_err() {
        return Some("Docker is there, but not the program `kind`".into());
    }
    let wanted = wanted(options);
    let missing = wanted.iter().find(|(_, reference)| {
        !docker.image_id(reference).is_ok_and(|id| id.is_some()) && docker.reachable_image(reference).is_err()
    });
    missing.map(|(pinned, reference)| {
        format!("the image of {}, `{reference}`, is not in Docker and cannot be pulled", pinned.what)
    })
}

fn docker() -> Result<(Docker, Versions)> {
    let docker = Docker::find(None)?;
    let versions = docker.versions()?;
    Ok((docker, versions))
}

fn wanted(options: &cli::Kind) -> [(Pinned, String); 3] {
    let or =
        |named: &Option<String>, pinned: Pinned| (pinned, named.clone().unwrap_or_else(|| pinned.reference.into()));
    [or(&options.node_image, NODE), or(&options.redis_image, REDIS), or(&options.base.base_image, BASE)]
}

/// Each image: there, or pulled if that is allowed.
fn find_images(docker: &Docker, asked: &Asked<'_>, console: &Console) -> Vec<(Pinned, Result<String>)> {
    let find =
        |(pinned, reference): (Pinned, String)| (pinned, find_image(docker, pinned, reference, asked.pull, console));
    wanted(asked.options).into_iter().map(find).collect()
}

fn find_image(docker: &Docker, pinned: Pinned, reference: String, pull: bool, console: &Console) -> Result<String> {
    if docker.image_id(&reference)?.is_some() {
        return Ok(reference);
    }
    let Pinned { what, option, variable, .. } = pinned;
    let missing = |error: DockerError| match error {
        DockerError::Interrupted(_) => Failure::from(error),
        error => {
            let (reference, why) = (reference.clone(), error.to_string());
            MachineError::NoImage { what, reference, option, variable, why }.into()
        }
    };
    if !pull {
        return docker.reachable_image(&reference).map(|()| format!("{reference} (will be pulled)")).map_err(missing);
    }
    console.line(Tone::Note, "Pulling", &reference);
    docker.pull(&reference).map_err(missing)?;
    Ok(reference)
}

/// The worker's image: assembled from the project's program, or another one that the engine has or pulls.
fn worker_image(worker: &Worker, docker: Option<&Docker>, pull: bool, console: &Console) -> Result<WorkerChoice> {
    match (worker, docker) {
        (Worker::File(program), _) => plan::own_worker(program),
        (Worker::Image(reference), Some(docker)) => {
            const WORKER: Pinned = Pinned {
                check: "worker-image",
                what: "the worker",
                reference: "",
                option: "--worker-image",
                variable: "LAB_WORKER_IMAGE",
            };
            find_image(docker, WORKER, reference.clone(), pull, console).map(WorkerChoice::Other)
        }
        // Docker's own check tells what is wrong.
        _ => Err(Failure::fault(Exit::Preflight, "failed to look for the worker's image: there is no Docker")),
    }
}

fn volume(options: &cli::Kind) -> Result<VolumeChoice> {
    let client = NfsClient::look().is_there();
    let asked = options.volume.is_some();
    let volume =
        options.volume.unwrap_or(if client || options.nfs_version.is_some() { Volume::Nfs } else { Volume::Directory });
    match volume {
        Volume::Nfs if !client => Err(MachineError::NoNfsClient.into()),
        Volume::Directory if options.nfs_version.is_some() => Err(MachineError::VersionWithoutNfs.into()),
        volume => Ok(VolumeChoice { volume, asked }),
    }
}

fn memory() -> Result<String> {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    // A system that does not say is not refused.
    let Some(free_bytes) = kib.map(|kib| kib << 10) else { return Ok("not told by this system".into()) };
    if free_bytes < MEMORY_BYTES_MIN {
        Err(MachineError::Memory { free_bytes }.into())
    } else {
        Ok(format!("{} free", size(free_bytes)))
    }
}

fn disk(state: &Path) -> Result<String> {
    let there = state.ancestors().find(|path| path.exists()).unwrap_or(state);
    let path = there.display().to_string();
    let free_bytes = free_bytes(there).unwrap_or(u64::MAX);
    if free_bytes < DISK_BYTES_MIN {
        Err(MachineError::Disk { path, free_bytes }.into())
    } else {
        Ok(format!("{} free", size(free_bytes)))
    }
}

/// kind takes a free port of 127.0.0.1 for the API server, and the lab one for Redis; none is fixed.
fn ports() -> Result<String> {
    let bound = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0));
    Ok(bound.map(|_| "free ones on 127.0.0.1".into()).map_err(MachineError::NoPort)?)
}

fn inotify() -> Result<String> {
    let mut told = Vec::new();
    for (name, needed) in INOTIFY_MIN {
        let text = fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).unwrap_or_default();
        let Ok(found) = text.trim().parse::<u64>() else { continue };
        if found < needed {
            return Err(MachineError::Inotify { name, found, needed }.into());
        }
        told.push(format!("{name} {found}"));
    }
    Ok(told.join(", "))
}

impl Explain for MachineError {
    fn exit(&self) -> Exit {
        Exit::Preflight
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::NoImage { .. } => "image-missing",
            Self::Memory { .. } => "memory-short",
            Self::Disk { .. } => "disk-full",
            Self::Inotify { .. } => "inotify-short",
            Self::NoPort(_) => "no-port",
            Self::NoNfsClient => "no-nfs-client",
            Self::VersionWithoutNfs => "usage",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoImage { reference, option, variable, .. } => format!(
                "docker pull {reference}; or name an image that is there with {option} or {variable}; or use --target local"
            ),
            Self::Memory { .. } => "end what takes it, or use --target local".into(),
            Self::Disk { .. } => "docker system prune, or set XDG_STATE_HOME to another disk".into(),
            Self::Inotify { name, needed, .. } => format!("sudo sysctl fs.inotify.{name}={}", needed * 4),
            Self::NoPort(_) => {
                "see what holds them: `ss --tcp --listening`; and that the loopback interface is up".into()
            }
            Self::NoNfsClient => {
                "sudo modprobe nfs (where the kernel has the module), or use --volume directory, or --target local"
                    .into()
            }
            Self::VersionWithoutNfs => "leave --nfs-version away, or use --volume nfs".into(),
        }
    }
}
