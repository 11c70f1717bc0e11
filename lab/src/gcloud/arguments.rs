//! What is typed after `gcloud`, as pure functions: the tutorial's own words, with labels and `--async` added.

use crate::ledger::Kind;

/// The machine of a Standard cluster's nodes.
pub const MACHINE: &str = "e2-standard-2";
/// Its CPUs.
pub const MACHINE_CPUS: i64 = 2;
/// The taint of Spot nodes; Autopilot puts it there by itself.
const SPOT_TAINT: &str = "--node-taints=cloud.google.com/gke-spot=true:NoSchedule";
/// A Standard node's disk, which GKE would otherwise make of 100 GB.
const DISK: [&str; 2] = ["--disk-type=pd-standard", "--disk-size=50"];
/// Its size.
pub const DISK_GB: i64 = 50;

/// A cluster to be made.
#[derive(Debug, Clone, Copy)]
pub struct Cluster<'a> {
    /// Its name.
    pub name: &'a str,
    /// Region, or zone of a Standard one.
    pub location: &'a str,
    /// Standard, with nodes of one's own; else Autopilot.
    pub standard: bool,
    /// The network.
    pub network: &'a str,
    /// The release channel.
    pub release_channel: &'a str,
    /// `KEY=VALUE,…`.
    pub labels: &'a str,
}

/// A node pool of Spot nodes to be made.
#[derive(Debug, Clone, Copy)]
pub struct Pool<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its cluster.
    pub cluster: &'a str,
    /// The cluster's location.
    pub location: &'a str,
}

/// A Filestore instance to be made.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its zone, or region for the tiers that are regional.
    pub location: &'a str,
    /// The tier.
    pub tier: &'a str,
    /// The share's name.
    pub share: &'a str,
    /// The share's capacity, as gcloud reads it: `1TB`.
    pub capacity: &'a str,
    /// The network.
    pub network: &'a str,
    /// `KEY=VALUE,…`.
    pub labels: &'a str,
}

impl Cluster<'_> {
    /// `container clusters create-auto …`, or `create …`.
    pub fn arguments(&self) -> Vec<String> {
        let Self { name, location, standard, network, release_channel, labels } = self;
        let command = if *standard { "create" } else { "create-auto" };
        let mut words = owned(&["container", "clusters", command, name]);
        words.push(place_flag(location));
        if *standard {
            words.extend(["--num-nodes=1".into(), format!("--machine-type={MACHINE}")]);
            words.extend(owned(&DISK));
        }
        words.push(format!("--network={network}"));
        words.push(format!("--release-channel={release_channel}"));
        words.extend([format!("--labels={labels}"), "--async".into()]);
        words
    }
}

impl Pool<'_> {
    /// `container node-pools create …`.
    pub fn arguments(&self) -> Vec<String> {
        let Self { name, cluster, location } = self;
        let mut words = owned(&["container", "node-pools", "create", name]);
        words.extend([format!("--cluster={cluster}"), place_flag(location)]);
        words.extend(owned(&["--spot", "--num-nodes=1"]));
        words.push(format!("--machine-type={MACHINE}"));
        words.extend(owned(&DISK));
        words.extend(owned(&[SPOT_TAINT, "--async"]));
        words
    }
}

impl Instance<'_> {
    /// `filestore instances create …`.
    pub fn arguments(&self) -> Vec<String> {
        let Self { name, location, tier, share, capacity, network, labels } = self;
        let mut words = owned(&["filestore", "instances", "create", name]);
        words.extend([
            share_flag(location),
            format!("--tier={tier}"),
            format!("--file-share=name={share},capacity={capacity}"),
            format!("--network=name={network}"),
            format!("--labels={labels}"),
            "--async".into(),
        ]);
        words
    }
}

/// `… list`.
pub fn list(kind: Kind) -> [&'static str; 3] {
    match kind {
        Kind::Filestore => ["filestore", "instances", "list"],
        Kind::Cluster | Kind::NodePool => ["container", "clusters", "list"],
    }
}

/// `… describe NAME …`; a node pool's name is `CLUSTER/POOL`.
pub fn describe(kind: Kind, name: &str, location: &str) -> Vec<String> {
    match kind {
        Kind::Cluster => {
            let mut words = owned(&["container", "clusters", "describe", name]);
            words.push(place_flag(location));
            words
        }
        Kind::Filestore => {
            let mut words = owned(&["filestore", "instances", "describe", name]);
            words.push(share_flag(location));
            words
        }
        Kind::NodePool => {
            let (cluster, pool) = name.split_once('/').unwrap_or((name, name));
            let mut words = owned(&["container", "node-pools", "describe", pool]);
            words.extend([format!("--cluster={cluster}"), place_flag(location)]);
            words
        }
    }
}

