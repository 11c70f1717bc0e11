//! What Google's APIs know: methods and messages as the clients inside gcloud 528 have them (`reference/export.py`), and
//! the check of a request or an answer against them.
//!
//! A request with a path, a parameter or a field that the reference does not have is answered as Google answers it, so
//! that a wrong flag of ours turns red. What the double itself answers is held to the same reference.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::answer::Refusal;

/// What every method takes beside its own parameters.
const STANDARD_PARAMETERS: &[&str] = &["alt", "prettyPrint", "fields", "key", "quotaUser", "$.xgafv", "uploadType"];

const FILES: &[&str] = &[
    include_str!("reference/artifactregistry.json"),
    include_str!("reference/cloudbilling.json"),
    include_str!("reference/cloudquotas.json"),
    include_str!("reference/cloudresourcemanager.json"),
    include_str!("reference/compute.json"),
    include_str!("reference/container.json"),
    include_str!("reference/file.json"),
    include_str!("reference/serviceusage.json"),
];

/// One API.
#[derive(Debug, Deserialize)]
pub struct Api {
    /// e.g. `container/v1`.
    pub api: String,
    methods: BTreeMap<String, Method>,
    messages: BTreeMap<String, BTreeMap<String, String>>,
}

/// One method of its.
#[derive(Debug, Deserialize)]
pub struct Method {
    http: String,
    path: String,
    query: BTreeMap<String, String>,
    /// The message of the body; empty if there is none.
    request: String,
    response: String,
}

/// A method that a request has found.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    pub api: &'static Api,
    /// e.g. `container.projects.locations.clusters.create`.
    pub id: &'static str,
    method: &'static Method,
}

/// Every API that the double plays.
pub fn apis() -> &'static [Api] {
    static APIS: OnceLock<Vec<Api>> = OnceLock::new();
    APIS.get_or_init(|| FILES.iter().map(|text| serde_json::from_str(text).expect("a reference")).collect())
}

/// Every method's name, with its API before it.
pub fn methods() -> &'static BTreeMap<String, Found> {
    static METHODS: OnceLock<BTreeMap<String, Found>> = OnceLock::new();
    METHODS.get_or_init(|| {
        let of = |api: &'static Api| {
            let name = |method: &str| &*Box::leak(format!("{}.{method}", api.package()).into_boxed_str());
            api.methods.iter().map(move |(method, found)| {
                let id = name(method);
                (id.to_owned(), Found { api, id, method: found })
            })
        };
        apis().iter().flat_map(of).collect()
    })
}

/// The method of this path below the API's version, and what stands in its path's places.
pub fn find(package: &str, http: &str, path: &str) -> Option<(Found, Vec<String>)> {
    methods().values().find_map(|found| {
        let places = fit(&found.method.path, path)?;
        (found.api.package() == package && found.method.http == http).then_some((*found, places))
    })
}

impl Api {
    /// e.g. `container`.
    pub fn package(&self) -> &str {
        self.api.split('/').next().unwrap_or_default()
    }

    /// e.g. `v1`.
    pub fn version(&self) -> &str {
        self.api.split('/').nth(1).unwrap_or_default()
    }
}

impl Found {
    /// Refuses a parameter that the method does not have.
    pub fn check_query(&self, query: &[(String, String)]) -> Result<(), Refusal> {
        for (name, value) in query {
            if STANDARD_PARAMETERS.contains(&name.as_str()) {
                continue;
            }
            let Some(kind) = self.method.query.get(name) else {
                return Err(Refusal::invalid(format!(
                    "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' \
                     could not be found in request message."
                )));
            };
            if kind == "int32" && value.parse::<i32>().is_err() {
                return Err(Refusal::invalid(format!("Invalid value at '{name}' (TYPE_INT32), \"{value}\"")));
            }
        }
        Ok(())
    }

    /// The body, if it is what the method takes.
    pub fn check_body(&self, bytes: &[u8]) -> Result<Value, Refusal> {
        if self.method.request.is_empty() {
            return match bytes {
                [] | b"{}" => Ok(Value::Null),
                _ => Err(Refusal::invalid("Invalid JSON payload received. The method takes no body.".into())),
            };
        }
        let body = if bytes.is_empty() { b"{}" } else { bytes };
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Refusal::invalid(format!("Invalid JSON payload received. {error}")))?;
        self.api.check(&self.method.request, &body, "").map_err(Refusal::invalid)?;
        Ok(body)
    }

    /// What the double is about to answer is a message of the reference.
    pub fn check_answer(&self, answer: &Value) -> Result<(), String> {
        self.api.check(&self.method.response, answer, "")
    }
}

