//! Whether what is left of a project's quotas is enough for a lab: pure, of what Google told.

use crate::gcloud::{DISK_GB, MACHINE_CPUS, Quota, RegionAnswer};
use crate::target::gke::GkeError;
use crate::target::gke::settings::Settings;

/// Nodes that anybody may use: the pool that a Standard cluster begins with, or what Autopilot makes for Redis.
const NODES: i64 = 1;
/// Spot nodes: the pool of a Standard cluster, or what Autopilot makes for the Job.
const SPOT_NODES: i64 = 1;

/// What the nodes of a lab take, by the names of Compute Engine's quotas: those of Spot, where the project has any, and else
/// the ordinary ones. Of Autopilot's nodes the smallest is known alone: they have no fewer CPUs than ours.
fn needs(standard: bool, has_spot: bool) -> Vec<(&'static str, i64)> {
    let (cpus, spot) = (NODES * MACHINE_CPUS, SPOT_NODES * MACHINE_CPUS);
    let mut needs = vec![("CPUS", if has_spot { cpus } else { cpus + spot })];
    if has_spot {
        needs.push(("PREEMPTIBLE_CPUS", spot));
    }
    if standard {
        let nodes = NODES + SPOT_NODES;
        needs.extend([("DISKS_TOTAL_GB", nodes * DISK_GB), ("INSTANCES", nodes), ("IN_USE_ADDRESSES", nodes)]);
    }
    needs
}

/// Whether the region has room for the lab's nodes, and how much.
///
/// # Errors
/// When the region is down, or a quota is too small.
pub(super) fn of_compute(settings: &Settings, answer: &RegionAnswer) -> Result<String, GkeError> {
    let Settings { region, project, standard, .. } = settings;
    if !["UP", ""].contains(&answer.status.as_str()) {
        return Err(GkeError::RegionDown { region: region.clone(), status: answer.status.clone() });
    }
    let quota = |metric: &str| answer.quotas.iter().find(|quota| quota.metric == metric);
    // A limit of 0 is not one of Spot's: Spot takes the ordinary CPUs then. One below it is none.
    let has_spot = quota("PREEMPTIBLE_CPUS").is_some_and(|quota| quota.limit != 0.0);
    let mut told = Vec::new();
    for (metric, needed) in needs(*standard, has_spot) {
        let Some(Quota { limit, usage, .. }) = quota(metric) else { continue };
        told.push(room(metric, metric, region, project, (*limit as i64, *usage as i64, needed))?);
    }
    Ok(if told.is_empty() { "not told by Google".into() } else { told.join(", ") })
}

/// Whether Filestore has room for the instance: the quota `id` has this limit, of which so much is used.
///
/// # Errors
/// When it has not.
pub(super) fn of_filestore(settings: &Settings, id: &str, limit: i64, used: u64) -> Result<String, GkeError> {
    let Settings { region, project, tier, .. } = settings;
    let number = |gb: u64| i64::try_from(gb).unwrap_or(i64::MAX);
    let what = format!("Filestore {tier} (GB, {id})");
    room(&format!("{id} GB"), &what, region, project, (limit, number(used), number(settings.capacity_gb())))
}

/// How much is free, in words, where it is enough. A limit below nothing is Google's word for none.
fn room(
    word: &str,
    what: &str,
    region: &str,
    project: &str,
    (limit, used, needed): (i64, i64, i64),
) -> Result<String, GkeError> {
    if limit < 0 {
        return Ok(format!("{word} without a limit"));
    }
    let free = limit.saturating_sub(used);
    if free < needed {
        let (what, region, project) = (what.into(), region.into(), project.into());
        return Err(GkeError::Quota { what, region, limit, free, needed, project });
    }
    Ok(format!("{word} {free} of {limit} free"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(standard: bool) -> Settings {
        Settings {
            project: "my-project".into(),
            region: "us-central1".into(),
            zone: "us-central1-b".into(),
            standard,
            network: "default".into(),
            tier: "BASIC_HDD".into(),
            capacity: "1TB".into(),
            release_channel: "regular".into(),
            image_repository: "x.y/z".into(),
            ttl_s: 7200,
        }
    }

    fn region(quotas: &[(&str, f64, f64)]) -> RegionAnswer {
        let quota = |(metric, limit, usage): &(&str, f64, f64)| Quota {
            metric: (*metric).into(),
            limit: *limit,
            usage: *usage,
        };
        RegionAnswer { status: "UP".into(), quotas: quotas.iter().map(quota).collect() }
    }

    /// What is too small, and how much of it is needed; nothing where all of it is enough.
    fn lacks(standard: bool, quotas: &[(&str, f64, f64)]) -> Option<(String, i64)> {
        match of_compute(&settings(standard), &region(quotas)) {
            Err(GkeError::Quota { what, needed, .. }) => Some((what, needed)),
            Err(other) => panic!("{other}"),
            Ok(_) => None,
        }
    }

    /// A node takes the CPUs of its machine, of Spot's quota where there is one; else all come out of the ordinary one.
    #[test]
    fn every_node_takes_its_machines_cpus() {
        for standard in [false, true] {
            assert_eq!(lacks(standard, &[("CPUS", 8.0, 6.0), ("PREEMPTIBLE_CPUS", 2.0, 0.0)]), None);
            let one_left = [("CPUS", 8.0, 7.0), ("PREEMPTIBLE_CPUS", 2.0, 0.0)];
            assert_eq!(lacks(standard, &one_left), Some(("CPUS".into(), 2)));
            let one_spot = [("CPUS", 8.0, 0.0), ("PREEMPTIBLE_CPUS", 2.0, 1.0)];
            assert_eq!(lacks(standard, &one_spot), Some(("PREEMPTIBLE_CPUS".into(), 2)));
            for no_spot in [&[("CPUS", 3.0, 0.0), ("PREEMPTIBLE_CPUS", 0.0, 0.0)][..], &[("CPUS", 3.0, 0.0)]] {
                assert_eq!(lacks(standard, no_spot), Some(("CPUS".into(), 4)));
            }
        }
    }

    /// Nodes of one's own have disks and addresses, too.
    #[test]
    fn nodes_of_ones_own_take_disks_and_addresses() {
        for (metric, limit, needed) in
            [("DISKS_TOTAL_GB", 99.0, 100), ("INSTANCES", 1.0, 2), ("IN_USE_ADDRESSES", 1.0, 2)]
        {
            assert_eq!(lacks(true, &[(metric, limit, 0.0)]), Some((metric.into(), needed)));
            assert_eq!(lacks(true, &[(metric, limit + 1.0, 0.0)]), None);
            assert_eq!(lacks(false, &[(metric, limit, 0.0)]), None, "Autopilot has what it takes from elsewhere");
        }
    }

    /// Where there is no limit, nothing is used up.
    #[test]
    fn no_limit_is_not_used_up() {
        assert_eq!(lacks(true, &[("CPUS", -1.0, 50.0), ("PREEMPTIBLE_CPUS", -1.0, 50.0)]), None);
        let filestore = |limit, used| of_filestore(&settings(false), "StandardStorageGbPerRegion", limit, used);
        assert_eq!(filestore(-1, 5000).unwrap(), "StandardStorageGbPerRegion GB without a limit");
        assert_eq!(filestore(2048, 1024).unwrap(), "StandardStorageGbPerRegion GB 1024 of 2048 free");
        assert!(matches!(filestore(2047, 1024), Err(GkeError::Quota { free: 1023, needed: 1024, .. })));
        assert!(filestore(0, 0).is_err());
    }
}
