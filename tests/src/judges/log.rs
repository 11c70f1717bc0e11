//! Judge `log`: standard output is the tutorial's log, each dataset once, newest first.
//!
//! What must stand there is derived from the queue as it was before the Job, with the tutorial's grammar:
//!
//! ```text
//! Worker with sessionID: <a UUID>
//! Initial queue state: empty=<True or False>
//! Processing dataset: <item>        one for each claim
//! Waiting for work                  between them, where another container may hold a claim
//! Queue empty, exiting              where the container came to its own end
//! ```
//!
//! A container that was cut off shows a beginning of this. Where nothing was cut off and the days are the tutorial's,
//! the text must also be `golden/log.snap` to the letter.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use lab::record::Finding;

use crate::causes::{
    Cause, DATASET_TWICE, LOG_CUT_OFF, LOG_OUT_OF_ORDER, LOST_DATASET, SESSION_TWICE, UNEXPECTED_LOG_LINE,
    UNKNOWN_DATASET,
};
use crate::evidence::{Evidence, Log, finding};
use crate::{filters, golden};

const SESSION: &str = "Worker with sessionID: ";
const STATE: &str = "Initial queue state: empty=";
const PROCESSING: &str = "Processing dataset: ";
const WAITING: &str = "Waiting for work";
const END: &str = "Queue empty, exiting";
/// Wrong lines of one log beyond these are counted, not told one by one: the first ones tell what is wrong.
const LINES_TOLD: usize = 20;
/// How much of a line a message shows.
const CHARACTERS_SHOWN: usize = 200;

/// Reads each container's log by the grammar, and all of them together by the queue.
pub fn hear(evidence: &Evidence) -> Vec<Finding> {
    if evidence.before.is_none() || evidence.job.is_none() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let runs: Vec<_> =
        evidence.logs.iter().enumerate().map(|(number, log)| read(evidence, number, log, &mut findings)).collect();
    findings.extend(sessions_twice(&runs));
    findings.extend(wrong_order(evidence, &runs));
    findings.extend(never_processed(evidence, &runs));
    if findings.is_empty() {
        findings.extend(differs_from_golden(evidence));
    }
    told_once(findings)
}

/// What differs by its log alone, as the same error of six runs does, is told once, where it is first, with their number.
fn told_once(findings: Vec<Finding>) -> Vec<Finding> {
    let mut logs: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let same = |finding: &Finding| (finding.cause.clone(), finding.message.clone(), finding.line);
    for finding in &findings {
        logs.entry(same(finding)).or_default().push(finding.file.clone());
    }
    let once = |mut finding: Finding| {
        let logs = logs.remove(&same(&finding))?;
        if let [_, .., last] = &logs[..] {
            finding.message += &format!(" The same stands in {} logs, the last of them `{last}`.", logs.len());
        }
        Some(finding)
    };
    findings.into_iter().filter_map(once).collect()
}

/// A container's log, understood.
struct Run<'a> {
    log: &'a Log,
    session: Option<(&'a str, u32)>,
    /// Items with the numbers of their lines.
    processed: Vec<(&'a str, u32)>,
}

/// The objections to one log: the first ones in full, and how many there are beyond them.
struct Objections<'a> {
    log: &'a Log,
    told: Vec<Finding>,
    /// Cause and line of the first one that is not told, and their number.
    more: Option<(Cause, u32, usize)>,
}

impl<'a> Objections<'a> {
    fn to(log: &'a Log) -> Self {
        Self { log, told: Vec::new(), more: None }
    }

    fn add(&mut self, cause: Cause, line: u32, message: impl FnOnce() -> String) {
        if self.told.len() < LINES_TOLD {
            self.told.push(finding(cause, message(), &self.log.path, Some(line)));
        } else {
            self.more.get_or_insert((cause, line, 0)).2 += 1;
        }
    }

