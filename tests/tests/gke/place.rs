//! A place for labs on target `gke`: the double, one or more machines with a state directory and a gcloud configuration
//! of their own, the ledger that they share, and what lives in the double's cloud looked at from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use lab::record::{Record, Verdict};
use lab::wait::scaled;
use serde_json::Value;

use crate::double::cloud::{Call, Cloud, Kind, Resource, Verb};
use crate::double::kind::{self, Kind as RealKind};
use crate::double::{Double, PROJECT, REPOSITORY, bill};
use crate::program::{Running, Said, lab, start, worker};

/// Set by `cargo xtask test --cluster`.
const WANTED: &str = "LAB_CLUSTER_TESTS";
/// What the shell, CI or a person's configuration sets, and no lab of a test may see.
const REMOVED: &[&str] = &[
    "CI",
    "NO_COLOR",
    "COLUMNS",
    "BATCH_ML_LAB",
    "GITHUB_ACTIONS",
    "GITHUB_STEP_SUMMARY",
    "LAB_RUNS",
    "LAB_CONFIG",
    "LAB_JOB_TIME_SCALE",
    "LAB_KILL_AT",
    "WORKER_SEED",
    "WORKER_LEASE_S",
    "CLOUDSDK_CORE_PROJECT",
    "CLOUDSDK_BILLING_QUOTA_PROJECT",
    "GOOGLE_CLOUD_PROJECT",
];

/// How long a gcloud may outlive the lab that has started it.
const ORPHANS: Duration = Duration::from_secs(30);
/// Where an `up` is ended that has nobody behind the double: all is made, and its API server is still to be asked.
const PROVISIONED: &str = "gke-credentials-written";
/// What lives then, by the ends of the names.
pub const STANDING: [&str; 3] =
    ["us-central1-b/instances/batch-aiml-filestore", "us-central1/clusters/batch-aiml", "nodePools/default-pool"];

/// The double, a directory, and a lab.
pub struct Place {
    pub double: Double,
    dir: tempfile::TempDir,
    /// The cluster behind the double, and the directory of what it serves and knows.
    behind: Option<(RealKind, tempfile::TempDir)>,
    /// Somebody else's, as it was put there.
    foreign: Vec<Resource>,
}

impl Place {
    /// A place with nobody behind the double, if there is a gcloud.
    pub fn new() -> Result<Self, String> {
        if is_wanted() {
            return Err("it needs no cluster; `cargo xtask test` runs this".into());
        }
        kill_points()?;
        gcloud()?;
        let dir = tempfile::Builder::new().prefix("lab-gke-").tempdir().expect("a temporary directory");
        let place = Self { double: Double::start(), dir, behind: None, foreign: Vec::new() };
        let credential = serde_json::json!({
            "apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": { "token": "nobody's" },
        });
        kind::write_plugin(&place.path("bin"), &credential).expect("a writable directory");
        Ok(place)
    }

