//! ONC RPC (RFC 5531) over TCP: one call on a connection of its own, bounded in time and size.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::xdr::{Decoder, Encoder};
use crate::wait::scaled;

/// How long one call may take, connection included, before `LAB_TIME_SCALE`.
const LIMIT: Duration = Duration::from_secs(2);
/// No reply that we ask for is longer.
const REPLY_BYTES_MAX: usize = 64 << 10;
/// The bit that marks the last fragment of a record.
const LAST_FRAGMENT: u32 = 1 << 31;

/// A procedure of a program of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Procedure {
    pub program: u32,
    pub version: u32,
    pub number: u32,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// There is no connection, or it broke, or nothing came in time.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server answers and refuses.
    #[error("{0}")]
    Refused(String),
    /// What came is no answer to the call.
    #[error("the answer is not one of RPC")]
    Garbled,
}

/// Calls a procedure and returns its results, still encoded.
pub(super) fn call(address: SocketAddr, procedure: Procedure, arguments: &[u8]) -> Result<Vec<u8>, RpcError> {
    let start = Instant::now();
    // Any number will do: there is one call on this connection.
    let transaction = std::process::id() ^ 0x4c41_4221;
    let limit = scaled(LIMIT);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_write_timeout(Some(limit))?;
    stream.write_all(&record(&message(transaction, procedure, arguments)))?;
    let reply = read_record(&mut Bounded { stream, start, limit })?;
    results(transaction, &reply)
}

/// A call message: its head, who asks, and the arguments.
fn message(transaction: u32, procedure: Procedure, arguments: &[u8]) -> Vec<u8> {
    const CALL: u32 = 0;
    const RPC_VERSION: u32 = 2;
    const AUTH_SYS: u32 = 1;
    const AUTH_NONE: u32 = 0;
    // As root, with no further groups: stamp, machine's name, user, group, number of groups.
    let root = Encoder::default().u32(0).opaque(b"lab").u32(0).u32(0).u32(0).0;
    let head = Encoder::default().u32(transaction).u32(CALL).u32(RPC_VERSION);
    let called = head.u32(procedure.program).u32(procedure.version).u32(procedure.number);
    let credential = called.u32(AUTH_SYS).opaque(&root);
    credential.u32(AUTH_NONE).opaque(b"").raw(arguments).0
}

/// A message as a record of one fragment.
fn record(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    Encoder::default().u32(LAST_FRAGMENT | length).raw(message).0
}

/// A record, whatever its fragments.
fn read_record(stream: &mut impl Read) -> Result<Vec<u8>, RpcError> {
    let mut reply = Vec::new();
    loop {
        let mut head = [0; 4];
        stream.read_exact(&mut head)?;
        let head = u32::from_be_bytes(head);
        let length = usize::try_from(head & !LAST_FRAGMENT).map_err(|_| RpcError::Garbled)?;
        if reply.len() + length > REPLY_BYTES_MAX {
            return Err(RpcError::Garbled);
        }
        let start = reply.len();
        reply.resize(start + length, 0);
        stream.read_exact(&mut reply[start..])?;
        if head & LAST_FRAGMENT != 0 {
            return Ok(reply);
        }
    }
}

/// The results in a reply, if it is one to this call and a good one.
fn results(transaction: u32, reply: &[u8]) -> Result<Vec<u8>, RpcError> {
    const REPLY: u32 = 1;
    let mut reply = Decoder(reply);
    let mut number = || reply.u32().ok_or(RpcError::Garbled);
    if (number()?, number()?) != (transaction, REPLY) {
        return Err(RpcError::Garbled);
    }
    if number()? != 0 {
        return Err(RpcError::Refused("it refuses the caller".into()));
    }
    let _verifier_flavour = number()?;
    reply.opaque().ok_or(RpcError::Garbled)?;
    let mut number = || reply.u32().ok_or(RpcError::Garbled);
    match number()? {
        0 => Ok(reply.0.to_vec()),
        1 => Err(RpcError::Refused("there is no such program".into())),
        2 => Err(RpcError::Refused(format!("it speaks versions {} to {} only", number()?, number()?))),
        other => Err(RpcError::Refused(format!("it does not take the call (accept_stat {other})"))),
    }
}

