//! What `docker inspect` says of a container, as far as the lab wants to know it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// A container as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its ID.
    pub id: String,
    /// The ID of its image.
    pub image_id: String,
    /// Docker's word for its state: `created`, `running`, `paused`, `restarting`, `exited`, `dead`.
    pub status: String,
    /// How it ended, if it has.
    pub exit_code: i32,
    /// What Docker says went wrong with it; empty if nothing did.
    pub error: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The networks that it is on, or will be when it runs.
    pub networks: BTreeSet<String>,
    /// Its address on each network where it has one: while it runs.
    pub addresses: BTreeMap<String, IpAddr>,
    /// For each of its ports that 127.0.0.1 forwards: of the container, of this machine.
    pub ports: BTreeMap<u16, u16>,
    /// For each directory of this machine that it sees: where it sees it, where it lies.
    pub binds: BTreeMap<String, PathBuf>,
}

impl Container {
    /// It runs now.
    pub fn is_running(&self) -> bool {
        self.status == "running"
    }
}

/// The one container in what `docker container inspect NAME` prints.
pub(super) fn parse(json: &[u8]) -> serde_json::Result<Container> {
    let [one]: [Inspected; 1] = serde_json::from_slice(json)?;
    let settings = one.network_settings;
    let networks = settings.networks.keys().cloned().collect();
    let addresses = settings.networks.into_iter().filter_map(|(name, network)| Some((name, network.address()?)));
    let forwarded = settings.ports.into_iter().filter_map(|(port, hosts)| {
        let (number, _protocol) = port.split_once('/')?;
        let host = hosts.unwrap_or_default().into_iter().next()?;
        Some((number.parse().ok()?, host.host_port.parse().ok()?))
    });
    Ok(Container {
        id: one.id,
        image_id: one.image,
        status: one.state.status,
        exit_code: one.state.exit_code,
        error: one.state.error,
        labels: one.config.labels.unwrap_or_default(),
        networks,
        addresses: addresses.collect(),
        ports: forwarded.collect(),
        binds: one.mounts.into_iter().filter(|mount| mount.kind == "bind").map(Mount::pair).collect(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    image: String,
    state: State,
    config: Config,
    network_settings: NetworkSettings,
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    exit_code: i32,
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default)]
    networks: BTreeMap<String, Network>,
    #[serde(default)]
    ports: BTreeMap<String, Option<Vec<Host>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    #[serde(rename = "IPAddress", default)]
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Host {
    host_port: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(rename = "Type")]
    kind: String,
    source: PathBuf,
    destination: String,
}

impl Mount {
    fn pair(self) -> (String, PathBuf) {
        (self.destination, self.source)
    }
}

impl Network {
    /// Its address; it is empty, or not an address at all, while the container does not run.
    fn address(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }
}
