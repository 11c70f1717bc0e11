//! What stands behind the double where Docker and kind are there: a cluster is a cluster of kind, an instance of Filestore
//! is the lab's own export, both on one Docker network, and the credentials' plugin gives a token of that cluster.
//!
//! Nodes pull from the double's registry. Where the kernel has no NFS client, a node's `mount.nfs` binds the export's
//! directory in place of a mount, if it is asked for the share that serves and that answers: the manifests stay Google's.

use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use lab::docker::Docker;
use lab::export::{Export, Start, image};
use lab::images::{BASE, NODE, Pinned, REDIS};
use lab::target::kind::{NfsClient, unpack};
use serde_json::{Value, json};

use super::cloud::{Behind, Kind as What, Outcome, Resource, Verb};
use super::file::with_address;

/// The label of everything in Docker that is the double's; its value is the test's name for it.
const LABEL: &str = "batch-ml-lab-double";
/// Where the export's directory is in a node, for kernels without an NFS client.
const NODE_DIRECTORY: &str = "/srv/nfsvol";
/// Where a node reads which registries are elsewhere.
const CERTS: &str = "/etc/containerd/certs.d";
/// The label of Spot nodes.
const SPOT: &str = "cloud.google.com/gke-spot";
/// Where the API server reads whose tokens it takes.
const TOKENS: &str = "/srv/tokens.csv";
/// Who owns a cluster of Autopilot.
const OWNERS: &str = "owners";
/// What kind says when the control plane serves and the other node is about to join.
const SERVES: &str = "Joining worker nodes";

/// kind, Docker, and a directory.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The cluster's name, and the network's.
    name: String,
    /// What the export serves, and kind's kubeconfig.
    dir: PathBuf,
    /// Where the credentials' plugin is, which a test puts on the PATH.
    bin: PathBuf,
    docker: Docker,
    /// The network's address on this machine: where nodes find the double.
    gateway: IpAddr,
    /// The double's port.
    port: Arc<OnceLock<u16>>,
    /// Nothing is made or removed here for the time being: the double only says so.
    is_idle: Arc<AtomicBool>,
    /// Held while kind makes the cluster, which goes on after the cluster is said to run.
    creating: Arc<Mutex<()>>,
}

impl Kind {
    /// Makes the network. `dir` gets the export's data, and `bin` the plugin.
    pub fn new(name: &str, dir: &Path, bin: &Path) -> Self {
        docker(&["network", "create", "--label", &format!("{LABEL}={name}"), name]).expect("a network");
        let gateway = docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", name]);
        let gateway = gateway.expect("the network").parse().expect("an address");
        fs_err::create_dir_all(dir.join("export")).expect("a writable directory");
        let docker = Docker::find(None).expect("Docker is there");
        let (name, dir, bin) = (name.into(), dir.into(), bin.into());
        let (port, is_idle, creating) = Default::default();
        Self { name, dir, bin, docker, gateway, port, is_idle, creating }
    }

    /// Where nodes find the double.
    pub fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// The double's port is known once it serves.
    pub fn set_port(&self, port: u16) {
        self.port.set(port).expect("it is set once");
    }

