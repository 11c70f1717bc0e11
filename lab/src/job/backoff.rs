//! How long a container that failed waits before it is started again: the kubelet's rule.
//!
//! The first restart comes at once, the next after 10 s, then 20 s, 40 s and so on up to five minutes; a container that
//! ran for ten minutes starts over. (Kubernetes documentation, "Pod Lifecycle", container restarts.)

use std::time::Duration;

/// The wait after the second failure.
const BASE: Duration = Duration::from_secs(10);
/// The longest wait.
const MAX: Duration = Duration::from_secs(300);
/// A container that ran for so long is forgiven what was before.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// The back-off of one container.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after a container that ran for `ran` has failed.
    pub fn next(&mut self, ran: Duration) -> Duration {
        if ran >= FORGIVEN_AFTER {
            self.failures = 0;
        }
        self.failures += 1;
        match self.failures {
            1 => Duration::ZERO,
            // More doublings than these end at the cap anyhow.
            failures => (BASE * 2_u32.pow((failures - 2).min(6))).min(MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At once, then 10 s doubling to the cap of five minutes.
    #[test]
    fn the_waits_are_the_kubelets() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.next(Duration::ZERO).as_secs()).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    /// Ten good minutes wipe the slate clean.
    #[test]
    fn a_long_run_is_forgiven() {
        let mut backoff = Backoff::default();
        backoff.next(Duration::ZERO);
        backoff.next(Duration::ZERO);
        assert_eq!(backoff.next(Duration::from_secs(599)).as_secs(), 20);
        assert_eq!(backoff.next(Duration::from_secs(600)).as_secs(), 0);
    }
}
