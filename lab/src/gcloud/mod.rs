//! Google's cloud, through `gcloud`'s command line: what the lab asks of it, as functions.
//!
//! The project, also that whose quota is charged, is said with every call and never taken from a person's configuration;
//! nothing is asked on a terminal, no API is switched on behind one's back, and kubectl's own kubeconfig is never written.
//! Everything else of the environment (account, configuration directory, endpoints, proxies) is the person's and is
//! handed on as it is.

mod answers;
mod arguments;
mod causes;
mod error;
mod roles;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::docker::DockerError;
use crate::docker::call::{Call, Ended};
use crate::ledger::Kind;
use crate::process::Marker;
use crate::wait::scaled;

pub use answers::{Condition, Operation, Quota, RegionAnswer, RepositoryAnswer, Thing, Verb};
pub use arguments::{Cluster, DISK_GB, Instance, MACHINE_CPUS, Pool, is_zone, place_flag, region_of};
pub use causes::{Class, Named, UNKNOWN_CAUSE, by_cause, causes, name};
pub use error::{GcloudError, Place};

/// What one command returns.
pub type Result<T, E = GcloudError> = std::result::Result<T, E>;

/// How long a call may take: Python has to start, and a token may have to be fetched.
const CALL: Duration = Duration::from_secs(120);
/// The oldest gcloud that knows every flag used here, `--location` of Filestore's operations being the newest.
const VERSION_MIN: u32 = 400;

/// gcloud, for one project.
#[derive(Debug, Clone)]
pub struct Gcloud {
    program: PathBuf,
    place: Place,
    /// The lab's own kubeconfig.
    kubeconfig: PathBuf,
    marker: Marker,
}

/// The program, and what it says of itself.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// E.g. `528.0.0`.
    pub version: String,
    /// It has the commands that are called beta.
    pub has_beta: bool,
}

/// An access token; it is shown to nobody.
pub struct Token(String);

impl Token {
    /// The token itself, for whoever asks Google.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(hidden)")
    }
}

impl Program {
    /// Where `gcloud` is, and nothing else of it.
    ///
    /// # Errors
    /// When it is not on the PATH.
    pub fn locate() -> Result<PathBuf> {
        which::which("gcloud").map_err(|_| GcloudError::NotInstalled)
    }

    /// What the `gcloud` at this path says of itself.
    ///
    /// # Errors
    /// When it does not run, or is too old.
    pub fn ask(path: PathBuf) -> Result<Self> {
        let call = Call::new(&path, None, &["version", "--format=json"]).limit(CALL);
        let what = "ask gcloud for its version";
        let ended = run(&call, what, &Place::default())?;
        let versions: serde_json::Map<String, serde_json::Value> = parse(&ended, what)?;
        let version = versions.get("Google Cloud SDK").and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major < VERSION_MIN) {
            return Err(GcloudError::TooOld { found: version, needed: VERSION_MIN });
        }
        Ok(Self { path, version, has_beta: versions.contains_key("beta") })
    }
}

impl Gcloud {
    /// gcloud for a project. `place` is what remedies name.
    pub fn new(program: PathBuf, place: Place, kubeconfig: PathBuf, marker: Marker) -> Self {
        Self { program, place, kubeconfig, marker }
    }

    /// The project, and where things are in it.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A token for the account that gcloud has chosen.
    ///
    /// # Errors
    /// When there is no account, or it gets none.
    pub fn token(&self) -> Result<Token> {
        let what = "get an access token from gcloud";
        let ended = run(&self.call(&["auth", "print-access-token", "--quiet"]), what, &self.place)?;
        Ok(Token(ended.line()))
    }

