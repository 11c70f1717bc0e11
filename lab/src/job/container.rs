//! One run of a container: a child process in a group of its own, from its start to its end.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use super::program::Program;
use crate::process::die_with_the_lab;

/// What a container is started with.
#[derive(Debug)]
pub struct Spec<'a> {
    /// The program.
    pub program: &'a Program,
    /// The Job's environment, on top of the program's own.
    pub environment: Vec<(String, OsString)>,
    /// Where its standard output goes.
    pub out: PathBuf,
    /// Where its standard error goes.
    pub err: PathBuf,
}

/// A started container. The thread that started it must live as long as it does: it dies with that thread.
#[derive(Debug)]
pub struct Container {
    child: Child,
    pid: Pid,
}

/// A handle to signal a container by, from any thread, for as long as it is not buried.
#[derive(Debug, Clone, Copy)]
pub struct Handle(Pid);

impl Container {
    /// Starts it.
    ///
    /// # Errors
    /// When the program cannot be started or the logs not be written.
    pub fn start(spec: &Spec<'_>) -> std::io::Result<Self> {
        let mut command = spec.program.command();
        command
            .envs(spec.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log(&spec.out)?)
            .stderr(log(&spec.err)?)
            // A group of its own: Ctrl-C is for the lab, and the end of a container is the end of all that is in it.
            .process_group(0);
        die_with_the_lab(&mut command);
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| std::io::Error::other("the system gave an impossible process number"))?;
        Ok(Self { child, pid })
    }

    /// What to signal it by.
    pub fn handle(&self) -> Handle {
        Handle(self.pid)
    }

    /// Blocks until it has ended. It is not buried yet: its number stays its own, and signals to it go nowhere.
    pub fn wait_for_end(&self) -> std::io::Result<()> {
        loop {
            match waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(rustix::io::Errno::INTR) => {}
                other => return other.map(drop).map_err(Into::into),
            }
        }
    }

    /// Ends whatever it has left running, buries it, and says how it ended: as Kubernetes does, 128 + signal.
    pub fn bury(mut self) -> std::io::Result<i32> {
        Handle(self.pid).kill();
        self.child.wait().map(exit_code)
    }
}

impl Handle {
    /// To its first process alone, as the kubelet sends SIGTERM.
    pub fn signal(self, signal: Signal) {
        // It may have ended by now, which is no fault.
        let _ = kill_process(self.0, signal);
    }

    /// To all of its processes, as the end of a container does.
    pub fn kill(self) {
        let _ = kill_process_group(self.0, Signal::KILL);
    }

    /// Holds all of it still, or lets it go on.
    pub fn pause(self, paused: bool) {
        let _ = kill_process_group(self.0, if paused { Signal::STOP } else { Signal::CONT });
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Opened to append: several processes of a container may write, and none may overwrite another.
fn log(path: &PathBuf) -> std::io::Result<File> {
    if let Some(dir) = path.parent() {
        fs_err::create_dir_all(dir)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}
