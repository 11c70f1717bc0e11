//! `lab e2e`: preflight, up, flow, record, judge, down. Evidence first, then judgement, then teardown.

use super::{explain, up};
use crate::cli;
use crate::console::Console;
use crate::evidence::{self, Evidence};
use crate::failure::{Exit, Failure, Result};
use crate::flow::{self, Context, FailedStep, Order, Phase, Run};
use crate::github;
use crate::interrupt;
use crate::judge::Judge;
use crate::ledger::Ledger;
use crate::places::Places;
use crate::preflight::{Needs, Place, RunNeeds};
use crate::target::{Target, TargetError};
use crate::verdict::Ending;

/// Runs the command.
///
/// # Errors
/// What kept the run from beginning. How a run ends that began, is printed and in the exit code.
pub fn run(arguments: &cli::E2e, console: &Console) -> Result<Exit> {
    let places = Places::find(arguments.runs.runs.as_deref())?;
    let target = up::choose(&arguments.up, &places, console)?;
    if arguments.up.dry_run {
        return Ok(explain::print(target, console));
    }
    if arguments.preempt.is_some() && target != Target::Local {
        return Err(TargetError::NoPreemption(target.name()).into());
    }
    up::complain(&Ledger::find(arguments.up.gke.book.ledger.as_deref(), &places), console)?;
    let source = arguments.source();
    let needs = RunNeeds {
        worker_command: arguments.worker_cmd.as_deref(),
        worker_image: arguments.worker_image.as_deref(),
        worker_file: arguments.worker_bin.as_deref(),
        judge: arguments.judge.as_deref(),
        datasets: Some(&source),
    };
    let place = Place::of(target, &arguments.up);
    let found = up::preflight(&Needs { places: &places, place, run: Some(needs) }, console)?;
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
    let site = up::open(&arguments.up, &places, found.ground, console)?;
    let name = &arguments.up.place.which.name;
    let mut evidence = Evidence::begin(&places, name, target.name(), &order)?;
    evidence::announce(&evidence, console);
    let record = evidence.record().clone();
    let run = Run { order: &order, record: &record, items: Vec::new(), job: None, queue_recorded: false };
    let mut context = Context { site: Some(site), console, places: &places, run: Some(run) };
    let failed = go_through(&mut context, &mut evidence);
    let failed = failed.map(|FailedStep { step, failure }| FailedStep { step, failure: failure.of_lab(name) });
    // Whatever still runs of the Job is stopped here; its last words belong to the record.
    context.run = None;
    let finished = evidence.finish(failed.as_ref()).map_err(Failure::from);
    let failed = failed.or_else(|| Some(FailedStep { step: "record", failure: finished.err()? }));
    Ok(conclude(arguments, &judge, context, &evidence, failed.as_ref()))
}

/// Stands the lab up, does the work, and gathers the evidence whatever came of it.
fn go_through(context: &mut Context<'_>, evidence: &mut Evidence) -> Option<FailedStep> {
    if let Err(failed) = stand_up(context, evidence) {
        // The failure matters more than that its evidence could not be kept.
        let _ = gather(context, evidence, true);
        return Some(failed);
    }
    let outcome = flow::walk(context, Phase::Run);
    let gathered = flow::walk(context, Phase::Evidence);
    let outcome = outcome.and(gathered);
    let kept = gather(context, evidence, outcome.is_err());
    outcome.and(kept.map_err(|failure| FailedStep { step: "logs", failure })).err()
}

/// Keeps what Redis said, and what only the place itself can show.
fn gather(context: &mut Context<'_>, evidence: &Evidence, red: bool) -> Result<()> {
    let site = context.site()?;
    evidence.record().set_text("logs/redis.log", &site.redis_log())?;
    site.gather(evidence.record(), red)
}

fn stand_up(context: &mut Context<'_>, evidence: &mut Evidence) -> Result<(), FailedStep> {
    flow::walk(context, Phase::Up)?;
    let mut remember = || -> Result<()> {
        let site = context.site()?;
        site.begin_run(evidence.record().dir())?;
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
    let name = arguments.up.place.which.name.as_str();
    let mut verdict = judge.judge(evidence.record()).map_err(Failure::from);
    if failed.is_none()
        && let Err(stopped) = interrupt::check()
    {
        // The run was through, and somebody wants no more of it.
        verdict = Err(stopped.into());
    }
    let is_red = verdict.as_ref().is_ok_and(|verdict| !verdict.green);
    if is_red && failed.is_none() {
        // What was kept for a green run is not enough to see why this one is red; the verdict itself matters more.
        let _ = gather(&mut context, evidence, true);
    }
    // What costs money while it stands is taken down after a red run, too, the evidence being in the record by now.
    let costs = context.site().ok().and_then(|site| site.keeping_costs());
    let has_stood = !failed.is_some_and(|failed| flow::is_in(Phase::Up, failed.step));
    let mut ending = Ending {
        evidence,
        failed,
        verdict: verdict.as_ref(),
        kept: Some(name),
        stands: has_stood && context.site().is_ok_and(|site| site.stands()),
        keeping_costs: costs.as_deref(),
        teardown: None,
    };
    let wanted = !arguments.keep && (ending.exit() == Exit::Green || costs.is_some());
    if wanted && costs.is_some() {
        interrupt::carry_through();
    }
    let teardown = wanted.then(|| flow::walk(&mut context, Phase::Down));
    if matches!(teardown, Some(Ok(()))) {
        ending.kept = None;
    }
    let failure = teardown.and_then(Result::err).map(|failed| failed.failure.of_lab(name));
    // A teardown is gone through with in any case; whoever asked for an end is told that it is one.
    let stopped = || Some(Failure::from(interrupt::check().err()?)).filter(|_| ending.exit() == Exit::Green);
    let failure = failure.or_else(stopped);
    ending.teardown = failure.as_ref();
    ending.print(console);
    github::report(&ending, console);
    ending.exit()
}
