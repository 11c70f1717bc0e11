//! Target `gke`: the real thing, a GKE cluster and a Filestore instance in a project that somebody pays for.
//!
//! Only the project that was named is touched, and in it only what the ledger says was created and our label is on.

mod commands;
mod confirm;
mod error;
mod gc;
pub mod label;
pub mod price;
mod provision;
mod remove;
pub mod settings;
mod status;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

pub use commands::COMMANDS;
pub use error::{GkeError, delete_command};
pub use gc::{collect, is_in, leftover, overdue, take_down};
pub use status::{Seen, look};

use super::kind::plan::WorkerChoice;
use super::kubernetes::standing::Standing;
use super::kubernetes::{Pace, evidence, objects};
use super::{Facts, JobOrder, RunningJob, Share, Site, Target};
use crate::console::{Console, Tone};
use crate::failure::{Exit, Failure, Result};
use crate::flow::error::FlowError;
use crate::gcloud::{Gcloud, Place, Program, Thing, Token};
use crate::kill_point::kill_point;
use crate::ledger::{Ledger, Open};
use crate::manifests::Values;
use crate::record::Record;
use crate::registry::Repository;
use crate::state::{GkeState, LabDir, Lock, Phase, State};
use label::Tag;
use price::Bill;
use provision::{Maker, open_of};
use settings::Settings;

/// The share's name in its instance, as the volume's manifest mounts it.
const SHARE: &str = "NFSVol";
/// The names of the tutorial's things.
const CLUSTER: &str = "batch-aiml";
const FILESTORE: &str = "batch-aiml-filestore";
/// The pool of Spot nodes of a Standard cluster.
const POOL: &str = "spot";
/// What GKE allows a cluster's name to have.
const NAME_CHARS_MAX: usize = 40;
/// Nodes come up when pods want them, in a minute or two, and pull their images from afar. Both patiences end well before the
/// Job's time does, so that the verdict is the cause and not the time.
const PACE: Pace = Pace {
    unschedulable: Duration::from_secs(480),
    scale_up: Duration::from_secs(240),
    redis: Duration::from_secs(900),
    out_of_touch: Duration::from_secs(180),
};
/// What a Spot node leaves its pods: on Autopilot, and on Standard.
const GRACE_S: (u32, u32) = (25, 15);
/// A Job that is started late gets this much at least, so that it says itself what is wrong.
const DEADLINE_S_MIN: i64 = 60;

/// The names of a lab's things in its project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The cluster.
    pub cluster: String,
    /// The Filestore instance.
    pub filestore: String,
    /// The pool of Spot nodes.
    pub pool: &'static str,
}

impl Names {
    /// Those of the lab with this name: the tutorial's own for the default one.
    ///
    /// # Errors
    /// When a cluster cannot be named so.
    pub fn of(lab: &str) -> Result<Self, GkeError> {
        let end = if lab == crate::cli::DEFAULT_NAME { String::new() } else { format!("-{lab}") };
        let (cluster, filestore) = (format!("{CLUSTER}{end}"), format!("{FILESTORE}{end}"));
        if cluster.len() > NAME_CHARS_MAX {
            return Err(GkeError::LongName { lab: lab.into(), name: cluster });
        }
        Ok(Self { cluster, filestore, pool: POOL })
    }
}

/// Everything that is decided before anything is made.
#[derive(Debug)]
pub struct Plan {
    /// gcloud.
    pub program: Program,
    /// What the lab is to be like.
    pub settings: Settings,
    /// Where it is written down what is created.
    pub ledger: Ledger,
    /// Redis's image, where it is not to be the tutorial's.
    pub redis_image: Option<String>,
    /// The worker, where a run was asked for.
    pub worker: Option<WorkerChoice>,
    /// What there is in the project.
    pub found: Vec<Thing>,
    /// An access token, a moment old.
    pub token: Token,
    /// Nobody is to be asked whether it may cost something.
    pub yes: bool,
}

/// Whose a lab's things are: known from its state, else from the ledger, else new.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What its labels say.
    pub tag: Tag,
    /// It has created something before, or was about to.
    pub is_known: bool,
}

impl Identity {
    /// That of a lab.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn of(lab: &LabDir, state: Option<&GkeState>, ledger: &Ledger, ttl_s: u64) -> Result<Self> {
        let parse = |text: &str| text.parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
        let known = state.map(|state| (state.lab_id.clone(), parse(&state.until)));
        let known = match known {
            Some(known) => Some(known),
            None => {
                let open = open_of(ledger.open()?, None, lab);
                open.first().map(|open| (open.resource.lab_id.clone(), parse(&open.resource.until)))
            }
        };
        let is_known = known.is_some();
        let new = || {
            let ttl = jiff::SignedDuration::from_secs(i64::try_from(ttl_s).unwrap_or(i64::MAX));
            (label::new_id(), Timestamp::now().checked_add(ttl).unwrap_or(Timestamp::MAX))
        };
        let (lab_id, until) = known.unwrap_or_else(new);
        // Labels tell seconds.
        let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
        Ok(Self { tag: Tag { lab_id, lab: lab.name().into(), until }, is_known })
    }
}

