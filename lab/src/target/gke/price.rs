//! What a lab costs while it stands, from the dated table beside this file.

use serde::Deserialize;

use super::settings::Settings;
use crate::failure::{Exit, Failure, Result};

/// Hours of a month, as Google counts them.
const HOURS_A_MONTH: f64 = 730.0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    dated: String,
    region: String,
    cluster: ClusterPrice,
    autopilot: Autopilot,
    standard: Standard,
    filestore: std::collections::BTreeMap<String, f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterPrice {
    fee_hour: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Autopilot {
    default_vcpu: f64,
    default_memory_gib: f64,
    vcpu_hour: f64,
    memory_gib_hour: f64,
    spot_vcpu_hour: f64,
    spot_memory_gib_hour: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Standard {
    node_hour: f64,
    spot_node_hour: f64,
    disk_gib_month: f64,
    disk_gib: f64,
}

/// What a lab costs, in US dollars an hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Bill {
    /// The cluster and what runs in it, but for a pool of its own.
    pub cluster: f64,
    /// The pool of Spot nodes of a Standard cluster.
    pub pool: f64,
    /// The share.
    pub filestore: f64,
    /// Each part in words, with its price an hour.
    pub parts: Vec<(String, f64)>,
    /// What one must know to believe it.
    pub note: String,
}

impl Bill {
    /// The bill of a lab.
    ///
    /// # Errors
    /// When the table is not one, or lacks the tier: both are faults of the lab.
    pub fn of(settings: &Settings) -> Result<Self> {
        let fault = |why: String| Failure::fault(Exit::Lab, &format!("failed to read the price table: {why}"));
        let table: Table = toml::from_str(include_str!("prices.toml")).map_err(|error| fault(error.to_string()))?;
        let a_gib = table.filestore.get(&settings.tier).ok_or_else(|| fault(format!("it lacks {}", settings.tier)))?;
        let gib = settings.capacity_gb() as f64;
        let filestore = a_gib * gib;
        let mut parts = vec![
            (format!("Filestore {}, {gib} GiB", settings.tier), filestore),
            ("cluster fee".into(), table.cluster.fee_hour),
        ];
        let mut pool = 0.0;
        if settings.standard {
            let Standard { node_hour, spot_node_hour, disk_gib_month, disk_gib } = table.standard;
            let disk = disk_gib_month * disk_gib / HOURS_A_MONTH;
            pool = spot_node_hour + disk;
            parts.push(("an ordinary node".into(), node_hour + disk));
            parts.push(("a Spot node".into(), pool));
        } else {
            let Autopilot { default_vcpu: vcpu, default_memory_gib: gib, .. } = table.autopilot;
            let pod = |a_vcpu: f64, a_gib: f64| vcpu * a_vcpu + gib * a_gib;
            parts.push(("Redis's pod".into(), pod(table.autopilot.vcpu_hour, table.autopilot.memory_gib_hour)));
            let spot = pod(table.autopilot.spot_vcpu_hour, table.autopilot.spot_memory_gib_hour);
            parts.push(("a Spot pod while the Job runs".into(), spot));
        }
        let cluster = parts.iter().map(|(_, price)| price).sum::<f64>() - filestore - pool;
        let elsewhere = if settings.region == table.region { "" } else { ", not this region's" };
        let note = format!("by the table of {} for {}{elsewhere}; your bill decides", table.dated, table.region);
        Ok(Self { cluster, pool, filestore, parts, note })
    }

    /// All of it, an hour.
    pub fn hour(&self) -> f64 {
        self.cluster + self.pool + self.filestore
    }

    /// `about $0.43 an hour, $10.26 a day`.
    pub fn words(&self) -> String {
        in_words(self.hour())
    }
}

/// A price an hour, in words.
pub fn in_words(usd_per_hour: f64) -> String {
    format!("about ${usd_per_hour:.2} an hour, ${:.2} a day", usd_per_hour * 24.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(tier: &str, capacity: &str, standard: bool, region: &str) -> Settings {
        Settings {
            project: "my-project".into(),
            region: region.into(),
            zone: format!("{region}-b"),
            standard,
            network: "default".into(),
            tier: tier.into(),
            capacity: capacity.into(),
            release_channel: "regular".into(),
            image_repository: "x.y/z".into(),
            ttl_s: 7200,
        }
    }

    /// The tutorial's lab costs what its parts cost: 0.28 for the terabyte, 0.10 for the cluster, and two small pods.
    #[test]
    fn the_tutorials_lab_has_its_price() {
        let bill = Bill::of(&settings("BASIC_HDD", "1TB", false, "us-central1")).unwrap();
        assert!((bill.filestore - 0.2806).abs() < 1e-4, "{}", bill.filestore);
        let parts: f64 = bill.parts.iter().map(|(_, price)| price).sum();
        assert!((bill.hour() - parts).abs() < 1e-9 && bill.hour() > bill.filestore + 0.10);
        assert_eq!(bill.words(), format!("about ${:.2} an hour, ${:.2} a day", bill.hour(), bill.hour() * 24.0));
        assert!(!bill.note.contains("not this region's"));
    }

    /// More costs more, a Standard cluster has its nodes on the bill, and another region is said to be another one.
    #[test]
    fn a_bill_follows_what_is_asked() {
        let one = Bill::of(&settings("BASIC_HDD", "1TB", false, "us-central1")).unwrap();
        let two = Bill::of(&settings("BASIC_HDD", "2TB", false, "us-central1")).unwrap();
        assert!((two.filestore - 2.0 * one.filestore).abs() < 1e-9);
        let standard = Bill::of(&settings("BASIC_HDD", "1TB", true, "europe-west4")).unwrap();
        assert!(standard.pool > 0.0 && standard.note.contains("not this region's"));
        assert_eq!(one.pool, 0.0);
    }

    /// Every price is above nothing and below what a lab could cost, and every tier has one.
    #[test]
    fn the_table_is_sane() {
        for (tier, capacity) in
            [("BASIC_HDD", "1TB"), ("BASIC_SSD", "2.5TB"), ("ZONAL", "1TB"), ("REGIONAL", "1TB"), ("ENTERPRISE", "1TB")]
        {
            for standard in [false, true] {
                let bill = Bill::of(&settings(tier, capacity, standard, "us-central1")).unwrap();
                assert!(bill.parts.iter().all(|(_, price)| (0.001..2.0).contains(price)), "{bill:?}");
            }
        }
    }
}
