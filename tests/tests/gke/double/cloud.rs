//! What there is in the double's cloud: projects, resources, operations, and who asked for what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answer::Refusal;
use super::fault::{Failing, Fault, What};

/// The region and the zone that there are.
pub const REGION: &str = "us-central1";
pub const ZONES: &[&str] = &["us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"];

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    pub id: String,
    pub number: String,
    /// Whether it pays.
    pub bills: bool,
    /// The APIs that are on.
    pub apis: BTreeSet<String>,
    /// The names of its networks.
    pub networks: Vec<&'static str>,
    /// The region's quotas: metric, limit, use.
    pub quotas: Vec<(&'static str, f64, f64)>,
    /// Filestore's capacity of the Basic tier, in GiB.
    pub filestore_gib: i64,
}

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Cluster,
    /// Its id is `CLUSTER/nodePools/POOL`.
    NodePool,
    Instance,
    Repository,
}

/// Something that lives, and may cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    pub kind: Kind,
    pub project: String,
    pub location: String,
    pub id: String,
    /// As the API shows it.
    pub body: Value,
    /// It was there before the lab.
    pub foreign: bool,
}

/// Whether an operation makes or takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Create,
    Delete,
}

/// What the place behind the double has made of a resource: fields to be shown, or why it could not.
pub type Outcome = Result<Value, String>;

/// Work that takes its time.
#[derive(Debug, Clone)]
pub struct Operation {
    pub kind: Kind,
    pub project: String,
    pub location: String,
    pub id: String,
    pub verb: Verb,
    /// The resource's name.
    pub target: String,
    pub begun: Instant,
    /// When that was.
    pub started: String,
    pub takes: Duration,
    pub fails: Option<Failing>,
    /// Filled when whoever stands behind the double has done it.
    pub work: Arc<OnceLock<Outcome>>,
    /// It is over, and how it ended.
    pub ended: Option<Result<(), Failing>>,
    /// From its begin to its end.
    pub lasted: Option<Duration>,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method's name, or verb and path where the reference has none.
    pub method: String,
    /// The body of a request.
    pub body: Value,
    /// The HTTP status of the answer; 0 if the answer was lost.
    pub answered: u16,
}

/// The cloud.
#[derive(Debug, Clone, Default)]
pub struct Cloud {
    pub projects: BTreeMap<String, Project>,
    pub resources: BTreeMap<String, Resource>,
    pub operations: BTreeMap<String, Operation>,
    pub script: Vec<Fault>,
    pub calls: Vec<Call>,
    /// What nobody has foreseen: a path that the reference does not have, an answer of ours that it would not give.
    pub surprises: Vec<String>,
    /// A zone that does not answer when everything is listed.
    pub silent: Option<&'static str>,
    /// How long an operation takes, if the script says nothing else.
    pub latency: Duration,
    /// Names of what was made and is not shown yet.
    hidden: BTreeSet<String>,
    counter: u64,
}

/// The API that tells quotas; a project need not have it on.
const QUOTAS: (&str, &str) = ("cloudquotas.googleapis.com", "Cloud Quotas API");
/// The APIs that there are. All but the one that tells quotas are on where everything is as the tutorial needs it.
pub const APIS: &[(&str, &str)] = &[
    ("artifactregistry.googleapis.com", "Artifact Registry API"),
    ("cloudbilling.googleapis.com", "Cloud Billing API"),
    QUOTAS,
    ("cloudresourcemanager.googleapis.com", "Cloud Resource Manager API"),
    ("compute.googleapis.com", "Compute Engine API"),
    ("container.googleapis.com", "Kubernetes Engine API"),
    ("file.googleapis.com", "Cloud Filestore API"),
    ("serviceusage.googleapis.com", "Service Usage API"),
];

