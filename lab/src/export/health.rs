//! Whether the export is healthy: every protocol that a client may want answers, and the share behind it is ours.
//!
//! All of it goes over the wire, as a client's kernel would have it, so that it also holds where this machine's kernel
//! has no NFS client. A server that answers may still be somebody else's: a file with a number that nobody knows is
//! laid into the directory, and must come back through the export.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use fs_err as fs;

use super::nfs::{CallError, MNT, MOUNT_PORT, NFS_PORT, Server};
use super::rpc::RpcError;
use super::{MINOR_VERSIONS, PSEUDO_PATH};

/// The name of the file that is looked for; it is gone again before the check ends.
const NONCE_PREFIX: &str = ".batch-ml-lab-nonce-";

/// An export that a client can mount now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthy {
    /// Where it is.
    pub address: IpAddr,
}

/// What keeps a client from mounting the export.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// A call got no good answer.
    #[error("{0}")]
    Call(#[from] CallError),
    /// The portmapper names another port than the one that answers, or none.
    #[error("the portmapper at {address} says that mountd is on port {found}, and it is on {MOUNT_PORT}")]
    Portmapper {
        /// Who was asked.
        address: IpAddr,
        /// The port that it named; 0 for none.
        found: u32,
    },
    /// Another share answers.
    #[error("the share at {address} is another one: it holds other contents than `{directory}`")]
    AnotherShare {
        /// Who was asked.
        address: IpAddr,
        /// The directory that should be behind it.
        directory: String,
    },
    /// The directory itself cannot be written to.
    #[error("{0}")]
    Directory(#[from] io::Error),
}

impl Unhealthy {
    /// The server is up and has not got the export: it reads its exports before it answers anybody, and once.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Call(error) if error.call == MNT && matches!(error.why, RpcError::Refused(_)))
    }
}

/// Checks an export whose data lie in `directory` on this machine.
///
/// # Errors
/// The first thing that is wrong. It takes a few seconds at most, whatever the server does.
pub fn check(address: IpAddr, directory: &Path) -> Result<Healthy, Unhealthy> {
    let server = Server(address);
    server.null()?;
    for minor in MINOR_VERSIONS {
        server.minor_version(minor)?;
    }
    let found = server.mount_port()?;
    if found != u32::from(MOUNT_PORT) {
        return Err(Unhealthy::Portmapper { address, found });
    }
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let name = format!("{NONCE_PREFIX}{nonce}");
    let file = directory.join(&name);
    fs::write(&file, &nonce)?;
    let read = read_back(server, &name);
    let removed = fs::remove_file(&file);
    let is_missing = |error: &CallError| error.why.to_string().starts_with("status 2,");
    match read {
        Ok(bytes) if bytes == nonce.as_bytes() => {}
        Err(error) if !is_missing(&error) => return Err(error.into()),
        _ => return Err(Unhealthy::AnotherShare { address, directory: directory.display().to_string() }),
    }
    removed?;
    Ok(Healthy { address })
}

fn read_back(server: Server, name: &str) -> Result<Vec<u8>, CallError> {
    let root = server.mount(PSEUDO_PATH)?;
    server.read(&server.look_up(&root, name)?, 1024)
}

impl std::fmt::Display for Healthy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let minor = MINOR_VERSIONS.map(|minor| format!("4.{minor}")).join(" and ");
        write!(formatter, "NFS 3, {minor} answer at {}:{NFS_PORT}{PSEUDO_PATH}, a file read back", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that refuses the export will go on doing so; one that does not answer yet may still come up.
    #[test]
    fn a_refused_mount_is_not_waited_for() {
        let unhealthy = |call, why| {
            let address = (IpAddr::from([127, 0, 0, 1]), MOUNT_PORT).into();
            Unhealthy::Call(CallError { call, address, why })
        };
        let refused = || RpcError::Refused("status 13, permission denied".into());
        assert!(unhealthy(MNT, refused()).is_refusal());
        assert!(!unhealthy(MNT, RpcError::Garbled).is_refusal());
        assert!(!unhealthy("COMPOUND of NFS version 4", refused()).is_refusal());
    }
}
