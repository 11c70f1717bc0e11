//! A lab on kind, beside the bare cluster that it stands on.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::measure::{in_turn, median, ms};
use crate::{Options, Promise, Row};

/// A cluster takes half a minute, and now and then five seconds more, when a node asks to join a moment too soon: of five
/// turns the median does not have them.
const TURNS: usize = 5;
const NAME: &str = "bench";
const BARE: &str = "bench-bare";
/// The nodes' image, where it is not the pinned one.
const NODE_IMAGE: &str = "LAB_NODE_IMAGE";

/// `up` from nothing and again, the flow, `down`, and how soon a worker's container speaks.
pub fn lab(_: &Options) -> anyhow::Result<Vec<Row>> {
    let lab = Lab { runs: tempfile::tempdir()?, kubeconfig: tempfile::tempdir()? };
    lab.down()?;
    let outcome = lab.rows();
    // A benchmark that fails leaves nothing up either.
    lab.down()?;
    lab.remove_bare()?;
    outcome
}

struct Lab {
    runs: tempfile::TempDir,
    kubeconfig: tempfile::TempDir,
}

impl Lab {
    fn rows(&self) -> anyhow::Result<Vec<Row>> {
        let mut down_s = Vec::new();
        let up = || self.timed(&["up", "--target", "kind"]);
        let bare = || {
            down_s.push(self.down()?);
            let seconds = self.create_bare()?;
            self.remove_bare()?;
            Ok(seconds)
        };
        // The first `up` builds the export's image, which is not what is measured.
        up()?;
        self.down()?;
        let (up_s, bare_s) = in_turn(TURNS, up, bare)?;
        self.timed(&["up", "--target", "kind"])?;
        let again_s =
            median((0..TURNS).map(|_| self.timed(&["up", "--target", "kind"])).collect::<anyhow::Result<_>>()?);
        let flow = ["e2e", "--target", "kind", "--keep"];
        let flow_s = median((0..TURNS).map(|_| self.timed(&flow)).collect::<anyhow::Result<_>>()?);
        let first_line_s = self.first_line()?;
        let ours_s = own_first_line()?;
        let down_s = median(down_s);
        let ratio = up_s / bare_s;
        let seconds = |value: f64| format!("{value:.2} s");
        let none = String::from("none");
        let row = |what, ours, peer, promise| Row { what, ours, peer, promise };
        let bare = format!("kind create cluster --wait: {}", seconds(bare_s));
        Ok(vec![
            row("lab up on kind, from nothing", seconds(up_s), bare, Promise::at_most(1.15, "x", Some(ratio))),
            row(
                "lab up on a lab that is up",
                seconds(again_s),
                none.clone(),
                Promise::at_most(2.0, " s", Some(again_s)),
            ),
            row(
                "the flow on a lab that is up, judged",
                seconds(flow_s),
                none.clone(),
                Promise::at_most(15.0, " s", Some(flow_s)),
            ),
            row("lab down", seconds(down_s), none.clone(), Promise::at_most(5.0, " s", Some(down_s))),
            row(
                "worker's container, from created to its first line",
                ms(first_line_s),
                none.clone(),
                Promise::at_most(0.3, " s", Some(first_line_s)),
            ),
            row(
                "of it the worker's own: from exec to its first line",
                ms(ours_s),
                none,
                Promise::at_most(0.03, " s", Some(ours_s)),
            ),
        ])
    }

