//! `lab up`: stands the lab up, or finishes what an earlier `up` began; nothing if it is up.

use crate::cli;
use crate::console::{Console, Tone};
use crate::failure::{Exit, Result};
use crate::flow::{self, Context, Phase};
use crate::places::Places;
use crate::preflight::{self, Needs};
use crate::redis_server::{Fetch, Program};
use crate::state::{LabDir, Lock};
use crate::step::Announced;
use crate::target::local::Local;
use crate::target::{Site, Target};

/// Runs the command.
///
/// # Errors
/// Whatever kept the lab from standing.
pub fn run(arguments: &cli::Up, console: &Console) -> Result<Exit> {
    let target = choose(&arguments.place, console)?;
    let places = Places::find(None)?;
    let redis = arguments.redis.redis_server.as_deref();
    let needs = Needs { places: &places, redis, fetch: Fetch::Allowed, run: None };
    let found = preflight(&needs, console)?;
    let site = open(target, arguments, &places, found.redis, console)?;
    let mut context = Context { site: Some(site), console, places: &places, run: None };
    flow::walk(&mut context, Phase::Up).map_err(|failed| failed.failure)?;
    let name = &arguments.place.which.name;
    console.line(Tone::Good, "Up", &format!("lab `{name}` on {}", target.name()));
    Ok(Exit::Green)
}

/// Chooses the target and says why.
///
/// # Errors
/// When it cannot be had.
pub fn choose(place: &cli::Where, console: &Console) -> Result<Target> {
    let (target, why) = Target::choose(place.asked())?;
    if let Some(why) = why {
        console.line(Tone::Note, "Target", why);
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
    target: Target,
    arguments: &cli::Up,
    places: &Places,
    redis: Program,
    console: &'a Console,
) -> Result<Box<dyn Site + 'a>> {
    let lab = LabDir::of(places, &arguments.place.which.name);
    let lock = Lock::take(&lab, arguments.place.patience.lock_wait(), console)?;
    match target {
        Target::Local => Ok(Box::new(Local::open(lab, lock, redis, arguments.redis_port, console)?)),
    }
}
