//! The worker's image in a registry, from which a cluster far away pulls it: pushed by the OCI protocol, without Docker.

use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use tokio::runtime::Builder;

use crate::failure::{Exit, Explain};
use crate::image::{Blobs, WorkerImage};
use crate::wait::scaled;

/// How long a registry may take to be connected to.
const CONNECT: Duration = Duration::from_secs(15);
/// How long it may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a push may take in all.
const PUSH: Duration = Duration::from_secs(300);
/// How long a greeting may take.
const GREET: Duration = Duration::from_secs(20);
/// Google's registries take an access token as the password of this user.
const GOOGLES_USER: &str = "oauth2accesstoken";
/// The image's name in its repository.
const IMAGE: &str = "worker";

/// A place for images: a registry, and a path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    host: String,
    path: String,
}

/// The image could not be brought there.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It is no name of a repository.
    #[error("failed to read `{name}` as an image repository: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The registry wants to know who we are, or will not have us.
    #[error("failed to push the worker's image to `{repository}`: the registry refuses: {why}")]
    Denied {
        /// The repository.
        repository: String,
        /// Its own words.
        why: String,
    },
    /// There is no such repository.
    #[error("failed to push the worker's image to `{repository}`: it is not there: {why}")]
    Missing {
        /// The repository.
        repository: String,
        /// The registry's own words.
        why: String,
    },
    /// It did not do what a registry does, or was not reached.
    #[error("failed to push the worker's image to `{repository}`: {why}")]
    Failed {
        /// The repository.
        repository: String,
        /// What was wrong.
        why: String,
    },
}

impl Repository {
    /// `HOST/PATH`.
    ///
    /// # Errors
    /// When it is no such name.
    pub fn parse(name: &str) -> Result<Self, RegistryError> {
        let failed = |why: &str| RegistryError::Name { name: name.into(), why: why.into() };
        let (host, path) = name.split_once('/').ok_or_else(|| failed("it is HOST/PATH"))?;
        let repository = Self { host: host.into(), path: path.into() };
        Reference::try_from(repository.image("latest")).map_err(|error| failed(&error.to_string()))?;
        Ok(repository)
    }

    /// The registry of this machine itself: spoken to by plain HTTP, as docker does; every other one by HTTPS.
    pub fn is_loopback(&self) -> bool {
        let host = self.host.rsplit_once(':').map_or(self.host.as_str(), |(host, _)| host);
        ["localhost", "127.0.0.1", "[::1]"].contains(&host)
    }

    /// One of Google's, or of this machine: those that may see an access token. No other registry ever gets it.
    fn may_see_token(&self) -> bool {
        let googles = [".pkg.dev", ".gcr.io"].iter().any(|end| self.host.ends_with(end)) || self.host == "gcr.io";
        googles || self.is_loopback()
    }

    /// Location, project and name of a repository of Artifact Registry; `None` for any other one.
    pub fn in_artifact_registry(&self) -> Option<(&str, &str, &str)> {
        let location = self.host.strip_suffix("-docker.pkg.dev")?;
        let mut parts = self.path.split('/');
        Some((location, parts.next()?, parts.next()?))
    }

