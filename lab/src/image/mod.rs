//! The worker's image, assembled from its static program: one file, one layer, no base image and no shell.
//!
//! Pure: the same program gives the same archive to the byte, so the tag can be the content's digest, and a node that
//! has the tag has the program. The archive is an OCI layout with Docker's own `manifest.json` in it, which `docker
//! load`, `kind load image-archive` and containerd all take.

mod elf;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use oci_spec::OciSpecError;
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, Digest, ImageConfigurationBuilder, ImageIndexBuilder, ImageManifestBuilder,
    MediaType, Os, PlatformBuilder, RootFsBuilder,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::failure::{Exit, Explain};

pub use elf::{ElfError, static_architecture};

/// The image's name, without its tag.
pub const REPOSITORY: &str = "localhost/batch-ml-lab/worker";
/// Where the program lies in the image, and what its containers run.
pub const PROGRAM: &str = "/worker";
/// How much of a digest is in a tag: enough that no two images of one machine ever share it.
pub(crate) const TAG_HEX: usize = 12;

/// The worker's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerImage {
    /// Name and tag, `localhost/batch-ml-lab/worker:` and the first 12 hex digits of the digest.
    pub reference: String,
    /// The digest of the image's configuration, `sha256:…`: what Docker calls the image's ID.
    pub digest: String,
    /// The archive to load: a tar that is an OCI layout and Docker's format in one.
    pub archive: Vec<u8>,
}

/// The image cannot be made of this program.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The program cannot be read.
    #[error("failed to read the worker's program for its image: {0}")]
    Read(#[source] io::Error),
    /// It is no program that could run alone in an image.
    #[error("failed to make an image of `{}`: {why}", path.display())]
    Program {
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        why: ElfError,
    },
    /// The archive cannot be written, which nothing outside of it can cause.
    #[error("failed to assemble the worker's image: {0}")]
    Assemble(#[from] OciSpecError),
}

/// An image taken apart, as a registry wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blobs {
    /// The manifest.
    pub manifest: Vec<u8>,
    /// Its digest, `sha256:…`: what a pod names the image by.
    pub manifest_digest: String,
    /// Layer and configuration, by digest.
    pub parts: Vec<(String, Vec<u8>)>,
}

impl Blobs {
    /// Takes the image's archive apart.
    ///
    /// # Errors
    /// When it is no archive of an image, which nothing outside of it can cause.
    pub fn of(image: &WorkerImage) -> io::Result<Self> {
        let mut files = HashMap::new();
        for entry in tar::Archive::new(image.archive.as_slice()).entries()? {
            let mut entry = entry?;
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut entry, &mut bytes)?;
            files.insert(entry.path()?.display().to_string(), bytes);
        }
        let index: serde_json::Value = serde_json::from_slice(&files.remove("index.json").unwrap_or_default())?;
        let digest = index.pointer("/manifests/0/digest").and_then(serde_json::Value::as_str).unwrap_or_default();
        let blob = |path: &str| format!("sha256:{}", path.trim_start_matches("blobs/sha256/"));
        let mut blobs: Vec<_> = files.into_iter().filter(|(path, _)| path.starts_with("blobs/")).collect();
        blobs.sort();
        let (manifest, parts): (Vec<_>, Vec<_>) =
            blobs.into_iter().map(|(path, bytes)| (blob(&path), bytes)).partition(|(name, _)| name == digest);
        let [(manifest_digest, manifest)] =
            <[_; 1]>::try_from(manifest).map_err(|_| io::Error::other("it has no manifest"))?;
        Ok(Self { manifest, manifest_digest, parts })
    }
}

/// Assembles the image of a static program.
///
/// # Errors
/// When the file cannot be read, is no program for Linux, or needs libraries that the image would not have.
pub fn assemble(binary: &Path) -> Result<WorkerImage, ImageError> {
    let program = fs::read(binary).map_err(ImageError::Read)?;
    let architecture = static_architecture(&program).map_err(|why| ImageError::Program { path: binary.into(), why })?;
    Ok(pack(&program, architecture)?)
}

