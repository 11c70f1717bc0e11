//! The Filestore API: instances and the operations on them.

use serde_json::{Value, json};

use super::answer::Refusal;
use super::cloud::{Cloud, Kind, Operation, REGION, Resource, Verb, ZONES};
use super::names;
use super::server::Ask;

/// Capacities of a tier, in GiB, and whether its instances are a region's rather than a zone's.
const TIERS: &[(&str, i64, i64, bool)] = &[
    ("BASIC_HDD", 1024, 65_434, false),
    ("STANDARD", 1024, 65_434, false),
    ("BASIC_SSD", 2560, 65_434, false),
    ("PREMIUM", 2560, 65_434, false),
    ("ZONAL", 1024, 102_400, false),
    ("REGIONAL", 1024, 102_400, true),
    ("ENTERPRISE", 1024, 10_240, true),
];

pub fn answer(cloud: &mut Cloud, ask: &Ask<'_>) -> Result<Value, Refusal> {
    let (project, rest) = ask.places.split_first().ok_or_else(|| Refusal::not_found("method"))?;
    let project = cloud.project(project)?.id.clone();
    let method = ask.method.trim_start_matches("file.projects.");
    if let ("locations.list", []) = (method, rest) {
        return Ok(json!({ "locations": ZONES.iter().map(|zone| place(&project, zone)).collect::<Vec<_>>() }));
    }
    let (location, rest) = rest.split_first().ok_or_else(|| Refusal::not_found("method"))?;
    let is_everywhere = location == "-" && method.ends_with(".list");
    if !is_everywhere && location != REGION && !ZONES.contains(&location.as_str()) {
        let message = format!("Location {location} is not found or access is unauthorized.");
        return Err(Refusal::new(403, "PERMISSION_DENIED", message).because("LOCATION_POLICY_VIOLATED", json!({})));
    }
    let name = |id: &str| format!("projects/{project}/locations/{location}/instances/{id}");
    match (method, rest) {
        ("locations.get", []) => Ok(place(&project, location)),
        ("locations.instances.create", []) => create(cloud, ask, &project, location),
        ("locations.instances.list", []) => {
            let here = |known: &&Resource| known.project == project && (location == "-" || known.location == *location);
            let instances = cloud.listed().filter(|known| known.kind == Kind::Instance).filter(here);
            let unreachable: Vec<_> =
                cloud.silent.iter().map(|zone| format!("projects/{project}/locations/{zone}")).collect();
            let instances: Vec<_> = instances.map(|instance| &instance.body).collect();
            Ok(json!({ "instances": instances, "unreachable": unreachable }))
        }
        ("locations.instances.get", [id]) => Ok(found(cloud, &name(id))?.body.clone()),
        ("locations.instances.delete", [id]) => delete(cloud, ask, &name(id)),
        ("locations.operations.get", [id]) => {
            let known =
                cloud.operations.get(id).filter(|known| known.kind == Kind::Instance && known.project == project);
            known.map(operation).ok_or_else(|| Refusal::not_found(&format!("operation {id}")))
        }
        ("locations.operations.list", []) => {
            let here =
                |known: &&Operation| known.project == project && (location == "-" || known.location == *location);
            let instances = cloud.operations.values().filter(|known| known.kind == Kind::Instance).filter(here);
            Ok(json!({ "operations": instances.map(operation).collect::<Vec<_>>() }))
        }
        _ => Err(Refusal::not_found("method")),
    }
}

fn place(project: &str, location: &str) -> Value {
    json!({ "name": format!("projects/{project}/locations/{location}"), "locationId": location })
}

/// Google says here what it says in [`Refusal::not_found`], with the resource in quotes.
fn found<'a>(cloud: &'a Cloud, name: &str) -> Result<&'a Resource, Refusal> {
    let missing = || Refusal::new(404, "NOT_FOUND", format!("Resource '{name}' was not found"));
    cloud.shown(name).ok_or_else(missing)
}

