//! One client for one cluster, named by a kubeconfig of the lab's own: apply, look, exec, forward, logs.
//!
//! The rest of the lab is synchronous; here is the one place where futures run. Every call is bounded in time, and none
//! ever reads the kubeconfig, the context or the namespace that a person has set for kubectl.

mod apply;
mod error;
mod exec;
mod files;
mod forward;
mod logs;
mod table;
pub mod trouble;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Node};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{ListParams, ObjectList};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

pub use error::ClusterError;
pub use exec::{Output, Process};
pub use files::{Tree, TreeFile};
pub use forward::Forward;
pub use logs::{Lines, RunLog};

use crate::wait::scaled;

/// Where the tutorial's objects live.
pub const NAMESPACE: &str = "default";
/// Who owns the fields that the lab sets, in server-side apply.
pub const FIELD_MANAGER: &str = "batch-ml-lab";
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// A cluster, and the runtime that its client runs on.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    runtime: Arc<Runtime>,
}

/// What one namespaced kind of object is to the client.
pub trait Namespaced: Resource<Scope = NamespaceResourceScope> {}
impl<K: Resource<Scope = NamespaceResourceScope>> Namespaced for K {}

impl Cluster {
    /// A client for the one context of this kubeconfig. Nothing is sent yet.
    ///
    /// # Errors
    /// When the file is not a kubeconfig.
    pub fn open(kubeconfig: &Path) -> Result<Self, ClusterError> {
        let broken = |source: kube::config::KubeconfigError| ClusterError::Kubeconfig {
            path: kubeconfig.to_owned(),
            source: Box::new(source),
        };
        let runtime =
            Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(ClusterError::Runtime)?;
        let file = Kubeconfig::read_from(kubeconfig).map_err(broken)?;
        let connect = async {
            let mut config =
                Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(broken)?;
            config.default_namespace = NAMESPACE.into();
            Client::try_from(config).map_err(|source| ClusterError::call("connect to the cluster", source))
        };
        let client = runtime.block_on(connect)?;
        Ok(Self { client, runtime: Arc::new(runtime) })
    }

    /// The version of the API server, e.g. `v1.34.4`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn version(&self) -> Result<String, ClusterError> {
        let info = self.call("ask for the cluster's version", self.client.apiserver_version())?;
        Ok(info.git_version)
    }

    /// Every node.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn nodes(&self) -> Result<Vec<Node>, ClusterError> {
        let api: Api<Node> = Api::all(self.client.clone());
        Ok(self.call("list the nodes", api.list(&ListParams::default()))?.items)
    }

    /// A namespaced object; `None` if there is none of that name.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn get<K>(&self, name: &str) -> Result<Option<K>, ClusterError>
    where
        K: Namespaced + Clone + DeserializeOwned + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let what = format!("look at {} `{name}`", K::kind(&K::DynamicType::default()).to_lowercase());
        self.call(&what, self.api::<K>().get_opt(name))
    }

    /// An object that belongs to no namespace; `None` if there is none of that name.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn get_global<K>(&self, name: &str) -> Result<Option<K>, ClusterError>
    where
        K: Resource<Scope = ClusterResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let what = format!("look at {} `{name}`", K::kind(&K::DynamicType::default()).to_lowercase());
        let api: Api<K> = Api::all(self.client.clone());
        self.call(&what, api.get_opt(name))
    }

    /// The namespaced objects that a label selector picks; all for an empty one. Oldest first.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn list<K>(&self, selector: &str) -> Result<Vec<K>, ClusterError>
    where
        K: Namespaced + Clone + DeserializeOwned + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let what = format!("list {}", K::plural(&K::DynamicType::default()));
        let parameters = ListParams::default().labels(selector);
        let list: ObjectList<K> = self.call(&what, self.api::<K>().list(&parameters))?;
        let mut items = list.items;
        items.sort_by_key(|item| (item.creation_timestamp(), item.name_any()));
        Ok(items)
    }

    /// The events of the namespace, in the order in which they happened last.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn events(&self) -> Result<Vec<Event>, ClusterError> {
        let mut events = self.list::<Event>("")?;
        events.sort_by_key(|event| (event_time(event), event.name_any()));
        Ok(events)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Namespaced,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Waits for an answer, bounded.
    fn call<T>(&self, what: &str, answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ClusterError> {
        self.bounded(what, ANSWER, async { answer.await.map_err(|source| ClusterError::call(what, source)) })
    }

    fn bounded<T>(
        &self,
        what: &str,
        limit: Duration,
        work: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let limit = scaled(limit);
        let late = |_| ClusterError::Late { what: what.into(), limit_s: limit.as_secs_f64() };
        self.runtime.block_on(async { tokio::time::timeout(limit, work).await.map_err(late)? })
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Cluster").finish_non_exhaustive()
    }
}

/// When an event was last seen, RFC 3339.
pub fn event_time(event: &Event) -> Option<String> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let time = series
        .or(event.last_timestamp.as_ref().map(|time| time.0))
        .or(event.event_time.as_ref().map(|time| time.0))
        .or(event.metadata.creation_timestamp.as_ref().map(|time| time.0));
    time.map(|time| format!("{time:.6}"))
}
