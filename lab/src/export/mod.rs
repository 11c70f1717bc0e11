//! The export: Filestore's stand-in, an NFS-Ganesha server in a container of its own on the lab's network.
//!
//! It stands beside the cluster as Filestore does, serves one directory of this machine as `/NFSVol` with root not
//! squashed, and offers versions 3, 4.1 and 4.2. Its image is built once from the few lines in `image/`; the tag is
//! the digest of these and of the base image. That it serves is checked over the wire ([`health`]).

pub mod error;
pub mod health;
pub mod nfs;
mod rpc;
mod xdr;

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use fs_err as fs;

use crate::docker::{Build, Container, Docker, Mount, Run};
use crate::failure::{Failure, Result};
use crate::image::{TAG_HEX, hex};
use crate::wait::{Look, Wait};

pub use error::ExportError;
pub use health::{Healthy, Unhealthy};
pub use rpc::RpcError;

/// The share's path, as Filestore's is called in the tutorial.
pub const PSEUDO_PATH: &str = "/NFSVol";
/// The image's name, without its tag.
pub const REPOSITORY: &str = "localhost/batch-ml-lab/export";
/// Minor versions of version 4 that it offers.
const MINOR_VERSIONS: [u32; 2] = [1, 2];
/// Where the data lie in the container; `ganesha.conf` says so, too.
const DATA: &str = "/export";
/// What the image is made of.
const FILES: [(&str, &str); 3] = [
    ("Dockerfile", include_str!("image/Dockerfile")),
    ("ganesha.conf", include_str!("image/ganesha.conf")),
    ("serve", include_str!("image/serve")),
];
/// How long the server may take from its start until it is healthy; it takes half a second.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How much of its log is in an error.
const LOG_LINES: usize = 200;

/// The export of one lab, up or not.
#[derive(Debug, Clone)]
pub struct Export {
    docker: Docker,
    container: String,
}

/// What a start needs.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The image, from [`image`].
    pub image: &'a str,
    /// The network that it is on, which must exist.
    pub network: &'a str,
    /// The directory that it serves; it is made if it is not there.
    pub data: &'a Path,
    /// The lab's label.
    pub label: (&'a str, &'a str),
}

/// The export's image, built unless it is there. `base` must be there: it is what the image is built on.
///
/// # Errors
/// When the base is not there or a line of the Dockerfile fails.
pub fn image(docker: &Docker, base: &str) -> Result<String> {
    let base_id = docker.image_id(base)?.ok_or_else(|| ExportError::NoBase { base: base.into() })?;
    let reference = reference(&base_id);
    if docker.image_id(&reference)?.is_none() {
        let arguments = [("BASE", base)];
        docker.build(&Build { reference: &reference, files: &FILES, arguments: &arguments, labels: &[] })?;
    }
    Ok(reference)
}

/// The image's name on this base: the same files on the same base have the same one.
pub fn reference(base_id: &str) -> String {
    let mut content = base_id.as_bytes().to_vec();
    for (path, text) in FILES {
        // Lengths, so that no two lists of files give the same bytes.
        content.extend(format!("\n{path} {}\n{text}", text.len()).bytes());
    }
    format!("{REPOSITORY}:{}", &hex(&content)[..TAG_HEX])
}

impl Export {
    /// The export of a lab of this name; it may be up or not.
    pub fn of(docker: &Docker, lab: &str) -> Self {
        Self { docker: docker.clone(), container: format!("{lab}-export") }
    }

    /// The container's name.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// Starts it unless it is up as asked for, and waits until it is healthy. One that has ended is started again, so
    /// that its clients can go on; one that was made otherwise, or cannot start again, is replaced. The data stay.
    ///
    /// # Errors
    /// When it ends, or is not healthy in time; the error says what was last seen.
    pub fn start(&self, start: &Start<'_>) -> Result<Healthy> {
        fs::create_dir_all(start.data).map_err(ExportError::Data)?;
        let usable = match self.inspect()? {
            Some(found) => self.is_usable(&found, start)?,
            None => false,
        };
        if !usable {
            self.docker.remove(&self.container)?;
            self.run(start)?;
        }
        let remedy = format!("docker logs {} shows what it does", self.container);
        let poll = Duration::from_millis(50);
        let wait = Wait { what: "reach the export", limit: START_LIMIT, poll, remedy: &remedy };
        wait.until(|| {
            Ok(match self.look(start.network, start.data)? {
                Ok(healthy) => Look::Done(healthy),
                Err(why) if why.is_refusal() => {
                    let said = error::last_words(&self.log()?);
                    return Err(ExportError::Refused { container: self.container.clone(), why, said }.into());
                }
                Err(unhealthy) => Look::NotYet(unhealthy.to_string()),
            })
        })
    }

    /// Whether it is healthy now.
    ///
    /// # Errors
    /// When it is not, with what is wrong.
    pub fn check(&self, network: &str, data: &Path) -> Result<Healthy> {
        let container = self.container.clone();
        self.look(network, data)?.map_err(|why| Failure::from(ExportError::Unhealthy { container, why }))
    }

    /// Its address on a network, if it is up there.
    ///
    /// # Errors
    /// When Docker does not answer.
    pub fn address(&self, network: &str) -> Result<Option<IpAddr>> {
        Ok(self.inspect()?.filter(Container::is_running).and_then(|found| found.addresses.get(network).copied()))
    }

