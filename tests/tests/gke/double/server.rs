//! The HTTP side: finds the method in the reference, has it answered, holds the answer to the reference, keeps the log.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use serde_json::Value;

use super::answer::Refusal;
use super::cloud::{APIS, Behind, Call, Cloud};
use super::fault::{self, What};
use super::reference::{self, Found};
use super::{PROJECT, Shared, container, file, project, registry};

/// A call that the reference knows.
pub struct Ask<'a> {
    /// The method's name.
    pub method: &'a str,
    /// What stands in the path's places.
    pub places: Vec<String>,
    pub query: Vec<(String, String)>,
    pub body: Value,
    /// What the script does to the operation that it starts.
    pub faults: Vec<What>,
    pub behind: &'a dyn Behind,
}

impl Ask<'_> {
    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Every request comes here.
pub async fn serve(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if uri.path().starts_with("/v2/") {
        return registry::serve(&shared.registry, &method, &uri, &headers, &body);
    }
    let (answer, lose) = answer(&shared, &method, &uri, &headers, &body);
    let (code, text) = match answer {
        Ok(body) => (200, body.to_string()),
        Err(refusal) => (refusal.code, refusal.body().to_string()),
    };
    // A connection that breaks in the middle: the caller cannot know what became of what it asked for.
    let body = if lose { broken(&text) } else { Body::from(text) };
    let builder = Response::builder().status(StatusCode::from_u16(code).expect("a status"));
    builder.header(header::CONTENT_TYPE, "application/json; charset=UTF-8").body(body).expect("a response")
}

fn broken(text: &str) -> Body {
    let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
    let end = std::io::Error::other("the double breaks the connection");
    Body::from_stream(futures_util::stream::iter([Ok(half), Err(end)]))
}

/// The answer, and whether it is to be lost on its way.
fn answer(
    shared: &Shared,
    http: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> (Result<Value, Refusal>, bool) {
    let mut cloud = shared.cloud.lock().expect("no test has panicked in here");
    cloud.settle();
    let path = uri.path();
    if let Some(charged) = headers.get("X-Goog-User-Project").filter(|project| *project != PROJECT) {
        cloud.surprises.push(format!("{http} {path}: {charged:?} is charged"));
    }
    let Some((found, places)) = find(http, path) else {
        cloud.surprises.push(format!("{http} {path}: the reference has no such method"));
        cloud.calls.push(Call { method: format!("{http} {path}"), body: Value::Null, answered: 404 });
        return (Err(Refusal::new(404, "NOT_FOUND", "Method not found.")), false);
    };
    let met = fault::meet(&mut cloud.script, found.id);
    let lose = met.iter().any(|what| matches!(what, What::LoseAnswer));
    let query = query(uri.query().unwrap_or_default());
    let parsed = found.check_body(body);
    let call = Call { method: found.id.into(), body: parsed.clone().unwrap_or_default(), answered: 0 };
    let answer = parsed.and_then(|body| {
        found.check_query(&query)?;
        check_token(headers)?;
        refused(&cloud, &found, &places, &met)?;
        let behind = &*shared.behind;
        let ask = Ask { method: found.id, places, query, body, faults: met, behind };
        let answered = match found.api.package() {
            "container" => container::answer(&mut cloud, &ask),
            "file" => file::answer(&mut cloud, &ask),
            _ => project::answer(&mut cloud, &ask),
        }?;
        if let Err(wrong) = found.check_answer(&answered) {
            cloud.surprises.push(format!("{}: the double answers what Google would not: {wrong}", found.id));
        }
        Ok(answered)
    });
    if let Err(Refusal { code: 501, message, .. }) = &answer {
        cloud.surprises.push(message.clone());
    }
    let answered = if lose { 0 } else { answer.as_ref().map_or_else(|refusal| refusal.code, |_| 200) };
    cloud.calls.push(Call { answered, ..call });
    (answer, lose)
}

/// The method of `/PACKAGE/VERSION/PATH`.
fn find(http: &Method, path: &str) -> Option<(Found, Vec<String>)> {
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let (package, version, rest) = (parts.next()?, parts.next()?, parts.next()?);
    reference::find(package, http.as_str(), rest).filter(|(found, _)| found.api.version() == version)
}

/// What the script refuses, and what an API that is off refuses.
fn refused(cloud: &Cloud, found: &Found, places: &[String], met: &[What]) -> Result<(), Refusal> {
    let refusal =
        met.iter().find_map(|what| if let What::Refuse(refusal) = what { Some(refusal.clone()) } else { None });
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let service = format!("{}.googleapis.com", found.api.package());
    let Some((service, title)) = APIS.iter().find(|(name, _)| *name == service) else { return Ok(()) };
    let project = places.iter().find_map(|place| cloud.project(place).ok());
    match project {
        Some(project) if !project.apis.contains(*service) => Err(Refusal::api_off(service, title, &project.number)),
        _ => Ok(()),
    }
}

/// Google answers nobody whom it does not know.
fn check_token(headers: &HeaderMap) -> Result<(), Refusal> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if token.is_some_and(|token| token.strip_prefix("Bearer ").is_some_and(|token| !token.is_empty())) {
        return Ok(());
    }
    let message = "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.";
    Err(Refusal::new(401, "UNAUTHENTICATED", message))
}

/// The parameters of a query, decoded.
fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A query is read as it was meant.
#[test]
fn a_query_is_decoded() {
    let pairs = query("filter=state%3AENABLED&pageSize=50&alt=json&x=a+b");
    let shown: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(shown, ["filter=state:ENABLED", "pageSize=50", "alt=json", "x=a b"]);
}
