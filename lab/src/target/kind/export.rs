//! The export of a lab on kind: started beside the cluster, looked at, and followed where its address or its protocol changes.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::PersistentVolume;

use super::{Kind, LABEL, Names};
use crate::cluster::Cluster;
use crate::console::Tone;
use crate::docker::Docker;
use crate::export::{Export, Start, image};
use crate::failure::Result;
use crate::kill_point::kill_point;
use crate::state::LabDir;
use crate::target::kubernetes::{VOLUME, objects};

/// Starts it unless it is up, waits until it is healthy, and says its address.
pub(super) fn up(lab: &Kind<'_>) -> Result<IpAddr> {
    let image = image(&lab.docker, &lab.plan.base_image)?;
    let (data, owner) = (lab.lab.export(), lab.lab.path().to_string_lossy());
    let start = Start { image: &image, network: &lab.names.network, data: &data, label: (LABEL, &owner) };
    let healthy = of(&lab.docker, &lab.names).start(&start)?;
    kill_point("kind-export-started");
    Ok(healthy.address)
}

/// What there is to say of it once it is up.
pub(super) fn describe(lab: &Kind<'_>) -> Result<String> {
    check(&lab.docker, &lab.names, &lab.lab)
}

/// Whether it serves now, in words.
pub(super) fn check(docker: &Docker, names: &Names, lab: &LabDir) -> Result<String> {
    let healthy = of(docker, names).check(&names.network, &lab.export())?;
    Ok(format!("NFS-Ganesha in `{}` serves {}:/NFSVol by v3, v4.1 and v4.2", names.export, healthy.address))
}

/// A volume that is mounted cannot change its server or its options. Where the export came back with another address, or
/// another version of NFS is asked for, everything that hangs on the old one goes; the data stay.
pub(super) fn forget_old_mount(lab: &Kind<'_>, cluster: &Cluster) -> Result<()> {
    let volume: Option<PersistentVolume> = cluster.get_global(VOLUME)?;
    let Some(spec) = volume.and_then(|volume| volume.spec) else { return Ok(()) };
    let (Some(old), wanted) = (spec.nfs.map(|nfs| nfs.server), lab.values()) else { return Ok(()) };
    let Some(new) = wanted.server else { return Ok(()) };
    let options = spec.mount_options.unwrap_or_default();
    let why = if old != new {
        format!("moved from {old} to {new}")
    } else if options != wanted.mount_options {
        format!("was mounted with {}, now with {}", in_words(&options), in_words(&wanted.mount_options))
    } else {
        return Ok(());
    };
    lab.console.line(Tone::Note, "Export", &format!("{why}: the volume is made anew"));
    objects::remove_storage(cluster)
}

fn in_words(options: &[String]) -> String {
    if options.is_empty() { "no options".into() } else { options.join(",") }
}

/// The export's container goes by the cluster's name, as all parts of a lab do.
fn of(docker: &Docker, names: &Names) -> Export {
    Export::of(docker, &names.cluster)
}
