//! A cluster with the tutorial's objects in it, as the flow uses it: what `kind` and `gke` do in the same way.

use std::path::Path;
use std::sync::OnceLock;

use k8s_openapi::api::core::v1::PersistentVolume;

use super::job::KubeJob;
use super::share::PodShare;
use super::{Pace, REDIS_POD, REDIS_PORT, VOLUME, objects};
use crate::cluster::{Cluster, ClusterError, Forward};
use crate::failure::Result;
use crate::manifests::{self, Values};
use crate::record::Record;
use crate::target::{JobOrder, RunningJob};

/// Items pushed by one command: each is an argument, and the API server takes them in a URL.
const ITEMS_AT_A_TIME: usize = 50;

/// The cluster that a lab stands on.
pub struct Standing {
    cluster: Cluster,
    /// The share, through a pod.
    pub share: PodShare,
    pace: Pace,
    forward: OnceLock<Forward>,
    redis_version: Option<String>,
    /// How the share is mounted where Redis runs.
    mounted: Option<String>,
}

impl Standing {
    /// The cluster of this kubeconfig.
    ///
    /// # Errors
    /// When the file is not a kubeconfig, or its way of authentication fails.
    pub fn open(kubeconfig: &Path, pace: Pace) -> Result<Self, ClusterError> {
        let cluster = Cluster::open(kubeconfig)?;
        let share = PodShare(cluster.clone());
        Ok(Self { cluster, share, pace, forward: OnceLock::new(), redis_version: None, mounted: None })
    }

    /// The cluster's client.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Applies a manifest with the edits that these values ask for.
    ///
    /// # Errors
    /// When the API server refuses.
    pub fn apply(&self, file: &str, values: &Values) -> Result<()> {
        Ok(self.cluster.apply(&manifests::edited(file, values)?)?)
    }

    /// A volume that is mounted cannot change its server or its options. Where the share has another address, or other
    /// options are asked for, everything that hangs on the old one goes, and why is said; the data stay.
    ///
    /// # Errors
    /// When the cluster does not let it go.
    pub fn forget_old_mount(&self, wanted: &Values) -> Result<Option<String>> {
        let volume: Option<PersistentVolume> = self.cluster.get_global(VOLUME)?;
        let Some(spec) = volume.and_then(|volume| volume.spec) else { return Ok(None) };
        let (Some(old), Some(new)) = (spec.nfs.map(|nfs| nfs.server), &wanted.server) else { return Ok(None) };
        let options = spec.mount_options.unwrap_or_default();
        let why = if old != *new {
            format!("moved from {old} to {new}")
        } else if options != wanted.mount_options {
            format!("was mounted with {}, now with {}", in_words(&options), in_words(&wanted.mount_options))
        } else {
            return Ok(None);
        };
        objects::remove_storage(&self.cluster)?;
        Ok(Some(why))
    }

    /// Applies the volume.
    ///
    /// # Errors
    /// When the API server refuses.
    pub fn up_volume(&self, values: &Values) -> Result<()> {
        self.apply(manifests::PERSISTENT_VOLUME, values)
    }

    /// Applies the claim, waits until it is bound, and says to what.
    ///
    /// # Errors
    /// When it is not.
    pub fn up_claim(&self, values: &Values) -> Result<String> {
        self.apply(manifests::PERSISTENT_VOLUME_CLAIM, values)?;
        objects::wait_for_claim(&self.cluster)
    }

    /// Applies Redis and waits until it serves.
    ///
    /// # Errors
    /// When it does not.
    pub fn up_redis(&mut self, values: &Values) -> Result<()> {
        self.apply(manifests::REDIS_POD, values)?;
        self.redis_version = Some(objects::wait_for_redis(&self.cluster, &self.pace)?);
        Ok(())
    }

    /// Tries the share as workers will use it, and says how it and Redis are.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub fn try_share(&mut self) -> Result<String> {
        let free = self.share.probe()?;
        let mounted = self.share.mounted()?;
        let version = self.redis_version.clone().unwrap_or_default();
        let told = format!(
            "{version} in pod `{REDIS_POD}`; the share is {mounted}, written to, renamed and read back, {free} free"
        );
        self.mounted = Some(mounted);
        Ok(told)
    }

    /// Applies the service and waits until it leads to Redis.
    ///
    /// # Errors
    /// When it does not.
    pub fn up_service(&self) -> Result<String> {
        self.apply(manifests::REDIS_SERVICE, &Values::default())?;
        objects::wait_for_service(&self.cluster)
    }

    /// A connection to Redis, through a port of this machine.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn redis(&self) -> Result<redis::Connection> {
        let forward = match self.forward.get() {
            Some(forward) => forward,
            None => {
                let forward = self.cluster.forward(REDIS_POD, REDIS_PORT)?;
                self.forward.get_or_init(|| forward)
            }
        };
        Ok(crate::redis_server::connect(forward.port())?)
    }

    /// Empties the database and pushes the items as the tutorial does, from within the pod.
    ///
    /// # Errors
    /// When Redis refuses.
    pub fn fill_queue(&self, list: &str, items: &[String]) -> Result<()> {
        let run = |command: &[&str]| -> Result<String, ClusterError> {
            let output = self.cluster.exec(REDIS_POD, command)?;
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        run(&["redis-cli", "FLUSHDB"])?;
        for items in items.chunks(ITEMS_AT_A_TIME) {
            let mut command = vec!["redis-cli", "RPUSH", list];
            command.extend(items.iter().map(String::as_str));
            let said = run(&command)?;
            // redis-cli ends well whatever Redis says; a length is what it says when it did it.
            if said.parse::<usize>().is_err() {
                let (pod, command) = (REDIS_POD.into(), format!("redis-cli RPUSH {list} …"));
                return Err(ClusterError::Exec { pod, command, why: said }.into());
            }
        }
        Ok(())
    }

    /// What Redis wrote into its log.
    pub fn redis_log(&self) -> String {
        objects::redis_log(&self.cluster)
    }

    /// Starts the Job of this image; `values` is what the target adds.
    ///
    /// # Errors
    /// When the API server refuses, or the record cannot be written.
    pub fn start_job(
        &self,
        order: JobOrder,
        image: String,
        values: Values,
        record: &Record,
    ) -> Result<Box<dyn RunningJob>> {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        let values = Values {
            worker_image: Some(image),
            parallelism: Some(order.parallelism),
            settings: order.settings.into_iter().map(|(name, value)| (name, text(value))).collect(),
            ..values
        };
        let job = KubeJob::watch(&self.cluster, record, order.parallelism, self.pace)?;
        self.apply(manifests::WORKLOAD, &values)?;
        Ok(Box::new(job))
    }

    /// The versions of what runs in it.
    pub fn versions(&self) -> Vec<(String, String)> {
        let redis = self.redis_version.clone().map(|version| ("redis".into(), version));
        let kubernetes = self.cluster.version().ok().map(|version| ("kubernetes".into(), version));
        redis.into_iter().chain(kubernetes).collect()
    }

    /// How pods have the share, as the kernel says it.
    pub fn mounted(&self) -> &str {
        self.mounted.as_deref().unwrap_or("not mounted")
    }
}

fn in_words(options: &[String]) -> String {
    if options.is_empty() { "no options".into() } else { options.join(",") }
}
