//! The double: a server on loopback that plays those APIs of Google that `gcloud` calls for the lab.
//!
//! It holds what it is asked and what it answers to the reference (`reference`), counts what lives and what it costs
//! (`cloud`, `bill`), and misbehaves as a script says (`fault`). Behind it nobody stands, or kind (`kind`).

pub mod answer;
pub mod bill;
pub mod cloud;
mod container;
pub mod fault;
pub mod file;
pub mod kind;
mod names;
mod project;
pub mod reference;
pub mod registry;
mod server;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use cloud::{Behind, Cloud, Kind, Nobody, Project, Resource};

/// The project that the lab is told to use.
pub const PROJECT: &str = "my-project";
/// The repository in it that images go to.
pub const REPOSITORY: &str = "batch-aiml";

/// What all requests share.
pub struct Inner {
    pub cloud: Mutex<Cloud>,
    pub registry: Mutex<registry::Registry>,
    pub behind: Box<dyn Behind>,
}

type Shared = Arc<Inner>;

/// The double, while it serves.
pub struct Double {
    shared: Shared,
    runtime: Runtime,
    port: u16,
}

impl Double {
    /// Serves a cloud with one project, in which everything is as the tutorial needs it, and nobody behind it.
    pub fn start() -> Self {
        Self::before(Box::new(Nobody))
    }

    /// The same with whoever makes what is promised.
    pub fn before(behind: Box<dyn Behind>) -> Self {
        let mut cloud = Cloud::default();
        cloud.projects.insert(PROJECT.into(), Project::ready(PROJECT));
        let body = json!({
            "name": format!("projects/{PROJECT}/locations/us-central1/repositories/{REPOSITORY}"),
            "format": "DOCKER", "mode": "STANDARD_REPOSITORY",
        });
        let repository = resource(Kind::Repository, "us-central1", REPOSITORY, body);
        cloud.resources.insert(repository.name(), repository);
        let shared = Arc::new(Inner { cloud: Mutex::new(cloud), registry: Mutex::default(), behind });
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let mut double = Self { shared, runtime, port: 0 };
        double.port = double.listen(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        double
    }

    /// Serves on one more address; the port is the one that was asked for, or a free one for 0.
    pub fn listen(&self, address: IpAddr, port: u16) -> u16 {
        let listener = self.runtime.block_on(TcpListener::bind(SocketAddr::new(address, port))).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new().fallback(server::serve).layer(DefaultBodyLimit::disable());
        let router = router.with_state(self.shared.clone());
        self.runtime.spawn(async move { axum::serve(listener, router).await });
        port
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The cloud, as it is now: what is due has ended.
    pub fn cloud(&self) -> MutexGuard<'_, Cloud> {
        let mut cloud = self.shared.cloud.lock().expect("no request has panicked");
        cloud.settle();
        cloud
    }

    pub fn registry(&self) -> MutexGuard<'_, registry::Registry> {
        self.shared.registry.lock().expect("no request has panicked")
    }

    /// The variables that lead gcloud here.
    pub fn environment(&self) -> Vec<(String, String)> {
        let of = |api: &reference::Api| {
            let base = if api.package() == "compute" { format!("{}/", api.api) } else { format!("{}/", api.package()) };
            let variable = format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{}", api.package().to_uppercase());
            (variable, format!("http://127.0.0.1:{}/{base}", self.port))
        };
        reference::apis().iter().map(of).collect()
    }

    /// Puts somebody else's resource there.
    pub fn add_foreign(&self, kind: Kind, location: &str, id: &str, body: Value) -> Resource {
        let foreign = Resource { foreign: true, ..resource(kind, location, id, body) };
        self.cloud().resources.insert(foreign.name(), foreign.clone());
        foreign
    }
}

fn resource(kind: Kind, location: &str, id: &str, body: Value) -> Resource {
    Resource { kind, project: PROJECT.into(), location: location.into(), id: id.into(), body, foreign: false }
}
