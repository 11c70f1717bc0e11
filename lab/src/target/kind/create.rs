//! The cluster and the export, made side by side; what a kill has left half-made is finished or made anew.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Kind, LABEL, Names, cli, export, images, make_export_dir};
use crate::console::Tone;
use crate::docker::Docker;
use crate::failure::{Exit, Explain, Failure, Result};
use crate::kill_point::kill_point;
use crate::manifests;
use crate::target::kind::plan::{Plan, Volume};
use crate::wait::{Look, Wait, time_scale};

/// The label that kind gives its nodes; the value is the cluster.
pub(super) const KIND_LABEL: &str = "io.x-k8s.kind.cluster";

/// How long Docker may still be at work for a lab that was killed.
const LEFT_OVER: Duration = Duration::from_secs(60);
/// How long kubeadm waits for a control plane by itself.
const CONTROL_PLANE: Duration = Duration::from_secs(240);
/// Time between two tries.
const POLL: Duration = Duration::from_millis(500);

/// A lab of this name is somebody else's.
#[derive(Debug, thiserror::Error)]
#[error("failed to use the name `{network}` in Docker: it belongs to the lab in `{owner}`")]
struct TakenName {
    network: String,
    owner: String,
}

/// Makes what is missing, and says what was made and the export's address.
pub(super) fn environment(lab: &mut Kind<'_>) -> Result<(String, IpAddr)> {
    make_export_dir(&lab.lab)?;
    own_network(lab)?;
    kill_point("kind-network-made");
    let nodes = nodes_of(&lab.docker, &lab.names)?;
    let made = lab.kind().cluster_made && nodes.len() == 1 + lab.plan.spot_nodes as usize;
    if made {
        wake(&lab.docker, &nodes)?;
        let address = export::up(lab)?;
        return Ok((format!("cluster `{}` stands", lab.names.cluster), address));
    }
    if !nodes.is_empty() {
        lab.console.line(Tone::Note, "Swept", &format!("cluster `{}`, which was only half made", lab.names.cluster));
        kind(lab).delete().map_err(Failure::from)?;
    }
    lab.kind().cluster_made = false;
    lab.save()?;
    let config = config(&lab.plan, &lab.lab.export().to_string_lossy())?;
    let shared = &*lab;
    let over = AtomicBool::new(false);
    let (cluster, address, prepared) = thread::scope(|scope| {
        let export = scope.spawn(|| export::up(shared));
        let prepared = scope.spawn(|| images::prepare_redis(shared, &over));
        let cluster = create_cluster(shared, &config);
        over.store(true, Ordering::Relaxed);
        if cluster.is_ok() {
            kill_point("kind-cluster-made");
        }
        let address =
            export.join().unwrap_or_else(|_| Err(Failure::fault(Exit::Lab, "failed to start the export: it panicked")));
        (cluster, address, prepared.join().unwrap_or(false))
    });
    if let (Err(_), Err(export)) = (&cluster, &address) {
        // One error ends the step; the other one is told here, for it may be the reason.
        lab.console.failure(export);
    }
    cluster?;
    lab.redis_prepared = prepared;
    lab.kind().cluster_made = true;
    lab.save()?;
    kill_point("kind-cluster-recorded");
    Ok((format!("cluster `{}` made", lab.names.cluster), address?))
}

/// Has kind make the cluster. Docker finishes a container whose client was killed with an earlier lab: it takes the name
/// before it can be seen and removed, so a name that is taken is waited for.
fn create_cluster(lab: &Kind<'_>, config: &str) -> Result<()> {
    let remedy = "take the lab down with `cargo xtask lab down`, and begin anew";
    let wait = Wait { what: "get the names of the cluster's nodes", limit: LEFT_OVER, poll: POLL, remedy };
    wait.until(|| match create_patiently(lab, config) {
        Ok(()) => Ok(Look::Done(())),
        Err(error) if error.is_taken_name() => {
            lab.console.line(Tone::Note, "Swept", &format!("cluster `{}`, which Docker still made", lab.names.cluster));
            kind(lab).delete().map_err(Failure::from)?;
            Ok(Look::NotYet(error.to_string()))
        }
        Err(error) => Err(Failure::from(error)),
    })
}