fn pack(program: &[u8], architecture: Arch) -> Result<WorkerImage, OciSpecError> {
    // Not compressed: it is loaded from this machine's memory, and what a compressor writes differs from version to
    // version.
    let layer = Blob::new(tar(&[(PROGRAM.trim_start_matches('/'), program, 0o755)])?);
    let config = config(&layer, architecture.clone())?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(config.descriptor(MediaType::ImageConfig)?)
        .layers([layer.descriptor(MediaType::ImageLayer)?])
        .build()?;
    let manifest = Blob::new(manifest.to_string()?.into_bytes());
    let reference = format!("{REPOSITORY}:{}", &config.hex[..TAG_HEX]);
    let index = index(&manifest, &reference, architecture)?;
    let for_docker = json!([{
        "Config": config.path(), "RepoTags": [&reference], "Layers": [layer.path()],
    }]);
    let mut entries: Vec<(String, Vec<u8>)> = vec![
        ("index.json".into(), index.into_bytes()),
        ("manifest.json".into(), for_docker.to_string().into_bytes()),
        ("oci-layout".into(), json!({"imageLayoutVersion": "1.0.0"}).to_string().into_bytes()),
    ];
    let digest = config.digest();
    entries.extend([layer, config, manifest].map(|blob| (blob.path(), blob.bytes)));
    entries.sort();
    let entries: Vec<_> = entries.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice(), 0o644)).collect();
    Ok(WorkerImage { reference, digest, archive: tar(&entries)? })
}

/// The image's configuration. No user is set: Filestore's Basic tier does not squash root, and the tutorial's own
/// worker writes to its share as root.
fn config(layer: &Blob, architecture: Arch) -> Result<Blob, OciSpecError> {
    let entry_point = ConfigBuilder::default().entrypoint([PROGRAM.to_owned()]).working_dir("/").build()?;
    let layers = RootFsBuilder::default().typ("layers").diff_ids([layer.digest()]).build()?;
    let config = ImageConfigurationBuilder::default()
        .created("1970-01-01T00:00:00Z")
        .architecture(architecture)
        .os(Os::Linux)
        .config(entry_point)
        .rootfs(layers)
        .build()?;
    Ok(Blob::new(config.to_string()?.into_bytes()))
}

/// The layout's index: the manifest, and the name that containerd gives it.
fn index(manifest: &Blob, reference: &str, architecture: Arch) -> Result<String, OciSpecError> {
    let platform = PlatformBuilder::default().architecture(architecture).os(Os::Linux).build()?;
    let mut descriptor = manifest.descriptor(MediaType::ImageManifest)?;
    descriptor.set_platform(Some(platform));
    // One annotation and no more: the crate keeps them in a map that has no order, which would show in the bytes.
    descriptor.set_annotations(Some(HashMap::from([("io.containerd.image.name".into(), reference.into())])));
    let index = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageIndex)
        .manifests([descriptor])
        .build()?;
    index.to_string()
}

/// Bytes that are named by their digest.
struct Blob {
    bytes: Vec<u8>,
    hex: String,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let hex = hex(&bytes);
        Self { bytes, hex }
    }

    fn digest(&self) -> String {
        format!("sha256:{}", self.hex)
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.hex)
    }

    fn descriptor(&self, media_type: MediaType) -> Result<Descriptor, OciSpecError> {
        let size_bytes = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        Ok(Descriptor::new(media_type, size_bytes, Digest::try_from(self.digest())?))
    }
}

/// The SHA-256 of some bytes, in hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A tar that depends on nothing but these paths, contents and modes: owned by root, from the beginning of time.
pub(crate) fn tar(entries: &[(&str, &[u8], u32)]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes, mode) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        header.set_mode(*mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, path, *bytes)?;
    }
    archive.into_inner()
}

impl Explain for ImageError {
    fn exit(&self) -> Exit {
        Exit::Preflight
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Read(_) => "worker-missing",
            Self::Program { .. } => "worker-unfit",
            Self::Assemble(_) => "lab-fault",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Read(_) => "`cargo xtask e2e` builds the worker; or name its program: export LAB_WORKER=…".into(),
            Self::Program { .. } => {
                "build it static, as `cargo xtask` does: RUSTFLAGS='-C target-feature=+crt-static' cargo build \
                 --release --package worker --target \"$(rustc -vV | sed -n 's/^host: //p')\""
                    .into()
            }
            Self::Assemble(_) => "this is a fault of the lab: report it with this message".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn image() -> WorkerImage {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("any name");
        fs::write(&path, elf::tests::program(&[])).unwrap();
        assemble(&path).unwrap()
    }

    /// Path, mode, owner, time and contents of every entry, in the archive's order.
    fn entries(archive: &[u8]) -> Vec<(String, u32, u64, u64, u64, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let entry = |entry: io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let header = entry.header();
            let path = entry.path().unwrap().display().to_string();
            let owner = (header.uid().unwrap(), header.gid().unwrap());
            (path, header.mode().unwrap(), owner.0, owner.1, header.mtime().unwrap(), bytes)
        };
        archive.entries().unwrap().map(entry).collect()
    }