impl Project {
    /// One in which everything is as the tutorial needs it.
    pub fn ready(id: &str) -> Self {
        Self {
            id: id.into(),
            number: "415104041262".into(),
            bills: true,
            apis: APIS.iter().filter(|api| **api != QUOTAS).map(|(name, _)| (*name).to_owned()).collect(),
            networks: vec!["default"],
            quotas: vec![
                ("CPUS", 72.0, 0.0),
                ("PREEMPTIBLE_CPUS", 72.0, 0.0),
                ("IN_USE_ADDRESSES", 16.0, 0.0),
                ("SSD_TOTAL_GB", 2048.0, 0.0),
                ("DISKS_TOTAL_GB", 4096.0, 0.0),
                ("INSTANCES", 72.0, 0.0),
            ],
            filestore_gib: 10_240,
        }
    }
}

impl Resource {
    /// The whole name, as the API's paths have it.
    pub fn name(&self) -> String {
        let Self { project, location, id, .. } = self;
        format!("projects/{project}/locations/{location}/{}/{id}", self.kind.collection())
    }

    /// The labels that it carries.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let field = if self.kind == Kind::Cluster { "resourceLabels" } else { "labels" };
        serde_json::from_value(self.body[field].clone()).unwrap_or_default()
    }

    fn set_state(&mut self, state: &str) {
        let field = if matches!(self.kind, Kind::Cluster | Kind::NodePool) { "status" } else { "state" };
        self.body[field] = state.into();
    }
}

impl Kind {
    pub fn collection(self) -> &'static str {
        match self {
            Self::Cluster | Self::NodePool => "clusters",
            Self::Instance => "instances",
            Self::Repository => "repositories",
        }
    }

    /// What it is called while it is made, when it is there, and while it is taken away.
    fn states(self) -> [&'static str; 3] {
        match self {
            Self::Cluster | Self::NodePool => ["PROVISIONING", "RUNNING", "STOPPING"],
            Self::Instance | Self::Repository => ["CREATING", "READY", "DELETING"],
        }
    }
}

impl Cloud {
    /// The project of a call: `404` or `403` as Google answers for one that is not there.
    pub fn project(&self, id: &str) -> Result<&Project, Refusal> {
        let found = self.projects.values().find(|project| project.id == id || project.number == id);
        found.ok_or_else(|| Refusal::permission("resourcemanager.projects.get", &format!("projects/{id}")))
    }

    /// Ends what is due.
    pub fn settle(&mut self) {
        let is_due = |operation: &&mut Operation| {
            operation.ended.is_none() && operation.begun.elapsed() >= operation.takes && operation.work.get().is_some()
        };
        for operation in self.operations.values_mut().filter(is_due) {
            operation.lasted = Some(operation.begun.elapsed());
            let ended = match (operation.fails.clone(), operation.work.get()) {
                (Some(failing), _) => Err(failing),
                (None, Some(Err(why))) => Err(Failing { code: 13, message: why.clone(), stays: true }),
                (None, _) => Ok(()),
            };
            let target = &operation.target;
            match (operation.verb, &ended) {
                (Verb::Create, Ok(())) => {
                    let Some(resource) = self.resources.get_mut(target) else { continue };
                    if let Some(Ok(Value::Object(fields))) = operation.work.get() {
                        resource.body.as_object_mut().expect("an object").extend(fields.clone());
                    }
                    resource.set_state(resource.kind.states()[1]);
                }
                (Verb::Delete, Ok(())) => remove(&mut self.resources, target),
                (Verb::Create, Err(failing)) if !failing.stays => remove(&mut self.resources, target),
                (_, Err(failing)) => {
                    let Some(resource) = self.resources.get_mut(target) else { continue };
                    // A delete that failed leaves what was there as it was.
                    let broken = operation.verb == Verb::Create || failing.stays;
                    resource.set_state(if broken { "ERROR" } else { resource.kind.states()[1] });
                    resource.body["statusMessage"] = failing.message.clone().into();
                }
            }
            operation.ended = Some(ended);
        }
    }

    /// What is being done to a resource, or to what is part of it.
    pub fn busy(&self, name: &str) -> Option<&Operation> {
        let is_about =
            |target: &str| target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.operations.values().find(|operation| is_about(&operation.target) && operation.ended.is_none())
    }

