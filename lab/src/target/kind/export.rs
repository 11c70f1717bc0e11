//! The export of a lab on kind: started beside the cluster, looked at, and followed where its address or its protocol changes.

use std::net::IpAddr;

use super::{Kind, LABEL, Names};
use crate::console::Tone;
use crate::docker::Docker;
use crate::export::{Export, Start, image};
use crate::failure::Result;
use crate::kill_point::kill_point;
use crate::state::LabDir;
use crate::target::kubernetes::standing::Standing;

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

/// Where the export came back with another address, or another version of NFS is asked for, the volume is made anew.
pub(super) fn forget_old_mount(lab: &Kind<'_>, standing: &Standing) -> Result<()> {
    if let Some(why) = standing.forget_old_mount(&lab.values())? {
        lab.console.line(Tone::Note, "Export", &format!("{why}: the volume is made anew"));
    }
    Ok(())
}

/// The export's container goes by the cluster's name, as all parts of a lab do.
fn of(docker: &Docker, names: &Names) -> Export {
    Export::of(docker, &names.cluster)
}
