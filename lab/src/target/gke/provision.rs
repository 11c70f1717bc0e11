//! Cluster and Filestore instance, made side by side: what is written down first, what is asked, and how it is waited for.
//!
//! What a kill has left is taken up, whatever it was: a line in the ledger without anything behind it, an order whose answer
//! was lost, an operation that goes on. What has our name without our label is never touched.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::error::GkeError;
use super::label::{self, Tag};
use super::price::Bill;
use super::settings::Settings;
use super::{Names, SHARE};
use crate::console::{Console, Tone};
use crate::failure::{Exit, Failure, Result};
use crate::gcloud::{self, Class, Condition, Gcloud, GcloudError, Operation, Thing, Verb};
use crate::kill_point::kill_point;
use crate::ledger::{Event, Kind, Ledger, Open, Resource};
use crate::wait::{Look, Wait};

/// How long a cluster may take: five minutes are usual, and Google itself gives up on nodes that it finds no room for after 35.
const CLUSTER: Duration = Duration::from_secs(45 * 60);
/// How long a Filestore instance may take: five minutes are usual.
const FILESTORE: Duration = Duration::from_secs(20 * 60);
/// When to look for the first time at what was seen to begin and takes minutes.
const LATER: Duration = Duration::from_secs(5);
/// How long what was ordered is looked for, where the answer was lost, before `up` gives up. Its line stays open then.
pub(super) const LOST: Duration = Duration::from_secs(15);
/// A long wait speaks up from time to time, where no bar shows that it goes on.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// Everything that is needed to make a lab's things.
pub(super) struct Maker<'a> {
    pub gcloud: &'a Gcloud,
    pub ledger: &'a Ledger,
    pub settings: &'a Settings,
    pub names: &'a Names,
    pub tag: &'a Tag,
    pub bill: &'a Bill,
    /// The lab's directory.
    pub state: &'a std::path::Path,
    /// What preflight has seen in the project.
    pub found: &'a [Thing],
    pub console: &'a Console,
    /// One part has failed: the others are not waited for.
    pub given_up: AtomicBool,
    /// The cluster's access is in the lab's kubeconfig.
    pub has_access: AtomicBool,
}

/// What stands.
pub(super) struct Made {
    pub cluster: Thing,
    pub filestore: Thing,
}

