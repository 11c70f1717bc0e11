//! Look at the log, and keep it: what the worker printed, what Redis wrote, and what the queue holds now.

use super::{Context, Phase, Step};
use crate::console::plural;
use crate::failure::Result;
use crate::record::Stream;

pub(super) const STEP: Step =
    Step { name: "logs", verb: "Logs", phase: Phase::Evidence, tutorial: "kubectl logs job/workload", run };

fn run(context: &mut Context<'_>) -> Result<String> {
    let settled = context.settle();
    let (_, run) = context.site_and_run()?;
    settled?;
    let Some(job) = &run.job else { return Ok("none: no worker was started".into()) };
    let (book, _) = job.look();
    let mut lines = 0;
    let mut paths = Vec::new();
    for pod in &book.pods {
        for number in 0..pod.containers.len() {
            let path = run.record.log_path(&pod.name, number, Stream::Out);
            lines += run.record.text(&path)?.lines().count();
            paths.push(path);
        }
    }
    job.check_record()?;
    let Some(first) = paths.first() else { return Ok("none: no container was started".into()) };
    let more = if paths.len() > 1 { format!(" and {}", plural(paths.len() - 1, "more file")) } else { String::new() };
    Ok(format!("{} in {first}{more}", plural(lines, "line")))
}
