//! A place for labs on kind: state, cache, records and kubeconfig in a directory of its own, the program `lab` started
//! there, and what it has left in Docker looked at from outside.
//!
//! `lab` is the form that this test was built in, for only a debug build has kill points. The worker is the static one
//! of LAB_WORKER, which `cargo xtask test --cluster` builds.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lab::record::{Record, Verdict};
use lab::wait::scaled;

pub(crate) use crate::program::or_skip;
use crate::program::{LIMIT, lab, start, worker};
pub use crate::program::{Running, Said};

/// Set by `cargo xtask test --cluster`.
const WANTED: &str = "LAB_CLUSTER_TESTS";
/// The label that kind gives its nodes.
const KIND_LABEL: &str = "io.x-k8s.kind.cluster";

/// State, cache and records of nobody else, and a lab whose name nobody else has.
pub struct Place {
    dir: tempfile::TempDir,
    names: Vec<String>,
}

/// A worker's image that does not do what it should.
pub struct Image {
    pub name: &'static str,
    /// What is run, in the form of a Dockerfile.
    pub entrypoint: &'static str,
}

/// Such an image in Docker; gone when it is dropped.
pub struct Built(&'static str);

impl Place {
    /// A place with names for so many labs, if clusters are wanted. What a cluster needs and is not there is a failure,
    /// not a reason to skip: somebody has asked for these tests.
    pub fn new(labs: usize) -> Result<Self, String> {
        if std::env::var_os(WANTED).is_none_or(|value| value != "1") {
            return Err("a cluster takes half a minute; `cargo xtask test --cluster` runs this".into());
        }
        let dir = tempfile::Builder::new().prefix("lab-cluster-").tempdir().expect("a temporary directory");
        // A test that was ended from outside may have left a lab; a new name does not meet it.
        let names = (0..labs).map(|_| format!("test-{}", &uuid::Uuid::new_v4().simple().to_string()[..8])).collect();
        let place = Self { dir, names };
        fs_err::write(place.kubeconfig(), USERS_KUBECONFIG).expect("a writable directory");
        Ok(place)
    }

    /// The name of the first lab.
    pub fn name(&self) -> &str {
        self.other(0)
    }

    /// The name of another lab.
    pub fn other(&self, number: usize) -> &str {
        &self.names[number]
    }

    /// A path in this place.
    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// The kubeconfig that a person has set.
    fn kubeconfig(&self) -> PathBuf {
        self.path("users-kubeconfig")
    }

    /// The kubeconfig of a person is as it was.
    #[track_caller]
    pub fn assert_kubeconfig_untouched(&self) {
        let text = fs_err::read_to_string(self.kubeconfig()).expect("the person's kubeconfig");
        assert_eq!(text, USERS_KUBECONFIG);
    }

    /// `lab COMMAND` on the first lab, with nothing that the shell or CI sets but where Docker and the images are.
    pub fn command(&self, command: &str, arguments: &[&str]) -> Command {
        self.command_on(self.name(), command, arguments)
    }

    /// The same on the lab of this name.
    pub fn command_on(&self, name: &str, command: &str, arguments: &[&str]) -> Command {
        let mut lab = Command::new(lab());
        for variable in ["CI", "NO_COLOR", "COLUMNS", "BATCH_ML_LAB", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"] {
            lab.env_remove(variable);
        }
        for variable in ["LAB_RUNS", "LAB_JOB_TIME_SCALE", "LAB_KILL_AT", "WORKER_SEED", "WORKER_LEASE_S"] {
            lab.env_remove(variable);
        }
        lab.args([command, "--name", name]);
        if ["up", "e2e"].contains(&command) {
            lab.args(["--target", "kind"]);
        }
        lab.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        lab.env("XDG_STATE_HOME", self.path("state")).env("XDG_CACHE_HOME", self.path("cache"));
        lab.env("LAB_RUNS", self.path("runs")).env("KUBECONFIG", self.kubeconfig()).env("TERM", "xterm");
        lab.env("LAB_WORKER", worker()).env("LAB_JUDGE", env!("CARGO_BIN_EXE_judge"));
        lab
    }

    /// Runs `lab` to its end.
    pub fn run(&self, command: &str, arguments: &[&str]) -> Said {
        self.start(self.command(command, arguments)).wait()
    }

    /// Runs `lab` to where it is killed.
    #[track_caller]
    pub fn kill_at(&self, command: &str, point: &str) {
        let mut killed = self.command(command, &[]);
        killed.env("LAB_KILL_AT", point);
        let said = self.start(killed).wait();
        assert_eq!(said.code, 128 + 9, "{point} was not come to: {}", said.err);
    }

    /// Starts a command.
    pub fn start(&self, command: Command) -> Running {
        start(self.dir.path(), command)
    }

    /// The record of the newest run, and its verdict.
    #[track_caller]
    pub fn newest_record(&self) -> (Record, Verdict) {
        let runs = fs_err::read_dir(self.path("runs")).expect("records").map(|run| run.expect("an entry").path());
        let newest = runs.filter(|run| run.join("record.json").exists()).max().expect("a record");
        let record = Record::open(newest).expect("a record");
        let verdict = record.verdict().expect("a verdict");
        (record, verdict)
    }

    /// The lab of this name stands: `status` exits with 0 and says so.
    #[track_caller]
    pub fn assert_up(&self, name: &str, when: &str) {
        let said = self.start(self.command_on(name, "status", &["--json"])).wait();
        said.assert_code(0);
        let status: serde_json::Value = serde_json::from_str(said.out.trim()).expect("one JSON object");
        assert_eq!(status["state"], "up", "{when}: {status}");
    }

    /// Of the lab of this name nothing is in Docker, and no directory.
    #[track_caller]
    pub fn assert_nothing_is_left(&self, name: &str, when: &str) {
        let dir = self.path("state/batch-ml-lab").join(name);
        let owner = format!("label=batch-ml-lab={}", dir.display());
        let nodes = format!("label={KIND_LABEL}=lab-{name}");
        let mut left = Vec::new();
        for filter in [&owner, &nodes] {
            left.push(docker(&["ps", "--all", "--quiet", "--filter", filter]));
            left.push(docker(&["volume", "ls", "--quiet", "--filter", filter]));
            left.push(docker(&["network", "ls", "--quiet", "--filter", filter]));
        }
        left.push(docker(&["network", "ls", "--quiet", "--filter", &format!("name=lab-{name}")]));
        assert!(left.iter().all(String::is_empty), "{when}: {left:?}");
        assert!(!dir.exists(), "{when}: `{}` is there", dir.display());
    }

    /// `kubectl` on the control plane's node of the first lab: the person's own need not be there.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let node = self.node("control-plane");
        let mut command = vec!["exec", &node, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"];
        command.extend(arguments);
        docker(&command)
    }

    /// Runs a script of the shell on the Spot node of the first lab.
    #[track_caller]
    pub fn on_spot_node(&self, script: &str) -> String {
        docker(&["exec", &self.node("worker"), "sh", "-e", "-c", script])
    }

    /// Waits until the Spot node tells the API server that it has the worker's image, or that it has not: what the lab
    /// goes by.
    #[track_caller]
    pub fn wait_for_worker_on_node(&self, wanted: bool) {
        let start = Instant::now();
        let node = self.node("worker");
        let told = || self.kubectl(&["get", "node", &node, "--output", "jsonpath={.status.images[*].names}"]);
        while told().contains("batch-ml-lab/worker") != wanted {
            assert!(start.elapsed() < scaled(LIMIT), "the node goes on telling of its images what is not so");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// The container of a node of the first lab.
    pub fn node(&self, role: &str) -> String {
        format!("lab-{}-{role}", self.name())
    }
}

impl Image {
    /// Builds it: the worker, and what is to be run in its place.
    #[track_caller]
    pub fn build(&self, place: &Place) -> Built {
        let context = tempfile::Builder::new().prefix("image-").tempdir_in(place.dir.path()).expect("a directory");
        fs_err::copy(worker(), context.path().join("worker")).expect("the worker");
        let file = format!("FROM scratch\nCOPY worker /worker\nENTRYPOINT {}\n", self.entrypoint);
        fs_err::write(context.path().join("Dockerfile"), file).expect("a writable directory");
        docker(&["build", "--quiet", "--tag", self.name, &context.path().display().to_string()]);
        Built(self.name)
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        docker(&["image", "rm", "--force", self.0]);
    }
}

impl Drop for Place {
    /// A test that fails leaves a lab: nobody would look at this one.
    fn drop(&mut self) {
        for name in &self.names {
            let said = self.start(self.command_on(name, "down", &[])).wait();
            if said.code != 0 {
                eprintln!("lab `{name}` did not go down: {}", said.err);
            }
        }
    }
}

/// What Docker says to this.
#[track_caller]
pub fn docker(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } =
        Command::new("docker").args(arguments).stdin(Stdio::null()).output().expect("docker is there");
    assert!(status.success(), "docker {}: {}", arguments.join(" "), String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).trim().to_owned()
}

/// What a person may have in theirs.
const USERS_KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: mine\n";