/// kind gives its nodes 30 s to boot, which nothing lengthens. So a machine that is said to be slow gets them more often.
fn create_patiently(lab: &Kind<'_>, config: &str) -> Result<(), cli::KindError> {
    let attempts = time_scale().unwrap_or(1.0).ceil();
    let mut attempt = 1.0;
    loop {
        match kind(lab).create(config, &lab.plan.node_image) {
            Err(error) if error.is_slow_boot() && attempt < attempts => {
                let told = format!("cluster `{}`: its nodes took more than kind's 30 s to boot", lab.names.cluster);
                lab.console.line(Tone::Note, "Again", &told);
                attempt += 1.0;
            }
            ended => return ended,
        }
    }
}

/// The nodes' containers, running or not.
pub(super) fn nodes_of(docker: &Docker, names: &Names) -> Result<Vec<String>> {
    Ok(docker.containers((KIND_LABEL, &names.cluster))?)
}

/// kind, for this lab.
pub(super) fn kind<'a>(lab: &'a Kind<'_>) -> cli::Kind<'a> {
    cli::Kind {
        program: &lab.plan.kind,
        cluster: &lab.names.cluster,
        network: &lab.names.network,
        kubeconfig: lab.lab.kubeconfig(),
        marker: lab.docker.marker(),
    }
}

/// The network comes first, and its label says whose everything on it is.
fn own_network(lab: &Kind<'_>) -> Result<()> {
    let owner = lab.lab.path().to_string_lossy().into_owned();
    let network = lab.names.network.clone();
    match lab.docker.network_label(&network, LABEL)? {
        Some(Some(there)) if there == owner => Ok(()),
        Some(there) => {
            let owner = there.unwrap_or_else(|| "nobody: it has no label of a lab".into());
            Err(TakenName { network, owner }.into())
        }
        None => Ok(lab.docker.create_network(&network, &[(LABEL, &owner)])?),
    }
}

/// Starts nodes that were stopped: by a restart of Docker, or of the machine.
fn wake(docker: &Docker, nodes: &[String]) -> Result<()> {
    for node in nodes {
        if docker.inspect(node)?.is_some_and(|node| !node.is_running()) {
            docker.start(node)?;
        }
    }
    Ok(())
}

/// kind's configuration: the file under `manifests/`, its Spot node as often as asked, the export's directory where nodes
/// have to have it, and more patience where the machine is said to be slow.
fn config(plan: &Plan, export: &str) -> Result<String> {
    let mut config: Value = manifests::edited(manifests::KIND, &manifests::Values::default())?;
    let fault = || Failure::fault(Exit::Lab, "failed to read manifest `kind.yaml`: it has no nodes");
    config["kubeadmConfigPatches"] = json!(patience(time_scale().unwrap_or(1.0)));
    let nodes = config.get_mut("nodes").and_then(Value::as_array_mut).ok_or_else(fault)?;
    let spot = nodes.pop().ok_or_else(fault)?;
    nodes.extend(std::iter::repeat_n(spot, plan.spot_nodes as usize));
    if plan.volume.volume == Volume::Directory {
        for node in nodes {
            node["extraMounts"] = json!([{ "hostPath": export, "containerPath": manifests::NODE_DIRECTORY }]);
        }
    }
    // JSON is YAML.
    Ok(config.to_string())
}

/// What kubeadm is told where deadlines are scaled: how long it waits for the control plane, and that its controllers,
/// each the only one of its kind, need not keep a lease that a slow machine would lose.
fn patience(scale: f64) -> Vec<String> {
    if scale <= 1.0 {
        return Vec::new();
    }
    let alone = json!({ "extraArgs": { "leader-elect": "false" } });
    let patch = json!({
        "kind": "ClusterConfiguration",
        "apiServer": { "timeoutForControlPlane": format!("{:.0}s", CONTROL_PLANE.mul_f64(scale).as_secs_f64()) },
        "controllerManager": alone,
        "scheduler": alone,
    });
    vec![patch.to_string()]
}

impl Explain for TakenName {
    fn exit(&self) -> Exit {
        Exit::Lab
    }

    fn cause_name(&self) -> &'static str {
        "name-taken"
    }

    fn remedy(&self) -> String {
        "use another lab with --name, or take that one down from where it was made".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of usual speed gets kubeadm's own deadlines, a slow one longer ones.
    #[test]
    fn kubeadm_is_patient_where_deadlines_are_scaled() {
        assert_eq!(patience(1.0), Vec::<String>::new());
        let patch: Value = serde_json::from_str(&patience(2.5)[0]).unwrap();
        assert_eq!(patch["apiServer"]["timeoutForControlPlane"], "600s");
        assert_eq!(patch["scheduler"]["extraArgs"]["leader-elect"], "false");
    }
}
