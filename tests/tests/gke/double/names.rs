//! What names, labels and networks may be, as the APIs document it.

use regex_lite::Regex;
use serde_json::Value;

use super::answer::Refusal;

/// A cluster's or a node pool's name.
pub fn check_cluster(name: &str) -> Result<(), Refusal> {
    check("cluster.name", name, "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$")
}

/// A Filestore instance's name.
pub fn check_instance(name: &str) -> Result<(), Refusal> {
    check("instance_id", name, "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
}

/// A share's name; the Basic tiers allow 16 characters.
pub fn check_share(name: &str) -> Result<(), Refusal> {
    check("instance.file_shares[0].name", name, "^[A-Za-z][A-Za-z0-9_]{0,15}$")
}

/// Labels: at most 64, keys and values of small letters, digits, `_` and `-`.
pub fn check_labels(labels: &Value) -> Result<(), Refusal> {
    let Some(labels) = labels.as_object() else { return Ok(()) };
    if labels.len() > 64 {
        return Err(Refusal::invalid(format!("Too many labels: {}", labels.len())));
    }
    for (key, value) in labels {
        check("label key", key, "^[a-z][-_a-z0-9]{0,62}$")?;
        check("label value", value.as_str().unwrap_or_default(), "^[-_a-z0-9]{0,63}$")?;
    }
    Ok(())
}

/// A network of the project; it may be named by itself or by its path.
pub fn check_network(network: &Value, there: &[&str]) -> Result<(), Refusal> {
    let name = network.as_str().unwrap_or("default");
    if name.rsplit('/').next().is_some_and(|name| there.contains(&name)) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("Network \"{name}\" does not exist.")))
}

fn check(what: &str, text: &str, pattern: &str) -> Result<(), Refusal> {
    if Regex::new(pattern).expect("a pattern").is_match(text) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("Invalid value for field \"{what}\": \"{text}\". Must match {pattern}.")))
}

/// The time, as Google writes it.
pub fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