    /// Runs the lab, and says how many seconds it took.
    fn timed(&self, arguments: &[&str]) -> anyhow::Result<f64> {
        let lab = std::env::var_os("LAB_BIN").context("failed to find the lab: run `cargo xtask bench`")?;
        let mut command = Command::new(lab);
        command.args(arguments).args(["--quiet", "--name", NAME]).env("LAB_RUNS", self.runs.path());
        let start = Instant::now();
        succeed(&mut command)?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn down(&self) -> anyhow::Result<f64> {
        self.timed(&["down"])
    }

    /// What a person would type for the cluster alone.
    fn create_bare(&self) -> anyhow::Result<f64> {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("manifests").join("kind.yaml");
        let image = std::env::var(NODE_IMAGE).unwrap_or_else(|_| lab::images::NODE.reference.into());
        let mut kind = Command::new("kind");
        kind.args(["create", "cluster", "--name", BARE, "--image", &image, "--wait", "180s", "--config"]).arg(config);
        kind.arg("--kubeconfig").arg(self.kubeconfig.path().join("kubeconfig"));
        let start = Instant::now();
        succeed(&mut kind)?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn remove_bare(&self) -> anyhow::Result<()> {
        let mut kind = Command::new("kind");
        kind.args(["delete", "cluster", "--name", BARE, "--kubeconfig"]).arg(self.kubeconfig.path().join("kubeconfig"));
        succeed(&mut kind).map(drop)
    }

    /// From the container's creation in containerd to the first line in its log, both by the node's own clock.
    fn first_line(&self) -> anyhow::Result<f64> {
        let run = std::fs::read_dir(self.runs.path())?.filter_map(Result::ok).map(|entry| entry.path()).max();
        let pods = std::fs::read(run.context("failed to find the run's record")?.join("cluster/pods.json"))?;
        let pods: Value = serde_json::from_slice(&pods)?;
        let is_worker = |pod: &&Value| pod["metadata"]["labels"]["job-name"] == "workload";
        let pod =
            pods.as_array().and_then(|pods| pods.iter().find(is_worker)).context("failed to find the worker's pod")?;
        let text =
            |path: &str| pod.pointer(path).and_then(Value::as_str).with_context(|| format!("failed to find `{path}`"));
        let (node, name, uid) = (text("/spec/nodeName")?, text("/metadata/name")?, text("/metadata/uid")?);
        let id = text("/status/containerStatuses/0/containerID")?.trim_start_matches("containerd://").to_owned();
        let on_node = |command: &[&str]| succeed(Command::new("docker").args(["exec", node]).args(command));
        let container: Value =
            serde_json::from_slice(&on_node(&["ctr", "--namespace", "k8s.io", "containers", "info", &id])?.stdout)?;
        let created = container["CreatedAt"].as_str().context("failed to find when the container was created")?;
        let log = on_node(&["head", "-n", "1", &format!("/var/log/pods/default_{name}_{uid}/workload/0.log")])?;
        let log = String::from_utf8_lossy(&log.stdout).into_owned();
        let line = log.split(' ').next().context("failed to find the first line")?;
        let (created, line): (jiff::Timestamp, jiff::Timestamp) = (created.parse()?, line.parse()?);
        Ok(line.duration_since(created).as_secs_f64())
    }
}

/// The worker's own part, without any container: it speaks before it asks Redis for anything.
fn own_first_line() -> anyhow::Result<f64> {
    use std::io::BufRead as _;
    let worker = std::env::var_os("LAB_WORKER").context("failed to find the worker: run `cargo xtask bench`")?;
    let once = || -> anyhow::Result<f64> {
        let start = Instant::now();
        let mut child = Command::new(&worker)
            .env_clear()
            .envs([
                ("REDIS_SERVICE_HOST", "127.0.0.1"),
                ("REDIS_SERVICE_PORT", "1"),
                ("WORKER_REDIS_RETRY_S", "1"),
                ("FILESTORE_PATH", "/"),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("failed to read the worker's log")?;
        std::io::BufReader::new(stdout).read_line(&mut line)?;
        let seconds = start.elapsed().as_secs_f64();
        child.kill()?;
        child.wait()?;
        Ok(seconds)
    };
    Ok(median((0..11).map(|_| once()).collect::<anyhow::Result<_>>()?))
}

fn succeed(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("failed to start {command:?}"))?;
    if !output.status.success() {
        bail!("failed to run {command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output)
}