impl Maker<'_> {
    /// Makes what is missing.
    pub fn make(&self) -> Result<Made> {
        let (cluster, filestore) = thread::scope(|scope| {
            let filestore = scope.spawn(|| self.part(|| self.ensure(Kind::Filestore)));
            let cluster = self.part(|| {
                let cluster = self.ensure(Kind::Cluster)?;
                if self.settings.standard {
                    self.ensure(Kind::NodePool)?;
                }
                Ok(cluster)
            });
            let panicked = || Failure::fault(Exit::Lab, "failed to make the Filestore instance: it panicked");
            (cluster, filestore.join().unwrap_or_else(|_| Err(panicked())))
        });
        let (cluster, filestore) = self.both(cluster, filestore)?;
        Ok(Made { cluster, filestore })
    }

    /// Both, or the reason why not. The one that only gave up is no news; of two reasons one ends the step, and the other one
    /// is told here.
    pub fn both<A, B>(&self, one: Result<A>, other: Result<B>) -> Result<(A, B)> {
        let (one, other) = match (one, other) {
            (Ok(one), Ok(other)) => return Ok((one, other)),
            (Err(failure), Ok(_)) | (Ok(_), Err(failure)) => return Err(failure),
            (Err(one), Err(other)) => (one, other),
        };
        let (reason, beside) = if one.cause == "given-up" { (other, one) } else { (one, other) };
        if beside.cause != "given-up" && !beside.is_interruption() {
            self.console.failure(&beside);
        }
        Err(reason)
    }

    /// A part of the work: if it fails, the others give up.
    pub fn part<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let outcome = work();
        if outcome.is_err() {
            self.given_up.store(true, Ordering::SeqCst);
        }
        outcome
    }

    /// The thing as it is to be.
    pub fn resource(&self, kind: Kind) -> Resource {
        let (name, location, usd_per_hour) = match kind {
            Kind::Cluster => (self.names.cluster.clone(), self.settings.cluster_location(), self.bill.cluster),
            Kind::Filestore => (self.names.filestore.clone(), self.settings.filestore_location(), self.bill.filestore),
            Kind::NodePool => (
                format!("{}/{}", self.names.cluster, self.names.pool),
                self.settings.cluster_location(),
                self.bill.pool,
            ),
        };
        Resource {
            lab_id: self.tag.lab_id.clone(),
            lab: self.tag.lab.clone(),
            kind,
            name,
            project: self.settings.project.clone(),
            location: location.to_owned(),
            labels: self.tag.labels(),
            usd_per_hour,
            until: self.tag.until.to_string(),
            host: super::host(),
            state: self.state.to_owned(),
        }
    }

    fn ensure(&self, kind: Kind) -> Result<Thing> {
        let resource = self.resource(kind);
        let open = self.ledger.open()?.into_iter().find(|open| open.resource.is_same(&resource));
        let was_seen = self.found.iter().any(|thing| is_named_like(thing, &resource));
        // A pool is not in any list: one that stands is found by its cluster's having stood.
        let may_be_there = open.is_some() || was_seen || kind == Kind::NodePool;
        let there = if may_be_there { self.look(&resource)? } else { None };
        // What was ordered before and never seen may still come; Google refuses the same name twice.
        let is_first = open.as_ref().is_none_or(|open| open.seen);
        let Some(thing) = there else { return self.create(&resource, is_first) };
        if !is_ours(&thing, &resource) {
            return Err(GkeError::foreign(&thing, &resource.project).into());
        }
        if thing.condition == Condition::Going {
            self.await_gone(&resource)?;
            return self.create(&resource, true);
        }
        if !open.as_ref().is_some_and(|open| open.seen) {
            self.ledger.write(Event::Exists, &resource, None, None)?;
        }
        match thing.condition {
            Condition::Ready => Ok(thing),
            Condition::Failed => Err(self.broken(&resource, &thing)),
            _ => self.await_ready(&resource, open.and_then(|open| open.operation), Pace::new()),
        }
    }

    /// Has it made. `is_first` says that no earlier order for it may still come.
    fn create(&self, resource: &Resource, is_first: bool) -> Result<Thing> {
        if self.given_up.load(Ordering::SeqCst) {
            return Err(GkeError::GivenUp { what: making(resource) }.into());
        }
        crate::interrupt::check()?;
        self.ledger.write(Event::Intend, resource, None, None)?;
        kill_point(point(resource.kind, "intended"));
        let ordered = self.order(resource);
        kill_point(point(resource.kind, "asked"));
        let operation = match ordered {
            Ok(operation) => operation,
            Err(error) => self.after_refusal(resource, error, is_first)?,
        };
        let operation = operation.or_else(|| self.find_operation(resource).ok().flatten());
        self.ledger.write(Event::Operation, resource, operation.as_ref().map(|known| known.name.as_str()), None)?;
        kill_point(point(resource.kind, "operation"));
        let going = operation.as_ref().is_some_and(|known| !known.done);
        let pace = if going { Pace::after(LATER, "under way") } else { Pace::new() };
        self.await_ready(resource, operation.map(|known| known.name), pace)
    }

    fn order(&self, resource: &Resource) -> Result<Option<Operation>, GcloudError> {
        let labels = label::argument(&resource.labels);
        let Settings { standard, network, release_channel, tier, capacity, .. } = self.settings;
        let (name, location) = (resource.name.as_str(), resource.location.as_str());
        match resource.kind {
            Kind::Cluster => {
                let order =
                    gcloud::Cluster { name, location, standard: *standard, network, release_channel, labels: &labels };
                self.gcloud.create_cluster(&order).map(|()| None)
            }
            Kind::Filestore => self.gcloud.create_instance(&gcloud::Instance {
                name,
                location,
                tier,
                share: SHARE,
                capacity,
                network,
                labels: &labels,
            }),
            Kind::NodePool => {
                let (cluster, name) = (self.names.cluster.as_str(), self.names.pool);
                self.gcloud.create_pool(&gcloud::Pool { name, cluster, location }).map(|()| None)
            }
        }
    }

    /// An order that was not answered well may have been carried out all the same. What is there with our label is taken up;
    /// what is not there is closed in the ledger only if Google said no, rather than nothing, and to the first order: of an
    /// earlier one a refusal says nothing. It may even be the reason, where it has taken what was left of a quota.
    fn after_refusal(&self, resource: &Resource, error: GcloudError, is_first: bool) -> Result<Option<Operation>> {
        if let GcloudError::Interrupted(_) = error {
            return Err(error.into());
        }
        // gcloud looks at a cluster that it has just ordered, and that look may come too soon.
        let not_shown = error.class() == Class::NotFound && error.said().contains(&resource.name);
        let unclear = error.class() == Class::Unclear || not_shown;
        let there = if unclear { Ok(self.look_patiently(resource)) } else { self.look(resource) };
        match there {
            Ok(Some(thing)) if is_ours(&thing, resource) => {
                let told = format!("{resource}, though the order for it was answered with: {}", error.said());
                self.console.line(Tone::Note, "Found", &told);
                Ok(None)
            }
            Ok(Some(thing)) => {
                self.ledger.write(Event::Gone, resource, None, Some("something else has its name"))?;
                Err(GkeError::foreign(&thing, &resource.project).into())
            }
            Ok(None) if !unclear && is_first && error.class() != Class::Exists => {
                self.ledger.write(Event::Gone, resource, None, Some(&format!("refused: {}", error.said())))?;
                Err(error.into())
            }
            // Nobody knows: the line stays open, and `down` looks again.
            Ok(None) | Err(_) => Err(error.into()),
        }
    }

    fn look(&self, resource: &Resource) -> Result<Option<Thing>, GcloudError> {
        self.gcloud.look(resource.kind, &resource.name, &resource.location)
    }

    /// Looks, and gets access to the cluster meanwhile, for it is there by now. Whether that comes off is for who needs it.
    fn look_and_reach(&self, resource: &Resource) -> Result<Option<Thing>, GcloudError> {
        if resource.kind != Kind::Cluster {
            return self.look(resource);
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                let access = self.gcloud.credentials(&resource.name, &resource.location);
                self.has_access.store(access.is_ok(), Ordering::SeqCst);
            });
            self.look(resource)
        })
    }

    /// Looks until it is seen, for a while: what was ordered a moment ago may not be shown yet.
    fn look_patiently(&self, resource: &Resource) -> Option<Thing> {
        let mut pace = Pace::new();
        let wait = Wait { what: "see it", limit: LOST, poll: Pace::TICK, remedy: "" };
        let seen = wait.until(|| {
            pace.look(|| match self.look(resource) {
                Ok(Some(thing)) => Ok(Look::Done(thing)),
                Ok(None) => Ok(Look::NotYet("it is not there".into())),
                Err(error) => Ok(Look::NotYet(error.to_string())),
            })
        });
        seen.ok()
    }

    fn find_operation(&self, resource: &Resource) -> Result<Option<Operation>, GcloudError> {
        let verb = match resource.kind {
            Kind::Filestore => return Ok(None),
            Kind::Cluster => Verb::CreateCluster,
            Kind::NodePool => Verb::CreateNodePool,
        };
        self.gcloud.newest_operation(verb, &self.names.cluster, &resource.location)
    }

    /// Waits until it serves. The operation tells why it does not; where its name was lost, the thing itself does.
    fn await_ready(&self, resource: &Resource, operation: Option<String>, mut pace: Pace) -> Result<Thing> {
        let what = making(resource);
        let limit = if resource.kind == Kind::Filestore { FILESTORE } else { CLUSTER };
        let wait = Wait { what: &what, limit, poll: Pace::TICK, remedy: "" };
        let mut progress = Progress::new(self.console, resource);
        let mut ended = operation.is_none();
        let made = wait.until(|| {
            if self.given_up.load(Ordering::SeqCst) {
                return Err(GkeError::GivenUp { what: what.clone() }.into());
            }
            pace.look(|| {
                if let Some(name) = operation.as_deref().filter(|_| !ended) {
                    match self.gcloud.operation(resource.kind, name, &resource.location) {
                        Ok(found) if found.error.is_some() => return Err(self.failed(resource, &found)),
                        Ok(found) if !found.done => return Ok(progress.not_yet(format!("operation {}", found.word))),
                        Ok(_) => ended = true,
                        Err(error) => return trouble(error).map(|said| progress.not_yet(said)),
                    }
                }
                match self.look_and_reach(resource) {
                    Ok(Some(thing)) if thing.condition == Condition::Ready => Ok(Look::Done(thing)),
                    Ok(Some(thing)) if thing.condition == Condition::Failed => Err(self.why_broken(resource, &thing)),
                    Ok(Some(thing)) => Ok(progress.not_yet(thing.word)),
                    Ok(None) => Ok(progress.not_yet("it is not there".into())),
                    Err(error) => trouble(error).map(|said| progress.not_yet(said)),
                }
            })
        });
        let thing = made.map_err(late)?;
        self.ledger.write(Event::Exists, resource, None, None)?;
        kill_point(point(resource.kind, "made"));
        Ok(thing)
    }

    /// Waits until something that is being deleted is gone.
    fn await_gone(&self, resource: &Resource) -> Result<()> {
        let what = format!("see the end of the old {}", resource.kind.word());
        let wait = Wait { what: &what, limit: CLUSTER, poll: Pace::TICK, remedy: "" };
        let (mut pace, mut progress) = (Pace::new(), Progress::new(self.console, resource));
        let gone = wait.until(|| {
            pace.look(|| match self.look(resource) {
                Ok(None) => Ok(Look::Done(())),
                Ok(Some(thing)) => Ok(progress.not_yet(thing.word)),
                Err(error) => trouble(error).map(|said| progress.not_yet(said)),
            })
        });
        gone.map_err(late)?;
        Ok(self.ledger.write(Event::Gone, resource, None, Some("an earlier delete"))?)
    }

    /// The operation knows better than the thing why it failed.
    fn why_broken(&self, resource: &Resource, thing: &Thing) -> Failure {
        match self.find_operation(resource) {
            Ok(Some(found)) if found.error.is_some() => self.failed(resource, &found),
            _ => self.broken(resource, thing),
        }
    }

    fn failed(&self, resource: &Resource, operation: &Operation) -> Failure {
        let said = operation.error.clone().unwrap_or_default();
        let (what, place) = (making(resource), Box::new(self.gcloud.place().clone()));
        let mut named = gcloud::name(&said);
        if named.cause == gcloud::UNKNOWN_CAUSE {
            named = gcloud::by_cause("operation-failed");
        }
        GkeError::Operation { what, operation: operation.name.clone(), said, named, place }.into()
    }

    fn broken(&self, resource: &Resource, thing: &Thing) -> Failure {
        let word = thing.word.clone();
        let named = Some(gcloud::name(&word)).filter(|named| named.cause != gcloud::UNKNOWN_CAUSE);
        let (what, place) = (format!("use {resource}"), Box::new(self.gcloud.place().clone()));
        GkeError::Broken { what, kind: resource.kind, word, named, place }.into()
    }
}

