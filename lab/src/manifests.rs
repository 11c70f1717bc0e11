//! The tutorial's five objects, and the few named edits that they get where the lab stands. All edits are in one list,
//! which `lab explain` prints; whatever is not in it is applied as it stands under `manifests/`.

use serde_json::{Map, Value, json};

use crate::cluster::ClusterError;

/// The PersistentVolume.
pub const PERSISTENT_VOLUME: &str = "persistent-volume.yaml";
/// The PersistentVolumeClaim.
pub const PERSISTENT_VOLUME_CLAIM: &str = "persistent-volume-claim.yaml";
/// Redis's pod.
pub const REDIS_POD: &str = "redis-pod.yaml";
/// Redis's service.
pub const REDIS_SERVICE: &str = "redis-service.yaml";
/// The Job.
pub const WORKLOAD: &str = "workload.yaml";
/// The cluster that kind makes.
pub const KIND: &str = "kind.yaml";

/// Where the export's directory is in a node, where nodes mount it themselves.
pub const NODE_DIRECTORY: &str = "/srv/nfsvol";

/// The files under `manifests/`, as they were when this program was built.
const FILES: [(&str, &str); 6] = [
    (PERSISTENT_VOLUME, include_str!("../../manifests/persistent-volume.yaml")),
    (PERSISTENT_VOLUME_CLAIM, include_str!("../../manifests/persistent-volume-claim.yaml")),
    (REDIS_POD, include_str!("../../manifests/redis-pod.yaml")),
    (REDIS_SERVICE, include_str!("../../manifests/redis-service.yaml")),
    (WORKLOAD, include_str!("../../manifests/workload.yaml")),
    (KIND, include_str!("../../manifests/kind.yaml")),
];

/// What the edits put in. A part that is absent leaves the manifest as it is.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// The address of the export.
    pub server: Option<String>,
    /// Nodes mount the export's directory themselves.
    pub host_directory: bool,
    /// Options of the mount, where the kernel shall not choose them.
    pub mount_options: Vec<String>,
    /// Redis's image.
    pub redis_image: Option<String>,
    /// The worker's image.
    pub worker_image: Option<String>,
    /// Nodes have the images already and never pull one.
    pub never_pull: bool,
    /// Pods of the Job at a time.
    pub parallelism: Option<u32>,
    /// The worker's own settings.
    pub settings: Vec<(String, String)>,
    /// The toleration that Autopilot adds to Spot pods at admission is to be added here.
    pub tolerate_spot: bool,
    /// Seconds that a worker has to end in when its node is taken away.
    pub grace_s: Option<u32>,
    /// Seconds after which the Job is ended whatever it does.
    pub deadline_s: Option<u64>,
}

/// One change to one manifest.
#[derive(Debug)]
pub struct Edit {
    /// Its name.
    pub name: &'static str,
    /// The manifest.
    pub file: &'static str,
    /// What is changed: a JSON pointer.
    pub path: &'static str,
    /// Why.
    pub why: &'static str,
    /// On which targets, and when.
    pub when: &'static str,
    /// What is merged in there (RFC 7396: `null` takes a field away).
    patch: fn(&Values) -> Option<Value>,
}

const CONTAINER_OF_REDIS: &str = "/spec/containers/0";
const CONTAINER_OF_JOB: &str = "/spec/template/spec/containers/0";

