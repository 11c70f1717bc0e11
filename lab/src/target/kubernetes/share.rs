//! The share as a pod of the cluster sees it: the tutorial copies to it and looks at it through Redis's pod.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{MOUNT, REDIS_POD};
use crate::cluster::{Cluster, ClusterError, Tree, TreeFile};
use crate::job::program::hex;
use crate::target::{Share, Upload};

/// The exit status by which a script says that there is no such folder. A link in its place is none: what it leads to is
/// not the share's.
const NO_FOLDER: &str = "[ -d \"$1\" ] && [ ! -L \"$1\" ] || exit 44";
/// What the API server makes of that status.
const NO_FOLDER_SEEN: &str = "exit code 44";

/// The share, through a pod.
#[derive(Debug)]
pub struct PodShare(pub Cluster);

impl PodShare {
    /// Runs a shell script in the pod, in the share's root; the arguments are `$1`, `$2`, ….
    fn script(&self, script: &str, arguments: &[&str]) -> Result<String, ClusterError> {
        let script = format!("set -e; export LC_ALL=C; cd {MOUNT}; {script}");
        let mut command = vec!["sh", "-c", &script, "sh"];
        command.extend(arguments);
        let output = self.0.exec(REDIS_POD, &command)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Does what the worker will do there: writes a file, makes it last, renames it, reads it, removes it.
    ///
    /// # Errors
    /// When the pod cannot.
    pub fn probe(&self) -> Result<String, ClusterError> {
        let word = uuid::Uuid::new_v4().simple().to_string();
        let script = "printf %s \"$1\" >.probe-tmp; sync .probe-tmp 2>/dev/null || sync; mv .probe-tmp .probe; cat .probe; rm .probe";
        let read = self.script(script, &[&word])?;
        if read == word {
            let free = self.script("df -Ph . | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4", &[])?;
            return Ok(free.trim().to_owned());
        }
        let why = format!("what was written there, `{word}`, reads `{read}`");
        Err(ClusterError::Exec { pod: REDIS_POD.into(), command: "write to the share".into(), why })
    }

    /// How the kernel has mounted the share: type and options, as it negotiated them.
    ///
    /// # Errors
    /// When the pod does not answer.
    pub fn mounted(&self) -> Result<String, ClusterError> {
        let mounts = self.script("cat /proc/mounts", &[])?;
        let fields = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let found = mounts.lines().map(fields).find(|fields| fields.get(1).is_some_and(|place| place == MOUNT));
        Ok(found.map_or_else(|| "not mounted".into(), |fields| describe_mount(&fields)))
    }
}

/// `nfs4 172.18.0.4:/NFSVol, vers=4.2`; for anything but NFS the type alone.
fn describe_mount(fields: &[String]) -> String {
    let [source, _, kind, options, ..] = fields else { return "unknown".into() };
    if !kind.starts_with("nfs") {
        return kind.clone();
    }
    let version = options.split(',').find(|option| option.starts_with("vers=")).unwrap_or("vers=?");
    format!("{kind} {source}, {version}")
}

impl Share for PodShare {
    fn clear(&self) -> io::Result<usize> {
        let files = self.script("find . -mindepth 1 ! -type d | wc -l; find . -mindepth 1 -delete", &[])?;
        files.trim().parse().map_err(|_| io::Error::other(format!("`find | wc` printed `{}`", files.trim())))
    }

    fn put(&self, files: &[Upload], progress: &dyn Fn(usize, u64)) -> io::Result<Vec<String>> {
        let digests = RefCell::new(vec![Sha256::new(); files.len()]);
        let listed: Vec<_> =
            files.iter().map(|file| TreeFile { source: file.source.clone(), path: file.path.clone() }).collect();
        let tree = Tree { pod: REDIS_POD, folder: MOUNT, files: &listed };
        self.0.copy_in(&tree, &mut |number, piece| {
            digests.borrow_mut()[number].update(piece);
            progress(number, piece.len() as u64);
        })?;
        Ok(digests.into_inner().into_iter().map(|digest| hex(&digest.finalize())).collect())
    }

    fn digests(&self, folder: &str) -> io::Result<BTreeMap<String, String>> {
        let text = self.script("find \"$1\" -type f -exec sha256sum {} +", &[folder])?;
        // `DIGEST  PATH`; coreutils put a backslash before a line whose path had to be escaped, which no dataset's has.
        let pair = |line: &str| line.split_once("  ").map(|(digest, path)| (path.to_owned(), digest.to_owned()));
        Ok(text.lines().filter_map(pair).collect())
    }

    fn listing(&self, folder: &str) -> io::Result<Option<String>> {
        match self.script(&format!("{NO_FOLDER}; ls -1 \"$1\""), &[folder]) {
            Ok(listing) => Ok(Some(listing)),
            Err(ClusterError::Exec { why, .. }) if why.contains(NO_FOLDER_SEEN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn fetch(&self, folder: &str, into: &Path) -> io::Result<usize> {
        if self.listing(folder)?.is_none() {
            return Ok(0);
        }
        self.0.copy_out(REDIS_POD, &format!("{MOUNT}/{folder}"), into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record shows what the kernel negotiated, not what was asked for.
    #[test]
    fn a_mount_tells_its_version() {
        let fields = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let nfs = fields("172.18.0.4:/NFSVol /mnt/fileserver nfs4 rw,relatime,vers=4.2,rsize=1048576 0 0");
        assert_eq!(describe_mount(&nfs), "nfs4 172.18.0.4:/NFSVol, vers=4.2");
        assert_eq!(describe_mount(&fields("/dev/vda /mnt/fileserver ext4 rw 0 0")), "ext4");
    }
}