/// Whether what is there has our label; a pool goes with its cluster, whose label was looked at.
pub(super) fn is_ours(thing: &Thing, resource: &Resource) -> bool {
    let has_label = || Tag::read(&thing.labels).is_some_and(|tag| tag.lab_id == resource.lab_id);
    resource.kind == Kind::NodePool || has_label()
}

/// Whether something in the project has the name and place that a resource has, or is to have.
pub(super) fn is_named_like(thing: &Thing, resource: &Resource) -> bool {
    thing.kind == resource.kind && thing.name == resource.name && thing.location == resource.location
}

/// A look that Google did not answer is no reason to end a wait; one that it refused is.
pub(super) fn trouble(error: GcloudError) -> Result<String> {
    let passes = match error.class() {
        Class::Unclear => !matches!(error, GcloudError::Interrupted(_)),
        Class::Busy | Class::NotFound => true,
        Class::Exists => false,
        Class::Refused => matches!(&error, GcloudError::Refused { named, .. } if named.cause == "rate-limit"),
    };
    if passes { Ok(error.to_string()) } else { Err(error.into()) }
}

/// A timeout of ours has a name of its own.
pub(super) fn late(failure: Failure) -> Failure {
    if failure.cause == "timeout" { GkeError::Late(failure.error).into() } else { failure }
}

