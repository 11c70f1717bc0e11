//! What stands behind the double where Docker and kind are there: a cluster is a cluster of kind, an instance of Filestore
//! is the lab's own export, both on one Docker network, and the credentials' plugin gives a token of that cluster.
//!
//! Nodes pull from the double's registry. Where the kernel has no NFS client, a node's `mount.nfs` binds the export's
//! directory in place of a mount, if it is asked for the share that serves and that answers: the manifests stay Google's.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread;

use lab::docker::Docker;
use lab::export::{Export, Start, image};
use lab::images::{BASE, NODE, Pinned};
use lab::target::kind::NfsClient;
use serde_json::{Value, json};

use super::cloud::{Behind, Kind as What, Outcome, Resource, Verb};
use super::file::with_address;

/// The label of everything in Docker that is the double's; its value is the test's name for it.
const LABEL: &str = "batch-ml-lab-double";
/// Where the export's directory is in a node, for kernels without an NFS client.
const NODE_DIRECTORY: &str = "/srv/nfsvol";
/// The administrator's credentials in a node.
const ADMIN: &str = "/etc/kubernetes/admin.conf";

/// kind, Docker, and a directory.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The cluster's name, and the network's.
    name: String,
    dir: PathBuf,
    docker: Docker,
    /// The network's address on this machine: where nodes find the double.
    gateway: IpAddr,
    /// The double's port.
    port: Arc<OnceLock<u16>>,
}

impl Kind {
    /// Makes the network. `dir` gets the export's data and the plugin.
    pub fn new(name: &str, dir: &Path) -> Self {
        docker(&["network", "create", "--label", &format!("{LABEL}={name}"), name]).expect("a network");
        let gateway = docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", name]);
        let gateway = gateway.expect("the network").parse().expect("an address");
        fs_err::create_dir_all(dir.join("export")).expect("a writable directory");
        let docker = Docker::find(None).expect("Docker is there");
        Self { name: name.into(), dir: dir.into(), docker, gateway, port: Arc::default() }
    }

    /// Where nodes find the double.
    pub fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// The double's port is known once it serves.
    pub fn set_port(&self, port: u16) {
        self.port.set(port).expect("it is set once");
    }