    /// Whether what the double says is done here, too.
    pub fn set_idle(&self, is_idle: bool) {
        self.is_idle.store(is_idle, Ordering::SeqCst);
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

    fn work(&self, verb: Verb, resource: &Resource, outcome: &OnceLock<Outcome>) -> Outcome {
        if self.is_idle.load(Ordering::SeqCst) {
            return Ok(json!({}));
        }
        match (resource.kind, verb) {
            (What::Cluster, Verb::Create) => self.create_cluster(resource, outcome),
            (What::Cluster, Verb::Delete) => self.delete_cluster().map(|()| json!({})),
            (What::Instance, Verb::Create) => self.create_instance(resource),
            (What::Instance, Verb::Delete) => self.delete_instance().map(|()| json!({})),
            (What::NodePool, Verb::Create) => self.create_pool(resource).map(|()| json!({})),
            // A pool goes with its cluster.
            (What::NodePool, Verb::Delete) | (What::Repository, _) => Ok(json!({})),
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

    /// A cluster of Autopilot runs before it has nodes: they come when pods want them. So it is said to run, into `outcome`,
    /// as soon as its API server serves, and the second node joins meanwhile. One of Standard runs with its nodes.
    fn create_cluster(&self, resource: &Resource, outcome: &OnceLock<Outcome>) -> Outcome {
        let creating = self.creating.lock().expect("nobody panics with it");
        let autopilot = resource.body["autopilot"]["enabled"] == true;
        let arguments = ["create", "cluster", "--name", &self.name, "--config", "-"];
        let mut kind = self.kind(&arguments);
        kind.arg("--image").arg(pinned(&NODE));
        self.prepare(autopilot).map_err(|error| error.to_string())?;
        let (node, over) = (format!("{}-control-plane", self.name), AtomicBool::new(false));
        thread::scope(|scope| {
            // It comes packed in kind's nodes, and target `kind`, beside which this is measured, does the same.
            scope.spawn(|| unpack(&self.docker, &node, &pinned(&REDIS), &over));
            let made = run_and_hear(kind, &self.config(autopilot), |line| {
                if autopilot && line.contains(SERVES) {
                    let _ = outcome.set(self.grant().and_then(|()| self.access()));
                }
            });
            over.store(true, Ordering::Relaxed);
            made
        })?;
        drop(creating);
        // Where it was said already, nobody hears this.
        outcome.get().cloned().unwrap_or_else(|| self.access())
    }

    /// Gives Autopilot's owners what they may do.
    fn grant(&self) -> Result<(), String> {
        let mut kubectl = Command::new("docker");
        kubectl.args(["exec", "--interactive", &format!("{}-control-plane", self.name), "kubectl"]);
        // An API server that has just begun takes seconds to say what it would validate by.
        kubectl.args(["--kubeconfig=/etc/kubernetes/admin.conf", "create", "--validate=false", "--filename=-"]);
        run_with(kubectl, &autopilots_role()).map(drop)
    }

    /// Where the cluster's API server is, and by what to know it.
    fn access(&self) -> Outcome {
        let text = run_with(self.kind(&["get", "kubeconfig", "--name", &self.name]), "")?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.map(|value| value.trim_start_matches(':').trim().to_owned()).ok_or(format!("no `{name}` of kind"))
        };
        let endpoint = field("server")?.trim_start_matches("https://").to_owned();
        let certificate = field("certificate-authority-data")?;
        Ok(json!({ "endpoint": endpoint, "masterAuth": { "clusterCaCertificate": certificate } }))
    }

    /// Two nodes. Nodes pull from the double, and its API server takes the token that the plugin gives. With Autopilot one
    /// of them is Spot: Autopilot taints such nodes and adds a toleration to Spot pods at admission; here there is no taint
    /// to tolerate. On a Standard cluster a pool has to be made first, see [`Kind::create_pool`].
    fn config(&self, autopilot: bool) -> String {
        let mount = |what: &str, place: &str| json!({ "hostPath": self.dir.join(what), "containerPath": place });
        let mut mounts = vec![mount("export", NODE_DIRECTORY), mount("certs.d", CERTS)];
        if !NfsClient::look().is_there() {
            mounts.push(mount("mount.nfs", "/usr/sbin/mount.nfs"));
        }
        let mut on_control_plane = mounts.clone();
        on_control_plane.push(mount("tokens.csv", TOKENS));
        let labels = if autopilot { json!({ SPOT: "true" }) } else { json!({}) };
        let registry = format!("[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"{CERTS}\"\n");
        let tokens = json!({
            "kind": "ClusterConfiguration",
            "apiServer": {
                "extraArgs": { "token-auth-file": TOKENS },
                "extraVolumes": [{ "name": "tokens", "hostPath": TOKENS, "mountPath": TOKENS, "readOnly": true, "pathType": "File" }],
            },
        });
        json!({
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "containerdConfigPatches": [registry],
            "nodes": [
                { "role": "control-plane", "extraMounts": on_control_plane, "kubeadmConfigPatches": [
                    "kind: InitConfiguration\nnodeRegistration:\n  taints: []\n", tokens.to_string()] },
                { "role": "worker", "extraMounts": mounts, "labels": labels },
            ],
        })
        .to_string()
    }

    /// Everything that the nodes find mounted: where they pull from, what mounts the share that Filestore's stand-in serves
    /// where the kernel cannot, and whose token is an owner's: on Standard, whoever owns the project may do everything.
    fn prepare(&self, autopilot: bool) -> std::io::Result<()> {
        let port = self.port.get().expect("the double serves");
        let hosts = format!(
            "server = \"http://{0}:{port}\"\n[host.\"http://{0}:{port}\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
            self.gateway
        );
        let folder = self.dir.join(format!("certs.d/127.0.0.1:{port}"));
        fs_err::create_dir_all(&folder)?;
        fs_err::write(folder.join("hosts.toml"), hosts)?;
        write_script(&self.dir.join("mount.nfs"), MOUNT)?;
        let token = uuid::Uuid::new_v4().simple().to_string();
        let group = if autopilot { OWNERS } else { "system:masters" };
        fs_err::write(self.dir.join("tokens.csv"), format!("{token},owner,owner,\"{group}\"\n"))?;
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": { "token": token },
        });
        write_plugin(&self.bin, &credential)
    }