fn making(resource: &Resource) -> String {
    format!("make {resource}")
}

/// Where a test has the lab killed.
fn point(kind: Kind, step: &str) -> &'static str {
    match (kind, step) {
        (Kind::Cluster, "intended") => "gke-cluster-intended",
        (Kind::Cluster, "asked") => "gke-cluster-asked",
        (Kind::Cluster, "operation") => "gke-cluster-operation",
        (Kind::Cluster, _) => "gke-cluster-made",
        (Kind::Filestore, "intended") => "gke-filestore-intended",
        (Kind::Filestore, "asked") => "gke-filestore-asked",
        (Kind::Filestore, "operation") => "gke-filestore-operation",
        (Kind::Filestore, _) => "gke-filestore-made",
        (Kind::NodePool, "intended") => "gke-pool-intended",
        (Kind::NodePool, "asked") => "gke-pool-asked",
        (Kind::NodePool, "operation") => "gke-pool-operation",
        (Kind::NodePool, _) => "gke-pool-made",
    }
}

/// When to look again: soon at first, and ever more seldom. Each look starts a Python, and looking takes a third of the time
/// at most.
pub(super) struct Pace {
    start: Instant,
    next: Duration,
    last_seen: String,
}

impl Pace {
    /// How often a wait asks whether it is time.
    pub const TICK: Duration = Duration::from_millis(50);
    /// What was asked for a moment ago is looked at after this at the soonest.
    pub const SHORTEST: Duration = Duration::from_millis(300);
    const LONGEST: Duration = Duration::from_secs(5);

