//! What gcloud answers, as far as the lab reads it: pure, from JSON to one form for clusters and instances alike.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::ledger::Kind;

/// A cluster, node pool or Filestore instance as the cloud shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Region or zone.
    pub location: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How it is.
    pub condition: Condition,
    /// The cloud's own word for that, and what it says beside it.
    pub word: String,
    /// An instance's address on its network.
    pub address: Option<String>,
    /// An instance's tier.
    pub tier: String,
    /// An instance's capacity.
    pub capacity_gb: u64,
    /// A cluster's version.
    pub version: String,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It is being made.
    Coming,
    /// It serves.
    Ready,
    /// It will not come right by itself.
    Failed,
    /// It is being deleted.
    Going,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Makes a cluster.
    CreateCluster,
    /// Makes a node pool.
    CreateNodePool,
    /// Deletes a cluster.
    DeleteCluster,
}

/// Work that goes on in the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its name, without its place.
    pub name: String,
    /// It has ended, well or badly.
    pub done: bool,
    /// The cloud's own word for how it is.
    pub word: String,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// A region.
#[derive(Debug, Clone, Deserialize)]
pub struct RegionAnswer {
    /// `UP` or `DOWN`.
    #[serde(default)]
    pub status: String,
    /// Its quotas.
    #[serde(default)]
    pub quotas: Vec<Quota>,
}

/// A quota of Compute Engine.
#[derive(Debug, Clone, Deserialize)]
pub struct Quota {
    /// What is counted.
    pub metric: String,
    /// How many there may be.
    pub limit: f64,
    /// How many there are.
    #[serde(default)]
    pub usage: f64,
}

/// An image repository.
#[derive(Debug, Clone, Deserialize)]
pub struct RepositoryAnswer {
    /// `DOCKER` for images.
    #[serde(default)]
    pub format: String,
}

/// What `quotas info describe` says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaInfo {
    #[serde(default)]
    dimensions_infos: Vec<DimensionsInfo>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DimensionsInfo {
    #[serde(default)]
    applicable_locations: Vec<String>,
    details: Option<Details>,
}

#[derive(Debug, Deserialize)]
struct Details {
    value: Option<String>,
}

/// A cluster, node pool or instance as gcloud prints it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Raw {
    name: String,
    #[serde(default)]
    location: String,
    // A cluster's words.
    #[serde(default)]
    status: String,
    #[serde(default)]
    status_message: String,
    #[serde(default)]
    resource_labels: BTreeMap<String, String>,
    #[serde(default)]
    current_master_version: String,
    #[serde(default)]
    conditions: Vec<RawCondition>,
    // An instance's words.
    #[serde(default)]
    state: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    tier: String,
    #[serde(default)]
    file_shares: Vec<RawShare>,
    #[serde(default)]
    networks: Vec<RawNetwork>,
}

