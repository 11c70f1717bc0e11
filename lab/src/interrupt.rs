//! Ctrl-C: the first one asks everything to stop in order, the second one leaves at once.
//!
//! Waits and steps ask [`check`] whether they should go on. SIGTERM and SIGHUP count like Ctrl-C.

use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::console::say;
use crate::failure::{Exit, Explain};

/// The signal that asked us to stop; 0 while none has.
static ASKED: AtomicU8 = AtomicU8::new(0);

/// Somebody asked the lab to stop.
#[derive(Debug, thiserror::Error)]
#[error("stopped by {}", name(*.0))]
pub struct Interrupted(u8);

/// Starts listening. Signals before this call end the process as they always do.
///
/// # Errors
/// When the system refuses to hand signals over.
pub fn listen() -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let signal = u8::try_from(signal).unwrap_or(u8::MAX);
            if ASKED.swap(signal, Ordering::SeqCst) != 0 {
                say("\n     Leaving at once; what is still up: `cargo xtask lab status`");
                std::process::exit(Exit::Signal(signal).code().into());
            }
            say(&format!("\n    Stopping in order ({}); once more leaves at once", name(signal)));
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
        signal => Err(Interrupted(signal)),
    }
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
