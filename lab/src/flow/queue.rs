//! Fill the queue: the training days' paths, pushed on the right in the order of their names.

use std::collections::BTreeMap;

use redis::{Connection, FromRedisValue, Pipeline, RedisResult, ToRedisArgs};

use super::error::FlowError;
use super::{Context, Phase, Step};
use crate::console::plural;
use crate::failure::Result;
use crate::record::{QueueState, When};

pub(super) const STEP: Step = Step {
    name: "queue",
    verb: "Queue",
    phase: Phase::Run,
    tutorial: "kubectl exec redis-leader -- sh -c '…; redis-cli -h localhost RPUSH datasets datasets/training/2018-04-01.pkl …'",
    run,
};

/// What waits.
pub(super) const WAITING: &str = "datasets";
/// What is claimed.
pub(super) const PROCESSING: &str = "datasets:processing";
/// What was set aside, with the reasons.
const FAILED: &str = "datasets:failed";
/// Before the digest of an item: its lease.
pub(super) const LEASE: &str = "datasets:leased_by_session:";
/// What cannot be done where Redis does not answer as it should.
const LOOK: &str = "look at the queue";

fn run(context: &mut Context<'_>) -> Result<String> {
    let (site, run) = context.site_and_run()?;
    site.fill_queue(WAITING, &run.items)?;
    let mut connection = site.redis()?;
    let state = snapshot(&mut connection, &site.redis_address())?;
    run.record.set_queue(When::Before, &state)?;
    Ok(format!("`{WAITING}` holds {}", plural(state.waiting.len(), "item")))
}

/// All that Redis holds.
///
/// # Errors
/// When Redis does not answer, or a key is not of its kind.
pub(super) fn snapshot(connection: &mut Connection, address: &str) -> Result<QueueState> {
    Ok(look(connection).map_err(|source| FlowError::of_queue(LOOK, address, source))?)
}

fn look(connection: &mut Connection) -> RedisResult<QueueState> {
    type Lists = (Vec<Text>, Vec<Text>, BTreeMap<Text, Text>, Vec<Text>);
    // A server that refuses everything refuses this; of a transaction that it refuses, the crate can make no error.
    redis::cmd("PING").exec(connection)?;
    let lists: Lists = redis::pipe()
        .atomic()
        .cmd("LRANGE")
        .arg(&[WAITING, "0", "-1"])
        .cmd("LRANGE")
        .arg(&[PROCESSING, "0", "-1"])
        .cmd("HGETALL")
        .arg(FAILED)
        .cmd("KEYS")
        .arg("*")
        .query(connection)?;
    let (waiting, processing, failed, keys) = lists;
    let mut leases = BTreeMap::new();
    for key in keys.iter().filter(|key| key.0.starts_with(LEASE)) {
        let mut pair = Pipeline::new();
        pair.cmd("GET").arg(&key.0).cmd("PTTL").arg(&key.0);
        // A lease may expire between the two looks.
        if let (Some(Text(session)), ttl_ms) = pair.query::<(Option<Text>, i64)>(connection)? {
            leases.insert(key.0.clone(), (session, ttl_ms));
        }
    }
    let mut keys = texts(keys);
    keys.sort();
    let failed = failed.into_iter().map(|(item, reason)| (item.0, reason.0)).collect();
    Ok(QueueState { waiting: texts(waiting), processing: texts(processing), failed, leases, keys })
}

fn texts(list: Vec<Text>) -> Vec<String> {
    list.into_iter().map(|text| text.0).collect()
}

/// What Redis holds as text; what is not UTF-8 shows as replacement characters.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text(pub String);

impl FromRedisValue for Text {
    fn from_redis_value(value: redis::Value) -> Result<Self, redis::ParsingError> {
        let bytes = Vec::<u8>::from_redis_value(value)?;
        Ok(Self(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// How much waits, what is claimed, and whether each claim has its lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Glance {
    pub waiting: usize,
    /// Item, and whether its lease is alive.
    pub processing: Vec<(String, bool)>,
}

/// A short look at the queue, often repeated.
///
/// # Errors
/// When Redis does not answer.
pub(super) fn glance(connection: &mut Connection, address: &str) -> Result<Glance> {
    let glance = |connection: &mut Connection| -> RedisResult<Glance> {
        let mut lists = redis::pipe();
        lists.cmd("LLEN").arg(WAITING).cmd("LRANGE").arg(&[PROCESSING, "0", "-1"]);
        let (waiting, items): (usize, Vec<Text>) = lists.query(connection)?;
        if items.is_empty() {
            return Ok(Glance { waiting, processing: Vec::new() });
        }
        let mut leases = redis::pipe();
        for item in &items {
            leases.cmd("EXISTS").arg(lease_key(&item.0));
        }
        let alive: Vec<bool> = leases.query(connection)?;
        Ok(Glance { waiting, processing: texts(items).into_iter().zip(alive).collect() })
    };
    Ok(glance(connection).map_err(|source| FlowError::of_queue(LOOK, address, source))?)
}

/// The key of an item's lease.
fn lease_key(item: &str) -> impl ToRedisArgs {
    use sha2::{Digest as _, Sha224};
    format!("{LEASE}{}", crate::job::program::hex(&Sha224::digest(item.as_bytes())))
}
