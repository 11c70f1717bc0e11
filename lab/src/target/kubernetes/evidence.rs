//! What a person would have looked at in the cluster, kept in the record.

use std::fmt::Debug;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use serde::Serialize;
use serde_json::Value;

use super::JOB;
use crate::cluster::Cluster;
use crate::failure::Result;
use crate::record::Record;

/// Keeps the tables of `kubectl get`, what `kubectl logs` shows of the Job, and the objects as the cluster has them. What cannot
/// be had is said in its place: the rest of the evidence matters more.
///
/// # Errors
/// When the record cannot be written.
pub fn gather(cluster: &Cluster, record: &Record) -> Result<()> {
    let tables = cluster.tables().unwrap_or_else(|error| format!("{error}\n"));
    record.set_text("cluster/tables.txt", &tables)?;
    record.set_text("cluster/nodes.json", &json(cluster.nodes()))?;
    record.set_text("cluster/pods.json", &json(cluster.list::<Pod>("")))?;
    record.set_text("cluster/claims.json", &json(cluster.list::<PersistentVolumeClaim>("")))?;
    record.set_text("cluster/job.json", &json(cluster.get::<Job>(JOB)))?;
    let mut logs = String::new();
    for pod in cluster.list::<Pod>(&format!("job-name={JOB}")).unwrap_or_default() {
        let name = kube::ResourceExt::name_any(&pod);
        let log = cluster.log_as_shown(&name, false).unwrap_or_else(|error| format!("{error}\n"));
        logs.push_str(&format!("$ kubectl logs {name}\n{log}\n"));
    }
    Ok(record.set_text("cluster/logs.txt", &logs)?)
}

/// Pretty JSON without the fields that are the API server's own book-keeping.
fn json<T: Serialize + Debug, E: std::fmt::Display>(found: Result<T, E>) -> String {
    let value = match found {
        Ok(value) => serde_json::to_value(value).unwrap_or_default(),
        Err(error) => Value::String(error.to_string()),
    };
    let mut value = value;
    let items = match &mut value {
        Value::Array(items) => items.iter_mut().collect(),
        other => vec![other],
    };
    for item in items {
        if let Some(metadata) = item.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}