    /// The project's number, if the project is there and active.
    ///
    /// # Errors
    /// When it is not.
    pub fn project(&self) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            #[serde(default)]
            project_number: String,
            #[serde(default)]
            lifecycle_state: String,
        }
        let id = &self.place.project;
        let what = format!("look at project `{id}`");
        let answer: Answer = self.ask_plainly(&["projects", "describe", id], &what)?;
        if answer.lifecycle_state != "ACTIVE" {
            return Err(self.named("project-inactive", &what, &format!("its state is {}", answer.lifecycle_state)));
        }
        Ok(answer.project_number)
    }

    /// The billing account that pays for the project.
    ///
    /// # Errors
    /// When none does.
    pub fn billing(&self) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            #[serde(default)]
            billing_account_name: String,
            #[serde(default)]
            billing_enabled: bool,
        }
        let id = &self.place.project;
        let what = format!("see who pays for project `{id}`");
        let answer: Answer = self.ask_plainly(&["billing", "projects", "describe", id], &what)?;
        if !answer.billing_enabled {
            return Err(self.named("billing-off", &what, "no billing account is linked, or it is closed"));
        }
        Ok(answer.billing_account_name)
    }

    /// The names of the APIs that the project has switched on.
    ///
    /// # Errors
    /// When Google does not say.
    pub fn services(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Config {
            name: String,
        }
        #[derive(Deserialize)]
        struct Answer {
            name: Option<String>,
            config: Option<Config>,
        }
        let answers: Vec<Answer> = self.ask(&["services", "list", "--enabled"], "list the project's APIs")?;
        let short = |answer: Answer| {
            let name = answer.config.map(|config| config.name).or(answer.name)?;
            Some(name.rsplit('/').next().unwrap_or(&name).to_owned())
        };
        Ok(answers.into_iter().filter_map(short).collect())
    }

    /// Fails unless the project has a network of that name.
    ///
    /// # Errors
    /// When it has not.
    pub fn network(&self, name: &str) -> Result<()> {
        let what = format!("find network `{name}`");
        match self.ask::<serde_json::Value>(&["compute", "networks", "describe", name], &what) {
            Err(error) if error.class() == Class::NotFound => {
                let place = Place { name: name.into(), ..self.place.clone() };
                Err(named_in(place, "network-missing", &what, &error.said()))
            }
            other => other.map(drop),
        }
    }

    /// A region, with its quotas.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn region(&self, name: &str) -> Result<RegionAnswer> {
        self.ask(&["compute", "regions", "describe", name], &format!("look at region `{name}`"))
    }

    /// The limit of a quota in a region, where the project has one. A beta command: see [`Program::has_beta`].
    ///
    /// # Errors
    /// When Google does not say.
    pub fn quota(&self, service: &str, id: &str, region: &str) -> Result<Option<i64>> {
        let service = format!("--service={service}");
        let what = format!("look at quota `{id}`");
        let answer: answers::QuotaInfo = self.ask(&["beta", "quotas", "info", "describe", id, &service], &what)?;
        Ok(answer.limit_in(region))
    }

    /// A repository of Artifact Registry.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn repository(&self, project: &str, location: &str, name: &str) -> Result<RepositoryAnswer> {
        let what = format!("find image repository `{name}`");
        let place = Place { project: project.into(), region: location.into(), zone: String::new(), name: name.into() };
        let (location, project) = (format!("--location={location}"), format!("--project={project}"));
        let arguments = ["artifacts", "repositories", "describe", name, &location, &project];
        match self.ask_plainly(&arguments, &what) {
            Err(error) if error.class() == Class::NotFound => {
                Err(named_in(place, "repository-missing", &what, &error.said()))
            }
            other => other,
        }
    }

    /// Everything of a kind in the project, wherever it is.
    ///
    /// # Errors
    /// When Google does not say, or not all of it.
    pub fn list(&self, kind: Kind) -> Result<Vec<Thing>> {
        let what = format!("list every {} of the project", kind.word());
        let ended = self.order(&arguments::list(kind).map(str::to_owned), &what)?;
        if let Some(said) = error::incomplete(&String::from_utf8_lossy(&ended.stderr)) {
            return Err(GcloudError::Incomplete { what, said: said.into() });
        }
        let answers: Vec<answers::Raw> = parse(&ended, &what)?;
        Ok(answers.into_iter().map(|raw| raw.thing(kind)).collect())
    }

    /// One thing; `None` if there is none of that name. A node pool's name is `CLUSTER/POOL`.
    ///
    /// # Errors
    /// When Google does not say.
    pub fn look(&self, kind: Kind, name: &str, location: &str) -> Result<Option<Thing>> {
        let what = format!("look at {} `{name}`", kind.word());
        let raw: answers::Raw = match self.ask(&words(&arguments::describe(kind, name, location)), &what) {
            // Gone is only what is named as gone: nothing is taken out of a ledger because of something else that is missing.
            Err(error) if error.class() == Class::NotFound && error.said().contains(last(name)) => return Ok(None),
            other => other?,
        };
        let mut thing = raw.thing(kind);
        if thing.location.is_empty() {
            thing.location = location.into();
        }
        Ok(Some(thing))
    }

    /// Has a cluster made, and does not wait for it.
    ///
    /// # Errors
    /// When Google refuses, or its answer is lost.
    pub fn create_cluster(&self, order: &Cluster<'_>) -> Result<()> {
        self.order(&order.arguments(), &format!("create cluster `{}`", order.name)).map(drop)
    }

    /// Has a node pool made, and does not wait for it.
    ///
    /// # Errors
    /// When Google refuses, or its answer is lost.
    pub fn create_pool(&self, order: &Pool<'_>) -> Result<()> {
        self.order(&order.arguments(), &format!("create node pool `{}`", order.name)).map(drop)
    }

    /// Has a Filestore instance made, and does not wait for it.
    ///
    /// # Errors
    /// When Google refuses, or its answer is lost.
    pub fn create_instance(&self, order: &Instance<'_>) -> Result<Option<Operation>> {
        let what = format!("create Filestore instance `{}`", order.name);
        let ended = self.order(&order.arguments(), &what)?;
        Ok(answers::file_operation(&ended.stdout))
    }

    /// Has something deleted, and does not wait for it.
    ///
    /// # Errors
    /// When Google refuses, or its answer is lost.
    pub fn delete(&self, kind: Kind, name: &str, location: &str) -> Result<Option<Operation>> {
        let what = format!("delete {} `{name}`", kind.word());
        let ended = self.order(&arguments::delete(kind, name, location), &what)?;
        Ok(if kind == Kind::Filestore { answers::file_operation(&ended.stdout) } else { None })
    }

    /// The newest operation that does this to a cluster or one of its pools; gcloud does not tell its name when it begins.
    ///
    /// # Errors
    /// When Google does not say.
    pub fn newest_operation(&self, verb: Verb, cluster: &str, location: &str) -> Result<Option<Operation>> {
        let place = place_flag(location);
        let what = format!("list the operations on cluster `{cluster}`");
        let found: Vec<answers::ClusterOperation> = self.ask(&["container", "operations", "list", &place], &what)?;
        Ok(answers::newest(found, verb, cluster))
    }

    /// An operation as it is now.
    ///
    /// # Errors
    /// When Google does not say.
    pub fn operation(&self, kind: Kind, name: &str, location: &str) -> Result<Operation> {
        let what = format!("look at operation `{name}`");
        if kind == Kind::Filestore {
            let zone = arguments::share_flag(location);
            let found: answers::FileOperation =
                self.ask(&["filestore", "operations", "describe", name, &zone], &what)?;
            return Ok(found.into());
        }
        let place = place_flag(location);
        let found: answers::ClusterOperation =
            self.ask(&["container", "operations", "describe", name, &place], &what)?;
        Ok(found.into())
    }

    /// Writes the cluster's access into the lab's own kubeconfig.
    ///
    /// # Errors
    /// When Google refuses.
    pub fn credentials(&self, cluster: &str, location: &str) -> Result<()> {
        let (place, project) = (place_flag(location), format!("--project={}", self.place.project));
        let arguments = ["container", "clusters", "get-credentials", cluster, &place, &project, "--quiet"];
        run(&self.call(&arguments), &format!("get access to cluster `{cluster}`"), &self.place).map(drop)
    }

    /// Asks, in the project.
    fn ask<T: DeserializeOwned>(&self, arguments: &[&str], what: &str) -> Result<T> {
        let project = format!("--project={}", self.place.project);
        let mut arguments = arguments.to_vec();
        arguments.push(&project);
        self.ask_plainly(&arguments, what)
    }

    /// Asks, where the project is said already.
    fn ask_plainly<T: DeserializeOwned>(&self, arguments: &[&str], what: &str) -> Result<T> {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--format=json", "--quiet"]);
        parse(&run(&self.call(&arguments), what, &self.place)?, what)
    }

    /// Has gcloud do something in the project, and tell it as JSON.
    fn order(&self, arguments: &[String], what: &str) -> Result<Ended> {
        let project = format!("--project={}", self.place.project);
        let mut arguments = words(arguments);
        arguments.extend([project.as_str(), "--format=json", "--quiet"]);
        run(&self.call(&arguments), what, &self.place)
    }

    fn call(&self, arguments: &[&str]) -> Call<'_> {
        Call::new(&self.program, Some(&self.marker), arguments)
            .variable("KUBECONFIG", self.kubeconfig.as_os_str())
            // Not every command takes `--project`, and a user's calls are charged to what this names.
            .variable("CLOUDSDK_CORE_PROJECT", &self.place.project)
            // A person's own configuration may name another project to be charged.
            .variable("CLOUDSDK_BILLING_QUOTA_PROJECT", "CURRENT_PROJECT")
            // A list that lacks something is told by a warning alone.
            .variable("CLOUDSDK_CORE_VERBOSITY", "warning")
            .variable("CLOUDSDK_CORE_USER_OUTPUT_ENABLED", "true")
            .variable("CLOUDSDK_CORE_DISABLE_PROMPTS", "1")
            .variable("CLOUDSDK_CORE_SHOULD_PROMPT_TO_ENABLE_API", "false")
            .variable("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "1")
            .limit(CALL)
    }

    /// An error that the lab itself has a name for.
    pub fn named(&self, cause: &'static str, what: &str, said: &str) -> GcloudError {
        named_in(self.place.clone(), cause, what, said)
    }
}