fn create(cloud: &mut Cloud, ask: &Ask<'_>, project: &str, location: &str) -> Result<Value, Refusal> {
    let mut body = ask.body.clone();
    let id = ask.parameter("instanceId").unwrap_or_default().to_owned();
    names::check_instance(&id)?;
    names::check_labels(&body["labels"])?;
    let tier = body["tier"].as_str().unwrap_or_default().to_owned();
    let Some((_, least, most, regional)) = TIERS.iter().find(|(known, ..)| *known == tier) else {
        return Err(Refusal::invalid(format!("Invalid value for field 'instance.tier': {tier}")));
    };
    if *regional != (location == REGION) {
        let kind = if *regional { "region" } else { "zone" };
        return Err(Refusal::invalid(format!("Instances of tier {tier} need a {kind}; {location} is none.")));
    }
    let share = body["fileShares"][0].clone();
    let size = share["capacityGb"].as_str().and_then(|text| text.parse::<i64>().ok()).or(share["capacityGb"].as_i64());
    let size = size.unwrap_or_default();
    if !(*least..=*most).contains(&size) {
        return Err(Refusal::invalid(format!("capacity of tier {tier} must be in range [{least}, {most}] GB: {size}")));
    }
    names::check_share(share["name"].as_str().unwrap_or_default())?;
    names::check_network(&body["networks"][0]["network"], &cloud.project(project)?.networks)?;
    let used: i64 =
        cloud.living().filter(|known| known.kind == Kind::Instance && known.project == project).map(gib).sum();
    let limit = cloud.project(project)?.filestore_gib;
    if used + size > limit {
        return Err(Refusal::quota("StandardStorageGbPerRegion", limit));
    }
    body["name"] = format!("projects/{project}/locations/{location}/instances/{id}").into();
    body["createTime"] = names::now().into();
    body["fileShares"][0]["capacityGb"] = size.to_string().into();
    let resource =
        Resource { kind: Kind::Instance, project: project.into(), location: location.into(), id, body, foreign: false };
    let name = resource.name();
    if cloud.resources.contains_key(&name) {
        return Err(Refusal::new(409, "ALREADY_EXISTS", format!("Resource '{name}' already exists")));
    }
    cloud.resources.insert(name.clone(), resource);
    let id = cloud.begin(Verb::Create, &name, &ask.faults, ask.behind);
    Ok(operation(&cloud.operations[&id]))
}

/// The capacity of an instance.
pub fn gib(instance: &Resource) -> i64 {
    instance.body["fileShares"][0]["capacityGb"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn delete(cloud: &mut Cloud, ask: &Ask<'_>, name: &str) -> Result<Value, Refusal> {
    found(cloud, name)?;
    if let Some(busy) = cloud.busy(name) {
        let state = if busy.verb == Verb::Create { "CREATING" } else { "DELETING" };
        let message = format!("Instance is in state {state}, the operation cannot be performed.");
        return Err(Refusal::new(400, "FAILED_PRECONDITION", message));
    }
    let id = cloud.begin(Verb::Delete, name, &ask.faults, ask.behind);
    Ok(operation(&cloud.operations[&id]))
}

/// An operation, as this API shows it.
fn operation(operation: &Operation) -> Value {
    let Operation { project, location, id, target, .. } = operation;
    let mut shown = json!({
        "name": format!("projects/{project}/locations/{location}/operations/{id}"),
        "done": operation.ended.is_some(),
        "metadata": {
            "@type": "type.googleapis.com/google.cloud.common.OperationMetadata",
            "createTime": operation.started, "target": target, "apiVersion": "v1", "cancelRequested": false,
            "verb": if operation.verb == Verb::Create { "create" } else { "delete" },
        },
    });
    match &operation.ended {
        Some(Err(failing)) => shown["error"] = json!({ "code": failing.code, "message": failing.message }),
        Some(Ok(())) => shown["response"] = json!({ "@type": "type.googleapis.com/google.protobuf.Empty" }),
        None => {}
    }
    shown
}

/// The networks of an instance once it has an address.
pub fn with_address(body: &Value, address: &str) -> Value {
    let mut networks = body["networks"].clone();
    networks[0]["ipAddresses"] = json!([address]);
    networks[0]["reservedIpRange"] = json!(format!("{address}/29"));
    json!({ "networks": networks })
}