impl Api {
    /// Says what is wrong with a message, as Google says it.
    fn check(&self, message: &str, value: &Value, at: &str) -> Result<(), String> {
        let Some(object) = value.as_object() else { return Err(wrong(at, message, value)) };
        let fields = &self.messages[message];
        for (name, value) in object {
            let Some(kind) = fields.get(name) else {
                let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
                return Err(format!(
                    "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
                ));
            };
            let below = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            self.check_kind(kind, value, &below)?;
        }
        Ok(())
    }

    fn check_kind(&self, kind: &str, value: &Value, at: &str) -> Result<(), String> {
        let inner = |open, close| kind.strip_prefix(open).and_then(|kind| kind.strip_suffix(close));
        if let Some(kind) = inner('[', ']') {
            let list = value.as_array().ok_or_else(|| wrong(at, kind, value))?;
            return list
                .iter()
                .enumerate()
                .try_for_each(|(n, value)| self.check_kind(kind, value, &format!("{at}[{n}]")));
        }
        if let Some(kind) = inner('{', '}') {
            let map = value.as_object().ok_or_else(|| wrong(at, kind, value))?;
            return map.iter().try_for_each(|(key, value)| self.check_kind(kind, value, &format!("{at}.{key}")));
        }
        if let Some(values) = inner('(', ')') {
            let is_one = value.as_str().is_some_and(|value| values.split('|').any(|known| known == value));
            return if is_one { Ok(()) } else { Err(wrong(at, "TYPE_ENUM", value)) };
        }
        let fits = match kind {
            "string" | "bytes" => value.is_string(),
            "bool" => value.is_boolean(),
            "int32" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "int64" => value.is_i64() || value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()),
            "double" => value.is_number(),
            "any" => true,
            message => return self.check(message, value, at),
        };
        if fits { Ok(()) } else { Err(wrong(at, &format!("TYPE_{}", kind.to_uppercase()), value)) }
    }
}

fn wrong(at: &str, kind: &str, value: &Value) -> String {
    format!("Invalid value at '{at}' ({kind}), {value}")
}

/// What stands in the places of a path of the reference, e.g. `projects/{projectsId}` and `projects/p`.
fn fit(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    if pattern.len() != path.len() {
        return None;
    }
    let mut places = Vec::new();
    for (pattern, segment) in pattern.into_iter().zip(path) {
        let (name, verb) = pattern.split_once(':').map_or((pattern, ""), |(name, verb)| (name, verb));
        let (value, asked) = segment.split_once(':').map_or((segment, ""), |(value, verb)| (value, verb));
        if name.starts_with('{') && verb == asked && !value.is_empty() {
            places.push(value.to_owned());
        } else if pattern != segment {
            return None;
        }
    }
    Some(places)
}

/// The reference finds what there is and nothing else.
#[test]
fn a_path_finds_its_method() {
    let found = |http, path| find("file", http, path).map(|(found, places)| (found.id, places));
    let create = "projects/p/locations/us-central1-b/instances";
    let places = |list: &[&str]| list.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        found("POST", create),
        Some(("file.projects.locations.instances.create", places(&["p", "us-central1-b"])))
    );
    assert_eq!(found("PUT", create), None);
    assert_eq!(found("GET", "projects/p/locations/z/instanzes"), None);
    let enable = find("serviceusage", "POST", "projects/p/services/file.googleapis.com:enable");
    assert_eq!(enable.map(|(found, _)| found.id), Some("serviceusage.services.enable"));
}

/// A field, a value or a parameter that the reference does not have is refused in Google's words.
#[test]
fn what_the_reference_does_not_know_is_refused() {
    let create = methods()["container.projects.locations.clusters.create"];
    let refused = |body: &str| create.check_body(body.as_bytes()).unwrap_err().message;
    let unknown = r#"{"cluster": {"autopilott": {}}}"#;
    let words = "Invalid JSON payload received. Unknown name \"autopilott\" at 'cluster': Cannot find field.";
    assert_eq!(refused(unknown), words);
    let channel = r#"{"cluster": {"releaseChannel": {"channel": "WEEKLY"}}}"#;
    assert_eq!(refused(channel), "Invalid value at 'cluster.releaseChannel.channel' (TYPE_ENUM), \"WEEKLY\"");
    assert!(
        create.check_body(br#"{"cluster": {"resourceLabels": {"lab": "x"}, "autopilot": {"enabled": true}}}"#).is_ok()
    );
    assert!(create.check_query(&[("clusterID".into(), "x".into())]).is_err());
}
