//! Judge `report`: the report has one whole entry a dataset, in the order of the queue, written during the run.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use lab::record::Finding;
use worker::report::{Entry, Report, ReportError};

use crate::causes::{
    DATASET_TWICE, LOST_DATASET, MALFORMED_REPORT, REPORT_OUT_OF_ORDER, STALE_REPORT, TORN_REPORT, UNKNOWN_DATASET,
    WRONG_CHECKPOINT_NAME,
};
use crate::evidence::{Evidence, checkpoint_name, file_name, finding};

const FILE: &str = "output/report.txt";
/// The lines of an entry: where entry N begins.
const LINES_AN_ENTRY: u32 = 8;
/// How far the clocks of the lab and of the worker's machine may be apart.
const CLOCK_TOLERANCE_S: i64 = 120;
/// The report's time has no zone; zones are whole quarters of an hour, at most 14 hours from UTC.
const ZONE_STEP_S: i64 = 15 * 60;
const ZONE_LIMIT_S: i64 = 14 * 60 * 60;

/// Parses the report and compares its entries with the queue and the run's times.
pub fn hear(evidence: &Evidence) -> Vec<Finding> {
    if let Some(why) = &evidence.unread_report {
        return vec![finding(MALFORMED_REPORT, format!("The report cannot be read: {why}."), FILE, None)];
    }
    let (Some(text), Some(_)) = (&evidence.report, &evidence.before) else { return Vec::new() };
    let report = match Report::parse(text) {
        Ok(report) => report,
        Err(error) => return vec![broken(text, &error)],
    };
    let mut findings = Vec::new();
    let order: Vec<_> = evidence.claim_order().into_iter().map(file_name).collect();
    for (number, entry) in report.entries.iter().enumerate() {
        let line = line_of(number);
        let name = &entry.dataset;
        if !order.contains(&name.as_str()) {
            findings.push(finding(
                UNKNOWN_DATASET,
                format!("The report has an entry for `{name}`, which was never queued."),
                FILE,
                line,
            ));
        } else if report.entries[..number].iter().any(|earlier| earlier.dataset == *name) {
            findings.push(finding(DATASET_TWICE, format!("The report has a second entry for `{name}`."), FILE, line));
        }
        if entry.checkpoint != checkpoint_name(name) {
            let message = format!(
                "The entry for `{name}` names the checkpoint `{}`; it must be `{}`.",
                entry.checkpoint,
                checkpoint_name(name)
            );
            findings.push(finding(WRONG_CHECKPOINT_NAME, message, FILE, line));
        }
    }
    findings.extend(stale(evidence, &report));
    findings.extend(lost(evidence, &report));
    findings.extend(out_of_order(evidence, &report));
    findings
}

/// The first line of an entry, from 1.
pub fn line_of(entry: usize) -> Option<u32> {
    u32::try_from(entry).ok().map(|entry| entry * LINES_AN_ENTRY + 1)
}

/// Torn is what a kill or two writers leave: a text that ends inside an entry, or an entry that begins inside another.
fn broken(text: &str, error: &ReportError) -> Finding {
    let line = text.lines().nth(error.line.saturating_sub(1));
    let ends_early = error.line >= text.lines().count();
    let begins_early = line.is_some_and(|line| line.len() == 53 && line.bytes().all(|byte| byte == b'*'));
    let cause = if ends_early || begins_early { TORN_REPORT } else { MALFORMED_REPORT };
    let message = format!(
        "The report breaks off from its grammar: line {}: expected {}, found {}.",
        error.line, error.expected, error.found
    );
    finding(cause, message, FILE, u32::try_from(error.line).ok())
}

/// A checkpoint without an entry. A dataset that has neither is the queue's matter.
fn lost(evidence: &Evidence, report: &Report) -> Vec<Finding> {
    if !evidence.is_finished() {
        return Vec::new();
    }
    let is_lost = |item: &&str| evidence.has_left_results(item) && report.entry(file_name(item)).is_none();
    let lost = evidence.usable().into_iter().filter(is_lost);
    let object = |item: &str| {
        let message = format!(
            "`{}` is in the output, and the report has no entry for `{}`.",
            checkpoint_name(item),
            file_name(item)
        );
        finding(LOST_DATASET, message, FILE, None)
    };
    lost.map(object).collect()
}

