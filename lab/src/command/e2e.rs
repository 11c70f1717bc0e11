//! `lab e2e`: preflight, up, flow, record, judge, down. Evidence first, then judgement, then teardown.

use super::up;
use crate::cli;
use crate::console::Console;
use crate::evidence::{self, Evidence};
use crate::failure::{Exit, Explain, Failure, Result};
use crate::flow::{self, Context, FailedStep, Order, Phase, Run};
use crate::github;
use crate::judge::Judge;
use crate::places::Places;
use crate::preflight::{Needs, RunNeeds};
use crate::redis_server::Fetch;
use crate::verdict::Ending;

/// The worker that was asked for cannot be run on this target.
#[derive(Debug, thiserror::Error)]
#[error("failed to use image `{image}` as the worker: target `{target}` runs programs, not images")]
struct NoImages {
    image: String,
    target: &'static str,
}

/// Runs the command.
///
/// # Errors
/// What kept the run from beginning. How a run ends that began, is printed and in the exit code.
pub fn run(arguments: &cli::E2e, console: &Console) -> Result<Exit> {
    let target = up::choose(&arguments.up.place, console)?;
    if let Some(image) = arguments.worker_image.clone() {
        return Err(NoImages { image, target: target.name() }.into());
    }
    let places = Places::find(arguments.runs.runs.as_deref())?;
    let source = arguments.source();
    let needs = RunNeeds {
        worker_command: arguments.worker_cmd.as_deref(),
        worker_file: arguments.worker_bin.as_deref(),
        judge: arguments.judge.as_deref(),
        datasets: Some(&source),
    };
    let redis = arguments.up.redis.redis_server.as_deref();
    let found = up::preflight(&Needs { places: &places, redis, fetch: Fetch::Allowed, run: Some(needs) }, console)?;
    let (Some(worker), Some(judge)) = (found.worker, found.judge) else { unreachable!("preflight insists on both") };
    let order = Order {
        datasets: source,
        worker,
        worker_seed: arguments.worker_seed,
        lease: arguments.lease(),
        parallelism: arguments.parallelism,
        preempt: arguments.preempt,
        job_time_scale: arguments.job_time_scale,
        job_limit: arguments.job_limit(),
    };
    let site = up::open(target, &arguments.up, &places, found.redis, console)?;
    let name = &arguments.up.place.which.name;
    let mut evidence = Evidence::begin(&places, name, target.name(), &order)?;
    evidence::announce(&evidence, console);
    let record = evidence.record().clone();
    let run = Run { order: &order, record: &record, items: Vec::new(), job: None, queue_recorded: false };
    let mut context = Context { site: Some(site), console, places: &places, run: Some(run) };
    let failed = go_through(&mut context, &mut evidence);
    // Whatever still runs of the Job is stopped here; its last words belong to the record.
    context.run = None;
    let finished = evidence.finish(failed.as_ref()).map_err(Failure::from);
    let failed = failed.or_else(|| Some(FailedStep { step: "record", failure: finished.err()? }));
    Ok(conclude(arguments, &judge, context, &evidence, failed.as_ref()))
}

/// Stands the lab up, does the work, and gathers the evidence whatever came of it.
fn go_through(context: &mut Context<'_>, evidence: &mut Evidence) -> Option<FailedStep> {
    if let Err(failed) = stand_up(context, evidence) {
        let log = context.site().map(|site| site.redis_log()).unwrap_or_default();
        // The failure matters more than that its evidence could not be kept.
        let _ = evidence.record().set_text("logs/redis.log", &log);
        return Some(failed);
    }
    let outcome = flow::walk(context, Phase::Run);
    let gathered = flow::walk(context, Phase::Evidence);
    outcome.and(gathered).err()
}

fn stand_up(context: &mut Context<'_>, evidence: &mut Evidence) -> Result<(), FailedStep> {
    flow::walk(context, Phase::Up)?;
    let mut remember = || -> Result<()> {
        let site = context.site()?;
        site.remember_run(evidence.record().dir())?;
        Ok(evidence.add_facts(site.facts())?)
    };
    remember().map_err(|failure| FailedStep { step: "redis", failure })
}

/// Judges, takes a green lab down, and says how it ended.
fn conclude(
    arguments: &cli::E2e,
    judge: &Judge,
    mut context: Context<'_>,
    evidence: &Evidence,
    failed: Option<&FailedStep>,
) -> Exit {
    let console = context.console;
    let verdict = judge.judge(evidence.record()).map_err(Failure::from);
    let name = arguments.up.place.which.name.as_str();
    let mut ending = Ending { evidence, failed, verdict: verdict.as_ref(), kept: Some(name), teardown: None };
    let green = ending.exit() == Exit::Green;
    let teardown = if green && !arguments.keep { Some(flow::walk(&mut context, Phase::Down)) } else { None };
    let failure = teardown.as_ref().and_then(|outcome| outcome.as_ref().err()).map(|failed| &failed.failure);
    ending.teardown = failure;
    if matches!(teardown, Some(Ok(()))) {
        ending.kept = None;
    }
    ending.print(console);
    github::report(&ending, console);
    ending.exit()
}

impl Explain for NoImages {
    fn exit(&self) -> Exit {
        Exit::Preflight
    }

    fn cause_name(&self) -> &'static str {
        "worker-missing"
    }

    fn remedy(&self) -> String {
        "run the image's program itself with --worker-cmd, or take a target that runs images".into()
    }
}