fn named_in(place: Place, cause: &'static str, what: &str, said: &str) -> GcloudError {
    GcloudError::Refused { what: what.into(), said: said.into(), named: by_cause(cause), place: Box::new(place) }
}

/// Where gcloud's helper for kubectl and its like is.
///
/// # Errors
/// When it is not on the PATH.
pub fn find_plugin() -> Result<PathBuf> {
    which::which("gke-gcloud-auth-plugin").map_err(|_| GcloudError::NoPlugin)
}

/// The last part of a name with slashes.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn run(call: &Call<'_>, what: &str, place: &Place) -> Result<Ended> {
    let ended = call.run_to_its_end().map_err(|error| match error {
        DockerError::Interrupted(by) => GcloudError::Interrupted(by),
        DockerError::TimedOut { said, .. } => {
            GcloudError::Late { what: what.into(), limit_s: scaled(CALL).as_secs_f64(), said }
        }
        other => GcloudError::Unreadable { what: what.into(), why: other.to_string() },
    })?;
    if ended.status.success() {
        return Ok(ended);
    }
    let said = error::essence(&String::from_utf8_lossy(&ended.stderr), ended.status);
    let named = name(&without_names(&said, call.arguments(), &place.project));
    Err(GcloudError::Refused { what: what.into(), said, named, place: Box::new(place.clone()) })
}