/// The first entry that stands, or that was written, before one that comes earlier in the queue.
fn out_of_order(evidence: &Evidence, report: &Report) -> Option<Finding> {
    if !evidence.has_fixed_order() {
        return None;
    }
    let order: Vec<_> = evidence.claim_order().into_iter().map(file_name).collect();
    let place = |entry: &Entry| order.iter().position(|name| *name == entry.dataset);
    let places: Vec<_> =
        report.entries.iter().enumerate().filter_map(|(number, entry)| Some((number, place(entry)?))).collect();
    if let Some([_, (number, _)]) = places.windows(2).find(|pair| pair[0].1 > pair[1].1) {
        let (later, earlier) = (&report.entries[number - 1].dataset, &report.entries[*number].dataset);
        let message = format!("The report has `{earlier}` after `{later}`, which comes later in the queue.");
        return Some(finding(REPORT_OUT_OF_ORDER, message, FILE, line_of(*number)));
    }
    // The machine of a restarted worker may be another one, whose clock is behind.
    let tolerance = SignedDuration::from_secs(if evidence.has_restarts() { CLOCK_TOLERANCE_S } else { 0 });
    let is_before = |pair: &[Entry]| Some(written(&pair[1])? + tolerance < written(&pair[0])?);
    let number = report.entries.windows(2).position(|pair| is_before(pair) == Some(true))? + 1;
    let (entry, above) = (&report.entries[number], &report.entries[number - 1]);
    let message = format!(
        "The entry for `{}` was written at {}, before the one above it, at {}.",
        entry.dataset, entry.generated_on, above.generated_on
    );
    Some(finding(REPORT_OUT_OF_ORDER, message, FILE, line_of(number)))
}

/// The entries that were not written during the run, whichever time zone their writer was in; one zone for all of them.
fn stale(evidence: &Evidence, report: &Report) -> Vec<Finding> {
    let Some((started, ended)) = times_of(evidence) else { return Vec::new() };
    let tolerance = SignedDuration::from_secs(CLOCK_TOLERANCE_S);
    let is_in_the_run = |entry: &Entry, zone_s: i64| {
        let Some(written) = written(entry) else { return true };
        let written = written - SignedDuration::from_secs(zone_s);
        written >= started - tolerance && written <= ended + tolerance
    };
    let strays = |zone_s: i64| {
        let stray = |entry: &&Entry| !is_in_the_run(entry, zone_s);
        report.entries.iter().filter(stray).count()
    };
    let zones = (-ZONE_LIMIT_S..=ZONE_LIMIT_S).step_by(ZONE_STEP_S as usize);
    let Some(zone_s) = zones.min_by_key(|zone_s| (strays(*zone_s), zone_s.abs())) else { return Vec::new() };
    let stray = |(_, entry): &(usize, &Entry)| !is_in_the_run(entry, zone_s);
    let object = |(number, entry): (usize, &Entry)| {
        let message = format!(
            "The entry for `{}` was written at {}; the run went from {started} to {ended}.",
            entry.dataset, entry.generated_on
        );
        finding(STALE_REPORT, message, FILE, line_of(number))
    };
    report.entries.iter().enumerate().filter(stray).map(object).collect()
}

/// When the run began and ended.
fn times_of(evidence: &Evidence) -> Option<(Timestamp, Timestamp)> {
    let summary = &evidence.summary;
    Some((summary.started.parse().ok()?, summary.ended.as_ref()?.parse().ok()?))
}

/// The entry's time, as if its writer had been in UTC.
fn written(entry: &Entry) -> Option<Timestamp> {
    let written: DateTime = entry.generated_on.parse().ok()?;
    Some(written.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}