    /// Removes everything in the share, and nothing else. The server does it: what workers left there is root's.
    ///
    /// # Errors
    /// When it is not up, or something cannot be removed.
    pub fn clear(&self) -> Result<()> {
        let executed = self.docker.exec(&self.container, &["find", DATA, "-mindepth", "1", "-delete"], b"")?;
        if executed.code == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&executed.stderr).trim().to_owned();
        Err(ExportError::NotCleared { container: self.container.clone(), said }.into())
    }

    /// What it wrote into its log last.
    ///
    /// # Errors
    /// When it is not there.
    pub fn log(&self) -> Result<String> {
        Ok(self.docker.logs(&self.container, LOG_LINES)?)
    }

    /// Stops and removes it, and says whether it was there. The data stay.
    ///
    /// # Errors
    /// When Docker cannot.
    pub fn stop(&self) -> Result<bool> {
        Ok(self.docker.remove(&self.container)?)
    }

    fn run(&self, start: &Start<'_>) -> Result<()> {
        self.docker.run(&Run {
            image: start.image,
            name: &self.container,
            labels: &[start.label],
            network: Some(start.network),
            mounts: &[Mount { source: start.data, target: DATA, read_only: false }],
            // It names and opens files by their handles. Docker's filter of system calls leaves the first to
            // CAP_SYS_ADMIN before release 23, which is far more than no filter under Docker's few capabilities.
            capabilities: &["DAC_READ_SEARCH"],
            options: &["--security-opt", "seccomp=unconfined"],
            ..Run::default()
        })?;
        Ok(())
    }

    /// It is what was asked for, and runs or has been started again.
    fn is_usable(&self, found: &Container, start: &Start<'_>) -> Result<bool> {
        if !self.is_as_asked(found, start)? {
            return Ok(false);
        }
        if !found.is_running() {
            // A network that was removed and made again is another one, which this one does not find.
            return Ok(self.docker.start(&self.container).is_ok());
        }
        // So is a directory. One that does not answer yet is waited for.
        let answer = found.addresses.get(start.network).map(|address| health::check(*address, start.data));
        Ok(!matches!(answer, Some(Err(Unhealthy::AnotherShare { .. }))))
    }

    /// It is of this image, on this network, over this directory.
    fn is_as_asked(&self, found: &Container, start: &Start<'_>) -> Result<bool> {
        let same_image = self.docker.image_id(start.image)?.as_ref() == Some(&found.image_id);
        let data = found.binds.get(DATA);
        Ok(same_image && found.networks.contains(start.network) && data.is_some_and(|data| data == start.data))
    }

    /// One look: its container, then its health. A container that has ended is an error at once.
    fn look(&self, network: &str, data: &Path) -> Result<Result<Healthy, Unhealthy>> {
        let container = self.container.clone();
        let Some(found) = self.inspect()? else { return Err(ExportError::NotUp { container }.into()) };
        if !found.is_running() {
            let said = error::last_words(&self.log()?);
            let how = format!("exit code {}{}", found.exit_code, found.error);
            return Err(ExportError::Ended { container, how, said }.into());
        }
        let Some(address) = found.addresses.get(network) else {
            return Err(ExportError::Elsewhere { container, network: network.into() }.into());
        };
        Ok(health::check(*address, data))
    }

    fn inspect(&self) -> Result<Option<Container>> {
        Ok(self.docker.inspect(&self.container)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> &'static str {
        FILES.iter().find(|(path, _)| *path == name).unwrap().1
    }

    /// The same files on the same base are the same image, and another base makes another one.
    #[test]
    fn the_tag_is_the_contents() {
        let (one, other) = (reference("sha256:1"), reference("sha256:2"));
        assert_eq!(one, reference("sha256:1"));
        assert_ne!(one, other);
        let tag = one.strip_prefix("localhost/batch-ml-lab/export:").unwrap();
        assert!(tag.len() == 12 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()), "{tag}");
    }

    /// What the server is told is what the health check asks for: ports, path, versions.
    #[test]
    fn the_configuration_and_the_check_agree() {
        let lines: Vec<_> = file("ganesha.conf").lines().map(str::trim).collect();
        let minor = MINOR_VERSIONS.map(|minor| minor.to_string()).join(", ");
        for expected in [
            format!("NFS_Port = {};", nfs::NFS_PORT),
            format!("MNT_Port = {};", nfs::MOUNT_PORT),
            format!("Pseudo = {PSEUDO_PATH};"),
            format!("Path = {DATA};"),
            format!("Minor_Versions = {minor};"),
            "Protocols = 3, 4;".into(),
            "Squash = No_Root_Squash;".into(),
            "Only_Numeric_Owners = true;".into(),
            "fsid_device = true;".into(),
        ] {
            assert!(lines.contains(&expected.as_str()), "`{expected}` is missing");
        }
        let ports = [nfs::PORTMAPPER_PORT, nfs::NFS_PORT, nfs::MOUNT_PORT].map(|port| port.to_string()).join(" ");
        assert!(file("Dockerfile").lines().any(|line| line == format!("EXPOSE {ports}")));
    }
}