#[derive(Debug, Deserialize)]
struct RawCondition {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawShare {
    capacity_gb: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawNetwork {
    #[serde(default)]
    ip_addresses: Vec<String>,
}

/// An operation on a cluster as gcloud prints it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterOperation {
    name: String,
    #[serde(default)]
    operation_type: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    status_message: String,
    #[serde(default)]
    target_link: String,
    #[serde(default)]
    start_time: String,
    error: Option<RawError>,
}

/// An operation on an instance as gcloud prints it.
#[derive(Debug, Deserialize)]
pub struct FileOperation {
    name: String,
    #[serde(default)]
    done: bool,
    error: Option<RawError>,
}

#[derive(Debug, Deserialize)]
struct RawError {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl Raw {
    /// The one form of it.
    pub fn thing(self, kind: Kind) -> Thing {
        // `projects/P/locations/L/instances/N`
        let mut path = self.name.split('/').skip(3);
        let location = if self.name.contains('/') { path.next().unwrap_or_default().to_owned() } else { self.location };
        let name = self.name.rsplit('/').next().unwrap_or_default().to_owned();
        let status = if kind == Kind::Filestore { self.state } else { self.status };
        let said = self.conditions.iter().map(|condition| format!("{} {}", condition.code, condition.message));
        let said = std::iter::once(self.status_message.clone()).chain(said).map(|said| said.trim().to_owned());
        let said: Vec<_> = said.filter(|said| !said.is_empty()).collect();
        Thing {
            kind,
            name,
            location,
            condition: condition(kind, &status),
            word: if said.is_empty() { status } else { format!("{status}: {}", said.join("; ")) },
            labels: if kind == Kind::Filestore { self.labels } else { self.resource_labels },
            address: self.networks.into_iter().flat_map(|network| network.ip_addresses).next(),
            tier: self.tier,
            capacity_gb: self
                .file_shares
                .iter()
                .filter_map(|share| share.capacity_gb.as_ref()?.parse::<u64>().ok())
                .sum(),
            version: self.current_master_version,
        }
    }
}

/// What the cloud's word for a state means.
fn condition(kind: Kind, status: &str) -> Condition {
    match (kind, status) {
        // A cluster that is being changed serves all the same, as does a pool with an error told in its conditions.
        (Kind::Cluster | Kind::NodePool, "RUNNING" | "RECONCILING") | (Kind::Filestore, "READY") => Condition::Ready,
        (Kind::NodePool, "RUNNING_WITH_ERROR") => Condition::Failed,
        (_, "ERROR" | "DEGRADED" | "SUSPENDED" | "SUSPENDING") => Condition::Failed,
        (_, "STOPPING" | "DELETING") => Condition::Going,
        // Words that are not known yet are those of something under way: a wait on them is bounded.
        _ => Condition::Coming,
    }
}

impl From<ClusterOperation> for Operation {
    fn from(raw: ClusterOperation) -> Self {
        let done = raw.status == "DONE";
        let error = raw.error.map(RawError::words).filter(|words| !words.is_empty());
        // Older answers carry an error in this field alone.
        let error = error.or(Some(raw.status_message.clone()).filter(|said| done && !said.is_empty()));
        let word =
            if raw.status_message.is_empty() { raw.status } else { format!("{}: {}", raw.status, raw.status_message) };
        Self { name: raw.name, done, word, error: error.filter(|_| done) }
    }
}

impl From<FileOperation> for Operation {
    fn from(raw: FileOperation) -> Self {
        let name = raw.name.rsplit('/').next().unwrap_or_default().to_owned();
        let word = if raw.done { "DONE" } else { "RUNNING" }.to_owned();
        Self { name, done: raw.done, word, error: raw.error.map(RawError::words).filter(|words| !words.is_empty()) }
    }
}

impl RawError {
    fn words(self) -> String {
        match (self.code, self.message.is_empty()) {
            (0, true) => String::new(),
            (0, false) => self.message,
            (code, _) => format!("code {code}: {}", self.message),
        }
    }
}

/// The operation that a create or delete of Filestore's printed, if it did.
pub fn file_operation(stdout: &[u8]) -> Option<Operation> {
    let raw: FileOperation = serde_json::from_slice(stdout).ok()?;
    Some(raw.into())
}

/// The newest operation of that kind on that cluster.
pub fn newest(found: Vec<ClusterOperation>, verb: Verb, cluster: &str) -> Option<Operation> {
    let wanted = match verb {
        Verb::CreateCluster => "CREATE_CLUSTER",
        Verb::CreateNodePool => "CREATE_NODE_POOL",
        Verb::DeleteCluster => "DELETE_CLUSTER",
    };
    let (end, middle) = (format!("/clusters/{cluster}"), format!("/clusters/{cluster}/"));
    let fits = |operation: &ClusterOperation| {
        let target = &operation.target_link;
        operation.operation_type == wanted && (target.ends_with(&end) || target.contains(&middle))
    };
    found.into_iter().filter(fits).max_by(|one, other| one.start_time.cmp(&other.start_time)).map(Operation::from)
}

impl QuotaInfo {
    /// The limit that holds in a region.
    pub fn limit_in(&self, region: &str) -> Option<i64> {
        let holds = |info: &&DimensionsInfo| info.applicable_locations.iter().any(|place| place == region);
        self.dimensions_infos.iter().find(holds)?.details.as_ref()?.value.as_ref()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn thing(kind: Kind, value: Value) -> Thing {
        from_value::<Raw>(value).unwrap().thing(kind)
    }

    /// An instance is known by the last part of its name, and its address and labels are found where they are.
    #[test]
    fn an_instance_is_read() {
        let instance = thing(
            Kind::Filestore,
            json!({ "name": "projects/p/locations/us-central1-b/instances/batch-aiml-filestore", "state": "READY",
                    "tier": "BASIC_HDD", "labels": { "batch-ml-lab": "lab-1" },
                    "fileShares": [{ "name": "NFSVol", "capacityGb": "1024" }],
                    "networks": [{ "network": "default", "ipAddresses": ["10.0.0.2"] }] }),
        );
        assert_eq!((instance.name.as_str(), instance.location.as_str()), ("batch-aiml-filestore", "us-central1-b"));
        assert_eq!((instance.condition, instance.address.as_deref()), (Condition::Ready, Some("10.0.0.2")));
        assert_eq!((instance.capacity_gb, instance.labels["batch-ml-lab"].as_str()), (1024, "lab-1"));
    }

    /// A cluster in trouble says why.
    #[test]
    fn a_cluster_tells_its_conditions() {
        let cluster = thing(
            Kind::Cluster,
            json!({ "name": "batch-aiml", "location": "us-central1", "status": "ERROR",
                    "conditions": [{ "code": "GCE_STOCKOUT", "message": "no capacity" }] }),
        );
        assert_eq!((cluster.condition, cluster.word.as_str()), (Condition::Failed, "ERROR: GCE_STOCKOUT no capacity"));
    }

    /// Of several operations the newest one on the very cluster counts, and its error is told once it is done.
    #[test]
    fn the_newest_operation_counts() {
        let operation = |name: &str, cluster: &str, start: &str, status: &str| {
            from_value(json!({ "name": name, "operationType": "CREATE_CLUSTER", "status": status, "startTime": start,
                "targetLink": format!("https://c.g.com/v1/projects/1/locations/us-central1/clusters/{cluster}"),
                "error": { "code": 8, "message": "Insufficient regional quota" } }))
            .unwrap()
        };
        let found = vec![
            operation("old", "batch-aiml", "2026-11-24T10:00:00Z", "DONE"),
            operation("new", "batch-aiml", "2026-11-24T11:00:00Z", "DONE"),
            operation("other", "batch-aiml-2", "2026-11-24T12:00:00Z", "RUNNING"),
        ];
        let newest = newest(found, Verb::CreateCluster, "batch-aiml").unwrap();
        assert_eq!(
            (newest.name.as_str(), newest.error.as_deref()),
            ("new", Some("code 8: Insufficient regional quota"))
        );
        let running: ClusterOperation = operation("x", "y", "", "RUNNING");
        assert_eq!(Operation::from(running).error, None, "an operation that goes on has not failed");
    }

    /// Filestore's operation is known by its last part.
    #[test]
    fn an_instances_operation_is_read() {
        let printed = json!({ "name": "projects/p/locations/z/operations/operation-1", "done": true,
                              "error": { "code": 8, "message": "no capacity" } });
        let operation = file_operation(printed.to_string().as_bytes()).unwrap();
        let expected = Operation {
            name: "operation-1".into(),
            done: true,
            word: "DONE".into(),
            error: Some("code 8: no capacity".into()),
        };
        assert_eq!(operation, expected);
        assert_eq!(file_operation(b"null"), None);
    }

    /// A quota's limit is that of the region.
    #[test]
    fn a_quota_is_a_regions() {
        let info: QuotaInfo = from_value(json!({ "dimensionsInfos": [
            { "applicableLocations": ["us-east1"], "details": { "value": "0" } },
            { "applicableLocations": ["us-central1", "us-west1"], "details": { "value": "1024" } }] }))
        .unwrap();
        assert_eq!((info.limit_in("us-central1"), info.limit_in("asia-east1")), (Some(1024), None));
    }
}
