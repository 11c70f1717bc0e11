//! The queue on Redis: the tutorial's two lists and its lease keys, and beside them what makes a claim survive.
//!
//! | key | what it holds |
//! |---|---|
//! | `datasets` | list: items that wait; taken from the right |
//! | `datasets:processing` | list: items that are claimed; put in from the left |
//! | `datasets:leased_by_session:<sha224 of the item>` | the session that holds the item; expires unless renewed |
//! | `datasets:claims` | hash: item → `place attempts session`, the place counted from the left |
//! | `datasets:lease_keys` | hash: item → its lease key, for Redis cannot compute a SHA-224; only a cache |
//! | `datasets:failed` | hash: item → why it was set aside, the dead letters |
//! | `datasets:report_lock` | the session that may replace the report; expires |
//!
//! The first three are the wire protocol of the original. Each change of them is one Lua script, so that there is no
//! instant in which an item is in nobody's hands, and each script may be run twice without harm.

use std::time::Duration;

use redis::{FromRedisValue, Script, Value};
use sha2::{Digest as _, Sha224};

use crate::note;

mod error;
mod link;

pub use error::QueueError;
pub use link::{Server, Trouble};

use link::Link;

const WAITING: &str = "datasets";
const PROCESSING: &str = "datasets:processing";
const LEASE: &str = "datasets:leased_by_session:";
const CLAIMS: &str = "datasets:claims";
const KNOWN: &str = "datasets:lease_keys";
const FAILED: &str = "datasets:failed";
const REPORT_LOCK: &str = "datasets:report_lock";

/// Notes on claims outlive every worker by a day at most.
const CLAIMS_TTL_S: u64 = 86_400;

/// So many items are looked at to know the queue by.
const MOST_ITEMS: isize = 1024;

/// An item in the hands of this session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The item as it stood in the queue: a share-relative path, if all is well.
    pub item: Vec<u8>,
    /// Where it stood, counted from the left.
    pub place: u64,
    /// Which claim of this item this is, counting those that neither ended nor were released.
    pub attempts: u64,
}

/// What came of looking for work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// This item is ours now.
    Item(Claim),
    /// Nothing waits, and this many items are in somebody's hands.
    Nothing {
        /// Items in processing.
        processing: u64,
    },
}

/// How a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// Held, and renewed.
    Held,
    /// The lease had expired, nobody had taken the item, and it is held again.
    Retaken,
    /// Somebody else has the item now, or had it.
    Lost,
    /// The claim is held, but the lock on the report is not.
    Unlocked,
}

/// An item in processing, as the reaper saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The item.
    pub item: Vec<u8>,
    /// How it stands.
    pub state: Standing,
}

/// How an item in processing stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A session holds it, on the server's clock until this instant.
    Leased {
        /// Who.
        holder: Vec<u8>,
        /// When the lease ends, in ms of the server's clock.
        ends_ms: u64,
        /// How long that is from now.
        left: Duration,
    },
    /// Its lease had expired; it waits again.
    PutBack,
    /// It has no lease, and may be just about to get one from a worker that claims in two steps.
    Young,
}

/// A session's view of the queue. One connection, made when first needed.
pub struct Queue {
    link: Link,
    session: String,
    lease: Duration,
    scripts: Scripts,
    /// Items whose lease keys the next claim tells the queue.
    to_know: Vec<Vec<u8>>,
}

/// A claim as redis-benchmark can make it, to be measured beside a session's own: script, keys, arguments. It asks that
/// the lease keys of all items that wait are known, as [`known_lease_keys`] has them.
pub fn bare_claim(session: &str, lease: Duration) -> (&'static str, [&'static str; 4], [String; 4]) {
    let arguments = [session.into(), ms(lease).to_string(), CLAIMS_TTL_S.to_string(), String::new()];
    (include_str!("queue/claim.lua"), [WAITING, PROCESSING, CLAIMS, KNOWN], arguments)
}

/// The key of the hash of lease keys, and what must be in it for these items.
pub fn known_lease_keys(items: &[String]) -> (&'static str, Vec<(&str, String)>) {
    (KNOWN, items.iter().map(|item| (item.as_str(), lease_key(item.as_bytes()))).collect())
}

struct Scripts {
    claim: Script,
    complete: Script,
    release: Script,
    renew: Script,
    reap: Script,
    lock: Script,
    sizes: Script,
    knows: Script,
}

