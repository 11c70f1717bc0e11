//! A way to Redis that breaks where a test wants it to: the request gets there, the answer does not come back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A proxy on a port of its own, until the test ends.
pub struct Proxy {
    pub port: u16,
    answers: Arc<AtomicUsize>,
}

impl Proxy {
    /// A proxy to a Redis that breaks the connection instead of delivering the `nth` answer, counted from 1 over all
    /// connections; 0 breaks nothing.
    pub fn breaking_at(nth: usize, redis_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let answers = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&answers);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, counter) = (client.expect("a connection"), Arc::clone(&counter));
                let Ok(server) = TcpStream::connect(("127.0.0.1", redis_port)) else { continue };
                std::thread::spawn(move || carry(&client, &server, nth, &counter));
            }
        });
        Self { port, answers }
    }

    /// How many answers there were.
    pub fn answers(&self) -> usize {
        self.answers.load(Ordering::SeqCst)
    }
}

/// Carries requests there and answers back, one at a time, as a worker asks them.
fn carry(mut client: &TcpStream, mut server: &TcpStream, nth: usize, answers: &AtomicUsize) {
    let mut buffer = vec![0; 1 << 20];
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    // Requests and answers are small here: each comes in one piece.
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        if server.write_all(&buffer[..length]).is_err() {
            break;
        }
        let Ok(length @ 1..) = server.read(&mut buffer) else { break };
        if answers.fetch_add(1, Ordering::SeqCst) + 1 == nth || client.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
