//! What the double's living resources cost an hour: the test's own sum, beside the lab's, by the prices of the lab's table.

use lab::target::gke::price;

use super::cloud::{Kind, Resource};

/// Hours of a month, as Google counts them.
const HOURS_A_MONTH: f64 = 730.0;

/// One resource's price an hour. What pods and nodes take comes on top, and is the lab's to know.
pub fn hourly(resource: &Resource) -> f64 {
    match resource.kind {
        Kind::Cluster => of("cluster"),
        Kind::Instance => {
            let gib = resource.body["fileShares"][0]["capacityGb"].as_str().and_then(|text| text.parse::<f64>().ok());
            gib.expect("a capacity") * of(resource.body["tier"].as_str().expect("a tier"))
        }
        // The nodes of Autopilot are paid for by the pods on them.
        Kind::NodePool if resource.body["config"]["machineType"].is_string() => {
            let config = &resource.body["config"];
            let node = of(if config["spot"] == true { "spot-node" } else { "node" });
            let disk = config["diskSizeGb"].as_f64().expect("a disk") * of("disk-gib-month") / HOURS_A_MONTH;
            resource.body["initialNodeCount"].as_f64().expect("a number of nodes") * (node + disk)
        }
        Kind::NodePool | Kind::Repository => 0.0,
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

fn of(row: &str) -> f64 {
    price::of(row).expect("a row of the table")
}