impl Scripts {
    fn new() -> Self {
        let common = include_str!("queue/common.lua");
        let with_common = |script: &str| Script::new(&format!("{common}{script}"));
        Self {
            claim: Script::new(include_str!("queue/claim.lua")),
            complete: with_common(include_str!("queue/complete.lua")),
            release: with_common(include_str!("queue/release.lua")),
            renew: with_common(include_str!("queue/renew.lua")),
            reap: with_common(include_str!("queue/reap.lua")),
            lock: Script::new(include_str!("queue/lock.lua")),
            sizes: with_common(include_str!("queue/sizes.lua")),
            knows: with_common(include_str!("queue/knows.lua")),
        }
    }
}

impl Queue {
    /// The queue on a server, for one session. Nothing is sent yet.
    pub fn new(server: &Server, session: &str, lease: Duration) -> Self {
        Self { link: Link::new(server), session: session.into(), lease, scripts: Scripts::new(), to_know: Vec::new() }
    }

    /// Whether nothing waits and nothing is in anybody's hands. Then what was left of claims is gone, too.
    ///
    /// # Errors
    /// As for every call here: Redis stays away, or refuses.
    pub fn is_empty(&mut self) -> Result<bool, QueueError> {
        let script = &self.scripts.sizes;
        let (waiting, processing): (u64, u64) =
            self.link.call("look at the queue", Duration::ZERO, |connection, _| {
                common_keys(&mut script.prepare_invoke()).invoke(connection)
            })?;
        Ok(waiting == 0 && processing == 0)
    }

