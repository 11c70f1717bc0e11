//! The command line: every command and every option, with what they mean.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::console::Form;
use crate::datasets::{DAYS_MAX, Source};
use crate::flow::Preempt;
use crate::images;
use crate::target::Asked;
use crate::target::kind::plan::{NfsVersion, Volume};
use crate::wait::parse_scale;

/// The lab that is meant where none is named.
pub const DEFAULT_NAME: &str = "default";

/// Stands the tutorial's environment up, runs its flow there, records the evidence and has it judged.
#[derive(Debug, Parser)]
#[command(name = "lab", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    speech: Speech,
}

const EXIT_CODES: &str = "Exit codes: 0 done and green, 2 usage, 3 preflight (something is missing; nothing was started), \
4 lab (it could not be stood up or taken down), 5 flow (a step failed), 6 verdict (a judge objects), 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
Environment: LAB_TIME_SCALE multiplies the limit of every wait (above 1 for a slow machine). NO_COLOR is honoured.";

#[derive(Debug, Args)]
struct Speech {
    /// Print results and errors alone.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Print one JSON object a line on standard output; `event` says what it is about.
    #[arg(long, global = true, conflicts_with = "quiet")]
    json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Preflight, lab up, flow, record, judge, lab down.
    E2e(Box<E2e>),
    /// Stand the lab up, or finish what an earlier `up` began; nothing if it is up.
    Up(Up),
    /// What is up, and what the queue holds.
    Status(Status),
    /// The log of the last run, or of RUN.
    Logs(Logs),
    /// Take the lab down; the records of runs stay.
    Down(Down),
    /// What the targets need, what was found, and what mends what is missing.
    Doctor(Doctor),
    /// The steps, and what a person would type for each.
    Explain(Explain),
    /// Clean up what labs that died have left.
    Gc(Gc),
    /// Print the Redis server that the lab would use, fetching it if need be.
    RedisServer(Redis),
    /// Print the export's image that the lab would use on kind, building it if need be.
    ExportImage(Base),
}

/// Which lab.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Name of the lab; labs of different names never meet.
    #[arg(long, value_name = "LAB", default_value = DEFAULT_NAME, value_parser = lab_name)]
    pub name: String,
}

/// Where it stands, and how to get hold of it.
#[derive(Debug, Clone, Args)]
pub struct Where {
    /// Which lab.
    #[command(flatten)]
    pub which: Which,
    /// Where the lab stands.
    #[arg(long, value_enum, default_value_t = Asked::Auto)]
    target: Asked,
    /// The same as `--target gke`.
    #[arg(long, conflicts_with = "target")]
    gke: bool,
    /// How long to wait for somebody else.
    #[command(flatten)]
    pub patience: Patience,
}

/// How long to wait for somebody else.
#[derive(Debug, Clone, Copy, Args)]
pub struct Patience {
    /// Seconds to wait for whoever else works on this lab.
    #[arg(long, value_name = "S", default_value_t = 60)]
    lock_wait_s: u64,
}

/// Which Redis.
#[derive(Debug, Clone, Args)]
pub struct Redis {
    /// The Redis or Valkey server to use [default: from the PATH, else the distribution's, fetched into the cache].
    #[arg(long, value_name = "PATH", env = "LAB_REDIS_SERVER", hide_env_values = true)]
    pub redis_server: Option<PathBuf>,
}

/// Options of `up`.
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// Where the lab stands.
    #[command(flatten)]
    pub place: Where,
    /// Which Redis.
    #[command(flatten)]
    pub redis: Redis,
    /// The port of Redis on 127.0.0.1 of target `local` [default: any free one].
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub redis_port: Option<u16>,
    /// What a cluster is to be like.
    #[command(flatten)]
    pub kind: Kind,
    /// What a lab on GKE is to be like.
    #[command(flatten)]
    pub gke: Gke,
    /// Print the steps and what a person would type for each, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// What a cluster of target `kind` is to be like.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of target `kind`")]
