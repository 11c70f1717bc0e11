//! The wrapper of Docker's client against a real engine: what scripts in its place cannot show.

use lab::docker::{Build, Mount, Run};

use crate::harness::{LABEL, Named, engine, or_skip, shell_image};

/// A container's life, as the lab leads it: network, mount, start, exec, kill, logs, removal; each twice where that
/// must change nothing.
#[test]
fn a_container_lives_and_dies() {
    let docker = or_skip!(engine());
    let image = or_skip!(shell_image(&docker));
    let dir = tempfile::tempdir().unwrap();
    let network = Named::new(&docker);
    let container = Named::new(&docker);
    let own = (LABEL.0, container.name.as_str());
    assert!(!docker.has_network(&network.name).unwrap());
    docker.create_network(&network.name, &[own]).unwrap();
    assert!(docker.has_network(&network.name).unwrap());
    assert_eq!(docker.networks(own).unwrap(), [network.name.as_str()]);
    let mount = Mount { source: dir.path(), target: "/data", read_only: false };
    let run = Run {
        image: &image,
        name: &container.name,
        labels: &[own],
        network: Some(&network.name),
        mounts: &[mount],
        environment: &[("GREETING", "good day")],
        command: &["sh", "-c", "echo \"$GREETING\"; sleep 60 & wait"],
        ..Run::default()
    };
    let id = docker.run(&run).unwrap();
    let error = docker.run(&run).unwrap_err().to_string();
    assert!(error.contains("is already in use"), "{error}");
    let seen = docker.inspect(&container.name).unwrap().expect("a container");
    assert!(seen.is_running() && seen.id == id && seen.addresses.contains_key(&network.name), "{seen:?}");
    assert_eq!(docker.image_id(&image).unwrap(), Some(seen.image_id));
    assert_eq!(docker.containers(own).unwrap(), [container.name.as_str()]);
    let written = docker.exec(&container.name, &["sh", "-c", "cat > /data/file; exit 7"], b"bytes").unwrap();
    assert_eq!((written.code, fs_err::read(dir.path().join("file")).unwrap()), (7, b"bytes".to_vec()));
    assert_ne!(docker.exec(&container.name, &["/no/such/program"], b"").unwrap().code, 0);
    docker.kill(&container.name, "KILL").unwrap();
    docker.start(&container.name).unwrap();
    assert!(docker.logs(&container.name, 10).unwrap().contains("good day"));
    assert!(docker.remove(&container.name).unwrap() && !docker.remove(&container.name).unwrap());
    assert_eq!(docker.inspect(&container.name).unwrap(), None);
    assert!(docker.exec(&container.name, &["true"], b"").is_err());
    assert!(docker.remove_network(&network.name).unwrap() && !docker.remove_network(&network.name).unwrap());
    assert_eq!((docker.containers(own).unwrap(), docker.networks(own).unwrap()), (vec![], vec![]));
}

/// An image that is not there is an answer, and starting it does not go looking for it.
#[test]
fn an_image_that_is_not_there_is_not_pulled() {
    let docker = or_skip!(engine());
    let container = Named::new(&docker);
    let image = "localhost/batch-ml-lab/no-such-image:none";
    assert_eq!(docker.image_id(image).unwrap(), None);
    let start = std::time::Instant::now();
    let run = Run { image, name: &container.name, ..Run::default() };
    let error = docker.run(&run).unwrap_err().to_string();
    assert!(error.contains("No such image"), "{error}");
    assert!(start.elapsed().as_secs() < 5);
}

/// An image that a container uses stays, and that is an answer, not an error; without the container it goes.
#[test]
fn an_image_in_use_stays() {
    let docker = or_skip!(engine());
    let base = or_skip!(shell_image(&docker));
    let container = Named::new(&docker);
    let reference = format!("localhost/batch-ml-lab-test/{}:in-use", container.name);
    let dockerfile = format!("FROM {base}\nLABEL of={}\n", container.name);
    docker.build(&Build { reference: &reference, files: &[("Dockerfile", &dockerfile)], ..Build::default() }).unwrap();
    let command = &["sleep", "60"];
    docker.run(&Run { image: &reference, name: &container.name, labels: &[LABEL], command, ..Run::default() }).unwrap();
    assert!(!docker.remove_unused_image(&reference).unwrap());
    assert!(docker.remove(&container.name).unwrap());
    assert!(docker.remove_unused_image(&reference).unwrap() && docker.remove_unused_image(&reference).unwrap());
    assert_eq!(docker.image_id(&reference).unwrap(), None);
}
