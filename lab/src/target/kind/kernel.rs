//! Whether the kernel under the nodes can mount NFS. Nodes are containers: their kernel is the engine's.

use std::path::Path;

use fs_err as fs;

/// What the kernel offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NfsClient {
    /// It is there.
    Loaded,
    /// Its module is on disk; the kernel loads it at the first mount.
    Module,
    /// There is none.
    Absent,
}

impl NfsClient {
    /// Looks at this machine's kernel.
    pub fn look() -> Self {
        let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let modules = Path::new("/lib/modules").join(release);
        let list = |name: &str| fs::read_to_string(modules.join(name)).unwrap_or_default();
        Self::judge(&filesystems, &list("modules.dep"), &list("modules.builtin"))
    }

    fn judge(filesystems: &str, modules: &str, builtin: &str) -> Self {
        let is_nfs = |line: &str| matches!(line.split_whitespace().last(), Some("nfs" | "nfs4"));
        if filesystems.lines().any(is_nfs) || builtin.contains("/nfs.ko") {
            return Self::Loaded;
        }
        if modules.contains("/nfs.ko") { Self::Module } else { Self::Absent }
    }

    /// Mounts can be made.
    pub fn is_there(self) -> bool {
        self != Self::Absent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel can mount NFS if it knows it, has it built in, or can load it; `nfsd` is the server and does not count.
    #[test]
    fn a_client_is_not_a_server() {
        assert_eq!(NfsClient::judge("nodev\tsysfs\nnodev\tnfs4\n", "", ""), NfsClient::Loaded);
        assert_eq!(NfsClient::judge("nodev\tnfsd\n", "", ""), NfsClient::Absent);
        assert_eq!(
            NfsClient::judge("", "kernel/fs/nfs/nfs.ko.xz: kernel/net/sunrpc/sunrpc.ko.xz\n", ""),
            NfsClient::Module
        );
        assert_eq!(NfsClient::judge("", "", "kernel/fs/nfs/nfs.ko\n"), NfsClient::Loaded);
        assert_eq!(NfsClient::judge("", "kernel/fs/nfsd/nfsd.ko\n", ""), NfsClient::Absent);
    }
}