pub struct Kind {
    /// The image of the cluster's nodes [default: a pinned kindest/node].
    #[arg(long, value_name = "REF", env = images::NODE.variable, hide_env_values = true)]
    pub node_image: Option<String>,
    /// Redis's image [default: a pinned redis; on gke the tutorial's redis].
    #[arg(long, value_name = "REF", env = images::REDIS.variable, hide_env_values = true)]
    pub redis_image: Option<String>,
    /// What the export's image is built from.
    #[command(flatten)]
    pub base: Base,
    /// How pods reach the export [default: nfs, and directory where the kernel has no NFS client].
    #[arg(long, value_enum)]
    pub volume: Option<Volume>,
    /// The version of NFS; 3 is Filestore Basic's own [default: what kernel and export agree on].
    #[arg(long, value_name = "VERSION", value_enum)]
    pub nfs_version: Option<NfsVersion>,
    /// Nodes with the Spot label and taint.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub spot_nodes: u32,
}

/// What a lab of target `gke` is to be like. What is left away is said by `lab.toml`, else by the tutorial.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of target `gke`")]
pub struct Gke {
    /// The project that pays; gcloud's own is never taken.
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<String>,
    /// The cluster's region [default: us-central1].
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// The zone of the Filestore instance and of a Standard cluster [default: us-central1-b].
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// A Standard cluster with a pool of Spot nodes in place of Autopilot.
    #[arg(long)]
    pub standard: bool,
    /// The network of cluster and share [default: default].
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<String>,
    /// Filestore's tier [default: BASIC_HDD].
    #[arg(long, value_name = "TIER")]
    pub tier: Option<String>,
    /// The share's capacity [default: 1TB].
    #[arg(long, value_name = "SIZE")]
    pub capacity: Option<String>,
    /// The cluster's release channel [default: regular].
    #[arg(long, value_name = "CHANNEL")]
    pub release_channel: Option<String>,
    /// Where the worker's image goes [default: REGION-docker.pkg.dev/PROJECT/batch-aiml].
    #[arg(long, value_name = "HOST/PATH")]
    pub image_repository: Option<String>,
    /// How long the lab is meant to live [default: 2h].
    #[arg(long, value_name = "TIME")]
    pub ttl: Option<String>,
    /// Do not ask before something that costs money is created.
    #[arg(long, short)]
    pub yes: bool,
    /// The file with the settings [default: lab.toml here, else in the workspace's root].
    #[arg(long, value_name = "FILE", env = "LAB_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// The ledger.
    #[command(flatten)]
    pub book: Book,
}

/// Where it is written down what was created in a cloud.
#[derive(Debug, Clone, Default, Args)]
pub struct Book {
    /// The ledger of what was created in a cloud [default: ledger.jsonl beside the labs' state].
    #[arg(long, value_name = "FILE", env = "LAB_LEDGER", hide_env_values = true)]
    pub ledger: Option<PathBuf>,
}

/// What the export's image is built from.
#[derive(Debug, Clone, Args)]
pub struct Base {
    /// The image that the export's is built from [default: debian:bookworm-slim].
    #[arg(long, value_name = "REF", env = images::BASE.variable, hide_env_values = true)]
    pub base_image: Option<String>,
}

/// Where the records are.
#[derive(Debug, Clone, Args)]
pub struct Runs {
    /// Where the records of runs are kept [default: target/lab/runs of the workspace].
    #[arg(long, value_name = "DIR", env = "LAB_RUNS", hide_env_values = true)]
    pub runs: Option<PathBuf>,
}

