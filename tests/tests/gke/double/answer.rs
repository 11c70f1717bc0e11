//! What the double says no with: Google's error body, and the refusals that Google is known for.

use serde_json::{Value, json};

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// The canonical name, e.g. `NOT_FOUND`.
    pub status: &'static str,
    pub message: String,
    pub details: Vec<Value>,
}

impl Refusal {
    pub fn new(code: u16, status: &'static str, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), details: Vec::new() }
    }

    pub fn invalid(message: String) -> Self {
        Self::new(400, "INVALID_ARGUMENT", message)
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(404, "NOT_FOUND", format!("Not found: {what}."))
    }

    pub fn exists(what: &str) -> Self {
        Self::new(409, "ALREADY_EXISTS", format!("Already exists: {what}."))
    }

    /// The caller may not do this.
    pub fn permission(permission: &str, resource: &str) -> Self {
        let message = format!("Permission '{permission}' denied on resource '{resource}' (or it may not exist).");
        let metadata = json!({ "permission": permission, "resource": resource });
        Self::new(403, "PERMISSION_DENIED", message).because("IAM_PERMISSION_DENIED", metadata)
    }

    /// The API is off in the project.
    pub fn api_off(service: &str, title: &str, project: &str) -> Self {
        let url = format!("https://console.developers.google.com/apis/api/{service}/overview?project={project}");
        let message = format!(
            "{title} has not been used in project {project} before or it is disabled. Enable it by visiting {url} then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry."
        );
        let metadata = json!({ "service": service, "consumer": format!("projects/{project}"), "activationUrl": url, "serviceTitle": title });
        Self::new(403, "PERMISSION_DENIED", message).because("SERVICE_DISABLED", metadata)
    }

    /// A quota of a region, as Filestore says it.
    pub fn quota(name: &str, limit: i64) -> Self {
        let message = format!("Quota limit '{name}' has been exceeded. Limit: {limit} in region us-central1.");
        let description = format!("Quota '{name}' exhausted. Limit {limit} in region us-central1");
        let mut refusal = Self::new(429, "RESOURCE_EXHAUSTED", message);
        refusal.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{ "subject": "project:415104041262", "description": description }],
        }));
        refusal
    }

    /// With the machine-readable reason that Google's newer errors have.
    pub fn because(mut self, reason: &str, metadata: Value) -> Self {
        self.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "googleapis.com",
            "metadata": metadata,
        }));
        self
    }

    /// The body.
    pub fn body(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message, "status": self.status });
        if !self.details.is_empty() {
            error["details"] = Value::Array(self.details.clone());
        }
        json!({ "error": error })
    }
}
