//! A lab on kind, taken away: exactly what carries its name and label, and nothing else.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{LABEL, Names, create};
use crate::console::plural;
use crate::docker::Docker;
use crate::export::REPOSITORY;
use crate::failure::{Exit, Failure, Result};
use crate::kill_point::kill_point;
use crate::state::{LabDir, Lock, Phase, State};
use crate::wait::scaled;

/// How long Docker may take to finish a container whose client was killed.
const LEFT_OVER: Duration = Duration::from_secs(5);
/// Time between two looks for it.
const POLL: Duration = Duration::from_millis(100);

/// Takes it away, whatever there is of it, and says what there was.
///
/// # Errors
/// When something stays.
pub fn take_down(docker: &Docker, lab: &LabDir, lock: Lock, state: Option<State>) -> Result<String> {
    let half_made = state.as_ref().and_then(|state| state.kind.as_ref()).filter(|kind| !kind.cluster_made);
    let nodes_awaited = half_made.map_or(0, |kind| 1 + kind.spot_nodes as usize);
    if let Some(state) = state {
        lab.write(&State { phase: Phase::Removing, ..state })?;
    }
    kill_point("down-announced");
    // A `kind` that a killed lab has left behind would go on making what is removed here.
    lab.marker().sweep(None);
    await_nodes(docker, lab, nodes_awaited)?;
    let mut had = remove_from_docker(docker, lab)?;
    kill_point("kind-docker-cleared");
    if lab.export().exists() {
        had.push("export's data".into());
    }
    lab.clear()?;
    lock.remove(lab)?;
    if had.is_empty() {
        return Ok("nothing was up".into());
    }
    let cached = cached_images(docker)?;
    let cached =
        if cached.is_empty() { String::new() } else { format!("; kept for the next one: {}", cached.join(", ")) };
    Ok(format!("{} removed{cached}", had.join(", ")))
}

/// Waits for the nodes that Docker may still be making for a lab that was killed: it finishes a container whose client is
/// gone, and would do so once everything else was removed. Those that do not come were never asked for.
fn await_nodes(docker: &Docker, lab: &LabDir, wanted: usize) -> Result<()> {
    let names = Names::of(lab.name());
    if wanted == 0 || !docker.has_network(&names.network)? {
        return Ok(());
    }
    let start = Instant::now();
    while create::nodes_of(docker, &names)?.len() < wanted && start.elapsed() < scaled(LEFT_OVER) {
        thread::sleep(POLL);
    }
    Ok(())
}

/// The images that labs have made, which stay for the next one until `gc --cache` removes them.
///
/// # Errors
/// When the engine does not answer.
pub fn cached_images(docker: &Docker) -> Result<Vec<String>> {
    Ok(docker.images(&format!("{REPOSITORY}*"))?)
}

/// Removes from Docker what labs below `state` have left there whose directories are gone; says whose it was and what.
///
/// # Errors
/// When something stays.
pub fn remove_orphans(docker: &Docker, state: &Path) -> Result<Vec<(PathBuf, Vec<String>)>> {
    let mut removed = Vec::new();
    for network in docker.networks((LABEL, ""))? {
        let Some(Some(owner)) = docker.network_label(&network, LABEL)? else { continue };
        let owner = PathBuf::from(owner);
        if !owner.starts_with(state) || owner.exists() {
            continue;
        }
        let lab = LabDir::at(&owner);
        removed.push((owner, remove_from_docker(docker, &lab)?));
    }
    Ok(removed)
}

/// Removes what the lab has in Docker, and says what that was: containers first, all at once, then the network that they
/// were on.
///
/// # Errors
/// When something stays.
pub fn remove_from_docker(docker: &Docker, lab: &LabDir) -> Result<Vec<String>> {
    let names = Names::of(lab.name());
    let owner = lab.path().to_string_lossy().into_owned();
    let is_ours =
        docker.network_label(&names.network, LABEL)?.is_some_and(|label| label.is_some_and(|there| there == owner));
    let mut containers = docker.containers((LABEL, &owner))?;
    let nodes = if is_ours { create::nodes_of(docker, &names)? } else { Vec::new() };
    let mut had = Vec::new();
    if !nodes.is_empty() {
        had.push(format!("cluster `{}` ({})", names.cluster, plural(nodes.len(), "node")));
    }
    had.extend(containers.iter().map(|container| format!("container `{container}`")));
    containers.extend(nodes);
    let removed: Vec<Result<bool>> = thread::scope(|scope| {
        let remove = |name: &String| {
            let name = name.clone();
            scope.spawn(move || docker.remove(&name).map_err(Failure::from))
        };
        let threads: Vec<_> = containers.iter().map(remove).collect();
        let panicked = || Failure::fault(Exit::Lab, "failed to remove a container: it panicked");
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
    });
    removed.into_iter().collect::<Result<Vec<_>>>()?;
    if is_ours && docker.remove_network(&names.network)? {
        had.push(format!("network `{}`", names.network));
    }
    Ok(had)
}

/// What a dead lab has left, in a few words; `None` for one that stands, or where Docker does not say.
pub fn leftover(lab: &LabDir, state: &State) -> Option<&'static str> {
    match state.phase {
        Phase::Creating => return Some("half made"),
        Phase::Removing => return Some("half removed"),
        Phase::Up => {}
    }
    let docker = Docker::find(None).ok()?;
    let nodes = create::nodes_of(&docker, &Names::of(lab.name())).ok()?;
    nodes.is_empty().then_some("its cluster is gone")
}