/// A lab on GKE.
pub struct Gke<'a> {
    lab: LabDir,
    lock: Lock,
    state: State,
    plan: Plan,
    gcloud: Gcloud,
    names: Names,
    tag: Tag,
    bill: Bill,
    standing: Option<Standing>,
    /// The share's address in the network.
    address: Option<String>,
    /// The worker's image, where a run was asked for.
    worker_image: Option<String>,
    /// What the cloud says of cluster and instance.
    told: Vec<String>,
    console: &'a Console,
}

impl<'a> Gke<'a> {
    /// Takes up the lab whose lock is held, whatever there is of it, and asks whether it may cost what it will. Nothing is
    /// created yet.
    ///
    /// # Errors
    /// When its state cannot be read, says that it stands elsewhere or otherwise, or the answer is no.
    pub fn open(lab: LabDir, lock: Lock, plan: Plan, console: &'a Console) -> Result<Self> {
        kill_point("up-locked");
        let mut state = lab.read()?.unwrap_or_else(|| State::begin(lab.name(), Target::Gke.name()));
        super::check_target(&state, Target::Gke)?;
        if let Some(known) = &state.gke
            && let Some((what, stands, asked)) = known.settings.differs(&plan.settings)
        {
            return Err(GkeError::StandsOtherwise { lab: lab.name().into(), what, stands, asked }.into());
        }
        let identity = Identity::of(&lab, state.gke.as_ref(), &plan.ledger, plan.settings.ttl_s)?;
        let bill = Bill::of(&plan.settings)?;
        if !(state.phase == Phase::Up && identity.is_known) {
            confirm::ask(&plan, &bill, &identity.tag, console)?;
        }
        let tag = identity.tag;
        state.gke = Some(GkeState {
            lab_id: tag.lab_id.clone(),
            settings: plan.settings.clone(),
            until: tag.until.to_string(),
            ledger: plan.ledger.path().to_owned(),
        });
        let gcloud = gcloud_of(plan.program.path.clone(), &plan.settings, &lab);
        let names = Names::of(lab.name())?;
        let (standing, address, worker_image, told) = Default::default();
        Ok(Self { lab, lock, state, plan, gcloud, names, tag, bill, standing, address, worker_image, told, console })
    }

    fn save(&self) -> Result<()> {
        Ok(self.lab.write(&self.state)?)
    }

    fn standing(&self) -> Result<&Standing> {
        Ok(self.standing.as_ref().ok_or(FlowError::OutOfOrder("a cluster"))?)
    }

    fn standing_mut(&mut self) -> Result<&mut Standing> {
        Ok(self.standing.as_mut().ok_or(FlowError::OutOfOrder("a cluster"))?)
    }

    /// What the edits of the manifests put in.
    fn values(&self) -> Values {
        Values {
            server: self.address.clone(),
            redis_image: self.plan.redis_image.clone(),
            ..values_of_job(self.plan.settings.standard, self.tag.until, Timestamp::now())
        }
    }

    fn volume_words(&self) -> String {
        let Settings { tier, capacity, zone, .. } = &self.plan.settings;
        format!("volume: Filestore {tier}, {capacity}, in {zone}")
    }

    /// Makes what is missing, and says what stands.
    fn provision(&mut self) -> Result<String> {
        let maker = Maker {
            gcloud: &self.gcloud,
            ledger: &self.plan.ledger,
            settings: &self.plan.settings,
            names: &self.names,
            tag: &self.tag,
            bill: &self.bill,
            state: self.lab.path(),
            found: &self.plan.found,
            console: self.console,
            given_up: AtomicBool::new(false),
            has_access: AtomicBool::new(false),
        };
        // The worker's image is brought meanwhile.
        let plan = &self.plan;
        let (made, image) = thread::scope(|scope| {
            let image = scope.spawn(|| maker.part(|| bring_worker(plan)));
            let panicked = || Failure::fault(Exit::Lab, "failed to bring the worker's image: it panicked");
            (maker.make(), image.join().unwrap_or_else(|_| Err(panicked())))
        });
        let (made, image) = maker.both(made, image)?;
        self.worker_image = image;
        kill_point("gke-all-made");
        if !maker.has_access.into_inner() {
            self.gcloud.credentials(&self.names.cluster, self.plan.settings.cluster_location())?;
        }
        kill_point("gke-credentials-written");
        let no_address = || GkeError::NoAddress(made.filestore.name.clone());
        self.address = Some(made.filestore.address.clone().ok_or_else(no_address)?);
        self.told = [&made.cluster, &made.filestore].map(|thing| format!("{}: {}", thing.name, thing.word)).to_vec();
        let kind = if self.plan.settings.standard { "Standard" } else { "Autopilot" };
        let place = &made.cluster.location;
        Ok(format!("{kind} cluster `{}` in {place} of project `{}`", made.cluster.name, self.plan.settings.project))
    }
}