/// Every edit.
pub const EDITS: &[Edit] = &[
    Edit {
        name: "server",
        file: PERSISTENT_VOLUME,
        path: "/spec/nfs",
        why: "the address is known only when the export stands; the tutorial has one type it in",
        when: "kind with volume nfs, gke",
        patch: |values| Some(json!({ "server": values.server.as_ref()? })),
    },
    Edit {
        name: "host-directory",
        file: PERSISTENT_VOLUME,
        path: "/spec",
        why: "the kernel has no NFS client, so every node has the export's directory mounted and pods take it from there",
        when: "kind with volume directory",
        patch: |values| {
            let host_path = json!({ "path": NODE_DIRECTORY, "type": "Directory" });
            values.host_directory.then(|| json!({ "nfs": null, "hostPath": host_path }))
        },
    },
    Edit {
        name: "mount-options",
        file: PERSISTENT_VOLUME,
        path: "/spec",
        why: "--nfs-version 3 takes the protocol of Filestore's Basic tier; no rpc.statd runs in a node of kind, hence nolock",
        when: "kind with --nfs-version",
        patch: |values| (!values.mount_options.is_empty()).then(|| json!({ "mountOptions": values.mount_options })),
    },
    Edit {
        name: "redis-image",
        file: REDIS_POD,
        path: CONTAINER_OF_REDIS,
        why: "a pinned version in place of the newest one, already in the nodes; --redis-image names another",
        when: "kind; gke with --redis-image",
        patch: |values| Some(json!({ "image": values.redis_image.as_ref()? })),
    },
    Edit {
        name: "redis-never-pull",
        file: REDIS_POD,
        path: CONTAINER_OF_REDIS,
        why: "the lab loads the image into the nodes",
        when: "kind",
        patch: |values| values.never_pull.then(|| json!({ "imagePullPolicy": "Never" })),
    },
    Edit {
        name: "worker-image",
        file: WORKLOAD,
        path: CONTAINER_OF_JOB,
        why: "the project's worker in place of the tutorial's; --worker-image names another",
        when: "kind, gke",
        patch: |values| Some(json!({ "image": values.worker_image.as_ref()? })),
    },
    Edit {
        name: "worker-never-pull",
        file: WORKLOAD,
        path: CONTAINER_OF_JOB,
        why: "the lab loads the image into the nodes",
        when: "kind",
        patch: |values| values.never_pull.then(|| json!({ "imagePullPolicy": "Never" })),
    },
    Edit {
        name: "settings",
        file: WORKLOAD,
        path: CONTAINER_OF_JOB,
        why: "seed and lease, so that a run can be repeated; other workers may ignore them",
        when: "kind, gke",
        patch: |values| {
            let variable = |(name, value): &(String, String)| json!({ "name": name, "value": value });
            let variables: Vec<_> = values.settings.iter().map(variable).collect();
            (!variables.is_empty()).then(|| json!({ "env": variables }))
        },
    },
    Edit {
        name: "spot-toleration",
        file: WORKLOAD,
        path: "/spec/template/spec",
        why: "Autopilot taints Spot nodes and adds this toleration to Spot pods at admission; nobody does so on kind",
        when: "kind, gke with --standard",
        patch: |values| {
            let toleration = json!({ "key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule" });
            values.tolerate_spot.then(|| json!({ "tolerations": [toleration] }))
        },
    },
    Edit {
        name: "grace",
        file: WORKLOAD,
        path: "/spec/template/spec",
        why: "a Spot node leaves pods 25 s on Autopilot and 15 s on Standard; a longer grace would be promised, not kept",
        when: "gke",
        patch: |values| Some(json!({ "terminationGracePeriodSeconds": values.grace_s? })),
    },
    Edit {
        name: "deadline",
        file: WORKLOAD,
        path: "/spec",
        why: "--ttl: when the lab's time is over, nothing of the Job costs money any more, whoever still watches",
        when: "gke",
        patch: |values| Some(json!({ "activeDeadlineSeconds": values.deadline_s? })),
    },
    Edit {
        name: "parallelism",
        file: WORKLOAD,
        path: "/spec",
        why: "--parallelism N",
        when: "kind, gke",
        patch: |values| values.parallelism.filter(|pods| *pods != 1).map(|pods| json!({ "parallelism": pods })),
    },
];

