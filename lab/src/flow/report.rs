//! Look at the report. What it must say is the judges' matter.

use std::io::ErrorKind;

use super::{Context, Phase, Step};
use crate::console::plural;
use crate::failure::Result;
use crate::record::RecordError;

pub(super) const STEP: Step = Step {
    name: "report",
    verb: "Report",
    phase: Phase::Evidence,
    tutorial: "kubectl exec redis-leader -- cat /mnt/fileserver/output/report.txt",
    run,
};

fn run(context: &mut Context<'_>) -> Result<String> {
    let (_, run) = context.site_and_run()?;
    let report = match run.record.report() {
        Err(RecordError::Unreadable { source, .. }) if source.kind() != ErrorKind::NotFound => {
            return Ok(format!("none that can be read: `report.txt`: {source}"));
        }
        Err(_) => return Ok("none: the worker left no report.txt".into()),
        Ok(report) => report,
    };
    let entries = report.lines().filter(|line| line.starts_with("Training dataset: ")).count();
    let accuracy = report.lines().rev().find_map(|line| line.strip_prefix("Accuracy on testing data: "));
    let accuracy =
        accuracy.map_or_else(String::new, |value| format!(", the last one with accuracy {value} on testing data"));
    Ok(plural(entries, "entry") + &accuracy)
}
