//! Files to and from a pod: a tar archive through a command, as `kubectl cp` does it.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{Cluster, ClusterError};
use crate::interrupt;

/// Bytes copied at a time.
const PIECE_BYTES: usize = 128 << 10;

/// A file to be copied into a pod.
#[derive(Debug, Clone)]
pub struct TreeFile {
    /// Where it is now.
    pub source: PathBuf,
    /// Where it shall be, relative to the folder that is copied into.
    pub path: String,
}

/// Files to be copied into one folder of a pod.
#[derive(Debug)]
pub struct Tree<'a> {
    /// The pod.
    pub pod: &'a str,
    /// The folder in the pod; it exists.
    pub folder: &'a str,
    /// The files.
    pub files: &'a [TreeFile],
}

impl Cluster {
    /// Copies files into a pod. `progress` hears of each piece: the file's number and the piece itself.
    ///
    /// # Errors
    /// When one cannot be read, or the pod's `tar` fails.
    pub fn copy_in(&self, tree: &Tree<'_>, progress: &mut dyn FnMut(usize, &[u8])) -> io::Result<()> {
        let mut process = self.exec_with_input(tree.pod, &["tar", "xf", "-", "-C", tree.folder])?;
        // What the pod's tar has to say tells more than that it no longer reads.
        match send(&mut process, tree.files, progress) {
            Ok(()) => process.finish().map(drop).map_err(io::Error::from),
            Err(error) => match process.finish() {
                Err(failed @ ClusterError::Exec { .. }) => Err(failed.into()),
                _ => Err(error),
            },
        }
    }

    /// Copies what is below `folder/name` of a pod into `into`, and says how many files that were.
    ///
    /// # Errors
    /// When the pod's `tar` fails, or what it sends cannot be written.
    pub fn copy_out(&self, pod: &str, folder: &str, into: &Path) -> io::Result<usize> {
        let output = self.exec(pod, &["tar", "cf", "-", "-C", folder, "."])?;
        fs::create_dir_all(into)?;
        let mut archive = tar::Archive::new(output.stdout.as_slice());
        archive.set_preserve_permissions(false);
        let mut files = 0;
        for entry in archive.entries()? {
            let mut entry = entry?;
            let is_folder = entry.header().entry_type().is_dir();
            // A name that leads out of the folder is not unpacked, and says so.
            if !entry.unpack_in(into)? {
                let name = entry.path()?.display().to_string();
                return Err(io::Error::other(format!("`{name}` would lie outside of the copy")));
            }
            files += usize::from(!is_folder);
        }
        Ok(files)
    }
}

fn send(process: &mut super::Process, files: &[TreeFile], progress: &mut dyn FnMut(usize, &[u8])) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    for (number, file) in files.iter().enumerate() {
        interrupt::check().map_err(io::Error::other)?;
        let mut source = fs::File::open(&file.source)?;
        let size = source.metadata()?.len();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_path(&file.path)?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        process.write_all(header.as_bytes())?;
        let mut left = size;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let got = source.read(&mut buffer[..want])?;
            if got == 0 {
                return Err(io::Error::other(format!("`{}` became shorter while it was read", file.source.display())));
            }
            process.write_all(&buffer[..got])?;
            progress(number, &buffer[..got]);
            left -= got as u64;
        }
        let padding = (512 - (size % 512) as usize) % 512;
        process.write_all(&[0; 512][..padding])?;
    }
    // Two empty blocks end an archive.
    process.write_all(&[0; 1024])?;
    process.flush()
}
