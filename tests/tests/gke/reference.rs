//! The double, asked by gcloud itself for what the lab asks for.

use std::process::{Command, Output};

use serde_json::Value;

use crate::double::cloud::Kind;
use crate::double::{Double, PROJECT, REPOSITORY};

/// gcloud, with a configuration of its own, led to the double.
struct Gcloud<'a> {
    double: &'a Double,
    dir: tempfile::TempDir,
}

impl Gcloud<'_> {
    fn run(&self, line: &str) -> Output {
        let mut gcloud = Command::new("gcloud");
        gcloud.args(line.split_whitespace()).args(["--format=json", "--quiet"]);
        let token = self.dir.path().join("token");
        fs_err::write(&token, "ya29.a-token").unwrap();
        gcloud.env("CLOUDSDK_CONFIG", self.dir.path()).env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", token);
        gcloud.env("KUBECONFIG", self.dir.path().join("kubeconfig"));
        gcloud.envs(self.double.environment()).output().expect("gcloud starts")
    }

    #[track_caller]
    fn get(&self, line: &str) -> Value {
        let output = self.run(line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gcloud {line}: {said}");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

#[test]
fn try_all() {
    let double = Double::start();
    let gcloud = Gcloud { double: &double, dir: tempfile::tempdir().unwrap() };
    let p = format!("--project={PROJECT}");
    for line in [
        format!("projects describe {PROJECT}"),
        format!("billing projects describe {PROJECT}"),
        format!("services list --enabled {p}"),
        format!("compute networks describe default {p}"),
        format!("compute regions describe us-central1 {p}"),
        format!("beta quotas info describe StandardStorageGbPerRegion --service=file.googleapis.com {p}"),
        format!("artifacts repositories describe {REPOSITORY} --location=us-central1 {p}"),
        format!(
            "container clusters create-auto batch-aiml --region=us-central1 --network=default --release-channel=regular --labels=batch-ml-lab=lab-3f9c1a2b4d5e --async {p}"
        ),
        format!("container clusters list {p}"),
        format!("container clusters describe batch-aiml --region=us-central1 {p}"),
        format!("container operations list --region=us-central1 {p}"),
        format!("container clusters get-credentials batch-aiml --region=us-central1 {p}"),
        format!(
            "container clusters create std --zone=us-central1-b --num-nodes=1 --machine-type=e2-standard-2 --disk-type=pd-standard --disk-size=50 --network=default --release-channel=regular --labels=batch-ml-lab=x --async {p}"
        ),
        format!(
            "container node-pools create spot --cluster=std --zone=us-central1-b --spot --num-nodes=1 --machine-type=e2-standard-2 --disk-type=pd-standard --disk-size=50 --node-taints=cloud.google.com/gke-spot=true:NoSchedule --async {p}"
        ),
        format!("container node-pools list --cluster=std --zone=us-central1-b {p}"),
        format!("container clusters delete batch-aiml --region=us-central1 --async {p}"),
        format!(
            "filestore instances create batch-aiml-filestore --zone=us-central1-b --tier=BASIC_HDD --file-share=name=NFSVol,capacity=1TB --network=name=default --labels=batch-ml-lab=x --async {p}"
        ),
        format!("filestore instances list {p}"),
        format!("filestore instances describe batch-aiml-filestore --zone=us-central1-b {p}"),
        format!("filestore instances delete batch-aiml-filestore --zone=us-central1-b --async {p}"),
    ] {
        let before = std::time::Instant::now();
        let output = gcloud.run(&line);
        let cloud = double.cloud();
        eprintln!(
            "\n== {:?} {line}\ncode {:?}\n{}{}",
            before.elapsed(),
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).chars().take(700).collect::<String>(),
            String::from_utf8_lossy(&output.stderr)
        );
        eprintln!(
            "surprises {:?}; calls {:?}",
            cloud.surprises,
            cloud.calls.iter().map(|c| (&c.method, c.answered)).collect::<Vec<_>>()
        );
        drop(cloud);
        let mut cloud = double.cloud();
        cloud.calls.clear();
        cloud.surprises.clear();
    }
    let _ = Kind::Cluster;
}
