//! The export as the lab starts it: NFS-Ganesha in a real container, looked at over the wire.

use std::time::Instant;

use lab::docker::Docker;
use lab::export::{Export, Start, health, image};
use lab::failure::Failure;

use crate::harness::{LABEL, Named, engine, or_skip, shell_image};

/// A network, a directory and an export of one test's own.
struct Stand<'a> {
    docker: &'a Docker,
    image: String,
    network: Named<'a>,
    lab: Named<'a>,
    dir: tempfile::TempDir,
}

impl<'a> Stand<'a> {
    fn new(docker: &'a Docker) -> Result<Self, String> {
        let base = shell_image(docker)?;
        let image = image(docker, &base).map_err(|error| error.to_string())?;
        let network = Named::new(docker);
        docker.create_network(&network.name, &[LABEL]).map_err(|error| error.to_string())?;
        // Dropped before the network, since its container is on it.
        let lab = Named::new(docker);
        Ok(Self { docker, image, network, lab, dir: tempfile::tempdir().unwrap() })
    }

    fn export(&self) -> Export {
        Export::of(self.docker, &self.lab.name)
    }

    fn start(&self) -> Result<health::Healthy, Failure> {
        let data = self.dir.path().join("data");
        self.export().start(&Start { image: &self.image, network: &self.network.name, data: &data, label: LABEL })
    }

    fn check(&self) -> Result<health::Healthy, Failure> {
        self.export().check(&self.network.name, &self.dir.path().join("data"))
    }
}

impl Drop for Stand<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.export().stop() {
            eprintln!("{error}");
        }
    }
}

/// The export's whole life: up and healthy, up again at once and the same, found when it was killed and started again,
/// replaced when it is asked for otherwise, gone when stopped; its data outlive it.
#[test]
fn the_export_stands_falls_and_stands_again() {
    let docker = or_skip!(engine());
    let stand = or_skip!(Stand::new(&docker));
    let export = stand.export();
    assert_eq!(stand.check().unwrap_err().cause, "export-missing");
    let healthy = stand.start().unwrap();
    assert_eq!(export.address(&stand.network.name).unwrap(), Some(healthy.address));
    let id = || docker.inspect(export.container()).unwrap().expect("a container").id;
    let first = id();
    let start = Instant::now();
    stand.start().unwrap();
    assert!(first == id() && start.elapsed().as_secs() < 2, "a second start changes nothing, at once");
    let data = stand.dir.path().join("data");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "the check leaves nothing behind");
    std::fs::write(data.join("file"), "stays").unwrap();

    docker.kill(export.container(), "KILL").unwrap();
    let ended = stand.check().unwrap_err();
    assert!(ended.cause == "export-ended" && ended.error.contains("exit code 137"), "{ended}");
    stand.start().unwrap();
    assert_eq!(first, id(), "its clients find the server that they know");
    assert_eq!(std::fs::read_to_string(data.join("file")).unwrap(), "stays");

    let elsewhere = stand.dir.path().join("elsewhere");
    let start = Start { image: &stand.image, network: &stand.network.name, data: &elsewhere, label: LABEL };
    export.start(&start).unwrap();
    assert_ne!(first, id(), "another directory needs another container");
    stand.start().unwrap();
    assert_eq!(std::fs::read_to_string(data.join("file")).unwrap(), "stays");

    export.clear().unwrap();
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
    assert!(export.stop().unwrap() && !export.stop().unwrap());
    assert_eq!(export.address(&stand.network.name).unwrap(), None);
}

/// What was taken away under the export is found out, and `start` converges: its directory, its network.
#[test]
fn the_export_follows_its_directory_and_its_network() {
    let docker = or_skip!(engine());
    let stand = or_skip!(Stand::new(&docker));
    let data = stand.dir.path().join("data");
    stand.start().unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    let start = Instant::now();
    stand.start().unwrap();
    assert!(start.elapsed().as_secs() < 10, "another directory is no reason to wait");
    docker.kill(stand.export().container(), "KILL").unwrap();
    docker.remove_network(&stand.network.name).unwrap();
    docker.create_network(&stand.network.name, &[LABEL]).unwrap();
    stand.start().unwrap();
    stand.check().unwrap();
}

/// The image is built once: asked for again, it is there at once and the same.
#[test]
fn the_image_is_built_once() {
    let docker = or_skip!(engine());
    let base = or_skip!(shell_image(&docker));
    let reference = image(&docker, &base).unwrap();
    let start = Instant::now();
    assert_eq!(image(&docker, &base).unwrap(), reference);
    assert!(start.elapsed().as_secs() < 2);
    assert_eq!(image(&docker, "localhost/no-such-base:none").unwrap_err().cause, "image-missing");
}

/// A share that answers and is another one is found out before anybody writes to it.
#[test]
fn another_share_is_found_out() {
    let docker = or_skip!(engine());
    let stand = or_skip!(Stand::new(&docker));
    let healthy = stand.start().unwrap();
    let other = tempfile::tempdir().unwrap();
    let error = health::check(healthy.address, other.path()).unwrap_err().to_string();
    assert!(error.contains("is another one"), "{error}");
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0);
}

/// A server that hangs is found unhealthy in seconds, and the error says which call got no answer.
#[test]
fn a_frozen_export_is_unhealthy() {
    let docker = or_skip!(engine());
    let stand = or_skip!(Stand::new(&docker));
    stand.start().unwrap();
    docker.kill(stand.export().container(), "STOP").unwrap();
    let start = Instant::now();
    let error = stand.check().unwrap_err();
    docker.kill(stand.export().container(), "CONT").unwrap();
    assert!(error.error.contains("NULL of NFS version 3") && start.elapsed().as_secs() < 10, "{error}");
    stand.check().unwrap();
}
