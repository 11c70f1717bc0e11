//! One connection to Redis, and patience: a server that is away, loading, read-only or busy is asked again for a
//! bounded time, with one line on standard error for each change of what is seen.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{Client, Connection, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, RedisError, RedisResult};
use redis::{ProtocolVersion, ServerErrorKind};

use super::QueueError;
use crate::note;

/// How long one answer may take; a blocking command gets its own time on top.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// The first pause between two attempts; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Where Redis is and how patient to be with it. Clones share what they know of an outage.
#[derive(Clone)]
pub struct Server {
    client: Client,
    address: String,
    retry: Duration,
    answer_limit: Duration,
    outage: Arc<Mutex<Option<Outage>>>,
}

/// What is wrong with Redis right now.
struct Outage {
    trouble: Trouble,
    since: Instant,
}

impl Server {
    /// A server at `host:port`, retried for `retry` whenever it does not serve. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address cannot be one.
    pub fn new(host: &str, port: u16, retry: Duration) -> Result<Self, QueueError> {
        let address = format!("{host}:{port}");
        let task = "prepare the connection";
        let refused = |source| QueueError::Refused { task, address: address.clone(), source };
        let info = ConnectionAddr::Tcp(host.into(), port).into_connection_info().map_err(refused)?;
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        // RESP2 without a library name needs no round trip to begin with.
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        let client = Client::open(info.set_tcp_settings(tcp).set_redis_settings(redis)).map_err(refused)?;
        Ok(Self { client, address, retry, answer_limit: ANSWER_LIMIT, outage: Arc::default() })
    }

    /// The same server for somebody in a hurry: one attempt, and `limit` for connecting and for each answer.
    pub fn without_patience(&self, limit: Duration) -> Self {
        Self { retry: Duration::ZERO, answer_limit: limit, outage: Arc::default(), ..self.clone() }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Says once that Redis does not serve, and again when the reason changes.
    fn is_down(&self, trouble: &Trouble) {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match &*outage {
            Some(known) if known.trouble == *trouble => return,
            // A server that is full ends each new connection, and whoever asks may see that before its reason.
            Some(Outage { trouble: Trouble::Full, .. }) if *trouble == Trouble::Lost => return,
            Some(known) => known.since,
            None => Instant::now(),
        };
        if !self.retry.is_zero() {
            note!("Redis at `{}` {trouble}; trying again for up to {} s", self.address, self.retry.as_secs());
        }
        *outage = Some(Outage { trouble: trouble.clone(), since });
    }

    /// Says once that Redis serves again.
    fn is_up(&self) {
        let outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(outage) = outage {
            note!("Redis at `{}` answers again after {:.1} s", self.address, outage.since.elapsed().as_secs_f64());
        }
    }
}

/// A connection that comes back.
pub struct Link {
    server: Server,
    connection: Option<Connection>,
    /// Whether a connection was ever lost with a request under way, which then may or may not have been carried out.
    pub is_in_doubt: bool,
}

impl Link {
    pub fn new(server: &Server) -> Self {
        Self { server: server.clone(), connection: None, is_in_doubt: false }
    }

