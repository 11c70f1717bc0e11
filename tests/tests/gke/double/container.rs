//! The Kubernetes Engine API: clusters, Autopilot and Standard, their node pools, and the operations on them.

use serde_json::{Value, json};

use super::answer::Refusal;
use super::cloud::{Cloud, Kind, Operation, REGION, Resource, Verb, ZONES};
use super::names;
use super::server::Ask;

/// What the control plane of a cluster on the regular channel runs.
const VERSION: &str = "1.34.4-gke.1193000";

pub fn answer(cloud: &mut Cloud, ask: &Ask<'_>) -> Result<Value, Refusal> {
    let [project, location, rest @ ..] = &ask.places[..] else { return Err(Refusal::not_found("method")) };
    let project = cloud.project(project)?.id.clone();
    let is_everywhere = location == "-" && ask.method.ends_with(".list");
    if !is_everywhere && location != REGION && !ZONES.contains(&location.as_str()) {
        let message = format!("Location \"{location}\" does not exist.");
        return Err(Refusal::new(400, "INVALID_ARGUMENT", message));
    }
    let name = |id: &str| format!("projects/{project}/locations/{location}/clusters/{id}");
    let method = ask.method.trim_start_matches("container.projects.locations.");
    match (method, rest) {
        ("clusters.create", []) => create(cloud, ask, &project, location),
        ("clusters.list", []) => {
            let missing: Vec<_> = cloud.silent.iter().collect();
            Ok(json!({ "clusters": list(cloud, &project, location), "missingZones": missing }))
        }
        ("clusters.get", [id]) => Ok(shown(cloud, found(cloud, &name(id))?)),
        ("clusters.delete", [id]) => delete(cloud, ask, &name(id)),
        ("clusters.nodePools.create", [id]) => create_pool(cloud, ask, &name(id)),
        ("clusters.nodePools.list", [id]) => {
            Ok(json!({ "nodePools": shown(cloud, found(cloud, &name(id))?)["nodePools"] }))
        }
        ("clusters.nodePools.get", [id, pool]) => Ok(found(cloud, &pool_name(&name(id), pool))?.body.clone()),
        ("clusters.nodePools.delete", [id, pool]) => delete(cloud, ask, &pool_name(&name(id), pool)),
        ("getServerConfig", []) => Ok(server_config()),
        ("operations.get", [id]) => {
            let found = cloud.operations.get(id).filter(|operation| operation.project == project);
            let found = found.filter(|operation| is_ours(operation) && operation.location == *location);
            found
                .map(operation)
                .ok_or_else(|| Refusal::not_found(&format!("projects/{project}/locations/{location}/operations/{id}")))
        }
        ("operations.list", []) => {
            let here =
                |known: &&Operation| known.project == project && (location == "-" || known.location == *location);
            let found: Vec<_> =
                cloud.operations.values().filter(|known| is_ours(known)).filter(here).map(operation).collect();
            Ok(json!({ "operations": found }))
        }
        _ => Err(Refusal::not_found("method")),
    }
}

fn is_ours(operation: &Operation) -> bool {
    matches!(operation.kind, Kind::Cluster | Kind::NodePool)
}

fn pool_name(cluster: &str, pool: &str) -> String {
    format!("{cluster}/nodePools/{pool}")
}

fn found<'a>(cloud: &'a Cloud, name: &str) -> Result<&'a Resource, Refusal> {
    cloud.shown(name).ok_or_else(|| Refusal::not_found(name))
}

fn list(cloud: &Cloud, project: &str, location: &str) -> Vec<Value> {
    let here = |known: &&Resource| known.project == project && (location == "-" || known.location == *location);
    let clusters = cloud.listed().filter(|known| known.kind == Kind::Cluster).filter(here);
    clusters.map(|cluster| shown(cloud, cluster)).collect()
}

/// A cluster, its node pools among it.
fn shown(cloud: &Cloud, cluster: &Resource) -> Value {
    let prefix = pool_name(&cluster.name(), "");
    let pools: Vec<_> =
        cloud.living().filter(|known| known.name().starts_with(&prefix)).map(|pool| &pool.body).collect();
    let mut body = cluster.body.clone();
    if cluster.kind == Kind::Cluster {
        body["nodePools"] = json!(pools);
        body["currentNodeCount"] = json!(pools.len());
    }
    body
}

