//! Processes that the lab started: known again after a restart of the lab, and found whatever the state file says.
//!
//! A number alone does not name a process, since numbers are used again: an [`Identity`] adds when it started and in
//! which boot. And every process that the lab starts carries a [`Marker`] in its environment, which its children
//! inherit, so that nothing escapes a clean-up by a kill at the wrong moment.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fs_err as fs;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use serde::{Deserialize, Serialize};

/// The variable that every process of a lab carries: the lab's directory.
pub const MARKER: &str = "BATCH_ML_LAB";

/// One process of this machine, in this boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
    /// The boot that the ticks count from.
    pub boot_id: String,
}

impl Identity {
    /// The process that has this number now; `None` if there is none or it is dead and only not yet buried.
    pub fn of(pid: u32) -> Option<Self> {
        let (state, start_ticks) = stat(pid)?;
        if matches!(state, 'Z' | 'X') {
            return None;
        }
        Some(Self { pid, start_ticks, boot_id: boot_id() })
    }

    /// It runs still, and is the same one.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Sends a signal, to this process or to nobody.
    pub fn signal(&self, signal: Signal) {
        let Some(handle) = pid(self.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else { return };
        // The handle now names one process for good; is it ours?
        if self.is_alive() {
            // It may have ended in between, which is what a signal is for.
            let _ = pidfd_send_signal(&handle, signal);
        }
    }

    /// Waits until it is gone; `false` if it outlives the limit. Buries it if it is a child of ours.
    pub fn wait_gone(&self, limit: Duration) -> bool {
        let start = Instant::now();
        loop {
            if let Some(pid) = pid(self.pid) {
                // It is a child only of the lab that started it; for any other lab this says so and nothing else.
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
            if !self.is_alive() {
                return true;
            }
            if start.elapsed() >= limit {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What the processes of one lab have in common.
#[derive(Debug, Clone)]
pub struct Marker(PathBuf);

impl Marker {
    /// The marker of the lab in this directory.
    pub fn new(lab_dir: &Path) -> Self {
        Self(lab_dir.to_owned())
    }

    /// The variable and its value, for a process about to be started.
    pub fn variable(&self) -> (&'static str, OsString) {
        (MARKER, self.0.clone().into_os_string())
    }

    /// Every living process of this user that carries the marker.
    pub fn processes(&self) -> Vec<Identity> {
        let mut wanted = format!("{MARKER}=").into_bytes();
        wanted.extend_from_slice(self.0.as_os_str().as_bytes());
        let me = std::process::id();
        let carries = |pid: &u32| {
            // Processes of other users, and those that have just ended, cannot be read: they are not ours.
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
        };
        pids().filter(|pid| *pid != me).filter(carries).filter_map(Identity::of).collect()
    }

    /// Kills every process that carries the marker but `spared`, and says how many there were.
    pub fn sweep(&self, spared: Option<&Identity>) -> usize {
        let mut killed = 0;
        // A process may start another one while we look, so look until there is none. Each round kills, so it ends.
        for _ in 0..100 {
            let strays: Vec<_> = self.processes().into_iter().filter(|found| Some(found) != spared).collect();
            if strays.is_empty() {
                break;
            }
            killed += strays.len();
            strays.iter().for_each(|stray| stray.signal(Signal::KILL));
            strays.iter().for_each(|stray| {
                stray.wait_gone(Duration::from_secs(2));
            });
        }
        killed
    }
}

/// Every living process of this user that carries the marker of a lab below `root`, with that lab's directory.
pub fn marked_below(root: &Path) -> Vec<(Identity, PathBuf)> {
    let prefix = format!("{MARKER}=");
    let lab_of = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mut variables = environment.split(|byte| *byte == 0);
        let lab = variables.find_map(|variable| variable.strip_prefix(prefix.as_bytes()))?;
        Some(PathBuf::from(OsStr::from_bytes(lab))).filter(|lab| lab.starts_with(root))
    };
    pids()
        .filter_map(|pid| Some((pid, lab_of(pid)?)))
        .filter_map(|(pid, lab)| Some((Identity::of(pid)?, lab)))
        .collect()
}

/// Has the process that this command starts die with the lab, however that ends: by SIGKILL, once the thread that starts
/// it has ended. What the process itself has started is not reached.
pub fn die_with_the_lab(command: &mut Command) {
    let lab = rustix::process::getpid();
    let die = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The lab may have died before the line above: then nobody will ever send that signal.
        if rustix::process::getppid() == Some(lab) { Ok(()) } else { Err(std::io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec only `prctl` and `getppid` are called, which are async-signal-safe, and an error
    // without an allocation is made.
    unsafe { command.pre_exec(die) };
}

/// What this process is to the system, for others to find it by.
pub fn this() -> Option<Identity> {
    Identity::of(std::process::id())
}

/// A number as the system's calls want it.
pub fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// State and start time of a process, from `/proc/PID/stat`.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&text)
}

fn parse_stat(text: &str) -> Option<(char, u64)> {
    // The name stands in parentheses and may itself hold spaces and parentheses: count from the last one.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // The start time is field 22 of the line, the state field 3.
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some((state, start_ticks))
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Stdio};

    use super::*;

    fn sleeper(marker: &Marker) -> Child {
        let (name, value) = marker.variable();
        Command::new("sleep").arg("60").env(name, value).stdin(Stdio::null()).spawn().unwrap()
    }

    /// The name of a program cannot fool the parser.
    #[test]
    fn a_program_may_be_named_like_a_stat_line() {
        let line = "17 (a) S 1 (b) R) S 1 17 17 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9";
        assert_eq!(parse_stat(line), Some(('S', 4711)));
        assert_eq!(parse_stat("17 (cut"), None);
    }

    /// A process whose number is used again is another process, and a dead one is not alive.
    #[test]
    fn an_identity_is_more_than_a_number() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper(&Marker::new(dir.path()));
        let identity = Identity::of(child.id()).unwrap();
        let other = Identity { start_ticks: identity.start_ticks + 1, ..identity.clone() };
        assert!(identity.is_alive() && !other.is_alive());
        other.signal(Signal::KILL);
        assert!(identity.is_alive(), "a signal to another process must not reach this one");
        identity.signal(Signal::KILL);
        assert!(identity.wait_gone(Duration::from_secs(5)));
        assert!(child.try_wait().is_err(), "it was buried by the wait");
    }

    /// A sweep finds grandchildren too, spares whom it is told to, and leaves other labs alone.
    #[test]
    fn a_sweep_takes_one_lab_and_no_other() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (ours, theirs) = (Marker::new(ours.path()), Marker::new(theirs.path()));
        let mut foreign = sleeper(&theirs);
        let mut spared = sleeper(&ours);
        let (name, value) = ours.variable();
        let mut shell = Command::new("sh").args(["-c", "sleep 60 & sleep 60; true"]).env(name, value).spawn().unwrap();
        let start = Instant::now();
        while ours.processes().len() < 4 && start.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(5));
        }
        let spared_identity = Identity::of(spared.id()).unwrap();
        assert_eq!(ours.sweep(Some(&spared_identity)), 3);
        assert_eq!(ours.processes(), [spared_identity]);
        assert!(foreign.try_wait().unwrap().is_none(), "the other lab's process must live");
        for child in [&mut foreign, &mut spared, &mut shell] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
