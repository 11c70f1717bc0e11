//! What the double's living resources cost an hour: the test's own sum, beside the lab's.
//!
//! List prices of us-central1 in US dollars, as of 2026-11; they are not read from the lab's table on purpose.

use super::cloud::{Kind, Resource};

/// An hour of a cluster's control plane.
const CLUSTER: f64 = 0.10;
/// An hour of one GiB of Filestore's BASIC_HDD.
const BASIC_HDD_GIB: f64 = 0.16 / 730.0;
/// An hour of a Spot node.
const E2_STANDARD_2_SPOT: f64 = 0.0268;

/// One resource's price an hour. What pods and nodes take comes on top, and is the lab's to know.
pub fn hourly(resource: &Resource) -> f64 {
    match resource.kind {
        Kind::Cluster => CLUSTER,
        Kind::Instance => {
            let gib = resource.body["fileShares"][0]["capacityGb"].as_str().and_then(|text| text.parse::<f64>().ok());
            gib.unwrap_or(1024.0) * BASIC_HDD_GIB
        }
        Kind::NodePool => resource.body["initialNodeCount"].as_f64().unwrap_or_default() * E2_STANDARD_2_SPOT,
        Kind::Repository => 0.0,
    }
}

/// The bill: a line a resource, and the sum.
pub fn print<'a>(living: impl Iterator<Item = &'a Resource>) -> String {
    let (mut lines, mut sum) = (Vec::new(), 0.0);
    for resource in living {
        let price = hourly(resource);
        sum += price;
        let whose = if resource.foreign { " (somebody else's)" } else { "" };
        lines.push(format!("  {} {:.3} USD/h{whose}", resource.name(), price));
    }
    lines.push(format!("  in all {sum:.3} USD/h"));
    lines.join("\n")
}
