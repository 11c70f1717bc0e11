//! How the double misbehaves: a script, each line of which meets some calls of one method.

use std::time::Duration;

use super::answer::Refusal;

/// One line of the script.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The method that it meets.
    pub method: &'static str,
    /// How many calls it lets pass first.
    pub after: usize,
    /// How many it meets then.
    pub times: usize,
    pub what: What,
}

/// What it does to a call.
#[derive(Debug, Clone)]
pub enum What {
    /// Answers so, and does nothing.
    Refuse(Refusal),
    /// Does what was asked, and breaks the connection in the middle of the answer.
    LoseAnswer,
    /// Does what was asked, and shows nothing of it before the test says so (`Cloud::show`).
    Hide,
    /// The operation that the call starts takes so long in all.
    Take(Duration),
    /// The operation that the call starts fails at its end.
    FailAtEnd(Failing),
}

/// How an operation fails.
#[derive(Debug, Clone)]
pub struct Failing {
    /// The canonical code of gRPC, e.g. 8 for RESOURCE_EXHAUSTED.
    pub code: i32,
    pub message: String,
    /// What it was about stays, in the state ERROR, and costs; else there is nothing of it.
    pub stays: bool,
}

/// Every call.
pub const ALWAYS: usize = usize::MAX;

impl Fault {
    /// Meets every call of the method.
    pub fn always(method: &'static str, what: What) -> Self {
        Self { method, after: 0, times: ALWAYS, what }
    }

    /// Meets the first calls of the method.
    pub fn first(times: usize, method: &'static str, what: What) -> Self {
        Self { method, after: 0, times, what }
    }
}

/// What the script does to this call; each call of the method uses it up.
pub fn meet(script: &mut [Fault], method: &str) -> Vec<What> {
    let mut met = Vec::new();
    for fault in script.iter_mut().filter(|fault| fault.method == method) {
        if fault.after > 0 {
            fault.after -= 1;
        } else if fault.times > 0 {
            fault.times = if fault.times == ALWAYS { ALWAYS } else { fault.times - 1 };
            met.push(fault.what.clone());
        }
    }
    met
}