    fn image(&self, tag: &str) -> String {
        format!("{}/{}/{IMAGE}:{tag}", self.host, self.path)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.host, self.path)
    }

    fn client(&self) -> Client {
        // kube brings ring for TLS; reqwest here has no provider of its own. Whoever was first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let protocol = if self.is_loopback() { ClientProtocol::Http } else { ClientProtocol::Https };
        Client::new(ClientConfig {
            protocol,
            // Not every registry takes a blob in pieces; every one takes it whole, and ours are small.
            use_monolithic_push: true,
            connect_timeout: Some(scaled(CONNECT)),
            read_timeout: Some(scaled(SILENCE)),
            user_agent: concat!("batch-ml-lab/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        })
    }

    fn auth(&self, token: Option<&str>) -> RegistryAuth {
        match token.filter(|_| self.may_see_token()) {
            Some(token) => RegistryAuth::Basic(GOOGLES_USER.into(), token.into()),
            None => RegistryAuth::Anonymous,
        }
    }

    /// Sees whether the registry answers and takes what we push: an upload is begun, and called off before anything is in it.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn try_push(&self, token: Option<&str>) -> Result<(), RegistryError> {
        let (client, auth) = (self.client(), self.auth(token));
        self.bounded(GREET, async {
            let reference = self.reference("latest")?;
            let bearer = client.auth(&reference, &auth, RegistryOperation::Push).await;
            let bearer = bearer.map_err(|error| self.failed(&error))?;
            let strange = |error: reqwest::Error| self.strange(chain(&error.without_url()));
            let http = reqwest::Client::builder().connect_timeout(scaled(CONNECT)).build().map_err(strange)?;
            let shown = |request: reqwest::RequestBuilder| match (&bearer, &auth) {
                (Some(bearer), _) => request.bearer_auth(bearer),
                (None, RegistryAuth::Basic(user, password)) => request.basic_auth(user, Some(password)),
                (None, _) => request,
            };
            let scheme = if self.is_loopback() { "http" } else { "https" };
            let uploads = format!("{scheme}://{}/v2/{}/{IMAGE}/blobs/uploads/", self.host, self.path);
            let begun = shown(http.post(&uploads)).header(reqwest::header::CONTENT_LENGTH, 0).send().await;
            let begun = begun.map_err(strange)?;
            let (status, upload) = (begun.status(), location(&begun));
            if !status.is_success() {
                let said = begun.text().await.unwrap_or_default();
                return Err(self.refused(status.as_u16(), &format!("{status}: {}", said.trim())));
            }
            // A registry that does not take it back forgets it by itself.
            if let Some(upload) = upload.filter(|upload| upload.as_str().starts_with(&uploads)) {
                let _ = shown(http.delete(upload)).send().await;
            }
            Ok(())
        })
    }

    /// Pushes an image, unless it is there, and says its name by digest: what a pod is to run.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn push(&self, image: &WorkerImage, token: Option<&str>) -> Result<String, RegistryError> {
        let blobs = Blobs::of(image).map_err(|error| self.strange(error.to_string()))?;
        let tag = image.reference.rsplit(':').next().unwrap_or("latest");
        let (client, auth) = (self.client(), self.auth(token));
        self.bounded(PUSH, async {
            let reference = self.reference(tag)?;
            let failed = |error: OciDistributionError| self.failed(&error);
            // Its own token exchange would fail in silence.
            client.auth(&reference, &auth, RegistryOperation::Push).await.map_err(failed)?;
            let there = client.fetch_manifest_digest(&reference, &auth).await;
            if there.is_ok_and(|there| there == blobs.manifest_digest) {
                return Ok(());
            }
            for (digest, bytes) in &blobs.parts {
                if !client.blob_exists(&reference, digest).await.unwrap_or(false) {
                    client.push_blob(&reference, bytes.clone(), digest).await.map_err(failed)?;
                }
            }
            let kind = http::HeaderValue::from_static("application/vnd.oci.image.manifest.v1+json");
            client.push_manifest_raw(&reference, blobs.manifest.clone(), kind).await.map(drop).map_err(failed)
        })?;
        Ok(format!("{}/{IMAGE}@{}", self.name(), blobs.manifest_digest))
    }

    fn reference(&self, tag: &str) -> Result<Reference, RegistryError> {
        let name = self.image(tag);
        Reference::try_from(name.clone()).map_err(|error| RegistryError::Name { name, why: error.to_string() })
    }

    fn bounded<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let limit = scaled(limit);
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| self.strange(error.to_string()))?;
        let late = |_| self.strange(format!("not done after {} s", limit.as_secs_f64()));
        runtime.block_on(async { tokio::time::timeout(limit, work).await.map_err(late)? })
    }

    fn refused(&self, code: u16, why: &str) -> RegistryError {
        let (repository, why) = (self.name(), why.to_owned());
        match code {
            401 | 403 => RegistryError::Denied { repository, why },
            404 => RegistryError::Missing { repository, why },
            _ => RegistryError::Failed { repository, why },
        }
    }

    fn strange(&self, why: String) -> RegistryError {
        RegistryError::Failed { repository: self.name(), why }
    }

    fn failed(&self, error: &OciDistributionError) -> RegistryError {
        let (repository, why) = (self.name(), chain(error));
        let said = why.to_lowercase();
        let denied = ["denied", "unauthorized", "forbidden"].iter().any(|word| said.contains(word));
        match error {
            OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
                RegistryError::Denied { repository, why }
            }
            OciDistributionError::ServerError { code: code @ (401 | 403), .. } => self.refused(*code, &why),
            OciDistributionError::RegistryError { .. } if denied => RegistryError::Denied { repository, why },
            OciDistributionError::ServerError { code: 404, .. }
            | OciDistributionError::ImageManifestNotFoundError(_) => RegistryError::Missing { repository, why },
            OciDistributionError::RegistryError { .. }
                if said.contains("not found") || said.contains("name_unknown") =>
            {
                RegistryError::Missing { repository, why }
            }
            _ => RegistryError::Failed { repository, why },
        }
    }
}

