//! A registry of images, as far as one pushes and pulls: the OCI distribution specification's `/v2/`, with the challenge
//! that Artifact Registry makes.
//!
//! Whoever pushes needs a token; nodes pull without one, as GKE's do by their service account.

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::body::Body;
use axum::http::response::Builder;
use axum::http::{HeaderMap, Method, Response, Uri, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What was pushed.
#[derive(Debug, Default)]
pub struct Registry {
    /// By digest.
    blobs: BTreeMap<String, Vec<u8>>,
    /// By `NAME@DIGEST` and `NAME:TAG`: media type and bytes.
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    /// Uploads that have begun, and were neither ended nor called off.
    pub uploads: BTreeMap<String, Vec<u8>>,
    /// Manifests that were put: `NAME@DIGEST`.
    pub pushed: Vec<String>,
    /// Every manifest that was asked for by GET: `NAME@DIGEST`.
    pub pulled: Vec<String>,
    /// Pushes are refused: by the token's permissions.
    pub forbids_push: bool,
}

/// What is given, or a refusal.
type Answer = Result<Response<Body>, Box<Response<Body>>>;

pub fn serve(
    registry: &Mutex<Registry>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Response<Body> {
    let mut registry = registry.lock().expect("no test has panicked in here");
    registry.answer(method, uri, headers, body).unwrap_or_else(|refused| *refused)
}

impl Registry {
    fn answer(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
        let path = uri.path().strip_prefix("/v2/").unwrap_or_default();
        if path == "token" {
            return token(headers);
        }
        let pulls = matches!(*method, Method::GET | Method::HEAD) && !path.is_empty();
        if !pulls {
            check_token(headers)?;
        }
        if path.is_empty() {
            return Ok(done(200).body(Body::from("{}")).expect("a response"));
        }
        if !pulls && self.forbids_push {
            let message =
                "Permission \"artifactregistry.repositories.uploadArtifacts\" denied on resource (or it may not exist)";
            return Err(error(403, "DENIED", message));
        }
        if let Some((name, reference)) = path.split_once("/manifests/") {
            return match *method {
                Method::PUT => self.put_manifest(name, reference, headers, body),
                _ => self.get_manifest(name, reference),
            };
        }
        if let Some((name, rest)) = path.split_once("/blobs/uploads/") {
            return self.upload(method, name, rest, uri.query().unwrap_or_default(), body);
        }
        let digest = path.split_once("/blobs/").map(|(_, digest)| digest).unwrap_or_default();
        let found = self.blobs.get(digest).ok_or_else(|| error(404, "BLOB_UNKNOWN", "blob unknown to registry"))?;
        Ok(with_bytes(done(200).header("Docker-Content-Digest", digest), "application/octet-stream", found))
    }

    /// `POST` begins, `PATCH` adds, `PUT` ends, `DELETE` calls off; `POST` or `PUT` with the digest may bring everything at once.
    fn upload(&mut self, method: &Method, name: &str, id: &str, query: &str, body: &[u8]) -> Answer {
        if *method == Method::DELETE {
            let unknown = || error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
            self.uploads.remove(id).ok_or_else(unknown)?;
            return Ok(done(204).body(Body::empty()).expect("a response"));
        }
        let id = if id.is_empty() { uuid::Uuid::new_v4().to_string() } else { id.to_owned() };
        let known = self.uploads.entry(id.clone()).or_default();
        known.extend_from_slice(body);
        let asked =
            query.split('&').find_map(|pair| pair.strip_prefix("digest=")).map(|digest| digest.replace("%3A", ":"));
        let Some(asked) = asked.filter(|_| *method != Method::PATCH) else {
            let end = known.len().saturating_sub(1);
            let answer = done(202).header("Location", format!("/v2/{name}/blobs/uploads/{id}"));
            return Ok(answer.header("Range", format!("0-{end}")).body(Body::empty()).expect("a response"));
        };
        let bytes = self.uploads.remove(&id).unwrap_or_default();
        if digest(&bytes) != asked {
            return Err(error(400, "DIGEST_INVALID", "provided digest did not match uploaded content"));
        }
        self.blobs.insert(asked.clone(), bytes);
        let answer = done(201).header("Location", format!("/v2/{name}/blobs/{asked}"));
        Ok(answer.header("Docker-Content-Digest", asked).body(Body::empty()).expect("a response"))
    }

    fn put_manifest(&mut self, name: &str, reference: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
        let manifest: Value =
            serde_json::from_slice(body).map_err(|_| error(400, "MANIFEST_INVALID", "manifest invalid"))?;
        let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
        for part in layers.iter().chain([&manifest["config"]]) {
            if !self.blobs.contains_key(part["digest"].as_str().unwrap_or_default()) {
                return Err(error(404, "MANIFEST_BLOB_UNKNOWN", &format!("blob unknown: {}", part["digest"])));
            }
        }
        let own = digest(body);
        if reference.starts_with("sha256:") && reference != own {
            return Err(error(400, "DIGEST_INVALID", "provided digest did not match uploaded content"));
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let stored = (kind.to_owned(), body.to_vec());
        self.manifests.insert(format!("{name}:{reference}"), stored.clone());
        self.manifests.insert(format!("{name}@{own}"), stored);
        self.pushed.push(format!("{name}@{own}"));
        let answer = done(201).header("Location", format!("/v2/{name}/manifests/{own}"));
        Ok(answer.header("Docker-Content-Digest", own).body(Body::empty()).expect("a response"))
    }

    fn get_manifest(&mut self, name: &str, reference: &str) -> Answer {
        let between = if reference.starts_with("sha256:") { '@' } else { ':' };
        let found = self.manifests.get(&format!("{name}{between}{reference}"));
        let (kind, bytes) = found.ok_or_else(|| error(404, "MANIFEST_UNKNOWN", "manifest unknown"))?;
        let own = digest(bytes);
        self.pulled.push(format!("{name}@{own}"));
        Ok(with_bytes(done(200).header("Docker-Content-Digest", &own), kind, bytes))
    }
}

/// The token for a push: whoever shows Google's access token gets one.
fn token(headers: &HeaderMap) -> Answer {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !shown.starts_with("Basic ") && !shown.starts_with("Bearer ") {
        return Err(error(401, "UNAUTHORIZED", "authentication failed"));
    }
    let body = json!({ "token": "registry-token", "expires_in": 300 }).to_string();
    Ok(done(200).header(header::CONTENT_TYPE, "application/json").body(Body::from(body)).expect("a response"))
}

fn check_token(headers: &HeaderMap) -> Result<(), Box<Response<Body>>> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Ok(());
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let challenge = format!("Bearer realm=\"http://{host}/v2/token\",service=\"{host}\"");
    let mut refused = error(401, "UNAUTHORIZED", "authentication required");
    refused.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.parse().expect("a header"));
    Err(refused)
}

fn done(code: u16) -> Builder {
    Response::builder().status(code).header("Docker-Distribution-API-Version", "registry/2.0")
}

fn with_bytes(answer: Builder, kind: &str, bytes: &[u8]) -> Response<Body> {
    answer.header(header::CONTENT_TYPE, kind).body(Body::from(bytes.to_vec())).expect("a response")
}

fn error(code: u16, name: &str, message: &str) -> Box<Response<Body>> {
    let body = json!({ "errors": [{ "code": name, "message": message }] }).to_string();
    let answer = done(code).header(header::CONTENT_TYPE, "application/json");
    Box::new(answer.body(Body::from(body)).expect("a response"))
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
