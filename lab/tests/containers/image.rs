//! The worker's image in a real engine.

use lab::docker::Run;
use lab::image::assemble;

use crate::harness::{LABEL, Named, engine, or_skip, worker};

/// What may be a layer of the worker's image at most.
const SIZE_BYTES_MAX: usize = 5_000_000;

/// The image loads under its own name and digest, twice as well as once, is small, and runs the worker as it is.
#[test]
fn the_image_loads_and_runs() {
    let docker = or_skip!(engine());
    let image = assemble(&or_skip!(worker())).unwrap();
    assert!(image.archive.len() <= SIZE_BYTES_MAX, "{} bytes", image.archive.len());
    for _ in 0..2 {
        docker.load(&image.archive).unwrap();
        assert_eq!(docker.image_id(&image.reference).unwrap().as_ref(), Some(&image.digest));
    }
    let container = Named::new(&docker);
    let run = Run {
        image: &image.reference,
        name: &container.name,
        labels: &[LABEL],
        command: &["--version"],
        ..Run::default()
    };
    docker.run(&run).unwrap();
    let start = std::time::Instant::now();
    let ended = loop {
        let seen = docker.inspect(&container.name).unwrap().expect("a container that was started");
        if seen.status == "exited" {
            break seen;
        }
        assert!(start.elapsed().as_secs() < 30, "{seen:?}");
    };
    let said = docker.logs(&container.name, 10).unwrap();
    assert!(ended.exit_code == 0 && said.starts_with("worker "), "{ended:?} {said}");
    // Nothing but the worker is in it.
    let run = Run { options: &["--entrypoint", "/bin/sh"], ..run };
    docker.remove(&container.name).unwrap();
    assert!(docker.run(&run).unwrap_err().to_string().contains("/bin/sh"));
}
