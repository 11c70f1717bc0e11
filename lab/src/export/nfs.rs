//! The calls of NFS by which the export's health is checked: RFC 1833 (portmapper), RFC 1813 (version 3 and its mount
//! protocol), RFC 8881 (minor versions of version 4).

use std::net::{IpAddr, SocketAddr};

use super::rpc::{self, Procedure, RpcError};
use super::xdr::{Decoder, Encoder};

/// Where the portmapper answers.
pub const PORTMAPPER_PORT: u16 = 111;
/// Where NFS answers, every version.
pub const NFS_PORT: u16 = 2049;
/// Where the mount protocol of version 3 answers.
pub const MOUNT_PORT: u16 = 20048;

/// What the call is called that mounts the export.
pub(super) const MNT: &str = "MNT of the export";

const PORTMAPPER: u32 = 100_000;
const NFS: u32 = 100_003;
const MOUNT: u32 = 100_005;
/// The length of `fattr3`, the attributes of a file.
const ATTRIBUTES_BYTES: usize = 84;
/// TCP's number in the portmapper's questions.
const TCP: u32 = 6;

/// What a file is called on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handle(Vec<u8>);

/// A call that got no good answer: which one, where, and what came instead.
#[derive(Debug, thiserror::Error)]
#[error("{call} at {address}: {why}")]
pub struct CallError {
    /// The call, in the words of its protocol.
    pub call: &'static str,
    /// Who was asked.
    pub address: SocketAddr,
    /// What went wrong.
    pub why: RpcError,
}

/// A server of NFS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server(pub IpAddr);

impl Server {
    /// The call that does nothing, for each protocol that clients will want.
    pub fn null(self) -> Result<(), CallError> {
        self.call("NULL of NFS version 3", NFS_PORT, (NFS, 3, 0), Encoder::default(), |_| Ok(()))?;
        self.call("NULL of NFS version 4", NFS_PORT, (NFS, 4, 0), Encoder::default(), |_| Ok(()))?;
        self.call("NULL of mountd version 3", MOUNT_PORT, (MOUNT, 3, 0), Encoder::default(), |_| Ok(()))
    }

    /// Version 4 is offered in a minor version: an empty COMPOUND of it is not refused.
    pub fn minor_version(self, minor: u32) -> Result<(), CallError> {
        // No tag, and no operations.
        let arguments = Encoder::default().opaque(b"").u32(minor).u32(0);
        self.call("COMPOUND of NFS version 4", NFS_PORT, (NFS, 4, 1), arguments, status)
    }

    /// The port where the portmapper says that mountd is: clients of version 3 that were told none ask for it.
    pub fn mount_port(self) -> Result<u32, CallError> {
        const GETPORT: u32 = 3;
        let arguments = Encoder::default().u32(MOUNT).u32(3).u32(TCP).u32(0);
        let decode = |results: &mut Decoder<'_>| results.u32().ok_or(RpcError::Garbled);
        self.call("GETPORT of mountd", PORTMAPPER_PORT, (PORTMAPPER, 2, GETPORT), arguments, decode)
    }

    /// The handle of an export's root.
    pub fn mount(self, path: &str) -> Result<Handle, CallError> {
        let arguments = Encoder::default().opaque(path.as_bytes());
        self.call(MNT, MOUNT_PORT, (MOUNT, 3, 1), arguments, handle)
    }

    /// The handle of a file in a directory.
    pub fn look_up(self, directory: &Handle, name: &str) -> Result<Handle, CallError> {
        let arguments = Encoder::default().opaque(&directory.0).opaque(name.as_bytes());
        self.call("LOOKUP of a file in the export", NFS_PORT, (NFS, 3, 3), arguments, handle)
    }

    /// The first `length` bytes of a file, or all that there are.
    pub fn read(self, file: &Handle, length: u32) -> Result<Vec<u8>, CallError> {
        let arguments = Encoder::default().opaque(&file.0).u64(0).u32(length);
        self.call("READ of a file in the export", NFS_PORT, (NFS, 3, 6), arguments, contents)
    }

    fn call<T>(
        self,
        call: &'static str,
        port: u16,
        (program, version, number): (u32, u32, u32),
        arguments: Encoder,
        decode: impl Fn(&mut Decoder<'_>) -> Result<T, RpcError>,
    ) -> Result<T, CallError> {
        let address = SocketAddr::new(self.0, port);
        let results = rpc::call(address, Procedure { program, version, number }, &arguments.0);
        let decoded = results.and_then(|results| decode(&mut Decoder(&results)));
        decoded.map_err(|why| CallError { call, address, why })
    }
}

/// The status at the head of the results; anything but 0 is an error.
fn status(results: &mut Decoder<'_>) -> Result<(), RpcError> {
    const NAMES: [(u32, &str); 8] = [
        (1, "not owner"),
        (2, "no such file or directory"),
        (5, "input/output error"),
        (13, "permission denied"),
        (20, "not a directory"),
        (70, "stale file handle"),
        (10_008, "try again later"),
        (10_021, "it does not speak this minor version"),
    ];
    match results.u32() {
        Some(0) => Ok(()),
        Some(status) => {
            let known = NAMES.iter().find(|(number, _)| *number == status);
            let name = known.map_or(String::new(), |(_, name)| format!(", {name}"));
            Err(RpcError::Refused(format!("status {status}{name}")))
        }
        None => Err(RpcError::Garbled),
    }
}

/// The handle that MNT and LOOKUP return first.
fn handle(results: &mut Decoder<'_>) -> Result<Handle, RpcError> {
    status(results)?;
    results.opaque().map(|bytes| Handle(bytes.to_vec())).ok_or(RpcError::Garbled)
}

/// The data that READ returns: attributes if there are any, length, whether that is all, the bytes.
fn contents(results: &mut Decoder<'_>) -> Result<Vec<u8>, RpcError> {
    status(results)?;
    let read = |results: &mut Decoder<'_>| {
        if results.u32()? != 0 {
            results.bytes(ATTRIBUTES_BYTES)?;
        }
        let (_count, _is_all) = (results.u32()?, results.u32()?);
        Some(results.opaque()?.to_vec())
    };
    read(results).ok_or(RpcError::Garbled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read is the file's bytes, with attributes before them or without, and nothing of a cut answer.
    #[test]
    fn the_contents_of_a_file_are_found() {
        for with_attributes in [false, true] {
            let head = Encoder::default().u32(0).u32(with_attributes.into());
            let attributes = vec![1; if with_attributes { ATTRIBUTES_BYTES } else { 0 }];
            let bytes = head.raw(&attributes).u32(5).u32(1).opaque(b"nonce").0;
            assert_eq!(contents(&mut Decoder(&bytes)).unwrap(), b"nonce");
            for end in 0..bytes.len() {
                assert!(contents(&mut Decoder(&bytes[..end])).is_err(), "{end} of {} bytes", bytes.len());
            }
        }
    }

    /// An error of the server is told by its number and its name.
    #[test]
    fn a_status_is_told_in_words() {
        let refused = |number: u32| {
            let bytes = Encoder::default().u32(number).0;
            handle(&mut Decoder(&bytes)).unwrap_err().to_string()
        };
        assert_eq!(refused(13), "status 13, permission denied");
        assert_eq!(refused(10_006), "status 10006");
    }
}