/// A stream that ends all reads together after `limit`: a server that sends a byte a second is none that answers.
struct Bounded {
    stream: TcpStream,
    start: Instant,
    limit: Duration,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", self.limit.as_secs()));
        let left = self.limit.checked_sub(self.start.elapsed()).filter(|left| !left.is_zero()).ok_or_else(late)?;
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => late(),
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const NULL: Procedure = Procedure { program: 100_003, version: 3, number: 0 };

    /// A reply: to whom, how it was taken, and the rest.
    fn reply(transaction: u32, accepted: u32, rest: &[u8]) -> Vec<u8> {
        let head = Encoder::default().u32(transaction).u32(1).u32(0).u32(0).opaque(b"");
        head.u32(accepted).raw(rest).0
    }

    /// A call is what RFC 5531 has, byte for byte.
    #[test]
    fn a_call_is_laid_out_by_the_standard() {
        let bytes = record(&message(0x0102_0304, NULL, b"args"));
        let words: Vec<_> = bytes.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
        let lab = u32::from_be_bytes(*b"lab\0");
        let arguments = u32::from_be_bytes(*b"args");
        let expected = [0x8000_0044, 0x0102_0304, 0, 2, 100_003, 3, 0, 1, 24, 0, 3, lab, 0, 0, 0, 0, 0, arguments];
        assert_eq!(words, expected);
    }

    /// Only a good reply to this very call has results; each other one says why it is none.
    #[test]
    fn a_reply_is_taken_only_if_it_is_ours_and_good() {
        assert_eq!(results(7, &reply(7, 0, b"good")).unwrap(), b"good");
        let wrong = |reply: &[u8]| results(7, reply).unwrap_err().to_string();
        assert_eq!(wrong(&reply(8, 0, b"good")), "the answer is not one of RPC");
        assert_eq!(wrong(&reply(7, 1, b"")), "there is no such program");
        let versions = Encoder::default().u32(3).u32(4).0;
        assert_eq!(wrong(&reply(7, 2, &versions)), "it speaks versions 3 to 4 only");
        let denied = Encoder::default().u32(7).u32(1).u32(1).0;
        assert_eq!(wrong(&denied), "it refuses the caller");
        let good = reply(7, 0, b"");
        for end in 0..good.len() {
            assert_eq!(wrong(&good[..end]), "the answer is not one of RPC", "{end} bytes");
        }
    }

    /// A record may come in fragments, and one without end is not gathered.
    #[test]
    fn fragments_make_a_record_and_a_flood_does_not() {
        let fragments = Encoder::default().u32(2).raw(b"ab").u32(0).u32(LAST_FRAGMENT | 3).raw(b"cde").0;
        assert_eq!(read_record(&mut &fragments[..]).unwrap(), b"abcde");
        let flood = Encoder::default().u32(u32::MAX).0;
        assert!(matches!(read_record(&mut &flood[..]), Err(RpcError::Garbled)));
        assert!(matches!(read_record(&mut &b"\x80\0\0\x05ab"[..]), Err(RpcError::Io(_))));
    }

    /// A server that takes the call and says nothing, or a byte now and then, is not waited for.
    #[test]
    fn a_server_that_does_not_answer_is_not_waited_for() {
        for drips in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = thread::spawn(move || {
                let (mut client, _) = listener.accept().unwrap();
                let mut buffer = [0; 256];
                let _ = client.read(&mut buffer);
                while drips && client.write_all(&[0]).is_ok() {
                    thread::sleep(Duration::from_millis(300));
                }
                // Until the caller goes.
                let _ = client.read(&mut buffer);
            });
            let start = Instant::now();
            let error = call(address, NULL, b"").unwrap_err().to_string();
            assert!(start.elapsed() < LIMIT + Duration::from_secs(1), "{drips}");
            assert!(error == "no answer within 2 s" || drips, "{error}");
            server.join().unwrap();
        }
    }
}
