//! The kernel's modules that a client of NFS needs, in the order in which they can be loaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the machine is for: a network card, and both versions of NFS.
const WANTED: [&str; 4] = ["virtio_pci", "virtio_net", "nfsv3", "nfsv4"];

/// The wanted modules and all that they depend on, each after what it needs. What is not a file is in the kernel.
pub fn in_order(folder: &Path) -> Vec<PathBuf> {
    let mut files = BTreeMap::new();
    gather(folder, &mut files);
    let mut order = Vec::new();
    WANTED.iter().for_each(|name| visit(name, &files, &mut order));
    let has_client = order.iter().any(|path| path.ends_with("nfsv3.ko"));
    assert!(has_client, "no `nfsv3.ko` in `{}`; compressed modules have to be unpacked", folder.display());
    order
}

/// Every module below a folder, by the name that the kernel gives it.
fn gather(folder: &Path, files: &mut BTreeMap<String, PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "ko") {
            let name = path.file_stem().expect("a name").to_string_lossy().replace('-', "_");
            files.insert(name, path);
        }
    }
}

fn visit(name: &str, files: &BTreeMap<String, PathBuf>, order: &mut Vec<PathBuf>) {
    let Some(path) = files.get(name).filter(|path| !order.contains(path)) else { return };
    let module = std::fs::read(path).expect("a module that can be read");
    for needed in dependencies(&module) {
        visit(&needed, files, order);
    }
    order.push(path.clone());
}

/// The names in a module's own `depends=`.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(place) = module.windows(KEY.len()).position(|window| window == KEY) else { return Vec::new() };
    let value = module[place + KEY.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(value).into_owned();
    names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

/// A module's dependencies are those that it names, and one without any has none.
#[test]
fn dependencies_are_read_from_the_module() {
    assert_eq!(
        dependencies(b"\x7fELF\0license=GPL\0depends=sunrpc,dns-resolver\0name=x\0"),
        ["sunrpc", "dns_resolver"]
    );
    assert_eq!(dependencies(b"\0depends=\0name=x\0"), [""; 0]);
    assert_eq!(dependencies(b"no module"), [""; 0]);
}