    /// The directory that a test puts on the PATH: it has the credentials' plugin.
    pub fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }

    /// What a test says of the mounts in its nodes.
    pub fn mounts(&self) -> &'static str {
        if NfsClient::look().is_there() {
            "nodes mount the share by NFS"
        } else {
            "the kernel has no NFS client: nodes bind the export's directory where they are asked for the share"
        }
    }

    /// Takes away whatever there is.
    pub fn clear(&self) {
        let _ = self.delete_cluster();
        // What pods have left in the share is root's, and only the server can remove it.
        let _ = self.export().clear();
        let _ = self.export().stop();
        let _ = docker(&["network", "rm", &self.name]);
    }

    fn export(&self) -> Export {
        Export::of(&self.docker, &self.name)
    }

    fn work(&self, verb: Verb, resource: &Resource) -> Outcome {
        match (resource.kind, verb) {
            (What::Cluster, Verb::Create) => self.create_cluster(),
            (What::Cluster, Verb::Delete) => self.delete_cluster().map(|()| json!({})),
            (What::Instance, Verb::Create) => self.create_instance(resource),
            (What::Instance, Verb::Delete) => self.delete_instance().map(|()| json!({})),
            (What::NodePool | What::Repository, _) => Ok(json!({})),
        }
    }

    fn create_instance(&self, resource: &Resource) -> Outcome {
        let start = || {
            let image = image(&self.docker, &pinned(&BASE))?;
            let (data, network) = (self.dir.join("export"), &self.name);
            self.export().start(&Start { image: &image, network, data: &data, label: (LABEL, &self.name) })
        };
        let healthy = start().map_err(|error| error.to_string())?;
        Ok(with_address(&resource.body, &healthy.address.to_string()))
    }

    /// The data go with the instance.
    fn delete_instance(&self) -> Result<(), String> {
        self.export().clear().map_err(|error| error.to_string())?;
        self.export().stop().map(drop).map_err(|error| error.to_string())
    }

    fn create_cluster(&self) -> Outcome {
        let kubeconfig = self.dir.join("kind-kubeconfig");
        let arguments = ["create", "cluster", "--name", &self.name, "--config", "-"];
        let mut kind = self.kind(&arguments);
        kind.arg("--image").arg(pinned(&NODE));
        run_with(kind, &self.config())?;
        for node in self.nodes()? {
            self.prepare(&node)?;
        }
        self.write_plugin()?;
        let text = fs_err::read_to_string(kubeconfig).map_err(|error| error.to_string())?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.map(|value| value.trim_start_matches(':').trim().to_owned()).ok_or(format!("no `{name}` of kind"))
        };
        let endpoint = field("server")?.trim_start_matches("https://").to_owned();
        let certificate = field("certificate-authority-data")?;
        Ok(json!({ "endpoint": endpoint, "masterAuth": { "clusterCaCertificate": certificate } }))
    }

    /// Two nodes, one of them Spot. Autopilot adds a toleration to Spot pods at admission; here there is no taint to
    /// tolerate.
    fn config(&self) -> String {
        let mount = json!([{ "hostPath": self.dir.join("export"), "containerPath": NODE_DIRECTORY }]);
        let registry =
            "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n";
        json!({
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "containerdConfigPatches": [registry],
            "nodes": [
                { "role": "control-plane", "extraMounts": mount, "kubeadmConfigPatches": [
                    "kind: InitConfiguration\nnodeRegistration:\n  taints: []\n"] },
                { "role": "worker", "extraMounts": mount, "labels": { "cloud.google.com/gke-spot": "true" } },
            ],
        })
        .to_string()
    }

    /// A node pulls from the double, and mounts what Filestore's stand-in serves.
    fn prepare(&self, node: &str) -> Result<(), String> {
        let port = self.port.get().expect("the double serves");
        let hosts = format!(
            "server = \"http://{0}:{port}\"\n[host.\"http://{0}:{port}\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
            self.gateway
        );
        let folder = format!("/etc/containerd/certs.d/127.0.0.1:{port}");
        docker(&["exec", node, "mkdir", "-p", &folder])?;
        write_in(node, &format!("{folder}/hosts.toml"), &hosts)?;
        if !NfsClient::look().is_there() {
            write_in(node, "/usr/sbin/mount.nfs", MOUNT)?;
            docker(&["exec", node, "chmod", "755", "/usr/sbin/mount.nfs"])?;
        }
        Ok(())
    }

    /// The plugin gives a token of an administrator, as Google's gives one of whoever owns the project.
    fn write_plugin(&self) -> Result<(), String> {
        let node = format!("{}-control-plane", self.name);
        let kubectl = |arguments: &[&str]| {
            let begin = ["exec", &node, "kubectl", "--kubeconfig", ADMIN];
            docker(&[&begin[..], arguments].concat())
        };
        kubectl(&["create", "serviceaccount", "owner", "--namespace", "kube-system"])?;
        let role = ["create", "clusterrolebinding", "owner", "--clusterrole=cluster-admin"];
        kubectl(&[&role[..], &["--serviceaccount=kube-system:owner"]].concat())?;
        let token = kubectl(&["create", "token", "owner", "--namespace", "kube-system", "--duration", "4h"])?;
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": { "token": token },
        });
        write_plugin(&self.bin(), &credential)
    }

    fn delete_cluster(&self) -> Result<(), String> {
        run_with(self.kind(&["delete", "cluster", "--name", &self.name]), "").map(drop)
    }

    fn nodes(&self) -> Result<Vec<String>, String> {
        let nodes = run_with(self.kind(&["get", "nodes", "--name", &self.name]), "")?;
        Ok(nodes.lines().map(str::to_owned).collect())
    }

    fn kind(&self, arguments: &[&str]) -> Command {
        let mut kind = Command::new("kind");
        kind.args(arguments).env("KIND_EXPERIMENTAL_DOCKER_NETWORK", &self.name);
        kind.env("KUBECONFIG", self.dir.join("kind-kubeconfig"));
        kind
    }
}

impl Behind for Kind {
    fn begin(&self, verb: Verb, resource: Resource, outcome: Arc<OnceLock<Outcome>>) {
        let own = self.clone();
        thread::spawn(move || outcome.set(own.work(verb, &resource)));
    }
}

/// The plugin that gke's kubeconfig names: it prints this credential.
pub fn write_plugin(bin: &Path, credential: &Value) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let program = bin.join("gke-gcloud-auth-plugin");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exec echo 'Kubernetes v1.34.4-the-double'\ncat <<'END'\n{credential}\nEND\n"
    );
    let write = || {
        fs_err::create_dir_all(bin)?;
        fs_err::write(&program, script)?;
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755))
    };
    write().map_err(|error| error.to_string())
}

/// `mount.nfs SERVER:/NFSVol DIRECTORY …`: whoever names another share, or a server that does not answer, gets what
/// mount.nfs would say.
const MOUNT: &str = r#"#!/bin/bash
server=${1%%:*}
[ "${1#*:}" = /NFSVol ] || { echo "mount.nfs: mounting $1 failed, reason given by server: No such file or directory" >&2; exit 32; }
timeout 5 bash -c "exec 3<>/dev/tcp/$server/2049" 2>/dev/null || { echo "mount.nfs: Connection timed out for $1" >&2; exit 32; }
exec mount --bind /srv/nfsvol "$2"
"#;

fn write_in(node: &str, path: &str, text: &str) -> Result<(), String> {
    let mut docker = Command::new("docker");
    docker.args(["exec", "--interactive", node, "sh", "-c", &format!("cat > '{path}'")]);
    run_with(docker, text).map(drop)
}

fn pinned(image: &Pinned) -> String {
    std::env::var(image.variable).unwrap_or_else(|_| image.reference.into())
}

fn docker(arguments: &[&str]) -> Result<String, String> {
    let mut docker = Command::new("docker");
    docker.args(arguments);
    run_with(docker, "")
}

/// Runs it to its end, and says what it printed.
fn run_with(mut command: Command, input: &str) -> Result<String, String> {
    use std::io::Write as _;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