    /// What waits and what is in anybody's hands, of each at most the [`MOST_ITEMS`] that come first.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn items(&mut self) -> Result<Vec<Vec<u8>>, QueueError> {
        self.link.call("look at the queue", Duration::ZERO, |connection, _| {
            // In this order, so that one that is claimed between the two is seen.
            let lists = [WAITING, PROCESSING]
                .map(|list| redis::cmd("LRANGE").arg(list).arg(-MOST_ITEMS).arg(-1).query::<Vec<Vec<u8>>>(connection));
            let [waiting, processing] = lists;
            Ok([waiting?, processing?].concat())
        })
    }

    /// Whether an item waits, is in anybody's hands, or was set aside.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn knows(&mut self, item: &[u8]) -> Result<bool, QueueError> {
        let script = &self.scripts.knows;
        self.link.call("look for a dataset", Duration::ZERO, |connection, _| {
            common_keys(&mut script.prepare_invoke()).key(FAILED).arg(item).invoke(connection)
        })
    }

    /// Claims the item at the right end, lease and all, in one step. One round trip, but for the first time that a
    /// queue is seen.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn claim(&mut self) -> Result<Claimed, QueueError> {
        loop {
            match self.ask_for_claim()? {
                ClaimReply::Claimed(claim, to_know) => {
                    self.to_know = to_know;
                    return Ok(Claimed::Item(claim));
                }
                ClaimReply::Nothing { processing } => return Ok(Claimed::Nothing { processing }),
                ClaimReply::Unknown(items) => self.to_know = items,
                ClaimReply::Held(claim) => {
                    if self.renew(&claim)? != Tenure::Lost {
                        note!("`{}` was claimed as the connection broke; going on with it", show(&claim.item));
                        return Ok(Claimed::Item(claim));
                    }
                    // What the broken connection carried is known now: it was claimed, and somebody else has it.
                    self.link.is_in_doubt = false;
                }
                ClaimReply::Duplicate(item) => {
                    note!("`{}` waited a second time while it is worked on; dropped the copy", show(&item));
                }
            }
        }
    }

    fn ask_for_claim(&mut self) -> Result<ClaimReply, QueueError> {
        let known: Vec<(String, Vec<u8>)> = self.to_know.drain(..).map(|item| (lease_key(&item), item)).collect();
        let (script, session, lease_ms) = (&self.scripts.claim, &self.session, ms(self.lease));
        self.link.call("claim a dataset", Duration::ZERO, |connection, is_in_doubt| {
            let mut call = script.key(WAITING);
            call.key(PROCESSING).key(CLAIMS).key(KNOWN).arg(session).arg(lease_ms).arg(CLAIMS_TTL_S);
            call.arg(if is_in_doubt { "again" } else { "" });
            for (key, item) in &known {
                call.arg(item).arg(key);
            }
            call.invoke(connection)
        })
    }

    /// Waits until there is something to claim, or the time is over. Claims nothing: it moves the last item onto its
    /// own place.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn wait(&mut self, limit: Duration) -> Result<bool, QueueError> {
        // Nought would mean for ever.
        let limit = limit.max(Duration::from_millis(5));
        let item: Option<Value> = self.link.call("wait for a dataset", limit, |connection, _| {
            let mut rotate = redis::cmd("BLMOVE");
            rotate.arg(WAITING).arg(WAITING).arg("RIGHT").arg("RIGHT").arg(limit.as_secs_f64()).query(connection)
        })?;
        Ok(item.is_some())
    }

    /// Ends a claim: the dataset is done. `false` where the claim is not this session's any more.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn complete(&mut self, claim: &Claim) -> Result<bool, QueueError> {
        self.end("complete a dataset", claim, None)
    }

    /// Ends a claim: the dataset cannot be worked on, for this reason. `false` where the claim is not this session's
    /// any more.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn set_aside(&mut self, claim: &Claim, reason: &str) -> Result<bool, QueueError> {
        self.end("set a dataset aside", claim, Some(reason))
    }

    fn end(&mut self, task: &'static str, claim: &Claim, reason: Option<&str>) -> Result<bool, QueueError> {
        let (script, session) = (&self.scripts.complete, &self.session);
        self.link.call(task, Duration::ZERO, |connection, _| {
            let mut call = script.prepare_invoke();
            common_keys(&mut call).key(lease_key(&claim.item)).key(FAILED);
            call.arg(session).arg(&claim.item).arg(reason).invoke(connection)
        })
    }

    /// Puts a claimed item back at its old place, and gives the lock on the report back if this session has it.
    /// `false` where the claim is not this session's any more.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn release(&mut self, claim: &Claim) -> Result<bool, QueueError> {
        self.put_back(claim, "")
    }

    /// The same, but this attempt counts.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn give_up(&mut self, claim: &Claim) -> Result<bool, QueueError> {
        self.put_back(claim, "counted")
    }

    fn put_back(&mut self, claim: &Claim, how: &str) -> Result<bool, QueueError> {
        let (script, session) = (&self.scripts.release, &self.session);
        self.link.call("release a claim", Duration::ZERO, |connection, _| {
            let mut call = script.prepare_invoke();
            common_keys(&mut call).key(lease_key(&claim.item)).key(REPORT_LOCK);
            call.arg(session).arg(&claim.item).arg(how).invoke(connection)
        })
    }

    /// Renews a claim, and takes it again where it expired and nobody else has taken it.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn renew(&mut self, claim: &Claim) -> Result<Tenure, QueueError> {
        self.verify(claim, None)
    }

    /// Renews a claim together with the lock on the report.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn renew_with_report_lock(&mut self, claim: &Claim) -> Result<Tenure, QueueError> {
        self.verify(claim, Some(REPORT_LOCK))
    }

    fn verify(&mut self, claim: &Claim, lock: Option<&str>) -> Result<Tenure, QueueError> {
        let (script, session, lease_ms) = (&self.scripts.renew, &self.session, ms(self.lease));
        self.link.call("renew a claim", Duration::ZERO, |connection, _| {
            let mut call = script.prepare_invoke();
            common_keys(&mut call).key(lease_key(&claim.item)).key(lock);
            call.arg(session).arg(&claim.item).arg(lease_ms).invoke(connection)
        })
    }

    /// Takes the lock on the report, if nobody else has it.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn lock_report(&mut self) -> Result<bool, QueueError> {
        self.ask_for_lock("lock the report", "take")
    }

    /// Renews the lock on the report. `false` where it expired in between, even if it is free again.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn keep_report_lock(&mut self) -> Result<bool, QueueError> {
        self.ask_for_lock("keep the report locked", "keep")
    }

    /// Gives the lock on the report back, if this session still has it.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn unlock_report(&mut self) -> Result<(), QueueError> {
        self.ask_for_lock("unlock the report", "release").map(|_| ())
    }

    fn ask_for_lock(&mut self, task: &'static str, wish: &str) -> Result<bool, QueueError> {
        let (script, session, lease_ms) = (&self.scripts.lock, &self.session, ms(self.lease));
        self.link.call(task, Duration::ZERO, |connection, _| {
            script.key(REPORT_LOCK).arg(session).arg(wish).arg(lease_ms).invoke(connection)
        })
    }

    /// The reaper: puts back what expired, left to right, and tells how everything else in processing stands.
    /// `is_orphan` says of an item without any lease that it has been so for long enough.
    ///
    /// # Errors
    /// As [`Queue::is_empty`].
    pub fn reap(&mut self, is_orphan: impl Fn(&[u8]) -> bool) -> Result<Vec<Sighting>, QueueError> {
        let task = "look for expired claims";
        let items: Vec<Vec<u8>> = self.link.call(task, Duration::ZERO, |connection, _| {
            redis::cmd("LRANGE").arg(PROCESSING).arg(0).arg(-1).query(connection)
        })?;
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let (script, lease_ms) = (&self.scripts.reap, ms(self.lease));
        self.link.call(task, Duration::ZERO, |connection, _| {
            let mut call = script.prepare_invoke();
            common_keys(&mut call).arg(lease_ms);
            for item in &items {
                call.arg(item).arg(lease_key(item)).arg(if is_orphan(item) { "orphan" } else { "" });
            }
            Ok(sightings(&items, call.invoke(connection)?)?)
        })
    }
}