/// The text of a manifest, unedited.
///
/// # Errors
/// When there is no such file.
pub fn text(file: &str) -> Result<&'static str, ClusterError> {
    let found = FILES.iter().find(|(name, _)| *name == file).map(|(_, text)| *text);
    found.ok_or_else(|| ClusterError::Manifest { file: file.into(), why: "there is none of that name".into() })
}

/// A manifest with the edits that these values ask for.
///
/// # Errors
/// When the manifest is not YAML, or an edit finds no place: both are faults of the lab.
pub fn edited(file: &str, values: &Values) -> Result<Value, ClusterError> {
    let failed = |why: String| ClusterError::Manifest { file: file.into(), why };
    let mut manifest: Value = serde_saphyr::from_str(text(file)?).map_err(|error| failed(error.to_string()))?;
    for edit in EDITS.iter().filter(|edit| edit.file == file) {
        let Some(patch) = (edit.patch)(values) else { continue };
        let place = manifest.pointer_mut(edit.path);
        merge(place.ok_or_else(|| failed(format!("edit `{}` finds no `{}`", edit.name, edit.path)))?, patch);
    }
    Ok(manifest)
}

/// RFC 7396.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (key, value) in patch {
            if value.is_null() {
                target.remove(&key);
            } else {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without values the objects are the tutorial's, and each has the name that the tutorial gives it.
    #[test]
    fn without_values_nothing_is_edited() {
        let names = [
            (PERSISTENT_VOLUME, "PersistentVolume", "fileserver"),
            (PERSISTENT_VOLUME_CLAIM, "PersistentVolumeClaim", "fileserver-claim"),
            (REDIS_POD, "Pod", "redis-leader"),
            (REDIS_SERVICE, "Service", "redis"),
            (WORKLOAD, "Job", "workload"),
        ];
        for (file, kind, name) in names {
            let manifest = edited(file, &Values::default()).unwrap();
            let plain: Value = serde_saphyr::from_str(text(file).unwrap()).unwrap();
            assert_eq!(manifest, plain);
            assert_eq!((&manifest["kind"], &manifest["metadata"]["name"]), (&json!(kind), &json!(name)));
        }
        let job = edited(WORKLOAD, &Values::default()).unwrap();
        assert_eq!(job["spec"]["template"]["spec"]["nodeSelector"], json!({ "cloud.google.com/gke-spot": "true" }));
    }

    /// Every edit finds its place, changes something, and says why; no two have the same name.
    #[test]
    fn every_edit_is_used() {
        let values = Values {
            server: Some("172.18.0.4".into()),
            host_directory: false,
            mount_options: vec!["vers=3".into()],
            redis_image: Some("redis:7".into()),
            worker_image: Some("localhost/worker:1".into()),
            never_pull: true,
            parallelism: Some(2),
            settings: vec![("WORKER_SEED".into(), "0".into())],
            tolerate_spot: true,
            grace_s: Some(25),
            deadline_s: Some(7200),
        };
        for edit in EDITS {
            let values = Values { host_directory: edit.name == "host-directory", ..values.clone() };
            let patch = (edit.patch)(&values).unwrap();
            let plain: Value = serde_saphyr::from_str(text(edit.file).unwrap()).unwrap();
            let mut place = plain.pointer(edit.path).unwrap().clone();
            let before = place.clone();
            merge(&mut place, patch);
            assert_ne!(place, before, "`{}` changes nothing", edit.name);
            assert!(!edit.why.is_empty() && !edit.when.is_empty());
        }
        let mut names: Vec<_> = EDITS.iter().map(|edit| edit.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EDITS.len());
    }

    /// A host directory takes the place of NFS: a volume has one source.
    #[test]
    fn a_volume_has_one_source() {
        let values = Values { host_directory: true, ..Values::default() };
        let volume = edited(PERSISTENT_VOLUME, &values).unwrap();
        assert_eq!(volume["spec"]["hostPath"]["path"], json!(NODE_DIRECTORY));
        assert!(volume["spec"].get("nfs").is_none());
    }
}
