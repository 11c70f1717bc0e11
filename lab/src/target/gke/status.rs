//! What is up of a lab on GKE, and what it costs. Looks and touches nothing.

use std::thread;

use jiff::Timestamp;
use serde::Serialize;

use super::settings::Settings;
use super::{Names, gcloud_of, open_of_lab, price};
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::gcloud::{Gcloud, Program};
use crate::ledger::{Kind, Ledger};
use crate::state::{LabDir, State};
use crate::target::kubernetes::look::Inside;

/// What was seen.
#[derive(Debug, Default, Serialize)]
pub struct Seen {
    /// The project that pays.
    pub project: String,
    /// What the labels say.
    pub lab_id: String,
    /// Cluster and instance: name, and how the cloud says that they are.
    pub things: Vec<(String, String)>,
    /// What the ledger says may exist.
    pub ledger: Vec<String>,
    /// What that costs an hour, by the price table.
    pub usd_per_hour: f64,
    /// Until when it is meant to live, RFC 3339.
    pub until: String,
    /// It was not meant to live so long.
    pub overdue: bool,
    /// Nodes: name, and `Ready` or what is wrong.
    pub nodes: Vec<(String, String)>,
    /// Redis's pod, in words.
    pub redis: String,
    /// How a person reaches the cluster.
    pub kubectl: String,
    /// Waiting, processing and set aside, where Redis answers.
    pub queue: Option<(u64, u64, u64)>,
    /// All of it serves.
    pub serves: bool,
}

impl Seen {
    /// What it costs, in words.
    pub fn price(&self) -> String {
        price::in_words(self.usd_per_hour)
    }
}

/// Looks.
pub fn look(lab: &LabDir, state: &State, ledger: &Ledger) -> Seen {
    let Some(known) = &state.gke else { return Seen::default() };
    let open = open_of_lab(lab, Some(known), ledger).unwrap_or_default();
    let mut seen = Seen {
        project: known.settings.project.clone(),
        lab_id: known.lab_id.clone(),
        ledger: open.iter().map(|open| open.resource.to_string()).collect(),
        usd_per_hour: open.iter().map(|open| open.resource.usd_per_hour).sum(),
        until: known.until.clone(),
        overdue: known.until.parse::<Timestamp>().is_ok_and(|until| Timestamp::now() > until),
        redis: "unknown".into(),
        kubectl: format!("kubectl --kubeconfig {} get pods", lab.kubeconfig().display()),
        ..Seen::default()
    };
    let program = match Program::locate() {
        Ok(program) => program,
        Err(error) => return Seen { redis: error.to_string(), ..seen },
    };
    let Ok(names) = Names::of(lab.name()) else { return seen };
    seen.things = things(&gcloud_of(program, &known.settings, lab), &names, &known.settings);
    match Cluster::open(&lab.kubeconfig()) {
        Err(error) => seen.redis = error.to_string(),
        Ok(cluster) => {
            Inside { nodes: seen.nodes, redis: seen.redis, queue: seen.queue } = Inside::look(&cluster);
        }
    }
    seen.serves = seen.queue.is_some();
    seen
}

/// Cluster and instance as the cloud shows them now; what cannot be had says why in its place.
pub(super) fn things(gcloud: &Gcloud, names: &Names, settings: &Settings) -> Vec<(String, String)> {
    let look = |kind, name: &str, location: &str| match gcloud.look(kind, name, location) {
        Ok(Some(thing)) => thing.word,
        Ok(None) => "not there".into(),
        Err(error) => Failure::from(error).error,
    };
    let (cluster, filestore) = thread::scope(|scope| {
        let filestore = scope.spawn(|| look(Kind::Filestore, &names.filestore, settings.filestore_location()));
        let cluster = look(Kind::Cluster, &names.cluster, settings.cluster_location());
        (cluster, filestore.join().unwrap_or_else(|_| "the look at it panicked".into()))
    });
    vec![
        (format!("cluster `{}`", names.cluster), cluster),
        (format!("Filestore instance `{}`", names.filestore), filestore),
    ]
}
