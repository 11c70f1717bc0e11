//! Objects made, changed and removed: server-side apply, so that what is there already is no obstacle.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PropagationPolicy};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::{Cluster, ClusterError, FIELD_MANAGER, NAMESPACE};

/// The annotation that [`Cluster::touch`] writes.
const TOUCHED: &str = "batch-ml-lab/touched";

impl Cluster {
    /// Makes an object be as the manifest says, under the lab's field manager.
    ///
    /// # Errors
    /// When the API server refuses, or does not answer.
    pub fn apply(&self, manifest: &Value) -> Result<(), ClusterError> {
        let object: DynamicObject = serde_json::from_value(manifest.clone())
            .map_err(|error| ClusterError::Manifest { file: "?".into(), why: error.to_string() })?;
        let name = object.metadata.name.clone().unwrap_or_default();
        let types = object.types.clone().unwrap_or_default();
        let what = format!("apply {} `{name}`", types.kind.to_lowercase());
        let api = self.dynamic(&types.api_version, &types.kind);
        // The objects are the lab's own: what somebody else has set in them meanwhile gives way.
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        self.call(&what, api.patch(&name, &parameters, &Patch::Apply(&object))).map(drop)
    }

    /// Changes nothing of an object but a note in it, so that whoever watches it looks at it again.
    ///
    /// # Errors
    /// When the API server refuses, or does not answer.
    pub fn touch(&self, api_version: &str, kind: &str, name: &str) -> Result<(), ClusterError> {
        let what = format!("touch {} `{name}`", kind.to_lowercase());
        let note = json!({ "metadata": { "annotations": { TOUCHED: Timestamp::now().to_string() } } });
        let api = self.dynamic(api_version, kind);
        self.call(&what, api.patch(name, &PatchParams::default(), &Patch::Merge(&note))).map(drop)
    }

    /// Removes the Job and its pods; nothing if it is not there.
    ///
    /// # Errors
    /// When the API server refuses, or does not answer.
    pub fn delete_job(&self, name: &str) -> Result<bool, ClusterError> {
        let parameters =
            DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
        let deleted = self.call(&format!("delete job `{name}`"), self.api::<Job>().delete(name, &parameters));
        absent(deleted.map(|_| true))
    }

    /// Removes an object by its kind and name, at once; says whether it was there.
    ///
    /// # Errors
    /// When the API server refuses, or does not answer.
    pub fn delete(&self, api_version: &str, kind: &str, name: &str) -> Result<bool, ClusterError> {
        let what = format!("delete {} `{name}`", kind.to_lowercase());
        let deleted =
            self.call(&what, self.dynamic(api_version, kind).delete(name, &DeleteParams::default().grace_period(0)));
        absent(deleted.map(|_| true))
    }

    /// The objects of the tutorial are few and known: their plural is their kind in small letters and an s.
    fn dynamic(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if matches!(kind, "PersistentVolume" | "Node" | "Namespace") {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), NAMESPACE, &resource)
        }
    }
}

/// An object that is not there needs no deletion.
fn absent(deleted: Result<bool, ClusterError>) -> Result<bool, ClusterError> {
    match deleted {
        Err(error) if error.status() == Some(404) => Ok(false),
        other => other,
    }
}