/// Options of `e2e`.
#[derive(Debug, Clone, Args)]
pub struct E2e {
    /// The lab to run in.
    #[command(flatten)]
    pub up: Up,
    /// Where the records are.
    #[command(flatten)]
    pub runs: Runs,
    /// Your own datasets: DIR/training/*.pkl and DIR/testing/test_dataset.pkl [default: generated days].
    #[arg(long, value_name = "DIR")]
    datasets: Option<PathBuf>,
    /// Training days to generate; the day after them is the test set.
    #[arg(long, value_name = "N", default_value_t = 4, conflicts_with = "datasets",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
    /// Seed of the generated days; 0 is the tutorial's own world.
    #[arg(long, value_name = "S", default_value_t = 0, conflicts_with = "datasets")]
    seed: u16,
    /// Leave a green lab up; a red one always stays. On gke, where it costs money, neither stays but with this.
    #[arg(long)]
    pub keep: bool,
    /// Take the worker away once, in the middle of a dataset: SIGKILL is without warning, SIGTERM with a Spot node's grace.
    #[arg(long, value_name = "SIGNAL", value_enum, num_args = 0..=1, default_missing_value = "SIGKILL", ignore_case = true)]
    pub preempt: Option<Preempt>,
    /// Run CMD by `sh -c` in place of the project's worker.
    // No conflict with `worker_bin`: its variable is always set where `cargo xtask` starts the lab.
    #[arg(long, value_name = "CMD")]
    pub worker_cmd: Option<String>,
    /// Run an image in place of the project's worker, where there is a cluster.
    #[arg(long, value_name = "REF", conflicts_with = "worker_cmd")]
    pub worker_image: Option<String>,
    /// The project's worker [default: `worker` beside this program].
    #[arg(long, value_name = "PATH", env = "LAB_WORKER", hide_env_values = true)]
    pub worker_bin: Option<PathBuf>,
    /// The judge [default: `judge` beside this program].
    #[arg(long, value_name = "PATH", env = "LAB_JUDGE", hide_env_values = true)]
    pub judge: Option<PathBuf>,
    /// Seed of the worker's model.
    #[arg(long, value_name = "S", env = "WORKER_SEED", default_value_t = 0)]
    pub worker_seed: u64,
    /// Seconds for which a claim outlives the last sign of life of its worker.
    #[arg(long, value_name = "S", env = "WORKER_LEASE_S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    lease_s: u64,
    /// Pods at a time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub parallelism: u32,
    /// Seconds that the Job may take.
    #[arg(long, value_name = "S", default_value_t = 600)]
    job_timeout_s: u64,
    /// Multiplies the Job's own clocks, back-off and grace: below 1 to try a worker that fails without waiting for minutes.
    #[arg(long, value_name = "F", env = "LAB_JOB_TIME_SCALE", default_value = "1", value_parser = scale)]
    pub job_time_scale: f64,
}

/// Options of `logs`.
#[derive(Debug, Clone, Args)]
pub struct Logs {
    /// Which lab.
    #[command(flatten)]
    pub which: Which,
    /// Where the records are.
    #[command(flatten)]
    pub runs: Runs,
    /// The run: its ID or its directory [default: the lab's last one].
    pub run: Option<PathBuf>,
    /// The workers' standard error instead of their log.
    #[arg(long, conflicts_with_all = ["redis", "events"])]
    pub stderr: bool,
    /// Redis's log.
    #[arg(long, conflicts_with = "events")]
    pub redis: bool,
    /// The events of the Job.
    #[arg(long)]
    pub events: bool,
}

/// Options of `status`.
#[derive(Debug, Clone, Args)]
pub struct Status {
    /// Which lab.
    #[command(flatten)]
    pub which: Which,
    /// The ledger.
    #[command(flatten)]
    pub book: Book,
}

/// Options of `down`.
#[derive(Debug, Clone, Args)]
pub struct Down {
    /// Which lab.
    #[command(flatten)]
    pub which: Which,
    /// The ledger.
    #[command(flatten)]
    pub book: Book,
    /// How long to wait for somebody else.
    #[command(flatten)]
    pub patience: Patience,
}

/// Options of `doctor`.
#[derive(Debug, Clone, Args)]
pub struct Doctor {
    /// The target whose needs are looked at; `auto` looks at all.
    #[arg(long, value_enum, default_value_t = Asked::Auto)]
    pub target: Asked,
    /// Which Redis.
    #[command(flatten)]
    pub redis: Redis,
    /// Where the records are.
    #[command(flatten)]
    pub runs: Runs,
    /// The worker's program [default: `worker` beside this program].
    #[arg(long, value_name = "PATH", env = "LAB_WORKER", hide_env_values = true)]
    pub worker_bin: Option<PathBuf>,
    /// The judge [default: `judge` beside this program].
    #[arg(long, value_name = "PATH", env = "LAB_JUDGE", hide_env_values = true)]
    pub judge: Option<PathBuf>,
    /// What a cluster is to be like.
    #[command(flatten)]
    pub kind: Kind,
    /// What a lab on GKE is to be like.
    #[command(flatten)]
    pub gke: Gke,
}

/// Options of `explain`.
#[derive(Debug, Clone, Args)]
pub struct Explain {
    /// The target whose commands are shown beside the tutorial's.
    #[arg(long, value_enum, default_value_t = Asked::Auto)]
    pub target: Asked,
    /// What a cluster is to be like.
    #[command(flatten)]
    pub kind: Kind,
}