    /// The second node becomes the pool's: with the label that Google gives Spot nodes and the taints that were ordered.
    /// What runs on it already stays, as pods do when `NoSchedule` comes later.
    fn create_pool(&self, pool: &Resource) -> Result<(), String> {
        let config = &pool.body["config"];
        let (control_plane, node) = (format!("{}-control-plane", self.name), format!("{}-worker", self.name));
        let kubectl = ["exec", &control_plane, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"];
        if config["spot"] == true {
            docker(&[&kubectl[..], &["label", "node", &node, &format!("{SPOT}=true")]].concat())?;
        }
        for taint in config["taints"].as_array().into_iter().flatten() {
            let field = |name: &str| taint[name].as_str().ok_or(format!("no `{name}` in {taint}"));
            let effect = match field("effect")? {
                "NO_SCHEDULE" => "NoSchedule",
                other => return Err(format!("the double knows no effect `{other}`")),
            };
            let taint = format!("{}={}:{effect}", field("key")?, field("value")?);
            docker(&[&kubectl[..], &["taint", "node", &node, &taint]].concat())?;
        }
        Ok(())
    }

    fn delete_cluster(&self) -> Result<(), String> {
        // kind would go on with a node that is gone.
        drop(self.creating.lock());
        run_with(self.kind(&["delete", "cluster", "--name", &self.name]), "").map(drop)
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
        thread::spawn(move || {
            let ended = own.work(verb, &resource, &outcome);
            if let (Err(why), Some(Ok(_))) = (&ended, outcome.get()) {
                eprintln!("what was said to run came to nothing: {why}");
            }
            let _ = outcome.set(ended);
        });
    }
}

/// What an owner of a cluster of Autopilot may do: everything that the tutorial's objects take, and nothing to the nodes
/// themselves: no request goes through to a kubelet.
fn autopilots_role() -> String {
    let rule =
        |groups: &[&str], resources: &[&str]| json!({ "apiGroups": groups, "resources": resources, "verbs": ["*"] });
    let core = [
        "bindings",
        "configmaps",
        "endpoints",
        "events",
        "namespaces",
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "pods/attach",
        "pods/exec",
        "pods/log",
        "pods/portforward",
        "pods/status",
        "secrets",
        "serviceaccounts",
        "services",
    ];
    let groups = ["apps", "batch", "storage.k8s.io", "events.k8s.io", "discovery.k8s.io", "scheduling.k8s.io"];
    let nodes = json!({ "apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"] });
    let rest = json!({ "nonResourceURLs": ["*"], "verbs": ["get"] });
    let api = "rbac.authorization.k8s.io";
    let (role, binding) = (
        json!({
            "apiVersion": format!("{api}/v1"), "kind": "ClusterRole", "metadata": { "name": OWNERS },
            "rules": [rule(&[""], &core), rule(&groups, &["*"]), nodes, rest],
        }),
        json!({
            "apiVersion": format!("{api}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": OWNERS },
            "roleRef": { "apiGroup": api, "kind": "ClusterRole", "name": OWNERS },
            "subjects": [{ "apiGroup": api, "kind": "Group", "name": OWNERS }],
        }),
    );
    json!({ "apiVersion": "v1", "kind": "List", "items": [role, binding] }).to_string()
}

/// The plugin that gke's kubeconfig names: it prints this credential.
pub fn write_plugin(bin: &Path, credential: &Value) -> std::io::Result<()> {
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exec echo 'Kubernetes v1.34.4-the-double'\ncat <<'END'\n{credential}\nEND\n"
    );
    fs_err::create_dir_all(bin)?;
    write_script(&bin.join("gke-gcloud-auth-plugin"), &script)
}

fn write_script(path: &Path, script: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::write(path, script)?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// `mount.nfs SERVER:/NFSVol DIRECTORY …`: whoever names another share, or a server that does not answer, gets what
/// mount.nfs would say.
const MOUNT: &str = r#"#!/bin/bash
server=${1%%:*}
[ "${1#*:}" = /NFSVol ] || { echo "mount.nfs: mounting $1 failed, reason given by server: No such file or directory" >&2; exit 32; }
timeout 5 bash -c "exec 3<>/dev/tcp/$server/2049" 2>/dev/null || { echo "mount.nfs: Connection timed out for $1" >&2; exit 32; }
exec mount --bind /srv/nfsvol "$2"
"#;

fn pinned(image: &Pinned) -> String {
    std::env::var(image.variable).unwrap_or_else(|_| image.reference.into())
}

fn docker(arguments: &[&str]) -> Result<String, String> {
    let mut docker = Command::new("docker");
    docker.args(arguments);
    run_with(docker, "")
}

/// Runs it to its end, and says what it printed.
fn run_with(command: Command, input: &str) -> Result<String, String> {
    run_and_hear(command, input, |_| ())
}

/// Runs it to its end, and says what it printed; each line of its standard error is heard as it comes.
fn run_and_hear(mut command: Command, input: &str, mut hear: impl FnMut(&str)) -> Result<String, String> {
    use std::io::Write as _;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
    drop(stdin);
    let stderr = child.stderr.take().expect("a pipe");
    let output = thread::spawn(move || child.wait_with_output());
    let mut said = Vec::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        hear(&line);
        said.push(line);
    }
    let output = output.join().expect("it does not panic").map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{command:?}: {}", said.join("\n").trim()))
}