    /// A place with kind behind the double, if clusters are wanted.
    pub fn with_cluster() -> Result<Self, String> {
        if !is_wanted() {
            return Err("a cluster takes half a minute; `cargo xtask test --cluster` runs this".into());
        }
        gcloud()?;
        let dir = tempfile::Builder::new().prefix("lab-gke-").tempdir().expect("a temporary directory");
        let name = format!("double-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let bin = dir.path().join("bin");
        // Not in the other one, which a test puts back as it was while nodes have this one mounted.
        let served = tempfile::Builder::new().prefix("lab-gke-behind-").tempdir().expect("a temporary directory");
        let behind = RealKind::new(&name, served.path(), &bin);
        // The plugin is there before there is a cluster: preflight asks for it.
        kind::write_plugin(&bin, &Value::Null).expect("a writable directory");
        let double = Double::before(Box::new(behind.clone()));
        double.listen(behind.gateway(), double.port());
        behind.set_port(double.port());
        eprintln!("behind the double: {}", behind.mounts());
        Ok(Self { double, dir, behind: Some((behind, served)), foreign: Vec::new() })
    }

    /// A path in this place.
    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// `lab` on a machine, led to the double.
    fn lab_on(&self, machine: &str) -> Command {
        let mut lab = Command::new(lab());
        for variable in REMOVED {
            lab.env_remove(variable);
        }
        lab.current_dir(self.dir.path()).stdin(Stdio::null());
        let home = self.path(machine);
        fs_err::create_dir_all(home.join("cloudsdk")).expect("a writable directory");
        let token = home.join("token");
        fs_err::write(&token, "ya29.a-token-of-the-double").expect("a writable directory");
        lab.env("XDG_STATE_HOME", home.join("state")).env("XDG_CACHE_HOME", self.path("cache"));
        // Nobody's lab looks at the project that is set there, and nothing is asked of it.
        lab.env("CLOUDSDK_CORE_PROJECT", "ambient-project");
        // Nor is it charged, or any that is set for that alone.
        lab.env("CLOUDSDK_BILLING_QUOTA_PROJECT", "ambient-quota-project");
        lab.env("CLOUDSDK_CONFIG", home.join("cloudsdk")).env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", token);
        lab.env("LAB_LEDGER", self.ledger()).env("LAB_RUNS", self.path("runs"));
        lab.env("KUBECONFIG", self.path("users-kubeconfig")).env("TERM", "xterm").envs(self.double.environment());
        // gcloud takes most of a second to start; it need not keep a log of each call, too.
        lab.env("CLOUDSDK_CORE_DISABLE_FILE_LOGGING", "1").env("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "1");
        lab.env("LAB_WORKER", worker_or_nothing()).env("LAB_JUDGE", env!("CARGO_BIN_EXE_judge"));
        lab.env("PATH", with_front(&self.path("bin")));
        lab
    }

    /// `lab COMMAND` on a machine; `up` and `e2e` with the project and the answer to the question.
    pub fn command_on(&self, machine: &str, command: &str, arguments: &[&str]) -> Command {
        let mut lab = self.unanswered(machine, command, arguments);
        if ["up", "e2e"].contains(&command) {
            lab.arg("--yes");
        }
        lab
    }

    /// The same, and nobody has said that it may cost something.
    pub fn unanswered(&self, machine: &str, command: &str, arguments: &[&str]) -> Command {
        let mut lab = self.lab_on(machine);
        lab.arg(command).args(arguments);
        if ["up", "e2e"].contains(&command) {
            lab.args(["--target", "gke", "--project", PROJECT]);
        }
        if ["up", "e2e"].contains(&command) && !arguments.contains(&"--image-repository") {
            let repository = format!("127.0.0.1:{}/{PROJECT}/{REPOSITORY}", self.double.port());
            lab.args(["--image-repository", &repository]);
        }
        lab
    }

    /// `e2e` on target `kind`, on a machine of its own.
    pub fn run_on_kind(&self) -> Said {
        let mut lab = self.lab_on("beside");
        lab.args(["e2e", "--target", "kind", "--name", &format!("beside-{}", std::process::id())]);
        self.start(lab).wait()
    }

    /// The same on the first machine.
    pub fn command(&self, command: &str, arguments: &[&str]) -> Command {
        self.command_on("machine", command, arguments)
    }

    /// Starts a command.
    pub fn start(&self, command: Command) -> Running {
        start(self.dir.path(), command)
    }

    /// Runs `lab` on the first machine to its end.
    pub fn run(&self, command: &str, arguments: &[&str]) -> Said {
        self.start(self.command(command, arguments)).wait()
    }

    /// Runs `lab` on another machine to its end.
    pub fn run_on(&self, machine: &str, command: &str, arguments: &[&str]) -> Said {
        self.start(self.command_on(machine, command, arguments)).wait()
    }

    /// Runs `lab` to where it is killed.
    #[track_caller]
    pub fn kill_at(&self, command: &str, arguments: &[&str], point: &str) {
        let mut killed = self.command(command, arguments);
        killed.env("LAB_KILL_AT", point);
        let said = self.start(killed).wait();
        assert_eq!(said.code, 128 + 9, "{point} was not come to: {}", said.err);
    }

    /// Waits until no gcloud of a killed lab is at work any more.
    #[track_caller]
    pub fn wait_for_orphans(&self) {
        let (start, dir) = (Instant::now(), self.dir.path().display().to_string());
        while let Some(process) = gclouds(&dir).next() {
            assert!(start.elapsed() < scaled(ORPHANS), "process {process} of a killed lab goes on");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Has everything made that the cloud makes. Nobody stands behind the double, so `up` ends there, by a kill.
    #[track_caller]
    pub fn provision(&self, arguments: &[&str]) {
        self.kill_at("up", arguments, PROVISIONED);
    }

    /// The ledger that all machines of this place share.
    pub fn ledger(&self) -> PathBuf {
        self.path("ledger.jsonl")
    }

    /// Puts somebody else's cluster and instance there, under the tutorial's very names, in the tutorial's very places.
    pub fn add_foreign(&mut self) {
        let cluster = serde_json::json!({
            "name": "batch-aiml", "location": "us-central1", "zone": "us-central1", "status": "RUNNING", "endpoint": "192.0.2.9",
            "autopilot": { "enabled": true }, "resourceLabels": { "team": "somebody-else" },
            "currentMasterVersion": "1.34.4-gke.1193000", "currentNodeVersion": "1.34.4-gke.1193000",
        });
        let name = format!("projects/{PROJECT}/locations/us-central1-b/instances/batch-aiml-filestore");
        let instance = serde_json::json!({
            "name": name, "state": "READY", "tier": "BASIC_HDD", "labels": { "team": "somebody-else" },
            "fileShares": [{ "name": "NFSVol", "capacityGb": "1024" }],
            "networks": [{ "network": "default", "ipAddresses": ["192.0.2.10"] }],
        });
        self.foreign.push(self.double.add_foreign(Kind::Cluster, "us-central1", "batch-aiml", cluster));
        self.foreign.push(self.double.add_foreign(Kind::Instance, "us-central1-b", "batch-aiml-filestore", instance));
    }

    /// Whether the cluster behind the double stays as it is, whatever the double says.
    pub fn set_idle(&self, is_idle: bool) {
        let (behind, _) = self.behind.as_ref().expect("a cluster");
        behind.set_idle(is_idle);
    }

    /// The cloud and every machine as they are now, to be come back to.
    pub fn keep(&self) -> Kept {
        let dir = self.dir.path().with_extension("kept");
        copy(self.dir.path(), &dir);
        Kept { cloud: self.double.cloud().clone(), dir }
    }

    /// Everything is as it was when it was kept; what was going on begins anew.
    pub fn restore(&self, kept: &Kept) {
        fs_err::remove_dir_all(self.dir.path()).expect("a directory of our own");
        copy(&kept.dir, self.dir.path());
        let mut cloud = self.double.cloud();
        *cloud = kept.cloud.clone();
        for operation in cloud.operations.values_mut().filter(|operation| operation.ended.is_none()) {
            operation.begun = Instant::now();
        }
    }

    /// Changes every line of the ledger.
    pub fn edit_ledger(&self, edit: impl Fn(&mut Value)) {
        let text = fs_err::read_to_string(self.ledger()).unwrap_or_default();
        let edited = text.lines().map(|line| {
            let mut line = serde_json::from_str(line).expect("a whole line");
            edit(&mut line);
            format!("{line}\n")
        });
        let edited: String = edited.collect();
        fs_err::write(self.ledger(), edited).expect("a writable directory");
    }

    /// The ledger says of all that lives of a Standard lab what it costs, and no more.
    #[track_caller]
    pub fn assert_priced(&self) {
        let mut told = BTreeMap::new();
        for line in fs_err::read_to_string(self.ledger()).unwrap_or_default().lines() {
            let line: Value = serde_json::from_str(line).expect("a whole line");
            told.insert(line["name"].to_string(), line["usd_per_hour"].as_f64().expect("a price"));
        }
        let cloud = self.double.cloud();
        let ours = cloud.living().filter(|known| !known.foreign && known.kind != Kind::Repository);
        let (told, costs): (f64, f64) = (told.values().sum(), ours.map(bill::hourly).sum());
        assert!((told - costs).abs() < 1e-9, "the ledger tells of {told} USD/h, and what lives costs {costs}");
    }

    /// Every order was given so long ago that what is not shown was never made.
    pub fn let_orders_settle(&self) {
        let past = jiff::SignedDuration::from_mins(10);
        self.edit_ledger(|line| {
            let at: jiff::Timestamp = line["at"].as_str().expect("a time").parse().expect("a time");
            line["at"] = (at - past).to_string().into();
        });
    }

    /// The ids of labs of which the ledger says that something may exist.
    pub fn open_ids(&self) -> BTreeSet<String> {
        let text = fs_err::read_to_string(self.ledger()).unwrap_or_default();
        let mut last = BTreeMap::new();
        for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            last.insert((field("lab_id"), field("kind"), field("name")), field("event") != "gone");
        }
        last.into_iter().filter(|(_, is_open)| *is_open).map(|((id, ..), _)| id).collect()
    }

    /// The ids of labs that the living resources' labels name.
    pub fn lab_ids(&self) -> BTreeSet<String> {
        let cloud = self.double.cloud();
        let ours = cloud.living().filter(|resource| !resource.foreign);
        ours.filter_map(|resource| resource.labels().remove("batch-ml-lab")).collect()
    }

    /// What lives and is the lab's, by kind and name.
    pub fn living(&self) -> Vec<String> {
        let cloud = self.double.cloud();
        let ours = cloud.living().filter(|resource| !resource.foreign && resource.kind != Kind::Repository);
        ours.map(Resource::name).collect()
    }

    /// Exactly these resources of the lab live, by the end of their names; what is somebody else's is as it was; nobody
    /// has asked what nobody has foreseen. Prints the bill.
    #[track_caller]
    pub fn assert_living(&self, expected: &[&str], when: &str) {
        let living = self.living();
        let cloud = self.double.cloud();
        eprintln!("the bill {when}:\n{}", bill::print(cloud.living().filter(|known| known.kind != Kind::Repository)));
        let matches = living.len() == expected.len()
            && living.iter().zip(expected).all(|(living, expected)| living.ends_with(expected));
        assert!(matches, "{when}: {living:#?} live, not {expected:#?}");
        for foreign in &self.foreign {
            assert_eq!(cloud.resources.get(&foreign.name()), Some(foreign), "{when}: somebody else's was touched");
        }
        let touched = |call: &&Call| call.method.ends_with(".delete") && call.answered == 200;
        assert!(self.foreign.is_empty() || cloud.calls.iter().filter(touched).count() == deletes(&cloud), "{when}");
        assert!(cloud.surprises.is_empty(), "{when}: {:#?}", cloud.surprises);
    }

    /// Nothing of the lab lives.
    #[track_caller]
    pub fn assert_nothing_lives(&self, when: &str) {
        self.assert_living(&[], when);
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
}

/// A place at some moment; what it takes is gone when it is dropped.
pub struct Kept {
    cloud: Cloud,
    dir: PathBuf,
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = fs_err::remove_dir_all(&self.dir);
    }
}

/// A directory with everything in it, times and links too.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("--archive").arg(from).arg(to).status().expect("cp is there");
    assert!(copied.success(), "{} was not copied", from.display());
}

/// Deletes that have begun, of whatever is the lab's.
fn deletes(cloud: &Cloud) -> usize {
    cloud.operations.values().filter(|operation| operation.verb == Verb::Delete).count()
}

impl Drop for Place {
    /// A test that fails leaves a cluster: nobody would look at this one.
    fn drop(&mut self) {
        if let Some((behind, _)) = &self.behind {
            behind.clear();
        }
    }
}

/// Processes whose gcloud is configured in this directory.
fn gclouds(dir: &str) -> impl Iterator<Item = String> {
    let wanted = format!("CLOUDSDK_CONFIG={dir}/");
    let processes = fs_err::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(move |process| {
        let environment = std::fs::read(process.path().join("environ")).ok()?;
        let is_ours = environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(wanted.as_bytes()));
        is_ours.then(|| process.file_name().to_string_lossy().into_owned())
    })
}

/// Whether there is a gcloud that runs: asked once.
fn gcloud() -> Result<(), String> {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    let look = || match Command::new("gcloud").args(["version", "--format=json"]).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("gcloud does not run: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("gcloud is not on the PATH ({error}); target `gke` is driven through it")),
    };
    FOUND.get_or_init(look).clone()
}

/// Whether there are any.
pub fn kill_points() -> Result<(), String> {
    if cfg!(debug_assertions) { Ok(()) } else { Err("a release build has no kill points".into()) }
}

/// Whether tests with a cluster are, and those alone.
fn is_wanted() -> bool {
    std::env::var_os(WANTED).is_some_and(|value| value == "1")
}

/// Without a cluster no worker is ever pushed.
fn worker_or_nothing() -> PathBuf {
    if std::env::var_os("LAB_WORKER").is_some() { worker() } else { "no-worker".into() }
}

fn with_front(bin: &Path) -> std::ffi::OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(bin.to_owned()).chain(std::env::split_paths(&rest))).expect("a PATH")
}