/// What Google says, without the names that people chose: a lab that is called `quota` says nothing of a quota.
fn without_names(said: &str, arguments: &[OsString], project: &str) -> String {
    let words = arguments.iter().filter_map(|word| word.to_str());
    let chosen = words.filter(|word| !word.starts_with('-') && word.contains('-'));
    let names = chosen.map(last).chain([project]).filter(|name| !name.is_empty());
    names.fold(said.to_owned(), |said, name| said.replace(name, "NAME"))
}

fn parse<T: DeserializeOwned>(ended: &Ended, what: &str) -> Result<T> {
    serde_json::from_slice(&ended.stdout)
        .map_err(|error| GcloudError::Unreadable { what: what.into(), why: format!("its answer is not read: {error}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lab or a project that has one of Google's words for a name gets no cause of that word.
    #[test]
    fn names_are_not_googles_words() {
        let said = "code=404, message=Not found: projects/quota-exceeded-lab/locations/us-central1/clusters/batch-aiml-stockout.";
        let arguments =
            ["container", "clusters", "describe", "batch-aiml-stockout", "--format=json"].map(OsString::from);
        let told = without_names(said, &arguments, "quota-exceeded-lab");
        assert_eq!(told, "code=404, message=Not found: projects/NAME/locations/us-central1/clusters/NAME.");
        assert_eq!(name(&told).cause, "not-found");
    }
}