fn common_keys<'a, 'b>(call: &'b mut redis::ScriptInvocation<'a>) -> &'b mut redis::ScriptInvocation<'a> {
    call.key(WAITING).key(PROCESSING).key(CLAIMS).key(KNOWN)
}

/// The lease key of an item: the original's, `<sha224 of the item in hex>` and all.
pub fn lease_key(item: &[u8]) -> String {
    let digest = Sha224::digest(item);
    let mut key = String::with_capacity(LEASE.len() + 2 * digest.len());
    key.push_str(LEASE);
    for byte in digest {
        for nibble in [byte >> 4, byte & 15] {
            key.extend(char::from_digit(nibble.into(), 16));
        }
    }
    key
}

/// An item for people: as text, with whatever would break a line or a terminal escaped.
pub fn show(item: &[u8]) -> String {
    let mut shown = String::new();
    for c in String::from_utf8_lossy(item).chars() {
        if c.is_control() { shown.extend(c.escape_debug()) } else { shown.push(c) }
    }
    shown
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

enum ClaimReply {
    /// With items whose lease keys the queue should know soon.
    Claimed(Claim, Vec<Vec<u8>>),
    Held(Claim),
    Unknown(Vec<Vec<u8>>),
    Duplicate(Vec<u8>),
    Nothing {
        processing: u64,
    },
}

impl FromRedisValue for ClaimReply {
    fn from_redis_value(value: Value) -> Result<Self, redis::ParsingError> {
        let mut parts = Vec::<Value>::from_redis_value(value)?.into_iter();
        let kind: String = next(&mut parts)?;
        Ok(match kind.as_str() {
            "claimed" | "held" => {
                let claim = Claim { item: next(&mut parts)?, place: next(&mut parts)?, attempts: next(&mut parts)? };
                if kind == "held" { Self::Held(claim) } else { Self::Claimed(claim, rest(parts)?) }
            }
            "unknown" => Self::Unknown(rest(parts)?),
            "duplicate" => Self::Duplicate(next(&mut parts)?),
            "none" => Self::Nothing { processing: next(&mut parts)? },
            _ => return Err(format!("the claim script answered `{kind}`").into()),
        })
    }
}

impl FromRedisValue for Tenure {
    fn from_redis_value(value: Value) -> Result<Self, redis::ParsingError> {
        Ok(match String::from_redis_value(value)?.as_str() {
            "held" => Self::Held,
            "retaken" => Self::Retaken,
            "lost" => Self::Lost,
            "unlocked" => Self::Unlocked,
            other => return Err(format!("the renew script answered `{other}`").into()),
        })
    }
}

fn next<T: FromRedisValue>(parts: &mut impl Iterator<Item = Value>) -> Result<T, redis::ParsingError> {
    T::from_redis_value(parts.next().ok_or("a script's answer is too short")?)
}

fn rest(parts: impl Iterator<Item = Value>) -> Result<Vec<Vec<u8>>, redis::ParsingError> {
    parts.map(Vec::from_redis_value).collect()
}

fn sightings(items: &[Vec<u8>], reply: Vec<Value>) -> Result<Vec<Sighting>, redis::ParsingError> {
    let mut reply = reply.into_iter();
    let now_ms: u64 = next(&mut reply)?;
    let mut sightings = Vec::with_capacity(items.len());
    for item in items {
        let mut parts = next::<Vec<Value>>(&mut reply)?.into_iter();
        let state = match next::<String>(&mut parts)?.as_str() {
            "alive" => {
                let left_ms: u64 = next(&mut parts)?;
                let left = Duration::from_millis(left_ms);
                Standing::Leased { holder: next(&mut parts)?, ends_ms: now_ms + left_ms, left }
            }
            "back" => Standing::PutBack,
            "young" => Standing::Young,
            _ => continue,
        };
        sightings.push(Sighting { item: item.clone(), state });
    }
    Ok(sightings)
}