    /// The same program gives the same archive to the byte, wherever and whenever it is built, and another one another.
    #[test]
    fn the_same_program_gives_the_same_image() {
        assert_eq!(image(), image());
        let other = pack(b"another program", Arch::Amd64).unwrap();
        assert_ne!(image().digest, other.digest);
        assert_ne!(image().reference, other.reference);
    }

    /// Nothing of this machine gets into the image: no owner, no time, no order of a directory.
    #[test]
    fn every_entry_is_roots_and_timeless_and_in_its_place() {
        let image = image();
        let entries = entries(&image.archive);
        let paths: Vec<_> = entries.iter().map(|entry| entry.0.clone()).collect();
        assert!(paths.is_sorted(), "{paths:?}");
        for (path, _, uid, gid, mtime, _) in &entries {
            assert_eq!((*uid, *gid, *mtime), (0, 0, 0), "{path}");
        }
        assert_eq!(image.reference, format!("{REPOSITORY}:{}", &image.digest["sha256:".len()..][..TAG_HEX]));
    }

    /// A blob lies under its digest; the configuration names the layer, which holds the program and nothing else.
    #[test]
    fn the_layout_holds_what_it_says() {
        let image = image();
        let entries = entries(&image.archive);
        let get = |path: &str| {
            let found = entries.iter().find(|entry| entry.0 == path);
            found.unwrap_or_else(|| panic!("no `{path}`")).5.as_slice()
        };
        let blob = |digest: &str| get(&format!("blobs/{}", digest.replace(':', "/")));
        for (path, .., bytes) in entries.iter().filter(|entry| entry.0.starts_with("blobs/")) {
            assert_eq!(*path, format!("blobs/sha256/{}", hex(bytes)));
        }
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        let index = json(get("index.json"));
        assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], image.reference.as_str());
        let manifest = json(blob(index["manifests"][0]["digest"].as_str().unwrap()));
        assert_eq!(manifest["config"]["digest"], image.digest.as_str());
        let config = json(blob(&image.digest));
        assert_eq!(config["config"]["Entrypoint"], json!([PROGRAM]));
        assert_eq!(config["config"].get("Cmd"), None);
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
        let layer = self::entries(blob(manifest["layers"][0]["digest"].as_str().unwrap()));
        let [(path, mode, .., program)] = &layer[..] else { panic!("one file, not {}", layer.len()) };
        assert_eq!((path.as_str(), *mode, program.len()), ("worker", 0o755, elf::tests::program(&[]).len()));
        let docker = json(get("manifest.json"));
        assert_eq!(docker[0]["RepoTags"], json!([image.reference]));
        assert_eq!(get(docker[0]["Config"].as_str().unwrap()), blob(&image.digest));
    }

    /// Taken apart, an image is its manifest and what that names: everything under its own digest.
    #[test]
    fn the_manifest_names_the_parts() {
        let blobs = Blobs::of(&image()).unwrap();
        assert_eq!(blobs.manifest_digest, format!("sha256:{}", hex(&blobs.manifest)));
        let manifest: serde_json::Value = serde_json::from_slice(&blobs.manifest).unwrap();
        let mut named = vec![manifest["config"]["digest"].clone(), manifest["layers"][0]["digest"].clone()];
        named.sort_by_key(ToString::to_string);
        let parts: Vec<_> = blobs.parts.iter().map(|(digest, _)| json!(digest)).collect();
        assert_eq!(parts, named);
        assert!(blobs.parts.iter().all(|(digest, bytes)| *digest == format!("sha256:{}", hex(bytes))));
    }

    /// What could not run in an image without libraries does not become one, and the error says how to build it.
    #[test]
    fn a_program_that_needs_a_loader_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("worker");
        fs::write(&path, elf::tests::program(&[b"/lib64/ld-linux-x86-64.so.2\0"])).unwrap();
        let error = assemble(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "failed to make an image of `{}`: it is not static: it wants the loader `/lib64/ld-linux-x86-64.so.2`",
                path.display()
            )
        );
        assert!(error.remedy().contains("+crt-static"));
        fs::remove_file(&path).unwrap();
        assert!(matches!(assemble(&path), Err(ImageError::Read(_))));
    }
}
