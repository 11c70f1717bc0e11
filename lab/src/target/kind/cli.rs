//! The program `kind`, as it is typed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::docker::DockerError;
use crate::docker::call::Call;
use crate::failure::{Exit, Explain};
use crate::process::Marker;

/// How long kind may take to make a cluster, before `LAB_TIME_SCALE`: the API server of a busy machine takes minutes.
const CREATE: Duration = Duration::from_secs(600);
/// How long anything else may take.
const OTHER: Duration = Duration::from_secs(120);

/// Why kind did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum KindError {
    /// It is not there.
    #[error("failed to find `kind` on the PATH")]
    NotInstalled,
    /// A command of its failed.
    #[error(transparent)]
    Failed(#[from] DockerError),
}

/// kind, for one cluster.
#[derive(Debug)]
pub struct Kind<'a> {
    /// The program.
    pub program: &'a Path,
    /// The cluster.
    pub cluster: &'a str,
    /// The Docker network of its nodes.
    pub network: &'a str,
    /// The lab's own kubeconfig: a person's is neither read nor written.
    pub kubeconfig: PathBuf,
    /// What its processes carry.
    pub marker: Option<&'a Marker>,
}

/// Its version, e.g. `v0.30.0`.
pub fn version(program: &Path) -> Result<String, KindError> {
    let said = Call::new(program, None, &["version"]).run()?.line();
    // `kind v0.30.0 go1.24.6 linux/amd64`
    Ok(said.split_whitespace().nth(1).unwrap_or(&said).to_owned())
}

impl Kind<'_> {
    /// Makes the cluster. It does not wait for its nodes, so that other work can go on meanwhile.
    ///
    /// # Errors
    /// When kind fails; it then has removed what it made, unless it was killed.
    pub fn create(&self, config: &str, image: &str) -> Result<(), KindError> {
        let kubeconfig = self.kubeconfig.to_string_lossy().into_owned();
        let arguments = [
            "create",
            "cluster",
            "--name",
            self.cluster,
            "--image",
            image,
            "--kubeconfig",
            &kubeconfig,
            "--config",
            "-",
        ];
        self.call(&arguments).input(config.as_bytes()).long().limit(CREATE).run()?;
        Ok(())
    }

    /// Removes the cluster, whatever there is of it.
    ///
    /// # Errors
    /// When a node's container cannot be removed.
    pub fn delete(&self) -> Result<(), KindError> {
        let kubeconfig = self.kubeconfig.to_string_lossy().into_owned();
        self.call(&["delete", "cluster", "--name", self.cluster, "--kubeconfig", &kubeconfig]).limit(OTHER).run()?;
        Ok(())
    }

    /// Loads the images of an archive into nodes.
    ///
    /// # Errors
    /// When a node's containerd refuses.
    pub fn load(&self, archive: &Path, nodes: &[String]) -> Result<(), KindError> {
        let (archive, nodes) = (archive.to_string_lossy().into_owned(), nodes.join(","));
        self.call(&["load", "image-archive", &archive, "--name", self.cluster, "--nodes", &nodes])
            .long()
            .limit(OTHER)
            .run()?;
        Ok(())
    }

    fn call(&self, arguments: &[&str]) -> Call<'_> {
        Call::new(self.program, self.marker, arguments)
            .variable("KIND_EXPERIMENTAL_DOCKER_NETWORK", self.network)
            .variable("KIND_EXPERIMENTAL_PROVIDER", "docker")
            .variable("KUBECONFIG", self.kubeconfig.as_os_str())
    }
}

impl KindError {
    /// kind did not wait for its nodes any longer: they boot slowly.
    pub(super) fn is_slow_boot(&self) -> bool {
        const SAID: &str = "could not find a log line that matches";
        matches!(self, Self::Failed(DockerError::Failed { said, .. }) if said.contains(SAID))
    }

    /// Whether a container has the name that a node was to have: Docker says so while it makes it, kind once it is there.
    pub fn is_taken_name(&self) -> bool {
        let says = |words: &str| self.to_string().contains(words);
        says("is already in use by container") || says("node(s) already exist for a cluster")
    }
}

impl Explain for KindError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotInstalled => Exit::Preflight,
            Self::Failed(error) => error.exit(),
        }
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::NotInstalled => "kind-missing",
            Self::Failed(DockerError::Interrupted(by)) => by.cause_name(),
            Self::Failed(_) => "kind-failed",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NotInstalled => {
                "install it: `go install sigs.k8s.io/kind@v0.30.0`, or the release for your system from \
                                   https://kind.sigs.k8s.io/docs/user/quick-start/#installation; or use --target local"
                    .into()
            }
            Self::Failed(DockerError::Interrupted(_)) => String::new(),
            Self::Failed(_) => {
                "`cargo xtask lab doctor` checks what kind needs; `cargo xtask lab up` tries again".into()
            }
        }
    }
}
