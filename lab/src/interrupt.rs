//! Ctrl-C: the first one asks everything to stop in order, the second one leaves at once.
//!
//! Waits and steps ask [`check`] whether they should go on. SIGTERM and SIGHUP count like Ctrl-C.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::console::say;
use crate::failure::{Exit, Explain, name_flag};

/// The signal that asked us to stop; 0 while none has. Set in the handler itself: whoever was cut short by a signal, or
/// sees that a child was, finds it here.
static ASKED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// What is being done must be done all the same: see [`carry_through`].
static CARRIED_THROUGH: AtomicBool = AtomicBool::new(false);

/// Somebody asked the lab to stop.
#[derive(Debug, thiserror::Error)]
#[error("stopped by {}", name(*.0))]
pub struct Interrupted(u8);

/// Starts listening, for a command that is about this lab. Signals before this call end the process as they always do.
///
/// # Errors
/// When the system refuses to hand signals over.
pub fn listen(lab: &str) -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register_usize(signal, Arc::clone(&ASKED), usize::from(small(signal)))?;
    }
    let leaving = format!("\n     Leaving at once; what is still up: `cargo xtask lab status{}`", name_flag(lab));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        let mut told = false;
        for signal in signals.forever().map(small) {
            if std::mem::replace(&mut told, true) {
                say(&leaving);
                std::process::exit(Exit::Signal(signal).code().into());
            }
            let doing = if CARRIED_THROUGH.load(Ordering::SeqCst) {
                "Taking down first what costs money"
            } else {
                "Stopping in order"
            };
            say(&format!("\n    {doing} ({}); once more leaves at once", name(signal)));
        }
    });
    Ok(())
}

/// Fails once somebody asked the lab to stop.
///
/// # Errors
/// [`Interrupted`], from the first signal on.
pub fn check() -> Result<(), Interrupted> {
    match ASKED.load(Ordering::SeqCst) {
        0 => Ok(()),
        _ if CARRIED_THROUGH.load(Ordering::SeqCst) => Ok(()),
        signal => Err(Interrupted(small(signal))),
    }
}

/// From here on no first signal stops anything, whether it came before or comes now: what costs money is taken down all the
/// same. A second one still leaves at once.
pub fn carry_through() {
    CARRIED_THROUGH.store(true, Ordering::SeqCst);
}

/// A signal's number, all of which are small.
fn small<N: TryInto<u8>>(signal: N) -> u8 {
    signal.try_into().unwrap_or(u8::MAX)
}

fn name(signal: u8) -> &'static str {
    match i32::from(signal) {
        SIGINT => "Ctrl-C",
        SIGTERM => "SIGTERM",
        _ => "SIGHUP",
    }
}

impl Explain for Interrupted {
    fn exit(&self) -> Exit {
        Exit::Signal(self.0)
    }

    fn cause_name(&self) -> &'static str {
        "interrupted"
    }

    fn remedy(&self) -> String {
        String::new()
    }
}
