//! What the lab asks of a project before it creates anything: that it is there and bills, its APIs, its quotas, its
//! network, its image repositories.

use serde_json::{Value, json};

use super::answer::Refusal;
use super::cloud::{APIS, Cloud, Kind, Project, REGION, ZONES};
use super::server::Ask;

pub fn answer(cloud: &mut Cloud, ask: &Ask<'_>) -> Result<Value, Refusal> {
    let places: Vec<_> = ask.places.iter().map(String::as_str).collect();
    match (ask.method, &places[..]) {
        ("cloudresourcemanager.projects.get", [project]) => Ok(describe(cloud.project(project)?)),
        ("cloudbilling.projects.getBillingInfo", [project]) => Ok(billing(cloud.project(project)?)),
        ("serviceusage.services.list", ["projects", project]) => {
            let project = cloud.project(project)?;
            let wanted = ask.parameter("filter").unwrap_or_default();
            let is_wanted = |on: bool| match wanted {
                "state:ENABLED" => on,
                "state:DISABLED" => !on,
                _ => true,
            };
            let services = APIS.iter().filter(|(name, _)| is_wanted(project.apis.contains(*name)));
            Ok(json!({ "services": services.map(|(name, title)| service(project, name, title)).collect::<Vec<_>>() }))
        }
        ("serviceusage.services.get", ["projects", project, name]) => {
            let project = cloud.project(project)?;
            let title = APIS.iter().find(|(known, _)| known == name).map_or("", |(_, title)| title);
            Ok(service(project, name, title))
        }
        ("compute.networks.get", [project, network]) => network_of(cloud.project(project)?, network),
        ("compute.regions.get", [project, region]) => region_of(cloud.project(project)?, region),
        ("cloudquotas.projects.locations.services.quotaInfos.get", [project, "global", name, id]) => {
            quota(cloud.project(project)?, name, id)
        }
        ("artifactregistry.projects.locations.repositories.get", [project, location, id]) => {
            let project = cloud.project(project)?.id.clone();
            let name = format!("projects/{project}/locations/{location}/repositories/{id}");
            let missing = || Refusal::new(404, "NOT_FOUND", "Requested entity was not found.");
            cloud.resources.get(&name).map(|found| found.body.clone()).ok_or_else(missing)
        }
        ("artifactregistry.projects.locations.repositories.list", [project, location]) => {
            let project = cloud.project(project)?;
            let here = cloud.living().filter(|known| known.kind == Kind::Repository && known.project == project.id);
            let here = here.filter(|known| *location == "-" || known.location == *location);
            Ok(json!({ "repositories": here.map(|known| &known.body).collect::<Vec<_>>() }))
        }
        _ => Err(Refusal::new(501, "UNIMPLEMENTED", format!("The double does not play {}.", ask.method))),
    }
}

fn describe(project: &Project) -> Value {
    json!({
        "projectId": project.id, "projectNumber": project.number, "name": project.id, "lifecycleState": "ACTIVE",
        "createTime": "2026-01-01T00:00:00.000Z",
    })
}

fn billing(project: &Project) -> Value {
    let account = if project.bills { "billingAccounts/01AB23-CD45EF-678901" } else { "" };
    json!({
        "name": format!("projects/{}/billingInfo", project.id), "projectId": project.id,
        "billingAccountName": account, "billingEnabled": project.bills,
    })
}

fn service(project: &Project, name: &str, title: &str) -> Value {
    json!({
        "name": format!("projects/{}/services/{name}", project.number),
        "parent": format!("projects/{}", project.number),
        "config": { "name": name, "title": title },
        "state": if project.apis.contains(name) { "ENABLED" } else { "DISABLED" },
    })
}

/// Compute says in its own way what it does not find.
fn missing(project: &Project, what: &str) -> Refusal {
    let message = format!("The resource 'projects/{}/{what}' was not found", project.id);
    Refusal::new(404, "NOT_FOUND", message)
}

fn network_of(project: &Project, network: &str) -> Result<Value, Refusal> {
    if !project.networks.contains(&network) {
        return Err(missing(project, &format!("global/networks/{network}")));
    }
    let link = format!("https://www.googleapis.com/compute/v1/projects/{}/global/networks/{network}", project.id);
    Ok(json!({
        "kind": "compute#network", "id": "1", "name": network, "autoCreateSubnetworks": true, "selfLink": link,
        "routingConfig": { "routingMode": "REGIONAL" },
    }))
}

fn region_of(project: &Project, region: &str) -> Result<Value, Refusal> {
    if region != REGION {
        return Err(missing(project, &format!("regions/{region}")));
    }
    let link = |path: &str| format!("https://www.googleapis.com/compute/v1/projects/{}/{path}", project.id);
    let quota = |(metric, limit, usage): &(&str, f64, f64)| json!({ "metric": metric, "limit": limit, "usage": usage });
    Ok(json!({
        "kind": "compute#region", "id": "1000", "name": REGION, "description": REGION, "status": "UP",
        "selfLink": link(&format!("regions/{REGION}")),
        "zones": ZONES.iter().map(|zone| link(&format!("zones/{zone}"))).collect::<Vec<_>>(),
        "quotas": project.quotas.iter().map(quota).collect::<Vec<_>>(),
    }))
}

fn quota(project: &Project, service: &str, id: &str) -> Result<Value, Refusal> {
    if (service, id) != ("file.googleapis.com", "StandardStorageGbPerRegion") {
        return Err(Refusal::new(404, "NOT_FOUND", format!("Quota {id} of {service} was not found.")));
    }
    Ok(json!({
        "name": format!("projects/{}/locations/global/services/{service}/quotaInfos/{id}", project.number),
        "quotaId": id, "service": service, "metric": "file.googleapis.com/standard_storage_gb_per_region",
        "isPrecise": true, "containerType": "PROJECT", "dimensions": ["region"],
        "dimensionsInfos": [{
            "dimensions": { "region": REGION }, "applicableLocations": [REGION],
            "details": { "value": project.filestore_gib.to_string() },
        }],
    }))
}