/// Where an upload goes on; a registry may name its path alone.
fn location(begun: &reqwest::Response) -> Option<reqwest::Url> {
    let location = begun.headers().get(reqwest::header::LOCATION)?.to_str().ok()?;
    begun.url().join(location).ok()
}

/// An error with its causes: reqwest's own message leaves out why.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

impl Explain for RegistryError {
    fn exit(&self) -> Exit {
        Exit::Lab
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::Name { .. } => "usage",
            Self::Denied { .. } => "registry-denied",
            Self::Missing { .. } => "repository-missing",
            Self::Failed { .. } => "registry-failed",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Name { .. } => "name it as HOST/PATH with --image-repository or in lab.toml".into(),
            Self::Denied { repository, .. } => match google_flags(repository) {
                Some(flags) => format!(
                    "have roles/artifactregistry.writer on `{repository}`: gcloud artifacts repositories add-iam-policy-binding \
                     {flags} --member=user:YOU --role=roles/artifactregistry.writer"
                ),
                None => format!("have the right to push to `{repository}`, or name another with --image-repository"),
            },
            Self::Missing { repository, .. } => match google_flags(repository) {
                Some(flags) => format!(
                    "gcloud artifacts repositories create {flags} --repository-format=docker, or name another with --image-repository"
                ),
                None => format!("make `{repository}`, or name another with --image-repository"),
            },
            Self::Failed { repository, .. } => {
                format!("see whether this machine reaches the registry of `{repository}`, and type it again")
            }
        }
    }
}

/// What lets nodes pull an image that a registry keeps from them.
pub fn reader_remedy(image: &str) -> String {
    // Without digest and tag; before a port there is no slash.
    let name = image.split('@').next().unwrap_or(image);
    let name = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name);
    let Some(flags) = google_flags(name) else {
        return "give the nodes the right to pull it, or name an image that anybody may (--worker-image, --redis-image)".into();
    };
    let project = flags.rsplit("--project=").next().unwrap_or_default();
    // Whom nodes work as, where nobody has said otherwise; its name has the project's number.
    let nodes = format!(
        "$(gcloud projects describe {project} --format='value(projectNumber)')-compute@developer.gserviceaccount.com"
    );
    format!(
        "give the nodes' service account, Compute Engine's default one, the right to read it: gcloud artifacts repositories \
         add-iam-policy-binding {flags} --role=roles/artifactregistry.reader --member=serviceAccount:{nodes}"
    )
}

