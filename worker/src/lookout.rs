//! Looking for work: whose turn it is, what has expired, and how long to wait.
//!
//! A session that starts finds leases that are still alive, and cannot know whether their holders are. It makes no
//! claim before each of them has shown a sign of life or has expired; else a worker that is started again after a
//! SIGKILL would overtake the item that it held before, and the order of training, and with it the last model, would
//! change.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::hold::Hold;
use crate::log_line;
use crate::queue::{Claim, Claimed, Queue, QueueError, Sighting, Standing};

/// How long the tutorial's worker waits for an item before it says so.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest that one wait lasts: how late it may be seen that others have finished the last item.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// How often a worker that has enough to do looks for what expired.
const REAP_EVERY: Duration = Duration::from_secs(1);
/// How long a claim without lease and without note may be between the two steps of the original's claim.
const ORPHAN_AFTER: Duration = Duration::from_secs(1);
/// A lease that was renewed ends later than it did, by more than clocks and rounding explain.
const RENEWED_BY_MS: u64 = 50;

/// What a session remembers of the queue between two looks.
pub struct Lookout {
    session: Vec<u8>,
    /// Claims without lease or note, since when.
    young: HashMap<Vec<u8>, Instant>,
    /// The claims that were there before this session and have not moved since; `None` before the first look.
    elders: Option<Vec<Sighting>>,
    last_reap: Instant,
    /// Since when there has been nothing to do, or since that was last said.
    idle_since: Option<Instant>,
}

impl Lookout {
    /// For a session that is just starting.
    pub fn new(session: &str) -> Self {
        let session = session.as_bytes().to_vec();
        Self { session, young: HashMap::new(), elders: None, last_reap: Instant::now(), idle_since: None }
    }

    /// The next claim; `None` when nothing waits and nothing is in anybody's hands.
    ///
    /// # Errors
    /// When Redis stays away.
    pub fn next(&mut self, queue: &mut Queue, hold: &Hold) -> Result<Option<Claim>, QueueError> {
        self.let_elders_go_first(queue)?;
        if self.last_reap.elapsed() >= REAP_EVERY {
            self.reap(queue)?;
        }
        loop {
            hold.reach();
            let claimed = queue.claim()?;
            match claimed {
                Claimed::Item(claim) => {
                    hold.set(Some(&claim));
                    self.idle_since = None;
                    return Ok(Some(claim));
                }
                Claimed::Nothing { processing } => {
                    hold.set(None);
                    if processing == 0 {
                        return Ok(None);
                    }
                    self.wait(queue)?;
                }
            }
        }
    }

    /// Waits until every claim that was there before has moved.
    fn let_elders_go_first(&mut self, queue: &mut Queue) -> Result<(), QueueError> {
        let mut pause = Duration::from_millis(2);
        loop {
            if self.elders.as_ref().is_some_and(Vec::is_empty) {
                return Ok(());
            }
            let now = self.reap(queue)?;
            let still: Vec<Sighting> = match self.elders.take() {
                None => now.into_iter().filter(|sighting| self.is_elder(sighting)).collect(),
                Some(elders) => elders.into_iter().filter_map(|elder| unmoved(elder, &now)).collect(),
            };
            if !still.is_empty() {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
                self.idle();
            }
            self.elders = Some(still);
        }
    }

    fn is_elder(&self, sighting: &Sighting) -> bool {
        match &sighting.state {
            Standing::Leased { holder, .. } => *holder != self.session,
            Standing::Young => true,
            Standing::PutBack => false,
        }
    }

    /// Waits for an item, for a lease to end, or for others to finish.
    fn wait(&mut self, queue: &mut Queue) -> Result<(), QueueError> {
        let sightings = self.reap(queue)?;
        let limit = sightings.iter().map(|sighting| match &sighting.state {
            Standing::Leased { left, .. } => *left + Duration::from_millis(5),
            Standing::Young => ORPHAN_AFTER / 10,
            Standing::PutBack => Duration::ZERO,
        });
        let limit = limit.min().unwrap_or_default().min(LONGEST_WAIT);
        if !queue.wait(limit)? {
            self.idle();
        }
        Ok(())
    }

    /// Says what the tutorial's worker says, as often as it does.
    fn idle(&mut self) {
        let since = self.idle_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= PATIENCE {
            *since = Instant::now();
            log_line!("Waiting for work");
        }
    }

    fn reap(&mut self, queue: &mut Queue) -> Result<Vec<Sighting>, QueueError> {
        let young = &self.young;
        let sightings = queue.reap(|item| young.get(item).is_some_and(|since| since.elapsed() >= ORPHAN_AFTER))?;
        let mut before = std::mem::take(&mut self.young);
        for sighting in sightings.iter().filter(|sighting| sighting.state == Standing::Young) {
            let since = before.remove(&sighting.item).unwrap_or_else(Instant::now);
            self.young.insert(sighting.item.clone(), since);
        }
        self.last_reap = Instant::now();
        Ok(sightings)
    }
}

/// An elder that is as it was: the same item in the same hands, with a lease that nobody has renewed; or, where its
/// holder leaves no note of a claim, with a lease that is over.
fn unmoved(elder: Sighting, now: &[Sighting]) -> Option<Sighting> {
    let seen = now.iter().find(|sighting| sighting.item == elder.item)?;
    let is_unmoved = match (&elder.state, &seen.state) {
        (Standing::Leased { holder: before, ends_ms: ended_ms, .. }, Standing::Leased { holder, ends_ms, .. }) => {
            before == holder && *ends_ms <= ended_ms + RENEWED_BY_MS
        }
        (_, seen) => *seen == Standing::Young,
    };
    // The first sighting of a lease is what later ones are compared with, lest small steps add up unseen.
    is_unmoved.then(|| if seen.state == Standing::Young { seen.clone() } else { elder })
}