/// Options of `gc`.
#[derive(Debug, Clone, Args)]
pub struct Gc {
    /// Where the records are.
    #[command(flatten)]
    pub runs: Runs,
    /// Remove all records but the newest N, too.
    #[arg(long, value_name = "N")]
    pub keep_runs: Option<usize>,
    /// Remove what was generated and fetched, too.
    #[arg(long)]
    pub cache: bool,
    /// Look in this project, too, for what carries the label of a lab and is in no ledger; may be given several times.
    #[arg(long, value_name = "PROJECT")]
    pub project: Vec<String>,
    /// Remove the lab of this ID, whoever has made it, by its label; may be given several times.
    #[arg(long, value_name = "ID")]
    pub lab_id: Vec<String>,
    /// The ledger.
    #[command(flatten)]
    pub book: Book,
}

impl Cli {
    /// Reads the command line. A variable that is set to nothing counts as one that is not set.
    ///
    /// # Errors
    /// What is wrong with it, or the help that was asked for.
    pub fn read() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&without_empty_variables(Self::command()).try_get_matches()?)
    }

    /// How much is said, and in which form.
    pub fn form(&self) -> Form {
        match (self.speech.json, self.speech.quiet) {
            (true, _) => Form::Json,
            (false, true) => Form::Quiet,
            (false, false) => Form::Human,
        }
    }
}

impl Command {
    /// The lab that it is about; the default one where it is about none.
    pub fn lab(&self) -> &str {
        match self {
            Self::E2e(e2e) => &e2e.up.place.which.name,
            Self::Up(up) => &up.place.which.name,
            Self::Status(Status { which, .. }) | Self::Logs(Logs { which, .. }) | Self::Down(Down { which, .. }) => {
                &which.name
            }
            Self::Doctor(_) | Self::Explain(_) | Self::Gc(_) | Self::RedisServer(_) | Self::ExportImage(_) => {
                DEFAULT_NAME
            }
        }
    }
}

impl Where {
    /// The target that was asked for.
    pub fn asked(&self) -> Asked {
        if self.gke { Asked::Gke } else { self.target }
    }
}

impl Patience {
    /// How long to wait for whoever else works on the lab.
    pub fn lock_wait(self) -> Duration {
        Duration::from_secs(self.lock_wait_s)
    }
}

impl E2e {
    /// Where the datasets come from.
    pub fn source(&self) -> Source {
        match &self.datasets {
            Some(directory) => Source::Directory(crate::places::absolute(directory.clone())),
            None => Source::Generated { days: self.days, seed: self.seed },
        }
    }

    /// How long a claim outlives the last sign of life of its worker.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_s)
    }

    /// How long the Job may take.
    pub fn job_limit(&self) -> Duration {
        Duration::from_secs(self.job_timeout_s)
    }
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let unset = |arg: Arg| if is_empty(&arg) { arg.env(None::<&'static str>) } else { arg };
    command.mut_args(unset).mut_subcommands(without_empty_variables)
}

/// A name that can be a directory, a label and a part of a command line.
fn lab_name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts = text.starts_with(|first: char| first.is_ascii_lowercase());
    if starts && text.len() <= 40 && !text.ends_with('-') && text.bytes().all(fits) {
        return Ok(text.into());
    }
    Err("a lab's name is 1 to 40 lower-case letters, digits and hyphens, and begins with a letter".into())
}

fn scale(text: &str) -> Result<f64, String> {
    parse_scale(text).ok_or_else(|| "a factor is a number above 0, at most 10000".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command line is well formed, whatever clap checks only when it is used.
    #[test]
    fn every_command_can_be_parsed() {
        Cli::command().debug_assert();
    }

    /// A lab's name can stand in a path and in a label.
    #[test]
    fn a_name_is_a_label() {
        for good in ["default", "a", "lab-2"] {
            assert_eq!(lab_name(good).as_deref(), Ok(good));
        }
        for bad in ["", "..", "a/b", "Lab", "2lab", "lab-", "a b", &"a".repeat(41)] {
            assert!(lab_name(bad).is_err(), "`{bad}`");
        }
    }
}