    fn all(self) -> impl Iterator<Item = Finding> {
        let Self { log, told, more } = self;
        let rest = move |(cause, line, number): (Cause, u32, usize)| {
            let message = match number {
                1 => "1 more line is wrong, this one.".to_owned(),
                _ => format!("{number} more lines are wrong, the first of them this one."),
            };
            finding(cause, message, &log.path, Some(line))
        };
        told.into_iter().chain(more.map(rest))
    }
}

/// What the grammar allows next.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Session,
    State,
    Work,
    Nothing,
}

fn read<'a>(evidence: &Evidence, number: usize, log: &'a Log, findings: &mut Vec<Finding>) -> Run<'a> {
    let mut run = Run { log, session: None, processed: Vec::new() };
    let mut objections = Objections::to(log);
    let mut next = Next::Session;
    // To find the last line is to walk through the whole log: once.
    let last_line = log.last_line();
    let torn = !log.text.ends_with('\n') && log.was_cut_off();
    for (line, text) in log.lines() {
        if torn && line == last_line {
            break;
        }
        next = match next {
            Next::Session if text.strip_prefix(SESSION).is_some_and(is_uuid) => {
                run.session = text.strip_prefix(SESSION).map(|session| (session, line));
                Next::State
            }
            Next::State if may_begin_with(evidence, number, text) => Next::Work,
            Next::Work if text == END => Next::Nothing,
            Next::Work if text == WAITING && may_wait(evidence, number) => Next::Work,
            Next::Work if text.starts_with(PROCESSING) => {
                run.processed.push((&text[PROCESSING.len()..], line));
                Next::Work
            }
            same => {
                objections.add(UNEXPECTED_LOG_LINE, line, || {
                    format!("`{}` stands where {} is due.", shown(text), expected(same))
                });
                go_on_after(text, same, &mut run, line)
            }
        };
    }
    findings.extend(objections.all());
    if next != Next::Nothing && !log.was_cut_off() {
        let message = format!("The container exited by itself and its log ends before `{END}`.");
        findings.push(finding(LOG_CUT_OFF, message, &log.path, Some(last_line)));
    }
    run
}

/// A line or an item as a message shows it.
fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(CHARACTERS_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// A line in the wrong place is understood all the same, so that one fault is one finding.
fn go_on_after<'a>(text: &'a str, next: Next, run: &mut Run<'a>, line: u32) -> Next {
    match text {
        _ if text.starts_with(SESSION) => Next::State,
        _ if text.starts_with(STATE) => Next::Work,
        END => Next::Nothing,
        _ => match text.strip_prefix(PROCESSING) {
            Some(item) => {
                run.processed.push((item, line));
                Next::Work
            }
            None => next,
        },
    }
}

fn expected(next: Next) -> &'static str {
    match next {
        Next::Session => "`Worker with sessionID: ` and a UUID",
        Next::State => "`Initial queue state: empty=False`",
        Next::Work => "`Processing dataset: ` and an item, or `Queue empty, exiting`",
        Next::Nothing => "the end",
    }
}

/// The first container finds work. A later one, or one beside it, may come when all is done.
fn may_begin_with(evidence: &Evidence, number: usize, text: &str) -> bool {
    match text.strip_prefix(STATE) {
        Some("False") => true,
        Some("True") => number > 0 || !evidence.is_serial() || evidence.claim_order().is_empty(),
        _ => false,
    }
}

/// Waiting makes sense only while somebody else holds a claim: a container beside this one, or a dead one before it.
fn may_wait(evidence: &Evidence, number: usize) -> bool {
    !evidence.is_serial() || evidence.logs[..number].iter().any(Log::was_cut_off)
}

fn is_uuid(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

fn sessions_twice(runs: &[Run]) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for run in runs {
        if let Some((session, line)) = run.session.filter(|(session, _)| !seen.insert(session.to_owned())) {
            let message = format!("Session {session} was there before, in another container.");
            findings.push(finding(SESSION_TWICE, message, &run.log.path, Some(line)));
        }
    }
    findings
}

