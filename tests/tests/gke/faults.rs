//! Google's ways to say no, one test each: the lab names the cause, tells Google's own words and one remedy, and what it
//! leaves alive is what it says. Everything that lives is gone after `down`.

use std::time::Duration;

use crate::double::answer::Refusal;
use crate::double::cloud::{Cloud, Kind};
use crate::double::fault::{Failing, Fault, What};
use crate::double::{PROJECT, cloud};
use crate::place::{Place, STANDING};
use crate::program::or_skip;
use crate::said;

const CREATE_CLUSTER: &str = "container.projects.locations.clusters.create";
const DELETE_CLUSTER: &str = "container.projects.locations.clusters.delete";
const GET_CLUSTER: &str = "container.projects.locations.clusters.get";
const CREATE_INSTANCE: &str = "file.projects.locations.instances.create";
const DELETE_INSTANCE: &str = "file.projects.locations.instances.delete";
const GET_FILE_OPERATION: &str = "file.projects.locations.operations.get";

/// When a fault is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before anything is created: the exit code is 3, and nothing was.
    Preflight,
    /// While the cluster and the instance are made: the exit code is 4, and `down` leaves nothing.
    Provisioning,
    /// While they are taken away.
    Teardown,
}

/// A fault, its name, and what the lab says of it.
struct Row {
    /// The snapshot's name.
    name: &'static str,
    /// The cause.
    cause: &'static str,
    when: When,
    /// What the command is given beside what every one is.
    arguments: &'static [&'static str],
    before: fn(&mut Cloud),
}

fn project(cloud: &mut Cloud) -> &mut cloud::Project {
    cloud.projects.get_mut(PROJECT).expect("the project")
}

fn at_the_end(code: i32, message: &str, stays: bool) -> What {
    What::FailAtEnd(Failing { code, message: message.into(), stays })
}

fn refuse(code: u16, status: &'static str, message: &str) -> What {
    What::Refuse(Refusal::new(code, status, message))
}

const STOCKOUT: &str = "Google Compute Engine: Not all instances running in IGM after 35m4.03s. Expected 1, running 0, transitioning 1. Current errors: [GCE_STOCKOUT]: Instance 'gke-batch-aiml-default-pool-97da88a9-8gmv' creation failed: The zone 'projects/my-project/zones/us-central1-b' does not have enough resources available to fulfill the request. '(resource type:compute)'.";
const REGIONAL_QUOTA: &str = "Insufficient regional quota to satisfy request: resource \"CPUS\": request requires '12.0' and is short '4.0'. project has a quota of '8.0' with '8.0' available.";
const POLICY: &str = "Constraint constraints/compute.vmExternalIpAccess violated for project my-project.";
const PER_MINUTE: &str = "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute' of service 'container.googleapis.com' for consumer 'project_number:415104041262'.";
const UNAVAILABLE: &str = "The service is currently unavailable.";

/// One test a row, so that they run side by side.
macro_rules! rows {
    ($($test:ident: $cause:literal, $when:ident, $before:expr;)*) => {
        $(#[test] fn $test() {
            check(&Row { name: stringify!($test), cause: $cause, when: When::$when, arguments: &[], before: $before });
        })*
        const ROWS: &[(&str, &str)] = &[$((stringify!($test), $cause)),*];
    };
}

