//! Images, loaded into the nodes that do not have them yet.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;

use super::{Kind, create};
use crate::cluster::Cluster;
use crate::docker::Docker;
use crate::failure::{Exit, Failure, Result};
use crate::target::kind::plan::WorkerChoice;
use crate::wait::{Look, Wait};

/// What marks a node of the control plane.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
/// How long the node of the control plane may take until containerd answers in it.
const PREPARED: Duration = Duration::from_secs(60);
/// Time between two tries.
const POLL: Duration = Duration::from_millis(500);
/// Succeeds once the controller manager has been up for three seconds: until then the control plane takes all of a small
/// machine, and then it waits for itself.
const HAS_TIME: &str = "test \"$(ps -o etimes= -C kube-controller-manager)\" -ge 3";

/// Redis's image on its node, unpacked, while kind still works on the cluster: otherwise the pod waits for that in the
/// end. This is a head start and nothing more. What fails here is tried, and told, when Redis is stood up; `over` ends it.
pub(super) fn prepare_redis(lab: &Kind<'_>, over: &AtomicBool) -> bool {
    let (node, image) = (format!("{}-control-plane", lab.names.cluster), &lab.plan.redis_image);
    unpack(&lab.docker, &node, image, over).unwrap_or_else(|| {
        let is_over = over.load(Ordering::Relaxed);
        !is_over && load(lab, std::slice::from_ref(&node), |file| Ok(lab.docker.save(image, file)?)).is_ok()
    })
}

/// Unpacks an image that came with a node, as soon as the node has time for it; says whether it is unpacked now, and
/// nothing where the node does not have it. `over` ends the wait.
pub fn unpack(docker: &Docker, node: &str, image: &str, over: &AtomicBool) -> Option<bool> {
    let containerd = |command: &[&str]| {
        let command = [&["ctr", "--namespace", "k8s.io"], command].concat();
        docker.exec(node, &command, b"").ok().filter(|ended| ended.code == 0)
    };
    let wait = Wait { what: "unpack an image", limit: PREPARED, poll: POLL, remedy: "" };
    let unpacked = wait.until(|| {
        if over.load(Ordering::Relaxed) {
            return Ok(Look::Done(Some(false)));
        }
        // Until the node has booted, nothing answers.
        let has_time = docker.exec(node, &["sh", "-c", HAS_TIME], b"").is_ok_and(|ended| ended.code == 0);
        let name = format!("name=={}", full_name(image));
        let list = has_time.then(|| containerd(&["images", "list", &name])).flatten();
        let Some(list) = list else { return Ok(Look::NotYet("the node does not answer, or is busy".into())) };
        let digest = digest(&String::from_utf8_lossy(&list.stdout));
        Ok(Look::Done(digest.map(|digest| containerd(&["snapshots", "unpack", &digest]).is_some())))
    });
    unpacked.unwrap_or(Some(false))
}

/// The digest in what `ctr images list` says of one image.
fn digest(list: &str) -> Option<String> {
    list.split_whitespace().find(|word| word.starts_with("sha256:")).map(str::to_owned)
}

/// Redis's image, where Redis runs: on the node that takes ordinary pods.
pub(super) fn load_redis(lab: &Kind<'_>, cluster: &Cluster) -> Result<()> {
    if lab.redis_prepared {
        return Ok(());
    }
    let image = lab.plan.redis_image.clone();
    let without = nodes_without(cluster, &image, |node| node.labels().contains_key(CONTROL_PLANE))?;
    load(lab, &without, |file| Ok(lab.docker.save(&image, file)?))
}

/// The worker's image, where workers run; says its name.
pub(super) fn load_worker(lab: &Kind<'_>, cluster: &Cluster) -> Result<String> {
    let is_spot = |node: &Node| !node.labels().contains_key(CONTROL_PLANE);
    match &lab.plan.worker {
        Some(WorkerChoice::Own(image)) => {
            let without = nodes_without(cluster, &image.reference, is_spot)?;
            load(lab, &without, |file| fs_err::write(file, &image.archive).map_err(|error| unwritable(&error)))?;
            Ok(image.reference.clone())
        }
        Some(WorkerChoice::Other(image)) => {
            let without = nodes_without(cluster, image, is_spot)?;
            load(lab, &without, |file| Ok(lab.docker.save(image, file)?))?;
            Ok(image.clone())
        }
        None => Err(Failure::fault(Exit::Lab, "failed to choose the worker's image: preflight has found none")),
    }
}

fn nodes_without(cluster: &Cluster, image: &str, wanted: impl Fn(&Node) -> bool) -> Result<Vec<String>> {
    let full = full_name(image);
    let has = |node: &Node| {
        let images = node.status.iter().flat_map(|status| status.images.iter().flatten());
        images.flat_map(|image| image.names.iter().flatten()).any(|name| *name == full)
    };
    let nodes = cluster.nodes()?;
    Ok(nodes.iter().filter(|node| wanted(node) && !has(node)).map(ResourceExt::name_any).collect())
}

/// An image's name as containerd keeps it: with its registry and its tag.
fn full_name(image: &str) -> String {
    let (first, rest) = image.split_once('/').unwrap_or(("", image));
    let has_registry = first.contains(['.', ':']) || first == "localhost";
    let name = match (has_registry, first) {
        (true, _) => image.to_owned(),
        (false, "") => format!("docker.io/library/{rest}"),
        (false, _) => format!("docker.io/{image}"),
    };
    let last = name.rsplit('/').next().unwrap_or(&name);
    if last.contains([':', '@']) { name } else { format!("{name}:latest") }
}

fn load(lab: &Kind<'_>, nodes: &[String], write: impl FnOnce(&std::path::Path) -> Result<()>) -> Result<()> {
    if nodes.is_empty() {
        return Ok(());
    }
    let archive = tempfile::NamedTempFile::new_in(lab.lab.path()).map_err(|error| unwritable(&error))?;
    write(archive.path())?;
    create::kind(lab).load(archive.path(), nodes).map_err(Failure::from)
}

fn unwritable(error: &std::io::Error) -> Failure {
    Failure {
        exit: Exit::Lab,
        cause: "disk-full".into(),
        error: format!("failed to write an image's archive: {error}"),
        remedy: "make room, or set XDG_STATE_HOME to another directory".into(),
        evidence: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest is the image's, wherever the columns are.
    #[test]
    fn a_digest_is_found_in_the_list() {
        let list = "REF TYPE DIGEST SIZE\nlocalhost/redis:7.0 application/x sha256:2b79 259.0 MiB linux/amd64 -\n";
        assert_eq!(digest(list).as_deref(), Some("sha256:2b79"));
        assert_eq!(digest("REF TYPE DIGEST SIZE\n"), None);
    }

    /// Nodes know images by their full names, people by short ones.
    #[test]
    fn short_names_are_dockers() {
        assert_eq!(full_name("redis"), "docker.io/library/redis:latest");
        assert_eq!(full_name("redis:7.2"), "docker.io/library/redis:7.2");
        assert_eq!(full_name("me/worker:1"), "docker.io/me/worker:1");
        assert_eq!(full_name("localhost/redis:7.0"), "localhost/redis:7.0");
        assert_eq!(full_name("registry.example:5000/a/b"), "registry.example:5000/a/b:latest");
    }
}
