//! The judges, in the order in which they are heard.
//!
//! The order is that of causes before their effects: the first finding of a verdict is the one to look at first.

use lab::record::{Finding, Verdict};

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
}

/// Every judge.
pub const JUDGES: &[Judge] = &[
    Judge { name: "record", rule: "The run went through every step, and its record is complete.", hear: record::hear },
    Judge { name: "inputs", rule: "What went in is what was asked for, byte for byte.", hear: inputs::hear },
    Judge {
        name: "job",
        rule: "The Job completed, and every container that the lab left alone exited with 0.",
        hear: job::hear,
    },
    Judge {
        name: "queue",
        rule: "The queue was filled as told and is empty; nothing is lost, stuck, set aside or there twice.",
        hear: queue::hear,
    },
    Judge {
        name: "log",
        rule: "Standard output is the tutorial's log: each dataset once, newest first.",
        hear: log::hear,
    },
    Judge {
        name: "listing",
        rule: "The output is one checkpoint a dataset and the report, and nothing else, not even hidden.",
        hear: listing::hear,
    },
    Judge {
        name: "report",
        rule: "The report has one whole entry a dataset, in the order of the queue, written during the run.",
        hear: report::hear,
    },
    Judge {
        name: "checkpoints",
        rule: "Every checkpoint loads, descends from the one before it, and predicts what the report says.",
        hear: checkpoints::hear,
    },
    Judge {
        name: "thresholds",
        rule: "The model tells frauds from honest transactions, as well as it did when it was measured.",
        hear: thresholds::hear,
    },
];

/// Hears every judge.
pub fn verdict(evidence: &Evidence) -> Verdict {
    let mut findings = Vec::new();
    for judge in JUDGES {
        findings
            .extend((judge.hear)(evidence).into_iter().map(|finding| Finding { judge: judge.name.into(), ..finding }));
    }
    Verdict { green: findings.is_empty(), judges: JUDGES.iter().map(|judge| judge.name.into()).collect(), findings }
}
