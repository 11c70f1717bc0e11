//! The judges, in the order in which they are heard.
//!
//! The order is that of causes before their effects: the first finding of a verdict is the one to look at first.

use lab::record::{Finding, Note, Verdict};

use crate::evidence::Evidence;

mod checkpoints;
mod inputs;
mod job;
mod listing;
mod log;
mod queue;
mod record;
mod report;
mod thresholds;

/// A rule, and who objects when it is broken.
pub struct Judge {
    /// One word.
    pub name: &'static str,
    /// What must hold, in one sentence.
    pub rule: &'static str,
    /// Looks at the evidence and says what breaks the rule.
    pub hear: fn(&Evidence) -> Vec<Finding>,
    /// How much of the rule can be asked of this run.
    pub reach: fn(&Evidence) -> Reach,
}

/// How much of a judge's rule a run is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// All of it.
    Whole,
    /// A part; what is not asked, and why.
    Part(String),
    /// Nothing; why not.
    Nothing(String),
}

/// Every judge.
pub const JUDGES: &[Judge] = &[
    judge("record", "The run went through every step, and its record is complete.", record::hear),
    judge("inputs", "What went in is what was asked for, byte for byte.", inputs::hear),
    Judge {
        reach: job::reach,
        ..judge("job", "The Job completed, and every container that the lab left alone exited with 0.", job::hear)
    },
    judge(
        "queue",
        "The queue was filled as told and is empty; nothing is lost, stuck, set aside or there twice.",
        queue::hear,
    ),
    judge("log", "Standard output is the tutorial's log: each dataset once, newest first.", log::hear),
    judge(
        "listing",
        "The output is one checkpoint a dataset and the report, and nothing else, not even hidden.",
        listing::hear,
    ),
    judge(
        "report",
        "The report has one whole entry a dataset, in the order of the queue, written during the run.",
        report::hear,
    ),
    judge(
        "checkpoints",
        "Every checkpoint loads, descends from the one before it, and predicts what the report says.",
        checkpoints::hear,
    ),
    Judge {
        reach: thresholds::reach,
        ..judge(
            "thresholds",
            "The model tells frauds from honest transactions, as well as it did when it was measured.",
            thresholds::hear,
        )
    },
];

/// A judge whose rule holds for every run.
const fn judge(name: &'static str, rule: &'static str, hear: fn(&Evidence) -> Vec<Finding>) -> Judge {
    Judge { name, rule, hear, reach: |_| Reach::Whole }
}

/// Hears every judge that has something to ask of this run.
pub fn verdict(evidence: &Evidence) -> Verdict {
    let (mut judges, mut findings, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for judge in JUDGES {
        let note = |message| Note { judge: judge.name.into(), message };
        match (judge.reach)(evidence) {
            Reach::Nothing(why) => {
                notes.push(note(why));
                continue;
            }
            Reach::Part(why) => notes.push(note(why)),
            Reach::Whole => {}
        }
        judges.push(judge.name.into());
        let sign = |finding| Finding { judge: judge.name.into(), ..finding };
        findings.extend((judge.hear)(evidence).into_iter().map(sign));
    }
    Verdict { green: findings.is_empty(), judges, findings, notes }
}