/// What the Job's edits put in: what Spot nodes want, and the time that the lab has left.
fn values_of_job(standard: bool, until: Timestamp, now: Timestamp) -> Values {
    let left_s = until.duration_since(now).as_secs().max(DEADLINE_S_MIN);
    Values {
        // Autopilot puts it there by itself.
        tolerate_spot: standard,
        grace_s: Some(if standard { GRACE_S.1 } else { GRACE_S.0 }),
        deadline_s: u64::try_from(left_s).ok(),
        ..Values::default()
    }
}

/// The worker's image, where the cluster can pull it, by the name that it has there; `None` where no run was asked for.
fn bring_worker(plan: &Plan) -> Result<Option<String>> {
    let image = match &plan.worker {
        Some(WorkerChoice::Own(image)) => image,
        Some(WorkerChoice::Other(image)) => return Ok(Some(image.clone())),
        None => return Ok(None),
    };
    let repository = Repository::parse(&plan.settings.image_repository)?;
    let name = repository.push(image, Some(plan.token.reveal()))?;
    kill_point("gke-image-pushed");
    Ok(Some(name))
}

/// gcloud for a lab: in its project, with its kubeconfig and its mark.
pub fn gcloud_of(program: PathBuf, settings: &Settings, lab: &LabDir) -> Gcloud {
    let Settings { project, region, zone, .. } = settings.clone();
    let place = Place { project, region, zone, ..Place::default() };
    Gcloud::new(program, place, lab.kubeconfig(), lab.marker())
}

/// This machine, as the ledger names it.
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl Site for Gke<'_> {
    fn up_environment(&mut self) -> Result<String> {
        // What a lab that was killed had started must not go on beside us.
        self.lab.marker().sweep(None);
        let was_up = self.state.phase == Phase::Up;
        self.state.phase = Phase::Creating;
        self.save()?;
        kill_point("up-state-written");
        let told = self.provision()?;
        let standing = Standing::open(&self.lab.kubeconfig(), PACE)?;
        objects::wait_for_api(standing.cluster(), 0)?;
        let version = standing.cluster().version()?;
        self.standing = Some(standing);
        let name = self.lab.name();
        let since =
            if was_up { format!("lab `{name}` is up already, since {}; ", self.state.created) } else { String::new() };
        Ok(format!("{since}{told}; Kubernetes {version}; until {}", self.tag.until))
    }

    fn up_volume(&mut self) -> Result<String> {
        let values = self.values();
        if let Some(why) = self.standing()?.forget_old_mount(&values)? {
            self.console.line(Tone::Note, "Export", &format!("{why}: the volume is made anew"));
        }
        self.standing()?.up_volume(&values)?;
        kill_point("gke-volume-made");
        let address = self.address.as_deref().unwrap_or_default();
        Ok(format!("Filestore `{}` is {address}:/{SHARE}; {}", self.names.filestore, self.volume_words()))
    }

    fn up_claim(&mut self) -> Result<String> {
        self.standing()?.up_claim(&self.values())
    }

    fn up_redis(&mut self) -> Result<String> {
        let values = self.values();
        self.standing_mut()?.up_redis(&values)?;
        kill_point("gke-redis-ready");
        let told = self.standing_mut()?.try_share()?;
        self.state.phase = Phase::Up;
        self.save()?;
        kill_point("up-done");
        Ok(told)
    }

    fn up_service(&mut self) -> Result<String> {
        self.standing()?.up_service()
    }

    fn facts(&self) -> Facts {
        let Settings { project, standard, .. } = &self.plan.settings;
        let inside = self.standing.as_ref().map(Standing::versions).unwrap_or_default();
        let kind = if *standard { "Standard" } else { "Autopilot" };
        let mounted = self.standing.as_ref().map_or("not mounted", Standing::mounted);
        Facts {
            versions: std::iter::once(("gcloud".to_owned(), self.plan.program.version.clone())).chain(inside).collect(),
            notes: vec![
                self.volume_words(),
                format!("share in pods: {mounted}"),
                format!("{kind} cluster in {} of project {project}", self.plan.settings.cluster_location()),
                format!("cost: {}", self.bill.words()),
            ],
        }
    }

    fn redis(&self) -> Result<redis::Connection> {
        self.standing()?.redis()
    }

    fn fill_queue(&self, list: &str, items: &[String]) -> Result<()> {
        self.standing()?.fill_queue(list, items)
    }

    fn redis_log(&self) -> String {
        self.standing.as_ref().map(Standing::redis_log).unwrap_or_default()
    }

    fn share(&self) -> Result<&dyn Share> {
        Ok(&self.standing()?.share)
    }

    fn start_job(&self, order: JobOrder, record: &Record) -> Result<Box<dyn RunningJob>> {
        let image = self.worker_image.clone().ok_or(FlowError::OutOfOrder("a worker's image"))?;
        self.standing()?.start_job(order, image, self.values(), record)
    }

    fn gather(&self, record: &Record, red: bool) -> Result<()> {
        if let Some(standing) = &self.standing {
            evidence::gather(standing.cluster(), record)?;
        }
        let mut text = self.told.join("\n") + "\n";
        if red {
            // What Google says now; what cannot be had says so in its place.
            let seen = status::things(&self.gcloud, &self.names, &self.plan.settings);
            text = seen.into_iter().map(|(name, word)| format!("{name}: {word}\n")).collect();
        }
        record.set_text("cluster/cloud.txt", &text)?;
        let lines = self.plan.ledger.lines().unwrap_or_default();
        let ours = lines.iter().filter(|line| line.resource.lab_id == self.tag.lab_id);
        let ours: String = ours.filter_map(|line| serde_json::to_string(line).ok()).map(|line| line + "\n").collect();
        Ok(record.set_text("cluster/ledger.jsonl", &ours)?)
    }

    fn begin_run(&mut self, record: &Path) -> Result<()> {
        // A kept lab may have the Job of an earlier run.
        objects::remove_job(self.standing()?.cluster())?;
        self.state.last_run = Some(record.into());
        self.save()
    }

    fn keeping_costs(&self) -> Option<String> {
        Some(format!("{} ({})", self.bill.words(), self.bill.note))
    }

    fn down(self: Box<Self>) -> Result<String> {
        let Self { lab, lock, state, standing, console, plan, .. } = *self;
        drop(standing);
        take_down(&lab, lock, Some(state), &plan.ledger, console)
    }
}

