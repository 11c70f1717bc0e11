//! The export that the machines of one test mount.

use std::sync::atomic::{AtomicU32, Ordering};

use lab::docker::Docker;
use lab::export::{Export, Healthy, Start, image};

use crate::machine::{Machine, Version};
use crate::needs::Needs;
use crate::place::Place;

/// Docker's own network: this machine and the machines in it reach the export's address there.
const NETWORK: &str = "bridge";
/// The label of what these tests start.
const LABEL: (&str, &str) = ("batch-ml-lab-test", "nfs");
/// A file in the share that no other share has.
const NONCE: &str = "nonce";

/// An export of one test's own, and everything to boot machines with.
pub struct Stand {
    needs: Needs,
    export: Export,
    image: String,
    data: tempfile::TempDir,
    nonce: String,
    booted: AtomicU32,
}

impl Stand {
    /// Starts the export, or says what is missing here.
    pub fn new() -> Result<Self, String> {
        let needs = Needs::find()?;
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let export = Export::of(&needs.docker, &format!("batch-ml-lab-test-{nonce}"));
        let image = image(&needs.docker, &needs.base).map_err(|error| error.to_string())?;
        let data = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(data.path().join(NONCE), &nonce).expect("a directory to write to");
        let stand = Self { needs, export, image, data, nonce, booted: AtomicU32::new(0) };
        stand.start();
        Ok(stand)
    }

    /// A machine that has the share mounted: this very share, and no other that happens to answer.
    pub fn boot(&self, version: Version) -> Machine {
        let server = self.export.address(NETWORK).expect("Docker answers").expect("the export is up");
        // A server tells clients of version 4 by the names of their hosts: two of one name throw each other out.
        let host = format!("machine-{}", self.booted.fetch_add(1, Ordering::Relaxed));
        let machine = Machine::boot(&self.needs, &host, version, server);
        let found = machine.run(&format!("cat /mnt/{NONCE}; grep ' /mnt ' /proc/mounts"));
        assert!(found.text.starts_with(&self.nonce), "another share is mounted: {}", found.text);
        let vers = version.name().replace("nfs-", "vers=");
        assert!(found.text.contains(&vers), "not mounted with {vers}: {}", found.text);
        machine
    }

    /// A folder of the share with datasets and a Redis of its own.
    pub fn place(&self, name: &str, datasets: usize) -> Place {
        Place::new(self.data.path(), name, datasets)
    }

    /// Kills the server as a node that vanishes would.
    pub fn kill_server(&self) {
        self.docker().kill(self.export.container(), "KILL").expect("a server to kill");
    }

    /// Starts the same server again, and waits until it is healthy.
    pub fn start_server(&self) {
        self.docker().start(self.export.container()).expect("a server to start");
        self.start();
    }

    fn start(&self) -> Healthy {
        let start = Start { image: &self.image, network: NETWORK, data: self.data.path(), label: LABEL };
        self.export.start(&start).unwrap_or_else(|failure| panic!("{failure}"))
    }

    fn docker(&self) -> &Docker {
        &self.needs.docker
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Err(error) = self.export.stop() {
            eprintln!("{error}");
        }
    }
}
