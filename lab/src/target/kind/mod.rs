//! Target `kind`: real Kubernetes in Docker, with NFS-Ganesha in a container beside it in place of Filestore.

mod cli;
mod commands;
mod create;
mod down;
mod export;
mod images;
mod kernel;
pub mod plan;
mod status;

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use fs_err as fs;

pub use commands::COMMANDS;
pub use down::{cached_images, leftover, remove_from_docker, remove_orphans, take_down};
pub use images::unpack;
pub use kernel::NfsClient;
pub use plan::Plan;
pub use status::{Seen, look};

use super::kubernetes::standing::Standing;
use super::kubernetes::{Pace, evidence, objects};
use super::{Facts, JobOrder, RunningJob, Share, Site, Target};
use crate::cluster::Cluster;
use crate::console::{Console, plural};
use crate::docker::Docker;
use crate::failure::{Exit, Failure, Result};
use crate::flow::error::FlowError;
use crate::kill_point::kill_point;
use crate::manifests::Values;
use crate::record::Record;
use crate::state::{KindState, LabDir, Lock, Phase, State};
use plan::Volume;

/// The label of everything in Docker that is a lab's; its value is the lab's directory.
pub const LABEL: &str = "batch-ml-lab";
/// Nodes and images are there already.
const PACE: Pace = Pace {
    unschedulable: Duration::from_secs(15),
    scale_up: Duration::from_secs(15),
    redis: Duration::from_secs(180),
    out_of_touch: Duration::from_secs(10),
};

/// The names of a lab's parts in Docker.
#[derive(Debug, Clone)]
pub struct Names {
    /// kind's cluster; its nodes are `CLUSTER-control-plane`, `CLUSTER-worker`, `CLUSTER-worker2`, ….
    pub cluster: String,
    /// The network that nodes and export are on.
    pub network: String,
    /// The export's container.
    pub export: String,
}

impl Names {
    /// Those of the lab with this name.
    pub fn of(lab: &str) -> Self {
        Self { cluster: format!("lab-{lab}"), network: format!("lab-{lab}"), export: format!("lab-{lab}-export") }
    }
}

/// A lab on kind.
pub struct Kind<'a> {
    lab: LabDir,
    lock: Lock,
    state: State,
    plan: Plan,
    docker: Docker,
    names: Names,
    standing: Option<Standing>,
    /// The export's address on the lab's network.
    address: Option<IpAddr>,
    /// Redis's image was made ready on its node while the cluster was made.
    redis_prepared: bool,
    console: &'a Console,
}

impl<'a> Kind<'a> {
    /// Takes up the lab whose lock is held, whatever there is of it. Nothing is changed yet.
    ///
    /// # Errors
    /// When its state cannot be read, says that it stands elsewhere, or that it stands otherwise than is asked now.
    pub fn open(lab: LabDir, lock: Lock, mut plan: Plan, console: &'a Console) -> Result<Self> {
        kill_point("up-locked");
        let mut state = lab.read()?.unwrap_or_else(|| State::begin(lab.name(), Target::Kind.name()));
        super::check_target(&state, Target::Kind)?;
        let asked = plan.as_state(&Names::of(lab.name()));
        let kind = match state.kind.take() {
            Some(known) => plan.take_up(known, asked, lab.name())?,
            None => asked,
        };
        plan.nfs_version = kind.nfs_version;
        state.kind = Some(kind);
        let docker = plan.docker.clone().marked(lab.marker());
        let names = Names::of(lab.name());
        let (standing, address) = Default::default();
        Ok(Self { lab, lock, state, plan, docker, names, standing, address, redis_prepared: false, console })
    }

    fn save(&self) -> Result<()> {
        Ok(self.lab.write(&self.state)?)
    }

    fn kind(&mut self) -> &mut KindState {
        let asked = self.plan.as_state(&self.names);
        self.state.kind.get_or_insert(asked)
    }

    fn standing(&self) -> Result<&Standing> {
        Ok(self.standing.as_ref().ok_or(FlowError::OutOfOrder("a cluster"))?)
    }

    fn standing_mut(&mut self) -> Result<&mut Standing> {
        Ok(self.standing.as_mut().ok_or(FlowError::OutOfOrder("a cluster"))?)
    }

    fn cluster(&self) -> Result<&Cluster> {
        Ok(self.standing()?.cluster())
    }

    fn node_count(&self) -> usize {
        1 + self.plan.spot_nodes as usize
    }

    /// What the edits of the manifests put in.
    fn values(&self) -> Values {
        let nfs = self.plan.volume.volume == Volume::Nfs;
        Values {
            server: self.address.filter(|_| nfs).map(|address| address.to_string()),
            host_directory: !nfs,
            mount_options: self.plan.mount_options(),
            redis_image: Some(self.plan.redis_image.clone()),
            never_pull: true,
            tolerate_spot: true,
            ..Values::default()
        }
    }
}

