//! What this session holds: one place that the loop, the heartbeat and the signals look at.
//!
//! The loop says what it is about to do, the heartbeat renews what is held, and a signal takes it away: from then on
//! the loop gets no further than its next word here, so that nothing is claimed by a process that is about to end.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::note;
use crate::queue::{Claim, Queue, Server, Tenure, show};

/// The longest time between two renewals; shorter leases are renewed three times in their length.
const LONGEST_BEAT: Duration = Duration::from_secs(1);

/// The claim of this session, if there is one. Clones are the same hold.
#[derive(Clone, Default)]
pub struct Hold {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    grip: Grip,
    is_stopping: bool,
}

#[derive(Clone, Default)]
enum Grip {
    #[default]
    Nothing,
    /// A claim is under way: it may or may not have been made.
    Reaching,
    Held(Claim),
}

impl Hold {
    /// The loop is about to claim. Does not return once the process is stopping.
    pub fn reach(&self) {
        self.change(Grip::Reaching);
    }

    /// The loop knows what it holds now. Does not return once the process is stopping.
    pub fn set(&self, claim: Option<&Claim>) {
        self.change(claim.map_or(Grip::Nothing, |claim| Grip::Held(claim.clone())));
    }

    fn change(&self, grip: Grip) {
        let mut state = self.lock();
        if state.is_stopping && matches!(grip, Grip::Reaching) {
            drop(state);
            park_for_good();
        }
        state.grip = grip;
        self.shared.changed.notify_all();
        if state.is_stopping {
            drop(state);
            park_for_good();
        }
    }

    /// Does something that must not happen once what is held has been given back: a signal waits until it is done, and
    /// this does not return, nor even begin, once the process is stopping.
    pub fn keep_while<T>(&self, work: impl FnOnce() -> T) -> T {
        let state = self.lock();
        if state.is_stopping {
            drop(state);
            park_for_good();
        }
        work()
    }

    /// Stops the loop and says what it holds. Where a claim is under way, waits for its outcome, but not for long.
    pub fn stop(&self, limit: Duration) -> Option<Claim> {
        let mut state = self.lock();
        state.is_stopping = true;
        let is_open = |state: &mut State| matches!(state.grip, Grip::Reaching);
        let waited = self.shared.changed.wait_timeout_while(state, limit, is_open);
        match &waited.unwrap_or_else(PoisonError::into_inner).0.grip {
            Grip::Held(claim) => Some(claim.clone()),
            _ => None,
        }
    }

    fn held(&self) -> Option<Claim> {
        match &self.lock().grip {
            Grip::Held(claim) => Some(claim.clone()),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another thread is about to end the process.
fn park_for_good() -> ! {
    loop {
        std::thread::park();
    }
}

/// How often a lease is renewed.
pub fn beat(lease: Duration) -> Duration {
    LONGEST_BEAT.min(lease / 3)
}

/// Starts the heartbeat: a thread that renews what is held, on a connection of its own, until the process ends.
///
/// # Errors
/// When the system gives no thread.
pub fn start_heartbeat(hold: &Hold, server: &Server, session: &str, lease: Duration) -> std::io::Result<()> {
    let hold = hold.clone();
    let beat = beat(lease);
    // One attempt a beat: the loop is who runs out of patience.
    let mut queue = Queue::new(&server.without_patience(beat), session, lease);
    std::thread::Builder::new().name("heartbeat".into()).spawn(move || {
        let mut next = Instant::now() + beat;
        loop {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next = Instant::now() + beat;
            let Some(claim) = hold.held() else { continue };
            // What a lost claim means is the loop's to decide, and it looks before it publishes.
            if let Ok(Tenure::Retaken) = queue.renew(&claim) {
                note!("the lease of `{}` had expired; nobody had taken it, so it goes on", show(&claim.item));
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn claim() -> Claim {
        Claim { item: b"item".to_vec(), place: 3, attempts: 1 }
    }

    #[test]
    fn a_claim_that_is_under_way_is_waited_for() {
        let hold = Hold::default();
        hold.reach();
        let (said, outcome) = mpsc::channel();
        let stopping = hold.clone();
        std::thread::spawn(move || said.send(stopping.stop(LONG)));
        assert!(outcome.recv_timeout(Duration::from_millis(50)).is_err(), "nobody knows yet what it holds");
        let looping = hold.clone();
        std::thread::spawn(move || looping.set(Some(&claim())));
        assert_eq!(outcome.recv_timeout(LONG), Ok(Some(claim())));
    }

    #[test]
    fn a_claim_that_never_comes_is_not_waited_for_for_long() {
        let hold = Hold::default();
        hold.reach();
        assert_eq!(hold.stop(Duration::from_millis(10)), None);
    }

    #[test]
    fn once_it_stops_the_loop_gets_no_further() {
        let words: [fn(&Hold); 4] =
            [Hold::reach, |hold| hold.set(None), |hold| hold.set(Some(&claim())), |hold| hold.keep_while(|| ())];
        for word in words {
            let hold = Hold::default();
            hold.stop(Duration::ZERO);
            let (said, outcome) = mpsc::channel();
            std::thread::spawn(move || {
                word(&hold);
                said.send(())
            });
            assert!(outcome.recv_timeout(Duration::from_millis(20)).is_err());
        }
    }

    #[test]
    fn a_stop_waits_for_what_must_not_happen_after_it() {
        let hold = Hold::default();
        hold.set(Some(&claim()));
        let (begin, begun) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let publishing = hold.clone();
        std::thread::spawn(move || {
            publishing.keep_while(|| {
                begin.send(()).expect("a listener");
                ended.recv().expect("a word to end")
            })
        });
        begun.recv().expect("a beginning");
        let (said, outcome) = mpsc::channel();
        std::thread::spawn(move || said.send(hold.stop(LONG)));
        assert!(outcome.recv_timeout(Duration::from_millis(50)).is_err(), "the rename is not done yet");
        end.send(()).expect("a worker");
        assert_eq!(outcome.recv_timeout(LONG), Ok(Some(claim())));
    }
}
