//! What the worker is told by its environment, and nothing else: it takes no arguments.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The variables, each with what it means and what holds without it; `--help` prints this table.
pub const VARIABLES: &[(&str, &str)] = &[
    (
        "REDIS_SERVICE_HOST",
        "host of the Redis that holds the queue, as the kubelet sets it for the Service `redis` [redis]",
    ),
    ("REDIS_SERVICE_PORT", "its port [6379]"),
    ("FILESTORE_PATH", "where the share is mounted [/mnt/fileserver]"),
    ("WORKER_SEED", "seed of the model [0]"),
    ("WORKER_LEASE_S", "seconds after which a claim without a heartbeat is anybody's again, 1 to 3600 [20]"),
    (
        "WORKER_REDIS_RETRY_S",
        "seconds for which an unreachable, loading or read-only Redis is retried, 0 to 86400 [30]",
    ),
];

/// The worker's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Host of the Redis that holds the queue.
    pub redis_host: String,
    /// Port of that Redis.
    pub redis_port: u16,
    /// Where the share is mounted.
    pub share: PathBuf,
    /// Seed of the model.
    pub seed: u64,
    /// How long a claim holds without a heartbeat.
    pub lease: Duration,
    /// How long a Redis that does not serve is retried.
    pub redis_retry: Duration,
}

/// A variable that makes no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("failed to read the environment: `{name}` is `{value}`, not {expected}\nset it to {expected}, or unset it")]
pub struct ConfigError {
    name: &'static str,
    value: String,
    expected: &'static str,
}

impl Config {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// The first variable that is set to something that makes no sense.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(std::env::var_os)
    }

    /// Reads the variables through a function. A variable that is empty counts as unset.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn from_variables(get: impl Fn(&'static str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let get = |name| get(name).filter(|value| !value.is_empty());
        let seconds = |name, from: u64, to: u64, default, expected| {
            let fits = move |seconds: &u64| (from..=to).contains(seconds);
            number(name, get(name), fits, default, expected).map(Duration::from_secs)
        };
        // Not REDIS_PORT: the kubelet sets that one to `tcp://…` for a Service named `redis`.
        let redis_port =
            number("REDIS_SERVICE_PORT", get("REDIS_SERVICE_PORT"), |port| *port > 0, 6379, "a port, 1 to 65535")?;
        Ok(Self {
            redis_host: text("REDIS_SERVICE_HOST", get("REDIS_SERVICE_HOST"), "redis")?,
            redis_port,
            share: get("FILESTORE_PATH").unwrap_or_else(|| "/mnt/fileserver".into()).into(),
            seed: number("WORKER_SEED", get("WORKER_SEED"), |_| true, 0, "a whole number, 0 to 18446744073709551615")?,
            lease: seconds("WORKER_LEASE_S", 1, 3600, 20, "whole seconds, 1 to 3600")?,
            redis_retry: seconds("WORKER_REDIS_RETRY_S", 0, 86400, 30, "whole seconds, 0 to 86400")?,
        })
    }
}

fn text(name: &'static str, value: Option<OsString>, default: &str) -> Result<String, ConfigError> {
    match value.map(OsString::into_string) {
        None => Ok(default.into()),
        Some(Ok(value)) => Ok(value),
        Some(Err(value)) => Err(ConfigError { name, value: value.to_string_lossy().into(), expected: "valid UTF-8" }),
    }
}

fn number<T: std::str::FromStr>(
    name: &'static str,
    value: Option<OsString>,
    fits: impl Fn(&T) -> bool,
    default: T,
    expected: &'static str,
) -> Result<T, ConfigError> {
    let Some(value) = value else { return Ok(default) };
    let value = value.to_string_lossy();
    value.parse().ok().filter(fits).ok_or_else(|| ConfigError { name, value: value.into(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_variables(|name| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn an_empty_environment_means_the_tutorial() {
        let expected = Config {
            redis_host: "redis".into(),
            redis_port: 6379,
            share: "/mnt/fileserver".into(),
            seed: 0,
            lease: Duration::from_secs(20),
            redis_retry: Duration::from_secs(30),
        };
        assert_eq!(read(&[]), Ok(expected.clone()));
        assert_eq!(read(&[("REDIS_SERVICE_HOST", ""), ("WORKER_LEASE_S", "")]), Ok(expected.clone()));
        assert_eq!(read(&[("REDIS_PORT", "tcp://10.0.0.7:6379")]), Ok(expected), "the kubelet's REDIS_PORT is no port");
    }

    #[test]
    fn each_variable_is_heard() {
        let all = [
            ("REDIS_SERVICE_HOST", "10.0.0.7"),
            ("REDIS_SERVICE_PORT", "7000"),
            ("FILESTORE_PATH", "/share"),
            ("WORKER_SEED", "7"),
            ("WORKER_LEASE_S", "1"),
            ("WORKER_REDIS_RETRY_S", "0"),
        ];
        let documented: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
        assert_eq!(all.map(|(name, _)| name).as_slice(), documented, "every variable is documented, and no other");
        let config = read(&all).unwrap();
        assert_eq!((config.redis_host.as_str(), config.redis_port), ("10.0.0.7", 7000));
        assert_eq!((config.share, config.seed), ("/share".into(), 7));
        assert_eq!((config.lease, config.redis_retry), (Duration::from_secs(1), Duration::ZERO));
    }

    #[test]
    fn a_value_that_makes_no_sense_is_named() {
        for (name, value) in [
            ("REDIS_SERVICE_PORT", "tcp://10.0.0.7:6379"),
            ("REDIS_SERVICE_PORT", "0"),
            ("WORKER_SEED", "-1"),
            ("WORKER_LEASE_S", "0"),
            ("WORKER_LEASE_S", "3601"),
            ("WORKER_REDIS_RETRY_S", "long"),
        ] {
            let message = read(&[(name, value)]).unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("failed to read the environment: `{name}` is `{value}`, not ")),
                "{message}"
            );
        }
    }
}