    /// All that lives and is not somebody else's is being deleted.
    pub fn is_all_going(&self) -> bool {
        let mut ours = self.living().filter(|known| !known.foreign && known.kind != Kind::Repository);
        let is_going = |known: &Resource| {
            // A cluster takes its pools with it.
            let name = known.name();
            let of_whole = |operation: &&Operation| name.starts_with(&operation.target) && operation.ended.is_none();
            self.operations.values().any(|operation| of_whole(&operation) && operation.verb == Verb::Delete)
        };
        ours.all(is_going)
    }

    /// Begins to make or take away a resource that is in the list.
    pub fn begin(&mut self, verb: Verb, name: &str, faults: &[What], behind: &dyn Behind) -> String {
        let resource = self.resources.get_mut(name).expect("a resource that is in the list");
        let [making, _, ending] = resource.kind.states();
        resource.set_state(if verb == Verb::Create { making } else { ending });
        let resource = resource.clone();
        self.counter += 1;
        let id = format!("operation-{:013}-{:08x}", 1_764_000_000_000_u64 + self.counter, self.counter);
        let mut operation = Operation {
            kind: resource.kind,
            project: resource.project.clone(),
            location: resource.location.clone(),
            id: id.clone(),
            verb,
            target: name.into(),
            begun: Instant::now(),
            started: super::names::now(),
            takes: self.latency,
            fails: None,
            work: Arc::default(),
            ended: None,
            lasted: None,
        };
        for fault in faults {
            match fault {
                What::Take(takes) => operation.takes = *takes,
                What::FailAtEnd(failing) => operation.fails = Some(failing.clone()),
                What::Hide => {
                    self.hidden.insert(name.into());
                }
                What::Refuse(_) | What::LoseAnswer => {}
            }
        }
        let begins = operation.fails.is_none();
        if begins {
            behind.begin(verb, resource, operation.work.clone());
        } else {
            operation.work.set(Ok(json!({}))).expect("nobody else has it");
        }
        self.operations.insert(id.clone(), operation);
        id
    }

    /// What is made is shown from now on.
    pub fn show(&mut self) {
        self.hidden.clear();
    }

    /// A resource, as far as whoever asks is shown it.
    pub fn shown(&self, name: &str) -> Option<&Resource> {
        self.resources.get(name).filter(|_| !self.hidden.contains(name))
    }

    /// What lives and is shown in lists.
    pub fn listed(&self) -> impl Iterator<Item = &Resource> {
        self.living().filter(|known| !self.hidden.contains(&known.name()))
    }

    /// What lives, somebody else's too.
    pub fn living(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values()
    }

    /// Calls of this method.
    pub fn count(&self, method: &str) -> usize {
        self.calls.iter().filter(|call| call.method == method).count()
    }
}

/// A cluster takes its node pools with it.
fn remove(resources: &mut BTreeMap<String, Resource>, name: &str) {
    resources.remove(name);
    let prefix = format!("{name}/");
    resources.retain(|name, _| !name.starts_with(&prefix));
}

/// Who stands behind the double: makes what the API promises.
pub trait Behind: Send + Sync {
    /// Begins, and fills the outcome at the end. It must not wait.
    fn begin(&self, verb: Verb, resource: Resource, outcome: Arc<OnceLock<Outcome>>);
}

/// Nobody: everything is there at once, and is an address from the documentation's range.
pub struct Nobody;

impl Behind for Nobody {
    fn begin(&self, _: Verb, resource: Resource, outcome: Arc<OnceLock<Outcome>>) {
        let fields = match resource.kind {
            Kind::Cluster => json!({
                // Nothing listens there: whoever comes is refused at once.
                "endpoint": "127.0.0.1:1",
                "masterAuth": { "clusterCaCertificate": "bm90IGEgY2VydGlmaWNhdGU=" },
            }),
            Kind::Instance => super::file::with_address(&resource.body, "192.0.2.2"),
            Kind::NodePool | Kind::Repository => json!({}),
        };
        outcome.set(Ok(fields)).expect("nobody else has it");
    }
}
