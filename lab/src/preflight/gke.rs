//! What a lab on GKE needs: gcloud and an account, a project that is paid for, its APIs, quota, a network, free names, and a
//! repository for the worker's image. Nothing is created or changed by any of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{Check, quota};
use crate::cli;
use crate::console::{Console, Tone};
use crate::failure::{Exit, Failure, Result};
use crate::gcloud::{Class, Gcloud, GcloudError, Program, RegionAnswer, Thing, Token, find_plugin, region_of};
use crate::job::program::Program as Worker;
use crate::ledger::{Kind, Ledger};
use crate::registry::Repository;
use crate::state::LabDir;
use crate::target::gke::label::Tag;
use crate::target::gke::settings::Settings;
use crate::target::gke::{self, GkeError, Identity, Names, Plan};
use crate::target::kind::plan::{self, WorkerChoice};

/// The APIs without which nothing works.
const APIS: [&str; 4] =
    ["container.googleapis.com", "file.googleapis.com", "artifactregistry.googleapis.com", "compute.googleapis.com"];
/// The API that tells quotas of Filestore; only looked at where it is on.
const QUOTA_API: &str = "cloudquotas.googleapis.com";
/// The quota of a tier, by Filestore's own name.
const QUOTAS: [(&str, &str); 3] = [
    ("BASIC_HDD", "StandardStorageGbPerRegion"),
    ("BASIC_SSD", "PremiumStorageGbPerRegion"),
    ("ENTERPRISE", "EnterpriseStorageGibPerRegion"),
];
/// Calls to Google that go on at a time: each is a Python.
const AT_A_TIME: usize = 4;

/// What was asked of a lab on GKE.
pub(super) struct Asked<'a> {
    pub options: &'a cli::Gke,
    pub redis_image: Option<&'a str>,
    pub worker: Option<&'a Worker>,
    pub lab: &'a LabDir,
    pub places: &'a crate::places::Places,
}

/// Looks at all of it.
pub(super) fn look(asked: &Asked<'_>, console: &Console) -> (Vec<Check>, Option<Plan>) {
    let mut checks = Vec::new();
    let settings = settings(asked);
    let describe = |settings: &Settings| format!("`{}`, {}, {}", settings.project, settings.region, settings.zone);
    checks.push(Check { name: "settings", found: super::describe(&settings, describe) });
    let (program, token) = greet(settings.as_ref().ok(), asked.lab);
    let version = |program: &Program| format!("{} ({})", program.version, program.path.display());
    checks.push(Check { name: "gcloud", found: super::describe(&program, version) });
    let plugin = find_plugin().map(|path| path.display().to_string()).map_err(Failure::from);
    checks.push(Check { name: "auth-plugin", found: plugin });
    let worker = asked.worker.map(worker_choice).transpose();
    if let Err(failure) = &worker {
        checks.push(Check { name: "worker-image", found: Err(failure.clone()) });
    }
    let (Ok(settings), Ok(program), Ok(worker), Some(token)) = (settings, program, worker, token) else {
        return (checks, None);
    };
    let token = match token {
        Ok(token) => token,
        // Without an account every other answer would be the same.
        Err(failure) => {
            checks.push(Check { name: "account", found: Err(failure) });
            return (checks, None);
        }
    };
    checks.push(Check { name: "account", found: Ok("gcloud has one, and a token for it".into()) });
    let ledger = ledger_of(asked);
    let google = Google {
        asked,
        settings: &settings,
        program: &program,
        gcloud: gke::gcloud_of(program.path.clone(), &settings, asked.lab),
        token: &token,
        ledger: &ledger,
    };
    let (found, things) = google.look(console);
    checks.extend(found);
    let redis_image = asked.redis_image.map(str::to_owned);
    let yes = asked.options.yes;
    let plan = things.map(|found| Plan { program, settings, ledger, redis_image, worker, found, token, yes });
    (checks, plan)
}

