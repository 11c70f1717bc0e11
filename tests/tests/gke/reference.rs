//! The double, asked by gcloud itself: what the lab asks for is answered, what Google refuses is refused, and the
//! reference is that of the gcloud that is installed.

use std::process::{Command, Output};

use serde_json::Value;

use crate::double::cloud::Kind;
use crate::double::{PROJECT, REPOSITORY};
use crate::place::Place;
use crate::program::or_skip;

/// A line of gcloud, and the methods that it must come to.
const LINES: &[(&str, &[&str])] = &[
    ("projects describe PROJECT", &["cloudresourcemanager.projects.get"]),
    ("billing projects describe PROJECT", &["cloudbilling.projects.getBillingInfo"]),
    ("services list --enabled", &["serviceusage.services.list"]),
    ("compute networks describe default", &["compute.networks.get"]),
    ("compute regions describe us-central1", &["compute.regions.get"]),
    (
        "beta quotas info describe StandardStorageGbPerRegion --service=file.googleapis.com",
        &["cloudquotas.projects.locations.services.quotaInfos.get"],
    ),
    (
        "artifacts repositories describe REPOSITORY --location=us-central1",
        &["artifactregistry.projects.locations.repositories.get"],
    ),
    (
        "container clusters create-auto batch-aiml --region=us-central1 --network=default --release-channel=regular \
         --labels=batch-ml-lab=lab-3f9c1a2b4d5e,batch-ml-lab-until=2026-11-24t21-30-00z --async",
        &["container.projects.locations.clusters.create"],
    ),
    ("container clusters list", &["container.projects.locations.clusters.list"]),
    ("container clusters describe batch-aiml --region=us-central1", &["container.projects.locations.clusters.get"]),
    ("container operations list --region=us-central1", &["container.projects.locations.operations.list"]),
    (
        "container clusters get-credentials batch-aiml --region=us-central1",
        &["container.projects.locations.clusters.get"],
    ),
    (
        "container clusters create standard --zone=us-central1-b --num-nodes=1 --machine-type=e2-standard-2 \
         --disk-type=pd-standard --disk-size=50 --network=default --release-channel=regular --labels=batch-ml-lab=x --async",
        &["container.projects.locations.clusters.create"],
    ),
    (
        "container node-pools create spot --cluster=standard --zone=us-central1-b --spot --num-nodes=1 \
         --machine-type=e2-standard-2 --disk-type=pd-standard --disk-size=50 \
         --node-taints=cloud.google.com/gke-spot=true:NoSchedule --async",
        &["container.projects.locations.clusters.nodePools.create"],
    ),
    (
        "container node-pools list --cluster=standard --zone=us-central1-b",
        &["container.projects.locations.clusters.nodePools.list"],
    ),
    (
        "container node-pools describe spot --cluster=standard --zone=us-central1-b",
        &["container.projects.locations.clusters.nodePools.get"],
    ),
    (
        "filestore instances create batch-aiml-filestore --zone=us-central1-b --tier=BASIC_HDD \
         --file-share=name=NFSVol,capacity=1TB --network=name=default --labels=batch-ml-lab=x --async",
        &["file.projects.locations.instances.create"],
    ),
    (
        "filestore instances create zonal --zone=us-central1-b --tier=ZONAL --file-share=name=NFSVol,capacity=1TB \
         --network=name=default --labels=batch-ml-lab=x --async",
        &["file.projects.locations.instances.create"],
    ),
    (
        "filestore instances create enterprise --location=us-central1 --tier=ENTERPRISE \
         --file-share=name=NFSVol,capacity=1TB --network=name=default --labels=batch-ml-lab=x --async",
        &["file.projects.locations.instances.create"],
    ),
    ("filestore instances delete zonal --zone=us-central1-b --async", &["file.projects.locations.instances.delete"]),
    (
        "filestore instances delete enterprise --location=us-central1 --async",
        &["file.projects.locations.instances.delete"],
    ),
    ("filestore instances list", &["file.projects.locations.instances.list"]),
    (
        "filestore instances describe batch-aiml-filestore --zone=us-central1-b",
        &["file.projects.locations.instances.get"],
    ),
    (
        "filestore instances delete batch-aiml-filestore --zone=us-central1-b --async",
        &["file.projects.locations.instances.delete"],
    ),
    (
        "container clusters delete standard --zone=us-central1-b --async",
        &["container.projects.locations.clusters.delete"],
    ),
];