/// What gcloud calls a repository of Artifact Registry; `None` for any other one.
fn google_flags(repository: &str) -> Option<String> {
    let repository = Repository::parse(repository).ok()?;
    let (location, project, name) = repository.in_artifact_registry()?;
    Some(format!("{name} --location={location} --project={project}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plain HTTP is for this machine alone, and a token for Google's registries and this machine.
    #[test]
    fn a_token_goes_to_google_alone() {
        let parse = |name| Repository::parse(name).unwrap();
        let seen = [
            ("us-central1-docker.pkg.dev/p/batch-aiml", false, true),
            ("gcr.io/p/batch-aiml", false, true),
            ("eu.gcr.io/p/x", false, true),
            ("127.0.0.1:5000/batch-aiml", true, true),
            ("localhost:5000/batch-aiml", true, true),
            ("localhost.example.com/batch-aiml", false, false),
            ("evilgcr.io/p/x", false, false),
            ("pkg.dev.example.com/p/x", false, false),
            ("ghcr.io/me/x", false, false),
        ];
        for (name, loopback, token) in seen {
            let repository = parse(name);
            assert_eq!((repository.is_loopback(), repository.may_see_token()), (loopback, token), "{name}");
            let anonymous = repository.auth(Some("secret")) == RegistryAuth::Anonymous;
            assert_eq!(anonymous, !token, "{name}");
        }
    }

    /// A repository of Artifact Registry is known by its host.
    #[test]
    fn artifact_registry_is_known() {
        let repository = Repository::parse("us-central1-docker.pkg.dev/my-project/batch-aiml/deeper").unwrap();
        assert_eq!(repository.in_artifact_registry(), Some(("us-central1", "my-project", "batch-aiml")));
        assert_eq!(Repository::parse("ghcr.io/me/x").unwrap().in_artifact_registry(), None);
        assert!(Repository::parse("nothing").is_err() && Repository::parse("host.example/UPPER").is_err());
    }

    /// Who may not push is told the one command that gives the right, where Google's is the registry.
    #[test]
    fn whoever_may_not_push_is_told_the_command() {
        let refused = |name: &str| Repository::parse(name).unwrap().refused(403, "403 Forbidden: denied");
        let error = refused("us-central1-docker.pkg.dev/my-project/batch-aiml");
        assert_eq!(error.cause_name(), "registry-denied");
        assert!(
            error.remedy().ends_with(
                "gcloud artifacts repositories add-iam-policy-binding batch-aiml --location=us-central1 --project=my-project \
                 --member=user:YOU --role=roles/artifactregistry.writer"
            ),
            "{}",
            error.remedy()
        );
        assert_eq!(refused("ghcr.io/me/x").cause_name(), "registry-denied");
    }

    /// Whose image the nodes may not read is told by its repository, with or without digest and tag.
    #[test]
    fn an_image_that_nodes_may_not_read_has_its_command() {
        let granted = "add-iam-policy-binding batch-aiml --location=us-central1 --project=my-project \
                       --role=roles/artifactregistry.reader --member=serviceAccount:$(gcloud projects describe my-project ";
        for end in ["", ":1", "@sha256:ab", ":1@sha256:ab"] {
            let remedy = reader_remedy(&format!("us-central1-docker.pkg.dev/my-project/batch-aiml/worker{end}"));
            assert!(remedy.contains(granted), "{end}: {remedy}");
        }
        for image in ["127.0.0.1:5000/x/worker:1", "ghcr.io/me/worker"] {
            assert!(!reader_remedy(image).contains("gcloud"), "{image}");
        }
    }

    /// A registry that is not there is told with the reason, within the time that it takes to see.
    #[test]
    fn a_registry_that_is_not_there_is_told() {
        let repository = Repository::parse("127.0.0.1:1/batch-aiml").unwrap();
        let error = repository.try_push(Some("secret")).unwrap_err();
        assert_eq!(error.cause_name(), "registry-failed");
        assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
        assert!(!error.to_string().contains("secret"));
    }
}
