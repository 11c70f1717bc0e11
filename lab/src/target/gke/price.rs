//! What a lab costs while it stands, from the dated table beside this file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::settings::Settings;
use crate::failure::{Exit, Failure, Result};

/// The table. Each row has its own date and source.
const TABLE: &str = include_str!("prices.toml");
/// Hours of a month, as Google counts them.
const HOURS_A_MONTH: f64 = 730.0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    region: String,
    autopilot: Autopilot,
    standard: Standard,
    price: BTreeMap<String, Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Autopilot {
    default_vcpu: f64,
    default_memory_gib: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Standard {
    disk_gib: f64,
}

/// One price, when and where it was looked at, and by whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    usd: f64,
    dated: jiff::civil::Date,
    source: String,
    seen: SeenBy,
}

/// Who has looked at a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SeenBy {
    /// It was read in a copy of the page.
    Page,
    /// Others quote it from the page.
    Quoted,
    /// It was compared with nothing.
    Nobody,
}

impl Table {
    fn read() -> Result<Self> {
        toml::from_str(TABLE).map_err(|error| fault(&error.to_string()))
    }

    fn row(&self, name: &str) -> Result<&Row> {
        self.price.get(name).ok_or_else(|| fault(&format!("it lacks {name}")))
    }
}

fn fault(why: &str) -> Failure {
    Failure::fault(Exit::Lab, &format!("failed to read the price table: {why}"))
}

/// The price of this row of the table.
///
/// # Errors
/// When there is none: a fault of the lab.
pub fn of(name: &str) -> Result<f64> {
    Ok(Table::read()?.row(name)?.usd)
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
        let table = Table::read()?;
        // The oldest row of those that make the bill is as old as the bill.
        let mut dated: Option<jiff::civil::Date> = None;
        let mut unseen = String::new();
        let mut price = |name: &str| -> Result<f64> {
            let row = table.row(name)?;
            if row.seen == SeenBy::Nobody {
                unseen.push_str(&format!("; nobody has compared {name} with {} yet", row.source));
            }
            dated = Some(dated.map_or(row.dated, |dated| dated.min(row.dated)));
            Ok(row.usd)
        };
        let gib = settings.capacity_gb() as f64;
        let filestore = price(&settings.tier)? * gib;
        let mut parts = vec![
            (format!("Filestore {}, {gib} GiB", settings.tier), filestore),
            ("cluster fee".into(), price("cluster")?),
        ];
        let mut pool = 0.0;
        if settings.standard {
            let disk = price("disk-gib-month")? * table.standard.disk_gib / HOURS_A_MONTH;
            pool = price("spot-node")? + disk;
            parts.push(("an ordinary node".into(), price("node")? + disk));
            parts.push(("a Spot node".into(), pool));
        } else {
            let Autopilot { default_vcpu: vcpu, default_memory_gib: gib } = table.autopilot;
            parts.push(("Redis's pod".into(), vcpu * price("vcpu")? + gib * price("memory-gib")?));
            let spot = vcpu * price("spot-vcpu")? + gib * price("spot-memory-gib")?;
            parts.push(("a Spot pod while the Job runs".into(), spot));
        }
        let cluster = parts.iter().map(|(_, price)| price).sum::<f64>() - filestore - pool;
        let elsewhere = if settings.region == table.region { "" } else { ", not this region's" };
        let dated = dated.map(|dated| dated.to_string()).unwrap_or_default();
        let note = format!("by the table of {dated} for {}{elsewhere}{unseen}; your bill decides", table.region);
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
        assert_eq!(bill.note, "by the table of 2026-11-24 for us-central1; your bill decides", "its oldest row's date");
    }

    /// More costs more, a Standard cluster has its nodes on the bill, and another region is said to be another one.
    #[test]
    fn a_bill_follows_what_is_asked() {
        let one = Bill::of(&settings("BASIC_HDD", "1TB", false, "us-central1")).unwrap();
        let two = Bill::of(&settings("BASIC_HDD", "2TB", false, "us-central1")).unwrap();
        assert!((two.filestore - 2.0 * one.filestore).abs() < 1e-9);
        let standard = Bill::of(&settings("BASIC_HDD", "1TB", true, "europe-west4")).unwrap();
        assert!(standard.pool > 0.0 && standard.note.contains("not this region's"));
        let told = "nobody has compared spot-node with https://cloud.google.com/spot-vms/pricing yet";
        assert!(standard.note.contains(told), "{}", standard.note);
        assert_eq!(one.pool, 0.0);
    }

    /// Every row says when and where it was looked at, on a page of Google's; those of the tutorial's lab were compared with
    /// something.
    #[test]
    fn every_price_has_its_date_and_source() {
        let table = Table::read().unwrap();
        let tiers = ["BASIC_HDD", "BASIC_SSD", "ZONAL", "REGIONAL", "ENTERPRISE"];
        assert!(tiers.iter().all(|tier| table.price.contains_key(*tier)));
        for (name, row) in &table.price {
            assert!(row.dated >= jiff::civil::date(2026, 11, 24), "{name}");
            assert!(row.source.starts_with("https://cloud.google.com/") && row.source.contains("pricing"), "{name}");
        }
        for name in ["BASIC_HDD", "cluster", "vcpu", "memory-gib", "spot-vcpu", "spot-memory-gib"] {
            assert_ne!(table.row(name).unwrap().seen, SeenBy::Nobody, "{name}");
            assert_eq!(of(name).unwrap(), table.price[name].usd);
        }
        assert!(of("REDIS").is_err());
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