rows! {
    a_zone_does_not_answer: "list-incomplete", Preflight, |cloud| cloud.silent = Some("us-east1-b");
    billing_is_off: "billing-off", Preflight, |cloud| project(cloud).bills = false;
    the_project_is_not_there: "project-missing", Preflight, |cloud| cloud.projects.clear();
    filestores_api_is_off: "api-off", Preflight, |cloud| {
        project(cloud).apis.remove("file.googleapis.com");
    };
    the_container_api_is_off: "api-off", Preflight, |cloud| {
        project(cloud).apis.remove("container.googleapis.com");
    };
    the_quota_of_filestore_is_used_up: "quota-exceeded", Preflight, |cloud| {
        project(cloud).filestore_gib = 512;
        project(cloud).apis.insert("cloudquotas.googleapis.com".into());
    };
    there_is_no_quota_for_spot: "quota-exceeded", Preflight, |cloud| {
        for (metric, limit, _) in &mut project(cloud).quotas {
            if metric.ends_with("CPUS") {
                *limit = 0.0;
            }
        }
    };
    nobody_may_list_clusters: "permission-denied", Preflight, |cloud| {
        let refusal = Refusal::permission("container.clusters.list", "projects/my-project");
        cloud.script = vec![Fault::always("container.projects.locations.clusters.list", What::Refuse(refusal))];
    };
    there_is_no_network: "network-missing", Preflight, |cloud| {
        let refusal = refuse(404, "NOT_FOUND", "The resource 'projects/my-project/global/networks/default' was not found");
        cloud.script = vec![Fault::always("compute.networks.get", refusal)];
    };
    the_token_is_refused: "no-account", Preflight, |cloud| {
        let refusal = refuse(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
        cloud.script = vec![Fault::always("cloudresourcemanager.projects.get", refusal)];
    };
    the_cluster_finds_no_capacity: "stockout", Provisioning, |cloud| {
        cloud.script = vec![Fault::always(CREATE_CLUSTER, at_the_end(8, STOCKOUT, true))];
    };
    filestore_finds_no_capacity: "stockout", Provisioning, |cloud| {
        let message = "There is no capacity in us-central1-b for the requested instance. Please try again later or in another zone.";
        cloud.script = vec![Fault::always(CREATE_INSTANCE, at_the_end(8, message, false))];
    };
    the_regions_quota_is_too_small: "quota-exceeded", Provisioning, |cloud| {
        cloud.script = vec![Fault::always(CREATE_CLUSTER, refuse(403, "PERMISSION_DENIED", REGIONAL_QUOTA))];
    };
    filestores_quota_is_used_up_meanwhile: "quota-exceeded", Provisioning, |cloud| {
        let refusal = Refusal::quota("StandardStorageGbPerRegion", 1024);
        cloud.script = vec![Fault::always(CREATE_INSTANCE, What::Refuse(refusal))];
    };
    too_many_requests_a_minute: "rate-limit", Provisioning, |cloud| {
        cloud.script = vec![Fault::always(CREATE_CLUSTER, refuse(429, "RESOURCE_EXHAUSTED", PER_MINUTE))];
    };
    nobody_may_create_a_cluster: "permission-denied", Provisioning, |cloud| {
        let refusal = refuse(403, "PERMISSION_DENIED", "Required \"container.clusters.create\" permission(s) for \"projects/my-project\".");
        cloud.script = vec![Fault::always(CREATE_CLUSTER, refusal)];
    };
    nobody_may_create_an_instance: "permission-denied", Provisioning, |cloud| {
        let refusal = Refusal::permission("file.instances.create", "projects/my-project/locations/us-central1-b");
        cloud.script = vec![Fault::always(CREATE_INSTANCE, What::Refuse(refusal))];
    };
    the_organisation_forbids_it: "organisation-policy", Provisioning, |cloud| {
        cloud.script = vec![Fault::always(CREATE_CLUSTER, at_the_end(9, POLICY, true))];
    };
    the_api_is_switched_off_meanwhile: "api-off", Provisioning, |cloud| {
        let refusal = Refusal::api_off("file.googleapis.com", "Cloud Filestore API", "415104041262");
        cloud.script = vec![Fault::always(CREATE_INSTANCE, What::Refuse(refusal))];
    };
    billing_is_switched_off_meanwhile: "billing-off", Provisioning, |cloud| {
        let message = "This API method requires billing to be enabled. Please enable billing on project #415104041262.";
        cloud.script = vec![Fault::always(CREATE_CLUSTER, refuse(403, "PERMISSION_DENIED", message))];
    };
    the_network_has_no_addresses: "ip-space-exhausted", Provisioning, |cloud| {
        let message = "IP_SPACE_EXHAUSTED: Instance 'gke-batch-aiml' creation failed: IP space of 'projects/my-project/regions/us-central1/subnetworks/default' is exhausted.";
        cloud.script = vec![Fault::always(CREATE_CLUSTER, at_the_end(8, message, true))];
    };
    the_cluster_is_broken_at_the_end: "operation-failed", Provisioning, |cloud| {
        let message = "All cluster resources were brought up, but: component \"kube-apiserver\" from endpoint \"gke-1\" is unhealthy.";
        cloud.script = vec![Fault::always(CREATE_CLUSTER, at_the_end(13, message, true))];
    };
    the_instance_goes_to_error: "operation-failed", Provisioning, |cloud| {
        let message = "Failed to create the instance's tenant network peering.";
        cloud.script = vec![Fault::always(CREATE_INSTANCE, at_the_end(13, message, true))];
    };
    google_is_unavailable: "google-unavailable", Provisioning, |cloud| {
        cloud.script = vec![
            Fault::always(CREATE_CLUSTER, refuse(503, "UNAVAILABLE", UNAVAILABLE)),
            Fault::always(CREATE_INSTANCE, refuse(503, "UNAVAILABLE", UNAVAILABLE)),
        ];
    };
    nobody_may_delete_the_cluster: "permission-denied", Teardown, |cloud| {
        let refusal = refuse(403, "PERMISSION_DENIED", "Required \"container.clusters.delete\" permission(s) for \"projects/my-project\".");
        cloud.script = vec![Fault::always(DELETE_CLUSTER, refusal)];
    };
    the_instance_cannot_be_deleted: "delete-failed", Teardown, |cloud| {
        let message = "An internal error has occurred (22434a96-375e-4498-916f-da3bbf2f4fed)";
        cloud.script = vec![Fault::always(DELETE_INSTANCE, at_the_end(13, message, true))];
    };
    the_instance_is_protected: "deletion-protected", Teardown, |cloud| {
        let message = "Deletion protection is enabled on the instance. Disable it before deleting the instance.";
        cloud.script = vec![Fault::always(DELETE_INSTANCE, refuse(400, "FAILED_PRECONDITION", message))];
    };
}

/// What passes by itself, or is asked for once more: `up` makes all that the cloud makes, and `down` leaves
/// nothing.
macro_rules! passing {
    ($($test:ident: $before:expr;)*) => {
        $(#[test] fn $test() { check_passing(stringify!($test), $before); })*
    };
}

passing! {
    the_answer_to_the_clusters_create_is_lost: |cloud| {
        cloud.script = vec![Fault::first(1, CREATE_CLUSTER, What::LoseAnswer)];
    };
    the_answer_to_the_instances_create_is_lost: |cloud| {
        cloud.script = vec![Fault::first(1, CREATE_INSTANCE, What::LoseAnswer)];
    };
    a_cluster_is_not_shown_at_once: |cloud| {
        let message = "Not found: projects/my-project/locations/us-central1/clusters/batch-aiml.";
        cloud.script = vec![Fault::first(2, GET_CLUSTER, refuse(404, "NOT_FOUND", message))];
    };
    google_is_unavailable_in_between: |cloud| {
        cloud.script = vec![
            Fault { after: 1, ..Fault::first(1, GET_CLUSTER, refuse(503, "UNAVAILABLE", UNAVAILABLE)) },
            Fault::first(1, GET_FILE_OPERATION, refuse(502, "UNAVAILABLE", UNAVAILABLE)),
        ];
    };
    operations_take_their_time: |cloud| {
        cloud.script = vec![
            Fault::always(CREATE_CLUSTER, What::Take(Duration::from_secs(6))),
            Fault::always(CREATE_INSTANCE, What::Take(Duration::from_secs(4))),
        ];
    };
    a_delete_fails_once: |cloud| {
        let message = "An internal error has occurred (22434a96-375e-4498-916f-da3bbf2f4fed)";
        cloud.script = vec![
            Fault::first(1, DELETE_CLUSTER, at_the_end(13, message, false)),
            Fault::first(1, DELETE_INSTANCE, refuse(500, "INTERNAL", message)),
        ];
    };
}

fn check(row: &Row) {
    let place = or_skip!(Place::new());
    if row.when == When::Teardown {
        place.provision(&[]);
    }
    (row.before)(&mut place.double.cloud());
    let said =
        place.run(if row.when == When::Teardown { "down" } else { "up" }, &[&["--json"], row.arguments].concat());
    let failed = said::failure(&said);
    said::compare(row.name, &place, &failed);
    assert_eq!(failed.cause, row.cause, "{}\n{}", failed.text, said.out);
    said.assert_code(if row.when == When::Preflight { 3 } else { 4 });
    if row.when == When::Preflight {
        place.assert_nothing_lives("after preflight");
        let cloud = place.double.cloud();
        return assert!(cloud.operations.is_empty(), "preflight has begun something: {:#?}", cloud.operations);
    }
    place.double.cloud().script.clear();
    place.let_orders_settle();
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_lives("after down");
}

fn check_passing(name: &str, before: fn(&mut Cloud)) {
    let place = or_skip!(Place::new());
    before(&mut place.double.cloud());
    place.provision(&[]);
    place.assert_living(&STANDING, name);
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_lives(name);
}

/// An image repository of Google's is asked for before anything is made; the double's own registry is asked as a registry.
#[test]
fn there_is_no_image_repository() {
    check(&Row {
        name: "there_is_no_image_repository",
        cause: "repository-missing",
        when: When::Preflight,
        arguments: &["--image-repository", "us-central1-docker.pkg.dev/my-project/batch-aiml"],
        before: |cloud| cloud.resources.retain(|_, known| known.kind != Kind::Repository),
    });
}

/// What is being repaired costs all the same: it is deleted, not waited for.
#[test]
fn an_instance_under_repair_is_deleted() {
    let place = or_skip!(Place::new());
    place.provision(&[]);
    for known in place.double.cloud().resources.values_mut().filter(|known| known.kind == Kind::Instance) {
        known.body["state"] = "REPAIRING".into();
    }
    place.run("down", &[]).assert_code(0);
    place.assert_nothing_lives("after down");
}

/// What `down` has deleted is not taken for gone from a list in which a zone is missing: it is asked again, and it says so if
/// that does not help.
#[test]
fn an_audit_waits_for_every_zone() {
    let place = or_skip!(Place::new());
    place.provision(&[]);
    let lists = || {
        let cloud = place.double.cloud();
        cloud.calls.iter().filter(|call| call.method.ends_with(".instances.list")).count()
    };
    // gcloud may send more than one request for a list; preflight has had one made.
    let requests = lists();
    place.double.cloud().silent = Some("us-east1-b");
    let mut down = place.start(place.command("down", &[]));
    // Preflight's, the audit's, and the one that it has made again.
    let has_listed = || lists() >= 3 * requests;
    assert!(down.wait_until(has_listed), "{}", down.wait().err);
    place.double.cloud().silent = None;
    down.wait().assert_code(0);
    place.assert_nothing_lives("after down");
}

/// There are as many as the project promises, and each has a name of its own.
#[test]
fn there_are_enough_faults() {
    assert!(ROWS.len() >= 20, "{} faults", ROWS.len());
}
