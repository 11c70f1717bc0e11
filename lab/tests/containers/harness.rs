//! A real engine, names that nobody else uses, and what must not stay behind.

use std::path::PathBuf;

use lab::docker::Docker;

/// What a test needs, or the test is over with the reason printed.
macro_rules! or_skip {
    ($needed:expr) => {
        match $needed {
            Ok(needed) => needed,
            Err(reason) => return eprintln!("skipped: {reason}"),
        }
    };
}

pub(crate) use or_skip;

/// The label of everything that these tests start.
pub const LABEL: (&str, &str) = ("batch-ml-lab-test", "containers");

/// An engine that answers, or why not.
pub fn engine() -> Result<Docker, String> {
    let docker = Docker::find(None).map_err(|error| error.to_string())?;
    docker.versions().map_err(|error| error.to_string())?;
    Ok(docker)
}

/// The static worker that goes into the image.
pub fn worker() -> Result<PathBuf, String> {
    let worker = std::env::var_os("LAB_WORKER").map(PathBuf::from);
    worker.ok_or_else(|| "LAB_WORKER names no static worker; `cargo xtask test` builds one".into())
}

/// An image to run small commands in, which must be there already.
pub fn shell_image(docker: &Docker) -> Result<String, String> {
    let image = std::env::var("LAB_BASE_IMAGE").unwrap_or_else(|_| lab::images::BASE.reference.into());
    match docker.image_id(&image) {
        Ok(Some(_)) => Ok(image),
        Ok(None) => Err(format!("the image `{image}` is not there; docker pull it, or set LAB_BASE_IMAGE")),
        Err(error) => Err(error.to_string()),
    }
}

/// A container or network of one test, gone when it is dropped.
pub struct Named<'a> {
    docker: &'a Docker,
    pub name: String,
}

impl<'a> Named<'a> {
    /// A name that nobody else uses.
    pub fn new(docker: &'a Docker) -> Self {
        Self { docker, name: format!("batch-ml-lab-test-{}", uuid::Uuid::new_v4().simple()) }
    }
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        let removed = self.docker.remove(&self.name).map(drop);
        if let Err(error) = removed.and_then(|()| self.docker.remove_network(&self.name).map(drop)) {
            eprintln!("{error}");
        }
    }
}
