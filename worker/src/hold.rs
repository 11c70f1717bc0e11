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