fn create(cloud: &mut Cloud, ask: &Ask<'_>, project: &str, location: &str) -> Result<Value, Refusal> {
    let mut body = ask.body["cluster"].clone();
    let id = body["name"].as_str().unwrap_or_default().to_owned();
    names::check_cluster(&id)?;
    names::check_labels(&body["resourceLabels"])?;
    names::check_network(&body["network"], &cloud.project(project)?.networks)?;
    let autopilot = body["autopilot"]["enabled"] == json!(true);
    let has_pools = body["nodePools"].as_array().is_some_and(|pools| !pools.is_empty());
    if autopilot && location != REGION {
        return Err(Refusal::invalid("Autopilot clusters must be regional clusters.".into()));
    }
    if autopilot && (body["nodeConfig"].is_object() || body["initialNodeCount"].as_i64().is_some_and(|count| count > 1))
    {
        return Err(Refusal::invalid("Autopilot clusters do not support mutating node pools.".into()));
    }
    if !autopilot && !has_pools && body["initialNodeCount"].as_i64().unwrap_or_default() < 1 {
        return Err(Refusal::invalid("Cluster.initial_node_count must be greater than zero.".into()));
    }
    let pools = body.as_object_mut().expect("an object").remove("nodePools");
    let own_link = link(&format!("projects/{project}/locations/{location}/clusters/{id}"));
    let fields = json!({
        "location": location, "zone": location, "selfLink": own_link,
        "currentMasterVersion": VERSION, "currentNodeVersion": VERSION, "initialClusterVersion": VERSION,
        "createTime": names::now(), "id": uuid::Uuid::new_v4().simple().to_string(),
    });
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    let resource =
        Resource { kind: Kind::Cluster, project: project.into(), location: location.into(), id, body, foreign: false };
    let name = resource.name();
    if cloud.resources.contains_key(&name) {
        return Err(Refusal::exists(&name));
    }
    let pools = match pools {
        Some(Value::Array(pools)) if !pools.is_empty() => pools,
        _ => vec![json!({ "name": "default-pool", "initialNodeCount": resource.body["initialNodeCount"] })],
    };
    for mut pool in pools {
        pool["status"] = "RUNNING".into();
        let id = format!("{}/nodePools/{}", resource.id, pool["name"].as_str().unwrap_or_default());
        let pool = Resource { kind: Kind::NodePool, id, body: pool, ..resource.clone() };
        cloud.resources.insert(pool.name(), pool);
    }
    cloud.resources.insert(name.clone(), resource);
    let id = cloud.begin(Verb::Create, &name, &ask.faults, ask.behind);
    Ok(operation(&cloud.operations[&id]))
}

fn create_pool(cloud: &mut Cloud, ask: &Ask<'_>, cluster: &str) -> Result<Value, Refusal> {
    let parent = found(cloud, cluster)?.clone();
    if parent.body["autopilot"]["enabled"] == json!(true) {
        return Err(Refusal::invalid("Autopilot clusters do not support mutating node pools.".into()));
    }
    refuse_if_busy(cloud, cluster)?;
    let body = ask.body["nodePool"].clone();
    let id = body["name"].as_str().unwrap_or_default();
    names::check_cluster(id)?;
    let id = format!("{}/nodePools/{id}", parent.id);
    let pool = Resource { kind: Kind::NodePool, id, body, ..parent };
    let name = pool.name();
    if cloud.resources.contains_key(&name) {
        return Err(Refusal::exists(&name));
    }
    cloud.resources.insert(name.clone(), pool);
    let id = cloud.begin(Verb::Create, &name, &ask.faults, ask.behind);
    Ok(operation(&cloud.operations[&id]))
}

fn delete(cloud: &mut Cloud, ask: &Ask<'_>, name: &str) -> Result<Value, Refusal> {
    found(cloud, name)?;
    refuse_if_busy(cloud, name)?;
    let id = cloud.begin(Verb::Delete, name, &ask.faults, ask.behind);
    Ok(operation(&cloud.operations[&id]))
}

/// One operation at a time on a cluster and its pools.
fn refuse_if_busy(cloud: &Cloud, name: &str) -> Result<(), Refusal> {
    let Some(Operation { id, verb, target, .. }) = cloud.busy(name) else { return Ok(()) };
    let short = target.rsplit('/').next().unwrap_or_default();
    let message = match verb {
        Verb::Create => {
            format!("Operation {id} is currently creating cluster {short}. Please wait and try again once it is done.")
        }
        Verb::Delete => format!("Cluster is running incompatible operation {id}."),
    };
    Err(Refusal::new(400, "FAILED_PRECONDITION", message).because("CLUSTER_ALREADY_HAS_OPERATION", json!({})))
}

/// An operation, as this API shows it.
fn operation(operation: &Operation) -> Value {
    let Operation { project, location, id, target, .. } = operation;
    let mut shown = json!({
        "name": id,
        "operationType": match (operation.kind, operation.verb) {
            (Kind::NodePool, Verb::Create) => "CREATE_NODE_POOL",
            (Kind::NodePool, Verb::Delete) => "DELETE_NODE_POOL",
            (_, Verb::Create) => "CREATE_CLUSTER",
            (_, Verb::Delete) => "DELETE_CLUSTER",
        },
        "status": if operation.ended.is_some() { "DONE" } else { "RUNNING" },
        "location": location, "zone": location,
        "selfLink": link(&format!("projects/{project}/locations/{location}/operations/{id}")),
        "targetLink": link(target),
        "startTime": operation.started,
    });
    if let Some(ended) = &operation.ended {
        shown["endTime"] = names::now().into();
        if let Err(failing) = ended {
            shown["error"] = json!({ "code": failing.code, "message": failing.message });
            shown["statusMessage"] = failing.message.clone().into();
        }
    }
    shown
}

fn link(name: &str) -> String {
    // Google's links have the project's number; gcloud reads the path alone.
    format!("https://container.googleapis.com/v1/{name}")
}

fn server_config() -> Value {
    json!({
        "defaultClusterVersion": VERSION, "validMasterVersions": [VERSION], "validNodeVersions": [VERSION],
        "defaultImageType": "COS_CONTAINERD", "validImageTypes": ["COS_CONTAINERD", "UBUNTU_CONTAINERD"],
        "channels": [{ "channel": "REGULAR", "defaultVersion": VERSION, "validVersions": [VERSION] }],
    })
}