    /// Asks until there is an answer, or an error that asking again cannot mend, or patience ends.
    /// `ask` must be such that doing it twice does no harm. `blocks_for` is how long Redis may take by order.
    pub fn call<T>(
        &mut self,
        task: &'static str,
        blocks_for: Duration,
        mut ask: impl FnMut(&mut Connection, bool) -> RedisResult<T>,
    ) -> Result<T, QueueError> {
        let mut first_failure = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.attempt(blocks_for, &mut ask) {
                Ok(answer) => {
                    self.server.is_up();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let address = || self.server.address.clone();
            let Some(trouble) = Trouble::of(&error) else {
                return Err(QueueError::Refused { task, address: address(), source: error });
            };
            self.server.is_down(&trouble);
            let waited = first_failure.get_or_insert_with(Instant::now).elapsed();
            if waited >= self.server.retry {
                let waited_s = waited.as_secs();
                return Err(QueueError::Unreachable { task, address: address(), waited_s, trouble, source: error });
            }
            std::thread::sleep(pause.min(self.server.retry - waited));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn attempt<T>(
        &mut self,
        blocks_for: Duration,
        ask: &mut impl FnMut(&mut Connection, bool) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let limit = self.server.answer_limit;
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let connection = self.server.client.get_connection_with_timeout(limit)?;
                connection.set_write_timeout(Some(limit))?;
                connection.set_read_timeout(Some(limit))?;
                none.insert(connection)
            }
        };
        if !blocks_for.is_zero() {
            connection.set_read_timeout(Some(blocks_for + limit))?;
        }
        let result = ask(connection, self.is_in_doubt);
        match &result {
            Ok(_) if !blocks_for.is_zero() => connection.set_read_timeout(Some(limit))?,
            Err(error) if !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => {
                // An answer that comes late would be taken for the answer to the next question.
                self.connection = None;
                self.is_in_doubt = true;
            }
            _ => {}
        }
        result
    }
}

/// Why Redis does not serve for the moment; each of these may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody listens at the port.
    Refuses,
    /// The name of the host is not known, not yet or no more.
    Unknown,
    /// The connection broke.
    Lost,
    /// No answer in time.
    Silent,
    /// It reads its data from disk.
    Loading,
    /// It is a replica.
    ReadOnly,
    /// Somebody's script keeps it busy.
    Busy,
    /// Somebody had it forget the scripts that were just loaded.
    Forgetful,
    /// It is a replica without its master, or one of a cluster that is down.
    Headless,
    /// Its disk or its memory is full, or its replicas are gone.
    CannotWrite,
    /// It serves as many clients as it may.
    Full,
    /// Some other trouble of the network.
    Network(String),
}

impl Trouble {
    /// What an error says of the server; `None` where asking again is no use.
    fn of(error: &RedisError) -> Option<Self> {
        if let ErrorKind::Server(kind) = error.kind() {
            match kind {
                ServerErrorKind::BusyLoading => return Some(Self::Loading),
                ServerErrorKind::ReadOnly => return Some(Self::ReadOnly),
                ServerErrorKind::NoScript => return Some(Self::Forgetful),
                ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown | ServerErrorKind::TryAgain => {
                    return Some(Self::Headless);
                }
                _ => {}
            }
        }
        // Redis before 7 wraps what a script ran into: the word is then somewhere inside.
        let says = |word: &str| error.code() == Some(word) || error.detail().is_some_and(|text| text.contains(word));
        match error.kind() {
            ErrorKind::Io => Some(Self::of_io(error)),
            ErrorKind::Parse => Some(Self::Lost),
            _ if says("LOADING") => Some(Self::Loading),
            _ if says("READONLY") => Some(Self::ReadOnly),
            _ if says("BUSY") => Some(Self::Busy),
            _ if ["MISCONF", "OOM", "NOREPLICAS"].into_iter().any(says) => Some(Self::CannotWrite),
            _ if says("max number of clients reached") => Some(Self::Full),
            _ => None,
        }
    }

    fn of_io(error: &RedisError) -> Self {
        let text = error.to_string();
        if error.is_timeout() {
            Self::Silent
        } else if error.is_connection_refusal() {
            Self::Refuses
        } else if error.is_connection_dropped() {
            Self::Lost
        } else if text.contains("lookup") {
            Self::Unknown
        } else {
            Self::Network(text)
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Refuses => "refuses connections",
            Self::Unknown => "has a name that nobody knows",
            Self::Lost => "broke the connection",
            Self::Silent => "does not answer",
            Self::Loading => "is loading its data",
            Self::ReadOnly => "is read-only",
            Self::Busy => "is busy with somebody's script",
            Self::Forgetful => "has forgotten the scripts of the queue",
            Self::Headless => "has lost its master, or its cluster is down",
            Self::CannotWrite => "takes no writes: its disk or its memory is full, or its replicas are gone",
            Self::Full => "has no connection left",
            Self::Network(text) => return write!(f, "cannot be reached ({text})"),
        })
    }
}
