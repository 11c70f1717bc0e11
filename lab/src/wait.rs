//! Bounded waits on a fact.
//!
//! A look says that the fact is there, that it is not there yet and what was seen instead, or that it never will be. A
//! wait looks often and waits long, so that a timeout means a fault; its error carries what was last seen. A wait ends
//! at once on Ctrl-C.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Exit, Explain, Failure, Result};
use crate::interrupt;

/// The variable whose number the limit of every wait is multiplied by: above 1 for a slow machine.
pub const TIME_SCALE: &str = "LAB_TIME_SCALE";

/// What one look at the world has shown.
#[derive(Debug)]
pub enum Look<T> {
    /// It is there.
    Done(T),
    /// Not yet; what is there instead.
    NotYet(String),
}

/// The fact did not come about.
#[derive(Debug, thiserror::Error)]
#[error("failed to {what}: not done after {limit_s} s; last seen: {last_seen}")]
pub struct TimedOut {
    what: String,
    limit_s: f64,
    last_seen: String,
    remedy: String,
}

/// A wait, told in words and bounded.
#[derive(Debug)]
pub struct Wait<'a> {
    /// Completes "failed to ".
    pub what: &'a str,
    /// How long at most, before [`TIME_SCALE`].
    pub limit: Duration,
    /// Time between two looks.
    pub poll: Duration,
    /// What to do after a timeout.
    pub remedy: &'a str,
}

impl Wait<'_> {
    /// Looks until it is done. The first look comes at once. A look that took longer than the time between two is
    /// followed by as long a pause: on a slow machine, looking must not hold up what is looked for.
    ///
    /// # Errors
    /// [`TimedOut`] with what was last seen, the look's own error (a terminal state), or an interruption.
    pub fn until<T>(&self, mut look: impl FnMut() -> Result<Look<T>>) -> Result<T> {
        let limit = scaled(self.limit);
        let start = Instant::now();
        loop {
            let look_start = Instant::now();
            let last_seen = match look()? {
                Look::Done(value) => return Ok(value),
                Look::NotYet(seen) => seen,
            };
            interrupt::check()?;
            if start.elapsed() >= limit {
                let (what, remedy) = (self.what.into(), self.remedy.into());
                return Err(Failure::from(TimedOut { what, limit_s: limit.as_secs_f64(), last_seen, remedy }));
            }
            thread::sleep(self.poll.max(look_start.elapsed()).min(limit.saturating_sub(start.elapsed())));
        }
    }
}

/// A duration times [`TIME_SCALE`].
pub fn scaled(duration: Duration) -> Duration {
    duration.mul_f64(time_scale().unwrap_or(1.0))
}

/// The factor on the limits of waits; `None` if the variable holds no positive number.
pub fn time_scale() -> Option<f64> {
    static SCALE: OnceLock<Option<f64>> = OnceLock::new();
    *SCALE.get_or_init(|| match std::env::var(TIME_SCALE) {
        Err(_) => Some(1.0),
        Ok(text) if text.is_empty() => Some(1.0),
        Ok(text) => parse_scale(&text),
    })
}

/// A factor on durations: a number above 0, up to 10,000.
pub fn parse_scale(text: &str) -> Option<f64> {
    text.parse().ok().filter(|scale| (f64::MIN_POSITIVE..=1e4).contains(scale))
}

impl Explain for TimedOut {
    fn exit(&self) -> Exit {
        Exit::Lab
    }

    fn cause_name(&self) -> &'static str {
        "timeout"
    }

    fn remedy(&self) -> String {
        self.remedy.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(limit_ms: u64) -> Wait<'static> {
        let remedy = "look";
        Wait { what: "see it", limit: Duration::from_millis(limit_ms), poll: Duration::from_millis(1), remedy }
    }

    /// A timeout says what was last seen and never passes for success.
    #[test]
    fn a_timeout_carries_the_last_look() {
        let mut looks = 0;
        let failure = wait(20).until::<()>(|| {
            looks += 1;
            Ok(Look::NotYet(format!("look {looks}")))
        });
        let failure = failure.map_err(|failure| (failure.error, failure.cause, failure.remedy));
        let expected = format!("failed to see it: not done after 0.02 s; last seen: look {looks}");
        assert_eq!(failure, Err((expected, "timeout".into(), "look".into())));
        assert!(looks > 1);
    }

    /// A terminal state ends the wait at once.
    #[test]
    fn a_terminal_state_is_not_waited_for() {
        let start = Instant::now();
        let terminal = Failure::fault(Exit::Flow, "it is gone");
        let outcome = wait(60_000).until::<()>(|| Err(terminal.clone()));
        assert_eq!(outcome, Err(terminal));
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    /// Slow looks take half of the time at most.
    #[test]
    fn slow_looks_leave_time_to_what_is_looked_for() {
        let mut looked = Duration::ZERO;
        let start = Instant::now();
        let outcome = wait(200).until::<()>(|| {
            let look = Instant::now();
            thread::sleep(Duration::from_millis(20));
            looked += look.elapsed();
            Ok(Look::NotYet("nothing".into()))
        });
        assert!(outcome.is_err());
        // The last look has no pause behind it.
        assert!(looked.mul_f64(1.5) < start.elapsed(), "{looked:?} of {:?}", start.elapsed());
    }

    /// What is there already costs no time.
    #[test]
    fn the_first_look_comes_before_any_waiting() {
        assert_eq!(wait(0).until(|| Ok(Look::Done(7))), Ok(7));
    }

    /// A scale is a positive number and nothing else.
    #[test]
    fn a_scale_is_positive() {
        assert_eq!(parse_scale("0.5"), Some(0.5));
        for wrong in ["0", "-1", "inf", "NaN", "fast", ""] {
            assert_eq!(parse_scale(wrong), None, "`{wrong}`");
        }
    }
}
