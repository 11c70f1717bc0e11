//! Target `gke` without Google: what is said of a gcloud that will not do, and of labs that cost money for too long.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Place, Said};

/// `up` on target `gke`, with nothing but these programs on the PATH.
fn up(place: &Place, programs: &[(&str, &str)]) -> Said {
    let bin = place.path("bin");
    let _ = fs_err::remove_dir_all(&bin);
    fs_err::create_dir_all(&bin).expect("a directory");
    for (name, script) in programs {
        let path = bin.join(name);
        fs_err::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a script of ours");
    }
    let mut command = place.command(&["up", "--json", "--target", "gke", "--project", "my-project", "--yes"]);
    command.env("PATH", &bin);
    place.finish(command)
}

/// Causes and remedies of what was told as wrong.
fn wrong(said: &Said) -> Vec<(String, String)> {
    let lines = said.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let field = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let errors = lines.filter(|line| line["event"] == "error");
    errors.map(|line| (field(&line, "cause"), field(&line, "remedy"))).collect()
}

/// A gcloud of this version that has an account.
fn gcloud(version: &str) -> String {
    format!("case $1 in version) echo '{{\"Google Cloud SDK\": \"{version}\"}}';; auth) echo token;; *) exit 1;; esac")
}

/// A gcloud that is not there or too old, and its helper that is not there, are each told with what mends it; nothing is begun.
#[test]
fn a_gcloud_that_will_not_do_is_told() {
    let place = Place::without_redis();
    let plugin = ("gke-gcloud-auth-plugin", "exit 0");
    let (old, new) = (gcloud("399.0.0"), gcloud("528.0.0"));
    for (programs, cause, remedy) in [
        (&[plugin][..], "gcloud-missing", "install it: https://cloud.google.com/sdk/docs/install"),
        (&[("gcloud", old.as_str()), plugin], "gcloud-too-old", "gcloud components update"),
        (&[("gcloud", new.as_str())], "auth-plugin-missing", "gcloud components install gke-gcloud-auth-plugin"),
    ] {
        let said = up(&place, programs);
        said.assert_code(3);
        let told = wrong(&said);
        let is_told = |(told, mends): &(String, String)| told == cause && mends.starts_with(remedy);
        assert!(told.iter().any(is_told), "{cause}: {told:?}\n{}", said.err);
        assert!(!place.lab_dir("default").exists(), "{cause}");
    }
}

/// A line of the ledger for a lab of another machine.
fn line(lab: &str, until: &str) -> String {
    let line = json!({
        "v": 1, "at": "2026-11-24T15:00:00Z", "event": "exists", "lab_id": format!("lab-{lab}"), "lab": lab, "kind": "filestore",
        "name": format!("batch-aiml-filestore-{lab}"), "project": "my-project", "location": "us-central1-b", "labels": {},
        "usd_per_hour": 0.28, "until": until, "host": "elsewhere", "state": "/nowhere",
    });
    format!("{line}\n")
}

/// `status`, `up` and `gc` complain about a lab that costs money for longer than it was meant to, and of no other one.
#[test]
fn an_overdue_lab_is_complained_about() {
    let place = Place::without_redis();
    let ledger = place.path("state/batch-ml-lab/ledger.jsonl");
    fs_err::create_dir_all(ledger.parent().unwrap_or(Path::new("/"))).expect("a directory");
    let text = line("late", "2026-11-24T17:00:00Z") + &line("young", "2999-01-01T00:00:00Z");
    fs_err::write(&ledger, text).expect("a ledger");
    let complaint = "lab `late` (lab-late) in project `my-project` was meant to live until 2026-11-24T17:00:00Z, and still costs \
                     about $0.28 an hour, $6.72 a day: cargo xtask lab down --name late, or cargo xtask lab gc --lab-id lab-late";
    let up = place.command(&["up", "--target", "gke", "--project", "my-project", "--yes"]);
    for mut command in [place.command(&["status"]), place.command(&["gc"]), up] {
        command.env("PATH", place.path("empty"));
        let said = place.finish(command);
        let told = format!("{}{}", said.out, said.err);
        let overdue: Vec<_> = told.lines().filter(|line| line.contains("Overdue")).collect();
        assert!(overdue.len() == 1 && overdue[0].ends_with(complaint), "{told}");
    }
}