/// Each container goes through the queue from its right end to its left, and nobody goes through anything again, but for
/// items that somebody was cut off from.
///
/// With one pod at a time and claims that come back in their old place, this is one walk through all logs, and only the
/// next container may begin with an item that the one before it held. Otherwise each log is a walk of its own, and an
/// item that comes back may turn up anywhere.
fn wrong_order(evidence: &Evidence, runs: &[Run]) -> Vec<Finding> {
    let order = evidence.claim_order();
    let fixed = evidence.has_fixed_order();
    let mut findings = Vec::new();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let mut reached = 0;
    for (number, run) in runs.iter().enumerate() {
        reached = if fixed { reached } else { 0 };
        let mut objections = Objections::to(run.log);
        for (index, &(item, line)) in run.processed.iter().enumerate() {
            let Some(place) = order.iter().position(|queued| *queued == item) else {
                objections
                    .add(UNKNOWN_DATASET, line, || format!("`{}` is processed and was never queued.", shown(item)));
                continue;
            };
            let given_back =
                if fixed { usize::from(index == 0 && was_held(&runs[..number], item)) } else { times_held(runs, item) };
            let times = times.entry(item).or_default();
            *times += 1;
            if *times > 1 && (fixed && given_back == 0 || !fixed && *times > 1 + given_back) {
                objections.add(DATASET_TWICE, line, || {
                    format!("`{item}` is processed for time {times}, and nobody was cut off from it.")
                });
            } else if given_back == 0 && place < reached {
                objections.add(LOG_OUT_OF_ORDER, line, || {
                    format!("`{item}` is processed after `{}`, which is behind it in the queue.", order[reached - 1])
                });
            }
            reached = reached.max(if given_back == 0 || fixed { place + 1 } else { 0 });
        }
        findings.extend(objections.all());
    }
    findings
}

/// Whether the item is what the last container that claimed anything held when it was cut off.
fn was_held(before: &[Run], item: &str) -> bool {
    let last = before.iter().rev().find(|run| !run.processed.is_empty());
    last.is_some_and(|run| run.log.was_cut_off() && run.processed.last().is_some_and(|(held, _)| *held == item))
}

/// How many containers held the item when they were cut off.
fn times_held(runs: &[Run], item: &str) -> usize {
    runs.iter()
        .filter(|run| run.log.was_cut_off() && run.processed.last().is_some_and(|(held, _)| *held == item))
        .count()
}

/// A dataset that left results and has no line. One that left none either is the queue's matter.
fn never_processed(evidence: &Evidence, runs: &[Run]) -> Vec<Finding> {
    let processed = |item: &str| runs.iter().any(|run| run.processed.iter().any(|(processed, _)| *processed == item));
    let silent = evidence.usable().into_iter().filter(|item| evidence.has_left_results(item) && !processed(item));
    let last = runs.last().map(|run| (run.log.path.clone(), Some(run.log.last_line())));
    let object = |item: &str| {
        let (file, line) = last.clone().unwrap_or(("job.json".into(), None));
        finding(LOST_DATASET, format!("`{item}` has results in the output, and no log has a line for it."), file, line)
    };
    silent.map(object).collect()
}

/// The tutorial's own days in one go: then the log is known to the letter.
fn differs_from_golden(evidence: &Evidence) -> Option<Finding> {
    let [log] = &evidence.logs[..] else { return None };
    let golden = golden::log();
    let queued: Vec<_> = golden.lines().filter_map(|line| line.strip_prefix(PROCESSING)).collect();
    let complete = queued.iter().all(|item| evidence.has_left_results(item));
    if log.was_cut_off() || !complete || evidence.claim_order() != queued {
        return None;
    }
    let filtered = filters::apply(&log.text);
    let line =
        (1..).zip(filtered.lines().zip(golden.lines())).find(|(_, (is, golden))| is != golden).map(|(line, _)| line);
    let differs = filtered.trim_end() != golden.trim_end();
    let message =
        || format!("The log is not `golden/log.snap`:\n{}", filters::difference(golden, &filtered, &log.text));
    differs.then(|| finding(UNEXPECTED_LOG_LINE, message(), &log.path, line))
}
