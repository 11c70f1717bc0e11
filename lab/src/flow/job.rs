//! Start the Job.

use std::ffi::OsString;

use super::{Context, Phase, Step};
use crate::failure::Result;
use crate::target::JobOrder;

pub(super) const STEP: Step =
    Step { name: "job", verb: "Job", phase: Phase::Run, tutorial: "kubectl apply -f workload.yaml", run };

fn run(context: &mut Context<'_>) -> Result<String> {
    let (site, run) = context.site_and_run()?;
    let order = run.order;
    let settings: Vec<(String, OsString)> = vec![
        ("WORKER_SEED".into(), order.worker_seed.to_string().into()),
        ("WORKER_LEASE_S".into(), order.lease.as_secs().to_string().into()),
    ];
    let job = JobOrder {
        program: order.worker.clone(),
        settings,
        parallelism: order.parallelism,
        time_scale: order.job_time_scale,
    };
    run.job = Some(site.start_job(job, run.record)?);
    Ok(format!("`workload` started, {} at a time", crate::console::plural(order.parallelism as usize, "pod")))
}