/// `… delete NAME …`. A node pool goes with its cluster and is never deleted alone.
pub fn delete(kind: Kind, name: &str, location: &str) -> Vec<String> {
    let mut words = match kind {
        Kind::Filestore => owned(&["filestore", "instances", "delete", name]),
        Kind::Cluster | Kind::NodePool => owned(&["container", "clusters", "delete", name]),
    };
    words.push(if kind == Kind::Filestore { share_flag(location) } else { place_flag(location) });
    words.push("--async".into());
    words
}

/// `--region=…` or `--zone=…`, as the tutorial types them.
pub fn place_flag(location: &str) -> String {
    if is_zone(location) { format!("--zone={location}") } else { format!("--region={location}") }
}

/// The same for Filestore, whose flag for regions is another one.
pub fn share_flag(location: &str) -> String {
    if is_zone(location) { format!("--zone={location}") } else { format!("--location={location}") }
}

/// Zones are regions with a letter: `us-central1-b`.
pub fn is_zone(location: &str) -> bool {
    location.rsplit_once('-').is_some_and(|(region, letter)| {
        letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_lowercase()) && region.contains('-')
    })
}

/// The region that a zone is in; a region itself.
pub fn region_of(location: &str) -> &str {
    if is_zone(location) { location.rsplit_once('-').map_or(location, |(region, _)| region) } else { location }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without labels and `--async`, what is typed is what the tutorial types, and two words that its cluster's defaults say.
    #[test]
    fn the_tutorials_commands_are_typed() {
        let typed = |words: Vec<String>| {
            let own = ["--labels=", "--async", "--release-channel=regular", "--network=default"];
            let kept = words.into_iter().filter(|word| !own.iter().any(|own| word.starts_with(own)));
            format!("gcloud {}", kept.collect::<Vec<_>>().join(" "))
        };
        let cluster = Cluster {
            name: "batch-aiml",
            location: "us-central1",
            standard: false,
            network: "default",
            release_channel: "regular",
            labels: "a=b",
        };
        assert_eq!(typed(cluster.arguments()), "gcloud container clusters create-auto batch-aiml --region=us-central1");
        let instance = Instance {
            name: "batch-aiml-filestore",
            location: "us-central1-b",
            tier: "BASIC_HDD",
            share: "NFSVol",
            capacity: "1TB",
            network: "default",
            labels: "a=b",
        };
        assert_eq!(
            typed(instance.arguments()),
            "gcloud filestore instances create batch-aiml-filestore --zone=us-central1-b --tier=BASIC_HDD \
             --file-share=name=NFSVol,capacity=1TB --network=name=default"
        );
        let gone = |kind, name, place| typed(delete(kind, name, place));
        assert_eq!(
            gone(Kind::Cluster, "batch-aiml", "us-central1"),
            "gcloud container clusters delete batch-aiml --region=us-central1"
        );
        assert_eq!(
            gone(Kind::Filestore, "batch-aiml-filestore", "us-central1-b"),
            "gcloud filestore instances delete batch-aiml-filestore --zone=us-central1-b"
        );
    }

    /// What a node takes of a quota is what it is asked for with.
    #[test]
    fn a_node_is_as_large_as_it_is_said_to_be() {
        assert!(MACHINE.ends_with(&format!("-{MACHINE_CPUS}")));
        assert!(DISK.contains(&format!("--disk-size={DISK_GB}").as_str()));
    }

    /// A zone is known by its letter.
    #[test]
    fn zones_are_not_regions() {
        assert_eq!(place_flag("us-central1-b"), "--zone=us-central1-b");
        assert_eq!(place_flag("us-central1"), "--region=us-central1");
        assert_eq!((region_of("europe-west4-a"), region_of("us-east1")), ("europe-west4", "us-east1"));
    }

    /// A Standard cluster takes ordinary pods on a node of its own, and Spot pods alone on the others.
    #[test]
    fn spot_nodes_are_tainted() {
        let pool = Pool { name: "spot", cluster: "batch-aiml", location: "us-central1-b" };
        let words = pool.arguments();
        assert!(words.contains(&"--spot".to_owned()) && words.contains(&SPOT_TAINT.to_owned()), "{words:?}");
    }
}