/// What of a lab may exist.
fn open_of_lab(lab: &LabDir, state: Option<&GkeState>, ledger: &Ledger) -> Result<Vec<Open>> {
    Ok(open_of(ledger.open()?, state.map(|state| state.lab_id.as_str()), lab))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cause of a pod that finds no node is told before the Job's time is over, with room for its coming to be.
    #[test]
    fn a_pod_without_a_node_is_told_before_the_jobs_time_is_over() {
        use clap::Parser as _;
        let cli = crate::cli::Cli::parse_from(["lab", "e2e"]);
        let crate::cli::Command::E2e(e2e) = cli.command else { panic!("another command") };
        assert!(PACE.scale_up < PACE.unschedulable);
        assert!(PACE.unschedulable + Duration::from_secs(60) < e2e.job_limit());
        assert!(PACE.unschedulable < PACE.redis);
    }

    /// The Job as it is applied ends with the lab's time, and asks for no more grace than a Spot node leaves it.
    #[test]
    fn the_job_ends_with_the_lab_and_within_spots_grace() {
        use crate::manifests::{WORKLOAD, edited};
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let until = at("2026-11-24T17:00:00Z");
        for (standard, grace_s) in [(false, 25), (true, 15)] {
            let job = edited(WORKLOAD, &values_of_job(standard, until, at("2026-11-24T16:00:00Z"))).unwrap();
            let (spec, pod) = (&job["spec"], &job["spec"]["template"]["spec"]);
            assert_eq!(
                (&spec["activeDeadlineSeconds"], &pod["terminationGracePeriodSeconds"]),
                (&3600.into(), &grace_s.into())
            );
            assert_eq!(pod["tolerations"].is_array(), standard);
            assert!(spec["podFailurePolicy"].is_null() && pod["restartPolicy"] == "OnFailure");
            let late = edited(WORKLOAD, &values_of_job(standard, until, at("2026-11-24T17:30:00Z"))).unwrap();
            assert_eq!(late["spec"]["activeDeadlineSeconds"], DEADLINE_S_MIN);
        }
    }

    /// The default lab has the tutorial's names; every other one has its own, which GKE takes.
    #[test]
    fn the_default_lab_has_the_tutorials_names() {
        let names = Names::of("default").unwrap();
        assert_eq!((names.cluster.as_str(), names.filestore.as_str()), ("batch-aiml", "batch-aiml-filestore"));
        let names = Names::of("ci-7").unwrap();
        assert_eq!(
            (names.cluster.as_str(), names.filestore.as_str()),
            ("batch-aiml-ci-7", "batch-aiml-filestore-ci-7")
        );
        assert!(Names::of(&"a".repeat(30)).is_err() && Names::of(&"a".repeat(29)).is_ok());
    }
}
