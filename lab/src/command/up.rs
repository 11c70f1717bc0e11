//! `lab up`: stands the lab up, or finishes what an earlier `up` began; nothing if it is up.

use super::explain;
use crate::cli;
use crate::console::{Console, Tone};
use crate::failure::{Exit, Failure, Result, name_flag};
use crate::flow::{self, Context, Phase};
use crate::ledger::Ledger;
use crate::places::Places;
use crate::preflight::{self, Ground, Needs, Place};
use crate::state::{LabDir, Lock};
use crate::step::Announced;
use crate::target::gke::{self, Gke};
use crate::target::kind::Kind;
use crate::target::local::Local;
use crate::target::{Asked, Site, Target};

/// Runs the command.
///
/// # Errors
/// Whatever kept the lab from standing.
pub fn run(arguments: &cli::Up, console: &Console) -> Result<Exit> {
    let places = Places::find(None)?;
    let target = choose(arguments, &places, console)?;
    if arguments.dry_run {
        return Ok(explain::print(target, console));
    }
    complain(&Ledger::find(arguments.gke.book.ledger.as_deref(), &places), console)?;
    let needs = Needs { places: &places, place: Place::of(target, arguments), run: None };
    let found = preflight(&needs, console)?;
    let site = open(arguments, &places, found.ground, console)?;
    let costs = site.keeping_costs();
    let mut context = Context { site: Some(site), console, places: &places, run: None };
    let name = &arguments.place.which.name;
    let walked = flow::walk(&mut context, Phase::Up);
    walked.map_err(|failed| say_what_stays(failed.failure, name, costs.as_deref()))?;
    console.line(Tone::Good, "Up", &format!("lab `{name}` on {}", target.name()));
    if let Some(costs) = costs {
        console.line(Tone::Note, "Cost", &format!("{costs}, until `cargo xtask lab down{}`", name_flag(name)));
    }
    Ok(Exit::Green)
}

/// Complains about labs that cost money beyond the time that they were meant to live.
///
/// # Errors
/// When the ledger cannot be read.
pub fn complain(ledger: &Ledger, console: &Console) -> Result<()> {
    gke::overdue(ledger)?.iter().for_each(|told| console.line(Tone::Bad, "Overdue", told));
    Ok(())
}

/// An interruption has no remedy of its own; but half a lab is there. Where that costs money, it is said in any case.
fn say_what_stays(failure: Failure, name: &str, costs: Option<&str>) -> Failure {
    if let Some(costs) = costs {
        let flag = name_flag(name);
        let stays = format!("what was made so far stays and may cost {costs}: `cargo xtask lab down{flag}` removes it");
        let remedy = if failure.remedy.is_empty() { stays } else { format!("{}; {stays}", failure.remedy) };
        return Failure { remedy, ..failure };
    }
    if !failure.is_interruption() {
        return failure;
    }
    let flag = name_flag(name);
    let remedy = format!(
        "what was made so far stays: `cargo xtask lab up{flag}` finishes it, `cargo xtask lab down{flag}` removes it"
    );
    Failure { remedy, ..failure }
}

/// Chooses the target and says why. A lab that stands already is taken up where it stands, unless another target is
/// asked for by name.
///
/// # Errors
/// When it cannot be had.
pub fn choose(arguments: &cli::Up, places: &Places, console: &Console) -> Result<Target> {
    let asked = arguments.place.asked();
    let name = &arguments.place.which.name;
    let standing = LabDir::of(places, name).read().ok().flatten().filter(|_| asked == Asked::Auto);
    if let Some(target) = standing.and_then(|state| Target::named(&state.target)) {
        console.line(Tone::Note, "Target", &format!("`{}`: lab `{name}` is there", target.name()));
        return Ok(target);
    }
    let (target, why) = Target::choose(asked, || preflight::kind_lacks(&arguments.kind));
    if let Some(why) = why {
        console.line(Tone::Note, "Target", &why);
    }
    Ok(target)
}

/// Checks what is needed, as a step of its own.
///
/// # Errors
/// The last of what is missing; the others were printed.
pub fn preflight(needs: &Needs<'_>, console: &Console) -> Result<preflight::Found> {
    let announced = Announced::start("preflight", "Preflight", console, None);
    let (found, told) = match preflight::insist(needs, console) {
        Ok((found, told)) => (Ok(found), Ok(told)),
        Err(failure) => (Err(failure.clone()), Err(failure)),
    };
    announced.finish(told)?;
    found
}

/// Gets hold of the lab.
///
/// # Errors
/// When somebody else has it, or its state cannot be used.
pub fn open<'a>(
    arguments: &cli::Up,
    places: &Places,
    ground: Ground,
    console: &'a Console,
) -> Result<Box<dyn Site + 'a>> {
    let lab = LabDir::of(places, &arguments.place.which.name);
    let lock = Lock::take(&lab, arguments.place.patience.lock_wait(), console)?;
    match ground {
        Ground::Local(redis) => Ok(Box::new(Local::open(lab, lock, redis, arguments.redis_port, console)?)),
        Ground::Kind(plan) => Ok(Box::new(Kind::open(lab, lock, *plan, console)?)),
        Ground::Gke(plan) => Ok(Box::new(Gke::open(lab, lock, *plan, console)?)),
    }
}