impl Site for Kind<'_> {
    fn up_environment(&mut self) -> Result<String> {
        // What a lab that was killed had started must not go on beside us.
        self.lab.marker().sweep(None);
        let was_up = self.state.phase == Phase::Up;
        self.state.phase = Phase::Creating;
        self.save()?;
        kill_point("up-state-written");
        let (told, address) = create::environment(self)?;
        self.address = Some(address);
        let standing = Standing::open(&self.lab.kubeconfig(), PACE)?;
        let nodes = objects::wait_for_api(standing.cluster(), self.node_count())?;
        let version = standing.cluster().version()?;
        self.standing = Some(standing);
        let name = self.lab.name();
        let told = if was_up { format!("lab `{name}` is up already, since {}", self.state.created) } else { told };
        Ok(format!("{told}; Kubernetes {version}, {}", plural(nodes.len(), "node")))
    }

    fn up_volume(&mut self) -> Result<String> {
        let export = export::describe(self)?;
        export::forget_old_mount(self, self.standing()?)?;
        self.standing()?.up_volume(&self.values())?;
        kill_point("kind-volume-made");
        Ok(format!("{export}; {}", self.plan.volume.words()))
    }

    fn up_claim(&mut self) -> Result<String> {
        self.standing()?.up_claim(&self.values())
    }

    fn up_redis(&mut self) -> Result<String> {
        let (values, node_count) = (self.values(), self.node_count());
        images::load_redis(self, self.cluster()?)?;
        self.standing_mut()?.up_redis(&values)?;
        kill_point("kind-redis-ready");
        let told = self.standing_mut()?.try_share()?;
        // Nobody needs the Spot nodes before this; they come up while all of the above is made.
        let nodes = objects::wait_for_nodes(self.cluster()?, node_count)?;
        kill_point("kind-nodes-ready");
        self.state.phase = Phase::Up;
        self.save()?;
        kill_point("up-done");
        Ok(format!("{told}; {} ready", plural(nodes.len(), "node")))
    }

    fn up_service(&mut self) -> Result<String> {
        self.standing()?.up_service()
    }

    fn facts(&self) -> Facts {
        let inside = self.standing.as_ref().map(Standing::versions).unwrap_or_default();
        let mounted = self.standing.as_ref().map_or("not mounted", Standing::mounted);
        Facts {
            versions: self.plan.versions().into_iter().chain(inside).collect(),
            notes: vec![self.plan.volume.words(), format!("share in pods: {mounted}")],
        }
    }

    fn redis(&self) -> Result<redis::Connection> {
        self.standing()?.redis()
    }

    fn fill_queue(&self, list: &str, items: &[String]) -> Result<()> {
        self.standing()?.fill_queue(list, items)
    }

    fn redis_log(&self) -> String {
        self.standing.as_ref().map(Standing::redis_log).unwrap_or_default()
    }

    fn share(&self) -> Result<&dyn Share> {
        Ok(&self.standing()?.share)
    }

    fn start_job(&self, order: JobOrder, record: &Record) -> Result<Box<dyn RunningJob>> {
        let image = images::load_worker(self, self.cluster()?)?;
        self.standing()?.start_job(order, image, self.values(), record)
    }

    fn gather(&self, record: &Record, red: bool) -> Result<()> {
        if let Some(standing) = &self.standing {
            evidence::gather(standing.cluster(), record)?;
        }
        let mut texts =
            vec![(format!("cluster/{}.log", self.names.export), self.docker.logs(&self.names.export, 2000))];
        if red {
            for node in self.docker.containers((create::KIND_LABEL, &self.names.cluster)).unwrap_or_default() {
                for unit in ["kubelet", "containerd"] {
                    let journal = self.docker.exec(&node, &["journalctl", "--no-pager", "--unit", unit], &[]);
                    let journal = journal.map(|ended| String::from_utf8_lossy(&ended.stdout).into_owned());
                    texts.push((format!("cluster/{node}/{unit}.log"), journal));
                }
            }
        }
        for (path, text) in texts {
            // What cannot be had says so in its place.
            record.set_text(&path, &text.unwrap_or_else(|error| format!("{error}\n")))?;
        }
        Ok(())
    }

    fn begin_run(&mut self, record: &Path) -> Result<()> {
        // A red run leaves its Job to be looked at; once its trouble is mended it would work on this run's share and queue.
        objects::remove_job(self.cluster()?)?;
        self.state.last_run = Some(record.into());
        self.save()
    }

    fn down(self: Box<Self>) -> Result<String> {
        let Self { lab, lock, state, standing, docker, .. } = *self;
        drop(standing);
        take_down(&docker, &lab, lock, Some(state))
    }
}

/// The directory that the export serves.
fn make_export_dir(lab: &LabDir) -> Result<()> {
    let path = lab.export();
    let failed =
        |error: std::io::Error| Failure::fault(Exit::Lab, &format!("failed to make the export's directory: {error}"));
    fs::create_dir_all(path).map_err(failed)
}
