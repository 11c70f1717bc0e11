//! SIGTERM and SIGINT: the claim goes back to its place at once, and the process ends within a second, whatever the
//! loop is doing. As PID 1 of a container nobody else would do it: there a signal without a handler is ignored.

use std::sync::mpsc;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::config::Config;
use crate::hold::Hold;
use crate::note;
use crate::queue::{Queue, Server, show};
use crate::share::Share;

/// How long a claim that is under way may take to be known.
const CLAIM_LIMIT: Duration = Duration::from_millis(250);
/// How long Redis may take to answer one who is about to end.
const ANSWER_LIMIT: Duration = Duration::from_millis(300);
/// How long all of it may take: to find the host of an absent Redis can take longer than any limit on answers.
const END_LIMIT: Duration = Duration::from_millis(800);

/// Starts the thread that waits for the signals.
///
/// # Errors
/// When the system gives no handler or no thread.
pub fn handle(hold: &Hold, server: &Server, session: &str, config: &Config) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let queue = Queue::new(&server.without_patience(ANSWER_LIMIT), session, config.lease);
    let ending = Ending { hold: hold.clone(), queue, session: session.into(), config: config.clone() };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        // The first signal ends the process; there is nothing that a second one could add.
        let Some(signal) = signals.forever().next() else { return };
        let name = if signal == SIGTERM { "SIGTERM" } else { "SIGINT" };
        let (done, is_done) = mpsc::channel();
        // Without a thread, the lease's end does what the release would have done.
        let _ = std::thread::Builder::new().spawn(move || {
            ending.put_back(name);
            let _ = done.send(());
        });
        if is_done.recv_timeout(END_LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            note!("{name}: Redis or the share does not answer; what is in hand is free when its lease ends");
        }
        // The shells' way to say which signal ended a process: 143 for SIGTERM, 130 for SIGINT.
        std::process::exit(128 + signal);
    })?;
    Ok(())
}

/// What it takes to leave in good order.
struct Ending {
    hold: Hold,
    queue: Queue,
    session: String,
    config: Config,
}

impl Ending {
    fn put_back(mut self, name: &str) {
        match self.hold.stop(CLAIM_LIMIT) {
            None => note!("{name}: nothing in hand"),
            Some(claim) => match self.queue.release(&claim) {
                Ok(true) => note!("{name}: `{}` is back in the queue", show(&claim.item)),
                Ok(false) => note!("{name}: `{}` was no longer in hand", show(&claim.item)),
                Err(error) => note!("{name}: {error}\nits lease ends in {} s at most", self.config.lease.as_secs()),
            },
        }
        // A draft that stays is no harm: the next one who publishes the same file removes it.
        let _ = Share::open(&self.config.share).and_then(|share| share.output(&self.session)?.remove_own_drafts());
    }
}