/// A line that Google refuses, and some of its words.
const REFUSED: &[(&str, &str)] = &[
    ("projects describe somebody-elses", "does not have permission to access projects instance [somebody-elses]"),
    (
        "container clusters describe nowhere --region=us-central1",
        "Not found: projects/my-project/locations/us-central1/clusters/nowhere",
    ),
    ("container clusters delete nowhere --region=us-central1 --async", "Not found"),
    ("container clusters create-auto UPPER --region=us-central1 --async", "Invalid value"),
    ("container clusters create-auto c --region=us-central1 --network=other --async", "does not exist"),
    ("filestore instances describe nowhere --zone=us-central1-b", "NOT_FOUND"),
    (
        "filestore instances create small --zone=us-central1-b --tier=BASIC_HDD --file-share=name=NFSVol,capacity=100GB \
         --network=name=default --async",
        "capacity",
    ),
    (
        "filestore instances create vast --zone=us-central1-b --tier=BASIC_HDD --file-share=name=NFSVol,capacity=20TB \
         --network=name=default --async",
        "Quota limit 'StandardStorageGbPerRegion' has been exceeded",
    ),
    (
        "filestore instances create misplaced --zone=us-central1-b --tier=REGIONAL --file-share=name=NFSVol,capacity=1TB \
         --network=name=default --async",
        "need a region",
    ),
    ("artifacts repositories describe nowhere --location=us-central1", "NOT_FOUND"),
    ("compute networks describe other", "was not found"),
];

/// gcloud, led to the double of a place.
fn gcloud(place: &Place, line: &str) -> Output {
    let line = line.replace("PROJECT", PROJECT).replace("REPOSITORY", REPOSITORY);
    let lab = place.command("status", &[]);
    let mut gcloud = Command::new("gcloud");
    gcloud.args(line.split_whitespace()).args(["--format=json", "--quiet"]);
    if !line.contains("projects describe") {
        gcloud.arg(format!("--project={PROJECT}"));
    }
    gcloud.envs(lab.get_envs().filter_map(|(name, value)| Some((name, value?))));
    gcloud.env("CLOUDSDK_BILLING_QUOTA_PROJECT", "CURRENT_PROJECT");
    gcloud.output().expect("gcloud starts")
}

/// Every call that the lab makes of gcloud comes to the methods that it should, and is answered by what Google's own
/// client can read.
#[test]
fn every_call_of_the_lab_is_answered() {
    let place = or_skip!(Place::new());
    let mut cloud = place.double.cloud();
    cloud.projects.get_mut(PROJECT).expect("the project").apis.insert("cloudquotas.googleapis.com".into());
    drop(cloud);
    for (line, methods) in LINES {
        place.double.cloud().calls.clear();
        let output = gcloud(&place, line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gcloud {line}: {said}");
        let cloud = place.double.cloud();
        for method in *methods {
            assert!(cloud.count(method) > 0, "gcloud {line} did not come to {method}: {:#?}", cloud.calls);
        }
        assert!(cloud.surprises.is_empty(), "gcloud {line}: {:#?}", cloud.surprises);
    }
    place.assert_living(&["clusters/batch-aiml", "nodePools/default-pool"], "after every call");
    let cloud = place.double.cloud();
    let cluster = cloud.living().find(|known| known.kind == Kind::Cluster).expect("the cluster");
    assert_eq!(cluster.labels()["batch-ml-lab"], "lab-3f9c1a2b4d5e");
    assert_eq!(cluster.body["autopilot"]["enabled"], Value::Bool(true));
}

/// What Google refuses the double refuses, and gcloud tells it.
#[test]
fn what_google_refuses_is_refused() {
    let place = or_skip!(Place::new());
    for (line, words) in REFUSED {
        let output = gcloud(&place, line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "gcloud {line}: {said}");
    }
    place.assert_nothing_lives("after all that was refused");
}

/// Who shows no token is told so.
#[test]
fn nobody_is_answered_without_a_token() {
    let place = or_skip!(Place::new());
    let port = place.double.port();
    let curl = Command::new("curl")
        .args(["--silent", &format!("http://127.0.0.1:{port}/file/v1/projects/p/locations/-/instances")])
        .output();
    let Ok(output) = curl else { return eprintln!("skipped: there is no curl") };
    let body: Value = serde_json::from_slice(&output.stdout).expect("Google's error body");
    assert_eq!(body["error"]["status"], "UNAUTHENTICATED");
}

/// The committed reference is what the clients inside gcloud 528 say.
#[test]
fn the_reference_is_gclouds() {
    let _place = or_skip!(Place::new());
    let field = |name: &str| {
        let output =
            Command::new("gcloud").args(["info", &format!("--format=value({name})")]).output().expect("gcloud runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let version = field("basic.version");
    if version != "528.0.0" {
        return eprintln!("skipped: the reference is of gcloud 528.0.0, and here is {version}");
    }
    let (root, python) = (field("installation.sdk_root"), field("basic.python_location"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let committed = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gke/double/reference"));
    let mut export = Command::new(python);
    export.env("PYTHONDONTWRITEBYTECODE", "1").arg(committed.join("export.py")).arg(root).arg(dir.path());
    let output = export.output().expect("gcloud's Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for entry in fs_err::read_dir(dir.path()).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        let read = |path: &std::path::Path| fs_err::read_to_string(path).expect("a reference");
        assert!(read(&path) == read(&committed.join(name)), "{} differs from the committed one", path.display());
    }
}