    pub fn new() -> Self {
        Self { start: Instant::now(), next: Duration::ZERO, last_seen: String::new() }
    }

    /// Looks only after a while at what was last seen as it is said here.
    pub fn after(next: Duration, last_seen: impl Into<String>) -> Self {
        Self { next, last_seen: last_seen.into(), ..Self::new() }
    }

    /// Looks if it is time to.
    pub fn look<T>(&mut self, look: impl FnOnce() -> Result<Look<T>>) -> Result<Look<T>> {
        let begun = self.start.elapsed();
        if begun < self.next {
            return Ok(Look::NotYet(self.last_seen.clone()));
        }
        let seen = look()?;
        if let Look::NotYet(seen) = &seen {
            self.last_seen.clone_from(seen);
        }
        let now = self.start.elapsed();
        self.next = now + (now / 20).max((now - begun) * 2).clamp(Self::SHORTEST, Self::LONGEST);
        Ok(seen)
    }
}

/// Says how a long wait stands: at every change, and from time to time.
pub(super) struct Progress<'a> {
    console: &'a Console,
    resource: &'a Resource,
    start: Instant,
    told: Option<(String, Instant)>,
}

impl<'a> Progress<'a> {
    pub fn new(console: &'a Console, resource: &'a Resource) -> Self {
        Self { console, resource, start: Instant::now(), told: None }
    }

    pub fn not_yet<T>(&mut self, word: String) -> Look<T> {
        self.tell(&word);
        Look::NotYet(word)
    }

    /// Says the word, if it is news or nothing was said for long.
    pub fn tell(&mut self, word: &str) {
        let is_news = self.told.as_ref().is_none_or(|(told, _)| told != word);
        let is_old = || self.told.as_ref().is_some_and(|(_, at)| at.elapsed() >= SIGN_OF_LIFE);
        if is_news || (!self.console.has_bars() && is_old()) {
            let (kind, name) = (self.resource.kind.word(), &self.resource.name);
            let told = format!("{kind} `{name}`: {word}, {} s", self.start.elapsed().as_secs());
            self.console.line(Tone::Note, "Waiting", &told);
            self.told = Some((word.to_owned(), Instant::now()));
        }
    }
}

/// What of a lab may exist, by the ledger: the things of this ID, or of this directory where the ID is lost.
pub(super) fn open_of(open: Vec<Open>, lab_id: Option<&str>, lab: &crate::state::LabDir) -> Vec<Open> {
    let fits = |open: &Open| {
        let resource = &open.resource;
        lab_id == Some(resource.lab_id.as_str())
            || (resource.state == lab.path() && resource.host == super::host() && resource.lab == lab.name())
    };
    open.into_iter().filter(fits).collect()
}
