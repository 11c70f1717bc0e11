//! A queue that will never be empty, noticed: an item that its claimer left behind and that nobody gives back.

use std::collections::BTreeMap;
use std::time::Duration;

/// What was seen at one moment.
#[derive(Debug)]
pub(super) struct Sight<'a> {
    /// Since the watch began.
    pub now: Duration,
    /// Claimed items, and whether the lease of each is alive.
    pub processing: &'a [(String, bool)],
    /// Some container runs, so that somebody could give items back.
    pub somebody_runs: bool,
    /// What containers that run say they are in the middle of.
    pub busy_with: &'a [String],
}

/// An item that is stuck, and for how long it has been.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stuck {
    pub item: String,
    pub idle: Duration,
}

/// The watch over all items.
#[derive(Debug)]
pub(super) struct Livelock {
    /// A worker that gives items back has done so by then.
    limit: Duration,
    last: Duration,
    /// For how long each item has been without a lease while somebody could have given it back.
    idle: BTreeMap<String, Duration>,
}

impl Livelock {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, last: Duration::ZERO, idle: BTreeMap::new() }
    }

    /// Takes a look into account; says so once an item is stuck for good.
    pub(super) fn observe(&mut self, sight: &Sight<'_>) -> Option<Stuck> {
        let passed = sight.now.saturating_sub(self.last);
        self.last = sight.now;
        // A lease that lives, or a worker that says it is at it, though its lease is gone: nothing is stuck.
        let is_suspect = |item: &String, leased: bool| !leased && !sight.busy_with.contains(item);
        let suspects = sight.processing.iter().filter(|(item, leased)| is_suspect(item, *leased));
        let mut idle = BTreeMap::new();
        for (item, _) in suspects {
            let before = self.idle.get(item).copied();
            // The first look at it starts the clock. While no container runs, it stands still: none can give it back.
            let grown = if sight.somebody_runs && before.is_some() { passed } else { Duration::ZERO };
            idle.insert(item.clone(), before.unwrap_or_default() + grown);
        }
        self.idle = idle;
        let stuck = self.idle.iter().find(|(_, idle)| **idle >= self.limit)?;
        Some(Stuck { item: stuck.0.clone(), idle: *stuck.1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT_S: u64 = 25;

    /// One look a second; each is (leased, somebody runs, busy). Says at which second the alarm came.
    fn alarm_at(looks: impl IntoIterator<Item = Option<(bool, bool, bool)>>) -> Option<u64> {
        let mut livelock = Livelock::new(Duration::from_secs(LIMIT_S));
        let item = String::from("datasets/training/a.pkl");
        (0..).zip(looks).find_map(|(second, look)| {
            let (processing, somebody_runs, busy_with) = match look {
                None => (vec![], true, vec![]),
                Some((leased, runs, busy)) => {
                    (vec![(item.clone(), leased)], runs, if busy { vec![item.clone()] } else { vec![] })
                }
            };
            let now = Duration::from_secs(second);
            let sight = Sight { now, processing: &processing, somebody_runs, busy_with: &busy_with };
            livelock.observe(&sight).map(|stuck| {
                assert_eq!(stuck.item, item);
                second
            })
        })
    }

    /// An item without a lease that nobody gives back is stuck after the limit, and not before.
    #[test]
    fn an_abandoned_item_raises_the_alarm_at_the_limit() {
        assert_eq!(alarm_at([Some((false, true, false)); 60]), Some(LIMIT_S));
    }

    /// A lease that lives, a worker at work, and an item that is given back are no livelock.
    #[test]
    fn whoever_works_or_gives_back_raises_no_alarm() {
        assert_eq!(alarm_at([Some((true, true, false)); 100]), None);
        assert_eq!(alarm_at([Some((false, true, true)); 100]), None);
        let given_back = (0..100).map(|second| (second % 20 != 19).then_some((false, true, false)));
        assert_eq!(alarm_at(given_back), None);
    }

    /// While the container waits for its next start nobody can give anything back: that time does not count.
    #[test]
    fn a_back_off_is_not_held_against_the_worker() {
        let back_off = (0..100).map(|second| Some((false, !(10..90).contains(&second), false)));
        assert_eq!(alarm_at(back_off), None);
        let looks = (0..200).map(|second| Some((false, !(10..90).contains(&second), false)));
        assert_eq!(alarm_at(looks), Some(80 + LIMIT_S));
    }
}