/// What gcloud says of itself, and a token of whoever it works for: side by side, for each is a Python.
fn greet(settings: Option<&Settings>, lab: &LabDir) -> (Result<Program>, Option<Result<Token>>) {
    let path = match Program::locate() {
        Ok(path) => path,
        Err(error) => return (Err(error.into()), None),
    };
    let gcloud = settings.map(|settings| gke::gcloud_of(path.clone(), settings, lab));
    thread::scope(|scope| {
        let token = scope.spawn(|| gcloud.map(|gcloud| gcloud.token().map_err(Failure::from)));
        let program = Program::ask(path).map_err(Failure::from);
        (program, token.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The settings that were asked for; those of the lab that stands where nobody says otherwise.
fn settings(asked: &Asked<'_>) -> Result<Settings> {
    let state = asked.lab.read().ok().flatten();
    let standing = state.and_then(|state| state.gke).map(|known| known.settings);
    let settings = Settings::decide(asked.options, standing.as_ref())?;
    Repository::parse(&settings.image_repository)?;
    Names::of(asked.lab.name())?;
    Ok(settings)
}

/// The ledger that was named, else the one that the lab is written down in, else this user's.
fn ledger_of(asked: &Asked<'_>) -> Ledger {
    let known = asked.lab.read().ok().flatten().and_then(|state| state.gke).map(|known| known.ledger);
    let named = asked.options.book.ledger.clone().or(known);
    Ledger::find(named.as_deref(), asked.places)
}

fn worker_choice(worker: &Worker) -> Result<WorkerChoice> {
    match worker {
        Worker::File(program) => plan::own_worker(program),
        Worker::Image(reference) => Ok(WorkerChoice::Other(reference.clone())),
        Worker::Shell(_) => Err(Failure::fault(Exit::Preflight, "failed to choose the worker: a command is no image")),
    }
}

/// What is asked of Google, and by whom.
struct Google<'a> {
    asked: &'a Asked<'a>,
    settings: &'a Settings,
    program: &'a Program,
    gcloud: Gcloud,
    token: &'a Token,
    ledger: &'a Ledger,
}

type Question<'a, T> = Box<dyn FnOnce() -> T + Send + 'a>;

/// What one question was answered with.
enum Answer {
    Told(&'static str, Result<String>),
    Services(Result<Vec<String>, GcloudError>),
    Region(Result<RegionAnswer, GcloudError>),
    Things(Kind, Result<Vec<Thing>, GcloudError>),
}

impl Google<'_> {
    /// Asks everything side by side, and then what can only be asked with the answers.
    fn look(&self, console: &Console) -> (Vec<Check>, Option<Vec<Thing>>) {
        let mut checks = Vec::new();
        let (mut services, mut region, mut things) = (None, None, Vec::new());
        for answer in side_by_side(self.questions()) {
            match answer {
                Answer::Told(name, found) => checks.push(Check { name, found }),
                Answer::Services(found) => services = Some(found),
                Answer::Region(found) => region = Some(found),
                Answer::Things(_, Ok(found)) => things.extend(found),
                Answer::Things(kind, Err(error)) => {
                    let name = if kind == Kind::Cluster { "clusters" } else { "instances" };
                    checks.push(Check { name, found: Err(error.into()) });
                }
            }
        }
        let names = self.names(&things, console);
        let stands = names.as_ref().is_ok_and(|(stands, _)| *stands);
        checks.push(Check { name: "names", found: names.map(|(_, told)| told) });
        let services = services.unwrap_or(Ok(Vec::new())).map_err(Failure::from);
        checks.push(Check { name: "apis", found: services.clone().and_then(|services| self.apis(&services)) });
        if stands {
            checks.push(Check { name: "quota", found: Ok("the lab stands, and has what it needs".into()) });
        } else {
            let region = region.map(|region| region.map_err(Failure::from)).transpose();
            let found =
                region.and_then(|region| Ok(quota::of_compute(self.settings, &region.unwrap_or_else(empty_region))?));
            checks.push(Check { name: "quota", found });
            let found = self.filestore_quota(&services.unwrap_or_default(), &things);
            if let Ok(Room::Unknown(why)) = &found {
                let told = format!("Filestore's was not looked at, and Google may refuse the instance: {why}");
                console.line(Tone::Note, "Quota", &told);
            }
            checks.push(Check { name: "filestore-quota", found: found.map(Room::words) });
        }
        let good = checks.iter().all(|check| check.found.is_ok());
        (checks, good.then_some(things))
    }

    fn questions(&self) -> Vec<Question<'_, Answer>> {
        let (gcloud, settings) = (&self.gcloud, self.settings);
        let told = |name, found: Result<String, GcloudError>| Answer::Told(name, found.map_err(Failure::from));
        vec![
            Box::new(move || {
                told("project", gcloud.project().map(|number| format!("`{}`, number {number}", settings.project)))
            }),
            Box::new(move || told("billing", gcloud.billing())),
            Box::new(move || Answer::Services(gcloud.services())),
            Box::new(move || Answer::Things(Kind::Cluster, gcloud.list(Kind::Cluster))),
            Box::new(move || Answer::Things(Kind::Filestore, gcloud.list(Kind::Filestore))),
            Box::new(move || {
                let name = &settings.network;
                told("network", gcloud.network(name).map(|()| format!("`{name}`")))
            }),
            Box::new(move || Answer::Region(gcloud.region(&settings.region))),
            Box::new(move || Answer::Told("repository", self.repository())),
        ]
    }

    /// The repository for the worker's image; where somebody brings an image, none is needed.
    fn repository(&self) -> Result<String> {
        if matches!(self.asked.worker, Some(Worker::Image(_))) {
            return Ok("not needed: the worker's image was named".into());
        }
        let name = &self.settings.image_repository;
        let repository = Repository::parse(name)?;
        if let Some((location, project, id)) = repository.in_artifact_registry() {
            let found = self.gcloud.repository(project, location, id)?;
            if found.format != "DOCKER" {
                return Err(GkeError::NoDocker { name: name.clone(), format: found.format }.into());
            }
        }
        repository.try_push(Some(self.token.reveal()))?;
        Ok(format!("{name}, which takes what is pushed"))
    }

    /// Whether the names are free, or what has them is ours; and whether all of it stands. Complains about labs that are
    /// overdue, whoever's they are.
    fn names(&self, things: &[Thing], console: &Console) -> Result<(bool, String)> {
        let state = self.asked.lab.read()?.and_then(|state| state.gke);
        let identity = Identity::of(self.asked.lab, state.as_ref(), self.ledger, self.settings.ttl_s)?;
        let names = Names::of(self.asked.lab.name())?;
        let wanted = [
            (Kind::Cluster, &names.cluster, self.settings.cluster_location()),
            (Kind::Filestore, &names.filestore, self.settings.filestore_location()),
        ];
        let (mut ours, now) = (0, jiff::Timestamp::now());
        for thing in things {
            let tag = Tag::read(&thing.labels);
            if let Some(tag) = tag.as_ref().filter(|tag| tag.is_overdue(now)) {
                let (kind, name) = (thing.kind.word(), &thing.name);
                let Tag { lab_id, lab, until } = tag;
                let told = format!(
                    "{kind} `{name}` of lab `{lab}` ({lab_id}) was meant to live until {until}: cargo xtask lab gc --project {} --lab-id {lab_id}",
                    self.settings.project
                );
                console.line(Tone::Bad, "Overdue", &told);
            }
            let is_wanted = wanted.iter().any(|(kind, name, location)| {
                thing.kind == *kind && thing.name == **name && thing.location == *location
            });
            if is_wanted && tag.is_none_or(|tag| tag.lab_id != identity.tag.lab_id) {
                return Err(Failure::from(GkeError::foreign(thing, &self.settings.project)).with_exit(Exit::Preflight));
            }
            ours += usize::from(is_wanted);
        }
        let told = match ours {
            0 => format!("`{}` and `{}` are free", names.cluster, names.filestore),
            _ => format!("`{}` and `{}` are free or ours", names.cluster, names.filestore),
        };
        Ok((ours == wanted.len(), told))
    }

    fn apis(&self, on: &[String]) -> Result<String> {
        let off: Vec<_> =
            APIS.iter().filter(|api| !on.iter().any(|on| on == *api)).map(|api| (*api).to_owned()).collect();
        if off.is_empty() {
            return Ok(APIS.map(|api| api.trim_end_matches(".googleapis.com")).join(", "));
        }
        Err(GkeError::ApisOff { project: self.settings.project.clone(), apis: off }.into())
    }

    /// The room that Filestore still has. What cannot be asked is said, and is no reason to stop: Google refuses in time.
    fn filestore_quota(&self, services: &[String], things: &[Thing]) -> Result<Room> {
        let Settings { tier, region, project, .. } = self.settings;
        let unknown = |why: String| Ok(Room::Unknown(why));
        let Some((_, id)) = QUOTAS.iter().find(|(name, _)| name == tier) else {
            return unknown(format!("Google names no quota of tier {tier}"));
        };
        if !self.program.has_beta {
            return unknown("gcloud has no beta commands (gcloud components install beta)".into());
        }
        if !services.iter().any(|api| api == QUOTA_API) {
            return unknown(format!("{QUOTA_API} is off (gcloud services enable {QUOTA_API} --project={project})"));
        }
        let limit = match self.gcloud.quota("file.googleapis.com", id, region) {
            Ok(Some(limit)) => limit,
            Ok(None) => return unknown(format!("Google tells no limit of {id} for {region}")),
            Err(error) if error.class() == Class::Unclear || matches!(error, GcloudError::Refused { .. }) => {
                return unknown(error.said());
            }
            Err(error) => return Err(error.into()),
        };
        let counts = |thing: &&Thing| {
            thing.kind == Kind::Filestore && thing.tier == *tier && region_of(&thing.location) == region
        };
        let used = things.iter().filter(counts).map(|thing| thing.capacity_gb).sum();
        Ok(Room::Enough(quota::of_filestore(self.settings, id, limit, used)?))
    }
}

/// Whether there is room for an instance.
enum Room {
    /// There is so much.
    Enough(String),
    /// Nobody could say, and why.
    Unknown(String),
}

impl Room {
    fn words(self) -> String {
        match self {
            Self::Enough(words) => words,
            Self::Unknown(why) => format!("not looked at: {why}"),
        }
    }
}

fn empty_region() -> RegionAnswer {
    RegionAnswer { status: String::new(), quotas: Vec::new() }
}

/// Asks several questions at a time; the answers come in the order of the questions.
fn side_by_side<T: Send>(questions: Vec<Question<'_, T>>) -> Vec<T> {
    let questions: Vec<_> = questions.into_iter().map(|question| Mutex::new(Some(question))).collect();
    let answers: Vec<_> = questions.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(questions.len()) {
            scope.spawn(|| {
                while let Some(index) =
                    Some(next.fetch_add(1, Ordering::SeqCst)).filter(|index| *index < questions.len())
                {
                    let question = questions[index].lock().ok().and_then(|mut question| question.take());
                    let answer = question.map(|question| question());
                    if let Ok(mut place) = answers[index].lock() {
                        *place = answer;
                    }
                }
            });
        }
    });
    answers.into_iter().filter_map(|answer| answer.into_inner().ok().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every question is answered once, in its order, however many go on at a time.
    #[test]
    fn every_question_is_answered_in_its_order() {
        let questions: Vec<Question<'_, usize>> =
            (0..20usize).map(|number| Box::new(move || number) as Question<'_, usize>).collect();
        assert_eq!(side_by_side(questions), (0..20).collect::<Vec<_>>());
        assert_eq!(side_by_side::<u8>(Vec::new()), Vec::<u8>::new());
    }
}
